package docfields

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"tram/agent/edxml"
)

// layouts are first pages as text comes out of files: file.txt in testdata, with
// what is to be read in its first lines.
func layouts(t testing.TB) map[string]layout {
	t.Helper()
	files, err := filepath.Glob("testdata/layouts/*.txt")
	if err != nil || len(files) < 45 {
		t.Fatalf("%d layouts: %v", len(files), err)
	}
	all := map[string]layout{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head, text, ok := strings.Cut(string(data), "\n---\n")
		if !ok {
			t.Fatalf("%s has no line ---", file)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".txt")] = layout{fieldsOf(t, file, head), text}
	}
	return all
}

type layout struct {
	want Fields
	text string
}

func fieldsOf(t testing.TB, file, head string) (f Fields) {
	t.Helper()
	for line := range strings.SplitSeq(head, "\n") {
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "number":
			f.Number = value
		case "notation":
			f.Notation = value
		case "date":
			f.Date = value
		case "type":
			f.Type = value
		case "subject":
			f.Subject = value
		case "urgency":
			f.Urgency = len(value)
		case "nothing", "#":
		default:
			t.Fatalf("%s: no field %q", file, name)
		}
	}
	return f
}

func TestReadsTheLayoutsOfTheDecree(t *testing.T) {
	for name, l := range layouts(t) {
		t.Run(name, func(t *testing.T) {
			for form, text := range map[string]string{"composed": norm.NFC.String(l.text), "decomposed": norm.NFD.String(l.text), "CR LF": strings.ReplaceAll(l.text, "\n", "\r\n")} {
				if got := Read(text); got != l.want {
					t.Errorf("%s:\n got %+v\nwant %+v", form, got, l.want)
				}
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	for _, l := range layouts(f) {
		f.Add(l.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := Read(text)
		if got.Date != "" {
			if _, err := time.Parse(time.DateOnly, got.Date); err != nil {
				t.Error(err)
			}
		}
		if got.Type != "" {
			if _, ok := edxml.KindByAbbr(got.Type); !ok {
				t.Errorf("no type %q", got.Type)
			}
		}
		if got.Urgency < 0 || got.Urgency > 3 || strings.ContainsFunc(got.Number, func(r rune) bool { return r > 0x7f || unicode.IsSpace(r) }) {
			t.Errorf("%+v", got)
		}
		if utf8.RuneCountInString(got.Subject) > MaxSubject {
			t.Error("the subject is too long")
		}
		for _, s := range []string{got.Subject, got.Notation} {
			if !utf8.ValidString(s) || !norm.NFC.IsNormalString(s) || strings.ContainsFunc(s, unicode.IsControl) || s != strings.TrimSpace(s) {
				t.Errorf("%q", s)
			}
		}
	})
}
