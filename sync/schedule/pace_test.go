package schedule

import (
	"testing"
	"time"
)

// line is a path with a queue before it, under fake time: it takes bytes at a
// rate, and acknowledgements come back after a round trip and AckDelay.
type line struct {
	rate float64 // bytes per second
	rtt  time.Duration
}

// course is what a run over a line came to.
type course struct {
	share  float64       // of the rate that was used, in its last half
	longer time.Duration // longest time over the round trip from sending to arrival, in its last half
}

type flight struct {
	arrives time.Time
	at      time.Time
	n       int64
	mark    Mark
}

// run keeps the line busy for a while; lines[i] holds for an equal part of it.
func (p *Pace) run(span time.Duration, lines ...line) course {
	begin := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	now, free := begin, begin
	var under, late int64
	var out []flight
	var c course
	for now.Sub(begin) < span {
		l := lines[int(int64(now.Sub(begin))*int64(len(lines))/int64(span))]
		for {
			n, left := int64(p.Chunk()), p.Window()-under
			if under > 0 && n > 2*left {
				break
			}
			if under > 0 {
				n = min(n, left)
			}
			if free.Before(now) {
				free = now
			}
			free = free.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
			out = append(out, flight{free.Add(l.rtt + AckDelay/2), now, n, p.Sent(now, n, under)})
			under += n
		}
		f := out[0]
		out = out[1:]
		now = f.arrives
		under -= f.n
		p.Acked(now, f.mark, f.n)
		if now.Sub(begin) > span-span/time.Duration(2*len(lines)) { // the last half of the last line
			late += f.n
			c.longer = max(c.longer, now.Sub(f.at)-l.rtt)
		}
	}
	last := lines[len(lines)-1]
	c.share = float64(late) / (span / time.Duration(2*len(lines))).Seconds() / last.rate
	return c
}

func bits(perSecond float64) float64 { return perSecond / 8 }

// TestP5_TheLineIsFullAndItsQueueIsShort runs bulk over lines of all kinds.
func TestP5_TheLineIsFullAndItsQueueIsShort(t *testing.T) {
	for _, c := range []struct {
		name   string
		line   line
		share  float64
		longer time.Duration // what an urgent document may have to wait for
	}{
		{"GPRS", line{bits(16e3), 600 * time.Millisecond}, 0.95, 3 * time.Second},
		{"slow 3G", line{bits(64e3), 200 * time.Millisecond}, 0.97, 1500 * time.Millisecond},
		{"3G", line{bits(128e3), 200 * time.Millisecond}, 0.97, 1200 * time.Millisecond},
		{"ADSL up", line{bits(512e3), 60 * time.Millisecond}, 0.97, 700 * time.Millisecond},
		{"edge of a cell", line{bits(512e3), 600 * time.Millisecond}, 0.97, 2 * time.Second},
		{"ADSL down", line{bits(2e6), 200 * time.Millisecond}, 0.97, 900 * time.Millisecond},
		{"fibre", line{bits(50e6), 20 * time.Millisecond}, 0.97, 200 * time.Millisecond},
		{"satellite", line{bits(10e6), 600 * time.Millisecond}, 0.75, 1200 * time.Millisecond}, // the bound of 1 MiB
	} {
		t.Run(c.name, func(t *testing.T) {
			p := NewPace(Estimate{}, 1<<20)
			got := p.run(4*time.Minute, c.line)
			t.Logf("%.1f %% of the line, %v in the queue, window %d, chunk %d", 100*got.share, got.longer, p.Window(), p.Chunk())
			if got.share < c.share {
				t.Errorf("uses %.1f %% of the line, want %.1f %%", 100*got.share, 100*c.share)
			}
			if got.longer > c.longer {
				t.Errorf("bytes wait %v in the queue, want at most %v", got.longer, c.longer)
			}
		})
	}
}

// TestP5_TheWindowFollowsTheLine lets rate and round trip change on the way.
func TestP5_TheWindowFollowsTheLine(t *testing.T) {
	slow, fast := line{bits(64e3), 200 * time.Millisecond}, line{bits(4e6), 60 * time.Millisecond}
	far := line{bits(4e6), 600 * time.Millisecond}
	for _, c := range []struct {
		name     string
		from, to line
		share    float64
		longer   time.Duration
	}{
		{"becomes fast", slow, fast, 0.97, 500 * time.Millisecond},
		{"becomes slow", fast, slow, 0.97, 1500 * time.Millisecond},
		{"becomes long", fast, far, 0.95, 2 * time.Second},
		{"becomes short", far, fast, 0.97, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := NewPace(Estimate{}, 1<<20)
			got := p.run(6*time.Minute, c.from, c.to)
			t.Logf("%.1f %% of the line, %v in the queue, window %d", 100*got.share, got.longer, p.Window())
			if got.share < c.share || got.longer > c.longer {
				t.Errorf("%.1f %% of the line with %v in the queue, want %.1f %% and %v", 100*got.share, got.longer, 100*c.share, c.longer)
			}
		})
	}
}

func TestP9_TheWindowIsBounded(t *testing.T) {
	p := NewPace(Estimate{Rate: 1e12, RTT: time.Hour}, 1<<20)
	if got := p.Window(); got != 1<<20 {
		t.Errorf("window %d", got)
	}
	if got := p.Chunk(); got != MaxChunk {
		t.Errorf("chunk %d", got)
	}
	p = NewPace(Estimate{Rate: 1, RTT: time.Millisecond}, 1<<20)
	if got, chunk := p.Window(), p.Chunk(); got < int64(chunk) || chunk != MinChunk {
		t.Errorf("window %d, chunk %d on a dead line", got, chunk)
	}
}

// TestStarvedSamplesDoNotSlowDown: little to send says nothing about the line.
func TestStarvedSamplesDoNotSlowDown(t *testing.T) {
	p := NewPace(Estimate{}, 1<<20)
	p.run(time.Minute, line{bits(2e6), 100 * time.Millisecond})
	before := p.Estimate().Rate
	now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	for range 100 { // one small document a second
		m := p.Sent(now, 1000, 0)
		p.Starved()
		p.Acked(now.Add(100*time.Millisecond), m, 1000)
		now = now.Add(time.Second)
	}
	if after := p.Estimate().Rate; after < before*0.99 {
		t.Errorf("estimate fell from %.0f to %.0f bytes/s", before, after)
	}
}
