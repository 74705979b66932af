package incident

import (
	"slices"
	"time"
)

// assign gives each finding that has none an incident, unless there is a reason for
// having none now.
func (e *Engine) assign() {
	for _, key := range e.keys() {
		f := e.state.Findings[key]
		rule := e.s.Rules.For(f.Cluster, f.Rule)
		if i := e.state.Incidents[f.Incident]; i != nil {
			e.worsen(i, f.Severity)
			continue
		}
		if rule.Folds {
			if i := e.outages[f.Office]; i != nil {
				e.attach(f, i)
				continue
			}
		}
		if why := e.suppressed(rule, f); why != "" {
			if f.Why != why {
				f.Why = why
				e.findings[key] = true
			}
			continue
		}
		i := e.home(rule, f)
		e.attach(f, i)
		e.worsen(i, f.Severity)
	}
}

func (e *Engine) worsen(i *Incident, s Severity) {
	if i.Group == nil && s.rank() > i.Severity.rank() {
		i.Severity = s
		e.touch(i)
	}
}

// suppressed says why no incident is made of a finding. What is urgent never is.
func (e *Engine) suppressed(rule Rule, f *Finding) Reason {
	t := e.state.Tracks[f.Office]
	if rule.Urgent || t == nil {
		return ""
	}
	if rule.Folds && e.now.Before(t.Hold) {
		return CatchingUp
	}
	if at, told := t.Told[f.Rule]; told && e.now.Sub(at) < rule.Quiet && f.Severity != Critical {
		return InQuiet
	}
	return ""
}

// home is the incident that a finding belongs to, a new one when there is none.
func (e *Engine) home(rule Rule, f *Finding) *Incident {
	scope := ""
	switch rule.Per {
	case PerCluster:
		scope = f.Cluster
	case PerSubject:
		scope = f.Subject
	case PerWeek:
		scope = f.Week
	}
	for _, i := range e.openOnes() {
		if i.Rule != f.Rule || i.Scope != scope || !i.Recovered.IsZero() {
			continue
		}
		// Of a cluster what comes together is one incident; what comes later, or to an
		// office without a cluster, is one of its own.
		if rule.Per != PerCluster || e.now.Sub(i.Opened) <= e.s.Window {
			return i
		}
	}
	return e.open(f.Rule, scope, f.Severity)
}

// settle brings each incident nearer to its end.
func (e *Engine) settle(f Facts) {
	boxes := make(map[string]*Agent, len(f.Agents))
	for n := range f.Agents {
		boxes[f.Agents[n].Code] = &f.Agents[n]
	}
	for _, i := range e.openOnes() {
		e.measure(i)
		switch {
		case i.Group == nil && i.Out() == 0:
			i.Recovered, i.Drained = e.now, e.now
			e.note(Event{Kind: Recovered, Incident: i.ID})
			e.close(i)
		case i.Group != nil && !i.Recovered.IsZero():
			e.drain(i, boxes)
		}
	}
}

// drain notes who has worked off what had gathered.
func (e *Engine) drain(i *Incident, boxes map[string]*Agent) {
	waits := false
	for name, m := range i.Members {
		if !m.Drained.IsZero() {
			continue
		}
		// One that is away again, or gone from the fleet, is not waited for.
		if a := boxes[name]; a != nil && a.Online && !a.Exempt && gathered(a) {
			waits = true
			continue
		}
		m.Drained = e.now
		i.Members[name] = m
		e.touch(i)
	}
	switch {
	case !waits:
		i.Drained = e.now
		e.note(Event{Kind: Drained, Incident: i.ID})
		e.close(i)
	case i.Told.IsZero() || e.now.Sub(i.Recovered) >= e.s.Drain:
		e.close(i)
	}
}

// close ends an incident. People who were told of it are told that it is over.
func (e *Engine) close(i *Incident) {
	i.Closed = e.now
	e.touch(i)
	e.note(Event{Kind: Closed, Incident: i.ID})
}

// closedNow are the incidents that closed in this step, but for those that were merged.
func (e *Engine) closedNow() []*Incident {
	var list []*Incident
	for _, i := range e.incidents {
		if !i.Open() && i.Merged == 0 {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(a, b *Incident) int { return int(a.ID - b.ID) })
	return list
}

// remember notes when offices were told of, for the rules that are quiet for a while.
func (e *Engine) remember(i *Incident, at time.Time) {
	for _, office := range i.Concerned() {
		rule := e.s.Rules.For(e.sites[office].Cluster, i.Rule)
		if _, known := e.sites[office]; !known || rule.Quiet == 0 {
			continue
		}
		t := e.state.Tracks[office]
		if t == nil {
			t = &Track{}
		}
		if t.Told == nil {
			t.Told = map[Code]time.Time{}
		}
		t.Told[i.Rule] = at
		e.track(office, t)
	}
}
