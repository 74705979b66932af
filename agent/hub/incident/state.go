package incident

import (
	"maps"
	"slices"
	"time"

	"tram/agent/hours"
	"tram/agent/workdays"
)

// MaxUpdates is how many updates follow at most what was told of an incident first.
const MaxUpdates = 4

// Settings are what does not change while an engine runs. Make them by
// [DefaultSettings].
type Settings struct {
	Rules    Rules
	Calendar *workdays.Calendar
	// OnCall are the hours in which somebody takes what is critical; empty: all.
	OnCall hours.Week
	// Interval is that of heartbeats. Who is back must be so for two of them.
	Interval time.Duration
	// Grace is how long a box may be away before that matters to what waits for it.
	Grace time.Duration
	// Settle is how long offices have to come back after the hub has started.
	Settle time.Duration
	// Morning is how long after opening a box may still be switched off, Evening how
	// long before closing it may be already.
	Morning, Evening time.Duration
	// Window is the time within which offices fall silent together, Least how many at
	// least. The share is the limit of the rule GroupSilent.
	Window time.Duration
	Least  int
	// Between is the least time between two updates, Change the share by which the
	// number of offices must differ from what was told.
	Between time.Duration
	Change  float64
	// Drain bounds how long the note of recovery waits for the backlog to drain.
	Drain time.Duration
	// HoldLeast and HoldMost bound the hold-off of offices that have come back.
	HoldLeast, HoldMost time.Duration
}

// DefaultSettings are the settings where nobody set anything.
func DefaultSettings(cal *workdays.Calendar) Settings {
	return Settings{
		Rules: DefaultRules(), Calendar: cal,
		Interval: 5 * time.Minute, Grace: 15 * time.Minute, Settle: 10 * time.Minute,
		Morning: time.Hour, Evening: 30 * time.Minute,
		Window: 10 * time.Minute, Least: 5, Between: 15 * time.Minute, Change: 0.25,
		Drain: 2 * time.Hour, HoldLeast: 10 * time.Minute, HoldMost: 12 * time.Hour,
	}
}

// Faster are the settings for a clock that runs n times as fast: all times are divided by
// n, those of rules too. Office hours stay what they are. It is for trials.
func (s Settings) Faster(n int) Settings {
	by := time.Duration(n)
	for _, d := range []*time.Duration{&s.Interval, &s.Grace, &s.Settle, &s.Morning, &s.Evening, &s.Window, &s.Between, &s.Drain, &s.HoldLeast, &s.HoldMost} {
		*d /= by
	}
	s.Rules = s.Rules.clone()
	for _, rules := range append(slices.Collect(maps.Values(s.Rules.clusters)), s.Rules.all) {
		for code, r := range rules {
			r.Wait, r.Quiet = r.Wait/by, r.Quiet/by
			if r.Unit == Seconds {
				r.Levels = slices.Clone(r.Levels)
				for i := range r.Levels {
					r.Levels[i].Limit /= float64(n)
				}
			}
			rules[code] = r
		}
	}
	return s
}

// ID numbers incidents from 1; 0 is none.
type ID int64

// Key names a finding: what is wrong, with what, and which office it concerns.
type Key struct {
	Rule    Code   `json:"rule"`
	Subject string `json:"subject"` // office, document, sender, or condition of the hub
	Office  string `json:"office,omitempty"`
}

// Reason says why a finding has no incident.
type Reason string

// Reasons.
const (
	CatchingUp Reason = "catching-up" // the office is back and works off what has gathered
	InQuiet    Reason = "quiet"       // it was told not long ago
)

// Finding is something that is wrong now.
type Finding struct {
	Key
	Severity Severity  `json:"severity"`
	Since    time.Time `json:"since"`
	Value    float64   `json:"value"` // in the unit of its rule, when it was found or became worse
	Cluster  string    `json:"cluster,omitempty"`
	Week     string    `json:"week,omitempty"` // in which its time ends
	Incident ID        `json:"incident,omitzero"`
	Why      Reason    `json:"why,omitempty"` // why there is no incident
}

// Member is an office, or what else is concerned, in an incident.
type Member struct {
	Joined  time.Time `json:"joined"`
	Left    time.Time `json:"left,omitzero"`    // zero: it is still concerned
	Drained time.Time `json:"drained,omitzero"` // when nothing waited any more, after it had left
}

// Ack says who took an incident over.
type Ack struct {
	At   time.Time `json:"at"`
	By   string    `json:"by"`
	Note string    `json:"note,omitempty"`
}

// Incident is what people are told of as one.
type Incident struct {
	ID       ID                `json:"id"`
	Rule     Code              `json:"rule"`
	Scope    string            `json:"scope"` // document, sender, cluster, week; "" for all
	Group    *Group            `json:"group,omitempty"`
	Total    int               `json:"total,omitzero"` // offices of the group
	Severity Severity          `json:"severity"`       // the worst so far
	Opened   time.Time         `json:"opened"`
	Members  map[string]Member `json:"members"`
	Peak     int               `json:"peak"` // most members at a time
	// Recovered is when it was over, Drained when what had gathered was worked off,
	// Closed when nothing is left to be done.
	Recovered time.Time `json:"recovered,omitzero"`
	Drained   time.Time `json:"drained,omitzero"`
	Closed    time.Time `json:"closed,omitzero"`
	Merged    ID        `json:"merged,omitzero"` // the incident that took it over
	// Told is when people were first told, Updated when last, Count of how many
	// members, and how severe.
	Told    time.Time `json:"told,omitzero"`
	Updated time.Time `json:"updated,omitzero"`
	Updates int       `json:"updates,omitzero"`
	Count   int       `json:"count,omitzero"`
	As      Severity  `json:"as,omitempty"`
	Ack     *Ack      `json:"ack,omitempty"`
	Snoozed time.Time `json:"snoozed,omitzero"` // until when nothing is told
}

// Open says that it is not closed.
func (i *Incident) Open() bool { return i.Closed.IsZero() }

// Out counts the members that are still concerned.
func (i *Incident) Out() int {
	n := 0
	for _, m := range i.Members {
		if m.Left.IsZero() {
			n++
		}
	}
	return n
}

// Concerned lists the members that are still concerned, sorted.
func (i *Incident) Concerned() []string {
	var list []string
	for name, m := range i.Members {
		if m.Left.IsZero() {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// Track is what has to be remembered of an office from one step to the next.
type Track struct {
	Silent time.Time   `json:"silent,omitzero"` // since when it is missed
	Back   time.Time   `json:"back,omitzero"`   // when it came back, until that has held
	Stray  bool        `json:"stray,omitzero"`  // its group came back without it
	Drops  []time.Time `json:"drops,omitempty"` // of the last hour
	// Grown is since when its backlog has only grown, Grew when it last did, Backlog
	// what it was then.
	Grown   time.Time          `json:"grown,omitzero"`
	Grew    time.Time          `json:"grew,omitzero"`
	Backlog int64              `json:"backlog,omitzero"`
	Hold    time.Time          `json:"hold,omitzero"` // until when it catches up
	Told    map[Code]time.Time `json:"told,omitempty"`
}

func (t *Track) empty() bool {
	return t.Silent.IsZero() && len(t.Drops) == 0 && t.Grown.IsZero() && t.Hold.IsZero() && len(t.Told) == 0
}

// State is what an engine knows from earlier steps.
type State struct {
	Last      ID // the last number given
	Incidents map[ID]*Incident
	Findings  map[Key]*Finding
	Tracks    map[string]*Track
	Daily     time.Time // of the last digests
	Weekly    time.Time
}

// NewState is that of a fleet in which nothing has happened yet.
func NewState() *State {
	return &State{Incidents: map[ID]*Incident{}, Findings: map[Key]*Finding{}, Tracks: map[string]*Track{}}
}
