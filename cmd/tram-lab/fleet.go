package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"tram/cmd/internal/crowd"
)

// Sizes of the two forms of "tram-lab fleet".
var (
	fullStages, quickStages = []int{1_000, 3_000, 11_000}, []int{100, 200, 400}
)

const (
	// At rest is after one of the collections that Go makes each two minutes without work.
	fullIdle, quickIdle = 150 * time.Second, 3 * time.Second
	fullLoad, quickLoad = 2 * time.Minute, 6 * time.Second
	// perSecond documents of loadSize bytes go through the hub under load.
	perSecond = 20
	loadSize  = 200_000
	// arriveIn is how long after the load what is under way has to arrive.
	arriveIn = time.Minute
)

func fleetCommand(bin *string) *cobra.Command {
	f := fleetBench{idle: fullIdle, load: fullLoad, stages: fullStages}
	cmd := &cobra.Command{
		Use:   "fleet",
		Short: "Measures a hub with thousands of connected offices that send heartbeats and documents",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.bin = *bin
			f.prints(cmd)
			f.command = "tram-lab fleet"
			if f.quick {
				f.idle, f.load, f.stages = quickIdle, quickLoad, quickStages
				f.command += " --quick"
			}
			return f.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&f.quick, "quick", false, "under a minute, with fewer offices")
	cmd.Flags().DurationVar(&f.every, "every", 5*time.Minute, "time between two heartbeats of an office")
	return cmd
}

// fleetBench connects the offices in stages, and has documents go between them at the
// last one.
type fleetBench struct {
	gathering
	stages     []int // offices that are connected, growing
	every      time.Duration
	idle, load time.Duration
}

// stage is what was measured with some offices at rest.
type stage struct {
	agents   int
	mib, cpu float64 // RSS; cores
}

func (f *fleetBench) run(ctx context.Context) error {
	defer f.end()
	f.agents = f.stages[len(f.stages)-1]
	if err := f.enrol(ctx); err != nil {
		return err
	}
	bare, err := f.memory("VmRSS:")
	if err != nil {
		return err
	}
	measured := []stage{{mib: bare}}
	for _, n := range f.stages {
		s, err := f.atRest(ctx, n)
		if err != nil {
			return err
		}
		measured = append(measured, s)
	}
	if err := f.growth(measured); err != nil {
		return err
	}
	return f.underLoad(ctx)
}

// atRest measures the hub with n offices that send nothing but heartbeats.
func (f *fleetBench) atRest(ctx context.Context, n int) (s stage, err error) {
	f.say("%d offices connect", n)
	if err := f.crowd.StartUpTo(ctx, n); err != nil {
		return s, err
	}
	s.agents = n
	s.cpu, err = f.whileBeating(ctx, func() error { return pause(ctx, f.idle) })
	if err != nil {
		return s, err
	}
	if s.mib, err = f.memory("VmRSS:"); err != nil {
		return s, err
	}
	return s, errors.Join(
		f.figure(fmt.Sprintf("RSS of the hub, broker inside, with %d offices at rest", n), s.mib, "MiB", ""),
		f.figure(fmt.Sprintf("processor time of the hub with %d offices at rest", n), s.cpu, "cores", ""),
	)
}

// whileBeating is how many cores the hub has used while do ran and the offices sent
// their heartbeats.
func (f *fleetBench) whileBeating(ctx context.Context, do func() error) (cores float64, err error) {
	beating, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- f.crowd.Beat(beating, f.every) }()
	before, err := cpuSeconds(f.world.Hub.PID())
	begin := time.Now()
	if err == nil {
		err = do()
	}
	took := time.Since(begin).Seconds()
	stop()
	after, err2 := cpuSeconds(f.world.Hub.PID())
	return (after - before) / took, errors.Join(err, err2, <-ended)
}

// growth tells what one more office costs, from stage to stage.
func (f *fleetBench) growth(m []stage) error {
	var errs []error
	for i := 1; i < len(m); i++ {
		more := float64(m[i].agents - m[i-1].agents)
		name := fmt.Sprintf("RSS of the hub for each further office, %d to %d", m[i-1].agents, m[i].agents)
		errs = append(errs, f.figure(name, (m[i].mib-m[i-1].mib)*1024/more, "KiB", "≤ 64"),
			f.figure(fmt.Sprintf("processor time of the hub for 1,000 offices at rest, of %d", m[i].agents), m[i].cpu/float64(m[i].agents)*1000, "cores", ""))
	}
	return errors.Join(errs...)
}

// underLoad has documents go from office to office at a steady pace.
func (f *fleetBench) underLoad(ctx context.Context) error {
	f.say("%d documents of %d bytes a second for %v", perSecond, loadSize, f.load)
	var letters []*crowd.Letter
	half := 0
	cores, err := f.whileBeating(ctx, func() error {
		end := time.Now().Add(f.load)
		middle := time.Now().Add(f.load / 2)
		tick := time.NewTicker(time.Second / perSecond)
		defer tick.Stop()
		for now := range tick.C {
			if now.After(end) || ctx.Err() != nil {
				return ctx.Err()
			}
			if half == 0 && now.After(middle) {
				half = f.crowd.Letters().Waiting
			}
			l, err := f.write()
			if err == nil {
				err = f.crowd.Post(ctx, l)
			}
			if err != nil {
				return err
			}
			letters = append(letters, l)
		}
		return nil
	})
	if err != nil {
		return err
	}
	waiting := f.crowd.Letters().Waiting
	limit, cancel := context.WithTimeoutCause(ctx, arriveIn, errors.New("documents are still under way"))
	defer cancel()
	if err := f.crowd.Wait(limit, func() bool { return f.crowd.Letters().Waiting == 0 }); err != nil {
		return err
	}
	return f.report(letters, cores, half, waiting)
}

func (f *fleetBench) write() (*crowd.Letter, error) {
	offices := f.crowd.Offices
	i := rand.IntN(len(offices))
	j := (i + 1 + rand.IntN(len(offices)-1)) % len(offices)
	return f.crowd.Write(offices[i], offices[j], 0, loadSize)
}

func (f *fleetBench) report(letters []*crowd.Letter, cores float64, half, waiting int) error {
	var latency []float64
	for _, l := range letters {
		seen := f.crowd.Seen(l)
		latency = append(latency, seen.Arrived.Sub(seen.Posted).Seconds())
	}
	slices.Sort(latency)
	at := func(p float64) float64 { return latency[int(p*float64(len(latency)-1))] }
	peak, err := f.memory("VmHWM:")
	if err != nil {
		return err
	}
	tally := f.crowd.Letters()
	return errors.Join(
		f.figure("documents that went through the hub", float64(len(letters))/f.load.Seconds(), "1/s", ""),
		f.figure("processor time of the hub under load", cores, "cores", "≤ 1"),
		f.figure("RSS of the hub, most", peak, "MiB", "≤ 1024"),
		f.figure("documents under way after half of the load", float64(half), "", ""),
		f.figure("documents under way at its end", float64(waiting), "", ""),
		f.figure("document saved → arrived, median", at(0.5), "s", ""),
		f.figure("document saved → arrived, 95 %", at(0.95), "s", ""),
		f.figure(figureLost, float64(tally.Doubled+tally.Foreign), "", "0"),
	)
}
