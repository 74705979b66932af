package office

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"

	"tram/agent/problem"
	"tram/storage/sqlite"
)

func (n *node) announce(code, app string) {
	n.w.t.Helper()
	err := n.db.Update(context.Background(), func(tx *sqlite.Tx) error {
		return n.Announce(tx, Notice{Type: DossierStatus, Dossier: uuid.New(), Code: code, App: app, Office: "H40.01", At: tx.Now(), News: DossierNews{Kind: "started", Status: 4}})
	})
	if err != nil {
		n.w.t.Fatal(err)
	}
}

// follow reads all that a reader gets after a cursor, so many at a time.
func (n *node) follow(r Reading, after string, limit int) (list []string, cursors []string) {
	n.w.t.Helper()
	for {
		page, next, err := n.FeedTo(context.Background(), r, after, limit)
		if err != nil {
			n.w.t.Fatal(err)
		}
		for _, e := range page {
			list, cursors = append(list, fmt.Sprintf("%s %s", e.Type, e.EdXMLID)), append(cursors, e.Cursor)
		}
		if len(page) == 0 || next == after {
			return list, cursors
		}
		after = next
	}
}

// TestP2_DossiersStandInTheFeedOnceInOneOrder: whatever the length of the pages, and
// from wherever a reader goes on, also from a cursor of a reader of documents.
func TestP2_DossiersStandInTheFeedOnceInOneOrder(t *testing.T) {
	w := newWorld(t, "H40.01", "H40.02")
	a := w.offices["H40.01"]
	a.announce("H40.01-261126-0001", "cong")
	a.send(draft("H40.02"))
	a.announce("H40.01-261126-0001", "cong")
	a.announce("H40.01-261126-0002", "")
	news := a.Changed()
	a.announce("H40.01-261126-0003", "khac")
	select {
	case <-news:
	default:
		t.Error("a change of a dossier wakes nobody")
	}
	a.send(draft("H40.02"))
	all, cursors := a.follow(Reading{Dossiers: true}, "", 0)
	if len(all) != 6 || all[0] != "dossier.status H40.01-261126-0001" || all[3] != "dossier.status H40.01-261126-0002" {
		t.Fatalf("%q", all)
	}
	for limit := 1; limit < 5; limit++ {
		if got, _ := a.follow(Reading{Dossiers: true}, "", limit); !slices.Equal(got, all) {
			t.Errorf("by %d: %q", limit, got)
		}
	}
	for i, c := range cursors {
		if got, _ := a.follow(Reading{Dossiers: true}, c, 2); !slices.Equal(got, all[i+1:]) {
			t.Errorf("after entry %d: %q", i, got)
		}
	}
	documents, places := a.follow(Reading{}, "", 0)
	if len(documents) != 2 {
		t.Fatalf("a reader of documents gets %q", documents)
	}
	if got, _ := a.follow(Reading{Dossiers: true}, places[0], 1); !slices.Equal(got, all[2:]) {
		t.Errorf("from a place of documents: %q", got)
	}
	if got, _ := a.follow(Reading{App: "cong", Dossiers: true, DossiersOf: "cong"}, "", 1); !slices.Equal(got, []string{all[0], all[2]}) {
		t.Errorf("its own: %q", got)
	}
	a.restart()
	a.announce("H40.01-261126-0004", "")
	if got, _ := a.follow(Reading{Dossiers: true}, cursors[5], 0); !slices.Equal(got, []string{"dossier.status H40.01-261126-0004"}) {
		t.Errorf("after a restart: %q", got)
	}
	end, err := a.FeedEnd(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, cursor := range []string{end + "9", end + ".1", end + "x"} {
		if _, _, err := a.FeedTo(context.Background(), Reading{Dossiers: true}, cursor, 0); !errors.Is(err, problem.New(problem.Usage, "feed.cursor", "", nil)) {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
}
