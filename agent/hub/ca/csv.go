package ca

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

	"tram/agent/enroll/invite"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/problem"
)

// Limits of a list of offices, hard.
const (
	MaxCSV         = 8 << 20 // bytes
	MaxOffices     = 20_000
	MaxCSVProblems = 100 // reported at once; the rest is found at the next try
)

// Office is one line of a list of offices.
type Office struct {
	Code, Name, Parent, Kind string
	Line                     int // in the file, from 1
}

// columns of the list; each must be in the header row, in any order. Other
// columns are left alone.
var columns = []string{"code", "name", "parent", "kind"}

// ReadOffices reads a list of offices: CSV in UTF-8 with a header row, comma or
// semicolon between the fields. It returns all offices or, as a problem.List,
// what is wrong with which line and field.
func ReadOffices(r io.Reader) ([]Office, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxCSV+1))
	if err != nil {
		return nil, problem.New(problem.Usage, "csv.unreadable", "csv", nil).Because(err)
	}
	if len(data) > MaxCSV {
		return nil, problem.New(problem.Usage, "csv.large", "csv", i18n.Args{"max": MaxOffices})
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if line := badUTF8(data); line > 0 {
		return nil, problem.New(problem.Usage, "csv.encoding", "csv", i18n.Args{"line": line})
	}
	list := &officeList{seen: map[string]int{}}
	list.read(csvReader(data))
	if len(list.found) > 0 {
		return nil, list.found
	}
	if len(list.offices) == 0 {
		return nil, problem.New(problem.Usage, "csv.empty", "csv", nil)
	}
	return list.offices, nil
}

// badUTF8 returns the first line that is not UTF-8, 0 when all are.
func badUTF8(data []byte) int {
	if utf8.Valid(data) {
		return 0
	}
	s := bufio.NewScanner(bytes.NewReader(data))
	s.Buffer(nil, MaxCSV+1)
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

type officeList struct {
	offices []Office
	seen    map[string]int // code key → line
	found   problem.List
}

func (l *officeList) bad(line int, code, field, value string, err error, args i18n.Args) {
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

func (l *officeList) read(r *csv.Reader) {
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
	for _, name := range columns {
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
func (l *officeList) line(r *csv.Reader, at map[string]int) bool {
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
	o := Office{Code: field("code"), Name: field("name"), Parent: field("parent"), Kind: field("kind"), Line: line}
	if !slices.ContainsFunc(record, func(s string) bool { return strings.TrimSpace(s) != "" }) {
		return true // an empty line of a spreadsheet
	}
	if len(l.offices) >= MaxOffices {
		l.bad(line, "csv.large", "csv", "", nil, i18n.Args{"max": MaxOffices})
		return false
	}
	l.check(o)
	return true
}

func (l *officeList) check(o Office) {
	if err := registry.CheckCode(o.Code); err != nil {
		l.bad(o.Line, "csv.code", "code", o.Code, err, i18n.Args{"max": registry.MaxCode})
	} else if first, dup := l.seen[registry.Key(o.Code)]; dup {
		l.bad(o.Line, "csv.duplicate", "code", o.Code, nil, i18n.Args{"first": first})
	} else {
		l.seen[registry.Key(o.Code)] = o.Line
	}
	if err := registry.CheckName(o.Name); err != nil {
		l.bad(o.Line, "csv.name", "name", o.Name, err, i18n.Args{"max": registry.MaxName})
	}
	if o.Parent != "" {
		err := registry.CheckCode(o.Parent)
		if err == nil && registry.Key(o.Parent) == registry.Key(o.Code) {
			err = fmt.Errorf("%w: office is its own parent", registry.ErrCode)
		}
		if err != nil {
			l.bad(o.Line, "csv.parent", "parent", o.Parent, err, nil)
		}
	}
	if err := invite.CheckKind(o.Kind); err != nil {
		l.bad(o.Line, "csv.kind", "kind", o.Kind, err, i18n.Args{"max": registry.MaxKind})
	}
	l.offices = append(l.offices, o)
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
