package connector_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"tram/agent/connector"
	"tram/agent/connector/connectortest"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
)

// feed is an office's feed in memory.
type feed struct {
	mu      sync.Mutex
	entries []office.Entry
	next    chan struct{}
}

func newFeed() *feed { return &feed{next: make(chan struct{})} }

// tell adds an entry about a document.
func (f *feed) tell(doc storage.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entries = append(f.entries, office.Entry{Cursor: strconv.Itoa(len(f.entries) + 1), Type: office.DocumentArrived, Document: doc})
	close(f.next)
	f.next = make(chan struct{})
}

func (f *feed) Feed(_ context.Context, after string, limit int) ([]office.Entry, string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, _ := strconv.Atoi(after)
	list := f.entries[at:min(len(f.entries), at+limit)]
	return slices.Clone(list), strconv.Itoa(at + len(list)), nil
}

func (f *feed) FeedEnd(context.Context) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strconv.Itoa(len(f.entries)), nil
}

func (f *feed) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.next
}

// system is a connector whose every step the test decides.
type system struct {
	connector.Base
	mu      sync.Mutex
	got     []string // cursors
	deliver func(ctx context.Context, d connector.Delivery) error
	collect func(ctx context.Context) error
}

func (s *system) Wants(office.Entry) bool { return true }

func (s *system) Deliver(ctx context.Context, d connector.Delivery) error {
	if s.deliver != nil {
		if err := s.deliver(ctx, d); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, d.Entry.Cursor)
	return nil
}

func (s *system) Every() time.Duration {
	if s.collect == nil {
		return 0
	}
	return time.Second
}

func (s *system) Collect(ctx context.Context) error { return s.collect(ctx) }

func (s *system) received() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// rig is a host over a real store; Now follows the bubble's clock.
type rig struct {
	t    *testing.T
	dir  string
	feed *feed
	made map[string]*system // by kind
	db   *sqlite.DB
	*connector.Host
	end func()
}

func newRig(t *testing.T, systems map[string]*system) *rig {
	r := &rig{t: t, dir: t.TempDir(), feed: newFeed(), made: systems}
	r.start()
	return r
}

func (r *rig) start() {
	var kinds []connector.Kind
	for name, s := range r.made {
		kinds = append(kinds, connector.Kind{Name: name, Secret: name == "secret", Open: func(env connector.Env) (connector.Connector, error) {
			return s, connector.Decode(env.Settings, &struct{}{})
		}})
	}
	r.startWith(connector.Options{Kinds: kinds})
}

func (r *rig) startWith(o connector.Options) {
	db, err := sqlitetest.Open(context.Background(), filepath.Join(r.dir, "office.db"), sqlite.Options{
		Schemas: []sqlite.Schema{audit.Schema, connector.Schema}, Now: time.Now,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.db = db
	o.DB, o.Dir, o.Feed, o.Desk = db, filepath.Join(r.dir, "connectors"), r.feed, connectortest.NewDesk()
	r.Host = connector.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { _ = r.Run(ctx); close(ended) }()
	r.end = func() {
		cancel()
		<-ended
		if err := db.Close(); err != nil {
			r.t.Error(err)
		}
	}
}

func (r *rig) restart() { r.end(); r.start() }

func (r *rig) add(name, kind string) {
	r.t.Helper()
	if err := r.Add(context.Background(), connector.Spec{Name: name, Kind: kind}, "cli"); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) state(name string) connector.State {
	r.t.Helper()
	list, err := r.List(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, s := range list {
		if s.Name == name {
			return s
		}
	}
	r.t.Fatalf("no connector %q", name)
	return connector.State{}
}

// bubble runs a test under fake time. Its last act ends the host.
func bubble(t *testing.T, systems map[string]*system, test func(*testing.T, *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, systems)
		test(t, r)
		r.end()
	})
}

func document(n byte) storage.ID { return uuid.UUID{15: n} }

func TestP2_EachEntryIsHandedOverInTheOrderOfItsDocument(t *testing.T) {
	s := &system{}
	fail := map[string]int{"3": 2} // the first of document 2 fails twice
	s.deliver = func(_ context.Context, d connector.Delivery) error {
		if fail[d.Entry.Cursor] > d.Tries {
			return errors.New("away")
		}
		return nil
	}
	bubble(t, map[string]*system{"test": s}, func(t *testing.T, r *rig) {
		r.feed.tell(document(9)) // before it was added
		r.add("x", "test")
		for range 3 {
			r.feed.tell(document(1))
			r.feed.tell(document(2))
		}
		synctest.Wait()
		if got := s.received(); !slices.Equal(got, []string{"2", "4", "6"}) {
			t.Errorf("while document 2 fails: %q, want all of document 1", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := s.received(); !slices.Equal(got, []string{"2", "4", "6", "3", "5", "7"}) {
			t.Errorf("in the end: %q", got)
		}
		if st := r.state("x"); st.State != connector.Running || st.Waiting != 0 || st.Delivered != 6 {
			t.Errorf("state %+v", st)
		}
	})
}

func TestP9_DeadLettersWaitForAPerson(t *testing.T) {
	s := &system{}
	var mended atomic.Bool
	s.deliver = func(_ context.Context, d connector.Delivery) error {
		if !mended.Load() && d.Entry.Cursor == "1" {
			return connector.Permanent(problem.New(problem.Denied, "connector.unknown", "", i18n.Args{"name": "x"}))
		}
		return nil
	}
	bubble(t, map[string]*system{"test": s}, func(t *testing.T, r *rig) {
		r.add("x", "test")
		r.feed.tell(document(1))
		r.feed.tell(document(1))
		synctest.Wait()
		if got := s.received(); !slices.Equal(got, []string{"2"}) {
			t.Errorf("behind a dead letter: %q", got)
		}
		letters, err := r.Letters(context.Background(), "x")
		if err != nil || len(letters) != 1 || !letters[0].Dead || letters[0].Entry.Cursor != "1" || letters[0].Tries != 1 {
			t.Fatalf("letters %+v, %v", letters, err)
		}
		if vi, en := letters[0].Failure.Text(i18n.Vietnamese), letters[0].Failure.Text(i18n.English); vi == en || vi == "" {
			t.Errorf("reason %q, %q", vi, en)
		}
		conditions, err := r.Conditions(context.Background())
		if err != nil || len(conditions) == 0 || conditions[len(conditions)-1].Code != "connector-dead-letters" {
			t.Errorf("conditions %+v, %v", conditions, err)
		}
		r.restart()
		mended.Store(true)
		if _, err := r.Replay(context.Background(), "x", 99, "it"); !errors.Is(err, problem.New(problem.NotFound, "connector.no-letter", "", nil)) {
			t.Errorf("replay of an unknown one: %v", err)
		}
		if n, err := r.Replay(context.Background(), "x", letters[0].ID, "it"); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		synctest.Wait()
		if got := s.received(); !slices.Equal(got, []string{"2", "1"}) {
			t.Errorf("after the replay: %q", got)
		}
	})
}

func TestAConnectorThatHangsOrPanicsStopsNoOther(t *testing.T) {
	hang, crash, good := &system{}, &system{}, &system{}
	hang.deliver = func(ctx context.Context, _ connector.Delivery) error { <-ctx.Done(); return ctx.Err() }
	crash.deliver = func(context.Context, connector.Delivery) error { panic("bug") }
	crash.collect = func(context.Context) error { panic("bug") }
	bubble(t, map[string]*system{"hang": hang, "crash": crash, "good": good}, func(t *testing.T, r *rig) {
		for _, name := range []string{"hang", "crash", "good"} {
			r.add(name, name)
		}
		for n := range byte(10) {
			r.feed.tell(document(n))
		}
		synctest.Wait()
		if got := good.received(); len(got) != 10 {
			t.Errorf("the good one got %q", got)
		}
		if st := r.state("crash"); st.State != connector.Failing || st.Failure == nil || st.Waiting != 10 {
			t.Errorf("the one that crashes: %+v", st)
		}
		if st := r.state("hang"); st.Waiting != 10 {
			t.Errorf("the one that hangs: %+v", st)
		}
	})
}

func TestP1_WhatWaitsSurvivesARestart(t *testing.T) {
	s := &system{}
	var up atomic.Bool
	s.deliver = func(context.Context, connector.Delivery) error {
		if !up.Load() {
			return errors.New("away")
		}
		return nil
	}
	bubble(t, map[string]*system{"test": s}, func(t *testing.T, r *rig) {
		r.add("x", "test")
		for n := range byte(20) {
			r.feed.tell(document(n))
		}
		synctest.Wait()
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		r.restart()
		for n := range byte(5) {
			r.feed.tell(document(n)) // while it was down
		}
		up.Store(true)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		got := s.received()
		slices.SortFunc(got, func(a, b string) int {
			x, _ := strconv.Atoi(a)
			y, _ := strconv.Atoi(b)
			return x - y
		})
		if len(got) != 25 || slices.ContainsFunc(got, func(c string) bool { return got[mustInt(t, c)-1] != c }) {
			t.Errorf("got %q", got)
		}
	})
}

func mustInt(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAFailingSystemIsNotOverrun(t *testing.T) {
	s := &system{}
	tries := 0
	var mu sync.Mutex
	s.deliver = func(context.Context, connector.Delivery) error {
		mu.Lock()
		defer mu.Unlock()
		tries++
		return errors.New("away")
	}
	bubble(t, map[string]*system{"test": s}, func(t *testing.T, r *rig) {
		r.add("x", "test")
		for n := range byte(200) {
			r.feed.tell(document(n))
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if tries < 30 || tries > 120 {
			t.Errorf("%d tries in an hour for 200 waiting documents", tries)
		}
	})
}

func TestPausedWaitsAndResumes(t *testing.T) {
	s := &system{}
	bubble(t, map[string]*system{"test": s}, func(t *testing.T, r *rig) {
		ctx := context.Background()
		r.add("x", "test")
		if err := r.SetPaused(ctx, "x", true, "it"); err != nil {
			t.Fatal(err)
		}
		r.feed.tell(document(1))
		synctest.Wait()
		if st := r.state("x"); st.State != connector.Paused || len(s.received()) != 0 {
			t.Errorf("paused: %+v, got %q", st, s.received())
		}
		r.restart()
		synctest.Wait()
		if len(s.received()) != 0 {
			t.Errorf("after a restart it works though it is paused: %q", s.received())
		}
		for range 2 {
			if err := r.SetPaused(ctx, "x", false, "it"); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := s.received(); !slices.Equal(got, []string{"1"}) {
			t.Errorf("resumed: %q", got)
		}
		if err := r.Remove(ctx, "x", "it"); err != nil {
			t.Fatal(err)
		}
		if err := r.Remove(ctx, "x", "it"); !errors.Is(err, problem.New(problem.NotFound, "connector.unknown", "", nil)) {
			t.Errorf("removed twice: %v", err)
		}
	})
}

func TestBadConnectorsAreRefusedByName(t *testing.T) {
	bubble(t, map[string]*system{"test": {}, "secret": {}}, func(t *testing.T, r *rig) {
		r.add("there", "test")
		for _, c := range []struct {
			spec connector.Spec
			code string
		}{
			{connector.Spec{Name: "there", Kind: "test"}, "connector.exists"},
			{connector.Spec{Name: "../x", Kind: "test"}, "connector.name"},
			{connector.Spec{Name: "", Kind: "test"}, "connector.name"},
			{connector.Spec{Name: "x", Kind: "fax"}, "connector.kind"},
			{connector.Spec{Name: "x", Kind: "secret"}, "connector.no-secret"},
			{connector.Spec{Name: "x", Kind: "test", Settings: []byte(`{"y": 1}`)}, "connector.settings"},
			{connector.Spec{Name: "x", Kind: "test", Settings: []byte(fmt.Sprintf("%70000s", "{}"))}, "connector.too-large"},
		} {
			err := r.Add(context.Background(), c.spec, "it")
			if got := problem.All(err)[0].Code; got != c.code {
				t.Errorf("%+v: %s (%v), want %s", c.spec, got, err, c.code)
			}
		}
	})
}
