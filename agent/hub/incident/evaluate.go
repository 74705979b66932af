package incident

import (
	"fmt"
	"time"

	"tram/agent/clock"
	"tram/agent/workdays"
)

// reading is a value that a rule judges.
type reading struct {
	Key
	cluster string
	value   float64
	week    string // of the end that is near
	unknown bool   // nothing can be said: a finding stays as it is
	sure    bool   // it is a finding of the last level whatever the value
}

// readings are the values of all rules, but for GroupSilent.
func (e *Engine) readings(now time.Time, f Facts) []reading {
	list := e.ofHub(now, f.Hub)
	for _, d := range f.Documents {
		list = append(list, e.ofDocument(now, d)...)
	}
	for _, s := range f.Signatures {
		if age := now.Sub(s.At); age < kept {
			list = append(list, reading{Key: Key{SignatureBad, s.Sender, s.Office}, cluster: e.sites[s.Office].Cluster, value: 1})
		}
	}
	for i := range f.Agents {
		if a := &f.Agents[i]; !a.Exempt {
			list = e.ofAgent(now, a, list)
		}
	}
	return list
}

func (e *Engine) ofHub(now time.Time, h Hub) []reading {
	var list []reading
	for _, c := range h.Conditions {
		list = append(list, reading{Key: Key{HubDegraded, c.Code, ""}, value: 1})
	}
	if !h.Ends.IsZero() {
		list = append(list, reading{Key: Key{CertificateEnding, h.Code, ""}, value: h.Ends.Sub(now).Seconds(), week: weekOf(h.Ends)})
	}
	if !h.List.IsZero() {
		list = append(list, reading{Key: Key{RevocationOld, h.Code, ""}, value: now.Sub(h.List).Seconds()})
	}
	return list
}

// urgencies are the rules of documents by urgency.
var urgencies = [4]Code{ThuongLate, KhanLate, ThuongKhanLate, HoaTocLate}

// CodeOf is the rule of documents of an urgency.
func CodeOf(urgency int) Code { return urgencies[max(0, min(urgency, len(urgencies)-1))] }

func (e *Engine) ofDocument(now time.Time, d Document) []reading {
	code := CodeOf(d.Urgency)
	list := make([]reading, 0, len(d.Waiting))
	for _, office := range d.Waiting {
		cluster := e.sites[office].Cluster
		r := reading{Key: Key{code, d.ID, office}, cluster: cluster, value: now.Sub(d.Since).Seconds()}
		if rule := e.s.Rules.For(cluster, code); rule.Unit == WorkingDays && len(rule.Levels) > 0 {
			r.value, r.sure = 0, !now.Before(e.s.Due(cluster, d.Urgency, d.Since))
		}
		list = append(list, r)
	}
	return list
}

// Due is when a document that the hub took over at since is late for an office in
// cluster; the zero time: never.
func (s Settings) Due(cluster string, urgency int, since time.Time) time.Time {
	rule := s.Rules.For(cluster, CodeOf(urgency))
	if len(rule.Levels) == 0 {
		return time.Time{}
	}
	limit := rule.Levels[len(rule.Levels)-1].Limit
	if rule.Unit == WorkingDays {
		return closingAfter(s.Calendar, since, int(limit))
	}
	return since.Add(time.Duration(limit * float64(time.Second)))
}

func (e *Engine) ofAgent(now time.Time, a *Agent, list []reading) []reading {
	t := e.state.Tracks[a.Code]
	key := func(code Code) Key { return Key{code, a.Code, a.Code} }
	add := func(r reading) { list = append(list, r) }
	if t != nil && !t.Silent.IsZero() {
		away := now.Sub(t.Silent)
		waits := a.Waiting > 0 && away >= e.s.Grace
		if was := e.state.Findings[key(Silent)]; was != nil {
			waits = true // what waited may have run out; it is still away
		}
		if waits || away >= e.s.Grace {
			add(reading{Key: key(Silent), cluster: a.Site.Cluster, value: e.worked(a, t.Silent, now).Seconds(), sure: waits})
		}
	}
	if t != nil && len(t.Drops) > 0 {
		add(reading{Key: key(Flapping), cluster: a.Site.Cluster, value: float64(len(t.Drops))})
	}
	for _, v := range figures {
		rule := e.s.Rules.For(a.Site.Cluster, v.code)
		if len(rule.Levels) == 0 {
			continue
		}
		if a.Beat == nil || !a.Online {
			if e.state.Findings[key(v.code)] != nil {
				add(reading{Key: key(v.code), unknown: true})
			}
			continue
		}
		if value, week, ok := v.of(e, now, a, t); ok {
			add(reading{Key: key(v.code), cluster: a.Site.Cluster, value: value, week: week})
		}
	}
	return list
}

// worked is how much working time lies between two times.
func (e *Engine) worked(a *Agent, from, to time.Time) time.Duration {
	if a.Round {
		return to.Sub(from)
	}
	if to.Sub(from) > maxIdle*24*time.Hour {
		from = to.Add(-maxIdle * 24 * time.Hour)
	}
	return workdays.Left(e.s.Calendar, to, from).Work
}

// figure is what a rule takes from a heartbeat; false: it does not say.
type figure struct {
	code Code
	of   func(e *Engine, now time.Time, a *Agent, t *Track) (value float64, week string, ok bool)
}

// figures are in the order of the table of rules.
var figures = []figure{
	{OldestUnsent, func(e *Engine, _ time.Time, a *Agent, _ *Track) (float64, string, bool) { return e.oldest(a), "", true }},
	{QueueSlow, func(_ *Engine, _ time.Time, a *Agent, _ *Track) (float64, string, bool) {
		b := a.Beat
		if b.Backlog == nil || b.Rate <= 0 && *b.Backlog > 0 {
			return 0, "", false
		}
		if *b.Backlog == 0 {
			return 0, "", true
		}
		return float64(*b.Backlog) / b.Rate, "", true
	}},
	{QueueGrowing, func(_ *Engine, now time.Time, a *Agent, t *Track) (float64, string, bool) {
		if a.Beat.Backlog == nil || t == nil || t.Grown.IsZero() {
			return 0, "", a.Beat.Backlog != nil
		}
		if now.Sub(t.Grew) > time.Hour { // it stands still
			return 0, "", true
		}
		return now.Sub(t.Grown).Seconds(), "", true
	}},
	{ClockOff, optional(func(b *Beat) *float64 { return b.Clock })},
	{ClockBack, func(_ *Engine, _ time.Time, a *Agent, _ *Track) (float64, string, bool) {
		if a.Beat.Back {
			return 1, "", true
		}
		return 0, "", true
	}},
	{DiskFilling, func(_ *Engine, _ time.Time, a *Agent, _ *Track) (float64, string, bool) {
		if a.Beat.Full == nil {
			return 0, "", false
		}
		return *a.Beat.Full * day, "", true
	}},
	{CertificateEnding, func(_ *Engine, now time.Time, a *Agent, _ *Track) (float64, string, bool) {
		left := a.Beat.Certificate.Sub(now).Seconds()
		if a.Beat.Certificate.IsZero() || a.Beat.Renewing && left > 7*day {
			return 0, "", false
		}
		return left, weekOf(a.Beat.Certificate), true
	}},
	{VersionBehind, func(_ *Engine, _ time.Time, a *Agent, _ *Track) (float64, string, bool) {
		if a.Beat.Behind == nil {
			return 0, "", false
		}
		return float64(*a.Beat.Behind), "", true
	}},
	{VersionOld, func(_ *Engine, _ time.Time, a *Agent, _ *Track) (float64, string, bool) {
		return a.Beat.BehindFor.Seconds(), "", true
	}},
	{SIMForecast, optional(func(b *Beat) *float64 { return b.SIM })},
	{SIMJump, optional(func(b *Beat) *float64 { return b.Jump })},
	{BackupOld, func(_ *Engine, now time.Time, a *Agent, _ *Track) (float64, string, bool) {
		if a.Beat.Backup.IsZero() {
			return 0, "", false
		}
		return now.Sub(a.Beat.Backup).Seconds(), "", true
	}},
}

func optional(of func(*Beat) *float64) func(*Engine, time.Time, *Agent, *Track) (float64, string, bool) {
	return func(_ *Engine, _ time.Time, a *Agent, _ *Track) (float64, string, bool) {
		if v := of(a.Beat); v != nil {
			return max(*v, -*v), "", true
		}
		return 0, "", false
	}
}

// oldest is how old what an office has not sent is, in parts of what its urgency allows.
// Of an ordinary document that is until the end of the next working day, here a day.
func (e *Engine) oldest(a *Agent) (most float64) {
	for urgency, age := range a.Beat.Oldest {
		limit := 24 * time.Hour.Seconds()
		if rule := e.s.Rules.For(a.Site.Cluster, CodeOf(urgency)); rule.Unit == Seconds && len(rule.Levels) > 0 {
			limit = rule.Levels[len(rule.Levels)-1].Limit
		}
		most = max(most, age.Seconds()/limit)
	}
	return most
}

// weekOf names the week of a time in Vietnam.
func weekOf(t time.Time) string {
	year, week := t.In(clock.Vietnam).ISOWeek()
	return fmt.Sprintf("%04d-W%02d", year, week)
}

// observe follows each box: since when it is missed, whether it is back for good, how
// often it came and went, whether its backlog only grows.
func (e *Engine) observe(now time.Time, f Facts) {
	here := make(map[string]bool, len(f.Agents))
	for i := range f.Agents {
		a := &f.Agents[i]
		here[a.Code] = true
		if a.Exempt {
			e.forget(a.Code)
			continue
		}
		t := e.state.Tracks[a.Code]
		fresh := t == nil
		if fresh {
			t = &Track{}
		}
		changed := e.presence(now, f.Hub, a, t)
		changed = e.growth(now, a, t) || changed
		changed = e.prune(now, a, t) || changed
		if changed {
			e.track(a.Code, t)
		}
	}
	for code := range e.state.Tracks {
		if !here[code] {
			e.forget(code)
		}
	}
	e.seen, e.was = e.was, e.seen
	clear(e.was)
}

// track keeps what is remembered of an office, or drops it when that is nothing.
func (e *Engine) track(code string, t *Track) {
	if t.empty() {
		delete(e.state.Tracks, code)
	} else {
		e.state.Tracks[code] = t
	}
	e.tracks[code] = true
}

func (e *Engine) forget(code string) {
	if e.state.Tracks[code] != nil {
		e.track(code, &Track{})
	}
}

func (e *Engine) presence(now time.Time, h Hub, a *Agent, t *Track) (changed bool) {
	before, known := e.seen[a.Code]
	e.was[a.Code] = standing{a.Online, a.Since}
	settled := h.Up.Add(e.s.Settle)
	if known && a.Since.After(before.since) && (before.online || !a.Online) && now.After(settled) {
		t.Drops, changed = append(t.Drops, a.Since), true
	}
	if !a.Online {
		since := a.Since
		if since.Before(settled) {
			since = settled
		}
		if !t.Back.IsZero() {
			t.Back, changed = time.Time{}, true
		}
		if t.Silent.IsZero() {
			if missed := e.s.missedSince(*a, since); !now.Before(missed) {
				t.Silent, changed = missed, true
			}
		}
		return changed
	}
	if t.Silent.IsZero() {
		return changed
	}
	if t.Back.IsZero() || t.Back.Before(a.Since) {
		t.Back, changed = a.Since, true
	}
	if now.Sub(t.Back) >= 2*e.s.Interval {
		t.Silent, t.Back, t.Stray, changed = time.Time{}, time.Time{}, false, true
	}
	return changed
}

func (e *Engine) growth(now time.Time, a *Agent, t *Track) (changed bool) {
	if a.Beat == nil || a.Beat.Backlog == nil || !a.Online {
		return false
	}
	size := *a.Beat.Backlog
	switch {
	case size == 0:
		changed = !t.Grown.IsZero()
		t.Grown, t.Grew, t.Backlog = time.Time{}, time.Time{}, 0
	case t.Grown.IsZero() || size < t.Backlog:
		t.Grown, t.Grew, t.Backlog, changed = now, now, size, true
	case size > t.Backlog:
		t.Grew, t.Backlog, changed = now, size, true
	}
	return changed
}

// prune drops what is too old to matter.
func (e *Engine) prune(now time.Time, a *Agent, t *Track) (changed bool) {
	old := 0
	for old < len(t.Drops) && (now.Sub(t.Drops[old]) > time.Hour || len(t.Drops)-old > maxDrops) {
		old++
	}
	if old > 0 {
		t.Drops, changed = t.Drops[old:], true
	}
	if !t.Hold.IsZero() && !now.Before(t.Hold) {
		t.Hold, changed = time.Time{}, true
	}
	for code, at := range t.Told {
		if now.Sub(at) >= e.s.Rules.For(a.Site.Cluster, code).Quiet {
			delete(t.Told, code)
			changed = true
		}
	}
	return changed
}

// maxDrops bounds what is remembered of a box that comes and goes.
const maxDrops = 60
