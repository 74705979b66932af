package search_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/search"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// openAudited opens a database that has an audit log too.
func openAudited(t *testing.T) (*search.Index, *sqlite.DB) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "office.db"), sqlite.Options{Schemas: []sqlite.Schema{audit.Schema, search.Schema}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return search.New(search.Options{DB: db, Source: newWorld()}), db
}

// logged lists actor, action and subject of what the audit log holds.
func logged(t *testing.T, db *sqlite.DB) (list []string) {
	t.Helper()
	err := db.View(t.Context(), func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT actor || ' ' || action || ' ' || subject FROM audit ORDER BY seq`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				return err
			}
			list = append(list, line)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestSearchesAreKeptForTheirOwnerAndTheOffice(t *testing.T) {
	x, db := openAudited(t)
	save := func(owner, name, query string, shared bool) {
		t.Helper()
		if err := x.Save(t.Context(), search.Saved{Owner: owner, Page: "/tim-kiem", Name: name, Query: query, Shared: shared}); err != nil {
			t.Fatal(err)
		}
	}
	save("lan", " Hộ  tịch ", "q=ho+tich", false)
	save("lan", "Hộ tịch", "q=ho+tich&nam=2026", false) // in the place of the one before
	save("minh", "Công điện", "khan=3", true)
	save("minh", "Riêng", "q=rieng", false)
	names := func(who string) (list []string) {
		saved, err := x.SavedFor(t.Context(), who, "/tim-kiem")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range saved {
			list = append(list, s.Name+"?"+s.Query)
		}
		slices.Sort(list)
		return list
	}
	if got := names("lan"); !slices.Equal(got, []string{"Công điện?khan=3", "Hộ tịch?q=ho+tich&nam=2026"}) {
		t.Errorf("lan sees %q", got)
	}
	all, err := x.SavedFor(t.Context(), "minh", "/tim-kiem")
	if err != nil || len(all) != 2 {
		t.Fatalf("%v, %v", all, err)
	}
	for _, s := range all {
		var p *problem.Problem
		if err := x.Forget(t.Context(), s.Seq, "lan", false); !errors.As(err, &p) || p.Class != problem.NotFound {
			t.Errorf("lan forgets %q of minh: %v", s.Name, err)
		}
		if err := x.Forget(t.Context(), s.Seq, "lan", true); (err == nil) != s.Shared {
			t.Errorf("lan, who may drop what the office shares, forgets %q: %v", s.Name, err)
		}
	}
	want := []string{"lan search.saved Hộ tịch", "lan search.saved Hộ tịch", "minh search.saved Công điện", "minh search.saved Riêng", "lan search.forgotten Công điện"}
	if got := logged(t, db); !slices.Equal(got, want) {
		t.Errorf("the audit log has %q", got)
	}
}

func TestP9_KeptSearchesAreBounded(t *testing.T) {
	x, _ := openAudited(t)
	for name, s := range map[string]search.Saved{
		"search.saved-name":  {Name: " \t ", Query: "q=a"},
		"search.saved-long":  {Name: strings.Repeat("ế", search.MaxName+1), Query: "q=a"},
		"search.saved-query": {Name: "a", Query: strings.Repeat("q", search.MaxAddress+1)},
	} {
		var list problem.List
		if err := x.Save(t.Context(), s); !errors.As(err, &list) || list[0].Code != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range search.MaxSaved + 1 {
		err := x.Save(t.Context(), search.Saved{Owner: "lan", Page: "/tim-kiem", Name: strings.Repeat("a", i%70+1) + string(rune('A'+i/70)), Query: "q=a"})
		var p *problem.Problem
		if full := errors.As(err, &p) && p.Code == "search.saved-full"; full != (i == search.MaxSaved) {
			t.Fatalf("search %d: %v", i, err)
		}
	}
}

func TestLooksAreLoggedOnceForTheSameQuestion(t *testing.T) {
	x, db := openAudited(t)
	for _, a := range []search.Access{
		{By: "lan", Words: "hộ tịch", Filter: "q=1", Found: 3}, {By: "lan", Words: "hộ tịch", Filter: "q=1", Found: 3}, {By: "minh", Words: "hộ tịch", Filter: "q=1"},
		{By: "lan", Words: "hộ tịch", Filter: "q=1", Export: "pdf"}, {By: "lan", Words: strings.Repeat("x", 1<<20), Filter: strings.Repeat("y", 1<<20)},
	} {
		if err := x.Log(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"lan search.asked hộ tịch", "minh search.asked hộ tịch", "lan search.exported hộ tịch", "lan search.asked " + strings.Repeat("x", search.MaxQuery)}
	if got := logged(t, db); !slices.Equal(got, want) {
		t.Errorf("the audit log has %.300q", got)
	}
}

// TestWordsOfFilesAreForThoseWhoMayReadThem holds that without files neither
// results nor counts tell what is in them, and that with them the words are shown.
func TestWordsOfFilesAreForThoseWhoMayReadThem(t *testing.T) {
	x, _, ids := sample(t)
	r, err := x.Search(t.Context(), search.Query{Text: "quân sự", Passages: true})
	if err != nil || len(r.Hits) != 1 || r.Hits[0].ID != ids["tep"] || r.Hits[0].Passage == nil {
		t.Fatalf("%+v, %v", r.Hits, err)
	}
	p := r.Hits[0].Passage
	var marked []string
	for _, m := range p.Marks {
		marked = append(marked, string([]rune(p.Text)[m[0]:m[1]]))
	}
	if !strings.Contains(strings.Join(marked, " "), "quân") {
		t.Errorf("marked %q in %q", marked, p.Text)
	}
	for _, q := range []search.Query{{Text: "quân sự"}, {Text: "quan su", Order: search.ByDate}, {Text: "quan s"}} {
		q.FieldsOnly, q.Passages, q.Facets = true, true, true
		r, err := x.Search(t.Context(), q)
		if err != nil || len(r.Hits) > 0 || r.Facets.Total > 0 || len(r.Facets.Sender) > 0 {
			t.Errorf("%+v without files: %+v %+v, %v", q, r.Hits, r.Facets, err)
		}
		found, more, err := x.Find(t.Context(), q, 10)
		if err != nil || len(found) > 0 || more {
			t.Errorf("%+v without files finds %v, %v", q, found, err)
		}
	}
	r, err = x.Search(t.Context(), search.Query{Text: "ubnd", FieldsOnly: true, Passages: true, Show: []search.Field{search.FieldRecipients}})
	if err != nil || len(r.Hits) != 4 || r.Hits[0].Passage != nil {
		t.Errorf("words of fields, without files: %d hits, %v", len(r.Hits), err)
	}
}

func TestFindSaysWhenThereIsMore(t *testing.T) {
	x, _, _ := sample(t)
	found, more, err := x.Find(t.Context(), search.Query{Text: "ubnd", Box: office.In}, 2)
	if err != nil || len(found) != 2 || !more {
		t.Errorf("%d found, more %v, %v", len(found), more, err)
	}
}
