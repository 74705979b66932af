package linklab

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"

	"tram/agent/office"
	"tram/cmd/internal/line"
	"tram/cmd/internal/peers"
	"tram/cmd/internal/sample"
)

// The quick form's mix; its cuts come quickCuts times as often.
const (
	quickDocuments = 10
	quickBytes     = 700_000
	quickCuts      = 5
)

// officeMix makes the documents of a run.
func (j *job) officeMix() ([]peers.Document, error) {
	files, err := sample.Mix(pick(j, sample.MixDocuments, quickDocuments), pick[int64](j, sample.MixBytes, quickBytes), j.lab.Seed)
	if err != nil {
		return nil, err
	}
	documents := make([]peers.Document, len(files))
	for i, f := range files {
		documents[i] = peers.Document{Name: f.Name, Data: f.Data}
	}
	return documents, nil
}

// packed is how many bytes the documents take at least: each compressed with
// zstd at its usual level where that makes it smaller.
func packed(documents []peers.Document) (int64, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return 0, fmt.Errorf("make zstd encoder: %w", err)
	}
	defer enc.Close()
	var sum int64
	for _, d := range documents {
		sum += int64(min(len(d.Data), len(enc.EncodeAll(d.Data, nil))))
	}
	return sum, nil
}

// atBest is the time that the line needs for n bytes of content.
func atBest(n int64, d line.Direction) time.Duration {
	return time.Duration(float64(n) * 8 / float64(d.Rate) * float64(time.Second))
}

func within(best time.Duration) time.Duration { return max(patience*best, leastPatience) }

func mixUp(shape line.Shape) func(context.Context, *job) error {
	return func(ctx context.Context, j *job) error { return j.mix(ctx, shape, shape.Up, true) }
}

func mixDown(shape line.Shape) func(context.Context, *job) error {
	return func(ctx context.Context, j *job) error { return j.mix(ctx, shape, shape.Down, false) }
}

// mix moves the office mix and compares its time with what the line needs.
func (j *job) mix(ctx context.Context, shape line.Shape, narrowest line.Direction, up bool) error {
	documents, err := j.officeMix()
	if err != nil {
		return err
	}
	return j.race(ctx, shape, narrowest, up, documents)
}

func (j *job) race(ctx context.Context, shape line.Shape, narrowest line.Direction, up bool, documents []peers.Document) error {
	content, err := packed(documents)
	if err != nil {
		return err
	}
	best := atBest(content, narrowest)
	s, err := j.open(ctx, shape, up)
	defer s.close()
	if err != nil {
		return err
	}
	if _, err := s.packets(); err != nil && shape.UpFor > 0 {
		return err // a relay sends on while it is cut
	}
	shape.UpFor /= time.Duration(pick(j, 1, quickCuts))
	shape.DownFor /= time.Duration(pick(j, 1, quickCuts))
	playing, stop := context.WithCancel(ctx)
	defer stop()
	before, _ := s.line.Traffic()
	upTime := shape.Play(playing, s.line)
	if err := s.move(ctx, within(best), documents...); err != nil {
		return err
	}
	took := upTime()
	after, err := s.line.Traffic()
	stop()
	if err := s.verify(ctx, documents); err != nil {
		return err
	}
	ratio := took.Seconds() / best.Seconds()
	j.lab.keep(j.key("seconds"), took.Seconds())
	j.figure(j.about, ratio, "", j.aim)
	j.figure(j.name+": seconds (at best "+fmt.Sprintf("%.1f", best.Seconds())+")", took.Seconds(), "s", "")
	if err != nil {
		return nil // a line without packets has no more to tell
	}
	s.countTraffic(after.Sub(before), content)
	return nil
}

// countTraffic prints what the run cost in bytes.
func (s *stage) countTraffic(t line.Traffic, content int64) {
	forward := t.Down
	if s.up {
		forward = t.Up
	}
	s.lab.keep(s.key("payload"), float64(forward.Payload))
	s.lab.keep(s.key("content"), float64(content))
	s.figure(s.name+": bytes through the sockets, both directions, ÷ zstd content", float64(t.Up.Payload+t.Down.Payload)/float64(content), "", "")
	s.figure(s.name+": bytes that TCP sent again ÷ zstd content", float64(forward.Again)/float64(content), "", "")
	s.lab.say("%s: up %+v, down %+v", s.job, t.Up, t.Down)
}

// key names a result of this job, of another scenario with other.
func (j *job) key(what string) string { return j.other(j.name, j.peer, what) }

func (j *job) other(scenario, peer, what string) string {
	return scenario + "/" + peer + "/" + j.congestion + "/" + what
}

// planned reports whether another scenario was part of this run.
func planned(all []*job, name, peer string) bool {
	return slices.ContainsFunc(all, func(j *job) bool { return j.name == name && j.peer == peer })
}

// sentAgain compares a run with cuts to the one without: what went through the
// sockets more, that is content that was sent again, and new handshakes.
func sentAgain(without string) func(*job, []*job) {
	return func(j *job, all []*job) {
		if !planned(all, without, j.peer) {
			return
		}
		name := j.name + ": bytes sent again because of cuts, new handshakes included, ÷ zstd content"
		cuts, ok1 := j.lab.kept(j.key("payload"))
		plain, ok2 := j.lab.kept(j.other(without, j.peer, "payload"))
		content, _ := j.lab.kept(j.key("content"))
		if !ok1 || !ok2 {
			j.emit(name, nil, "%", "≤ 1", j.name+" or "+without+" was not done, or not on a line of packets")
			return
		}
		j.figure(name, 100*(cuts-plain)/content, "%", "≤ 1")
	}
}

// goodputOver compares Trạm's goodput with that of another peer.
func goodputOver(peer string) func(*job, []*job) {
	return func(j *job, all []*job) {
		if j.peer != us || !planned(all, j.name, peer) {
			return
		}
		name := j.name + ": goodput ÷ that of " + peer + " over the same line"
		ours, ok1 := j.lab.kept(j.key("seconds"))
		theirs, ok2 := j.lab.kept(j.other(j.name, peer, "seconds"))
		if !ok1 || !ok2 {
			j.emit(name, nil, "", "≥ 2", "one of the two was not done")
			return
		}
		j.figure(name, theirs/ours, "", "≥ 2")
	}
}

// letters makes n scanned letters of about size bytes, which no compressor
// makes smaller.
func letters(n int, size int64, seed uint64, name string) ([]peers.Document, error) {
	documents := make([]peers.Document, n)
	for i := range documents {
		f, err := sample.Scan(fmt.Sprintf("%s-%03d.pdf", name, i), size, seed+uint64(i))
		if err != nil {
			return nil, err
		}
		documents[i] = peers.Document{Name: f.Name, Data: f.Data}
	}
	return documents, nil
}

// overhead counts all bytes of documents of 1 MB, receipts included.
func overhead(ctx context.Context, j *job) error {
	documents, err := letters(pick(j, 10, 3), 1_000_000, j.lab.Seed, "so-lieu")
	if err != nil {
		return err
	}
	content, err := packed(documents)
	if err != nil {
		return err
	}
	s, err := j.open(ctx, clean, true)
	defer s.close()
	if err != nil {
		return err
	}
	if _, err := s.packets(); err != nil {
		return err
	}
	before, err := s.line.Traffic()
	if err != nil {
		return err
	}
	if err := s.move(ctx, leastPatience, documents...); err != nil {
		return err
	}
	// Receipts and farewells are part of it.
	if err := pause(ctx, 3*time.Second); err != nil {
		return err
	}
	after, err := s.line.Traffic()
	if err != nil {
		return err
	}
	t := after.Sub(before)
	j.figure(j.about, float64(t.Up.Payload+t.Down.Payload)/float64(content), "", j.aim)
	j.figure("overhead: the same towards the receiver alone", float64(t.Up.Payload)/float64(content), "", "")
	return s.verify(ctx, documents)
}

// shortUp moves one file over a line that is never up for long.
func shortUp(ctx context.Context, j *job) error {
	documents, err := letters(1, pick[int64](j, 20_000_000, 300_000), j.lab.Seed, "lon")
	if err != nil {
		return err
	}
	return j.race(ctx, shortLived, shortLived.Up, true, documents)
}

// utilisation fills a fast line. With Trạm the line has done its work when the
// hub has signed for the document, which it then passes on inside its house.
func utilisation(ctx context.Context, j *job) error {
	documents, err := letters(1, pick[int64](j, 100_000_000, 15_000_000), j.lab.Seed, "nhanh")
	if err != nil {
		return err
	}
	content, err := packed(documents)
	if err != nil {
		return err
	}
	s, err := j.open(ctx, fast, true)
	defer s.close()
	if err != nil {
		return err
	}
	before, err := s.line.Traffic()
	if err != nil {
		return err
	}
	begin := time.Now()
	if t, ok := s.peer.(*peers.Tram); ok {
		if err := t.Send(ctx, documents...); err != nil {
			return err
		}
		begin = time.Now() // it is saved: the line's time begins
		_, err = until(ctx, begin, leastPatience, func() (bool, error) {
			d, err := t.Sent(ctx, documents[0].Name)
			return d.State != office.Saved && d.State != office.Sending, err
		})
	} else {
		err = s.move(ctx, leastPatience, documents...)
	}
	if err != nil {
		return err
	}
	took := time.Since(begin)
	after, err := s.line.Traffic()
	if err != nil {
		return err
	}
	t := after.Sub(before)
	j.lab.say("%s: up %+v, down %+v", j, t.Up, t.Down)
	j.figure(j.about, 100*atBest(content, fast.Up).Seconds()/took.Seconds(), "%", j.aim)
	if _, err := until(ctx, begin, leastPatience, func() (bool, error) {
		names, err := s.peer.Arrived(ctx)
		return missing(documents, names) == 0, err
	}); err != nil {
		return err
	}
	return s.verify(ctx, documents)
}
