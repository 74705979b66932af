package command

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/command"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
)

type world struct {
	t    *testing.T
	db   *sqlite.DB
	book *Book
	now  time.Time
	sent int
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: time.Now()}
	db, err := sqlitetest.Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"), sqlite.Options{
		Schemas: []sqlite.Schema{audit.Schema, Schema}, Now: func() time.Time { return w.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w.db, w.book = db, New(db)
	return w
}

func (w *world) send(*sqlite.Tx, []byte, time.Time) (storage.ID, error) {
	w.sent++
	return uuid.NewV7()
}

func (w *world) give(name command.Name) Record {
	w.t.Helper()
	r, err := w.book.Give(w.t.Context(), Order{Office: "H40.12", Command: name, By: "lan", Role: Operator}, w.send)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) answer(office string, to storage.ID, a command.Answer) (r Record, err error) {
	w.t.Helper()
	a.Order, a.At = to, w.now
	raw, err := a.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	err = w.db.Update(w.t.Context(), func(tx *sqlite.Tx) error {
		r, err = w.book.Answered(tx, office, to, raw)
		return err
	})
	return r, err
}

func (w *world) state(id storage.ID) State {
	w.t.Helper()
	r, err := w.book.Get(w.t.Context(), id.String())
	if err != nil {
		w.t.Fatal(err)
	}
	return r.State
}

func TestWhoMayOrderWhat(t *testing.T) {
	all := "ping diagnostics hold resume resync support"
	for role, may := range map[Role]string{
		Local: all, Operator: all, Security: "ping diagnostics hold resume", Officer: "ping diagnostics", "clerk": "", "": "",
	} {
		w := newWorld(t)
		for _, name := range command.Names {
			_, err := w.book.Give(t.Context(), Order{Office: "H40.12", Command: name, By: "lan", Role: role}, w.send)
			allowed := strings.Contains(" "+may+" ", " "+string(name)+" ")
			if allowed != (err == nil) || !allowed && problem.From(err).Code != "command.role" {
				t.Errorf("%q orders %s: %v", role, name, err)
			}
		}
		if w.sent != len(strings.Fields(may)) {
			t.Errorf("%q: %d orders were sent", role, w.sent)
		}
	}
}

func TestOrdersThatMakeNoSenseAreRefusedAtOnce(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		change func(*Order)
		want   []string
	}{
		"an unknown command": {func(o *Order) { o.Command = "dance" }, []string{"command.unknown"}},
		"an end of a ping":   {func(o *Order) { o.Until = w.now.Add(time.Hour) }, []string{"command.until-only"}},
		"an end in the past": {func(o *Order) { o.Command, o.Until = command.Hold, w.now.Add(-time.Hour) }, []string{"command.until"}},
		"a far end":          {func(o *Order) { o.Command, o.Until = command.Hold, w.now.Add(MaxHold+time.Hour) }, []string{"command.until"}},
		"a short life":       {func(o *Order) { o.Life = time.Second }, []string{"command.life"}},
		"several at once":    {func(o *Order) { o.Command, o.Life = "dance", MaxLife+time.Hour }, []string{"command.unknown", "command.life"}},
		"nobody":             {func(o *Order) { o.By = "" }, []string{"command.by"}},
	} {
		o := Order{Office: "H40.12", Command: command.Ping, By: "lan", Role: Operator}
		c.change(&o)
		_, err := w.book.Give(t.Context(), o, w.send)
		var got []string
		for _, p := range problem.All(err) {
			got = append(got, p.Code)
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if list, err := w.book.List(t.Context(), Query{}); err != nil || len(list) != 0 || w.sent != 0 {
		t.Errorf("%d were kept and %d sent (error %v)", len(list), w.sent, err)
	}
}

// TestP9_OpenOrdersAndArchivesAreBounded: what is over makes room.
func TestP9_OpenOrdersAndArchivesAreBounded(t *testing.T) {
	w := newWorld(t)
	var ids []storage.ID
	for range MaxOpen {
		ids = append(ids, w.give(command.Support).ID)
	}
	if _, err := w.book.Give(t.Context(), Order{Office: "H40.12", Command: command.Ping, By: "lan", Role: Operator}, w.send); problem.From(err).Code != "command.too-many" {
		t.Errorf("one too many: %v", err)
	}
	if open, err := w.book.List(t.Context(), Query{Office: "H40.12", Open: true}); err != nil || len(open) != MaxOpen {
		t.Errorf("%d open (error %v)", len(open), err)
	}
	for _, id := range ids {
		w.now = w.now.Add(time.Second)
		if _, err := w.answer("H40.12", id, command.Answer{Command: command.Support, State: command.Done, Archive: []byte("PK")}); err != nil {
			t.Fatal(err)
		}
	}
	w.now = w.now.Add(time.Second)
	last := w.give(command.Support)
	if _, err := w.answer("H40.12", last.ID, command.Answer{Command: command.Support, State: command.Done, Archive: []byte("PK2")}); err != nil {
		t.Fatal(err)
	}
	if archive, err := w.book.Archive(t.Context(), last.ID.String()); err != nil || string(archive) != "PK2" {
		t.Errorf("the newest archive is %q (error %v)", archive, err)
	}
	if _, err := w.book.Archive(t.Context(), ids[0].String()); problem.From(err).Code != "command.no-archive" {
		t.Errorf("the oldest archive: %v", err)
	}
	w.now = w.now.Add(keepFor + time.Hour)
	w.give(command.Ping)
	if list, err := w.book.List(t.Context(), Query{}); err != nil || len(list) != 1 {
		t.Errorf("after a year %d records (error %v)", len(list), err)
	}
}

func TestAnOrderIsFollowedToItsEnd(t *testing.T) {
	w := newWorld(t)
	r := w.give(command.Support)
	if r.State != Queued || !strings.Contains(r.Text(i18n.English), "will run when the office connects") {
		t.Errorf("at first it is %q: %s", r.State, r.Text(i18n.English))
	}
	if err := w.db.Update(t.Context(), func(tx *sqlite.Tx) error { return w.book.Took(tx, r.ID) }); err != nil || w.state(r.ID) != Taken {
		t.Errorf("taken it is %q (error %v)", w.state(r.ID), err)
	}
	for _, step := range []struct {
		a    command.Answer
		want State
	}{
		{command.Answer{Command: command.Support, State: command.Waiting}, Waiting},
		{command.Answer{Command: command.Support, State: command.Done, Archive: []byte("PK")}, Done},
		{command.Answer{Command: command.Support, State: command.Refused, Why: command.WhyDeclined}, Done}, // the first last word counts
	} {
		if _, err := w.answer("h40.12", r.ID, step.a); err != nil || w.state(r.ID) != step.want {
			t.Errorf("%s: it is %q (error %v)", step.a.State, w.state(r.ID), err)
		}
	}
	away := w.give(command.Ping)
	w.now = w.now.Add(command.DefaultLife)
	if got := w.state(away.ID); got != Expired {
		t.Errorf("after its time it is %q", got)
	}
	if _, err := w.answer("H40.12", away.ID, command.Answer{Command: command.Ping, State: command.Refused, Why: command.WhyExpired}); err != nil || w.state(away.ID) != Refused {
		t.Errorf("with a late answer it is %q (error %v)", w.state(away.ID), err)
	}
	foreign := w.give(command.Ping)
	got, err := w.answer("H40.12", foreign.ID, command.Answer{Command: command.Ping, State: command.Refused, Why: "of-tomorrow"})
	if err != nil || !strings.Contains(got.Text(i18n.English), "of-tomorrow") {
		t.Errorf("a reason of a later version: %q (error %v)", got.Text(i18n.English), err)
	}
	if report, err := audit.Verify(t.Context(), w.db); err != nil {
		t.Errorf("audit log: %+v, %v", report, err)
	}
}

// TestP7_AnAnswerIsTakenFromTheOfficeThatWasOrdered and from nobody else.
func TestP7_AnAnswerIsTakenFromTheOfficeThatWasOrdered(t *testing.T) {
	w := newWorld(t)
	r := w.give(command.Ping)
	done := command.Answer{Command: command.Ping, State: command.Done}
	if _, err := w.answer("H40.15", r.ID, done); !errors.Is(err, ErrStranger) {
		t.Errorf("of another office: %v", err)
	}
	if _, err := w.answer("H40.12", uuid.New(), done); !errors.Is(err, ErrStranger) {
		t.Errorf("to no order: %v", err)
	}
	raw, err := command.Answer{Order: r.ID, Command: command.Ping, State: command.Done, At: w.now}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	err = w.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		_, err := w.book.Answered(tx, "H40.12", uuid.New(), raw)
		return err
	})
	if !errors.Is(err, ErrStranger) {
		t.Errorf("whose header answers something else: %v", err)
	}
	if got := w.state(r.ID); got != Queued {
		t.Errorf("it is %q", got)
	}
}

func TestAnOrderIsWithdrawnUntilItsOfficeHasIt(t *testing.T) {
	w := newWorld(t)
	waits := true
	withdraw := func(id storage.ID, role Role) error {
		_, err := w.book.Withdraw(t.Context(), id.String(), "minh", role, func(*sqlite.Tx, storage.ID, string) (bool, error) { return waits, nil })
		return err
	}
	r := w.give(command.Hold)
	if err := withdraw(r.ID, Officer); problem.From(err).Code != "command.role" {
		t.Errorf("by one who may not: %v", err)
	}
	if err := withdraw(r.ID, Operator); err != nil || w.state(r.ID) != Withdrawn {
		t.Errorf("it is %q (error %v)", w.state(r.ID), err)
	}
	if err := withdraw(r.ID, Operator); problem.From(err).Code != "command.over" {
		t.Errorf("again: %v", err)
	}
	// It was on its way: what was done is told.
	if r, err := w.answer("H40.12", r.ID, command.Answer{Command: command.Hold, State: command.Done}); err != nil || r.State != Done || r.Withdrawn != "minh" {
		t.Errorf("done all the same: %+v (error %v)", r, err)
	}
	late := w.give(command.Ping)
	waits = false
	if err := withdraw(late.ID, Operator); problem.From(err).Code != "command.taken" || w.state(late.ID) != Queued {
		t.Errorf("while it is handed over: %v", err)
	}
	if _, err := w.book.Withdraw(context.Background(), "no id", "minh", Operator, nil); problem.From(err).Code != "command.none" {
		t.Errorf("no id: %v", err)
	}
}
