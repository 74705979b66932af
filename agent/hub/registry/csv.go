package registry

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// MaxCSVProblems is how many faults of a list are reported at once; the rest is
// found at the next try.
const MaxCSVProblems = 100

// Limits of a directory for Import, hard.
const (
	MaxDirectory  = 250_000  // offices
	MaxImportFile = 64 << 20 // bytes
)

// Entry is one line of a list of offices. Nil lists stand for a column that is
// not in the file.
type Entry struct {
	Code, Name, Parent, Kind string
	Old                      []string // earlier codes
	May                      []string // rules of whom it may write to
	Into                     string   // the office that took it over
	HasInto                  bool     // the file has a column for it
	Contact                  Contact
	HasContact               bool // the file has a column for some of it
	Line                     int  // in the file, from 1
}

// Contact is whom to call in an office, and on which line its box hangs. It stands on no
// card: a hub keeps that of its own offices for itself.
type Contact struct{ Phone, Carrier, Station string }

// needed columns must be in the header row, in any order; further ones may be,
// and others are left alone.
var (
	needed  = []string{"code", "name", "parent", "kind"}
	further = []string{"old", "may", "into", "phone", "carrier", "station"}
)

// ReadList reads a list of offices: CSV in UTF-8 with a header row, comma or
// semicolon between the fields, spaces between the codes in one field. It returns
// all offices or, as a problem.List, what is wrong with which line and field. A
// file of more than size bytes or offices is a problem too.
func ReadList(r io.Reader, size int64, offices int) ([]Entry, error) {
	data, err := io.ReadAll(io.LimitReader(r, size+1))
	if err != nil {
		return nil, problem.New(problem.Usage, "csv.unreadable", "csv", nil).Because(err)
	}
	if int64(len(data)) > size {
		return nil, problem.New(problem.Usage, "csv.large", "csv", i18n.Args{"max": offices})
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if line := badUTF8(data); line > 0 {
		return nil, problem.New(problem.Usage, "csv.encoding", "csv", i18n.Args{"line": line})
	}
	list := &entryList{seen: map[string]int{}, most: offices}
	list.read(csvReader(data))
	if len(list.found) > 0 {
		return nil, list.found
	}
	if len(list.entries) == 0 {
		return nil, problem.New(problem.Usage, "csv.empty", "csv", nil)
	}
	return list.entries, nil
}

// badUTF8 returns the first line that is not UTF-8, 0 when all are.
func badUTF8(data []byte) int {
	if utf8.Valid(data) {
		return 0
	}
	s := bufio.NewScanner(bytes.NewReader(data))
	s.Buffer(nil, len(data)+1)
	line := 1
	for s.Scan() && utf8.Valid(s.Bytes()) {
		line++
	}
	return line
}

func csvReader(data []byte) *csv.Reader {
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = -1
	header, _, _ := bytes.Cut(data, []byte("\n"))
	if !bytes.Contains(header, []byte(",")) && bytes.Contains(header, []byte(";")) {
		r.Comma = ';' // as spreadsheets save it where the comma is in numbers
	}
	return r
}

type entryList struct {
	entries []Entry
	seen    map[string]int // code key → line
	found   problem.List
	most    int
}

func (l *entryList) bad(line int, code, field, value string, err error, args i18n.Args) {
	all := i18n.Args{"line": line, "field": field, "value": short(value)}
	for k, v := range args {
		all[k] = v
	}
	p := problem.New(problem.Usage, code, field, all)
	if err != nil {
		p = p.Because(err)
	}
	l.found = append(l.found, p)
}

func (l *entryList) read(r *csv.Reader) {
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return
	}
	if err != nil {
		l.bad(1, "csv.syntax", "csv", "", err, nil)
		return
	}
	at := map[string]int{}
	for i, name := range header {
		at[strings.ToLower(strings.TrimSpace(name))] = i
	}
	for _, name := range needed {
		if _, ok := at[name]; !ok {
			l.bad(1, "csv.column", name, name, nil, nil)
		}
	}
	if len(l.found) > 0 {
		return // without the columns every line would be wrong
	}
	for len(l.found) < MaxCSVProblems && l.line(r, at) {
	}
}

// line reads one office; false at the end of the file.
func (l *entryList) line(r *csv.Reader, at map[string]int) bool {
	record, err := r.Read()
	if errors.Is(err, io.EOF) {
		return false
	}
	var syntax *csv.ParseError
	if errors.As(err, &syntax) {
		l.bad(syntax.Line, "csv.syntax", "csv", "", err, nil)
		return true
	}
	if err != nil {
		l.bad(0, "csv.unreadable", "csv", "", err, nil)
		return false
	}
	line, _ := r.FieldPos(0)
	field := func(name string) string {
		if i := at[name]; i < len(record) {
			return strings.TrimSpace(record[i])
		}
		return ""
	}
	e := Entry{Code: field("code"), Name: field("name"), Parent: field("parent"), Kind: field("kind"), Line: line}
	for _, name := range further {
		if _, ok := at[name]; !ok {
			continue
		}
		codes := strings.Fields(field(name))
		switch name {
		case "old":
			e.Old = codes
		case "may":
			e.May = codes
		case "into":
			e.Into, e.HasInto = strings.Join(codes, " "), true
		case "phone":
			e.Contact.Phone, e.HasContact = field(name), true
		case "carrier":
			e.Contact.Carrier, e.HasContact = field(name), true
		case "station":
			e.Contact.Station, e.HasContact = field(name), true
		}
	}
	if !slices.ContainsFunc(record, func(s string) bool { return strings.TrimSpace(s) != "" }) {
		return true // an empty line of a spreadsheet
	}
	if len(l.entries) >= l.most {
		l.bad(line, "csv.large", "csv", "", nil, i18n.Args{"max": l.most})
		return false
	}
	l.check(e)
	return true
}

func (l *entryList) check(e Entry) {
	if err := CheckCode(e.Code); err != nil {
		l.bad(e.Line, "csv.code", "code", e.Code, err, i18n.Args{"max": MaxCode})
	} else if first, dup := l.seen[Key(e.Code)]; dup {
		l.bad(e.Line, "csv.duplicate", "code", e.Code, nil, i18n.Args{"first": first})
	} else {
		l.seen[Key(e.Code)] = e.Line
	}
	if err := CheckName(e.Name); err != nil {
		l.bad(e.Line, "csv.name", "name", e.Name, err, i18n.Args{"max": MaxName})
	}
	l.other(e, "parent", "csv.parent", e.Parent)
	l.other(e, "into", "csv.into", e.Into)
	for field, text := range map[string]string{"phone": e.Contact.Phone, "carrier": e.Contact.Carrier, "station": e.Contact.Station} {
		if err := checkContact(text); err != nil {
			l.bad(e.Line, "csv.contact", field, text, err, i18n.Args{"max": MaxName})
		}
	}
	if err := CheckKind(e.Kind); err != nil {
		l.bad(e.Line, "csv.kind", "kind", e.Kind, err, i18n.Args{"max": MaxKind})
	}
	for _, old := range e.Old {
		if err := CheckCode(old); err != nil || len(e.Old) > MaxOld {
			l.bad(e.Line, "csv.old", "old", old, err, i18n.Args{"max": MaxOld})
			break
		}
	}
	for _, rule := range e.May {
		if err := CheckRule(rule); err != nil || len(e.May) > MaxMay {
			l.bad(e.Line, "csv.may", "may", rule, err, i18n.Args{"max": MaxMay})
			break
		}
	}
	l.entries = append(l.entries, e)
}

// other checks the code of another office, which may be left out.
func (l *entryList) other(e Entry, field, code, value string) {
	if value == "" {
		return
	}
	err := CheckCode(value)
	if err == nil && Key(value) == Key(e.Code) {
		err = fmt.Errorf("%w: office names itself", ErrCode)
	}
	if err != nil {
		l.bad(e.Line, code, field, value, err, nil)
	}
}

func checkContact(text string) error {
	if text == "" {
		return nil
	}
	return CheckName(text)
}

// CheckKind says whether kind can stand on a card.
func CheckKind(kind string) error {
	if len(kind) > MaxKind {
		return fmt.Errorf("more than %d bytes", MaxKind)
	}
	if strings.ContainsFunc(kind, func(r rune) bool { return unicode.IsControl(r) || r == '\ufffd' }) {
		return errors.New("holds control characters")
	}
	return nil
}

// short makes a bad value fit to be shown: one line, no control characters.
func short(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '\ufffd'
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
