package incident

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// EventKind is what happened.
type EventKind string

// Kinds of events.
const (
	Raised    EventKind = "raised"    // a finding holds
	Worsened  EventKind = "worsened"  // and is of another severity now
	Cleared   EventKind = "cleared"   // it no longer holds
	Opened    EventKind = "opened"    // an incident
	Joined    EventKind = "joined"    // a member
	Left      EventKind = "left"      // a member, which is well again
	Widened   EventKind = "widened"   // the incident is of a larger group than was thought
	Merged    EventKind = "merged"    // into another one
	Relapsed  EventKind = "relapsed"  // it was over, and is not
	Recovered EventKind = "recovered" // it is over
	Drained   EventKind = "drained"   // and what had gathered is worked off
	Closed    EventKind = "closed"
	Told      EventKind = "told" // people were told, see Event.Notice
)

// Event is one entry of the record.
type Event struct {
	At       time.Time  `json:"at"`
	Kind     EventKind  `json:"kind"`
	Incident ID         `json:"incident,omitzero"`
	Key      Key        `json:"key,omitzero"`
	Member   string     `json:"member,omitempty"`
	Severity Severity   `json:"severity,omitempty"`
	Count    int        `json:"count,omitzero"` // members concerned then
	Into     ID         `json:"into,omitzero"`  // of Merged
	Notice   NoticeKind `json:"notice,omitempty"`
}

// Result is what one step came to. It is to be stored whole or not at all.
type Result struct {
	Events  []Event
	Notices []Notice
	// Incidents, Findings and Tracks name what of the state has changed. A finding or
	// track that is no longer in the state is gone; an incident that has closed is here
	// for the last time.
	Incidents []*Incident
	Findings  []Key
	Tracks    []string
}

// standing is whether a box was there when it was last looked at.
type standing struct {
	online bool
	since  time.Time
}

type ref struct {
	incident ID
	member   string
}

// Engine makes incidents of facts. It is for one goroutine.
type Engine struct {
	s     Settings
	state *State
	// seen is what each box was like at the last step, by which one that dropped in
	// between is known. It is not part of the state: after a start the first look is
	// only a look.
	seen, was map[string]standing
	sites     map[string]Site
	sizes     map[Group]int
	hub       string
	// outages are the open group incidents by the offices that are out in them.
	outages map[string]*Incident
	// refs counts the findings by which a member is in an incident.
	refs map[ref]int

	now       time.Time
	events    []Event
	notices   []Notice
	incidents map[ID]*Incident
	findings  map[Key]bool
	tracks    map[string]bool
}

// New makes an engine that goes on from state, which it takes over.
func New(s Settings, state *State) *Engine {
	e := &Engine{
		s: s, state: state, seen: map[string]standing{}, was: map[string]standing{},
		refs: map[ref]int{}, outages: map[string]*Incident{},
	}
	for _, i := range state.Incidents {
		if i.Group == nil {
			continue
		}
		for _, office := range i.Concerned() {
			e.outages[office] = i
		}
	}
	for _, f := range state.Findings {
		e.refs[ref{f.Incident, memberOf(f)}]++
	}
	return e
}

// State is what is known after the last step. It is not to be changed.
func (e *Engine) State() *State { return e.state }

// Settings are those of the engine.
func (e *Engine) Settings() Settings { return e.s }

// Step takes in what is known at now.
func (e *Engine) Step(now time.Time, f Facts) Result {
	e.begin(now)
	e.hub = f.Hub.Code
	e.sites, e.sizes = make(map[string]Site, len(f.Agents)), map[Group]int{}
	counts := map[Site]int{}
	for _, a := range f.Agents {
		if !a.Exempt {
			e.sites[a.Code] = a.Site
			counts[a.Site]++
		}
	}
	for site, n := range counts {
		for _, g := range site.groups(e.hub) {
			e.sizes[g] += n
		}
	}
	e.observe(now, f)
	e.judge(e.readings(now, f))
	e.groups(f)
	e.assign()
	e.settle(f)
	e.tell(f)
	e.digests(f)
	return e.end()
}

func (e *Engine) begin(now time.Time) {
	e.now, e.events, e.notices = now, nil, nil
	e.incidents, e.findings, e.tracks = map[ID]*Incident{}, map[Key]bool{}, map[string]bool{}
}

func (e *Engine) end() Result {
	r := Result{Events: e.events, Notices: e.notices}
	for _, id := range slices.Sorted(maps.Keys(e.incidents)) {
		r.Incidents = append(r.Incidents, e.incidents[id])
		if !e.incidents[id].Open() {
			delete(e.state.Incidents, id)
		}
	}
	r.Findings = slices.SortedFunc(maps.Keys(e.findings), compareKeys)
	r.Tracks = slices.Sorted(maps.Keys(e.tracks))
	return r
}

func compareKeys(a, b Key) int {
	return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Office, b.Office))
}

func (e *Engine) note(ev Event) {
	ev.At = e.now
	e.events = append(e.events, ev)
}

// measure keeps how many members an incident had at most.
func (e *Engine) measure(i *Incident) {
	if out := i.Out(); out > i.Peak {
		i.Peak = out
		e.touch(i)
	}
}

func (e *Engine) touch(i *Incident) { e.incidents[i.ID] = i }

// judge raises, changes and clears findings.
func (e *Engine) judge(list []reading) {
	holds := make(map[Key]bool, len(list))
	for _, r := range list {
		f := e.state.Findings[r.Key]
		if r.unknown {
			holds[r.Key] = f != nil
			continue
		}
		rule := e.s.Rules.For(r.cluster, r.Rule)
		var was Severity
		if f != nil {
			was = f.Severity
		}
		severity := rule.level(r.value, was)
		if severity == "" && r.sure && len(rule.Levels) > 0 {
			severity = rule.Levels[len(rule.Levels)-1].Severity
		}
		if severity == "" {
			continue
		}
		holds[r.Key] = true
		switch {
		case f == nil:
			e.state.Findings[r.Key] = &Finding{Key: r.Key, Severity: severity, Since: e.now, Value: r.value, Cluster: r.cluster, Week: r.week}
			e.findings[r.Key] = true
			e.note(Event{Kind: Raised, Key: r.Key, Severity: severity})
		case severity != was || f.Week != r.week:
			f.Severity, f.Value, f.Week = severity, r.value, r.week
			e.findings[r.Key] = true
			e.note(Event{Kind: Worsened, Incident: f.Incident, Key: r.Key, Severity: severity})
		}
	}
	for _, key := range e.keys() {
		if !holds[key] {
			e.clear(e.state.Findings[key])
		}
	}
}

// keys are those of all findings, in order.
func (e *Engine) keys() []Key {
	return slices.SortedFunc(maps.Keys(e.state.Findings), compareKeys)
}

func (e *Engine) clear(f *Finding) {
	delete(e.state.Findings, f.Key)
	e.findings[f.Key] = true
	e.note(Event{Kind: Cleared, Incident: f.Incident, Key: f.Key})
	e.detach(f)
}

// attach puts a finding into an incident.
func (e *Engine) attach(f *Finding, i *Incident) {
	e.detach(f)
	f.Incident, f.Why = i.ID, ""
	e.findings[f.Key] = true
	e.refs[ref{i.ID, memberOf(f)}]++
	if i.Group == nil { // members of a group are those who are silent
		e.join(i, memberOf(f))
	}
}

// detach takes a finding out of its incident, and its member with the last one.
func (e *Engine) detach(f *Finding) {
	at := ref{f.Incident, memberOf(f)}
	i := e.state.Incidents[f.Incident]
	f.Incident = 0
	if e.refs[at]--; e.refs[at] > 0 {
		return
	}
	delete(e.refs, at)
	if i != nil && i.Group == nil {
		e.leave(i, at.member)
	}
}

// memberOf is under what name a finding is a member of its incident.
func memberOf(f *Finding) string {
	if f.Office != "" {
		return f.Office
	}
	return f.Subject
}

func (e *Engine) join(i *Incident, member string) {
	if m, ok := i.Members[member]; ok && m.Left.IsZero() {
		return
	}
	i.Members[member] = Member{Joined: e.now}
	e.touch(i)
	if i.Group != nil {
		e.outages[member] = i
	}
	e.note(Event{Kind: Joined, Incident: i.ID, Member: member})
}

func (e *Engine) leave(i *Incident, member string) {
	m, ok := i.Members[member]
	if !ok || !m.Left.IsZero() {
		return
	}
	m.Left = e.now
	i.Members[member] = m
	if e.outages[member] == i {
		delete(e.outages, member)
	}
	e.touch(i)
	e.note(Event{Kind: Left, Incident: i.ID, Member: member})
}

func (e *Engine) open(rule Code, scope string, severity Severity) *Incident {
	e.state.Last++
	i := &Incident{ID: e.state.Last, Rule: rule, Scope: scope, Severity: severity, Opened: e.now, Members: map[string]Member{}}
	e.state.Incidents[i.ID] = i
	e.touch(i)
	e.note(Event{Kind: Opened, Incident: i.ID, Severity: severity})
	return i
}

// openOnes are the open incidents in the order of their numbers.
func (e *Engine) openOnes() []*Incident {
	list := make([]*Incident, 0, len(e.state.Incidents))
	for _, id := range slices.Sorted(maps.Keys(e.state.Incidents)) {
		if i := e.state.Incidents[id]; i.Open() {
			list = append(list, i)
		}
	}
	return list
}
