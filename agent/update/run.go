package update

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Variables by which a program knows that it was started from a slot. They do not
// begin as settings do.
const (
	slotVar  = "TRAMSLOT"           // the version of the slot
	childVar = "TRAMSLOT_CHILD"     // it is a child of the installed program
	pathVar  = "TRAMSLOT_INSTALLED" // file of the installed program
	readyMsg = "tram is ready"
	// stopTime is how long a child has for its end, and hangTime how much longer than
	// ProveTime for a word on its trial.
	stopTime = 25 * time.Second
	hangTime = time.Minute
	// busyTime is how long a program may be open for writing elsewhere.
	busyTime = 2 * time.Second
)

// SlotOfProcess is the version of the slot that this process was started from, ""
// for the installed program.
func SlotOfProcess() string { return os.Getenv(slotVar) }

// Runner runs the version that is to run.
type Runner struct {
	Store *Store
	// Lock takes the data folder while slots are changed.
	Lock func() (unlock func() error, err error)
	// Serve is this program. It may be called again after it has returned.
	Serve func(ctx context.Context, ready func()) error
	// Child has a slot run beside the installed program, which ends it, in the place
	// of becoming it. It is so on Windows.
	Child bool
	// Args are those of the program, "": of this process.
	Args []string
}

// Run runs a version until ctx ends or it does, and another one when it ends for
// that. ready is called once when one serves.
func (r Runner) Run(ctx context.Context, ready func()) error {
	if r.Args == nil {
		r.Args = os.Args
	}
	if r.Store.Slot() != "" {
		return r.runSlot(ctx, ready)
	}
	for {
		start, err := r.next()
		if err != nil {
			return err
		}
		if start.Program == "" {
			err = r.Serve(ctx, ready)
			if !errors.Is(err, ErrRestart) || ctx.Err() != nil || managed() {
				return ended(err)
			}
			continue
		}
		if r.Child || childOnly {
			err = r.child(ctx, start, ready)
		} else {
			err = r.failed(start, become(start.Program, r.Args, environment(start, false)))
		}
		if err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// ended is how a program ends that makes room for another one: in good order.
func ended(err error) error {
	if errors.Is(err, ErrRestart) {
		return nil
	}
	return err
}

// managed tells whether the service manager starts this program again: its own clock
// then counts the start of the next one.
func managed() bool { return os.Getenv("NOTIFY_SOCKET") != "" }

func (r Runner) next() (Start, error) {
	if st, err := r.Store.State(); err == nil && st.Current == "" && st.Trial == nil && !st.Restoring {
		return Start{}, nil // the usual case needs no lock
	}
	unlock, err := r.Lock()
	if err != nil {
		return Start{}, err
	}
	start, err := r.Store.Next()
	return start, errors.Join(err, unlock())
}

// failed notes that the system does not start a program.
func (r Runner) failed(start Start, cause error) error {
	r.Store.o.Logger.Error("program does not start", "version", start.Version, "error", cause)
	if start.Trial {
		return r.Store.Failing(start.Version, CannotStart)
	}
	return r.Store.Unusable(start.Version)
}

// runSlot is Run in a program that was started from a slot.
func (r Runner) runSlot(ctx context.Context, ready func()) error {
	installed, child := os.Getenv(pathVar), os.Getenv(childVar) != ""
	if child {
		var stop context.CancelFunc
		ctx, stop = context.WithCancel(ctx)
		defer stop()
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin) // it ends when the parent wants so, or is gone
			stop()
		}()
		report := ready
		ready = func() {
			report()
			fmt.Fprintln(os.Stdout, readyMsg)
		}
	}
	err := r.Serve(ctx, ready)
	if ctx.Err() != nil {
		if err := r.Store.Stopped(); err != nil {
			r.Store.o.Logger.Warn("state of updates not written", "error", err) // it counts as a start
		}
	}
	if !errors.Is(err, ErrRestart) || child || managed() || installed == "" || ctx.Err() != nil {
		return ended(err)
	}
	return become(installed, r.Args, clean(os.Environ()))
}

func environment(s Start, child bool) []string {
	env := append(clean(os.Environ()), slotVar+"="+s.Version)
	if child {
		env = append(env, childVar+"=1")
	}
	if installed, err := os.Executable(); err == nil {
		env = append(env, pathVar+"="+installed)
	}
	return env
}

func clean(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(v string) bool { return strings.HasPrefix(v, slotVar) })
}

// child runs a slot's program beside this one until it ends or ctx does.
func (r Runner) child(ctx context.Context, start Start, ready func()) error {
	var cmd *exec.Cmd
	var in io.WriteCloser
	var out io.ReadCloser
	err := patiently(func() (err error) {
		cmd = exec.Command(start.Program, r.Args[1:]...)
		cmd.Env, cmd.Stderr = environment(start, true), os.Stderr
		if in, err = cmd.StdinPipe(); err != nil {
			return err
		}
		if out, err = cmd.StdoutPipe(); err != nil {
			return err
		}
		return cmd.Start()
	})
	if err != nil {
		return r.failed(start, err)
	}
	done := make(chan error, 1)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if lines.Text() == readyMsg {
				ready()
			}
		}
		_, _ = io.Copy(io.Discard, out) // of a line that was too long
		done <- cmd.Wait()
	}()
	hung := time.NewTimer(ProveTime + hangTime)
	defer hung.Stop()
	for {
		select {
		case err := <-done:
			if err == nil || start.Trial {
				return nil // the state says what comes next
			}
			return fmt.Errorf("version %s: %w", start.Version, err)
		case <-ctx.Done():
			return errors.Join(ctx.Err(), stop(in, cmd, done))
		case <-hung.C:
			st, err := r.Store.State()
			if err == nil && start.Trial && st.Trial != nil && st.Trial.Version == start.Version {
				r.Store.o.Logger.Error("new version does not answer for itself", "version", start.Version)
				return errors.Join(r.Store.Failing(start.Version, Unhealthy), stop(in, cmd, done))
			}
		}
	}
}

// patiently starts a program, again while another process has it open for writing. That
// is one which was just being started when the program was written, until it becomes
// itself.
func patiently(start func() error) error {
	for until := time.Now().Add(busyTime); ; time.Sleep(busyTime / 100) {
		if err := start(); !errors.Is(err, syscall.ETXTBSY) || time.Now().After(until) {
			return err
		}
	}
}

// stop has a child end, by force after stopTime.
func stop(in io.Closer, cmd *exec.Cmd, done <-chan error) error {
	_ = in.Close() // what it hears
	select {
	case <-done:
	case <-time.After(stopTime):
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		<-done
	}
	return nil
}
