package lineage_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/lineage"
	"tram/storage/sqlite"
	"tram/sync/exchange"
)

type store struct {
	*lineage.Lineage
	db  *sqlite.DB
	now time.Time
}

func open(t *testing.T, path string) *store {
	t.Helper()
	s := &store{now: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{Schemas: []sqlite.Schema{lineage.Schema}, Now: func() time.Time { return s.now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s.db, s.Lineage = db, lineage.New(db)
	return s
}

func (s *store) begin(t *testing.T) uuid.UUID {
	t.Helper()
	s.Lineage = lineage.New(s.db) // a new run of the program
	boot, err := s.Boot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return boot
}

func (s *store) own(t *testing.T, boot uuid.UUID) bool {
	t.Helper()
	own, err := s.Own(t.Context(), boot)
	if err != nil {
		t.Fatal(err)
	}
	return own
}

func TestABootIsDurableBeforeItIsKnown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	a := open(t, path)
	boot := a.begin(t)
	if again, err := a.Boot(t.Context()); err != nil || again != boot {
		t.Errorf("the second call gives %s, %v; the first gave %s", again, err, boot)
	}
	if began := lineage.Began(boot); !began.Equal(a.now) || boot.Version() != 7 || boot.Variant() != uuid.RFC4122 {
		t.Errorf("boot %s began at %s, want %s", boot, began, a.now)
	}
	a.db.Close()
	b := open(t, path)
	if !b.own(t, boot) {
		t.Error("the boot is not in the lineage of the store opened again")
	}
	if next := b.begin(t); next == boot || !b.own(t, next) || !b.own(t, boot) {
		t.Errorf("the next run has boot %s after %s", next, boot)
	}
	if b.own(t, uuid.New()) || b.own(t, uuid.Nil) {
		t.Error("a foreign boot counts as own")
	}
	if !lineage.Began(uuid.New()).IsZero() {
		t.Error("a random id says when it began")
	}
}

func TestP9_LineageKeepsTheNewestBoots(t *testing.T) {
	a := open(t, filepath.Join(t.TempDir(), "x.db"))
	first := a.begin(t)
	second := a.begin(t)
	err := a.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		for range lineage.MaxBoots - 2 {
			if _, err := tx.Exec(`INSERT INTO boots (id) VALUES (?)`, uuid.New()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	last := a.begin(t)
	if a.own(t, first) || !a.own(t, second) || !a.own(t, last) {
		t.Errorf("of %d boots the wrong ones are kept", lineage.MaxBoots+1)
	}
}

// TestAgree plays each case from the same memory: the box of key 1 with boot b1.
func TestAgree(t *testing.T) {
	b1, b2, other := uuid.New(), uuid.New(), uuid.New()
	key1, key2 := [32]byte{1}, [32]byte{2}
	for _, c := range []struct {
		name  string
		claim lineage.Claim
		want  error
		heard uuid.UUID // remembered after it
	}{
		{"same run", lineage.Claim{Device: key1, Boot: b1}, nil, b1},
		{"next run, cannot know yet", lineage.Claim{Device: key1, Boot: b2}, exchange.ErrUnsettled, b1},
		{"next run, knows", lineage.Claim{Device: key1, Boot: b2, Known: b1, Answers: true}, nil, b2},
		{"knows without asking", lineage.Claim{Device: key1, Boot: b2, Known: b1}, nil, b2},
		{"older copy", lineage.Claim{Device: key1, Boot: b2, Answers: true}, exchange.ErrCopy, b1},
		{"knows something else", lineage.Claim{Device: key1, Boot: b2, Known: other, Answers: true}, exchange.ErrCopy, b1},
		{"tells no boot", lineage.Claim{Device: key1, Answers: true}, exchange.ErrCopy, b1},
		{"enrolled anew", lineage.Claim{Device: key2, Boot: b2, Answers: true}, nil, b2},
		{"no card now", lineage.Claim{Boot: b2, Answers: true}, exchange.ErrCopy, b1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, filepath.Join(t.TempDir(), "x.db"))
			agree := func(claim lineage.Claim) error {
				claim.Office = "H40.1a"
				return s.Agree(t.Context(), claim)
			}
			if err := agree(lineage.Claim{Device: key1, Boot: b1}); err != nil {
				t.Fatalf("the first box is refused: %v", err)
			}
			if err := agree(c.claim); !errors.Is(err, c.want) {
				t.Errorf("verdict %v, want %v", err, c.want)
			}
			heard, err := s.Heard(t.Context(), "h40.1A", c.claim.Device)
			if err != nil || heard != c.heard {
				t.Errorf("remembers %s, want %s (error %v)", heard, c.heard, err)
			}
			if heard, err := s.Heard(t.Context(), "H40.1a", [32]byte{9}); err != nil || heard != uuid.Nil {
				t.Errorf("says boot %s to a box that was enrolled anew (error %v)", heard, err)
			}
			if heard, err := s.Heard(t.Context(), "H40.2", key1); err != nil || heard != uuid.Nil {
				t.Errorf("remembers %s of another office (error %v)", heard, err)
			}
		})
	}
}

func TestABoxThatTellsNoBootIsTakenOnlyWhereNoneIsRemembered(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "x.db"))
	if err := s.Agree(t.Context(), lineage.Claim{Office: "H40.1", Answers: true}); err != nil {
		t.Error(err)
	}
	if heard, err := s.Heard(t.Context(), "H40.1", [32]byte{}); err != nil || heard != uuid.Nil {
		t.Errorf("remembers %s (error %v)", heard, err)
	}
}

func TestCopiesAreReportedUntilReleasedOrSilent(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "x.db"))
	device := [32]byte{1}
	newer := lineage.Claim{Office: "H40.1", Device: device, Boot: uuid.New(), Answers: true}
	older := lineage.Claim{Office: "h40.1", Device: device, Boot: uuid.New(), Answers: true}
	want := func(since time.Time) {
		t.Helper()
		copies, err := s.Copies(t.Context())
		if err != nil || !copies["h40.1"].Equal(since) || since.IsZero() != (len(copies) == 0) {
			t.Errorf("copies %v, want one since %s (error %v)", copies, since, err)
		}
	}
	try := func(c lineage.Claim, verdict error) {
		t.Helper()
		if err := s.Agree(t.Context(), c); !errors.Is(err, verdict) {
			t.Errorf("verdict %v, want %v", err, verdict)
		}
	}
	try(newer, nil)
	want(time.Time{})
	first := s.now
	try(older, exchange.ErrCopy)
	want(first)
	s.now = s.now.Add(time.Hour)
	try(newer, nil)
	try(older, exchange.ErrCopy)
	want(first)
	s.now = s.now.Add(lineage.CopyShown + time.Second)
	want(time.Time{})
	try(older, exchange.ErrCopy)
	want(s.now)

	err := s.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		return errors.Join(lineage.Release(tx, "H40.1"), lineage.Release(tx, "H40.2"))
	})
	if err != nil {
		t.Fatal(err)
	}
	want(time.Time{})
	try(older, nil)
	try(newer, exchange.ErrCopy)
}

// TestP3_MemoryIsDurableBeforeASessionIsAgreed opens the hub's store again
// after each verdict, as after a power cut.
func TestP3_MemoryIsDurableBeforeASessionIsAgreed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	last := uuid.Nil
	for range 3 {
		s := open(t, path)
		boot := uuid.New()
		if err := s.Agree(t.Context(), lineage.Claim{Office: "H40.1", Boot: boot, Known: last, Answers: true}); err != nil {
			t.Fatal(err)
		}
		s.db.Close()
		if heard, err := open(t, path).Heard(t.Context(), "H40.1", [32]byte{}); err != nil || heard != boot {
			t.Fatalf("remembers %s, want %s (error %v)", heard, boot, err)
		}
		last = boot
	}
}

func TestAClosedStoreIsAnError(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "x.db"))
	s.db.Close()
	ctx := context.Background()
	_, boot := s.Boot(ctx)
	_, own := s.Own(ctx, uuid.New())
	_, heard := s.Heard(ctx, "H40.1", [32]byte{})
	_, copies := s.Copies(ctx)
	agree := s.Agree(ctx, lineage.Claim{Office: "H40.1", Boot: uuid.New()})
	for what, err := range map[string]error{"boot": boot, "own": own, "heard": heard, "copies": copies, "agree": agree} {
		if err == nil || errors.Is(err, exchange.ErrCopy) || errors.Is(err, exchange.ErrUnsettled) {
			t.Errorf("%s of a closed store gives %v", what, err)
		}
	}
}
