package schedule

import (
	"slices"
	"testing"
)

// queue sends flows one chunk at a time.
type queue struct {
	Picker
	flows []*Flow
}

func (q *queue) add(urgency uint8, size int64) *Flow {
	f := &Flow{Urgency: urgency, Left: size}
	q.Join(f)
	q.flows = append(q.flows, f)
	return f
}

// send sends n bytes of what is next and returns it.
func (q *queue) send(n int64) *Flow {
	f := q.Next(slices.Values(q.flows))
	if f == nil {
		return nil
	}
	n = min(n, f.Left)
	q.Sent(f, n)
	if f.Left -= n; f.Left == 0 {
		q.flows = slices.DeleteFunc(q.flows, func(x *Flow) bool { return x == f })
	}
	return f
}

func TestP5_StrictUrgency(t *testing.T) {
	var q queue
	normal, urgent := q.add(Normal, 1000), q.add(Urgent, 1000)
	very, most := q.add(VeryUrgent, 1000), q.add(MostUrgent, 5000)
	first := q.add(Normal, 1_000_000)
	first.First = true
	q.Join(first)
	want := []*Flow{most, most, most, most, most, very, first}
	for i, f := range want {
		if got := q.send(1000); got != f {
			t.Fatalf("turn %d: urgency %d, want %d", i, got.Urgency, f.Urgency)
		}
	}
	_, _ = normal, urgent
}

// TestThuongKeepsItsShare measures it in bytes, for chunks of unequal size.
func TestThuongKeepsItsShare(t *testing.T) {
	var q queue
	normal := q.add(Normal, 1<<40)
	q.add(Urgent, 1<<40)
	const turns = 10_000
	var total, of int64
	for i := range int64(turns) {
		n := 500 + i%1500
		f := q.send(n)
		total += n
		if f == normal {
			of += n
		}
	}
	if share := 100 * float64(of) / float64(total); share < Floor-0.2 || share > Floor+0.2 {
		t.Errorf("thường got %.2f %%, want %d", share, Floor)
	}
}

// TestShareIsNotSaved: thường cannot save up its share for a burst later.
func TestShareIsNotSaved(t *testing.T) {
	var q queue
	urgent := q.add(Urgent, 1<<40)
	for range 1000 {
		q.send(1000)
	}
	q.add(Normal, 1<<40)
	burst := 0
	for range 10 {
		if q.send(1000) != urgent {
			burst++
		}
	}
	if burst > 1 {
		t.Errorf("%d of 10 turns", burst)
	}
}

func TestSmallBeforeLarge(t *testing.T) {
	var q queue
	large, small := q.add(Normal, 100_000), q.add(Normal, 2000)
	for i, want := range []*Flow{small, small, large} {
		if got := q.send(1000); got != want {
			t.Fatalf("turn %d", i)
		}
	}
}

// TestLargeIsNotStarved: small documents that keep coming let a large one pass
// when Ageing times its size has gone before it.
func TestLargeIsNotStarved(t *testing.T) {
	var q queue
	const size, small = 1_000_000, 10_000
	large := q.add(Normal, size)
	for sent := int64(0); ; sent += small {
		q.add(Normal, small)
		if q.send(small) == large {
			if want := int64(Ageing * (size - small)); sent < want-2*small || sent > want+2*small {
				t.Errorf("its first turn came after %d bytes, want about %d", sent, want)
			}
			return
		}
		if sent > 10*size {
			t.Fatal("never")
		}
	}
}

func TestNothingWaits(t *testing.T) {
	var q queue
	if q.send(1) != nil {
		t.Error("something from nothing")
	}
}

func TestRules(t *testing.T) {
	for _, c := range []struct {
		rules   Rules
		urgency uint8
		size    int64
		want    bool
	}{
		{Rules{}, Normal, 1 << 40, true},
		{Rules{MinUrgency: Urgent}, Normal, 1, false},
		{Rules{MinUrgency: Urgent}, Urgent, 1 << 40, true},
		{Rules{MaxSize: 100}, Normal, 100, true},
		{Rules{MaxSize: 100}, VeryUrgent, 101, false},
		{Rules{MaxSize: 100}, MostUrgent, 1 << 40, true},
	} {
		if got := c.rules.Allow(c.urgency, c.size); got != c.want {
			t.Errorf("%+v allows urgency %d, %d bytes: %v", c.rules, c.urgency, c.size, got)
		}
	}
}
