package report

import (
	"fmt"
	"testing"
	"time"

	"tram/storage/sqlite"
)

// TestHoursOfTheLastDayAreCountedAndForgotten: those that are over go, as do those of a
// clock that was ahead.
func TestHoursOfTheLastDayAreCountedAndForgotten(t *testing.T) {
	now := march
	r, _, db := opened(t, func() time.Time { return now })
	sent := func(office string) {
		t.Helper()
		if err := db.Update(t.Context(), func(tx *sqlite.Tx) error { return r.Sent(tx, office) }); err != nil {
			t.Fatal(err)
		}
	}
	note := func(here map[string]int) {
		t.Helper()
		if err := r.NoteWaiting(t.Context(), here); err != nil {
			t.Fatal(err)
		}
	}
	holds := func(want string) {
		t.Helper()
		list, err := r.Hours(t.Context())
		got := ""
		for _, h := range list {
			got += fmt.Sprintf("%s %s %d/%d/%d\n", h.At.In(march.Location()).Format("02 15"), h.Cluster, h.Sent, h.Received, h.Waiting)
		}
		if err != nil || got != want {
			t.Fatalf("the hours are, %v:\n%swant\n%s", err, got, want)
		}
	}
	holds("")
	sent("H40.12")
	sent("H40.15")
	sent("G1.1") // of no office of this hub
	delivered(t, r, db, "H41.1", 0, time.Second)
	holds("20 09 H40 2/0/-1\n20 09 H41 0/1/-1\n")
	note(map[string]int{"H40.12": 3, "H41.1": 1, "G1.1": 9})
	now = now.Add(10 * time.Minute)
	note(map[string]int{"H40.12": 2})
	holds("20 09 H40 2/0/2\n20 09 H41 0/1/0\n")
	now = now.Add(23 * time.Hour)
	sent("H40.12")
	holds("20 09 H40 2/0/2\n20 09 H41 0/1/0\n21 08 H40 1/0/-1\n")
	now = now.Add(time.Hour)
	holds("21 08 H40 1/0/-1\n")
	now = now.AddDate(1, 0, 0) // the clock jumps, and back
	sent("H40.12")
	note(nil)
	now = now.AddDate(-1, 0, 0)
	sent("H40.12")
	note(nil)
	holds("21 09 H40 1/0/0\n21 09 H41 0/0/0\n")
	rows := 0
	if err := db.View(t.Context(), func(tx *sqlite.Tx) error { return tx.QueryRow(`SELECT count(*) FROM report_hours`).Scan(&rows) }); err != nil || rows != 2 {
		t.Errorf("%d rows are kept, %v", rows, err)
	}
}
