package books

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"tram/agent/office"
	"tram/agent/register"
	"tram/agent/tooltest"
)

// poppler gives what one of its programs writes to standard output.
func poppler(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(tooltest.Find(t, name, "the check of printed books"), args...).Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return string(out)
}

// columnPlace is where a column stands on the paper, in millimetres.
func columnPlace(b register.Book, field register.Field) (left, width int) {
	left = 25 // the margin where it is bound
	for _, c := range b.Columns {
		if c.Field == field {
			return left, c.Width
		}
		left += c.Width
	}
	return 0, 0
}

var leadingNumber = regexp.MustCompile(`(?m)^\s*(\d+)`)

// TestAPrintedYear prints the two registers of a year of an office and looks at
// the paper: titles and column numbers on every page, every number once and in
// its column, pages of the book in order.
func TestAPrintedYear(t *testing.T) {
	d := newDesk(t)
	for kind, of := range map[register.Kind]struct {
		box   office.Box
		field register.Field
	}{register.Incoming: {office.In, register.ArrivalNo}, register.Outgoing: {office.Out, register.CodeOf}} {
		t.Run(string(kind), func(t *testing.T) {
			d.fileYear(of.box, rowsOfAYear)
			job := d.print(kind)
			path := filepath.Join(t.TempDir(), "year.pdf")
			d.fatal(os.WriteFile(path, []byte(d.bytes(job.ID)), 0o600))
			pages := strings.Split(strings.TrimSuffix(poppler(t, "pdftotext", "-layout", path, "-"), "\f"), "\f")
			if len(pages) != job.Last || job.First != 1 || job.Lines != rowsOfAYear {
				t.Fatalf("%d pages of %+v", len(pages), job)
			}
			book, err := register.Find(kind)
			d.fatal(err)
			for i, text := range pages {
				for _, want := range []string{book.Title(), "Năm 2026", fmt.Sprintf("Trang %d/%d · Quyển số 01", i+1, len(pages)), "UBND XÃ MỸ HẠNH"} {
					if !strings.Contains(text, want) {
						t.Errorf("page %d lacks %q", i+1, want)
					}
				}
				if at := strings.Index(text, "(1)"); at < 0 || !strings.Contains(strings.SplitN(text[at:], "\n", 2)[0], fmt.Sprintf("(%d)", len(book.Columns))) {
					t.Errorf("page %d has no row of column numbers", i+1)
				}
			}
			checkNumbers(t, path, book, of.field)
			checkPictures(t, path, len(pages))
		})
	}
}

// checkNumbers reads one column off the paper.
func checkNumbers(t *testing.T, path string, book register.Book, field register.Field) {
	left, width := columnPlace(book, field)
	points := func(mm int) string { return strconv.Itoa(mm * 72 * 10 / 254) }
	column := poppler(t, "pdftotext", "-layout", "-x", points(left), "-W", points(width), "-y", points(41), "-H", points(150), path, "-")
	next := 1
	for _, m := range leadingNumber.FindAllStringSubmatch(column, -1) {
		if n, _ := strconv.Atoi(m[1]); n != next {
			t.Fatalf("number %s stands where %d should", m[1], next)
		}
		next++
	}
	if next != rowsOfAYear+1 {
		t.Errorf("the last number is %d", next-1)
	}
}

// checkPictures turns every page into a picture, as a printer does. With
// TRAM_PICTURES they are kept there.
func checkPictures(t *testing.T, path string, pages int) {
	dir := t.TempDir()
	if keep := os.Getenv("TRAM_PICTURES"); keep != "" {
		dir = filepath.Join(keep, filepath.Base(t.Name()))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	poppler(t, "pdftoppm", "-png", "-gray", "-r", "30", path, filepath.Join(dir, "page"))
	found, err := filepath.Glob(filepath.Join(dir, "page-*.png"))
	if err != nil || len(found) != pages {
		t.Fatalf("%d pictures of %d pages, %v", len(found), pages, err)
	}
	for _, name := range found {
		data, err := os.ReadFile(name)
		if err != nil || !bytes.HasPrefix(data, []byte("\x89PNG")) || len(data) < 4000 {
			t.Errorf("%s is no picture of a full page: %d bytes, %v", filepath.Base(name), len(data), err)
		}
	}
}

// BenchmarkYear measures what a page of the register of a full year costs.
func BenchmarkYear(b *testing.B) {
	d := newDesk(b)
	d.fileYear(office.Out, rowsOfAYear)
	d.state(register.Outgoing) // reads the messages for the first time
	b.Run("state", func(b *testing.B) {
		for b.Loop() {
			d.state(register.Outgoing)
		}
	})
	b.Run("preview", func(b *testing.B) {
		for b.Loop() {
			if _, err := d.Preview(b.Context(), register.Outgoing, 2026, Selection{}, 1, 4); err != nil {
				b.Fatal(err)
			}
		}
	})
	d.printed(register.Outgoing)
	b.Run("state-printed", func(b *testing.B) {
		for b.Loop() {
			d.state(register.Outgoing)
		}
	})
	b.Run("preview-printed", func(b *testing.B) {
		for b.Loop() {
			if _, err := d.Preview(b.Context(), register.Outgoing, 2026, Selection{}, 1, 4); err != nil {
				b.Fatal(err)
			}
		}
	})
}
