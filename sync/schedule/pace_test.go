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
	lost int // one of so many chunks is lost and repaired like TCP does it, 0 for none
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

// path is what is on the way over a line.
type path struct {
	line
	free    time.Time // when all that was sent has left the queue
	flights []flight
	sent    int
}

// send queues a chunk. The end of a lost one goes again behind what is queued
// when the receiver has told of the gap, and holds up what came after it.
func (p *path) send(now time.Time, n int64, m Mark) {
	p.free = later(p.free, now).Add(p.takes(n))
	arrives := p.free
	if p.sent++; p.lost > 0 && p.sent%p.lost == 0 {
		told := p.free.Add(p.rtt)
		// What follows until then is not known yet: as much as there is now.
		arrives = told.Add(max(p.free.Sub(now)-p.rtt, 0))
		p.free = p.free.Add(p.takes(segment))
	}
	if k := len(p.flights); k > 0 {
		arrives = later(arrives, p.flights[k-1].arrives.Add(-p.rtt-AckDelay/2))
	}
	p.flights = append(p.flights, flight{arrives.Add(p.rtt + AckDelay/2), now, n, m})
}

const segment = 1448

func (p *path) takes(n int64) time.Duration {
	return time.Duration(float64(n) / p.rate * float64(time.Second))
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// run keeps the line busy for a while; lines[i] holds for an equal part of it.
func (p *Pace) run(span time.Duration, lines ...line) course {
	begin := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	now := begin
	var under, late int64
	var way path
	var c course
	for now.Sub(begin) < span {
		way.line = lines[int(int64(now.Sub(begin))*int64(len(lines))/int64(span))]
		var opens time.Time
		for {
			n, left := int64(p.Chunk()), p.Window(now)-under
			if under > 0 && n > 2*left {
				opens = p.Opens(under + n)
				break
			}
			if under > 0 {
				n = min(n, left)
			}
			way.send(now, n, p.Sent(now, n, under))
			under += n
		}
		f := way.flights[0]
		if !opens.IsZero() && opens.Before(f.arrives) {
			now = later(now, opens)
			continue
		}
		way.flights = way.flights[1:]
		now = f.arrives
		under -= f.n
		p.Acked(now, f.mark, f.n)
		if now.Sub(begin) > span-span/time.Duration(2*len(lines)) { // the last half of the last line
			late += f.n
			c.longer = max(c.longer, now.Sub(f.at)-way.rtt)
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
		{"GPRS", line{rate: bits(16e3), rtt: 600 * time.Millisecond}, 0.95, 3 * time.Second},
		{"slow 3G", line{rate: bits(64e3), rtt: 200 * time.Millisecond}, 0.97, 1500 * time.Millisecond},
		{"3G", line{rate: bits(128e3), rtt: 200 * time.Millisecond}, 0.97, 1200 * time.Millisecond},
		{"ADSL up", line{rate: bits(512e3), rtt: 60 * time.Millisecond}, 0.97, 700 * time.Millisecond},
		{"edge of a cell", line{rate: bits(512e3), rtt: 600 * time.Millisecond}, 0.97, 2 * time.Second},
		{"ADSL down", line{rate: bits(2e6), rtt: 200 * time.Millisecond}, 0.97, 1300 * time.Millisecond},
		{"fibre", line{rate: bits(50e6), rtt: 20 * time.Millisecond}, 0.97, 200 * time.Millisecond},
		{"satellite", line{rate: bits(10e6), rtt: 600 * time.Millisecond}, 0.75, 1200 * time.Millisecond}, // the bound of 1 MiB
	} {
		t.Run(c.name, func(t *testing.T) {
			p := NewPace(Estimate{}, 1<<20)
			got := p.run(4*time.Minute, c.line)
			t.Logf("%.1f %% of the line, %v in the queue, window %d, chunk %d", 100*got.share, got.longer, p.window(), p.Chunk())
			if got.share < c.share {
				t.Errorf("uses %.1f %% of the line, want %.1f %%", 100*got.share, 100*c.share)
			}
			if got.longer > c.longer {
				t.Errorf("bytes wait %v in the queue, want at most %v", got.longer, c.longer)
			}
		})
	}
}

// TestARepairDoesNotStopTheLine runs bulk over lines that lose segments: while
// TCP repairs a loss nothing is acknowledged.
func TestARepairDoesNotStopTheLine(t *testing.T) {
	for _, c := range []struct {
		name  string
		line  line
		share float64
	}{
		{"3G", line{rate: bits(128e3), rtt: 200 * time.Millisecond, lost: 60}, 0.97},
		{"ADSL up", line{rate: bits(512e3), rtt: 200 * time.Millisecond, lost: 18}, 0.97},
		{"edge of a cell", line{rate: bits(512e3), rtt: 600 * time.Millisecond, lost: 6}, 0.90},
		{"ADSL down", line{rate: bits(2e6), rtt: 200 * time.Millisecond, lost: 8}, 0.95},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := NewPace(Estimate{}, 1<<20)
			got := p.run(4*time.Minute, c.line)
			t.Logf("%.1f %% of the line, %v in the queue, window %d", 100*got.share, got.longer, p.window())
			if got.share < c.share {
				t.Errorf("uses %.1f %% of the line, want %.1f %%", 100*got.share, 100*c.share)
			}
		})
	}
}

// TestTheWindowOpensWhenItSays checks the time that a sender sleeps for.
func TestTheWindowOpensWhenItSays(t *testing.T) {
	at := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	p := NewPace(Estimate{Rate: 64_000, RTT: 200 * time.Millisecond}, 1<<20)
	p.Sent(at, 1, 0)
	under := p.Window(at)
	for _, more := range []int64{1, 1000, 10_000, under * bridge} {
		opens := p.Opens(under + more)
		if !opens.After(at) {
			t.Fatalf("%d bytes more: opens at %v", more, opens)
		}
		if got := p.Window(opens); got < under+more {
			t.Errorf("%d bytes more: window %d at %v, want %d", more, got, opens.Sub(at), under+more)
		}
		if got := p.Window(opens.Add(-time.Millisecond)); got >= under+more {
			t.Errorf("%d bytes more: open a millisecond early", more)
		}
	}
	if got := p.Opens(under*(1+bridge) + 1); !got.IsZero() {
		t.Errorf("opens for more than it may at %v", got)
	}
	if got := p.Window(at.Add(time.Hour)); got != under*(1+bridge) {
		t.Errorf("window %d after an hour without acknowledgement, want %d", got, under*(1+bridge))
	}
}

// TestP5_TheWindowFollowsTheLine lets rate and round trip change on the way. What
// was under way when a line became slow must leave first: here the line takes it
// all, in truth TCP holds most of it back.
func TestP5_TheWindowFollowsTheLine(t *testing.T) {
	slow, fast := line{rate: bits(64e3), rtt: 200 * time.Millisecond}, line{rate: bits(4e6), rtt: 60 * time.Millisecond}
	far := line{rate: bits(4e6), rtt: 600 * time.Millisecond}
	for _, c := range []struct {
		name     string
		from, to line
		share    float64
		longer   time.Duration
	}{
		{"becomes fast", slow, fast, 0.97, 800 * time.Millisecond},
		{"becomes slow", fast, slow, 0.97, 1500 * time.Millisecond},
		{"becomes long", fast, far, 0.95, 2 * time.Second},
		{"becomes short", far, fast, 0.97, 800 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := NewPace(Estimate{}, 1<<20)
			got := p.run(10*time.Minute, c.from, c.to)
			t.Logf("%.1f %% of the line, %v in the queue, window %d", 100*got.share, got.longer, p.window())
			if got.share < c.share || got.longer > c.longer {
				t.Errorf("%.1f %% of the line with %v in the queue, want %.1f %% and %v", 100*got.share, got.longer, 100*c.share, c.longer)
			}
		})
	}
}

func TestP9_TheWindowIsBounded(t *testing.T) {
	p := NewPace(Estimate{Rate: 1e12, RTT: time.Hour}, 1<<20)
	if got := p.Window(time.Now()); got != 1<<20 {
		t.Errorf("window %d", got)
	}
	if got := p.Chunk(); got != MaxChunk {
		t.Errorf("chunk %d", got)
	}
	p = NewPace(Estimate{Rate: 1, RTT: time.Millisecond}, 1<<20)
	if got, chunk := p.window(), p.Chunk(); got < int64(chunk) || chunk != MinChunk {
		t.Errorf("window %d, chunk %d on a dead line", got, chunk)
	}
}

// TestStarvedSamplesDoNotSlowDown: little to send says nothing about the line.
func TestStarvedSamplesDoNotSlowDown(t *testing.T) {
	p := NewPace(Estimate{}, 1<<20)
	p.run(time.Minute, line{rate: bits(2e6), rtt: 100 * time.Millisecond})
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
