package sqlite_test

import (
	"database/sql"
	"slices"
	"testing"

	"tram/storage/sqlite"
)

func TestCollectReadsAllRowsOrSaysWhy(t *testing.T) {
	db := openNotes(t)
	for _, text := range []string{"a", "b", "c"} {
		if err := insert(db, text); err != nil {
			t.Fatal(err)
		}
	}
	err := db.View(t.Context(), func(tx *sqlite.Tx) error {
		all, err := sqlite.Column[string](tx, `SELECT text FROM notes ORDER BY text`)
		if err != nil || !slices.Equal(all, []string{"a", "b", "c"}) {
			t.Errorf("%v %v", all, err)
		}
		none, err := sqlite.Column[string](tx, `SELECT text FROM notes WHERE text = ?`, "d")
		if err != nil || none == nil || len(none) != 0 {
			t.Errorf("no rows: %#v %v", none, err)
		}
		if list, err := sqlite.Column[int](tx, `SELECT text FROM notes`); err == nil {
			t.Errorf("a text is taken for a number: %v", list)
		}
		if list, err := sqlite.Column[string](tx, `SELECT nothing FROM notes`); err == nil {
			t.Errorf("a column that is not there: %v", list)
		}
		pairs, err := sqlite.Collect(tx, func(rows *sql.Rows, v *[2]string) error { return rows.Scan(&v[0], &v[1]) }, `SELECT text, upper(text) FROM notes WHERE text > ?`, "b")
		if err != nil || len(pairs) != 1 || pairs[0] != [2]string{"c", "C"} {
			t.Errorf("%v %v", pairs, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
