package search_test

import (
	"slices"
	"testing"

	"tram/agent/office"
	"tram/agent/search"
	"tram/agent/search/searchtest"
	"tram/storage"
)

// TestEveryPairIsFound holds the list of what people type against the index: each
// query finds its document, and each unmarked or decomposed form of it does.
func TestEveryPairIsFound(t *testing.T) {
	pairs := searchtest.Pairs()
	if len(pairs) < 200 {
		t.Fatalf("only %d pairs", len(pairs))
	}
	db := openDB(t, t.TempDir())
	defer db.Close()
	w := newWorld()
	ids := map[string]storage.ID{}
	for _, s := range searchtest.Subjects() {
		ids[s] = w.add(office.Document{Subject: s}, "")
	}
	x, stop := start(t, db, w)
	defer stop()
	caughtUp(t, x)
	for _, p := range pairs {
		if got := find(t, x, search.Query{Text: p.Query, Limit: search.MaxLimit}); !slices.Contains(got, ids[p.Subject]) {
			t.Errorf("%q does not find %q", p.Query, p.Subject)
		}
		if got := find(t, x, search.Query{Text: p.Query, Limit: search.MaxLimit, Order: search.ByDate}); !slices.Contains(got, ids[p.Subject]) {
			t.Errorf("%q by date does not find %q", p.Query, p.Subject)
		}
	}
}
