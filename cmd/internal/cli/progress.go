package cli

import (
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// How often progress is shown.
const (
	redrawEvery = 100 * time.Millisecond // on a terminal
	lineEvery   = 30 * time.Second       // elsewhere
	jsonEvery   = 5 * time.Second        // with --json
)

// rateWindow is the time over which the shown rate is averaged.
const rateWindow = 5 * time.Second

// defaultWidth is the width of a terminal that does not tell its own.
const defaultWidth = 80

// Progress shows how far one transfer is, on standard error: one redrawn line
// on a terminal, else a plain line now and then, with --json a line of JSON. It
// belongs to one goroutine.
type Progress struct {
	c     *Console
	label string
	shown time.Time
	drawn bool // an unfinished line stands on the terminal

	done, total int64
	sampleAt    time.Time
	sample      int64
	rate        float64 // bytes per second
}

// status is the JSON form, one line each time.
type status struct {
	MessageType string  `json:"message_type"`
	Name        string  `json:"name"`
	Done        int64   `json:"bytes_done"`
	Total       int64   `json:"bytes_total"`
	Rate        float64 `json:"bytes_per_second"`
}

// Progress starts a progress display for what label names.
func (c *Console) Progress(label string) *Progress {
	now := time.Now()
	return &Progress{c: c, label: OneLine(label), shown: now, sampleAt: now}
}

// Set says that done of total bytes are through. Call it as often as is
// convenient. total 0 means not known.
func (p *Progress) Set(done, total int64) {
	now := time.Now()
	p.done, p.total = done, total
	p.measure(now)
	every := lineEvery
	switch {
	case p.c.Quiet:
		return
	case p.c.JSON:
		every = jsonEvery
	case p.redraws():
		every = redrawEvery
	}
	if now.Sub(p.shown) < every {
		return
	}
	p.shown = now
	p.show()
}

// Finish shows the last state on a terminal and ends the line. It may be called
// more than once.
func (p *Progress) Finish() {
	if !p.drawn {
		return
	}
	p.show()
	fmt.Fprintln(p.c.Err)
	p.drawn = false
}

func (p *Progress) redraws() bool { return p.c.errTTY && !p.c.NoColor }

// measure averages the rate over rateWindow.
func (p *Progress) measure(now time.Time) {
	gap := now.Sub(p.sampleAt)
	if gap < redrawEvery {
		return
	}
	fresh := float64(p.done-p.sample) / gap.Seconds()
	if p.rate == 0 {
		p.rate = fresh
	}
	weight := min(1, gap.Seconds()/rateWindow.Seconds())
	p.rate += (fresh - p.rate) * weight
	p.sampleAt, p.sample = now, p.done
}

func (p *Progress) show() {
	switch {
	case p.c.JSON:
		line, err := json.Marshal(status{"status", p.label, p.done, p.total, p.rate})
		if err == nil {
			fmt.Fprintln(unfolded(p.c.Err), string(line))
		}
	case p.redraws():
		fmt.Fprintf(p.c.Err, "\r%s\x1b[K", p.line(p.c.width()-1))
		p.drawn = true
	default:
		fmt.Fprintln(p.c.Err, p.line(0))
	}
}

// line is the display in at most width characters, of which the figures are
// never cut; width 0 means no bound.
func (p *Progress) line(width int) string {
	figures := fmt.Sprintf("  %s  %s/s", Bytes(p.done), Bytes(int64(p.rate)))
	if p.total > 0 {
		figures += fmt.Sprintf("  %.1f%%  ETA %s", 100*float64(p.done)/float64(p.total), p.eta())
	}
	label := []rune(p.label)
	if room := width - utf8.RuneCountInString(figures); width > 0 && len(label) > room {
		label = label[:max(0, room)]
	}
	return string(label) + figures
}

// eta is the time left at the present rate.
func (p *Progress) eta() string {
	left := float64(p.total - p.done)
	if p.rate < 1 && left > 0 {
		return "--:--:--"
	}
	seconds := int64(0)
	if left > 0 {
		seconds = int64(left / p.rate)
	}
	return fmt.Sprintf("%02d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}

func (c *Console) width() int {
	if c.errFile != nil {
		if width, _, err := term.GetSize(int(c.errFile.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return defaultWidth
}
