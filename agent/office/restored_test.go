package office

import (
	"slices"
	"testing"
	"time"

	"tram/storage/sqlite"
)

// TestP2_ARestoredOfficeGivesNoNumberTwice: as many are left out as may have been given
// since the backup, or as a person says, also where a year has begun since.
func TestP2_ARestoredOfficeGivesNoNumberTwice(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ago  time.Duration // the backup
		next time.Duration // now, after the real time
		skip int
		want string // number of the next document; "" of a year that has begun
	}{
		"seven in the last hour":   {ago: time.Hour, skip: -1, want: "22"},
		"none in the last minutes": {skip: -1, want: "13"},
		"a person says so":         {ago: time.Hour, skip: 3, want: "11"},
		"none, for sure":           {ago: time.Hour, skip: 0, want: "08"},
		"a new year":               {next: 366 * 24 * time.Hour, skip: -1},
	} {
		w := newWorld(t, "A", "B")
		a := w.offices["A"]
		for range 7 {
			a.send(draft("B"))
		}
		now := w.now()
		made := now.Add(-c.ago)
		if c.ago == 0 {
			made = now.Add(time.Millisecond)
		}
		var skipped []Skipped
		if err := a.db.Update(t.Context(), func(tx *sqlite.Tx) (err error) {
			if _, err := tx.Exec(`INSERT INTO spare (kind, year, number) SELECT kind, year, 2 FROM series`); err != nil {
				return err
			}
			if c.skip == 0 {
				if _, err := tx.Exec(`DELETE FROM spare`); err != nil {
					return err
				}
			}
			skipped, err = Restored(tx, made, now.Add(c.next), c.skip)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if c.want == "" {
			if !slices.ContainsFunc(skipped, func(s Skipped) bool {
				return s.Year == now.Add(c.next).Year() && s.First == 1 && s.Direction() == "out" && s.Group() == ""
			}) {
				t.Errorf("%s: left out are %+v", name, skipped)
			}
			continue
		}
		a.restart()
		if doc := a.send(draft("B")); doc.Number != c.want {
			t.Errorf("%s: the next number is %s, want %s (left out: %+v)", name, doc.Number, c.want, skipped)
		}
	}
}
