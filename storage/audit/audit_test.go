package audit_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tram/storage/audit"
	"tram/storage/sqlite"
)

func open(t *testing.T) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "audit.db"), sqlite.Options{Schemas: []sqlite.Schema{audit.Schema}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func add(t *testing.T, db *sqlite.DB, entries ...audit.Entry) {
	t.Helper()
	err := db.Update(t.Context(), func(tx *sqlite.Tx) error {
		for _, e := range entries {
			if err := audit.Append(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// vector is the chain that storage/README.md shows.
var vector = []audit.Entry{
	{
		At: time.UnixMilli(1772330400123), Actor: "lan", Action: "document.send", Subject: "0195d1a0-0000-7000-8000-000000000001",
		Detail: map[string]string{"to": "000.02.01.H40", "số": "15"},
	},
	{At: time.UnixMilli(0), Actor: "tram", Action: "clock.reset"},
}

var vectorHashes = []string{
	"c0ecd4d5318ad88a121b68513fd6d9877ea2b13b89ce3fb6fddae7cca4a5407b",
	"3a8367437428e422fb9923a14bff2892d2910770604b56825e6e217b4ed868e8",
}

func TestVector(t *testing.T) {
	db := open(t)
	add(t, db, vector...)
	rows, err := audit.List(t.Context(), db, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		got := hex.EncodeToString(row.Hash[:])
		if got != vectorHashes[i] {
			t.Errorf("entry %d has hash %s, want %s", row.Seq, got, vectorHashes[i])
		}
		if !strings.Contains(string(readme), got) {
			t.Errorf("the README does not show hash %s of entry %d", got, row.Seq)
		}
	}
}

func TestAppendListVerify(t *testing.T) {
	db := open(t)
	empty, err := audit.Verify(t.Context(), db)
	if err != nil || empty.Entries != 0 || empty.Head == [32]byte{} {
		t.Fatalf("empty log: %+v, %v", empty, err)
	}
	before := time.Now().Add(-time.Second)
	add(t, db, vector...)
	add(t, db, audit.Entry{Actor: "a", Action: "b", Subject: "c", Detail: map[string]string{"<&>": "\x00 \"'"}})
	rep, err := audit.Verify(t.Context(), db)
	if err != nil || rep.Entries != 3 {
		t.Fatalf("got %+v, %v", rep, err)
	}
	rows, err := audit.List(t.Context(), db, 1, 10)
	if err != nil || len(rows) != 2 {
		t.Fatalf("got %d rows, %v", len(rows), err)
	}
	last := rows[1]
	if rows[0].Seq != 2 || last.Seq != 3 || last.Hash != rep.Head || !last.At.Equal(rep.Last) || last.At.Before(before) ||
		last.Actor != "a" || last.Action != "b" || last.Subject != "c" || last.Detail["<&>"] != "\x00 \"'" {
		t.Fatalf("got %+v", rows)
	}
	if !rep.First.Equal(vector[0].At) {
		t.Fatalf("first at %v", rep.First)
	}
	if rows, err := audit.List(t.Context(), db, 0, 1); err != nil || len(rows) != 1 || rows[0].Detail["số"] != "15" {
		t.Fatalf("got %+v, %v", rows, err)
	}
}

func TestAppendTakesPartInTheTransaction(t *testing.T) {
	db := open(t)
	boom := errors.New("boom")
	for i := range 4 {
		err := db.Update(t.Context(), func(tx *sqlite.Tx) error {
			if err := audit.Append(tx, audit.Entry{Actor: fmt.Sprint(i)}); err != nil {
				return err
			}
			if i%2 == 1 {
				return boom
			}
			return nil
		})
		if (i%2 == 1) != (err == boom) {
			t.Fatal(err)
		}
	}
	if rep, err := audit.Verify(t.Context(), db); err != nil || rep.Entries != 2 {
		t.Fatalf("got %+v, %v", rep, err)
	}
	err := db.Update(t.Context(), func(tx *sqlite.Tx) error {
		return audit.Append(tx, audit.Entry{Subject: strings.Repeat("x", 1<<20)})
	})
	if err == nil {
		t.Fatal("a huge text was taken")
	}
}

func TestVerifyFindsTampering(t *testing.T) {
	for _, c := range []struct {
		name, sql string
		seq       int64
	}{
		{"time", `UPDATE audit SET at = at + 1 WHERE seq = 3`, 3},
		{"actor", `UPDATE audit SET actor = 'x' WHERE seq = 1`, 1},
		{"text moved between columns", `UPDATE audit SET actor = actor || substr(action, 1, 1), action = substr(action, 2) WHERE seq = 2`, 2},
		{"subject", `UPDATE audit SET subject = '' WHERE seq = 5`, 5},
		{"detail", `UPDATE audit SET detail = '{"k": "3"}' WHERE seq = 3`, 3},
		{"hash", `UPDATE audit SET hash = zeroblob(32) WHERE seq = 4`, 4},
		{"first removed", `DELETE FROM audit WHERE seq = 1`, 1},
		{"one removed", `DELETE FROM audit WHERE seq = 3`, 3},
		{"removed and renumbered", `DELETE FROM audit WHERE seq = 3; UPDATE audit SET seq = seq - 1 WHERE seq > 3`, 3},
		{"last removed", `DELETE FROM audit WHERE seq = 5`, 5},
		{"all removed", `DELETE FROM audit`, 1},
		{"inserted at the end", `INSERT INTO audit SELECT 6, at, actor, action, subject, detail, hash FROM audit WHERE seq = 5`, 6},
		{"inserted at the front", `INSERT INTO audit SELECT 0, at, actor, action, subject, detail, hash FROM audit WHERE seq = 1`, 0},
		{"reordered", `UPDATE audit SET seq = 100 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 100`, 2},
		{"head lost", `DELETE FROM audit_head`, 1},
		{"head set back", `UPDATE audit_head SET seq = 4, hash = (SELECT hash FROM audit WHERE seq = 4)`, 5},
		{"head changed", `UPDATE audit_head SET hash = zeroblob(32)`, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := open(t)
			for i := range 5 {
				add(t, db, audit.Entry{Actor: "lan", Action: "document.send", Subject: fmt.Sprint(i), Detail: map[string]string{"k": fmt.Sprint(i)}})
			}
			if _, err := audit.Verify(t.Context(), db); err != nil {
				t.Fatal(err)
			}
			for stmt := range strings.SplitSeq(c.sql, ";") {
				if err := db.Update(t.Context(), func(tx *sqlite.Tx) error { _, err := tx.Exec(stmt); return err }); err != nil {
					t.Fatal(err)
				}
			}
			_, err := audit.Verify(t.Context(), db)
			var broken *audit.BrokenError
			if !errors.As(err, &broken) || broken.Seq != c.seq || broken.Why == "" {
				t.Fatalf("got %v, want entry %d", err, c.seq)
			}
		})
	}
}
