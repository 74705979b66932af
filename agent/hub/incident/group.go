package incident

import (
	"cmp"
	"math"
	"slices"
	"time"
)

const (
	// explains is the share of what the largest explanation covers by which a smaller
	// group explains it as well.
	explains = 0.9
	// overAt is the share of an incident's peak at which it is over: those few that
	// are still away have a reason of their own.
	overAt = 0.1
)

// groups finds offices that fell silent together, and follows those that did.
func (e *Engine) groups(f Facts) {
	e.follow()
	for pool := e.arrivals(); len(pool) > 0; {
		best, covered := e.explanation(pool)
		if len(covered) == 0 {
			break
		}
		e.place(best, covered, pool)
		for _, office := range covered {
			delete(pool, office)
		}
	}
	for _, i := range e.openOnes() {
		if i.Group != nil {
			e.measure(i)
			e.recover(i, f)
		}
	}
}

// follow brings members and silence together: who is back leaves, and who falls silent
// in a group that is out joins.
func (e *Engine) follow() {
	for _, i := range e.openOnes() {
		if i.Group == nil {
			continue
		}
		for _, office := range i.Concerned() {
			if _, there := e.sites[office]; !there || !e.silent(office) {
				e.leave(i, office)
			}
		}
	}
	for _, office := range e.silentOnes() {
		if e.outages[office] != nil || e.state.Tracks[office].Stray {
			continue
		}
		for _, i := range e.openOnes() {
			if i.Group != nil && i.Recovered.IsZero() && slices.Contains(e.sites[office].groups(e.hub), *i.Group) && !e.state.Tracks[office].Silent.Before(i.Opened.Add(-e.s.Window)) {
				e.join(i, office)
				break
			}
		}
	}
}

func (e *Engine) silent(office string) bool {
	t := e.state.Tracks[office]
	return t != nil && !t.Silent.IsZero()
}

func (e *Engine) silentOnes() []string {
	var list []string
	for office, t := range e.state.Tracks {
		if !t.Silent.IsZero() {
			list = append(list, office)
		}
	}
	slices.Sort(list)
	return list
}

// arrivals are the offices that fell silent within the window, in no incident or in one
// that is young enough to have been taken for less than it is.
func (e *Engine) arrivals() map[string]*Incident {
	pool := map[string]*Incident{}
	for _, office := range e.silentOnes() {
		if e.state.Tracks[office].Stray {
			continue
		}
		i := e.outages[office]
		young := i != nil && e.now.Sub(i.Opened) <= e.s.Window
		if young || i == nil && e.now.Sub(e.state.Tracks[office].Silent) <= e.s.Window {
			pool[office] = i
		}
	}
	return pool
}

// needed is how many of a group have to fall silent together.
func (e *Engine) needed(g Group) int {
	share := math.Inf(1)
	if levels := e.s.Rules.For(g.cluster(), GroupSilent).Levels; len(levels) > 0 {
		share = levels[len(levels)-1].Limit
	}
	return int(math.Ceil(max(float64(e.s.Least), min(share*float64(e.sizes[g]), math.MaxInt32))))
}

// severityOf is how severe it is that so many of a group are silent.
func (e *Engine) severityOf(g Group, n int) Severity {
	rule := e.s.Rules.For(g.cluster(), GroupSilent)
	if s := rule.level(float64(n)/float64(max(e.sizes[g], 1)), ""); s != "" {
		return s
	}
	return rule.Levels[len(rule.Levels)-1].Severity
}

func (g Group) cluster() string {
	if g.Kind == GroupCluster {
		return g.Name
	}
	return g.Cluster
}

// explanation is the most specific group that explains the most of pool, and what of
// pool is in it.
func (e *Engine) explanation(pool map[string]*Incident) (Group, []string) {
	in := map[Group][]string{}
	for office := range pool {
		for _, g := range e.sites[office].groups(e.hub) {
			in[g] = append(in[g], office)
		}
	}
	most := 0
	var fit []Group
	for g, list := range in {
		if len(list) >= e.needed(g) {
			fit = append(fit, g)
			most = max(most, len(list))
		}
	}
	fit = slices.DeleteFunc(fit, func(g Group) bool { return float64(len(in[g])) < explains*float64(most) })
	if len(fit) == 0 {
		return Group{}, nil
	}
	best := slices.MinFunc(fit, func(a, b Group) int {
		return cmp.Or(cmp.Compare(e.sizes[a], e.sizes[b]), -cmp.Compare(a.depth(), b.depth()), cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Name, b.Name))
	})
	slices.Sort(in[best])
	return best, in[best]
}

// depth orders groups of one size: the line that they hang on says more than who looks
// after them.
func (g Group) depth() int {
	n := slices.Index([]string{GroupHub, GroupCluster, GroupCarrier, GroupStation}, g.Kind) * 2
	if g.Cluster != "" {
		n++
	}
	return n
}

// place makes an incident of the covered offices of a group, or makes one that is
// there larger. Others that lie within it are merged into it.
func (e *Engine) place(g Group, covered []string, pool map[string]*Incident) {
	within := map[string]bool{}
	for _, office := range covered {
		within[office] = true
	}
	var home *Incident
	fresh := 0
	for _, office := range covered {
		if pool[office] == nil {
			fresh++
		}
	}
	for _, i := range e.openOnes() {
		if i.Group == nil || i.Recovered.IsZero() && i.Out() == 0 {
			continue
		}
		inside := i.Out() > 0 && !slices.ContainsFunc(i.Concerned(), func(o string) bool { return !within[o] })
		switch {
		case *i.Group == g || inside && e.now.Sub(i.Opened) <= e.s.Window:
			if home == nil {
				home = i
			} else {
				e.merge(i, home)
			}
		}
	}
	if home == nil {
		if fresh < e.needed(g) {
			return
		}
		home = e.open(GroupSilent, "", e.severityOf(g, len(covered)))
		home.Group, home.Total = &g, e.sizes[g]
	}
	if !home.Recovered.IsZero() {
		home.Recovered, home.Drained = time.Time{}, time.Time{}
		e.note(Event{Kind: Relapsed, Incident: home.ID})
	}
	if *home.Group != g && e.sizes[g] > home.Total {
		home.Group, home.Total = &g, e.sizes[g]
		e.touch(home)
		e.note(Event{Kind: Widened, Incident: home.ID})
	}
	for _, office := range covered {
		if i := pool[office]; i == nil || !i.Open() || i == home {
			e.join(home, office)
		}
	}
	if s := e.severityOf(*home.Group, home.Out()); s.rank() > home.Severity.rank() {
		home.Severity = s
	}
}

// merge closes an incident in favour of another one, which its members go over to.
func (e *Engine) merge(i, into *Incident) {
	for _, office := range i.Concerned() {
		e.leave(i, office)
		e.join(into, office)
	}
	for _, f := range e.state.Findings {
		if f.Incident == i.ID {
			e.attach(f, into)
		}
	}
	i.Recovered, i.Closed, i.Merged = e.now, e.now, into.ID
	into.Told = earlier(into.Told, i.Told) // its people hear of the other one's end
	into.Updates = max(into.Updates, i.Updates)
	e.touch(i)
	e.touch(into)
	e.note(Event{Kind: Merged, Incident: i.ID, Into: into.ID})
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// recover ends an incident when most are back, and lets go of those that are not. Who
// is back works off what has gathered before its queue is judged again.
func (e *Engine) recover(i *Incident, f Facts) {
	if i.Recovered.IsZero() && float64(i.Out()) <= overAt*float64(i.Peak) {
		i.Recovered = e.now
		e.touch(i)
		e.note(Event{Kind: Recovered, Incident: i.ID, Count: i.Out()})
		for _, office := range i.Concerned() {
			e.leave(i, office)
			if t := e.state.Tracks[office]; t != nil {
				t.Stray = true
				e.tracks[office] = true
			}
		}
		e.release(i, f)
	}
}

// release lets go of the findings that an incident had taken in.
func (e *Engine) release(i *Incident, f Facts) {
	for n := range f.Agents {
		a := &f.Agents[n]
		if _, was := i.Members[a.Code]; was && !a.Exempt {
			t := e.state.Tracks[a.Code]
			if t == nil {
				t = &Track{}
			}
			t.Hold = e.now.Add(e.s.holdoff(a))
			e.track(a.Code, t)
		}
	}
	for _, key := range e.keys() {
		if f := e.state.Findings[key]; f.Incident == i.ID {
			e.detach(f)
			e.findings[key] = true
		}
	}
}

// holdoff is how long a box has to work off what has gathered for it and in it.
func (s Settings) holdoff(a *Agent) time.Duration {
	gathered, rate := float64(a.Bytes), 0.0
	if b := a.Beat; b != nil {
		rate = b.Rate
		if b.Backlog != nil {
			gathered += float64(*b.Backlog)
		}
	}
	if rate <= 0 || gathered <= 0 {
		return s.HoldLeast
	}
	return time.Duration(min(max(gathered/rate, s.HoldLeast.Seconds()), s.HoldMost.Seconds()) * float64(time.Second))
}

// gathered says whether something still waits for a box or in it.
func gathered(a *Agent) bool {
	return a.Waiting > 0 || a.Beat != nil && a.Beat.Backlog != nil && *a.Beat.Backlog > 0
}
