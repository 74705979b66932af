package search_test

import (
	"errors"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/search"
	"tram/storage"
)

func TestMarksSayWhereTheWordsAre(t *testing.T) {
	x, _, ids := sample(t)
	r, err := x.Search(t.Context(), search.Query{Text: "HOA binh 5/ubnd"})
	if err != nil || len(r.Hits) != 0 {
		t.Fatalf("%+v, %v", r.Hits, err)
	}
	for text, want := range map[string]map[search.Field][]string{
		"hoà bình thu": {search.FieldSubject: {"Hòa", "Bình", "thủy"}},
		"5/ubnd":       {search.FieldCode: {"05", "UBND"}},
		"tân h40.15":   {search.FieldRecipients: {"Tân", "H40", "15"}},
	} {
		r, err := x.Search(t.Context(), search.Query{Text: text})
		if err != nil || len(r.Hits) == 0 || r.Hits[0].InFiles {
			t.Fatalf("%s: %+v, %v", text, r.Hits, err)
		}
		got := map[search.Field][]string{}
		for _, f := range r.Hits[0].Fields {
			for _, m := range f.Marks {
				got[f.Field] = append(got[f.Field], string([]rune(f.Text)[m[0]:m[1]]))
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: marked %v, want %v", text, got, want)
		}
	}
	r, err = x.Search(t.Context(), search.Query{Text: "quân sự"})
	if err != nil || len(r.Hits) != 1 || r.Hits[0].ID != ids["tep"] || !r.Hits[0].InFiles {
		t.Errorf("words of a file: %+v, %v", r.Hits, err)
	}
}

func TestFacetsCountWhatIsFound(t *testing.T) {
	x, _, _ := sample(t)
	r, err := x.Search(t.Context(), search.Query{Text: "ubnd", Facets: true, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	f := r.Facets
	if f.Total != 4 || f.More || len(r.Hits) != 1 || r.Next == "" {
		t.Errorf("total %d, more %v, %d hits", f.Total, f.More, len(r.Hits))
	}
	if want := []search.Count{{Value: "2026", Count: 3}, {Value: "2025", Count: 1}}; !slices.Equal(f.Year, want) {
		t.Errorf("years %v", f.Year)
	}
	if want := []search.Count{{Value: "CV", Count: 2}, {Value: "QĐ", Count: 2}}; !slices.Equal(f.Type, want) {
		t.Errorf("types %v", f.Type)
	}
	if want := []search.Count{{Value: "in", Count: 3}, {Value: "out", Count: 1}}; !slices.Equal(f.Box, want) {
		t.Errorf("boxes %v", f.Box)
	}
}

// TestPagesJoin goes through all pages, in both orders: each hit stands on one.
func TestPagesJoin(t *testing.T) {
	x, w, _ := sample(t)
	for _, q := range []search.Query{{Text: "duong", Limit: 1}, {Limit: 2}, {Text: "ubnd", Order: search.ByDate, Limit: 3}} {
		all := q
		all.Limit = search.MaxLimit
		want := find(t, x, all)
		var got []storage.ID
		for {
			r, err := x.Search(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range r.Hits {
				got = append(got, h.ID)
			}
			if q.After = r.Next; q.After == "" {
				break
			}
			if len(got) == q.Limit { // what comes meanwhile moves nothing
				w.add(office.Document{Subject: "đường ubnd mới"}, "")
				caughtUp(t, x)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v: pages give %v, want %v", q, got, want)
		}
	}
}

func TestBadQueriesSayWhatIsWrong(t *testing.T) {
	x, _, _ := sample(t)
	for _, c := range []struct {
		q     search.Query
		codes []string
	}{
		{search.Query{Order: "x"}, []string{"search.order"}},
		{search.Query{After: "5"}, []string{"search.after"}},
		{search.Query{After: "9-1"}, []string{"search.after"}},
		{search.Query{From: "1/2/2026", To: "2026-02-30"}, []string{"search.date", "search.date"}},
		{search.Query{Senders: make([]string, 51), Order: "y"}, []string{"search.choices", "search.order"}},
	} {
		_, err := x.Search(t.Context(), c.q)
		var list problem.List
		if !errors.As(err, &list) {
			t.Errorf("%+v: %v", c.q, err)
			continue
		}
		var codes []string
		for _, p := range list {
			codes = append(codes, p.Code)
		}
		if slices.Sort(codes); !slices.Equal(codes, c.codes) {
			t.Errorf("%+v: %v, want %v", c.q, codes, c.codes)
		}
	}
	if _, err := search.ParseQuery(url.Values{"year": {"x"}, "limit": {"y"}}); err == nil {
		t.Error("a year that is no number is taken")
	}
}

func TestQueryGoesThroughAnAddress(t *testing.T) {
	q := search.Query{
		Text: `"khai sinh" đ`, Box: office.In, Years: []int{2025, 2026}, Types: []string{"QĐ"}, Urgencies: []office.Urgency{3}, States: []office.State{"accepted"},
		Senders: []string{"H40.12"}, From: "2026-01-01", To: "2026-12-31", HasText: true, Order: search.ByDate, After: "0-5", Limit: 7, Facets: true,
	}
	got, err := search.ParseQuery(q.Values())
	if err != nil || !reflect.DeepEqual(got, q) {
		t.Errorf("%+v, %v", got, err)
	}
}

// FuzzSearch types anything: it is never an error, and what is marked is in the text.
func FuzzSearch(f *testing.F) {
	for _, s := range []string{`"`, `a"b" c`, "NEAR(a b, 5)", "a AND NOT (b OR *)", "{exact}: x", "\x00\xff", "^a + b", "-", "đ", "a\u0301\u0323", "𝟙²", "ﷺ", strings.Repeat("a/", 600), "５", "٣ ०", "𐞀"} {
		f.Add(s)
	}
	x, _, _ := sample(f)
	f.Fuzz(func(t *testing.T, text string) {
		for _, order := range []search.Order{search.ByRank, search.ByDate} {
			r, err := x.Search(t.Context(), search.Query{Text: text, Order: order, Facets: true})
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			for _, h := range r.Hits {
				for _, s := range h.Fields {
					for _, m := range s.Marks {
						if m[0] < 0 || m[0] >= m[1] || m[1] > len([]rune(s.Text)) {
							t.Fatalf("%q: mark %v in %q", text, m, s.Text)
						}
					}
				}
			}
		}
	})
}
