package code

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// Plain is a mapping to begin with: a system that calls the statuses by their
// Vietnamese names.
func Plain(system string) (*Mapping, error) {
	m := &Mapping{}
	for _, s := range Statuses() {
		w := Word{s.Text(i18n.Vietnamese), s}
		m.read, m.write = append(m.read, w), append(m.write, w)
	}
	return m.Renamed(system)
}

// Read are the words that are understood, in the order of the file.
func (m *Mapping) Read() []Word { return slices.Clone(m.read) }

// Write are the words that are said, in the order of the statuses.
func (m *Mapping) Write() []Word {
	list := slices.Clone(m.write)
	slices.SortFunc(list, func(a, b Word) int { return cmp.Compare(a.Status, b.Status) })
	return list
}

// Renamed is the mapping under another name of its system. Like what follows, it
// leaves m as it is, and its faults are a *problem.Problem that names the field.
func (m *Mapping) Renamed(system string) (*Mapping, error) {
	if system = strings.TrimSpace(norm.NFC.String(system)); system == "" || len(system) > MaxWord || !utf8.ValidString(system) {
		return nil, problem.New(problem.Usage, "dossier-mapping.system", "system", i18n.Args{"limit": MaxWord})
	}
	return changed(system, m.read, m.write)
}

// Understand has w understood in the place of the word was; with "" it is one more.
func (m *Mapping) Understand(was string, w Word) (*Mapping, error) {
	w, err := w.check()
	if err != nil {
		return nil, err
	}
	list := slices.Clone(m.read)
	at := len(list)
	if was != "" {
		if at = m.find(was); at < 0 {
			return nil, gone(was)
		}
	}
	if i := m.find(w.Word); i >= 0 && i != at {
		return nil, problem.New(problem.Conflict, "dossier-mapping.twice", "word", i18n.Args{"word": shown(w.Word), "status": list[i].Status})
	}
	if at == len(list) {
		list = append(list, w)
	}
	list[at] = w
	return changed(m.System, list, m.write)
}

// Forget has a word no longer understood.
func (m *Mapping) Forget(word string) (*Mapping, error) {
	at := m.find(word)
	if at < 0 {
		return nil, gone(word)
	}
	return changed(m.System, slices.Delete(slices.Clone(m.read), at, at+1), m.write)
}

// Say has a status said by a word; an empty one leaves the status without.
func (m *Mapping) Say(w Word) (*Mapping, error) {
	silent := strings.TrimSpace(w.Word) == ""
	checked, err := w.check()
	if err != nil && (!silent || !w.Status.Valid()) {
		return nil, err
	}
	list := slices.Clone(m.write)
	at := slices.IndexFunc(list, func(old Word) bool { return old.Status == w.Status })
	switch {
	case silent && at >= 0:
		list = slices.Delete(list, at, at+1)
	case at >= 0:
		list[at] = checked
	case !silent:
		list = append(list, checked)
	}
	return changed(m.System, m.read, list)
}

// find is the place of a word among those that are understood, -1 for none.
func (m *Mapping) find(word string) int {
	return slices.IndexFunc(m.read, func(w Word) bool { return wordKey(w.Word) == wordKey(word) })
}

// check is clean with problems for who types a word; both faults come at once.
func (w Word) check() (Word, error) {
	var faults problem.List
	if w.Word = strings.TrimSpace(norm.NFC.String(w.Word)); w.Word == "" || len(w.Word) > MaxWord || !utf8.ValidString(w.Word) {
		faults = append(faults, problem.New(problem.Usage, "dossier-mapping.word", "word", i18n.Args{"limit": MaxWord}))
	}
	if !w.Status.Valid() {
		faults = append(faults, problem.New(problem.Usage, "dossier-mapping.status", "status", nil))
	}
	return w, faults.Err()
}

func gone(word string) error {
	return problem.New(problem.Conflict, "dossier-mapping.gone", "word", i18n.Args{"word": shown(word)})
}

// changed makes a mapping of words that are clean one by one.
func changed(system string, read, write []Word) (*Mapping, error) {
	if len(read)+len(write) == 0 {
		return nil, problem.New(problem.Conflict, "dossier-mapping.last", "word", nil)
	}
	full := problem.New(problem.Conflict, "dossier-mapping.full", "word", i18n.Args{"words": MaxWords, "limit": MaxMapping >> 10})
	if len(read) > MaxWords || len(write) > MaxWords {
		return nil, full
	}
	m, err := newMapping(mappingFile{System: system, Read: read, Write: write})
	if err != nil {
		return nil, err
	}
	if raw, err := m.Encode(); err != nil || len(raw) > MaxMapping {
		return nil, full.Because(err)
	}
	return m, nil
}
