// Package killtest kills a program at the named points of package fsx: at each fsync,
// rename and commit of a story that it lets a process live through.
//
// It promises that a story that passes was killed by the system, not ended in good
// order, before and after the step at every point that it names, that starting it again
// was all it took to come to its end, and that a point that the story never passes makes
// it fail.
//
// It is for tests alone. The process is the test's own binary, started again.
package killtest

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tram/storage/fsx"
)

// Names of the variables that a child is told by.
const (
	envStory = "TRAM_TEST_KILL_STORY"
	envDir   = "TRAM_TEST_KILL_DIR"
	envAt    = "TRAM_TEST_KILL_AT"
	envLog   = "TRAM_TEST_KILL_LOG"
)

// patience is how long a child may take: much longer than any does.
const patience = 2 * time.Minute

// Main runs the story that this process was started for and returns what it is to end
// with; not a child, it does nothing. Every TestMain of a package with stories calls it
// first. What a story prints to standard output line by line is what it has promised so
// far.
func Main(stories map[string]func(dir string) error) (code int, child bool) {
	name := os.Getenv(envStory)
	if name == "" {
		return 0, false
	}
	story := stories[name]
	if story == nil {
		fmt.Fprintf(os.Stderr, "no story %q\n", name)
		return 2, true
	}
	w, err := watching(os.Getenv(envLog), os.Getenv(envAt))
	if err == nil {
		fsx.Watch(w.passed)
		err = story(os.Getenv(envDir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	return 0, true
}

// At is one passing of a point in a run.
type At struct {
	Point fsx.Point
	Nth   int  // passing of that point, from 1
	Done  bool // after the step; else before it
}

// String is how a passing stands in the log and in the environment.
func (a At) String() string { return fmt.Sprintf("%s %d %v", a.Point, a.Nth, a.Done) }

type watch struct {
	mu    sync.Mutex
	log   *os.File
	at    string
	count map[At]int
}

func watching(log, at string) (*watch, error) {
	f, err := os.OpenFile(log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	return &watch{log: f, at: at, count: map[At]int{}}, err
}

// passed notes a passing, and ends the process at the one it was told.
func (w *watch) passed(p fsx.Passing) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := At{Point: p.Point, Done: p.Done}
	w.count[key]++
	key.Nth = w.count[key]
	fmt.Fprintf(w.log, "%s\n", key)
	if key.String() != w.at {
		return
	}
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill() // SIGKILL: nothing is flushed, no defer runs
	}
	select {}
}

// Child is a process in a story.
type Child struct {
	cmd  *exec.Cmd
	log  string
	at   *At
	done chan struct{}
	err  error

	mu   sync.Mutex
	said []string
}

// Start starts a story on dir. With at, it is killed there.
func Start(t testing.TB, story, dir string, at *At) *Child {
	t.Helper()
	log, err := os.CreateTemp(filepath.Dir(dir), "passed-")
	if err != nil {
		t.Fatal(err)
	}
	log.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	c := &Child{cmd: exec.CommandContext(ctx, os.Args[0]), log: log.Name(), at: at, done: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), envStory+"="+story, envDir+"="+dir, envLog+"="+c.log)
	if at != nil {
		c.cmd.Env = append(c.cmd.Env, envAt+"="+at.String())
	}
	var failed strings.Builder
	c.cmd.Stderr = &failed
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	go func() {
		defer cancel()
		for scan := bufio.NewScanner(out); scan.Scan(); {
			c.mu.Lock()
			c.said = append(c.said, scan.Text())
			c.mu.Unlock()
		}
		if c.err = c.cmd.Wait(); c.err != nil {
			c.err = fmt.Errorf("%w: %s", c.err, failed.String())
		}
		close(c.done)
	}()
	return c
}

// Done is closed when the process has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Said returns what the process has promised.
func (c *Child) Said() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.said...)
}

// Wait waits for the end of a process that comes to its end by itself.
func (c *Child) Wait() error {
	<-c.done
	return c.err
}

// Kill ends the process now, wherever it is.
func (c *Child) Kill() {
	_ = c.cmd.Process.Kill() // it may have ended
	<-c.done
}

// Signal kills the process without waiting for its end.
func (c *Child) Signal() { _ = c.cmd.Process.Kill() }

// Killed waits for the end and says whether the process was killed where it was to be.
func (c *Child) Killed() bool {
	<-c.done
	passed := c.Passed()
	return c.err != nil && c.at != nil && len(passed) > 0 && passed[len(passed)-1] == *c.at
}

// Passed lists what the process has passed so far.
func (c *Child) Passed() (list []At) {
	data, _ := os.ReadFile(c.log) // none yet
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) != 3 || !strings.HasSuffix(line, "\n") {
			continue
		}
		nth, _ := strconv.Atoi(words[1]) // it wrote it
		list = append(list, At{fsx.Point(words[0]), nth, words[2] == "true"})
	}
	return list
}

// Story is a life of a process that ends by itself and can be begun again.
type Story struct {
	Name   string      // as in the map of [Main]
	Points []fsx.Point // all are killed at
	// Prepare fills the empty folder that the story is to work on.
	Prepare func(t *testing.T, dir string)
	// Check looks at the folder after a killed run and a whole one; said is what the
	// killed run had promised.
	Check func(t *testing.T, dir string, said []string)
}

// long says whether each point is killed at before its step and after it; else one side
// of each in turn.
func long() bool { return os.Getenv("TRAM_LONG") != "" }

// Plan lists the kills at points: before the step at its first passing, or after it at
// one in the middle of those that a whole run counts.
func Plan(points []fsx.Point, count func(fsx.Point) int) (list []At) {
	for i, p := range points {
		if long() || i%2 == 0 {
			list = append(list, At{p, 1, false})
		}
		if long() || i%2 == 1 {
			list = append(list, At{p, 1 + count(p)/2, true})
		}
	}
	return list
}

// Run lets the story be lived once, then once more for each kill of its [Plan].
func (s Story) Run(t *testing.T) {
	t.Helper()
	base := t.TempDir()
	fresh := func(t *testing.T, name string) string {
		dir := filepath.Join(base, name, "data")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		s.Prepare(t, dir)
		return dir
	}
	dir := fresh(t, "whole")
	whole := Start(t, s.Name, dir, nil)
	if err := whole.Wait(); err != nil {
		t.Fatalf("without a kill: %v", err)
	}
	s.Check(t, dir, whole.Said())
	count := map[fsx.Point]int{}
	for _, a := range whole.Passed() {
		if !a.Done {
			count[a.Point]++
		}
	}
	for _, p := range s.Points {
		if count[p] == 0 {
			t.Errorf("the story never passes %s", p)
		}
	}
	kills := slices.DeleteFunc(Plan(s.Points, func(p fsx.Point) int { return count[p] }), func(a At) bool { return count[a.Point] == 0 })
	for _, at := range kills {
		t.Run(at.String(), func(t *testing.T) { s.kill(t, fresh(t, strings.ReplaceAll(at.String(), " ", "-")), at) })
	}
	t.Logf("%d kills at %d points, %d passings in a whole run", len(kills), len(s.Points), len(whole.Passed())/2)
}

func (s Story) kill(t *testing.T, dir string, at At) {
	first := Start(t, s.Name, dir, &at)
	if !first.Killed() {
		t.Fatalf("was not killed there: %v", first.err)
	}
	if err := Start(t, s.Name, dir, nil).Wait(); err != nil {
		t.Fatalf("does not come to its end after the kill: %v", err)
	}
	s.Check(t, dir, first.Said())
}

// Copy copies a folder of data, which only this user may read.
func Copy(t testing.TB, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), data, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}
