package office

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

// seed writes rows of documents with next to nothing in them.
func (n *node) seed(count int, each func(i int, d *Document)) {
	n.w.t.Helper()
	err := n.db.Update(context.Background(), func(tx *sqlite.Tx) error {
		for i := range count {
			d := Document{
				ID: storage.ID{1, byte(i >> 8), byte(i)}, Box: In, State: Arrived, From: Party{"H40.02", "UBND"}, To: []Recipient{{Party: Party{"H40.01", "UBND"}}},
				Type: "CV", Date: "2026-11-20", Created: n.w.now().Add(time.Duration(i) * time.Minute), Number: fmt.Sprint(i),
			}
			each(i, &d)
			if _, err := insertDocument(tx, d, 0); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		n.w.t.Fatal(err)
	}
}

func TestSelectFindsWhatFitsInPagesAndNothingElse(t *testing.T) {
	n := newWorld(t, "H40.01", "H40.02").offices["H40.01"]
	urgent := HoaToc
	plain := Thuong
	n.seed(300, func(i int, d *Document) {
		if i%2 == 0 {
			d.Box, d.State, d.From, d.To[0].Party = Out, Saved, Party{"H40.01", ""}, Party{"H40.02", ""}
		}
		if i%7 == 0 {
			d.Urgency = HoaToc
		}
		if i%5 == 0 {
			d.State = Accepted
		}
		if i%3 == 0 {
			d.Type, d.EdXMLID = "QĐ", fmt.Sprint("000.00.02.H40,2026/", i)
		}
	})
	start := n.w.now()
	for name, c := range map[string]struct {
		f    Filter
		fits func(i int) bool
	}{
		"a box":           {Filter{Box: In}, func(i int) bool { return i%2 == 1 }},
		"a state":         {Filter{Box: In, States: []State{Accepted}}, func(i int) bool { return i%2 == 1 && i%5 == 0 }},
		"several states":  {Filter{Box: Out, States: []State{Accepted, Saved, Accepted}}, func(i int) bool { return i%2 == 0 }},
		"urgent":          {Filter{Box: Out, Urgency: &urgent}, func(i int) bool { return i%14 == 0 }},
		"not urgent":      {Filter{Box: In, Urgency: &plain}, func(i int) bool { return i%2 == 1 && i%7 != 0 }},
		"a type":          {Filter{Box: In, Type: "QĐ"}, func(i int) bool { return i%2 == 1 && i%3 == 0 }},
		"a sender":        {Filter{Box: In, Office: "H40.02", Type: "QĐ"}, func(i int) bool { return i%2 == 1 && i%3 == 0 }},
		"no such sender":  {Filter{Box: In, Office: "H40.03"}, func(int) bool { return false }},
		"a recipient":     {Filter{Box: Out, Office: "h40.02", States: []State{Accepted}}, func(i int) bool { return i%10 == 0 }},
		"a number":        {Filter{Box: In, Number: "17"}, func(i int) bool { return i == 17 }},
		"a DocumentId":    {Filter{Box: In, EdXMLID: "000.00.02.H40,2026/21"}, func(i int) bool { return i == 21 }},
		"since a time":    {Filter{Box: In, FiledFrom: start.Add(201 * time.Minute)}, func(i int) bool { return i%2 == 1 && i >= 201 }},
		"before a time":   {Filter{Box: In, FiledUntil: start.Add(99 * time.Minute)}, func(i int) bool { return i%2 == 1 && i < 99 }},
		"an application":  {Filter{Box: Out, App: "cong"}, func(int) bool { return false }},
		"never so early":  {Filter{Box: In, FiledUntil: start}, func(int) bool { return false }},
		"never that late": {Filter{Box: In, FiledFrom: start.Add(999 * time.Hour)}, func(int) bool { return false }},
	} {
		t.Run(name, func(t *testing.T) {
			var want, got []string
			for i := 299; i >= 0; i-- {
				if c.fits(i) {
					want = append(want, fmt.Sprint(i))
				}
			}
			for c.f.Limit = 7; ; {
				docs, next, err := n.Select(t.Context(), c.f)
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range docs {
					got = append(got, d.Number)
				}
				if next == 0 {
					break
				}
				if len(docs) != 7 {
					t.Fatalf("a page of %d before the last", len(docs))
				}
				c.f.Before = next
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %v\nwant %v", got, want)
			}
		})
	}
}

func TestADocumentBelongsToTheApplicationThatSentItAndSoDoesItsAnswer(t *testing.T) {
	w := newWorld(t, "H40.01", "H40.02", "H40.03")
	a, b := w.offices["H40.01"], w.offices["H40.02"]
	d := draft("H40.02")
	d.App = "cong-dvc"
	told := 0
	d.Also = func(tx *sqlite.Tx, saved Document) error {
		told++
		if saved.Number == "" || saved.Created.IsZero() {
			t.Errorf("told of %+v", saved)
		}
		return nil
	}
	mine := a.send(d)
	other := a.send(draft("H40.02"))
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	for id, want := range map[storage.ID]string{mine.ID: "cong-dvc", other.ID: ""} {
		if app, err := a.AppOf(t.Context(), id); err != nil || app != want {
			t.Errorf("application %q, %v, want %q", app, err, want)
		}
	}
	var p *problem.Problem
	if _, err := a.AppOf(t.Context(), storage.ID{9}); !errors.As(err, &p) || p.Class != problem.NotFound {
		t.Errorf("no document: %v", err)
	}
	w.deliver()
	if _, err := b.Accept(t.Context(), b.inbox()[0].ID, "vanthu"); err != nil {
		t.Fatal(err)
	}
	w.deliver()
	entries, _, err := a.FeedTo(t.Context(), Reading{App: "cong-dvc"}, "", 0)
	if err != nil || len(entries) < 2 {
		t.Fatalf("feed %v, %v", entries, err)
	}
	for _, e := range entries {
		if e.Document != mine.ID {
			t.Errorf("an entry of another document: %+v", e)
		}
	}
	docs, _, err := a.Select(t.Context(), Filter{Box: Out, App: "cong-dvc"})
	if err != nil || len(docs) != 1 || docs[0].ID != mine.ID {
		t.Errorf("list %v, %v", docs, err)
	}
}

func TestP1_WhatAnApplicationAddsIsSavedWithTheDocumentOrRefusesIt(t *testing.T) {
	a := newWorld(t, "H40.01", "H40.02").offices["H40.01"]
	refuse := errors.New("no")
	d := draft("H40.02")
	d.Also = func(*sqlite.Tx, Document) error { return refuse }
	if _, err := a.Send(t.Context(), d); !errors.Is(err, refuse) {
		t.Fatalf("sent: %v", err)
	}
	if docs, _, err := a.Select(t.Context(), Filter{Box: Out}); err != nil || len(docs) != 0 {
		t.Errorf("saved all the same: %v, %v", docs, err)
	}
}

func TestRegistersHoldEachYearInOrder(t *testing.T) {
	w := newWorld(t, "H40.01", "H40.02")
	a, b := w.offices["H40.01"], w.offices["H40.02"]
	for range 5 {
		a.send(draft("H40.02"))
	}
	w.deliver()
	in := b.inbox()
	for _, i := range []int{3, 0, 4} { // two stay unanswered
		if _, err := b.Accept(t.Context(), in[i].ID, "vanthu"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Return(t.Context(), in[1].ID, "Sai thẩm quyền", "vanthu"); err != nil {
		t.Fatal(err)
	}
	read := func(n *node, box Box, year int) (numbers []string) {
		var at RegisterPlace
		for {
			lines, next, err := n.Register(t.Context(), box, year, "", at, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range lines {
				numbers = append(numbers, fmt.Sprint(l.Arrival, "/", l.Number, "@", l.Entered.In(time.FixedZone("", 7*3600)).Format("2006")))
			}
			if next == (RegisterPlace{}) {
				return numbers
			}
			at = next
		}
	}
	want := []string{"1/02@2026", "2/05@2026", "3/01@2026"}
	if got := read(b, In, 2026); !slices.Equal(got, want) {
		t.Errorf("sổ đến %v, want %v", got, want)
	}
	if got := read(a, Out, 2026); len(got) != 5 || got[0] != "0/01@2026" || got[4] != "0/05@2026" {
		t.Errorf("sổ đi %v", got)
	}
	if got := read(b, In, 2025); got != nil {
		t.Errorf("another year holds %v", got)
	}
}

func TestOnlyARecipientAnswersADocumentOfAnApplication(t *testing.T) {
	w := newWorld(t, "H40.01", "H40.02", "H40.03")
	a := w.offices["H40.01"]
	d := draft("H40.02")
	d.App = "cong-dvc"
	mine := a.send(d)
	for i, code := range []string{"H40.02", "H40.03"} {
		message := plainly(foreign(code, organs("H40.01"), code+",2026/11/20,45/KH-UBND", "a.pdf", encoded([]byte("%PDF-1.7 trả lời"))))
		message = strings.Replace(message, "<e:DocumentId>", "<e:ResponseFor><e:OrganId>H40.01</e:OrganId><e:DocumentId>"+mine.EdXMLID+"</e:DocumentId></e:ResponseFor><e:DocumentId>", 1)
		if _, err := w.offices[code].importing(message); err != nil {
			t.Fatal(err)
		}
		w.deliver()
		app, err := a.AppOf(t.Context(), a.inbox()[0].ID)
		if want := []string{"cong-dvc", ""}[i]; err != nil || app != want {
			t.Errorf("answer of %s belongs to %q, %v; want %q", code, app, err, want)
		}
	}
}
