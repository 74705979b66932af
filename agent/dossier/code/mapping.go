package code

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// Bounds of a mapping file.
const (
	MaxMapping = 256 << 10 // bytes
	MaxWords   = 1000      // in each direction
	MaxWord    = 200       // bytes of a word, or of the system's name
	// maxNamed is how many known words a problem names.
	maxNamed = 30
)

// Mapping is how another maker's one-stop system calls the statuses. Words are
// compared in NFC, without regard to case and surrounding space.
type Mapping struct {
	System string
	read   []Word // in the order of the file
	write  []Word
	words  map[string]Status
	names  map[Status]string
}

// Word is a status as a system calls it.
type Word struct {
	Word   string `json:"word"`
	Status Status `json:"status"`
}

// mappingFile is the file, specified in the README of agent. Read is from
// foreign words, several of which may mean one status; Write is to them.
type mappingFile struct {
	Format string `json:"format"`
	System string `json:"system"`
	Read   []Word `json:"read"`
	Write  []Word `json:"write"`
}

// mappingFormat is what the file begins with.
const mappingFormat = "tram-dossier-statuses/1"

// openCPS are the states of OpenCPS. In what is written "processing" stands for
// all in which the office works on the dossier.
var openCPS = mappingFile{
	System: "OpenCPS",
	Read: []Word{
		{"new", Registered}, {"receiving", Registered}, {"waiting", Supplement}, {"processing", Processing}, {"pausing", Supplement},
		{"posting", Processing}, {"correcting", Processing}, {"cancelling", WithdrawalWish}, {"releasing", Done}, {"denied", Refused},
		{"unresolved", Stopped}, {"cancelled", Stopped}, {"done", Returned}, {"interoperating", Processing},
	},
	Write: []Word{
		{"new", Registered}, {"processing", Received}, {"denied", Refused}, {"processing", Processing}, {"waiting", Supplement},
		{"waiting", Payment}, {"cancelling", WithdrawalWish}, {"unresolved", Stopped}, {"releasing", Done}, {"done", Returned},
	},
}

// OpenCPS is the mapping of OpenCPS's own states. Installations rename and
// refine them: a file of [ReadMapping] takes its place then.
func OpenCPS() *Mapping {
	m, err := newMapping(openCPS)
	if err != nil {
		panic(err) // a test holds that it does not
	}
	return m
}

// ReadMapping reads a mapping file. Faults are a *problem.Problem.
func ReadMapping(r io.Reader) (*Mapping, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxMapping+1))
	if err != nil {
		return nil, fmt.Errorf("read mapping of statuses: %w", err)
	}
	f, err := decodeMapping(raw)
	if err == nil {
		var m *Mapping
		if m, err = newMapping(f); err == nil {
			return m, nil
		}
	}
	return nil, problem.New(problem.Usage, "dossier-mapping.file", "file", i18n.Args{"why": shown(err.Error())}).Because(err)
}

func decodeMapping(raw []byte) (f mappingFile, err error) {
	if len(raw) > MaxMapping {
		return f, fmt.Errorf("more than %d bytes", MaxMapping)
	}
	if !utf8.Valid(raw) {
		return f, errors.New("not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return f, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return f, errors.New("something stands behind the object")
	}
	if f.Format != mappingFormat {
		return f, fmt.Errorf("format is %q, not %q", f.Format, mappingFormat)
	}
	return f, nil
}

func newMapping(f mappingFile) (*Mapping, error) {
	m := &Mapping{System: strings.TrimSpace(norm.NFC.String(f.System)), words: map[string]Status{}, names: map[Status]string{}}
	switch {
	case m.System == "" || len(m.System) > MaxWord:
		return nil, fmt.Errorf("system needs a name of at most %d bytes", MaxWord)
	case len(f.Read)+len(f.Write) == 0:
		return nil, errors.New("neither read nor write has a word")
	case len(f.Read) > MaxWords || len(f.Write) > MaxWords:
		return nil, fmt.Errorf("more than %d words", MaxWords)
	}
	for _, w := range f.Read {
		w, err := w.clean("read")
		if err != nil {
			return nil, err
		}
		if _, twice := m.words[wordKey(w.Word)]; twice {
			return nil, fmt.Errorf("read: %q stands twice", w.Word)
		}
		m.words[wordKey(w.Word)] = w.Status
		m.read = append(m.read, w)
	}
	for _, w := range f.Write {
		w, err := w.clean("write")
		if err != nil {
			return nil, err
		}
		if _, twice := m.names[w.Status]; twice {
			return nil, fmt.Errorf("write: status %d stands twice", w.Status)
		}
		m.names[w.Status] = w.Word
		m.write = append(m.write, w)
	}
	return m, nil
}

func (w Word) clean(where string) (Word, error) {
	w.Word = strings.TrimSpace(norm.NFC.String(w.Word))
	switch {
	case w.Word == "" || len(w.Word) > MaxWord:
		return w, fmt.Errorf("%s: a word has 1 to %d bytes", where, MaxWord)
	case !w.Status.Valid():
		return w, fmt.Errorf("%s: %q has status %d, not %d to %d", where, w.Word, w.Status, Registered, Returned)
	}
	return w, nil
}

func wordKey(word string) string { return strings.ToLower(strings.TrimSpace(norm.NFC.String(word))) }

// Encode writes the mapping as a file that [ReadMapping] reads.
func (m *Mapping) Encode() ([]byte, error) {
	raw, err := json.MarshalIndent(mappingFile{mappingFormat, m.System, m.read, m.write}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write mapping of statuses: %w", err)
	}
	return append(raw, '\n'), nil
}

// Status is the status that a foreign word means.
func (m *Mapping) Status(word string) (Status, error) {
	if s, ok := m.words[wordKey(word)]; ok {
		return s, nil
	}
	var known []string
	for i, w := range m.read {
		if i == maxNamed {
			known = append(known, "…")
			break
		}
		known = append(known, w.Word)
	}
	return 0, problem.New(problem.Usage, "dossier-mapping.unknown", "status",
		i18n.Args{"system": m.System, "word": shown(word), "known": strings.Join(known, ", ")})
}

// Word is how the system calls a status.
func (m *Mapping) Word(s Status) (string, error) {
	if word, ok := m.names[s]; ok {
		return word, nil
	}
	return "", problem.New(problem.Usage, "dossier-mapping.silent", "status", i18n.Args{"system": m.System, "status": s})
}
