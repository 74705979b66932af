package fleet_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tram/agent/hub/fleet"
	"tram/agent/hub/registry"
	"tram/storage/sqlite"
)

// clock is a clock that a test sets, in whole milliseconds as the store keeps
// them.
type clock struct{ now time.Time }

func newClock() *clock {
	return &clock{time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
}

func (c *clock) wait(d time.Duration) time.Time {
	c.now = c.now.Add(d)
	return c.now
}

// open opens the fleet in the database at path, as a start of the hub does.
func open(t *testing.T, path string, c *clock) (*fleet.Fleet, *sqlite.DB) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{
		Schemas: []sqlite.Schema{fleet.Schema}, Now: func() time.Time { return c.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	f, err := fleet.New(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return f, db
}

func session(t *testing.T, f *fleet.Fleet, code string, online bool, software string) {
	t.Helper()
	if err := f.Sessions(t.Context(), map[string]fleet.Change{code: {Online: online, Software: software}}); err != nil {
		t.Fatal(err)
	}
}

func cards(codes ...string) []registry.Card {
	var list []registry.Card
	for _, code := range codes {
		list = append(list, registry.Card{Code: code, Name: "Xã " + code, Parent: "H40", Kind: "xa"})
	}
	return list
}

func one(t *testing.T, f *fleet.Fleet, code string) fleet.Agent {
	t.Helper()
	list, err := f.List(t.Context(), cards(code))
	if err != nil || len(list) != 1 {
		t.Fatalf("list is %+v (error %v)", list, err)
	}
	return list[0]
}

func TestSessionsComeAndGo(t *testing.T) {
	c := newClock()
	f, _ := open(t, filepath.Join(t.TempDir(), "hub.db"), c)
	if a := one(t, f, "H40.12"); a.Online || !a.Since.IsZero() || !a.Seen.IsZero() || a.Name != "Xã H40.12" || a.Kind != "xa" || a.Parent != "H40" {
		t.Errorf("an office that was never heard is %+v", a)
	}
	began := c.wait(time.Minute)
	session(t, f, "H40.12", true, "tram 1")
	if a := one(t, f, "H40.12"); !a.Online || !a.Since.Equal(began) || !a.Seen.Equal(began) || a.Software != "tram 1" {
		t.Errorf("with a session it is %+v", a)
	}
	again := c.wait(time.Hour)
	session(t, f, "H40.12", true, "tram 2")
	if a := one(t, f, "H40.12"); !a.Online || !a.Since.Equal(began) || !a.Seen.Equal(again) || a.Software != "tram 2" {
		t.Errorf("a new session after a lost one makes it %+v", a)
	}
	ended := c.wait(time.Hour)
	session(t, f, "H40.12", false, "")
	if a := one(t, f, "H40.12"); a.Online || !a.Since.Equal(ended) || !a.Seen.Equal(ended) || a.Software != "tram 2" {
		t.Errorf("after its session it is %+v", a)
	}
}

// TestARestartKeepsTheLastContact opens the store as after a power cut: who was
// online is so no more, but when it was heard stays.
func TestARestartKeepsTheLastContact(t *testing.T) {
	c, path := newClock(), filepath.Join(t.TempDir(), "hub.db")
	f, db := open(t, path, c)
	heard := c.wait(time.Minute)
	session(t, f, "H40.12", true, "tram 1")
	session(t, f, "H40.15", true, "tram 1")
	left := c.wait(time.Minute)
	session(t, f, "H40.15", false, "")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	started := c.wait(time.Hour)
	f, _ = open(t, path, c)
	if a := one(t, f, "H40.12"); a.Online || !a.Since.Equal(started) || !a.Seen.Equal(heard) || a.Software != "tram 1" {
		t.Errorf("who was online is %+v, want offline since %v, seen %v", a, started, heard)
	}
	if a := one(t, f, "H40.15"); a.Online || !a.Since.Equal(left) || !a.Seen.Equal(left) {
		t.Errorf("who was offline is %+v, want offline since %v", a, left)
	}
}

func TestTheListFollowsTheCards(t *testing.T) {
	c := newClock()
	f, _ := open(t, filepath.Join(t.TempDir(), "hub.db"), c)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	session(t, f, "H40.15", true, "tram 1")
	session(t, f, "H40.99", true, "tram 1") // its card is gone
	given := cards("H40.20", "H40.15", "H40.01")
	given[1].Device, given[1].Recipient = key.Public(), "age1x"
	list, err := f.List(t.Context(), given)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, a := range list {
		codes = append(codes, a.Code)
		if on := a.Code == "H40.15"; a.Online != on || a.Enrolled != on {
			t.Errorf("%+v", a)
		}
	}
	if !slices.Equal(codes, []string{"H40.20", "H40.15", "H40.01"}) {
		t.Errorf("the order is %q", codes)
	}
	if list, err := f.List(t.Context(), nil); err != nil || list == nil || len(list) != 0 {
		t.Errorf("without cards the list is %#v (error %v)", list, err)
	}
}

func TestAClosedStoreIsAnError(t *testing.T) {
	f, db := open(t, filepath.Join(t.TempDir(), "hub.db"), newClock())
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Sessions(context.Background(), map[string]fleet.Change{"H40.12": {Online: true}}); err == nil {
		t.Error("a session was recorded in a closed store")
	}
	if _, err := f.List(context.Background(), nil); err == nil {
		t.Error("a closed store was listed")
	}
	if _, err := fleet.New(context.Background(), db); err == nil {
		t.Error("a fleet was made in a closed store")
	}
}
