package office

import (
	"testing"
	"time"
)

// TestP3_P11_AClockYearsAheadEndsNoDocument: while a document waits it is 2041 for a
// while; nothing is ended by that, and the document arrives with its receipt.
func TestP3_P11_AClockYearsAheadEndsNoDocument(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	right := w.clock
	a := w.offices["A"]
	a.ends = func() time.Time { return right } // as package clock finds it
	sent := a.send(draft("B"))
	w.clock = right.AddDate(15, 0, 0)
	a.round(t.Context())
	if got := a.get(sent.ID); got.State == Failed {
		t.Fatalf("in 2041 it is %s: %s", got.State, got.Reason)
	}
	w.clock = right
	w.deliver()
	if got := a.get(sent.ID); got.State != Delivered {
		t.Errorf("after the jump it is %s", got.State)
	}
}

// TestP11_AnOfficeWorksBeyond32Bits: documents are sent, received, accepted and counted
// on the day after 32-bit seconds end.
func TestP11_AnOfficeWorksBeyond32Bits(t *testing.T) {
	t.Parallel()
	at := time.Unix(1<<31, 0).Add(24 * time.Hour)
	w := newWorldAt(t, at, "A", "B")
	a, b := w.offices["A"], w.offices["B"]
	sent := a.send(draft("B"))
	w.deliver()
	got, err := b.Accept(t.Context(), sent.ID, "vanthu")
	if err != nil || got.Arrival != 1 || !got.Created.Equal(at.UTC()) {
		t.Fatalf("accepted: %+v, %v", got, err)
	}
	w.deliver()
	if d := a.get(sent.ID); d.State != Accepted || d.Expires.Before(at) {
		t.Errorf("at the sender it is %s until %v", d.State, d.Expires)
	}
	for _, zone := range []string{"Asia/Ho_Chi_Minh", "America/New_York"} { // one with DST and one without
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		if d := b.get(sent.ID); !d.Created.In(loc).Equal(at) {
			t.Errorf("in %s it was created at %v", zone, d.Created.In(loc))
		}
	}
}
