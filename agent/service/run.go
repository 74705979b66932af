package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	kardianos "github.com/kardianos/service"
)

// RunOptions is what a running service may have besides its function. The zero
// value is usable.
type RunOptions struct {
	// Healthy reports whether the program does its work. It is asked some times
	// per watchdog period and must return before its context ends. While it
	// returns an error, systemd is not told that the program is alive and
	// restarts it when the period is over. Nil means always healthy.
	Healthy func(ctx context.Context) error
	Logger  *slog.Logger // nil means no log
}

// Func is a program that runs until ctx is cancelled or it cannot go on. It
// calls ready once when it serves; further calls do nothing.
type Func func(ctx context.Context, ready func()) error

// Run runs run on a terminal or under the service manager named name, until run
// returns. ctx carries the caller's signals; on Windows a Stop or Shutdown by
// the service manager cancels the context that run gets as well. The error is
// that of run; the cancellation itself is no error.
func Run(ctx context.Context, name string, o RunOptions, run Func) error {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	outliveTerminal()
	if runtime.GOOS == "windows" && !kardianos.Interactive() {
		return runManaged(ctx, name, o, run)
	}
	return runNotifying(ctx, o, run)
}

// runNotifying runs run and keeps systemd informed; without systemd the
// notifications go nowhere.
func runNotifying(ctx context.Context, o RunOptions, run Func) error {
	ctx, cancel := context.WithCancel(ctx)
	var background sync.WaitGroup
	stopping := context.AfterFunc(ctx, func() { notify(o.Logger, daemon.SdNotifyStopping) })
	var once sync.Once
	ready := func() {
		once.Do(func() {
			notify(o.Logger, daemon.SdNotifyReady)
			background.Go(func() { watchdog(ctx, o) })
		})
	}
	err := run(ctx, ready)
	asked := ctx.Err() != nil
	if stopping() {
		notify(o.Logger, daemon.SdNotifyStopping)
	}
	cancel()
	background.Wait()
	if asked && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("cannot notify systemd", "state", state, "error", err)
	}
}

// beatsPerPeriod is how often the health check runs in one watchdog period; one
// slow or failed check is forgiven.
const beatsPerPeriod = 3

// watchdog tells systemd that the program is alive for as long as it is
// healthy.
func watchdog(ctx context.Context, o RunOptions) {
	period, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		o.Logger.Warn("cannot read the watchdog period", "error", err)
	}
	if err != nil || period == 0 {
		return
	}
	beats(ctx, period/beatsPerPeriod, o, func() { notify(o.Logger, daemon.SdNotifyWatchdog) })
}

// beats calls alive at each interval where the program is healthy.
func beats(ctx context.Context, interval time.Duration, o RunOptions, alive func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if err := healthy(ctx, interval, o); err == nil {
			alive()
		} else if ctx.Err() == nil {
			o.Logger.Error("not healthy, withholding the watchdog's sign of life", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func healthy(ctx context.Context, limit time.Duration, o RunOptions) error {
	if o.Healthy == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return o.Healthy(ctx)
}

// managed is a program in the hands of the Windows service manager.
type managed struct {
	start func(ended func())
	stop  func() error
}

// Start is called by the service manager and must return at once.
func (m *managed) Start(s kardianos.Service) error {
	// A program that ends by itself asks to be stopped, so that the service
	// manager sees the end, and its error, and restarts it.
	m.start(func() { _ = s.Stop() })
	return nil
}

// Stop is called by the service manager and waits for the end.
func (m *managed) Stop(kardianos.Service) error { return m.stop() }

// Shutdown is called when the machine goes down; it is a Stop.
func (m *managed) Shutdown(s kardianos.Service) error { return m.Stop(s) }

var _ kardianos.Shutdowner = (*managed)(nil)

// runManaged hands run to the service manager.
func runManaged(ctx context.Context, name string, o RunOptions, run Func) error {
	m := manage(ctx, o, run)
	s, err := kardianos.New(m, &kardianos.Config{Name: name})
	if err != nil {
		return fmt.Errorf("find service manager: %w", err)
	}
	return s.Run()
}

func manage(ctx context.Context, o RunOptions, run Func) *managed {
	ctx, cancel := context.WithCancel(ctx)
	result := make(chan error, 1)
	var once sync.Once
	var final error
	return &managed{
		start: func(ended func()) {
			go func() {
				err := runNotifying(ctx, o, run)
				if err != nil {
					o.Logger.Error("service ended", "error", err)
				}
				result <- err
				if ctx.Err() == nil {
					ended()
				}
			}()
		},
		stop: func() error {
			cancel()
			once.Do(func() { final = <-result })
			return final
		},
	}
}
