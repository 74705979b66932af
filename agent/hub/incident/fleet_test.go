package incident

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"tram/agent/clock"
	"tram/agent/workdays"
)

// monday is a working Monday, an hour and a half after opening.
var monday = time.Date(2026, 11, 23, 9, 0, 0, 0, clock.Vietnam)

// fleet is a province of made-up boxes, and what people were told of it.
type fleet struct {
	t       testing.TB
	e       *Engine
	now     time.Time
	f       Facts
	at      map[string]int // of boxes in f.Agents
	notices []Notice
	events  []Event
	all     map[ID]*Incident // as they were last
	every   time.Duration
	reload  bool // goes on from what a store would have, every few steps
	steps   int
}

func newFleet(t testing.TB, begin time.Time) *fleet {
	cal, err := workdays.Vietnam()
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{t: t, now: begin, at: map[string]int{}, all: map[ID]*Incident{}, every: 30 * time.Second}
	f.f.Hub = Hub{Code: "H40", Up: begin.Add(-24 * time.Hour)}
	f.e = New(DefaultSettings(cal), NewState())
	return f
}

func (f *fleet) add(site Site, n int) []string {
	var codes []string
	for range n {
		code := fmt.Sprintf("H40.%d", len(f.f.Agents)+1)
		f.at[code] = len(f.f.Agents)
		f.f.Agents = append(f.f.Agents, Agent{Code: code, Site: site, Online: true, Since: f.now.Add(-48 * time.Hour)})
		codes = append(codes, code)
	}
	return codes
}

func (f *fleet) box(code string) *Agent { return &f.f.Agents[f.at[code]] }

func (f *fleet) set(online bool, codes ...string) {
	for _, c := range codes {
		if b := f.box(c); b.Online != online {
			b.Online, b.Since = online, f.now
		}
	}
}

// step is one look at the facts.
func (f *fleet) step() {
	f.t.Helper()
	r := f.e.Step(f.now, f.f)
	f.notices = append(f.notices, r.Notices...)
	f.events = append(f.events, r.Events...)
	for _, i := range r.Incidents {
		f.all[i.ID] = i
	}
	if f.steps++; f.reload && f.steps%5 == 0 {
		seen := f.e.seen
		f.e = New(f.e.s, copied(f.t, f.e.state))
		f.e.seen = seen
	}
	f.now = f.now.Add(f.every)
}

func (f *fleet) run(d time.Duration) {
	f.t.Helper()
	for end := f.now.Add(d); f.now.Before(end); {
		f.step()
	}
}

// copied is a state as it comes back from JSON.
func copied(t testing.TB, s *State) *State {
	c := NewState()
	c.Last, c.Daily, c.Weekly = s.Last, s.Daily, s.Weekly
	through := func(from, to any) {
		data, err := json.Marshal(from)
		if err == nil {
			err = json.Unmarshal(data, to)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	through(s.Incidents, &c.Incidents)
	through(s.Tracks, &c.Tracks)
	for k, v := range s.Findings {
		c.Findings[k] = &Finding{}
		through(v, c.Findings[k])
	}
	return c
}

// told are the notices of rules, without digests.
func (f *fleet) told(kind NoticeKind, rules ...Code) (list []Notice) {
	for _, n := range f.notices {
		if n.Kind != kind || kind == Digest {
			continue
		}
		for _, r := range rules {
			if n.Incidents[0].Rule == r {
				list = append(list, n)
			}
		}
		if len(rules) == 0 {
			list = append(list, n)
		}
	}
	return list
}

// check holds what happened against what the package promises.
func (f *fleet) check() {
	f.t.Helper()
	alerts, updates, recoveries, opened := map[ID]int{}, map[ID]int{}, map[ID]int{}, map[ID]time.Time{}
	raised := map[Key]int{}
	for _, e := range f.events {
		switch e.Kind {
		case Opened:
			opened[e.Incident] = e.At
		case Raised:
			raised[e.Key]++
		case Cleared:
			raised[e.Key]--
		case Told:
			if opened[e.Incident].IsZero() {
				f.t.Errorf("incident %d was told before it was recorded", e.Incident)
			}
		}
	}
	for _, n := range f.notices {
		if n.Kind == Digest {
			continue
		}
		id := n.Incidents[0].ID
		switch n.Kind {
		case Alert:
			alerts[id]++
		case Update:
			updates[id]++
		case Recovery:
			recoveries[id]++
		}
	}
	for id, i := range f.all {
		if i.Open() {
			f.t.Errorf("incident %d of %s %v is still open: %d of %d concerned", id, i.Rule, i.Group, i.Out(), i.Peak)
		}
		if alerts[id] > 1 || updates[id] > MaxUpdates || recoveries[id] > 1 {
			f.t.Errorf("incident %d: %d alerts, %d updates, %d recoveries", id, alerts[id], updates[id], recoveries[id])
		}
		if alerts[id] > 0 && recoveries[id] == 0 && i.Merged == 0 {
			f.t.Errorf("incident %d of %s was told, its end was not", id, i.Rule)
		}
		if alerts[id] > 0 && i.Merged != 0 && f.all[i.Merged].Told.IsZero() {
			f.t.Errorf("incident %d was told, and lost in %d, which was not", id, i.Merged)
		}
	}
	for key, n := range raised {
		if n != 0 {
			f.t.Errorf("%v was raised %d times more than cleared", key, n)
		}
	}
	if n := len(f.e.state.Findings); n > 0 {
		f.t.Errorf("%d findings are left", n)
	}
}
