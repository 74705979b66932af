package audit_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tram/storage/audit"
	"tram/storage/sqlite"
)

func update(t *testing.T, db *sqlite.DB, do func(tx *sqlite.Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), do); err != nil {
		t.Fatal(err)
	}
}

// countersign has H40 countersign the present head.
func countersign(t *testing.T, db *sqlite.DB) {
	t.Helper()
	update(t, db, func(tx *sqlite.Tx) error {
		seq, hash, err := audit.Head(tx)
		if err != nil {
			return err
		}
		return audit.KeepCountersignature(tx, audit.Countersignature{Seq: seq, Hash: hash, Witness: "H40", At: time.UnixMilli(1772330400123), Raw: []byte("signed")})
	})
}

// rewrite makes the whole chain anew with other entries, as one does who knows
// how it is made.
func rewrite(t *testing.T, db *sqlite.DB, n int, actor string) {
	t.Helper()
	update(t, db, func(tx *sqlite.Tx) error {
		for _, stmt := range []string{`DELETE FROM audit`, `DELETE FROM audit_head`} {
			if _, err := tx.Exec(stmt); err != nil {
				return err
			}
		}
		for i := range n {
			if err := audit.Append(tx, audit.Entry{At: time.UnixMilli(1), Actor: actor, Subject: fmt.Sprint(i)}); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestACountersignedChainCannotBeRewritten(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(t *testing.T, db *sqlite.DB)
		seq  int64 // 0: whole
		why  string
	}{
		{"grown", func(t *testing.T, db *sqlite.DB) { add(t, db, audit.Entry{Actor: "lan"}) }, 0, ""},
		{"the same anew", func(t *testing.T, db *sqlite.DB) { rewrite(t, db, 5, "lan") }, 0, ""},
		{"rewritten", func(t *testing.T, db *sqlite.DB) { rewrite(t, db, 5, "hoa") }, 3, "it is not what it was when H40 countersigned it at 2026-03-01T02:00:00Z"},
		{"rewritten and longer", func(t *testing.T, db *sqlite.DB) { rewrite(t, db, 50, "hoa") }, 3, "it is not what it was when"},
		{"cut short", func(t *testing.T, db *sqlite.DB) { rewrite(t, db, 2, "lan") }, 3, "it is missing, and H40 countersigned it at 2026-03-01T02:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := open(t)
			rewrite(t, db, 3, "lan")
			countersign(t, db)
			rewrite(t, db, 5, "lan")
			countersign(t, db)
			c.do(t, db)
			rep, err := audit.Verify(t.Context(), db)
			if c.seq == 0 {
				if err != nil || rep.Countersigned != 5 || rep.Witness != "H40" {
					t.Fatalf("got %+v, %v", rep, err)
				}
				return
			}
			var broken *audit.BrokenError
			if !errors.As(err, &broken) || broken.Seq != c.seq || !strings.Contains(broken.Why, c.why) {
				t.Fatalf("got %v, want entry %d", err, c.seq)
			}
		})
	}
}

func TestCountersignaturesAreCheckedAndBounded(t *testing.T) {
	db := open(t)
	rewrite(t, db, 3, "lan")
	countersign(t, db)
	asked := 0
	check := func(c audit.Countersignature) error {
		asked++
		if string(c.Raw) != "signed" || c.Seq != 3 {
			t.Errorf("asked for %+v", c)
		}
		return nil
	}
	if _, err := audit.VerifyCountersigned(t.Context(), db, check); err != nil || asked != 1 {
		t.Errorf("asked %d times, %v", asked, err)
	}
	var broken *audit.BrokenError
	_, err := audit.VerifyCountersigned(t.Context(), db, func(audit.Countersignature) error { return errors.New("forged") })
	if !errors.As(err, &broken) || broken.Seq != 3 {
		t.Errorf("a forged one: %v", err)
	}
	rep, err := audit.VerifyCountersigned(t.Context(), db, func(audit.Countersignature) error { return audit.ErrUnchecked })
	if err != nil || rep.Countersigned != 0 || rep.Witness != "" {
		t.Errorf("one that nobody can check counts: %+v, %v", rep, err)
	}
	update(t, db, func(tx *sqlite.Tx) error {
		for i := range 5000 {
			c := audit.Countersignature{Seq: int64(i + 4), Hash: sha256.Sum256(nil), Witness: "H40", At: time.Now(), Raw: []byte("x")}
			if err := audit.KeepCountersignature(tx, c); err != nil {
				return err
			}
		}
		var n int
		if err := tx.QueryRow(`SELECT count(*) FROM countersigned`).Scan(&n); err != nil || n != 4096 {
			t.Errorf("%d are kept, %v", n, err)
		}
		last, ok, err := audit.LastCountersignature(tx)
		if err != nil || !ok || last.Seq != 5003 {
			t.Errorf("last is %+v, %v", last, err)
		}
		return nil
	})
}
