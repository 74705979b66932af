package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tram/cmd/internal/crowd"
	"tram/cmd/internal/world"
)

// gathering is a hub with the offices of a crowd.
type gathering struct {
	bench
	agents int
	inStep bool
	peer   string
	crowd  *crowd.Crowd
	world  *world.World
	dir    string
}

func (s *gathering) figure(name string, value float64, unit, aim string) error {
	return s.bench.figure(name, value, unit, aim, s.peer)
}

func (s *gathering) say(format string, args ...any) { fmt.Fprintf(s.log, format+"\n", args...) }

// enoughFiles says whether this process may open so many connections. Go has
// raised the limit as far as it goes.
func enoughFiles(agents int) error {
	const spare = 200
	data, err := os.ReadFile("/proc/self/limits")
	if err != nil {
		return fmt.Errorf("find limit of open files: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		rest, ok := strings.CutPrefix(line, "Max open files")
		if !ok {
			continue
		}
		var limit int
		if _, err := fmt.Sscan(rest, &limit); err == nil && limit < agents+spare {
			return fmt.Errorf("%d offices need as many open files, and the limit is %d: ulimit -n", agents, limit)
		}
	}
	return nil
}

// gather enrols the offices and connects them.
func (s *gathering) gather(ctx context.Context) error {
	if err := s.enrol(ctx); err != nil {
		return err
	}
	s.say("they connect, some at a time")
	begin := time.Now()
	if err := s.crowd.Start(ctx); err != nil {
		return err
	}
	return s.figure("orderly first connection of all offices", float64(s.agents)/time.Since(begin).Seconds(), "1/s", "")
}

// enrol enrols the offices at a hub and starts it.
func (s *gathering) enrol(ctx context.Context) (err error) {
	if err := enoughFiles(s.agents); err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp("", "tram-crowd-"); err != nil {
		return err
	}
	if s.world, err = world.Start(ctx, world.Options{
		Dir: s.dir, Bin: s.bin, Log: s.log, Hub: world.Spec{Code: "H40", Name: "UBND tỉnh Minh Sơn"},
	}); err != nil {
		return err
	}
	if err := s.world.Hub.Stop(); err != nil {
		return err
	}
	s.say("%d offices are enrolled", s.agents)
	if s.crowd, err = crowd.New(ctx, crowd.Options{
		HubDir: s.world.HubDir(), Server: s.world.MQTT(), Size: s.agents, InStep: s.inStep,
	}); err != nil {
		return err
	}
	return s.startHub(ctx)
}

func (s *gathering) startHub(ctx context.Context) error {
	if err := s.world.Hub.Start(); err != nil {
		return err
	}
	return s.world.WaitHub(ctx)
}

// end ends what gather began, as far as it came.
func (s *gathering) end() {
	if s.crowd != nil {
		s.crowd.Close()
	}
	if s.world != nil {
		s.world.Close()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir) // a folder in the system's temporary one
	}
}

func (s *gathering) memory(field string) (float64, error) {
	kb, err := procField(fmt.Sprintf("/proc/%d/status", s.world.Hub.PID()), field)
	return float64(kb) / 1024, err
}

// cpuSeconds is the user and system time of a process so far.
func cpuSeconds(pid int) (float64, error) {
	data, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "stat"))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(data), ") ") // the program's name may hold anything
	var user, system float64
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("stat of process %d is cut", pid)
	}
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		return 0, err
	}
	const ticks = 100 // USER_HZ, the same on every Linux
	return (user + system) / ticks, nil
}
