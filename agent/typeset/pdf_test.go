package typeset

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/tooltest"
)

// poppler gives what a program of poppler says of a file.
func poppler(t *testing.T, name string, data []byte, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page.pdf")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	args = append(args, path)
	if name == "pdftotext" {
		args = append(args, "-")
	}
	cmd := exec.Command(tooltest.Find(t, name, "the check of PDF files"), args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("%s: %v %s", name, err, stderr.String())
	}
	return string(out)
}

func page(lines ...string) Page {
	p := Page{Width: PageWidth, Height: PageHeight}
	for i, line := range lines {
		p.Put(line, Face(i%3), 12_000, MM(200), MM(200+60*i), 0, Left)
	}
	p.Box(MM(100), MM(100), MM(1000), MM(500), Firm)
	return p
}

func TestTextOfEveryFaceIsReadBackWhole(t *testing.T) {
	lines := []string{"Thủ tục hành chính", "ĐƯỜNG ƯỚC Ễ Ậ", "nghiêng: ỡ ỹ ự", "( ) \\ <41> %PDF endstream"}
	for part := range slices.Chunk([]rune(letters+strings.ToUpper(letters)), 40) {
		lines = append(lines, string(part), string(part), string(part))
	}
	data, err := PDFBytes(Info{Title: "Đường (\\)", Author: "UBND xã", Made: time.Date(2026, 11, 23, 9, 0, 0, 0, time.FixedZone("", 7*3600))}, []Page{page(lines[:8]...), page(lines[8:]...)})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(poppler(t, "pdftotext", data, "-layout"))
	want := strings.Fields(strings.Join(lines, " "))
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("read\n%q\nwant\n%q", got, want)
	}
	info := poppler(t, "pdfinfo", data)
	for _, w := range []string{"Đường (\\)", "UBND xã", "Trạm", "Mon Nov 23 02:00:00 2026 UTC", "Pages:           2", "A4"} {
		if !strings.Contains(info, w) {
			t.Errorf("properties lack %q:\n%s", w, info)
		}
	}
}

func TestACharacterThatTheFontsLackIsABox(t *testing.T) {
	data, err := PDFBytes(Info{}, []Page{page("a😀日b")})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(poppler(t, "pdftotext", data)); got != "a□□b" {
		t.Errorf("read %q", got)
	}
}

func TestTheSamePagesGiveTheSameBytes(t *testing.T) {
	first, err := PDFBytes(Info{Title: "x"}, []Page{page("một", "hai\u00a0ba  ", letters)})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if again, err := PDFBytes(Info{Title: "x"}, []Page{page("một", "hai\u00a0ba  ", letters)}); err != nil || !bytes.Equal(first, again) {
			t.Fatalf("two files differ, %v", err)
		}
	}
}

func TestAPageWithoutTextOpens(t *testing.T) {
	data, err := PDFBytes(Info{}, []Page{{Width: PageWidth, Height: PageHeight}})
	if err != nil {
		t.Fatal(err)
	}
	if info := poppler(t, "pdfinfo", data); !strings.Contains(info, "Pages:           1") {
		t.Error(info)
	}
}

// full is a disk that takes so many bytes.
type full struct{ left int }

var errFull = errors.New("no space left")

func (f *full) Write(b []byte) (int, error) {
	if f.left < len(b) {
		return 0, errFull
	}
	f.left -= len(b)
	return len(b), nil
}

func TestWritingEndsWithTheFirstFault(t *testing.T) {
	whole, err := PDFBytes(Info{}, []Page{page("một"), page("hai")})
	if err != nil {
		t.Fatal(err)
	}
	drawn := 0
	pages := func(yield func(Page, error) bool) {
		for range 1000 {
			drawn++
			if !yield(page("một"), nil) {
				return
			}
		}
	}
	for left := 0; left < len(whole); left += 97 {
		drawn = 0
		if err := PDF(&full{left}, Info{}, pages); !errors.Is(err, errFull) {
			t.Fatalf("with room for %d bytes: %v", left, err)
		}
		if drawn > 200 {
			t.Fatalf("with room for %d bytes %d pages are drawn", left, drawn)
		}
	}
	rows := func(yield func([]string, error) bool) {
		for range 100 {
			if !yield([]string{"một"}, nil) {
				return
			}
		}
	}
	if err := (Spreadsheet{Columns: []SheetColumn{{Width: 20}}, Rows: rows}).Write(&full{600}); !errors.Is(err, errFull) {
		t.Errorf("spreadsheet: %v", err)
	}
}

func TestLengthsAreWrittenAsPoints(t *testing.T) {
	for l, want := range map[Length]string{0: "0", 1: "0.001", 500: "0.5", 1000: "1", 12_340: "12.34", 100_000: "100", -500: "-0.5", -12_003: "-12.003"} {
		if got := number(l); got != want {
			t.Errorf("%d is written %s, want %s", l, got, want)
		}
	}
}
