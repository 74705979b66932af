package duty

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/clock"
	"tram/agent/hub/incident"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/workdays"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
)

var morning = time.Date(2026, 11, 23, 9, 0, 0, 0, clock.Vietnam)

func openDB(t *testing.T) *sqlite.DB {
	t.Helper()
	db, err := sqlitetest.Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"), sqlite.Options{Schemas: []sqlite.Schema{audit.Schema, Schema}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func settings(t *testing.T) incident.Settings {
	t.Helper()
	cal, err := workdays.Vietnam()
	if err != nil {
		t.Fatal(err)
	}
	return incident.DefaultSettings(cal)
}

func room(t *testing.T, db *sqlite.DB) *Room {
	t.Helper()
	return New(db, Options{Settings: settings(t), Channels: []string{"mail", "webhook"}})
}

// fleet are the facts of a cluster of boxes.
func fleet(n int) incident.Facts {
	f := incident.Facts{Hub: incident.Hub{Code: "H40", Up: morning.Add(-24 * time.Hour)}}
	for i := range n {
		f.Agents = append(f.Agents, incident.Agent{Code: fmt.Sprint("H40.", i), Site: incident.Site{Cluster: "Cụm A"}, Online: true, Since: morning.Add(-12 * time.Hour)})
	}
	return f
}

func set(f incident.Facts, online bool, at time.Time, boxes ...int) incident.Facts {
	f.Agents = append([]incident.Agent(nil), f.Agents...)
	for _, i := range boxes {
		if a := &f.Agents[i]; a.Online != online {
			a.Online, a.Since = online, at
		}
	}
	return f
}

func all(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

// TestAHubThatIsKilledAtAnyStepGoesOn kills one of two hubs that see the same: before,
// within and after the transaction of a step.
func TestAHubThatIsKilledAtAnyStepGoesOn(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 26))
	calm, killed := openDB(t), openDB(t)
	tables := []string{"incidents", "findings", "tracks", "duty", "incident_events", "notices", "deliveries"}
	must(t, killed.Update(t.Context(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`CREATE TABLE kill (at TEXT NOT NULL)`)
		for _, table := range tables {
			_, more := tx.Exec(`CREATE TRIGGER kill_` + table + ` BEFORE INSERT ON ` + table + ` WHEN (SELECT at FROM kill) = '` + table + `' BEGIN SELECT RAISE(ABORT, 'killed'); END`)
			err = errors.Join(err, more)
		}
		return err
	}))
	a, b := room(t, calm), room(t, killed)
	f, now, died := fleet(40), morning, 0
	for n := range 300 {
		switch {
		case n == 10 || n == 150:
			f = set(f, false, now, all(30)...)
		case n == 60 || n == 200:
			f = set(f, true, now, all(30)...)
		case n == 30:
			f.Documents = []incident.Document{{ID: "d", Urgency: 3, Since: now, Waiting: []string{"H40.1", "H40.2"}}}
		case n == 90:
			f.Documents = nil
		}
		must(t, a.Step(t.Context(), now, f))
		if rng.IntN(2) == 0 {
			must(t, arm(t, killed, tables[rng.IntN(len(tables))]))
			if err := b.Step(t.Context(), now, f); err != nil {
				died++
			}
			must(t, arm(t, killed, ""))
			b = room(t, killed)
		}
		must(t, b.Step(t.Context(), now, f))
		now = now.Add(30 * time.Second)
	}
	if died == 0 {
		t.Fatal("it was never killed within a step")
	}
	for _, query := range []string{
		`SELECT data FROM incidents ORDER BY id`, `SELECT data FROM notices ORDER BY seq`, `SELECT data FROM findings ORDER BY rule, subject, office`,
		`SELECT data FROM incident_events WHERE data NOT LIKE '%"told"%' ORDER BY at, data`, `SELECT channel FROM deliveries ORDER BY notice, channel`,
	} {
		if want, got := column(t, calm, query), column(t, killed, query); !reflect.DeepEqual(want, got) {
			t.Errorf("%s:\n%d rows %s\nand after kills %d rows %s", query, len(want), want, len(got), got)
		}
	}
	if n := column(t, killed, `SELECT data FROM notices WHERE kind = 'alert'`); len(n) != 3 {
		t.Errorf("%d alerts: %v", len(n), n)
	}
}

func arm(t *testing.T, db *sqlite.DB, table string) error {
	return db.Update(t.Context(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`DELETE FROM kill`)
		_, more := tx.Exec(`INSERT INTO kill VALUES (?)`, table)
		return errors.Join(err, more)
	})
}

func column(t *testing.T, db *sqlite.DB, query string) (list []string) {
	t.Helper()
	must(t, db.View(t.Context(), func(tx *sqlite.Tx) (err error) {
		list, err = sqlite.Column[string](tx, query)
		return err
	}))
	return list
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// outage makes a room with one open incident that was told.
func outage(t *testing.T) (*Room, *sqlite.DB, incident.Facts, time.Time) {
	t.Helper()
	db := openDB(t)
	r := room(t, db)
	f, now := fleet(20), time.Now()
	f.Hub.Up = now.Add(-24 * time.Hour)
	for i := range f.Agents {
		f.Agents[i].Since, f.Agents[i].Round = now.Add(-12*time.Hour), true
	}
	must(t, r.Step(t.Context(), now, f))
	f = set(f, false, now, all(20)...)
	for range 10 {
		now = now.Add(30 * time.Second)
		must(t, r.Step(t.Context(), now, f))
	}
	return r, db, f, now
}

func TestWhatPeopleDoIsOnRecord(t *testing.T) {
	r, db, f, now := outage(t)
	ctx := t.Context()
	if _, err := r.Acknowledge(ctx, 1, "lan", " đã gọi nhà mạng \x00"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Snooze(ctx, 1, time.Time{}, "lan"); err != nil {
		t.Fatal(err)
	}
	must(t, r.Note(ctx, 1, "an", "đứt cáp ở Km 12 | <b>"))
	for code, err := range map[string]error{
		"incident.not-open": ignore(r.Acknowledge(ctx, 9, "lan", "")), "incident.unknown": r.Note(ctx, 9, "lan", "x"), "incident.note": r.Note(ctx, 1, "lan", " "),
		"incident.snooze": ignore(r.Snooze(ctx, 1, time.Now().Add(-time.Hour), "lan")),
	} {
		if p := problem.From(err); p.Code != code {
			t.Errorf("%s: %v", code, err)
		}
	}
	if err := r.Note(ctx, 1, "lan", strings.Repeat("x", incident.MaxNote+1)); err == nil {
		t.Error("a note of any length is taken")
	}
	f = set(f, true, now, all(20)...)
	for range 30 {
		now = now.Add(time.Minute)
		must(t, r.Step(ctx, now, f))
	}
	rec, err := r.Show(ctx, 1)
	must(t, err)
	if rec.Ack == nil || rec.Ack.By != "lan" || rec.Ack.Note != "đã gọi nhà mạng" || rec.Snoozed.IsZero() || rec.Open() || len(rec.Notices) != 2 {
		t.Errorf("%+v", rec)
	}
	for lang, want := range map[i18n.Lang][]string{
		i18n.Vietnamese: {"# Sự cố số 1: ", "lan nhận xử lý: đã gọi nhà mạng", `an ghi chú: đứt cáp ở Km 12 \| &lt;b>`, "20 đơn vị bị ảnh hưởng", "Đã gửi cảnh báo", "| xã H40.7 |"},
		i18n.English:    {"20 offices were well again", "What had gathered was worked off", "## Lessons"},
	} {
		text := rec.Markdown(lang, func(code string) string { return "xã " + code })
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("no %q in\n%s", w, text)
			}
		}
	}
	entries, err := audit.List(ctx, db, 0, 100)
	must(t, err)
	var acts []string
	for _, e := range entries {
		acts = append(acts, e.Actor+" "+e.Action)
	}
	if want := []string{"lan incident.acknowledged", "lan incident.snoozed", "an incident.noted"}; !reflect.DeepEqual(acts, want) {
		t.Errorf("audit: %v", acts)
	}
}

func ignore[T any](_ T, err error) error { return err }

func TestListsAndOverview(t *testing.T) {
	r, _, _, now := outage(t)
	ctx := t.Context()
	open, err := r.List(ctx, Query{Open: true})
	must(t, err)
	for office, want := range map[string]int{"H40.3": 1, "H41": 0} {
		seen, err := r.List(ctx, Query{Sees: func(code string) bool { return code == office }})
		must(t, err)
		if len(seen.Incidents) != want {
			t.Errorf("who sees %s sees %d incidents", office, len(seen.Incidents))
		}
	}
	o, err := r.Overview(ctx)
	must(t, err)
	out, err := r.OutagesOf(ctx)
	must(t, err)
	days, err := r.Volume(ctx, now, 3)
	must(t, err)
	if len(open.Incidents) != 1 || open.Next != 0 || len(o.Open) != 1 || o.Open[0].Count != 20 || len(out) != 20 || out["H40.3"] != 1 || len(days) != 3 {
		t.Errorf("%+v %+v %v %v", open, o, out, days)
	}
	sum := 0
	for _, d := range days {
		sum += d.Notices
	}
	told, err := r.Notices(ctx, 10)
	must(t, err)
	if sum != len(told) || sum == 0 || o.At.IsZero() {
		t.Errorf("%d notices in the days, %d in the list, as of %v", sum, len(told), o.At)
	}
}

func TestDeliveriesAreTriedUntilTheyAreTakenOrOld(t *testing.T) {
	r, _, _, now := outage(t)
	ctx := t.Context()
	var alerts []Outgoing
	for _, channel := range []string{"mail", "webhook"} {
		due, next, err := r.Due(ctx, channel, now)
		must(t, err)
		if len(due) == 0 || due[0].Notice.Kind != incident.Alert || due[0].Notice.Severity != incident.Page || !next.IsZero() {
			t.Fatalf("%+v, then %v", due, next)
		}
		alerts = append(alerts, due[0])
	}
	boom := errors.New(strings.Repeat("không", 200))
	must(t, r.Delivered(ctx, alerts[0], now, nil, 0, false))
	must(t, r.Delivered(ctx, alerts[1], now, boom, time.Minute, false))
	channels, err := r.Channels(ctx)
	must(t, err)
	if channels[0].Last.IsZero() || !channels[0].Failing.IsZero() || channels[1].Failing.IsZero() || len(channels[1].Error) > maxError {
		t.Errorf("%+v", channels)
	}
	if _, next, err := r.Due(ctx, "webhook", now); err != nil || next.Sub(now).Round(time.Second) != time.Minute {
		t.Errorf("next at %v, %v", next.Sub(now), err)
	}
	late := now.Add(giveUp + time.Hour)
	must(t, r.Delivered(ctx, alerts[1], late, boom, 0, false))
	rec, err := r.Show(ctx, 1)
	must(t, err)
	if d := rec.Notices[0].Deliveries; d[0].State != Taken || d[1].State != GivenUp || d[1].Tries != 2 {
		t.Errorf("%+v", d)
	}
	other := New(r.db, Options{Settings: r.settings, Channels: []string{"command"}})
	if n, err := other.Test(ctx, "cli"); err != nil || n == 0 {
		t.Error(err)
	}
	must(t, other.Drop(ctx))
	due, _, err := other.Due(ctx, "command", late)
	must(t, err)
	if len(due) != 1 || due[0].Channel != "command" || due[0].Notice.Kind != incident.Test {
		t.Errorf("%+v", due)
	}
	if _, err := New(r.db, Options{Settings: r.settings}).Test(ctx, "cli"); problem.From(err).Code != "alerts.no-channel" {
		t.Error(err)
	}
}

func TestCallsAndContacts(t *testing.T) {
	r, db, _, _ := outage(t)
	ctx := t.Context()
	d, other := storage.ID(uuid.New()), storage.ID(uuid.New())
	for _, note := range []string{"không nghe máy", "đã gặp chị Hoa"} {
		if _, err := r.Called(ctx, Call{Document: d, Office: "H40.1", By: "an", Note: note}); err != nil {
			t.Fatal(err)
		}
	}
	calls, err := r.Calls(ctx, []storage.ID{d, other})
	must(t, err)
	if len(calls[d]) != 2 || calls[d][1].Note != "đã gặp chị Hoa" || calls[d][0].At.IsZero() || len(calls[other]) != 0 {
		t.Errorf("%+v", calls)
	}
	put := func(c Contact) error {
		return db.Update(ctx, func(tx *sqlite.Tx) error { return SetContacts(tx, "cli", []Contact{c}) })
	}
	must(t, put(Contact{Office: "H40.1", Phone: "0238 111"}))
	must(t, put(Contact{Office: "h40.1", Phone: "0238 222", Station: "BTS 7"}))
	if err := put(Contact{Office: "H40.1", Phone: "1\n2"}); problem.From(err).Code != "contact.text" {
		t.Error(err)
	}
	contacts, err := Contacts(ctx, db)
	must(t, err)
	if c := contacts["h40.1"]; len(contacts) != 1 || c.Phone != "0238 222" || c.Station != "BTS 7" {
		t.Errorf("%+v", contacts)
	}
}

func TestP9_WhatIsOldGoes(t *testing.T) {
	r, db, f, now := outage(t)
	f = set(f, true, now, all(20)...)
	for range 30 {
		now = now.Add(time.Minute)
		must(t, r.Step(t.Context(), now, f))
	}
	_, err := r.Called(t.Context(), Call{Document: storage.ID(uuid.New()), Office: "H40.1", By: "an"})
	must(t, err)
	must(t, r.Tidy(t.Context(), now.Add(Keep/2)))
	counts := func() (n []string) {
		for _, table := range []string{"incidents", "incident_events", "notices", "deliveries", "calls"} {
			n = append(n, column(t, db, `SELECT count(*) FROM `+table)...)
		}
		return n
	}
	for _, n := range counts() {
		if n == "0" {
			t.Errorf("too early: %v", counts())
		}
	}
	must(t, r.Tidy(t.Context(), now.Add(Keep+24*time.Hour)))
	if n := counts(); !reflect.DeepEqual(n, []string{"0", "0", "0", "0", "0"}) {
		t.Errorf("left: %v", n)
	}
}

func TestARecordIsJSONThatComesBack(t *testing.T) {
	r, _, _, _ := outage(t)
	rec, err := r.Show(context.Background(), 1)
	must(t, err)
	data, err := json.Marshal(rec)
	must(t, err)
	var again Record
	must(t, json.Unmarshal(data, &again))
	if !reflect.DeepEqual(rec, again) {
		t.Errorf("%+v\n%+v", rec, again)
	}
}
