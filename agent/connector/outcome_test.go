package connector_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tram/agent/connector"
	"tram/agent/i18n"
	"tram/agent/problem"
)

func TestRestThatTheOtherSystemAsksForIsGiven(t *testing.T) {
	for _, c := range []struct {
		name       string
		rest, want time.Duration
	}{
		{"within the bound", 10 * time.Minute, 10 * time.Minute},
		{"beyond the bound", 1000 * time.Hour, connector.MaxRest},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &system{}
			var tries atomic.Int32
			var until time.Time
			s.deliver = func(context.Context, connector.Delivery) error {
				tries.Add(1)
				if until.IsZero() || time.Now().Before(until) {
					return connector.After(time.Now().Add(c.rest), errors.New("too many requests"))
				}
				return nil
			}
			bubble(t, map[string]*system{"test": s}, func(t *testing.T, r *rig) {
				r.add("x", "test")
				r.feed.tell(document(1))
				synctest.Wait()
				until = time.Now().Add(c.want)
				for n := range byte(20) {
					r.feed.tell(document(n + 2)) // other documents rest as well
				}
				time.Sleep(c.want - time.Second)
				synctest.Wait()
				if n := tries.Load(); n != 1 {
					t.Errorf("%d tries while it rests", n)
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if got := s.received(); len(got) != 21 {
					t.Errorf("after the rest: %q", got)
				}
			})
		})
	}
}

func TestAPersonEndsARest(t *testing.T) {
	s := &system{}
	first := true
	s.deliver = func(context.Context, connector.Delivery) error {
		if first {
			first = false
			return connector.After(time.Now().Add(20*time.Hour), errors.New("busy"))
		}
		return nil
	}
	bubble(t, map[string]*system{"test": s}, func(t *testing.T, r *rig) {
		r.add("x", "test")
		r.feed.tell(document(1))
		synctest.Wait()
		if _, err := r.Replay(context.Background(), "x", 0, "it"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := s.received(); !slices.Equal(got, []string{"1"}) {
			t.Errorf("got %q", got)
		}
	})
}

func TestP9_ASystemThatWantsNothingMoreIsLeftAlone(t *testing.T) {
	s := &system{}
	var tries atomic.Int32
	var open atomic.Bool
	s.deliver = func(context.Context, connector.Delivery) error {
		tries.Add(1)
		if open.Load() {
			return nil
		}
		return connector.Stop(problem.New(problem.Denied, "connector.unknown", "", i18n.Args{"name": "x"}))
	}
	bubble(t, map[string]*system{"test": s}, func(t *testing.T, r *rig) {
		ctx := context.Background()
		r.add("x", "test")
		r.feed.tell(document(1))
		synctest.Wait()
		r.feed.tell(document(2))
		time.Sleep(100 * time.Hour)
		synctest.Wait()
		st := r.state("x")
		if st.State != connector.Paused || st.Failure == nil || st.Dead != 1 || tries.Load() != 1 {
			t.Errorf("state %+v after %d tries", st, tries.Load())
		}
		r.restart()
		time.Sleep(100 * time.Hour)
		synctest.Wait()
		if st := r.state("x"); st.State != connector.Paused || tries.Load() != 1 {
			t.Errorf("after a restart: %+v, %d tries", st, tries.Load())
		}
		open.Store(true)
		if err := r.SetPaused(ctx, "x", false, "it"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := r.Replay(ctx, "x", 0, "it"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := s.received(); !slices.Equal(got, []string{"2", "1"}) {
			t.Errorf("resumed and replayed: %q", got)
		}
	})
}

func TestWithinGivesUpAfterItsTime(t *testing.T) {
	now := time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)
	away := errors.New("away")
	for _, c := range []struct {
		name  string
		since time.Time
		err   error
		want  bool
	}{
		{"first try", time.Time{}, away, false},
		{"young", now.Add(-time.Hour), away, false},
		{"old", now.Add(-3 * time.Hour), away, true},
		{"old, and done", now.Add(-3 * time.Hour), nil, false},
	} {
		d := connector.Delivery{Since: c.since}
		err := d.Within(2*time.Hour, now, c.err)
		if connector.IsPermanent(err) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// tested is a connector that can be tested.
type tested struct {
	system
	err error
}

func (s *tested) Test(context.Context) error { return s.err }

func TestAPersonCanTestAConnector(t *testing.T) {
	refused := problem.New(problem.Denied, "connector.exists", "", nil)
	kinds := []connector.Kind{
		{Name: "good", Open: func(connector.Env) (connector.Connector, error) { return &tested{}, nil }},
		{Name: "bad", Open: func(connector.Env) (connector.Connector, error) { return &tested{err: refused}, nil }},
		{Name: "mute", Open: func(connector.Env) (connector.Connector, error) { return &system{}, nil }},
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer func() { r.end() }()
		h := connector.New(connector.Options{DB: r.db, Dir: t.TempDir(), Feed: r.feed, Kinds: kinds})
		for _, k := range kinds {
			if err := h.Add(t.Context(), connector.Spec{Name: k.Name, Kind: k.Name}, "it"); err != nil {
				t.Fatal(err)
			}
		}
		for name, want := range map[string]string{
			"good": "", "bad": "connector.exists", "mute": "connector.no-test", "none": "connector.unknown",
		} {
			err := h.Test(t.Context(), name)
			switch {
			case want == "" && err != nil:
				t.Errorf("%s: %v", name, err)
			case want != "" && problem.From(err).Code != want:
				t.Errorf("%s: %v, want %s", name, err, want)
			}
		}
	})
}
