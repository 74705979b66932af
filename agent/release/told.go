package release

import (
	"encoding/json"
	"fmt"

	"tram/sync/bundle"
)

// Limits of what is told, hard: what is over them is ErrMalformed.
const (
	MaxTold  = 64 << 10 // bytes of a report
	MaxPlan  = 64 << 10 // bytes of a plan
	MaxNamed = 500      // offices of ring 0
	maxTold  = 64       // failures or rings in a report
	maxWord  = 64       // bytes of a reason
)

// Rings: a release opens for the offices that are named, then for a share of all,
// then for all.
const (
	RingNamed = 0
	RingShare = 1
	RingAll   = 2
)

// Failure is a release that was taken back, or was not taken.
type Failure struct {
	Version string `json:"version"`
	Serial  uint64 `json:"serial"`
	Reason  string `json:"reason"`
}

// Told is what an office tells its hub about its software, and a hub the one above
// about the offices below it. It is the JSON of a report whose object has the role
// software.
type Told struct {
	Format  int       `json:"v"`
	Version string    `json:"version"` // that runs
	Serial  uint64    `json:"serial"`  // of the newest release that was installed
	OS      string    `json:"os"`
	Arch    string    `json:"arch"`
	Failed  []Failure `json:"failed,omitempty"`  // taken back, the newest last
	Refused *Failure  `json:"refused,omitempty"` // not taken; what was taken later ends it
	Stuck   *Failure  `json:"stuck,omitempty"`   // runs, is not well, and cannot be taken back
	Below   []Count   `json:"below,omitempty"`   // of a hub
}

// Count is how far a release has come in one ring.
type Count struct {
	Serial  uint64 `json:"serial"`
	Ring    int    `json:"ring"`
	Offices int    `json:"offices"` // that it is for
	Done    int    `json:"done"`    // run it, or a newer one
	Failed  int    `json:"failed"`  // took it back, or are not well with it
	Silent  int    `json:"silent"`  // were sent it long ago and say nothing
}

// Plan is what a hub tells those below it about a release: who is to get it.
type Plan struct {
	Format  int      `json:"v"`
	Serial  uint64   `json:"serial"`
	Ring    int      `json:"ring"` // highest that is open
	Named   []string `json:"named,omitempty"`
	Percent int      `json:"percent"` // share of ring 1
	Stopped bool     `json:"stopped"` // goes to nobody for now
}

const toldFormat = 1

// Encode gives the JSON.
func (t Told) Encode() ([]byte, error) { t.Format = toldFormat; return json.Marshal(t) }

// Encode gives the JSON.
func (p Plan) Encode() ([]byte, error) { p.Format = toldFormat; return json.Marshal(p) }

// ParseTold reads a report about software.
func ParseTold(raw []byte) (t Told, err error) {
	if err := parseJSON(raw, MaxTold, &t); err != nil {
		return t, err
	}
	switch {
	case t.Format != toldFormat:
		return t, malformed("report of format %d", t.Format)
	case len(t.Version) > maxVersion || !platformWord(t.OS) || !platformWord(t.Arch):
		return t, malformed("software %.70q on %.20q/%.20q", t.Version, t.OS, t.Arch)
	case len(t.Failed) > maxTold || len(t.Below) > maxTold:
		return t, malformed("report of %d failures and %d rings", len(t.Failed), len(t.Below))
	}
	for _, f := range t.Failed {
		if err := f.check(); err != nil {
			return t, err
		}
	}
	for _, f := range []*Failure{t.Refused, t.Stuck} {
		if f == nil {
			continue
		}
		if err := f.check(); err != nil {
			return t, err
		}
	}
	for _, c := range t.Below {
		if c.Ring < RingNamed || c.Ring > RingAll || min(c.Offices, c.Done, c.Failed, c.Silent) < 0 || c.Done > c.Offices || c.Failed > c.Offices || c.Silent > c.Offices {
			return t, malformed("count %+v", c)
		}
	}
	return t, nil
}

func (f Failure) check() error {
	if len(f.Version) > maxVersion || len(f.Reason) > maxWord {
		return malformed("failure %.70q %.70q", f.Version, f.Reason)
	}
	return nil
}

// ParsePlan reads a plan.
func ParsePlan(raw []byte) (p Plan, err error) {
	if err := parseJSON(raw, MaxPlan, &p); err != nil {
		return p, err
	}
	if p.Format != toldFormat || p.Ring < RingNamed || p.Ring > RingAll || p.Percent < 0 || p.Percent > 100 || len(p.Named) > MaxNamed {
		return p, malformed("plan %d of ring %d, %d %%, %d offices", p.Format, p.Ring, p.Percent, len(p.Named))
	}
	for _, code := range p.Named {
		if err := bundle.CheckCode(code); err != nil {
			return p, malformed("plan: %v", err)
		}
	}
	return p, nil
}

func parseJSON(raw []byte, limit int, v any) error {
	if len(raw) > limit {
		return malformed("%d bytes", len(raw))
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}
