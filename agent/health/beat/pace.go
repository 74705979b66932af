package beat

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// MinGap is the least time between two heartbeats: what changes within it is
	// told together.
	MinGap = 30 * time.Second
	// FirstWithin is how long after a connection at most the first one goes; when
	// exactly is left to chance, since thousands connect at once after an outage.
	FirstWithin = time.Minute
	// stuck is how long an urgent document must have waited to count as a change:
	// most are gone before.
	stuck = 5 * time.Minute
)

// Intervals are how often heartbeats go at least, when nothing changes: over lines
// that cost nothing and over metered ones.
type Intervals struct{ Free, Metered time.Duration }

// Pacer decides when a heartbeat goes. It is pure: time and chance are handed in.
type Pacer struct {
	Intervals Intervals
	Look      time.Duration  // how often Due is asked
	Chance    func() float64 // in [0, 1)

	up    bool
	due   time.Time
	sent  time.Time
	was   string
	every time.Duration
}

// Down is told that the office has no connection.
func (p *Pacer) Down() { p.up = false }

// Every is the interval over a line.
func (p *Pacer) Every(metered bool) time.Duration {
	if metered {
		return p.Intervals.Metered
	}
	return p.Intervals.Free
}

// Due tells whether b is to be sent now, over the connection that there is. It
// is when its time has come, or when what a person would have to know has changed
// since the last one that was Sent.
func (p *Pacer) Due(now time.Time, b Beat) bool {
	every := p.Every(b.Line.Metered)
	if !p.up {
		p.up, p.due = true, now.Add(p.spread(min(FirstWithin, every)))
	}
	if every != p.every && !p.sent.IsZero() {
		if next := p.sent.Add(every); next.Before(p.due) {
			p.due = next
		}
	}
	p.every = every
	if !now.Before(p.due) {
		return true
	}
	gap := min(MinGap, every/2)
	return !p.sent.IsZero() && Gist(now, b) != p.was && now.Sub(p.sent) >= gap
}

// Sent is told that b went. The next one follows within the interval, a tenth of
// which is left to chance.
func (p *Pacer) Sent(now time.Time, b Beat) {
	every := p.Every(b.Line.Metered)
	p.sent, p.was, p.every = now, Gist(now, b), every
	p.due = now.Add(every - p.Look - p.spread(every/10))
}

func (p *Pacer) spread(d time.Duration) time.Duration {
	return time.Duration(p.Chance() * float64(d))
}

// Gist is what in b a person would want to know at once: which conditions hold, of
// which urgency documents are stuck, and whose signatures fail.
func Gist(now time.Time, b Beat) string {
	var list []string
	for _, c := range b.Conditions {
		name, _ := c.Args["name"].(string)
		list = append(list, c.Code+"\x00"+name)
	}
	for _, l := range b.Queue.Levels {
		if l.Urgency > 0 && l.Count > 0 && now.Sub(l.Since) >= stuck {
			list = append(list, strconv.Itoa(int(l.Urgency)))
		}
	}
	for _, f := range b.Failed {
		list = append(list, "failed\x00"+f.Sender)
	}
	slices.Sort(list)
	return strings.Join(list, "\x01")
}
