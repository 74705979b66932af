package forms

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"tram/agent/dossier"
	"tram/agent/typeset"
)

// lines are n dossiers of a year as a commune has them.
func lines(t testing.TB, n int) iter.Seq2[dossier.Dossier, error] {
	base := taken(t)
	return func(yield func(dossier.Dossier, error) bool) {
		r := rand.New(rand.NewPCG(uint64(n), 7))
		for i := range n {
			d := base
			d.Book = i + 1
			d.Code.Number = i + 1
			d.Applicant.Name = []string{"Nguyễn Văn An", "Lò Thị Ánh Tuyết", "Công ty TNHH MTV Đầu tư Xây dựng và Phát triển Hạ tầng Tây Bắc"}[r.IntN(3)] + fmt.Sprintf(" #%d#", i+1)
			d.Procedure.Name = strings.Repeat("Cấp lại giấy chứng nhận ", 1+r.IntN(6))
			if r.IntN(50) == 0 {
				d.Applicant.Address = strings.Repeat("Thôn bản xa xôi ", r.IntN(60))
			}
			d.Done, d.Returned = d.Due.Add(-time.Duration(r.IntN(5))*24*time.Hour), d.Due
			if !yield(d, nil) {
				return
			}
		}
	}
}

func bookOf(t testing.TB, n int) Register {
	return Register{Heading: heading, Span: Span{Year: 2026}, Dossiers: lines(t, n)}
}

// Whatever the lines are, each stands on exactly one page, in order, whole or
// visibly cut, and nothing outside the paper.
func TestEveryLineOfTheBookIsOnExactlyOnePage(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 3))
		n := r.IntN(120)
		base := taken(t)
		book := Register{Heading: heading, Span: Span{Year: 2026}, Dossiers: func(yield func(dossier.Dossier, error) bool) {
			for i := range n {
				d := base
				d.Book, d.Code.Number = i+1, i+1
				d.Procedure.Name = strings.Repeat("dài ", 1+r.IntN(1+r.IntN(900)))
				d.Applicant.Address = strings.Repeat("x", r.IntN(1+r.IntN(400)))
				if !yield(d, nil) {
					return
				}
			}
		}}
		next, pages := 1, 0
		for p, err := range book.pages(book.Template()) {
			if err != nil {
				t.Fatal(err)
			}
			pages++
			onPage(t, p)
			numbers := 0
			for _, d := range p.Texts {
				if d.Size == bookSize && d.X < bookLeft+typeset.MM(110) && d.Text == fmt.Sprint(next) {
					next++
					numbers++
				}
				if d.Size == bookSize && d.Y > bookBottom {
					t.Errorf("seed %d: %q stands below the table", seed, d.Text)
				}
			}
			if numbers == 0 && n > 0 && next <= n && pages > 1 {
				t.Errorf("seed %d: page %d has no line", seed, pages)
			}
		}
		if next != n+1 {
			t.Errorf("seed %d: %d of %d lines are on paper", seed, next-1, n)
		}
	}
}

func TestTheBookReadsAsItIsWritten(t *testing.T) {
	var out bytes.Buffer
	book := bookOf(t, 60)
	book.Span.From, book.Span.To = when(t, "01/11 00:00"), when(t, "30/11 00:00")
	if err := book.WritePDF(&out); err != nil {
		t.Fatal(err)
	}
	pages := read(t, "book", out.Bytes())
	inOrder(t, pages[0], nation[0], nation[1], "SỔ THEO DÕI HỒ SƠ", "Từ ngày 01/11/2026 đến ngày 30/11/2026", "Quyển số: 2026", "Nhận và trả kết quả")
	for i, p := range pages {
		for _, want := range []string{"(1)", "(13)", fmt.Sprintf("Trang %d", i+1), "Mẫu số 07", "Nhận và trả kết quả"} {
			if !strings.Contains(p, want) {
				t.Errorf("page %d lacks %q:\n%s", i+1, want, p)
			}
		}
	}
	all := strings.Join(strings.Fields(strings.Join(pages, " ")), " ")
	for i := range 60 {
		if strings.Count(all, fmt.Sprintf("#%d#", i+1)) != 1 {
			t.Errorf("line %d is not there once", i+1)
		}
	}
	if !strings.Contains(pages[len(pages)-1], "Tổng số: 60 hồ sơ") {
		t.Errorf("the last page counts nothing:\n%s", pages[len(pages)-1])
	}
	var again bytes.Buffer
	if err := book.WritePDF(&again); err != nil || !bytes.Equal(out.Bytes(), again.Bytes()) {
		t.Errorf("the same book gives other bytes: %v", err)
	}
}

func TestAnEmptyBookHasItsTitles(t *testing.T) {
	var out bytes.Buffer
	if err := bookOf(t, 0).WritePDF(&out); err != nil {
		t.Fatal(err)
	}
	inOrder(t, read(t, "book-empty", out.Bytes())[0], "SỔ THEO DÕI HỒ SƠ", "Năm 2026", "Tổng số: 0 hồ sơ")
}

func TestTheBookEndsWithTheErrorOfItsLines(t *testing.T) {
	broken := errors.New("the disk is gone")
	book := Register{Heading: heading, Span: Span{Year: 2026}, Dossiers: func(yield func(dossier.Dossier, error) bool) {
		for d := range lines(t, 30) {
			if !yield(d, nil) {
				return
			}
		}
		yield(dossier.Dossier{}, broken)
	}}
	for name, write := range map[string]func(io.Writer) error{"pdf": book.WritePDF, "xlsx": book.WriteXLSX} {
		if err := write(io.Discard); !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheBookAsASpreadsheet(t *testing.T) {
	var out bytes.Buffer
	if err := bookOf(t, 25).WriteXLSX(&out); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	r, err := z.Open("xl/worksheets/sheet1.xml")
	if err != nil {
		t.Fatal(err)
	}
	var sheet struct {
		Rows []struct {
			N     int `xml:"r,attr"`
			Cells []struct {
				Ref  string `xml:"r,attr"`
				Text string `xml:"is>t"`
			} `xml:"c"`
		} `xml:"sheetData>row"`
		Merges []struct {
			Ref string `xml:"ref,attr"`
		} `xml:"mergeCells>mergeCell"`
	}
	if err := xml.NewDecoder(r).Decode(&sheet); err != nil {
		t.Fatal(err)
	}
	cells := map[string]string{}
	for _, row := range sheet.Rows {
		for _, c := range row.Cells {
			cells[c.Ref] = c.Text
		}
	}
	for ref, want := range map[string]string{"A2": "SỔ THEO DÕI HỒ SƠ", "A5": "STT", "H5": "Nhận và trả kết quả", "I5": "", "H6": "Nhận hồ sơ", "L6": "Ký nhận", "M5": "Ghi chú", "M7": "(13)", "A8": "1", "B8": "H40.12.7-261123-0001", "A32": "25", "H8": "09:15 ngày 23/11/2026"} {
		if cells[ref] != want {
			t.Errorf("%s is %q, want %q", ref, cells[ref], want)
		}
	}
	var merges []string
	for _, m := range sheet.Merges {
		merges = append(merges, m.Ref)
	}
	if got := strings.Join(merges, " "); got != "A2:M2 A5:A6 B5:B6 C5:C6 D5:D6 E5:E6 F5:F6 G5:G6 H5:L5 M5:M6" {
		t.Errorf("merged: %s", got)
	}
}

// A book is written in the memory of a page, however long it is.
func TestALongBookTakesTheMemoryOfAShortOne(t *testing.T) {
	peak := func(n int, write func(Register, io.Writer) error) uint64 {
		most := uint64(0)
		book := Register{Heading: heading, Span: Span{Year: 2026}, Dossiers: func(yield func(dossier.Dossier, error) bool) {
			i := 0
			for d, err := range lines(t, n) {
				if i++; i%500 == 0 {
					runtime.GC()
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					most = max(most, m.HeapAlloc)
				}
				if !yield(d, err) {
					return
				}
			}
		}}
		if err := write(book, io.Discard); err != nil {
			t.Fatal(err)
		}
		return most
	}
	for name, write := range map[string]func(Register, io.Writer) error{"pdf": Register.WritePDF, "xlsx": Register.WriteXLSX} {
		short, long := peak(500, write), peak(10_000, write)
		t.Logf("%s: %d kB of heap in use for 500 lines, %d kB for 10,000", name, short>>10, long>>10)
		if long > short+1<<20 {
			t.Errorf("%s: %d kB more for 10,000 lines than for 500", name, (long-short)>>10)
		}
	}
}

func BenchmarkBook(b *testing.B) {
	for name, write := range map[string]func(Register, io.Writer) error{"pdf": Register.WritePDF, "xlsx": Register.WriteXLSX} {
		b.Run(name+"/10000", func(b *testing.B) {
			for b.Loop() {
				var out bytes.Buffer
				if err := write(bookOf(b, 10_000), &out); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(out.Len())/(1<<20), "MB-file")
			}
		})
	}
}
