package audit_test

import (
	"slices"
	"testing"
	"time"

	"tram/storage/audit"
)

func TestFindPicksTheNewestFirst(t *testing.T) {
	db := open(t)
	day := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	add(t, db,
		audit.Entry{At: day, Actor: "lan", Action: "document.send", Subject: "a"},
		audit.Entry{At: day.AddDate(0, 0, 1), Actor: "minh", Action: "document.sent", Subject: "a", Detail: map[string]string{"k": "v"}},
		audit.Entry{At: day.AddDate(0, 0, 2), Actor: "lan", Action: "document", Subject: "b"},
		audit.Entry{At: day.AddDate(0, 0, 3), Actor: "lan", Action: "user.created", Subject: "minh"})
	for name, tt := range map[string]struct {
		f     audit.Filter
		limit int
		want  []int64
	}{
		"all":            {audit.Filter{}, 10, []int64{4, 3, 2, 1}},
		"limit":          {audit.Filter{}, 2, []int64{4, 3}},
		"next page":      {audit.Filter{Before: 3}, 10, []int64{2, 1}},
		"actor":          {audit.Filter{Actor: "lan"}, 10, []int64{4, 3, 1}},
		"action":         {audit.Filter{Action: "document.send"}, 10, []int64{1}},
		"actions below":  {audit.Filter{Action: "document"}, 10, []int64{3, 2, 1}},
		"subject":        {audit.Filter{Subject: "a"}, 10, []int64{2, 1}},
		"from":           {audit.Filter{From: day.AddDate(0, 0, 2)}, 10, []int64{4, 3}},
		"until":          {audit.Filter{Until: day.AddDate(0, 0, 1)}, 10, []int64{1}},
		"no wildcards":   {audit.Filter{Action: "document%"}, 10, nil},
		"all at a time":  {audit.Filter{Actor: "lan", Action: "document", From: day, Until: day.AddDate(0, 0, 1)}, 10, []int64{1}},
		"nobody":         {audit.Filter{Actor: "x"}, 10, nil},
		"text, not code": {audit.Filter{Actor: "' OR 1=1 --"}, 10, nil},
	} {
		rows, err := audit.Find(t.Context(), db, tt.f, tt.limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, r := range rows {
			got = append(got, r.Seq)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
	if rows, err := audit.Find(t.Context(), db, audit.Filter{Actor: "minh"}, 1); err != nil || rows[0].Detail["k"] != "v" || rows[0].Hash == [32]byte{} {
		t.Errorf("got %+v, %v", rows, err)
	}
}
