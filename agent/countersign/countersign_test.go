package countersign

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/sync/wire"
)

// stage is an office and its hub, each with a store.
type stage struct {
	t      *testing.T
	device *ecdsa.PrivateKey
	office *sqlite.DB
	hub    *sqlite.DB
	epoch  uuid.UUID
	book   *Book
	ledger *Ledger
	now    time.Time
	deaf   bool   // the office does not hear what the hub answers
	number uint64 // of its last package
}

const (
	code    = "H40.12"
	hubCode = "H40"
)

func openDB(t *testing.T, schemas ...sqlite.Schema) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "x.db"), sqlite.Options{Schemas: schemas})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func newStage(t *testing.T) *stage {
	t.Helper()
	device, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, device: device, now: time.UnixMilli(1772330400123)}
	s.hub = openDB(t, audit.Schema, Schema)
	s.ledger = NewLedger(LedgerOptions{DB: s.hub, Code: hubCode, Device: device, Now: func() time.Time { return s.now }})
	s.newBox()
	return s
}

// newBox gives the office another store.
func (s *stage) newBox() {
	s.office, s.epoch = openDB(s.t, audit.Schema), uuid.New()
	s.book = s.newBook()
}

func (s *stage) newBook() *Book {
	return NewBook(BookOptions{
		DB: s.office, Office: code, Epoch: s.epoch, Now: func() time.Time { return s.now },
		Key: func(hub string) (crypto.PublicKey, bool) { return s.device.Public(), hub == hubCode },
	})
}

func must[T any](s *stage, v T, err error) T {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

func (s *stage) done(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// meet is one contact: both open, both answer.
func (s *stage) meet() {
	s.t.Helper()
	ctx := s.t.Context()
	s.now = s.now.Add(FullEvery + time.Minute)
	hello := func(from string, log []byte) wire.Hello {
		h := wire.Hello{Office: from, Log: log}
		if from == code {
			h.Epoch = s.epoch
		}
		return h
	}
	mine := hello(code, must2(s, func() ([]byte, error) { return s.book.Say(ctx, hubCode, nil) }))
	theirs := hello(hubCode, must2(s, func() ([]byte, error) { return s.ledger.Say(ctx, code) }))
	s.done(s.ledger.Hear(ctx, code, mine))
	answer := hello(hubCode, must2(s, func() ([]byte, error) { return s.ledger.Say(ctx, code) }))
	if s.deaf {
		return
	}
	s.done(s.book.Hear(ctx, hubCode, theirs))
	again := hello(code, must2(s, func() ([]byte, error) { return s.book.Say(ctx, hubCode, &theirs) }))
	s.done(s.book.Hear(ctx, hubCode, answer))
	s.done(s.ledger.Hear(ctx, code, again))
}

func must2(s *stage, f func() ([]byte, error)) []byte {
	s.t.Helper()
	v, err := f()
	return must(s, v, err)
}

func (s *stage) add(n int, actor string) {
	s.t.Helper()
	s.exec(func(tx *sqlite.Tx) error {
		for i := range n {
			if err := audit.Append(tx, audit.Entry{At: time.UnixMilli(1), Actor: actor, Subject: fmt.Sprint(i)}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *stage) exec(do func(tx *sqlite.Tx) error) {
	s.t.Helper()
	s.done(s.office.Update(s.t.Context(), do))
}

func (s *stage) sql(statements ...string) {
	s.t.Helper()
	s.exec(func(tx *sqlite.Tx) error {
		for _, stmt := range statements {
			if _, err := tx.Exec(stmt); err != nil {
				return err
			}
		}
		return nil
	})
}

// finding is what the hub holds against the office, "" for nothing.
func (s *stage) finding() string {
	s.t.Helper()
	all, err := s.ledger.Findings(s.t.Context())
	s.done(err)
	f, ok := all["h40.12"]
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s:%d", f.Finding, f.Entry)
}

// entries counts entries of an action in a log.
func (s *stage) entries(db *sqlite.DB, action string) (n int) {
	s.t.Helper()
	list, err := audit.List(s.t.Context(), db, 0, 1000)
	s.done(err)
	for _, row := range list {
		if row.Action == action {
			n++
		}
	}
	return n
}

func (s *stage) countersigned() int64 {
	s.t.Helper()
	rep, err := audit.VerifyCountersigned(s.t.Context(), s.office, func(c audit.Countersignature) error {
		signed, err := Open(c.Raw, s.device.Public())
		if err != nil {
			return err
		}
		return signed.Matches(c)
	})
	s.done(err)
	return rep.Countersigned
}

func TestAHonestLogIsCountersignedAtEachContact(t *testing.T) {
	s := newStage(t)
	s.meet() // an empty log
	for i := range 5 {
		s.add(3, "lan")
		s.meet()
		if got := s.countersigned(); got != int64(3*(i+1)) {
			t.Errorf("contact %d: countersigned up to %d", i, got)
		}
		s.meet() // nothing new
	}
	s.book = s.newBook() // a restart
	s.add(1, "lan")
	s.meet()
	if s.finding() != "" || s.book.Finding() != nil || s.countersigned() != 16 {
		t.Errorf("finding %q, %v, countersigned %d", s.finding(), s.book.Finding(), s.countersigned())
	}
}

// TestAMissedCountersignatureIsMadeUpFor: the hub signed, and the line broke
// before the office heard of it.
func TestAMissedCountersignatureIsMadeUpFor(t *testing.T) {
	s := newStage(t)
	s.add(3, "lan")
	s.deaf = true
	s.meet()
	s.add(3, "lan")
	s.meet()
	s.deaf = false
	s.meet()
	s.meet()
	if s.finding() != "" || s.countersigned() != 6 {
		t.Errorf("finding %q, countersigned %d", s.finding(), s.countersigned())
	}
}

// anew writes the log anew.
func (s *stage) anew(n int, actor string) {
	s.t.Helper()
	s.sql(`DELETE FROM audit`, `DELETE FROM audit_head`)
	s.add(n, actor)
}

// finds has a log tampered with between two contacts, and checks what hub and
// office find at the second one and go on to hold.
func finds(t *testing.T, contact, tamper func(s *stage), want string, entry int64) {
	t.Helper()
	s := newStage(t)
	s.add(6, "lan")
	contact(s)
	if s.finding() != "" {
		t.Fatalf("finding %q before", s.finding())
	}
	tamper(s)
	s.book = s.newBook()
	contact(s)
	if got := s.finding(); got != want {
		t.Errorf("the hub finds %q, want %q", got, want)
	}
	if f := s.book.Finding(); f == nil || f.Seq != entry {
		t.Errorf("the office finds %v, want entry %d", f, entry)
	}
	var broken *audit.BrokenError
	if _, err := audit.Verify(t.Context(), s.office); !errors.As(err, &broken) || broken.Seq != entry {
		t.Errorf("offline: %v", err)
	}
	s.add(3, "lan")
	contact(s)
	s.meet()
	if s.finding() != want || s.entries(s.hub, actionFinding) != 1 || s.entries(s.office, actionBroken) > 1 {
		t.Errorf("later: %q, %d entries at the hub, %d at the office", s.finding(), s.entries(s.hub, actionFinding), s.entries(s.office, actionBroken))
	}
}

// TestP6_ATamperedLogIsFoundAtTheNextContact, whatever its owner does to it.
func TestP6_ATamperedLogIsFoundAtTheNextContact(t *testing.T) {
	for _, c := range []struct {
		name   string
		tamper func(s *stage)
		want   string // finding of the hub
		entry  int64  // of the office
	}{
		{"an entry edited", func(s *stage) { s.sql(`UPDATE audit SET actor = 'hoa' WHERE seq = 2`) }, "broken:2", 2},
		{"an entry edited that is not countersigned yet", func(s *stage) { s.add(2, "lan"); s.sql(`UPDATE audit SET actor = 'hoa' WHERE seq = 7`) }, "broken:7", 7},
		{"the end cut off", func(s *stage) { s.sql(`DELETE FROM audit WHERE seq > 4`) }, "broken:5", 5},
		{"the end cut off and the head set back", func(s *stage) {
			s.sql(`DELETE FROM audit WHERE seq > 4`, `UPDATE audit_head SET seq = 4, hash = (SELECT hash FROM audit WHERE seq = 4)`)
		}, "broken:6", 6},
		{"written anew", func(s *stage) { s.anew(6, "hoa") }, "broken:6", 6},
		{"written anew and longer", func(s *stage) { s.anew(60, "hoa") }, "broken:6", 6},
		{"cut short and its countersignatures too", func(s *stage) {
			s.sql(`DELETE FROM countersigned`)
			s.anew(3, "lan")
		}, "shorter:4", 6},
		{"written anew without countersignatures", func(s *stage) {
			s.sql(`DELETE FROM countersigned`)
			s.anew(6, "hoa")
		}, "changed:6", 6},
		{"written anew and longer without countersignatures", func(s *stage) {
			s.sql(`DELETE FROM countersigned`)
			s.anew(60, "hoa")
		}, "broken:6", 6},
	} {
		t.Run(c.name, func(t *testing.T) { finds(t, (*stage).meet, c.tamper, c.want, c.entry) })
	}
}

func TestANewStoreHasANewLog(t *testing.T) {
	s := newStage(t)
	s.add(6, "lan")
	s.meet()
	s.newBox()
	s.add(2, "lan")
	s.meet()
	if s.finding() != "" || s.countersigned() != 2 || s.entries(s.hub, actionReplaced) != 1 {
		t.Errorf("finding %q, countersigned %d, %d entries", s.finding(), s.countersigned(), s.entries(s.hub, actionReplaced))
	}
}

func TestAReleasedLogStartsAnew(t *testing.T) {
	s := newStage(t)
	s.add(6, "lan")
	s.meet()
	s.newBox()
	s.epoch = uuid.New()
	s.done(s.hub.Update(t.Context(), func(tx *sqlite.Tx) error { return Release(tx, code) }))
	s.book = s.newBook()
	s.add(1, "lan")
	s.meet()
	if s.finding() != "" || s.countersigned() != 1 {
		t.Errorf("finding %q, countersigned %d", s.finding(), s.countersigned())
	}
}

func TestOnlyTheHubsOwnWordIsKept(t *testing.T) {
	s := newStage(t)
	s.add(3, "lan")
	stranger := newStage(t)
	for name, signed := range map[string]Signed{
		"of another office": {Office: "H40.13", Epoch: s.epoch, Witness: hubCode, Seq: 1},
		"of another store":  {Office: code, Epoch: uuid.New(), Witness: hubCode, Seq: 1},
		"of another hub":    {Office: code, Epoch: s.epoch, Witness: "H41", Seq: 1},
	} {
		raw := must(s, nil2(sign(signed, s.device)), nil)
		s.done(s.book.Hear(t.Context(), hubCode, wire.Hello{Log: must2(s, word{Sealed: raw}.encode)}))
		if s.countersigned() != 0 {
			t.Errorf("a countersignature %s was kept", name)
		}
	}
	raw := must(s, nil2(sign(Signed{Office: code, Epoch: s.epoch, Witness: hubCode, Seq: 1}, stranger.device)), nil)
	s.done(s.book.Hear(t.Context(), hubCode, wire.Hello{Log: must2(s, word{Sealed: raw}.encode)}))
	if s.countersigned() != 0 {
		t.Error("a countersignature of another key was kept")
	}
}

// TestACountersignatureOfAnUnknownKeyProvesNothing, however it says that it was
// made.
func TestACountersignatureOfAnUnknownKeyProvesNothing(t *testing.T) {
	s, stranger := newStage(t), newStage(t)
	s.add(3, "lan")
	s.meet()
	last := func() (c audit.Countersignature) {
		s.exec(func(tx *sqlite.Tx) (err error) {
			c, _, err = audit.LastCountersignature(tx)
			return err
		})
		return c
	}()
	forged := last
	forged.Raw = nil2(sign(Signed{Office: code, Epoch: s.epoch, Witness: hubCode, Seq: 3, Hash: last.Hash}, stranger.device))
	altered := last
	altered.Seq = 2
	for name, c := range map[string]struct {
		signed audit.Countersignature
		want   error
	}{"the hub's": {last, nil}, "of another key": {forged, audit.ErrUnchecked}, "for another entry": {altered, ErrMalformed}} {
		if err := Check(c.signed, s.device.Public()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	check := Checker(func(string) (crypto.PublicKey, bool) { return nil, false })
	if err := check(last); !errors.Is(err, audit.ErrUnchecked) {
		t.Errorf("without a key of the hub: %v", err)
	}
}

func nil2(raw []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return raw
}

func FuzzWord(f *testing.F) {
	raw, err := word{Seq: 3, Head: make([]byte, 32), Known: 2, Same: make([]byte, 32), Broken: 1, Sealed: []byte{1}}.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte{0xa0})
	device, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		w, err := decodeWord(raw)
		if err != nil {
			return
		}
		if len(w.Head) > 32 || len(w.Same) > 32 || w.Seq < 0 {
			t.Errorf("taken: %+v", w)
		}
		if _, err := Open(w.Sealed, device.Public()); err == nil {
			t.Error("a countersignature was forged")
		}
	})
}
