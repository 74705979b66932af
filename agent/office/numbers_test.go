package office

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/uuid"

	"tram/agent/register"
	"tram/storage/sqlite"
)

// TestP1_KilledBetweenReservationAndSaveNoNumberIsLost: two are under way, the
// higher number becomes durable, the program dies; the lower one is given next.
func TestP1_KilledBetweenReservationAndSaveNoNumberIsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	a := w.offices["A"]
	series := register.OutgoingSeries(2026, register.Numbered{}, false)
	a.send(draft("B"))
	lost := must(a.numbers.reserve(t.Context(), series)) // by one who is not through yet
	if doc := a.send(draft("B")); doc.Number != "03" || lost != 2 {
		t.Fatalf("reserved %d, sent %s", lost, doc.Number)
	}
	a.restart()
	if gaps := must(a.Gaps(t.Context(), series)); !slices.Equal(gaps, []register.Range{{First: 2, Last: 2}}) {
		t.Errorf("gaps %v", gaps)
	}
	if look := must(a.Outlook(t.Context(), Out, 2026, "", "")); look.Next != 2 {
		t.Errorf("next is %d", look.Next)
	}
	for _, want := range []string{"02", "04"} {
		if doc := a.send(draft("B")); doc.Number != want {
			t.Errorf("after the crash %s, not %s", doc.Number, want)
		}
	}
	a.restart()
	if doc := a.send(draft("B")); doc.Number != "05" {
		t.Errorf("then %s", doc.Number)
	}
}

// ledger is a model of a series: which numbers are borne, and which are under
// way.
type ledger struct {
	t     *testing.T
	n     *node
	s     register.Series
	borne map[int]bool
	doing []int
	count int
}

// save makes a number durable, or fails at the last moment.
func (l *ledger) save(no int, reserved, fails bool) error {
	e := came(fmt.Sprint(l.count, "/TB"))
	if l.s.Direction == register.Out {
		e = issued()
	}
	l.count++
	x := (&review{o: l.n.Office}).entry(e)
	broken := errors.New("disk pulled")
	return l.n.db.Update(l.t.Context(), func(tx *sqlite.Tx) error {
		if err := l.n.enter(tx, must(uuid.NewV7()), x, l.s, no, reserved); err != nil || !fails {
			return err
		}
		return broken
	})
}

func (l *ledger) step(r *rand.Rand) {
	t, numbers := l.t, l.n.numbers
	pick := func() (int, bool) {
		if len(l.doing) == 0 {
			return 0, false
		}
		i := r.IntN(len(l.doing))
		no := l.doing[i]
		l.doing = slices.Delete(l.doing, i, i+1)
		return no, true
	}
	switch r.IntN(10) {
	case 0, 1, 2, 3: // somebody begins
		no := must(l.n.unused(t.Context(), l.s, "QĐ-UBND"))
		if l.borne[no] || slices.Contains(l.doing, no) {
			t.Fatalf("%d was given twice", no)
		}
		l.doing = append(l.doing, no)
	case 4, 5, 6: // and gets through, unless a person took the number meanwhile
		no, ok := pick()
		if !ok {
			return
		}
		switch err := l.save(no, true, false); {
		case errors.Is(err, errNumberTaken) && l.borne[no]:
			numbers.skip(l.s, no)
		case err != nil || l.borne[no]:
			t.Fatalf("saving %d: %v", no, err)
		default:
			l.borne[no] = true
		}
	case 7: // or fails
		if no, ok := pick(); ok {
			if err := l.save(no, true, true); err == nil {
				t.Fatal("a broken save succeeded")
			}
			numbers.release(l.s, no)
		}
	case 8: // a person gives a number
		no := 1 + r.IntN(40)
		err := l.save(no, false, false)
		if (err == nil) == l.borne[no] {
			t.Fatalf("%d by hand: %v", no, err)
		}
		l.borne[no] = true
	case 9: // power cut
		if r.IntN(4) == 0 {
			l.n.restart()
			l.doing = nil
		}
	}
}

// TestNumbersOverRandomDays: whatever people, failures and power cuts do in
// whatever order, no number is borne twice, and the gaps are exactly what nobody
// bears. Of what the program itself reserved nothing is left out in the end.
func TestNumbersOverRandomDays(t *testing.T) {
	t.Parallel()
	seeds := uint64(12)
	if underRace {
		seeds = 3
	}
	for seed := range seeds {
		w := newWorld(t, "A")
		s := register.IncomingSeries(2026)
		if seed%2 == 1 {
			s = register.OutgoingSeries(2026, register.Numbered{Type: "QĐ"}, false)
		}
		l := &ledger{t: t, n: w.offices["A"], s: s, borne: map[int]bool{}}
		r := rand.New(rand.NewPCG(seed, 7))
		for range 120 {
			l.step(r)
		}
		var borne []int
		for no := range l.borne {
			borne = append(borne, no)
		}
		if gaps := must(l.n.Gaps(t.Context(), s)); !slices.Equal(gaps, register.Gaps(borne)) {
			t.Errorf("seed %d: gaps %v of %v", seed, gaps, slices.Sorted(slices.Values(borne)))
		}
		l.n.restart()
		spare := must(l.n.numbers.spare(t, s))
		for range len(spare) + 1 {
			no := must(l.n.unused(t.Context(), s, "QĐ-UBND"))
			if l.borne[no] {
				t.Fatalf("seed %d: %d again", seed, no)
			}
			if err := l.save(no, true, false); err != nil {
				t.Fatal(err)
			}
			l.borne[no] = true
		}
		for _, no := range spare {
			if !l.borne[no] {
				t.Errorf("seed %d: %d was lost", seed, no)
			}
		}
	}
}

// spare are the numbers that are given before the next one.
func (n *numbers) spare(t *testing.T, s register.Series) ([]int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	loaded, err := n.series(t.Context(), s)
	if err != nil {
		return nil, err
	}
	return slices.Clone(loaded.free), nil
}
