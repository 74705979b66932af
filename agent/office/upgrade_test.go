package office

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"

	"tram/agent/edxml"
	"tram/agent/register"
	"tram/storage/queue"
	"tram/storage/sqlite"
)

// before is the schema as it was before a migration.
func before(t *testing.T, version string) sqlite.Schema {
	t.Helper()
	files := fstest.MapFS{}
	for _, name := range must(fs.Glob(Schema.Files, "*.sql")) {
		if name < version {
			files[name] = &fstest.MapFile{Data: must(fs.ReadFile(Schema.Files, name))}
		}
	}
	return sqlite.Schema{Name: Schema.Name, Files: files}
}

// TestNumbersOfABoxThatIsUpgraded: what was given before is known, in any
// spelling, and goes on; nothing is given again.
func TestNumbersOfABoxThatIsUpgraded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "office.db")
	db := must(sqlite.Open(t.Context(), path, sqlite.Options{Schemas: []sqlite.Schema{queue.Schema, before(t, "0009")}}))
	codes := []edxml.Code{{Number: "01", Notation: "QĐ-UBND"}, {Number: "2", Notation: "TTr-UBND"}, {Number: "40", Notation: "ủy ban-vx"}, {Number: "3a", Notation: "qđ-hđtđ"}, {Notation: "UBND"}}
	err := db.Update(context.Background(), func(tx *sqlite.Tx) error {
		for i, c := range codes {
			_, err := tx.Exec(`INSERT INTO documents (id, box, state, urgency, from_code, from_name, subject, number, notation, type, type_name, date, edxml_id, size, created, expires, booked)
				VALUES (?, 'out', 'saved', 0, '', '', '', ?, ?, '', '', '', ?, 0, 0, 0, 2026)`, must(uuid.NewV7()), c.Number, c.Notation, fmt.Sprint(i))
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec(`INSERT INTO series (kind, year, last) VALUES ('out', 2026, 2), ('in', 2026, 7)`)
		if err == nil {
			_, err = tx.Exec(`INSERT INTO taken (kind, year, number) VALUES ('out', 2026, 40), ('out', 2025, 9)`)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = must(sqlite.Open(t.Context(), path, sqlite.Options{Schemas: []sqlite.Schema{queue.Schema, Schema}, Now: time.Now}))
	defer db.Close()
	n := newNumbers(db, true)
	if byType, err := n.mode(t.Context(), 2026); err != nil || byType {
		t.Errorf("numbers of a year that has begun are by type: %v, %v", byType, err)
	}
	for want, s := range map[int]register.Series{
		41: register.OutgoingSeries(2026, register.Numbered{}, false), 10: register.OutgoingSeries(2025, register.Numbered{}, false), 8: register.IncomingSeries(2026),
	} {
		if got := must(n.next(t.Context(), s)); got != want {
			t.Errorf("%v goes on with %d, not %d", s, got, want)
		}
	}
	err = db.View(t.Context(), func(tx *sqlite.Tx) error {
		for _, c := range []edxml.Code{{Number: "1", Notation: "qđ-ubnd"}, {Number: "02", Notation: "TTR - UBND"}, {Number: "3A", Notation: "QĐ-HĐTĐ"}} {
			if _, found, err := bearer(tx, 2026, c.Number, c.Notation); err != nil || !found {
				t.Errorf("%s is not known, %v", c, err)
			}
		}
		borne := must(numbersOf(tx, `SELECT serial FROM documents WHERE serial > 0 ORDER BY seq`))
		if fmt.Sprint(borne) != "[1 2 40]" {
			t.Errorf("numbers %v", borne)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// FuzzCodeKey: codes that are one however they were typed have one key.
func FuzzCodeKey(f *testing.F) {
	for _, c := range [][2]string{{"05", "QĐ-UBND"}, {"5", "qđ - ubnd"}, {"", "UBND"}, {"0", "x"}, {"12a", "TTr"}, {"\u0300", "\xff"}} {
		f.Add(c[0], c[1])
	}
	f.Fuzz(func(t *testing.T, number, notation string) {
		key := codeKey(number, notation)
		spaced := codeKey(" "+number+" ", notation+" ")
		if key != spaced {
			t.Errorf("%q and %q", key, spaced)
		}
		if plain := plainNumber(number); plain > 0 && (codeKey("0"+number, notation) != key || codeKey(fmt.Sprint(plain), notation) != key) {
			t.Errorf("zeros count in %q", number)
		}
		if key != "" && codeKey(register.CodeKey(number), register.CodeKey(notation)) != key {
			t.Errorf("%q is not its own key", key)
		}
	})
}
