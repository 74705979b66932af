package register

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"tram/agent/problem"
	"tram/agent/typeset"
)

// withinSheet holds that everything drawn is on the page and every value in its
// own cell.
func withinSheet(t testing.TB, s Sheet) {
	t.Helper()
	p := s.draw()
	onPage(t, p)
	if used := height(s.Rows); used > bodyHeight {
		t.Errorf("page %d: lines are %d high, the sheet has room for %d", s.Page, used, bodyHeight)
	}
	for _, r := range s.Rows {
		for i, c := range r.Cells {
			room := mm(s.Book.Columns[i].Width*10) - 2*cellPadX
			if w := typeset.Widest(c.Lines, regular, r.size); w > room+tolerance {
				t.Errorf("page %d: %q is %d wide, the column %d", s.Page, c.Lines, w, room)
			}
			if mpt(len(c.Lines))*typeset.Leading(r.size)+2*cellPadY > r.height {
				t.Errorf("page %d: %q is higher than its row", s.Page, c.Lines)
			}
		}
	}
}

func onPage(t testing.TB, p page) {
	t.Helper()
	for _, d := range p.Texts {
		if d.X < 0 || d.X+typeset.Width(d.Text, d.Face, d.Size) > p.Width || d.Y-typeset.Rise(d.Size) < 0 || d.Y+d.Size/4 > p.Height {
			t.Errorf("%q at %d, %d is outside the page", d.Text, d.X, d.Y)
		}
	}
	for _, r := range p.Rules {
		if min(r.X1, r.Y1) < 0 || max(r.X1, r.X2) > p.Width || max(r.Y1, r.Y2) > p.Height {
			t.Errorf("a rule is outside the page: %v", r)
		}
	}
}

// keysOf lists the lines of sheets in order.
func keysOf(sheets []Sheet) []string {
	var keys []string
	for _, s := range sheets {
		for _, r := range s.Rows {
			keys = append(keys, r.Key)
		}
	}
	return keys
}

func TestALineNeverSplitsAndNoneIsLost(t *testing.T) {
	for _, b := range Books() {
		for _, n := range []int{1, 2, 17, 300} {
			lines := sampleLines(b, n)
			sheets := sheetsOf(t, b.Kind, n)
			keys := keysOf(sheets)
			if len(keys) != n || keys[0] != lines[0].Key || keys[n-1] != lines[n-1].Key {
				t.Errorf("%s: %d lines became %d", b.Kind, n, len(keys))
			}
			for i, s := range sheets {
				withinSheet(t, s)
				if s.Page != i+1 || s.Of != len(sheets) || (s.Closing != nil) != (i == len(sheets)-1) {
					t.Errorf("%s: sheet %d says page %d of %d, sign-off %v", b.Kind, i+1, s.Page, s.Of, s.Closing != nil)
				}
			}
			last := sheets[len(sheets)-1]
			if height(last.Rows)+closingHeight > bodyHeight {
				t.Errorf("%s: the sign-off does not fit under %d lines", b.Kind, len(last.Rows))
			}
		}
	}
}

func TestSameLinesGiveTheSameSheets(t *testing.T) {
	a, b := sheetsOf(t, Incoming, 400), sheetsOf(t, Incoming, 400)
	if !reflect.DeepEqual(a, b) {
		t.Error("two layouts of the same lines differ")
	}
	sum := sha256.New()
	for _, s := range a {
		p := s.draw()
		fmt.Fprintln(sum, p.Texts, p.Rules)
	}
	// The same on every processor. Whoever changes how sheets look changes this
	// too, and thinks of those that are printed already.
	const want = "7634aaafb6119116"
	if got := hex.EncodeToString(sum.Sum(nil)[:8]); got != want {
		t.Errorf("sheets are drawn as %s, want %s", got, want)
	}
}

// A year of prints at random moments, some of which the paper ran out at: pages continue, no line is printed twice
// or never, and each printed sheet can be had again as it was.
func TestPrintingWhatWasAddedContinuesTheBook(t *testing.T) {
	b, _ := Find(Outgoing)
	all := sampleLines(b, 500)
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		var after Printed
		var marks []Printed
		var printed []Sheet
		for n := 0; n < len(all); {
			n = min(len(all), n+r.IntN(90))
			sheets, err := Paginate(b, sampleVolume(), all[:n], after)
			if err != nil {
				t.Fatal(err)
			}
			if len(sheets) > 1 && r.IntN(3) == 0 {
				sheets = sheets[:1+r.IntN(len(sheets)-1)] // the paper ran out
				n = len(keysOf(printed)) + len(keysOf(sheets))
			}
			for _, s := range sheets {
				if s.Page != after.Page+1 || s.Of < s.Page {
					t.Fatalf("page %d of %d follows page %d", s.Page, s.Of, after.Page)
				}
				after = s.Mark()
				marks = append(marks, after)
			}
			printed = append(printed, sheets...)
		}
		keys := keysOf(printed)
		for i, l := range all {
			if i >= len(keys) || keys[i] != l.Key {
				t.Fatalf("seed %d: line %d is not where it belongs", seed, i)
			}
		}
		again, err := Reprint(b, sampleVolume(), all, marks)
		if err != nil {
			t.Fatal(err)
		}
		for i := range printed {
			if !reflect.DeepEqual(again[i].draw(), printed[i].draw()) {
				t.Fatalf("seed %d: page %d is not what was printed", seed, i+1)
			}
		}
		mid := len(marks) / 2
		behind := slices.IndexFunc(all, func(l Line) bool { return l.Key == marks[mid-1].Line }) + 1
		if part, err := Reprint(b, sampleVolume(), all[behind:], marks[mid:]); err != nil || !reflect.DeepEqual(part, again[mid:]) {
			t.Errorf("seed %d: the second half alone is not what was printed, %v", seed, err)
		}
		if sheets, err := Paginate(b, sampleVolume(), all, after); err != nil || len(sheets) != 0 {
			t.Errorf("nothing new gave %d sheets, %v", len(sheets), err)
		}
	}
}

func TestAPrintedLineCannotBeChangedUnseen(t *testing.T) {
	b, _ := Find(Incoming)
	lines := sampleLines(b, 60)
	sheets := sheetsOf(t, Incoming, 60)
	var marks []Printed
	for _, s := range sheets {
		marks = append(marks, s.Mark())
	}
	for name, change := range map[string]func([]Line) []Line{
		"changed": func(l []Line) []Line {
			l[3].Values = map[Field]string{ArrivalNo: "04", Author: "Ai đó"}
			return l
		},
		"corrected": func(l []Line) []Line { l[3].Corrections = []string{"Sửa ngày"}; return l },
		"dropped":   func(l []Line) []Line { return append(l[:3], l[4:]...) },
		"put between": func(l []Line) []Line {
			return append(append(append([]Line{}, l[:3]...), Line{Key: "new"}), l[3:]...)
		},
		"swapped": func(l []Line) []Line { l[3], l[4] = l[4], l[3]; return l },
	} {
		_, err := Reprint(b, sampleVolume(), change(sampleLines(b, 60)), marks)
		if p := problem.From(err); p.Code != "register.printed-changed" || fmt.Sprint(p.Args["page"]) != "1" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Reprint(b, sampleVolume(), lines, marks); err != nil {
		t.Errorf("unchanged: %v", err)
	}
	if _, err := Paginate(b, sampleVolume(), lines[:5], marks[len(marks)-1]); problem.From(err).Code != "register.printed-missing" {
		t.Errorf("the last printed line is gone: %v", err)
	}
}

func TestACorrectionNamesThePage(t *testing.T) {
	b, _ := Find(Incoming)
	lines := sampleLines(b, 60)
	sheets := sheetsOf(t, Incoming, 60)
	var marks []Printed
	var order []string
	for _, s := range sheets {
		marks = append(marks, s.Mark())
	}
	for _, l := range lines {
		order = append(order, l.Key)
	}
	first2 := sheets[1].Rows[0].Key
	if got := PrintedOn(order, marks, first2); got != 2 {
		t.Errorf("line %s is said to be on page %d", first2, got)
	}
	if PrintedOn(order, marks, "never") != 0 || PrintedOn(order, nil, first2) != 0 {
		t.Error("a line that was not printed has a page")
	}
	c := Correction(b, "c1", lines[2], 1, "ngày văn bản là 05/01/2026")
	if c.Values[ArrivalNo] != "03" || c.Values[Remarks] != "Đính chính dòng đã in ở trang 1: ngày văn bản là 05/01/2026" {
		t.Errorf("got %v", c.Values)
	}
	more, err := Paginate(b, sampleVolume(), append(lines, c), marks[len(marks)-1])
	if err != nil || len(more) != 1 || more[0].Page != len(sheets)+1 {
		t.Errorf("the correction is printed on %d sheets, %v", len(more), err)
	}
	open := Line{Key: "x", Values: map[Field]string{Remarks: "Văn bản giấy"}, Corrections: []string{"Sửa trích yếu 02/3/2026: …"}}
	if got := open.value(Remarks); got != "Văn bản giấy\nSửa trích yếu 02/3/2026: …" {
		t.Errorf("a correction before the print reads %q", got)
	}
}

func TestWhatDoesNotFitIsCutVisibly(t *testing.T) {
	b, _ := Find(Outgoing)
	long := strings.Repeat("Ủy ban nhân dân các xã, phường; ", 200)
	lines := []Line{{Key: "1", Values: map[Field]string{CodeOf: "01/QĐ-UBND", Destination: long}}, {Key: "2", Values: map[Field]string{CodeOf: "02/QĐ-UBND"}}}
	sheets, err := Paginate(b, sampleVolume(), lines, Printed{})
	if err != nil {
		t.Fatal(err)
	}
	cell := sheets[0].Rows[0].Cells[4]
	if !cell.Cut || cell.Lines[len(cell.Lines)-1] != Omission || cell.Text != Clean(long) {
		t.Errorf("cut %v, ends %q", cell.Cut, cell.Lines[len(cell.Lines)-1])
	}
	for _, s := range sheets {
		withinSheet(t, s)
	}
	medium := strings.Repeat("Ủy ban nhân dân xã; ", 50) // the 1,000 characters of Phụ lục VI
	sheets, err = Paginate(b, sampleVolume(), []Line{{Key: "1", Values: map[Field]string{Destination: medium}}}, Printed{})
	if err != nil || sheets[0].Rows[0].Cells[4].Cut {
		t.Errorf("a value of the decree's length is cut, %v", err)
	}
}

func TestTheSignOffGetsASheetWhereNothingElseFits(t *testing.T) {
	b, _ := Find(FileList)
	tall := strings.Repeat("Hồ sơ về việc quản lý đất đai trên địa bàn xã. ", 40)
	lines := []Line{{Key: "1", Values: map[Field]string{FileTitle: tall}}, {Key: "2", Values: map[Field]string{FileTitle: "Hồ sơ"}}}
	for _, n := range []int{1, 2} {
		sheets, err := Paginate(b, sampleVolume(), lines[:n], Printed{})
		if err != nil || len(sheets) != 2 || len(sheets[1].Rows) != n-1 || sheets[1].Closing == nil {
			t.Fatalf("%d sheets, %v", len(sheets), err)
		}
		mark := sheets[len(sheets)-1].Mark()
		if mark.Line != lines[n-1].Key {
			t.Errorf("after the sign-off the last line is %q", mark.Line)
		}
		var marks []Printed
		for _, s := range sheets {
			withinSheet(t, s)
			marks = append(marks, s.Mark())
		}
		if again, err := Reprint(b, sampleVolume(), lines, marks); err != nil || len(again) != len(sheets) {
			t.Errorf("printed again: %d sheets, %v", len(again), err)
		}
	}
}

func TestFaultyLinesAreAllNamed(t *testing.T) {
	b, _ := Find(Postal)
	_, err := Paginate(b, Volume{}, []Line{{Key: ""}, {Key: "a"}, {Key: "a", Values: map[Field]string{Signer: "Ai"}}}, Printed{})
	var list problem.List
	if !errors.As(err, &list) || len(list) != 3 || list[2].Field != string(Signer) {
		t.Errorf("got %v", err)
	}
	for _, write := range []func() ([]byte, error){Table{Book: b, Lines: []Line{{}}}.XLSX, Table{Book: b, Lines: []Line{{}}}.DOCX} {
		if _, err := write(); err == nil {
			t.Error("a line without a key was written")
		}
	}
}
