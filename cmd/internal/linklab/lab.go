// Package linklab measures how well documents move over a bad line: Trạm and
// what people would use instead, the same documents, the same line, the same
// congestion control. Each scenario is one row of what the link must show.
//
// It promises that standard output carries nothing but one JSON object a line,
// that a peer which cannot run is a line with the reason, that content is
// compared byte for byte before a time counts, and that the seed decides
// documents and losses. What TCP makes of them differs from run to run.
package linklab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"tram/cmd/internal/peers"
)

// Options says what to run.
type Options struct {
	Only       []string // scenarios; none for all
	Peers      []string // none for all; scenarios of Trạm alone run with Trạm alone
	Congestion []string // congestion controls to show, one run each
	Quick      bool     // small amounts, only what takes seconds
	Relay      bool     // the userspace relay even where packets could be had
	Jobs       int      // slow lines that run side by side; the quick form runs all
	Seed       uint64
	Bin        string // folder with tram and tram-hub
	Command    string // as typed, for the output
	Markdown   string // file whose table is to be written, "" for none
	Out, Log   io.Writer
}

// Figure is one line of output. Value is nil with a Reason when there is none.
type Figure struct {
	Figure  string   `json:"figure"`
	Value   *float64 `json:"value"`
	Unit    string   `json:"unit"`
	Aim     string   `json:"aim"`
	Peer    string   `json:"peer,omitempty"`
	Command string   `json:"command"`
	At      string   `json:"at"`
	Reason  string   `json:"reason,omitempty"`
}

// quickly bounds each scenario of the quick form, unless it was asked for by name.
const quickly = 40 * time.Second

// leastProcs is how many goroutines of the lab may run at once, whatever the
// machine has.
const leastProcs = 8

// lab is one run of everything.
type lab struct {
	Options
	dir string

	mu      sync.Mutex
	results map[string]float64 // for figures that compare runs, by key
	figures []Figure
	err     error // of writing the output
}

// Run measures and prints. The error is about the lab, not about a peer that
// does badly.
func Run(ctx context.Context, o Options) error {
	jobs, err := plan(o)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tram-link-")
	if err != nil {
		return fmt.Errorf("make scratch folder: %w", err)
	}
	defer os.RemoveAll(dir)
	// The threads of the lines must not wait for each other.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(leastProcs, runtime.NumCPU())))
	l := &lab{Options: o, dir: dir, results: map[string]float64{}}
	for _, j := range jobs {
		j.lab = l
	}
	crowd := slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return j.alone })
	slices.SortStableFunc(crowd, func(a, b *job) int { return b.minutes - a.minutes })
	l.together(ctx, crowd)
	for _, j := range jobs {
		if j.alone && ctx.Err() == nil {
			l.do(ctx, j)
		}
	}
	for _, j := range jobs {
		if j.against != nil {
			j.against(j, jobs)
		}
	}
	if o.Markdown != "" && ctx.Err() == nil {
		l.err = errors.Join(l.err, Into(o.Markdown, Table(l.figures)))
	}
	return errors.Join(context.Cause(ctx), l.err)
}

// plan lists the jobs in the order of the scenarios.
func plan(o Options) ([]*job, error) {
	for _, name := range o.Only {
		if !slices.ContainsFunc(scenarios, func(s scenario) bool { return s.name == name }) {
			return nil, fmt.Errorf("scenario %q is unknown: there are %s", name, strings.Join(Scenarios(), ", "))
		}
	}
	for _, name := range o.Peers {
		if _, err := peers.New(name); err != nil {
			return nil, err
		}
	}
	var jobs []*job
	for _, s := range scenarios {
		if len(o.Only) > 0 && !slices.Contains(o.Only, s.name) || len(o.Only) == 0 && o.Quick && s.slow {
			continue
		}
		for _, peer := range peers.Names() {
			if peer != us && (!s.crowd || o.Quick && len(o.Peers) == 0) || len(o.Peers) > 0 && !slices.Contains(o.Peers, peer) {
				continue
			}
			for i, congestion := range o.Congestion {
				if i == 0 || s.both {
					jobs = append(jobs, &job{scenario: s, peer: peer, congestion: congestion})
				}
			}
		}
	}
	if len(jobs) == 0 {
		return nil, errors.New("nothing to run: the scenarios asked for are of Trạm alone")
	}
	return jobs, nil
}

// together runs jobs side by side, as many at once as Options say.
func (l *lab) together(ctx context.Context, jobs []*job) {
	var wg sync.WaitGroup
	atOnce := max(1, l.Jobs)
	if l.Quick {
		atOnce = len(jobs) // they wait for their lines most of the time
	}
	room := make(chan struct{}, max(1, atOnce))
	for _, j := range jobs {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-room }()
			l.do(ctx, j)
		})
	}
	wg.Wait()
}

// do runs one job; a failure is a line of output.
func (l *lab) do(ctx context.Context, j *job) {
	begin := time.Now()
	l.say("%s: begins", j)
	running, cancel := context.WithCancel(ctx)
	if l.Quick && len(l.Only) == 0 {
		running, cancel = context.WithTimeoutCause(ctx, quickly, fmt.Errorf("not done within the %v of the quick form", quickly))
	}
	defer cancel()
	err := j.measure(running, j)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		if cause := context.Cause(running); cause != nil {
			err = cause
		}
		l.say("%s: %v", j, err)
		j.emit(j.about, nil, j.unit, j.aim, reason(err))
	}
	l.say("%s: ends after %.0f s", j, time.Since(begin).Seconds())
}

// reason is the first line of an error, bounded.
func reason(err error) string {
	const most = 300
	text, _, _ := strings.Cut(err.Error(), "\n")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

func (l *lab) say(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.Log, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

func (l *lab) write(f Figure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f.Command, f.At = l.Command, time.Now().Format(time.RFC3339)
	out := json.NewEncoder(l.Out)
	out.SetEscapeHTML(false)
	l.figures = append(l.figures, f)
	l.err = errors.Join(l.err, out.Encode(f))
}

func (l *lab) keep(key string, value float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.results[key] = value
}

// kept returns a result of this run.
func (l *lab) kept(key string) (float64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v, ok := l.results[key]
	return v, ok
}
