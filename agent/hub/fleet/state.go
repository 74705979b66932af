package fleet

import (
	"fmt"
	"slices"
	"time"

	"tram/agent/clock"
	"tram/agent/hours"
	"tram/agent/i18n"
)

// State is how a box stands, in the one vocabulary of command line, console and
// alerts. Their numbers are stored: never change one.
type State uint8

// The states.
const (
	NotEnrolled State = iota // invited, never seen
	Normal
	Late              // it should have been heard, or is not steady
	OutOfContact      // what it holds is not known
	OutOfContactGroup // the same, as part of an open incident
	NeedsRepair       // reachable, and somebody has to set something right
	Stopped           // by the operator: revoked or paused
)

// States lists all of them.
var States = []State{NotEnrolled, Normal, Late, OutOfContact, OutOfContactGroup, NeedsRepair, Stopped}

var stateNames = [...]string{"not-enrolled", "normal", "late", "out-of-contact", "out-of-contact-group", "needs-repair", "stopped"}

// letters stand for the states in Columns.
const letters = "-nlogrs"

// String is the name in commands and JSON.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state-%d", uint8(s))
}

// Text says it in lang.
func (s State) Text(lang i18n.Lang) string { return i18n.T(lang, "fleet.state."+s.String()) }

// ParseState finds the state of a name.
func ParseState(name string) (State, bool) {
	i := slices.Index(stateNames[:], name)
	return State(max(i, 0)), i >= 0
}

// MarshalText writes the name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a name.
func (s *State) UnmarshalText(text []byte) error {
	read, ok := ParseState(string(text))
	if !ok {
		return fmt.Errorf("read state of a box: %q", text)
	}
	*s = read
	return nil
}

// silent tells whether nothing is heard of a box in s.
func (s State) silent() bool { return s == OutOfContact || s == OutOfContactGroup }

// Reason is why a box is in its state: one of the codes below, or the code of a
// health.Condition of the box.
type Reason struct {
	Code string    `json:"code"`
	Args i18n.Args `json:"args,omitempty"`
}

// Codes of reasons. Never rename one: operators' tools know them.
const (
	ReasonWaiting    = "late"        // for its next contact
	ReasonOffHours   = "off-hours"   // outside of its usual hours
	ReasonReturning  = "returning"   // back, not for long yet
	ReasonFlapping   = "flapping"    // its connection comes and goes
	ReasonNoReport   = "no-report"   // connected, but no heartbeat comes
	ReasonSilent     = "silent"      // past its grace
	ReasonNeverHeard = "never-heard" // enrolled, and never connected
	ReasonIncident   = "incident"    // part of a group incident
	ReasonRevoked    = "revoked"
	ReasonPaused     = "paused"
	ReasonQueueOld   = "queue-old"  // an urgent document should have left it
	ReasonQueueSlow  = "queue-slow" // its queue takes too long at the measured rate
	ReasonDiskSoon   = "disk-soon"  // its disk will be full
	ReasonUnknown    = "unknown"    // a condition that this software has no words for
)

// Reasons are the codes above.
var Reasons = []string{
	ReasonWaiting, ReasonOffHours, ReasonReturning, ReasonFlapping, ReasonNoReport, ReasonSilent, ReasonNeverHeard, ReasonIncident,
	ReasonRevoked, ReasonPaused, ReasonQueueOld, ReasonQueueSlow, ReasonDiskSoon, ReasonUnknown,
}

// Text says it in lang; "" for no reason.
func (r Reason) Text(lang i18n.Lang) string {
	for _, key := range []string{"fleet.reason." + r.Code, "health." + r.Code} {
		if i18n.Has(key) {
			return i18n.T(lang, key, r.Args)
		}
	}
	if r.Code == "" {
		return ""
	}
	return i18n.T(lang, "fleet.reason."+ReasonUnknown, i18n.Args{"code": r.Code})
}

const (
	// DefaultInterval is within which a box that has lost its connection is heard
	// again as a rule, when it has no plan of its own.
	DefaultInterval = 5 * time.Minute
	// graceIntervals are how many intervals a box may be late before it is out of
	// contact; holdIntervals how many it must be well to count as recovered.
	graceIntervals = 3
	holdIntervals  = 2
	// missedReports is how many heartbeats of a connected box may be missing.
	missedReports = 2
	// maxFlaps is how many losses of its connection in flapWindow are borne.
	maxFlaps   = 6
	flapWindow = time.Hour
)

// Facts are what a box is judged by. Times are the hub's.
type Facts struct {
	Enrolled, Revoked, Paused bool
	Incident                  string // open group incident that it is part of
	Online                    bool
	Since                     time.Time     // of Online
	Seen                      time.Time     // last contact; zero: never
	Beat                      time.Time     // last heartbeat; zero: never
	Every, Away               time.Duration // what that said
	Trouble                   Reason        // what somebody has to set right, by the last heartbeat
	QueueDue                  time.Time     // when an urgent document should have left it; zero: none waits
	Flaps                     int           // losses of its connection within flapWindow
	Hours                     hours.Week    // its usual hours; empty: always
	// Watching is since when the hub can hear its offices; Interval is
	// DefaultInterval but in tests.
	Watching time.Time
	Interval time.Duration
}

// Standing is a judgement.
type Standing struct {
	State  State
	Reason Reason
	Since  time.Time // of State; zero: never judged
	// Well is since when the box has looked recovered without counting as such.
	Well time.Time
}

// Judge says how a box stands, given how it stood.
func Judge(now time.Time, last Standing, f Facts) Standing {
	if f.Interval == 0 {
		f.Interval = DefaultInterval
	}
	next := Standing{Since: now}
	next.State, next.Reason = f.find(now)
	watched := last.State == Late || last.State.silent() || last.State == NeedsRepair
	contact := f.Online || f.Beat.After(f.Since) && now.Sub(f.Beat) <= f.Interval
	switch {
	case last.Since.IsZero() || !watched:
	case !contact && (next.State == Normal || next.State == NeedsRepair || next.State == Late && last.State.silent()):
		// Nobody gets better by being silent.
		next.State, next.Reason = last.State, last.Reason
		if last.State == OutOfContactGroup && f.Incident == "" {
			next.State, next.Reason = OutOfContact, Reason{Code: ReasonSilent}
		}
	case next.State == Normal:
		next.Well = last.Well
		if next.Well.IsZero() {
			next.Well = now
		}
		switch {
		case now.Sub(next.Well) >= holdIntervals*f.Interval:
			next.Well = time.Time{}
		case last.State == NeedsRepair:
			next.State, next.Reason = last.State, last.Reason
		default:
			next.State, next.Reason = Late, Reason{Code: ReasonReturning}
		}
	}
	if next.State == last.State && !last.Since.IsZero() {
		next.Since = last.Since
	}
	return next
}

// find is the state by the facts alone.
func (f Facts) find(now time.Time) (State, Reason) {
	switch {
	case f.Revoked:
		return Stopped, Reason{Code: ReasonRevoked}
	case f.Paused:
		return Stopped, Reason{Code: ReasonPaused}
	case !f.Enrolled:
		return NotEnrolled, Reason{}
	}
	if !f.Online {
		if s, r := f.silence(now); s != Normal {
			return s, r
		}
	}
	switch {
	case f.Trouble.Code != "":
		return NeedsRepair, f.Trouble
	case !f.QueueDue.IsZero() && now.After(f.QueueDue):
		return NeedsRepair, Reason{Code: ReasonQueueOld, Args: i18n.Args{"since": f.QueueDue.In(clock.Vietnam).Format("15:04 02/01/2006")}}
	case f.Flaps > maxFlaps:
		return Late, Reason{Code: ReasonFlapping}
	case f.Online && !f.Beat.IsZero() && now.Sub(latest(f.Beat, f.Since, f.Watching)) > missedReports*f.Every:
		return Late, Reason{Code: ReasonNoReport}
	}
	return Normal, Reason{}
}

// silence judges a box that has no connection.
func (f Facts) silence(now time.Time) (State, Reason) {
	due, base := max(f.Interval, f.Away), latest(f.Seen, f.Watching)
	if now.Sub(base) <= due {
		return Normal, Reason{}
	}
	if local := now.In(clock.Vietnam); len(f.Hours) > 0 {
		if !f.Hours.Contains(local) {
			return Late, Reason{Code: ReasonOffHours}
		}
		base = latest(base, opened(f.Hours, local))
	}
	never := ReasonSilent
	if f.Seen.IsZero() {
		never = ReasonNeverHeard
	}
	switch silence := now.Sub(base); {
	case silence <= due:
		return Late, Reason{Code: ReasonOffHours}
	case f.Incident != "":
		return OutOfContactGroup, Reason{Code: ReasonIncident, Args: i18n.Args{"incident": f.Incident}}
	case silence <= due+graceIntervals*f.Interval:
		return Late, Reason{Code: ReasonWaiting}
	}
	return OutOfContact, Reason{Code: never}
}

// opened is when the usual hours that contain now began; a week ago when they
// never end.
func opened(w hours.Week, now time.Time) time.Time {
	at := now.AddDate(0, 0, -7)
	for {
		next := w.Next(at)
		if next.IsZero() || next.After(now) {
			return at
		}
		at = next
	}
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// Short says it in a few words: what is wrong with the box itself by its code.
func (r Reason) Short(lang i18n.Lang) string {
	if i18n.Has("fleet.reason." + r.Code) {
		return i18n.T(lang, "fleet.short."+r.Code)
	}
	return r.Code
}
