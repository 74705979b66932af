package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tram/cmd/internal/crowd"
)

// Sizes of the two forms, and what does not change.
const (
	fullCrowd, quickCrowd = 11_000, 500
	fullDown, quickDown   = 60 * time.Second, 5 * time.Second
	// letterSize is of the document that each office has to send, in bytes.
	letterSize = 4 << 10
	// newCards is how many offices are invited while the hub is away: every
	// other office is to be sent their cards.
	newCards = 20
	// restIn is how long the idle hub is left alone before it is measured.
	restIn = 5 * time.Second
	// expressEvery is how often an hỏa tốc is sent in the midst of the return.
	expressEvery = 500 * time.Millisecond
	// returnIn bounds the whole return.
	returnIn = 20 * time.Minute
)

// Figures that a test looks at.
const (
	figureLost    = "documents lost or doubled"
	figureExpress = "hỏa tốc sent in the midst"
)

func stampedeCommand(bin *string) *cobra.Command {
	s := stampede{rest: restIn}
	cmd := &cobra.Command{
		Use:   "stampede",
		Short: "Kills the hub of thousands of offices and measures their return",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s.bin = *bin
			s.prints(cmd)
			if s.quick && !cmd.Flags().Changed("agents") {
				s.agents = quickCrowd
			}
			if s.quick && !cmd.Flags().Changed("down") {
				s.down = quickDown
			}
			s.command = fmt.Sprintf("tram-lab stampede --agents %d --down %v", s.agents, s.down)
			if s.inStep {
				s.command += " --no-jitter"
				s.peer = "offices that try again at every full second"
			}
			return s.run(cmd.Context())
		},
	}
	cmd.Flags().IntVar(&s.agents, "agents", fullCrowd, "offices")
	cmd.Flags().DurationVar(&s.down, "down", fullDown, "how long the hub is away")
	cmd.Flags().BoolVar(&s.quick, "quick", false, "under a minute, with fewer offices")
	cmd.Flags().BoolVar(&s.inStep, "no-jitter", false, "for comparison: offices try again at every full second, all together")
	return cmd
}

type stampede struct {
	gathering
	down time.Duration
	rest time.Duration // before the idle hub is measured
}

func (s *stampede) run(ctx context.Context) error {
	defer s.end()
	if err := s.gather(ctx); err != nil {
		return err
	}
	if err := s.atRest(ctx); err != nil {
		return err
	}
	letters, err := s.outage(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, returnIn, errors.New("the offices did not come back in time"))
	defer cancel()
	return s.comeBack(ctx, letters)
}

// atRest measures the hub with all offices connected and idle.
func (s *stampede) atRest(ctx context.Context) error {
	if err := pause(ctx, s.rest); err != nil {
		return err
	}
	rss, err := s.memory("VmRSS:")
	if err != nil {
		return err
	}
	if err := s.figure(fmt.Sprintf("RSS of the hub, broker inside, with %d idle offices", s.agents), rss, "MiB", "≤ 2048"); err != nil {
		return err
	}
	begin := time.Now()
	out, err := s.world.Run(ctx, "tram-hub", "agents", "--data", s.world.HubDir(), "--json")
	if err != nil {
		return err
	}
	took := time.Since(begin)
	if n := strings.Count(string(out), `"online": true`) + strings.Count(string(out), `"online":true`); n != s.agents {
		return fmt.Errorf("the hub lists %d offices as online, not %d", n, s.agents)
	}
	return s.figure("tram-hub agents --json", float64(took.Milliseconds()), "ms", "≤ 1000")
}

// outage kills the hub, and each office gets something to send meanwhile.
func (s *stampede) outage(ctx context.Context) ([]*crowd.Letter, error) {
	offices := s.crowd.Offices
	letters := make([]*crowd.Letter, len(offices))
	for i, from := range offices {
		var err error
		if letters[i], err = s.crowd.Write(from, offices[(i+1)%len(offices)], 0, letterSize); err != nil {
			return nil, err
		}
	}
	s.say("the hub is killed and stays away for %v", s.down)
	if err := s.world.Hub.Kill(); err != nil {
		return nil, err
	}
	back := time.Now().Add(s.down)
	for _, l := range letters {
		if err := s.crowd.Post(ctx, l); err != nil {
			return nil, err
		}
	}
	if err := s.crowd.News(ctx, newCards); err != nil {
		return nil, err
	}
	return letters, pause(ctx, time.Until(back))
}

// comeBack starts the hub again and measures until everything has arrived.
func (s *stampede) comeBack(ctx context.Context, letters []*crowd.Letter) error {
	w := newWatch(s, s.crowd.Failures())
	if err := s.world.Hub.Start(); err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	watched := make(chan error, 1)
	go func() { watched <- w.run(watching) }()
	err := s.crowd.Wait(ctx, func() bool { return s.crowd.Letters().Waiting == 0 && s.crowd.Up() == s.agents })
	took := time.Since(w.begin)
	stop()
	if err := errors.Join(err, <-watched); err != nil {
		return err
	}
	// An hỏa tốc may have been sent after the last look.
	if err := s.crowd.Wait(ctx, func() bool {
		tally := s.crowd.Letters()
		return tally.Waiting == 0 && len(tally.Custody) == len(letters)+len(w.express)
	}); err != nil {
		return err
	}
	for _, at := range []*time.Duration{&w.half, &w.most, &w.all} {
		if *at == 0 { // between two looks
			*at = took
		}
	}
	return w.report(took, len(letters))
}

// watch looks at the return of the offices.
type watch struct {
	s          *stampede
	begin      time.Time
	failures   int64
	half, most time.Duration // until so many were back
	all        time.Duration
	underWay   int // most connections without a session
	perSecond  int // most sessions that came up in one second
	express    []*crowd.Letter
}

func newWatch(s *stampede, failures int64) *watch {
	return &watch{s: s, begin: time.Now(), failures: failures}
}

// run samples until ctx ends, and sends something urgent now and then.
func (w *watch) run(ctx context.Context) error {
	var second time.Time
	was, next := 0, w.begin
	for pause(ctx, 20*time.Millisecond) == nil {
		now, up := time.Now(), w.s.crowd.Up()
		w.underWay = max(w.underWay, w.s.crowd.UnderWay())
		if now.Sub(second) >= time.Second {
			w.perSecond = max(w.perSecond, up-was)
			second, was = now, up
		}
		for _, m := range []struct {
			at    *time.Duration
			share float64
		}{{&w.half, 0.5}, {&w.most, 0.95}, {&w.all, 1}} {
			if *m.at == 0 && float64(up) >= m.share*float64(w.s.agents) {
				*m.at = now.Sub(w.begin)
			}
		}
		if now.After(next) {
			next = now.Add(expressEvery)
			if err := w.sendExpress(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// sendExpress posts an hỏa tốc between two offices that are back.
func (w *watch) sendExpress(ctx context.Context) error {
	const tries = 50
	offices := w.s.crowd.Offices
	for range tries {
		from, to := offices[rand.IntN(len(offices))], offices[rand.IntN(len(offices))]
		if from == to || !from.IsUp() || !to.IsUp() {
			continue
		}
		l, err := w.s.crowd.Write(from, to, 3, letterSize)
		if err != nil {
			return err
		}
		w.express = append(w.express, l)
		return w.s.crowd.Post(context.WithoutCancel(ctx), l)
	}
	return nil
}

func (w *watch) report(took time.Duration, letters int) error {
	s, tally := w.s, w.s.crowd.Letters()
	slices.SortFunc(tally.Custody, time.Time.Compare)
	rate := float64(letters) / tally.Custody[len(tally.Custody)-1].Sub(tally.Custody[0]).Seconds()
	var latency []float64
	for _, l := range w.express {
		seen := s.crowd.Seen(l)
		latency = append(latency, seen.Arrived.Sub(seen.Posted).Seconds())
	}
	slices.Sort(latency)
	rss, err1 := s.memory("VmRSS:")
	peak, err2 := s.memory("VmHWM:")
	cpu, err3 := cpuSeconds(s.world.Hub.PID())
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	percentile := func(p float64) float64 { return latency[int(p*float64(len(latency)-1))] }
	for _, f := range []struct {
		name  string
		value float64
		unit  string
		aim   string
	}{
		{"start of the hub until half of the offices are back", w.half.Seconds(), "s", ""},
		{"start of the hub until 95 % of the offices are back", w.most.Seconds(), "s", ""},
		{"start of the hub until all offices are back", w.all.Seconds(), "s", ""},
		{"start of the hub until all documents have arrived", took.Seconds(), "s", ""},
		{"sessions that came up in one second, most", float64(w.perSecond), "1/s", ""},
		{"connections without a session at one time, most", float64(w.underWay), "", ""},
		{"attempts that failed after the hub was back", float64(s.crowd.Failures() - w.failures), "", ""},
		{"documents taken over by the hub", rate, "1/s", ""},
		{"offers that the hub deferred", float64(s.crowd.Deferred()), "", ""},
		{figureExpress, float64(len(latency)), "", ""},
		{"hỏa tốc in the midst, saved → arrived, median", percentile(0.5), "s", ""},
		{"hỏa tốc in the midst, saved → arrived, 95 %", percentile(0.95), "s", ""},
		{"hỏa tốc in the midst, saved → arrived, slowest", percentile(1), "s", "≤ 15"},
		{"RSS of the hub after the return", rss, "MiB", "≤ 2048"},
		{"RSS of the hub, most", peak, "MiB", "≤ 2048"},
		{"CPU time of the hub for the return", cpu, "s", ""},
		{figureLost, float64(tally.Waiting + tally.Doubled + tally.Foreign), "", "0"},
	} {
		if err := s.figure(f.name, f.value, f.unit, f.aim); err != nil {
			return err
		}
	}
	if tally.Waiting+tally.Doubled+tally.Foreign > 0 {
		return fmt.Errorf("%d documents lost, %d doubled, %d strange", tally.Waiting, tally.Doubled, tally.Foreign)
	}
	return nil
}
