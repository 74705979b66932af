package office

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"tram/agent/problem"
)

// feed reads all entries after a cursor, a few at a time.
func (n *node) feed(after string) (entries []Entry, end string) {
	n.w.t.Helper()
	for {
		page, next, err := n.Feed(context.Background(), after, 2)
		if err != nil {
			n.w.t.Fatal(err)
		}
		if len(page) == 0 {
			if next != after && after != "" {
				n.w.t.Fatalf("cursor moved from %q to %q without an entry", after, next)
			}
			return entries, next
		}
		entries, after = append(entries, page...), next
	}
}

func told(entries []Entry) (list []string) {
	for _, e := range entries {
		list = append(list, fmt.Sprintf("%s %s %s%s", e.Box, e.Type, e.Office, e.Code))
	}
	return list
}

func TestP10_TheFeedTellsEachStepOnceInOrder(t *testing.T) {
	w := newWorld(t, "H40.01", "H40.02")
	a, b := w.offices["H40.01"], w.offices["H40.02"]
	start, err := a.FeedEnd(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	news := a.Changed()
	doc := a.send(draft("H40.02"))
	select {
	case <-news:
	default:
		t.Error("saving a document wakes nobody")
	}
	w.deliver()
	if _, err := b.Accept(context.Background(), doc.ID, "vanthu"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Report(context.Background(), doc.ID, "05", "đang làm", "vanthu"); err != nil {
		t.Fatal(err)
	}
	w.deliver()

	sent, end := a.feed(start)
	want := []string{
		"out document.saved ", "out document.at-hub ", "out document.delivered H40.0201", "out document.accepted H40.0203", "out document.status H40.0205",
	}
	if got := told(sent); !slices.Equal(got, want) {
		t.Errorf("sender's feed:\n%q, want\n%q", got, want)
	}
	got, _ := b.feed("")
	if want := []string{"in document.arrived H40.0201", "in document.accepted H40.0203", "in document.status H40.0205"}; !slices.Equal(told(got), want) {
		t.Errorf("receiver's feed:\n%q, want\n%q", told(got), want)
	}
	for _, e := range sent {
		if e.Document != doc.ID || e.EdXMLID != doc.EdXMLID || e.At.IsZero() || e.Learnt.IsZero() {
			t.Errorf("entry %+v", e)
		}
	}
	a.restart()
	if again, _ := a.feed(sent[1].Cursor); !slices.Equal(told(again), want[2:]) {
		t.Errorf("after %s and a restart: %q, want %q", sent[1].Cursor, told(again), want[2:])
	}
	if rest, _ := a.feed(end); len(rest) != 0 {
		t.Errorf("after the end: %q", told(rest))
	}
}

func TestFeedRefusesCursorsOfAnotherStore(t *testing.T) {
	w := newWorld(t, "H40.01", "H40.02")
	a, b := w.offices["H40.01"], w.offices["H40.02"]
	a.send(draft("H40.02"))
	w.deliver()
	_, of, err := b.Feed(context.Background(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	own, err := a.FeedEnd(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, cursor := range []string{of, own + "9", own + "x", "-1", "x", own[:len(own)-1] + "-1", "\x00"} {
		if _, _, err := a.Feed(context.Background(), cursor, 0); !errors.Is(err, problem.New(problem.Usage, "feed.cursor", "", nil)) {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
}
