package search_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"tram/agent/office"
	"tram/agent/search"
	"tram/storage/sqlite"
)

// segments counts the pieces that the index consists of, and its pages.
func segments(t *testing.T, db *sqlite.DB) (count, pages int) {
	t.Helper()
	err := db.View(t.Context(), func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT count(DISTINCT segid), count(*) FROM search_words_idx`).Scan(&count, &pages)
	})
	if err != nil {
		t.Fatal(err)
	}
	return count, pages
}

// TestTheIndexIsMergedWhenItRests fills an index in many transactions and finds it
// in one piece later, which finds what it found.
func TestTheIndexIsMergedWhenItRests(t *testing.T) {
	db := openDB(t, t.TempDir())
	t.Cleanup(func() { db.Close() })
	w := newWorld()
	random := rand.New(rand.NewPCG(1, 2))
	const documents = 150
	for i := range documents {
		words := make([]string, 600)
		for j := range words {
			words[j] = fmt.Sprintf("w%d", random.IntN(40_000))
		}
		w.add(office.Document{Subject: fmt.Sprintf("Văn bản chung %d %s", i, strings.Join(words, " "))}, "")
	}
	x, _ := start(t, db, w)
	caughtUp(t, x)
	deadline := time.Now().Add(time.Minute)
	count, pages := segments(t, db)
	for count > 1 && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
		count, pages = segments(t, db)
	}
	if count != 1 || pages < 64 {
		t.Fatalf("%d segments with %d pages", count, pages)
	}
	if found := find(t, x, search.Query{Text: "van ban chung", Limit: search.MaxLimit}); len(found) != min(documents, search.MaxLimit) {
		t.Errorf("%d found", len(found))
	}
	id := w.add(office.Document{Subject: "Đến sau cùng"}, "")
	caughtUp(t, x)
	if found := find(t, x, search.Query{Text: "den sau cung"}); len(found) != 1 || found[0] != id {
		t.Errorf("found %v", found)
	}
	if count, _ := segments(t, db); count != 2 {
		t.Errorf("%d segments: one document is no reason to merge", count)
	}
}
