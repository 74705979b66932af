package mqtt

import (
	"fmt"
	"testing"
	"testing/synctest"

	"tram/sync/exchange"
)

func up() exchange.LinkEvent   { return exchange.LinkEvent{Up: true} }
func down() exchange.LinkEvent { return exchange.LinkEvent{Down: true} }

func TestInboxLosesFramesButNoLinkChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bytes := &budget{limit: 1000}
		b := newInbox(10, bytes)
		b.change(up())
		kept := 0
		for range 20 {
			if b.frame([]byte{1}) {
				kept++
			}
		}
		b.change(down())
		if kept < 10 || kept > 11 {
			t.Errorf("%d frames were kept", kept)
		}
		got := drain(b)
		if len(got) != kept+2 || !got[0].Up || !got[len(got)-1].Down {
			t.Errorf("events are %+v", got)
		}
		if b.frame(make([]byte, 1001)) {
			t.Error("a frame over the budget was kept")
		}
		if used := bytes.used.Load(); used != 0 {
			t.Errorf("%d bytes are still accounted for", used)
		}
		b.close()
		b.close()
		if b.frame([]byte{1}) {
			t.Error("a closed inbox takes frames")
		}
		b.change(up())
		if _, open := <-b.ch; open {
			t.Error("a closed inbox gives events")
		}
	})
}

// drain reads what is there.
func drain(b *inbox) []exchange.LinkEvent {
	var got []exchange.LinkEvent
	for {
		synctest.Wait()
		select {
		case ev := <-b.ch:
			got = append(got, ev)
		default:
			return got
		}
	}
}

func TestInboxMergesLinkChangesThatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newInbox(10, &budget{limit: 1000})
		for range 1000 {
			b.change(up())
			b.frame([]byte{1})
			b.change(down())
		}
		b.change(up())
		got := drain(b)
		if len(got) > 3*maxChanges {
			t.Errorf("%d events waited", len(got))
		}
		isUp := false
		for i, ev := range got {
			switch {
			case ev.Up == isUp && ev.Frame == nil:
				t.Fatalf("event %d repeats a state: %+v", i, got)
			case ev.Frame == nil:
				isUp = ev.Up
			}
		}
		if !isUp {
			t.Errorf("the last word is lost: %+v", got)
		}
		if used := b.budget.used.Load(); used != 0 {
			t.Errorf("%d bytes are still accounted for", used)
		}
	})
}

func TestFeedKeepsTheLastWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed[string, int]()
		for i := range 100 {
			f.put("a", i)
			f.put("b", i)
		}
		last := map[string]int{}
		for range 2 {
			synctest.Wait()
			select {
			case v := <-f.ch:
				last[fmt.Sprint(len(last))] = v
			default:
			}
		}
		synctest.Wait()
		for open := true; open; {
			select {
			case v := <-f.ch:
				last[fmt.Sprint(len(last))] = v
				synctest.Wait()
			default:
				open = false
			}
		}
		if n := len(last); n < 2 || n > 3 {
			t.Errorf("%d values, want the two last ones and at most one more", n)
		}
		f.close()
		if _, open := <-f.ch; open {
			t.Error("a closed feed gives values")
		}
	})
}
