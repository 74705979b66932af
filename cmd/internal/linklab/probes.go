package linklab

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"tram/agent/office"
	"tram/cmd/internal/line"
	"tram/cmd/internal/peers"
	"tram/cmd/internal/sample"
)

const (
	// urgentSize is the hỏa tốc document in bytes, urgentTimes how many are sent.
	urgentSize  = 50_000
	urgentTimes = 5
	// urgentWithin is how long an urgent document may take behind the bulk.
	urgentWithin = 3 * time.Minute
	// underWay is how many bytes of content have gone before the test begins.
	underWay, quickUnderWay = 150_000, 60_000
	// movingAgain is how many bytes of a new connection prove that content flows.
	movingAgain = 16 << 10
	// dropWithin is how long it may take to move again.
	dropWithin = 10 * time.Minute
)

// urgent sends urgent documents on the idle line, then behind bulk.
func urgent(ctx context.Context, j *job) error {
	s, err := j.open(ctx, narrow, true)
	defer s.close()
	if err != nil {
		return err
	}
	size := pick(j, urgentSize, urgentSize/3)
	one := func(name string, i int) (float64, error) {
		d := peers.Document{Name: fmt.Sprintf("%s-%d.pdf", name, i), Data: sample.SmallPDF(size, j.lab.Seed+uint64(i)), Urgent: true}
		begin := time.Now()
		err := s.move(ctx, urgentWithin, d)
		return time.Since(begin).Seconds(), err
	}
	var alone []float64
	for i := range pick(j, 3, 1) {
		took, err := one("ranh", i)
		if err != nil {
			return fmt.Errorf("on the idle line: %w", err)
		}
		alone = append(alone, took)
	}
	own := median(alone)
	j.figure("urgent: own time on the idle line", own, "s", "")
	if err := s.bulk(ctx); err != nil {
		return err
	}
	var behind []float64
	for i := range pick(j, urgentTimes, 2) {
		if err := pause(ctx, time.Duration(i)*700*time.Millisecond); err != nil {
			return err
		}
		took, err := one("hoa-toc", 100+i)
		if err != nil {
			return fmt.Errorf("behind bulk: %w", err)
		}
		behind = append(behind, took)
	}
	j.figure(j.about, slices.Max(behind)/own, "", j.aim)
	j.figure("urgent: median behind bulk", median(behind), "s", "")
	return nil
}

// bulk hands over 50 MB and returns when they are under way.
func (s *stage) bulk(ctx context.Context) error {
	documents, err := letters(pick(s.job, 5, 2), pick[int64](s.job, 10_000_000, 1_000_000), s.lab.Seed, "khoi")
	if err != nil {
		return err
	}
	before, err := s.line.Traffic()
	if err != nil {
		return err
	}
	enough := int64(pick(s.job, underWay, quickUnderWay))
	go s.peer.Send(ctx, documents...) // what becomes of them is not asked
	_, err = until(ctx, time.Now(), urgentWithin, func() (bool, error) {
		t, err := s.line.Traffic()
		return t.Up.Payload-before.Up.Payload > enough, err
	})
	if err != nil {
		return fmt.Errorf("get bulk under way: %w", err)
	}
	return nil
}

// silentDrop makes every connection vanish without a word while a document is
// on its way: the line is up, but a box on it has forgotten them.
func silentDrop(ctx context.Context, j *job) error {
	documents, err := letters(1, pick[int64](j, 8_000_000, 2_000_000), j.lab.Seed, "dut")
	if err != nil {
		return err
	}
	s, err := j.open(ctx, village, true)
	defer s.close()
	if err != nil {
		return err
	}
	packets, err := s.packets()
	if err != nil {
		return err
	}
	before, err := s.line.Traffic()
	if err != nil {
		return err
	}
	sending, stop := context.WithCancel(ctx)
	defer stop()
	enough := int64(pick(j, underWay, quickUnderWay))
	go s.peer.Send(sending, documents...)
	if _, err := until(ctx, time.Now(), leastPatience, func() (bool, error) {
		t, err := s.line.Traffic()
		return t.Up.Payload-before.Up.Payload > enough, err
	}); err != nil {
		return fmt.Errorf("get content under way: %w", err)
	}
	worst := time.Duration(0)
	for range s.drops() {
		took, err := s.drop(ctx, packets)
		if err != nil {
			return err
		}
		worst = max(worst, took)
		if err := pause(ctx, gone); err != nil { // let it move
			return err
		}
	}
	j.figure(j.about, worst.Seconds(), j.unit, j.aim)
	return nil
}

// drops is how often connections vanish: the slowest of some counts against
// us, one shows how others do.
func (s *stage) drops() int {
	if s.job.peer != us {
		return 1
	}
	return pick(s.job, 3, 1)
}

// drop makes the connections vanish and waits until content moves over a new
// one.
func (s *stage) drop(ctx context.Context, packets line.Packets) (time.Duration, error) {
	dropped := time.Now()
	packets.Forget()
	return until(ctx, dropped, pick(s.job, dropWithin, time.Minute), func() (bool, error) {
		most := int64(0)
		for _, f := range since(packets, dropped) {
			most = max(most, f.Up)
		}
		return most > movingAgain, nil
	})
}

// since lists the flows that began after t.
func since(packets line.Packets, t time.Time) []line.Flow {
	return slices.DeleteFunc(packets.Flows(), func(f line.Flow) bool { return f.Begin.Before(t) })
}

// sum adds up the flows that began after t.
func sum(packets line.Packets, t time.Time) (up, down int64) {
	for _, f := range since(packets, t) {
		up += f.Up
		down += f.Down
	}
	return up, down
}

const (
	// gone is how long the interface is down, and how long content moves between
	// two silent drops.
	gone = 5 * time.Second
	// quiet is how long no byte flows after a reconnect is over.
	quiet = 2 * time.Second
	// contentMark is what may go up besides the reconnect itself before content:
	// the offer.
	contentMark = 1 << 10
)

// reconnect takes the office's interface away, with all connections forgotten
// on the way, and brings it back: first with nothing to send, which tells what
// a reconnect costs; then with a document waiting, whose first byte is what
// goes beyond that cost.
func reconnect(ctx context.Context, j *job) error {
	lossless := line.Shape{
		Up:   line.Direction{Rate: village.Up.Rate, Delay: village.Up.Delay},
		Down: line.Direction{Rate: village.Down.Rate, Delay: village.Down.Delay},
	}
	s, err := j.open(ctx, lossless, true)
	defer s.close()
	if err != nil {
		return err
	}
	packets, err := s.packets()
	if err != nil {
		return err
	}
	limit := pick(j, dropWithin, 2*time.Minute)
	start, err := s.flap(ctx, packets, nil)
	if err != nil {
		return err
	}
	if _, err := until(ctx, start, limit, func() (bool, error) {
		up, down := sum(packets, start)
		return up > 1000 && down > 1000, nil
	}); err != nil {
		return fmt.Errorf("reconnect with nothing to send: %w", err)
	}
	costUp, costDown, err := settled(ctx, packets, start)
	if err != nil {
		return err
	}
	j.figure("reconnect: bytes through the socket, both directions", float64(costUp+costDown), "B", "≤ 6000")
	var times []float64
	for i := range pick(j, 3, 1) {
		document := peers.Document{Name: fmt.Sprintf("cho-%d.pdf", i), Data: sample.SmallPDF(200_000, uint64(i))}
		start, err := s.flap(ctx, packets, &document)
		if err != nil {
			return err
		}
		took, err := until(ctx, start, limit, func() (bool, error) {
			up, _ := sum(packets, start)
			return up > costUp+contentMark, nil
		})
		if err != nil {
			return fmt.Errorf("reconnect with a document waiting: %w", err)
		}
		times = append(times, took.Seconds())
		if _, err := until(ctx, start, leastPatience, func() (bool, error) {
			names, err := s.peer.Arrived(ctx)
			return slices.Contains(names, document.Name), err
		}); err != nil {
			return fmt.Errorf("after the reconnect: %w", err)
		}
	}
	j.figure(j.about, median(times), j.unit, j.aim)
	return nil
}

// flap takes the interface down, hands a document over, and brings it up; it
// returns when that was.
func (s *stage) flap(ctx context.Context, packets line.Packets, document *peers.Document) (time.Time, error) {
	packets.Forget()
	if err := packets.Interface(false); err != nil {
		return time.Time{}, err
	}
	if document != nil {
		if err := s.peer.Send(ctx, *document); err != nil {
			return time.Time{}, errors.Join(err, packets.Interface(true))
		}
	}
	if err := pause(ctx, gone); err != nil {
		return time.Time{}, errors.Join(err, packets.Interface(true))
	}
	packets.Forget() // attempts of meanwhile
	start := time.Now()
	return start, packets.Interface(true)
}

// settled waits until the flows since start are quiet and adds them up.
func settled(ctx context.Context, packets line.Packets, start time.Time) (up, down int64, err error) {
	up, down = sum(packets, start)
	for last := time.Now(); time.Since(last) < quiet; {
		if err := pause(ctx, askEvery); err != nil {
			return 0, 0, err
		}
		if u, d := sum(packets, start); u != up || d != down {
			up, down, last = u, d, time.Now()
		}
	}
	return up, down, nil
}

const (
	// idleSettle passes before idle traffic is counted, the first heartbeat of the
	// connection included, which a day has one of; idlePeriods keepalives
	// are: an hour, so that a heartbeat is among them.
	idleSettle  = 2 * time.Minute
	idlePeriods = 15
	keepalive   = 4 * time.Minute
)

// idle counts all packets of an agent with nothing to do over some keepalive
// periods and scales them to a day.
func idle(ctx context.Context, j *job) error {
	s, err := j.open(ctx, village, true)
	defer s.close()
	if err != nil {
		return err
	}
	if _, err := s.packets(); err != nil {
		return err
	}
	if err := pause(ctx, idleSettle); err != nil {
		return err
	}
	before, err := s.line.Traffic()
	if err != nil {
		return err
	}
	const window = idlePeriods * keepalive
	if err := pause(ctx, window); err != nil {
		return err
	}
	after, err := s.line.Traffic()
	if err != nil {
		return err
	}
	t := after.Sub(before)
	bytes := float64(t.Up.Bytes + t.Down.Bytes)
	j.figure(fmt.Sprintf("%s (%d periods of %v measured and scaled)", j.about, idlePeriods, keepalive),
		bytes*(24*time.Hour).Seconds()/window.Seconds()/1000, j.unit, j.aim)
	return nil
}

const (
	etaFrom  = 0.2 // share of a document after which estimates count
	etaUntil = 0.9
	etaEvery = 500 * time.Millisecond
)

// estimate compares the time left that the office shows with the real one.
func estimate(ctx context.Context, j *job) error {
	documents, err := letters(pick(j, 3, 1), pick[int64](j, 3_000_000, 1_000_000), j.lab.Seed, "uoc")
	if err != nil {
		return err
	}
	s, err := j.open(ctx, village, true)
	defer s.close()
	if err != nil {
		return err
	}
	var all []float64
	unknown := 0
	for _, d := range documents {
		errs, silent, err := s.estimates(ctx, d)
		if err != nil {
			return err
		}
		all, unknown = append(all, errs...), unknown+silent
	}
	if len(all) == 0 {
		return fmt.Errorf("the office showed no time left in %d looks", unknown)
	}
	j.figure(j.about, 100*median(all), j.unit, j.aim)
	j.figure("eta: looks after 20 % at which no time left was shown", 100*float64(unknown)/float64(unknown+len(all)), "%", "")
	return nil
}

// estimates sends one document and returns the relative errors of what is shown
// while it moves to the hub, and how often nothing was.
func (s *stage) estimates(ctx context.Context, d peers.Document) (errs []float64, unknown int, err error) {
	if err := s.peer.Send(ctx, d); err != nil {
		return nil, 0, err
	}
	type look struct {
		at   time.Time
		left time.Duration
	}
	var looks []look
	for {
		doc, err := s.tram().Sent(ctx, d.Name)
		if err != nil {
			return nil, 0, err
		}
		if doc.State != office.Saved && doc.State != office.Sending {
			break
		}
		if p := doc.Progress; p != nil {
			if share := float64(p.Sent) / float64(p.Total); share >= etaFrom && share < etaUntil {
				looks = append(looks, look{time.Now(), p.Left})
			}
		}
		if err := pause(ctx, etaEvery); err != nil {
			return nil, 0, err
		}
	}
	end := time.Now()
	for _, l := range looks {
		if l.left == 0 {
			unknown++
			continue
		}
		real := end.Sub(l.at).Seconds()
		errs = append(errs, math.Abs(l.left.Seconds()-real)/real)
	}
	return errs, unknown, nil
}

// memory moves 2 GiB over a line without limits and reads the kernel's high
// water mark of both agents, counted from when they are ready; what their first
// start took, with the password of the first account, is told apart.
func memory(ctx context.Context, j *job) error {
	piece, times := pick(j, 100<<20, 50<<20), pick(j, 21, 1)
	s, err := j.open(ctx, line.Shape{}, true)
	defer s.close()
	if err != nil {
		return err
	}
	ends := []struct {
		word string
		pid  int
	}{{"sent", s.tram().From.PID()}, {"received", s.tram().To.PID()}}
	first := 0.0
	for _, end := range ends {
		peak, err := highWater(end.pid)
		if err != nil {
			return err
		}
		first = max(first, peak)
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", end.pid), []byte("5"), 0); err != nil {
			return fmt.Errorf("reset high water mark: %w", err)
		}
	}
	for i := range times {
		d := peers.Document{Name: fmt.Sprintf("gib-%02d.pdf", i), Data: sample.SmallPDF(piece, j.lab.Seed+uint64(i))}
		if err := s.move(ctx, leastPatience, d); err != nil {
			return err
		}
	}
	for _, end := range ends {
		peak, err := highWater(end.pid)
		if err != nil {
			return err
		}
		j.figure(fmt.Sprintf("memory: peak RSS of an agent while %.2f GiB are %s", float64(times*piece)/(1<<30), end.word), peak, "MiB", j.aim)
	}
	j.figure("memory: peak RSS of an agent at its first start, before", first, "MiB", "")
	return nil
}

// highWater is the largest RSS a process has had since its mark was reset, in
// MiB.
func highWater(pid int) (float64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			var kB float64
			_, err := fmt.Sscan(rest, &kB)
			return kB / 1024, err
		}
	}
	return 0, fmt.Errorf("process %d has no VmHWM", pid)
}
