// Package extract reads the text of attachments for searching: PDF, the files of
// word processors, spreadsheets and presentations (OOXML and ODF), and text with
// or without markup.
//
// [Read] promises that it holds no more than its limits name, whatever the file
// is; how long it takes and what a fault in it does are bounded by [Process],
// which runs it in a process of its own. That process gets an open file and gives
// text: no name, no key and no database.
//
// Text in TCVN 5712 (".Vn" fonts) is turned into Unicode where the file names the
// font. Other legacy encodings are left as they are: nothing in a file without
// fonts says for sure that it is in one.
package extract

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of one file. What lies beyond is not read, and the result says so.
const (
	// MaxText is the longest text, in bytes: some 500 pages.
	MaxText = 1 << 20
	// MaxExpanded bounds what is read of the compressed parts of an office file, in bytes.
	MaxExpanded = 64 << 20
	// maxWord is the longest word in bytes. Longer ones are data, not language.
	maxWord = 200
	// maxInput is the longest file that is taken from a pipe, in bytes.
	maxInput = 1 << 20
)

var (
	// ErrUnreadable says that the file is damaged, encrypted or beyond a limit.
	ErrUnreadable = errors.New("file cannot be read")
	// ErrNoText says that files of this kind have no text, or none that is understood.
	ErrNoText = errors.New("no kind with text")
)

// Text is what a file says.
type Text struct {
	Text string `json:"text"`
	Part bool   `json:"part"` // there is more, or some of it could not be read
}

// kinds of files that are known by their names alone.
var kinds = map[string]func(io.Reader, *sink) error{
	".txt": plain, ".csv": plain, ".html": markup, ".htm": markup, ".xml": markup, ".edxml": markup,
}

// office files are known by their content; the names only say that there may be one.
var packed = map[string]bool{
	".pdf": true, ".docx": true, ".docm": true, ".xlsx": true, ".xlsm": true, ".pptx": true, ".odt": true, ".ods": true, ".odp": true,
}

// Kind is the extension by which Read knows a file, "" when it has no text.
func Kind(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if kinds[ext] != nil || packed[ext] {
		return ext
	}
	return ""
}

// Read reads the text of a file of that kind.
func Read(kind string, r io.ReaderAt, size int64) (Text, error) {
	return beginning(kind, r, size, MaxText)
}

// beginning reads no more than so many bytes of the text.
func beginning(kind string, r io.ReaderAt, size int64, most int) (Text, error) {
	head := make([]byte, min(size, 1024))
	if n, err := r.ReadAt(head, 0); err != nil && n < len(head) {
		return Text{}, fmt.Errorf("read file: %w", err)
	}
	out := &sink{most: most}
	var err error
	switch {
	case Kind("x"+kind) == "":
		return Text{}, ErrNoText
	case bytes.Contains(head, []byte("%PDF-")):
		err = pdfText(r, size, out)
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		err = officeText(r, size, out)
	case kinds[kind] != nil:
		err = kinds[kind](io.NewSectionReader(r, 0, size), out)
	default:
		err = ErrUnreadable
	}
	if errors.Is(err, errEnough) {
		err = nil
	}
	if err != nil {
		return Text{}, err
	}
	return Text{out.String(), out.part}, nil
}

// sink collects text: words with one space or line break between them.
type sink struct {
	text strings.Builder
	most int // bytes of the text
	word []byte
	gap  byte // before the next word
	long bool // the word is over its limit
	part bool
}

// full reports whether no more is taken.
func (s *sink) full() bool { return s.text.Len() >= s.most }

func (s *sink) newline() {
	s.end()
	if s.text.Len() > 0 {
		s.gap = '\n'
	}
}

func (s *sink) write(text string) {
	for _, r := range text {
		s.rune(r)
	}
}

func (s *sink) rune(r rune) {
	switch {
	case unicode.IsSpace(r):
		s.end()
		if s.gap == 0 && s.text.Len() > 0 {
			s.gap = ' '
		}
	case r == utf8.RuneError, unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
	case len(s.word) >= maxWord:
		s.long = true
	default:
		s.word = utf8.AppendRune(s.word, r)
	}
}

// end takes the word at hand.
func (s *sink) end() {
	if !s.long && len(s.word) > 0 {
		if s.text.Len()+len(s.word)+1 > s.most {
			s.part = true
			s.text.WriteString(strings.Repeat(" ", max(0, s.most-s.text.Len()))) // full
		} else {
			if s.gap != 0 {
				s.text.WriteByte(s.gap)
			}
			s.text.Write(s.word)
		}
		s.gap = 0
	}
	s.part = s.part || s.long
	s.word, s.long = s.word[:0], false
}

// String ends the text.
func (s *sink) String() string {
	s.end()
	return strings.TrimSpace(s.text.String())
}
