package command

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
	"tram/sync/bundle"
)

// post is the way to the hub: what was put in a transaction that held.
type post struct {
	sealed map[storage.ID][]byte
	sent   []Answer
	urgent []uint8
	levels map[storage.ID]uint8
	lose   int // so many transactions fail when they put
}

func (p *post) SealAnswer(_ context.Context, of storage.ID, urgency uint8, payload []byte) (office.SealedReport, error) {
	id := uuid.New()
	p.sealed[id], p.levels[id] = payload, urgency
	return office.SealedReport{ID: id}, nil
}

var errCrash = errors.New("the power went")

func (p *post) PutAnswer(tx *sqlite.Tx, r office.SealedReport) error {
	if p.lose > 0 {
		p.lose--
		return errCrash
	}
	a, err := ParseAnswer(p.sealed[r.ID])
	tx.OnCommit(func() { p.sent, p.urgent = append(p.sent, a), append(p.urgent, p.levels[r.ID]) })
	return err
}

// world is a desk over a store.
type world struct {
	t       *testing.T
	db      *sqlite.DB
	post    *post
	desk    *Desk
	now     time.Time
	remote  bool
	archive []byte
	fails   error
	read    int // how often something was read for an answer
	resyncs int
}

func newWorld(t *testing.T) *world {
	db, err := sqlitetest.Open(t.Context(), filepath.Join(t.TempDir(), "office.db"), sqlite.Options{Schemas: []sqlite.Schema{audit.Schema, Schema}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &world{t: t, db: db, post: &post{sealed: map[storage.ID][]byte{}, levels: map[storage.ID]uint8{}}, now: time.Date(2026, 7, 1, 8, 0, 0, 0, time.UTC), archive: []byte("PK")}
	w.start()
	return w
}

// start opens the desk anew, as the program does after a crash.
func (w *world) start() {
	w.t.Helper()
	tell := func(what string) func(context.Context) (any, error) {
		return func(context.Context) (any, error) {
			w.read++
			return map[string]string{"told": what}, w.fails
		}
	}
	var err error
	w.desk, err = NewDesk(w.t.Context(), Options{
		DB: w.db, Mail: w.post, Now: func() time.Time { return w.now }, Ping: tell("ping"), Diagnose: tell("diagnostics"), Remote: w.remote,
		Archive: func(context.Context) ([]byte, error) { w.read++; return w.archive, w.fails },
		Resync:  func() { w.resyncs++ },
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) order(payload []byte) storage.ID {
	w.t.Helper()
	h := bundle.Header{ID: uuid.Must(uuid.NewV7()), From: "H40", Created: w.now, Expires: w.now.Add(DefaultLife)}
	w.deliver(h, payload)
	return h.ID
}

func (w *world) deliver(h bundle.Header, payload []byte) {
	w.t.Helper()
	if err := w.db.Update(w.t.Context(), func(tx *sqlite.Tx) error { return w.desk.Ordered(tx, "H40", h, payload) }); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) orders(name Name, until time.Time) storage.ID {
	w.t.Helper()
	payload, err := Order{Command: name, Until: until, By: "truc.ban"}.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	return w.order(payload)
}

func (w *world) round() error { return w.desk.round(w.t.Context()) }

// does runs a round and wants one more answer.
func (w *world) does(state State, why string) Answer {
	w.t.Helper()
	before := len(w.post.sent)
	if err := w.round(); err != nil {
		w.t.Fatal(err)
	}
	if len(w.post.sent) != before+1 {
		w.t.Fatalf("%d answers more, want 1", len(w.post.sent)-before)
	}
	a := w.post.sent[before]
	if a.State != state || a.Why != why {
		w.t.Fatalf("it is answered with %q, %q; want %q, %q", a.State, a.Why, state, why)
	}
	return a
}

func (w *world) audited(action string) (n int) {
	w.t.Helper()
	err := w.db.View(w.t.Context(), func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT count(*) FROM audit WHERE action = ?`, action).Scan(&n)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func TestEachOrderIsDoneAndAnswered(t *testing.T) {
	w := newWorld(t)
	id := w.orders(Ping, time.Time{})
	if a := w.does(Done, ""); a.Order != id || a.Command != Ping || string(a.Result) != `{"told":"ping"}` || !a.At.Equal(w.now) {
		t.Errorf("ping is answered with %+v", a)
	}
	w.orders(Diagnostics, time.Time{})
	if a := w.does(Done, ""); string(a.Result) != `{"told":"diagnostics"}` {
		t.Errorf("diagnostics are %s", a.Result)
	}
	w.orders(Resync, time.Time{})
	if w.does(Done, ""); w.resyncs != 1 {
		t.Errorf("%d new sessions", w.resyncs)
	}
	w.orders("dance", time.Time{})
	if a := w.does(Refused, WhyUnknown); a.Command != "dance" {
		t.Errorf("what is refused is named %q", a.Command)
	}
	w.order([]byte(`{"v":7,"command":"ping","by":"a"}`))
	w.does(Refused, WhyUnreadable)
	for _, urgency := range w.post.urgent {
		if urgency != Urgency {
			t.Errorf("an answer has urgency %d: a hold would keep it back", urgency)
		}
	}
	if r, a := w.audited(actionReceived), w.audited(actionAnswered); r != 5 || a != 5 {
		t.Errorf("the audit log has %d orders and %d answers, want 5 of each", r, a)
	}
	if report, err := audit.Verify(t.Context(), w.db); err != nil {
		t.Errorf("audit log: %+v, %v", report, err)
	}
}

// TestP2_AnOrderThatCameTwiceIsDoneOnce: as after a restore of the hub.
func TestP2_AnOrderThatCameTwiceIsDoneOnce(t *testing.T) {
	w := newWorld(t)
	h := bundle.Header{ID: uuid.Must(uuid.NewV7()), Created: w.now, Expires: w.now.Add(time.Hour)}
	payload := []byte(`{"v":1,"command":"resync","by":"a"}`)
	w.deliver(h, payload)
	w.deliver(h, payload)
	w.does(Done, "")
	w.deliver(h, payload)
	if err := w.round(); err != nil || w.resyncs != 1 || len(w.post.sent) != 1 {
		t.Errorf("done %d times, answered %d times (error %v)", w.resyncs, len(w.post.sent), err)
	}
}

// TestP2_ACrashBetweenDoingAndAnsweringLeavesNothingOrBoth: the transaction of the
// answer fails, and the program starts anew.
func TestP2_ACrashBetweenDoingAndAnsweringLeavesNothingOrBoth(t *testing.T) {
	for _, name := range []Name{Hold, Resync, Diagnostics, Support} {
		t.Run(string(name), func(t *testing.T) {
			w := newWorld(t)
			w.remote = true
			w.start()
			w.orders(name, time.Time{})
			w.post.lose = 2
			for range 2 {
				if err := w.round(); !errors.Is(err, errCrash) {
					t.Fatalf("error %v", err)
				}
				w.start()
				if _, holds := w.desk.Hold(); holds || w.resyncs > 0 || len(w.post.sent) > 0 || w.audited(actionAnswered) > 0 {
					t.Fatalf("after the crash: holds %v, %d new sessions, %d answers", holds, w.resyncs, len(w.post.sent))
				}
			}
			w.does(Done, "")
			w.start()
			if err := w.round(); err != nil || len(w.post.sent) != 1 || w.audited(actionAnswered) != 1 {
				t.Errorf("%d answers, %d in the audit log (error %v)", len(w.post.sent), w.audited(actionAnswered), err)
			}
			if _, holds := w.desk.Hold(); holds != (name == Hold) || w.resyncs != map[Name]int{Resync: 1}[name] {
				t.Errorf("at the end: holds %v, %d new sessions", holds, w.resyncs)
			}
		})
	}
}

func TestAHoldEndsAtItsTimeOrByResume(t *testing.T) {
	w := newWorld(t)
	w.orders(Hold, w.now.Add(time.Hour))
	w.does(Done, "")
	w.start() // it outlives the program
	h, holds := w.desk.Hold()
	if !holds || !h.Until.Equal(w.now.Add(time.Hour)) || h.By != "truc.ban" {
		t.Fatalf("held: %v, %+v", holds, h)
	}
	w.now = w.now.Add(time.Hour)
	if _, holds := w.desk.Hold(); holds {
		t.Error("it holds after its time")
	}
	if err := w.round(); err != nil || w.desk.hold.Load() != nil {
		t.Errorf("the hold is still in the store (error %v)", err)
	}
	w.orders(Hold, time.Time{})
	w.does(Done, "")
	w.now = w.now.AddDate(1, 0, 0)
	if _, holds := w.desk.Hold(); !holds {
		t.Error("a hold without an end has ended")
	}
	w.orders(Resume, time.Time{})
	w.does(Done, "")
	if _, holds := w.desk.Hold(); holds {
		t.Error("it holds after resume")
	}
}

func TestAnOrderIsNotDoneAfterItsTime(t *testing.T) {
	w := newWorld(t)
	w.orders(Hold, time.Time{})
	w.now = w.now.Add(DefaultLife)
	w.does(Refused, WhyExpired)
	if _, holds := w.desk.Hold(); holds {
		t.Error("it was done all the same")
	}
}

func TestWhatFailsIsRefusedAndAFullDiskIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.orders(Diagnostics, time.Time{})
	w.fails = storage.ErrFull
	if err := w.round(); !errors.Is(err, storage.ErrFull) || len(w.post.sent) != 0 {
		t.Errorf("with a full disk: error %v, %d answers", err, len(w.post.sent))
	}
	w.fails = nil
	w.does(Done, "")
	w.orders(Diagnostics, time.Time{})
	w.fails = errors.New("no such table")
	w.does(Refused, WhyFailed)
}

// TestTheSupportArchiveGoesOutOnlyWhenItMay: by the setting, or when somebody at the
// box says so.
func TestTheSupportArchiveGoesOutOnlyWhenItMay(t *testing.T) {
	w := newWorld(t)
	ask := func(allow bool) storage.ID {
		id := w.orders(Support, time.Time{})
		if a := w.does(Waiting, ""); len(a.Archive) > 0 || a.Order != id {
			t.Fatalf("it is given before somebody agreed: %+v", a)
		}
		if err := w.round(); err != nil || w.read != 0 {
			t.Fatalf("the archive was made %d times before (error %v)", w.read, err)
		}
		if asked, err := w.desk.Waiting(t.Context()); err != nil || len(asked) != 1 || asked[0].ID != id {
			t.Fatalf("what waits is %+v (error %v)", asked, err)
		}
		if _, err := w.desk.Decide(t.Context(), id, allow, "cli"); err != nil {
			t.Fatal(err)
		}
		return id
	}
	id := ask(false)
	w.does(Refused, WhyDeclined)
	if w.read != 0 {
		t.Error("the archive was made though somebody said no")
	}
	ask(true)
	if a := w.does(Done, ""); !bytes.Equal(a.Archive, w.archive) {
		t.Errorf("the archive is %q", a.Archive)
	}
	if urgency := w.post.urgent[len(w.post.urgent)-1]; urgency != 0 {
		t.Errorf("the archive has urgency %d", urgency)
	}
	if w.audited(actionDeclined) != 1 || w.audited(actionAllowed) != 1 {
		t.Error("the decisions are not in the audit log")
	}
	for name, id := range map[string]storage.ID{"command.not-waiting": id, "command.none": uuid.New()} {
		if _, err := w.desk.Decide(t.Context(), id, true, "cli"); problem.From(err).Code != name {
			t.Errorf("deciding again: %v, want %s", err, name)
		}
	}
	w.remote, w.archive = true, make([]byte, MaxArchive+1)
	w.start()
	w.orders(Support, time.Time{})
	w.does(Refused, WhyTooLarge)

	w.remote = false
	w.start()
	late := w.orders(Support, time.Time{})
	w.does(Waiting, "")
	w.now = w.now.Add(DefaultLife)
	w.does(Refused, WhyExpired)
	if _, err := w.desk.Decide(t.Context(), late, true, "cli"); problem.From(err).Code != "command.not-waiting" {
		t.Errorf("agreeing too late: %v", err)
	}
}
