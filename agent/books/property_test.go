package books

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"tram/agent/office"
	"tram/agent/register"
)

// shadow is what must be true of a book, kept beside it.
type shadow struct {
	d     *desk
	kind  register.Kind
	box   office.Box
	r     *rand.Rand
	next  int
	late  []int          // numbers that were left out
	texts map[string]int // what must stand in the book, and how often
	sure  []register.Sheet
	files map[int64]string // of each print
}

// page is what stands on a sheet.
func page(s register.Sheet) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s %+v\n", s.Footer(), s.Closing)
	for _, r := range s.Rows {
		for _, c := range r.Cells {
			fmt.Fprintf(&out, "%s|", c.Text)
		}
		out.WriteString(r.Key + "\n")
	}
	return out.String()
}

func (s *shadow) step() string {
	d, ctx := s.d, s.d.t.Context()
	switch n := s.r.IntN(12); {
	case n < 4:
		return s.enter()
	case n < 6:
		sheets := d.sheets(s.kind)
		if len(sheets) == 0 {
			return "nothing to correct"
		}
		rows := sheets[s.r.IntN(len(sheets))].Rows
		if len(rows) == 0 {
			return "an empty sheet"
		}
		text := fmt.Sprintf("sửa số %d", len(s.texts))
		d.fatal(d.Correct(ctx, s.kind, 2026, rows[s.r.IntN(len(rows))].Key, text, "lan"))
		s.texts[text] = 1
		return text
	case n < 9:
		open, pending := d.state(s.kind).Open, d.state(s.kind).Pending
		j, err := d.Print(ctx, s.kind, 2026, "lan")
		switch {
		case open != nil:
			wantProblem(d.t, err, "books.print-open")
		case pending == 0:
			wantProblem(d.t, err, "books.nothing-new")
		default:
			d.fatal(err)
			s.files[j.ID] = d.bytes(j.ID)
			return fmt.Sprintf("print pages %d-%d", j.First, j.Last)
		}
		return "no print"
	case n < 11:
		return s.end()
	}
	d.crash()
	return "crash"
}

// enter files new numbers and sometimes one that was left out.
func (s *shadow) enter() string {
	var numbers []int
	for range 1 + s.r.IntN(15) {
		if s.next++; s.r.IntN(6) == 0 {
			s.late = append(s.late, s.next)
		} else {
			numbers = append(numbers, s.next)
		}
	}
	if len(s.late) > 0 && s.r.IntN(3) == 0 {
		numbers, s.late = append(numbers, s.late[0]), s.late[1:]
	}
	for _, id := range s.d.file(s.box, numbers...) {
		s.texts[id.String()] = 1
	}
	return fmt.Sprint("enter ", numbers)
}

func (s *shadow) end() string {
	d, ctx := s.d, s.d.t.Context()
	open := d.state(s.kind).Open
	if open == nil {
		return "no print is open"
	}
	if s.r.IntN(3) == 0 {
		_, err := d.Discard(ctx, open.ID, "lan")
		d.fatal(err)
		return "it failed"
	}
	_, err := d.Confirm(ctx, open.ID, "lan")
	d.fatal(err)
	s.sure = d.sheets(s.kind)[:d.state(s.kind).Pages]
	return "it is printed"
}

// check holds what the package promises.
func (s *shadow) check(story []string) {
	d := s.d
	sheets, seen := d.sheets(s.kind), map[string]int{}
	for i, sheet := range sheets {
		if sheet.Page != i+1 {
			d.t.Fatalf("page %d is at place %d: %q", sheet.Page, i+1, story)
		}
		if i < len(s.sure) && page(sheet) != page(s.sure[i]) {
			d.t.Fatalf("page %d was\n%snow\n%s%q", i+1, page(s.sure[i]), page(sheet), story)
		}
		for _, r := range sheet.Rows {
			if seen[r.Key]++; seen[r.Key] > 1 {
				d.t.Fatalf("line %s is on two pages: %q", r.Key, story)
			}
			for text := range s.texts {
				if cell := r.Cells[len(r.Cells)-1].Text; strings.HasPrefix(text, "sửa") && strings.Contains(cell+"\n", text+"\n") {
					seen[text]++
				}
			}
		}
	}
	for text := range s.texts {
		if seen[text] != 1 {
			d.t.Fatalf("%q stands %d times in the book: %q", text, seen[text], story)
		}
	}
	for id, data := range s.files {
		if d.bytes(id) != data {
			d.t.Fatalf("the file of print %d changed: %q", id, story)
		}
	}
}

// TestEveryLineIsOnOnePage goes through random days of a clerk, with crashes.
func TestEveryLineIsOnOnePage(t *testing.T) {
	for seed := range uint64(randomDays) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			d := newDesk(t)
			s := &shadow{d: d, kind: register.Incoming, box: office.In, r: rand.New(rand.NewPCG(seed, 1)), texts: map[string]int{}, files: map[int64]string{}}
			if seed%2 == 1 {
				s.kind, s.box = register.Outgoing, office.Out
			}
			var story []string
			for range 40 {
				story = append(story, s.step())
				s.check(story)
			}
			if len(s.files) == 0 {
				t.Errorf("nothing was printed: %q", story)
			}
			if open := d.state(s.kind).Open; open != nil {
				_, err := d.Confirm(t.Context(), open.ID, "lan")
				d.fatal(err)
			}
			if d.state(s.kind).Pending > 0 {
				d.printed(s.kind)
			}
			s.check(append(story, "all printed"))
			if got := d.state(s.kind); got.Pending != 0 || got.Printed != len(values(d.sheets(s.kind), register.Remarks)) || !reflect.DeepEqual(got.Open, (*Job)(nil)) {
				t.Errorf("in the end %+v", got)
			}
		})
	}
}
