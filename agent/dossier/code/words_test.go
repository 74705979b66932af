package code

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestWordsAreChangedOneByOne: each change gives a mapping that reads back, and the
// one before stays as it is.
func TestWordsAreChangedOneByOne(t *testing.T) {
	begin := OpenCPS()
	was, err := begin.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(m *Mapping) (*Mapping, error)
		holds  func(m *Mapping) bool
		want   string // problem
	}{
		{"one more", func(m *Mapping) (*Mapping, error) { return m.Understand("", Word{" chờ ", Supplement}) }, func(m *Mapping) bool {
			return len(m.Read()) == len(begin.Read())+1 && m.Read()[len(begin.Read())] == Word{"chờ", Supplement}
		}, ""},
		{"another status", func(m *Mapping) (*Mapping, error) { return m.Understand("waiting", Word{"waiting", Payment}) }, func(m *Mapping) bool { return m.Read()[2] == Word{"waiting", Payment} }, ""},
		{"another spelling", func(m *Mapping) (*Mapping, error) { return m.Understand("Waiting", Word{"WAITING", Payment}) }, func(m *Mapping) bool { return m.Read()[2] == Word{"WAITING", Payment} }, ""},
		{"forgotten", func(m *Mapping) (*Mapping, error) { return m.Forget(" Waiting") }, func(m *Mapping) bool { _, err := m.Status("waiting"); return err != nil }, ""},
		{"said otherwise", func(m *Mapping) (*Mapping, error) { return m.Say(Word{"ended", Done}) }, func(m *Mapping) bool { return m.Write()[8] == Word{"ended", Done} }, ""},
		{"not said", func(m *Mapping) (*Mapping, error) { return m.Say(Word{" ", Done}) }, func(m *Mapping) bool { _, err := m.Word(Done); return err != nil && len(m.Write()) == 9 }, ""},
		{"renamed", func(m *Mapping) (*Mapping, error) { return m.Renamed(" ABC ") }, func(m *Mapping) bool { return m.System == "ABC" }, ""},
		{"plain", func(*Mapping) (*Mapping, error) { return Plain("ABC") }, func(m *Mapping) bool {
			return slices.EqualFunc(m.Write(), Statuses(), func(w Word, s Status) bool {
				got, err := m.Status(w.Word)
				return err == nil && w.Status == s && got == s
			})
		}, ""},
		{"twice", func(m *Mapping) (*Mapping, error) { return m.Understand("", Word{"Done", Returned}) }, nil, "dossier-mapping.twice"},
		{"twice by a change", func(m *Mapping) (*Mapping, error) { return m.Understand("new", Word{"done", Returned}) }, nil, "dossier-mapping.twice"},
		{"gone", func(m *Mapping) (*Mapping, error) { return m.Understand("gone", Word{"x", Returned}) }, nil, "dossier-mapping.gone"},
		{"forgotten before", func(m *Mapping) (*Mapping, error) { return m.Forget("") }, nil, "dossier-mapping.gone"},
		{"no word", func(m *Mapping) (*Mapping, error) { return m.Understand("", Word{" ", Returned}) }, nil, "dossier-mapping.word"},
		{"no text", func(m *Mapping) (*Mapping, error) { return m.Understand("", Word{"\xff", Returned}) }, nil, "dossier-mapping.word"},
		{"no status", func(m *Mapping) (*Mapping, error) { return m.Understand("", Word{"x", 11}) }, nil, "dossier-mapping.status"},
		{"said of no status", func(m *Mapping) (*Mapping, error) { return m.Say(Word{"x", 0}) }, nil, "dossier-mapping.status"},
		{"no name", func(m *Mapping) (*Mapping, error) { return m.Renamed("\t") }, nil, "dossier-mapping.system"},
		{"a long name", func(*Mapping) (*Mapping, error) { return Plain(strings.Repeat("x", MaxWord+1)) }, nil, "dossier-mapping.system"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := c.change(begin)
			if c.want != "" {
				refused(t, err, c.want)
				return
			}
			if err != nil || !c.holds(m) {
				t.Fatalf("%+v, %v", m, err)
			}
			raw, err := m.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if again, err := ReadMapping(bytes.NewReader(raw)); err != nil || !slices.Equal(again.Read(), m.Read()) {
				t.Errorf("it reads back as %+v, %v", again, err)
			}
		})
	}
	if now, err := begin.Encode(); err != nil || !bytes.Equal(now, was) {
		t.Errorf("a change has changed what was there: %s", now)
	}
}

func TestATableOfWordsNeverEmptiesAndNeverOverflows(t *testing.T) {
	m, err := Plain("ABC")
	for err == nil && len(m.Read())+len(m.Write()) > 1 {
		if list := m.Read(); len(list) > 0 {
			m, err = m.Forget(list[0].Word)
		} else {
			m, err = m.Say(Word{"", m.Write()[0].Status})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Say(Word{"", m.Write()[0].Status})
	refused(t, err, "dossier-mapping.last")
	for name, c := range map[string]struct {
		word string
		n    int
	}{"by number": {"%d", MaxWords}, "by size": {strings.Repeat("<", 190) + "%d", 200}} { // a < takes six bytes in the file
		f := mappingFile{System: "ABC"}
		for n := range c.n {
			f.Read = append(f.Read, Word{fmt.Sprintf(c.word, n), Done})
		}
		full, err := newMapping(f)
		if err != nil {
			t.Fatal(err)
		}
		for n := c.n; err == nil && n < c.n+100; n++ {
			var next *Mapping
			if next, err = full.Understand("", Word{fmt.Sprintf(c.word, n), Done}); err == nil {
				full = next
			}
		}
		refused(t, err, "dossier-mapping.full")
		if raw, err := full.Encode(); err != nil || len(raw) > MaxMapping || len(full.Read()) < c.n {
			t.Errorf("%s: %d words in %d bytes, %v", name, len(full.Read()), len(raw), err)
		}
	}
}
