package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"

	"tram/agent/api"
	"tram/agent/health"
	"tram/agent/i18n"
	"tram/agent/service"
	"tram/agent/update"
	"tram/storage/keystore"
)

const (
	// loopStarts is how often the service manager has started a service again when it
	// counts as one that does not stay up, if it last did so within loopRecent.
	loopStarts = 3
	loopRecent = 10 * time.Minute
)

// ask asks the running service how it stands, and whose the data folder is now.
func (e *exam) ask(ctx context.Context) {
	if _, err := os.ReadDir(e.o.Dir); errors.Is(err, fs.ErrPermission) {
		e.denied = true
		return
	}
	ask := e.o.Status
	if ask == nil {
		client := api.NewClient(e.o.Dir)
		defer client.Close()
		ask = client.Status
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	s, err := ask(ctx)
	if err == nil {
		e.status = &s
		return
	}
	e.silence = err
	if e.o.Inside {
		return
	}
	if _, err := os.Stat(e.path(keystore.LockName)); err == nil {
		unlock, err := keystore.Lock(e.o.Dir)
		e.held = errors.Is(err, keystore.ErrLocked)
		if err == nil {
			_ = unlock()
		}
	}
}

// service looks at the service: whether it runs, and will run again.
func (e *exam) service(ctx context.Context) {
	if e.o.Inside {
		e.good("service", i18n.Args{"version": e.o.Version, "since": e.since()})
		return
	}
	ctx, cancel := context.WithTimeout(ctx, managerLimit)
	defer cancel()
	seen, err := service.Inspect(ctx, e.o.Service)
	if err != nil {
		seen = service.Sight{State: service.NotInstalled}
	}
	e.manager(seen)
	switch {
	case e.status != nil:
		if seen.State == service.NotInstalled {
			e.warn("service", ServiceMissing, nil)
		}
		if e.status.Version != e.o.Version {
			e.warn("service", ServiceOther, i18n.Args{"runs": e.status.Version, "program": e.o.Version})
		}
	case e.denied, errors.Is(e.silence, fs.ErrPermission):
		e.unseen("service", unseenDenied, nil)
	case e.held:
		e.fail("service", ServiceDeaf, nil)
	default:
		e.stopped(seen)
	}
	if !e.has("service") && e.status != nil {
		e.good("service", i18n.Args{"version": e.status.Version, "since": e.since()})
	}
}

func (e *exam) since() string {
	if e.status == nil || e.status.Started.IsZero() {
		return "–"
	}
	return e.status.Started.Local().Format("15:04 02/01/2006")
}

// manager tells what the service manager says.
func (e *exam) manager(s service.Sight) {
	if s.Waits || s.Restarts >= loopStarts && s.Runs < loopRecent {
		e.fail("service", ServiceLooping, i18n.Args{"count": s.Restarts})
	}
	if s.State != service.NotInstalled && s.Known && !s.Enabled {
		f := e.warn("service", ServiceDisabled, nil)
		if os.Geteuid() == 0 {
			f.offer(func(ctx context.Context) error { return service.Enable(ctx, e.o.Service) })
		}
	}
}

// stopped tells of a service that does not answer and does not have the data folder.
func (e *exam) stopped(s service.Sight) {
	switch {
	case s.Waits: // told
	case s.State == service.NotInstalled:
		e.fail("service", ServiceMissing, nil)
	case s.State == service.FailedState:
		e.fail("service", ServiceFailed, nil)
	default:
		f := e.fail("service", ServiceStopped, nil)
		if os.Geteuid() == 0 && s.State == service.Stopped {
			f.offer(func(context.Context) error { return service.Start(e.o.Service) })
		}
	}
	path := e.path(api.SocketName)
	info, err := os.Lstat(path)
	if err == nil && info.Mode()&fs.ModeSocket != 0 && errors.Is(e.silence, syscall.ECONNREFUSED) {
		e.warn("service", SocketStale, nil).offer(func(context.Context) error { return os.Remove(path) })
	}
}

// software looks at the slots of new versions. A running service tells by itself
// what is not well with them.
func (e *exam) software(context.Context) {
	if e.denied {
		return
	}
	st, err := update.New(update.Options{Dir: e.o.Dir, Database: e.o.Database, Version: e.o.Version}).State()
	if err != nil {
		e.warn("software", health.UpdateStuck, i18n.Args{"version": e.o.Version, "why": cause(err)})
		return
	}
	if st.Trial != nil {
		e.warn("software", UpdateTrial, i18n.Args{"version": st.Trial.Version, "starts": st.Trial.Starts, "most": update.MaxStarts})
	}
	if st.Restoring {
		e.fail("software", UpdateRestoring, nil)
	}
	if st.Stuck != nil && e.status == nil {
		e.fail("software", health.UpdateStuck, i18n.Args{"version": st.Stuck.Version, "why": i18n.Say("update.reason." + string(st.Stuck.Reason))})
	}
	if !e.has("software") {
		version := st.Current
		if version == "" {
			version = e.o.Version
		}
		e.good("software", i18n.Args{"version": version})
	}
}

// conditions tells what the running service says of itself.
func (e *exam) conditions(context.Context) {
	if e.status == nil {
		return
	}
	for _, c := range e.status.Conditions {
		if !e.told(c) {
			e.condition("running", c)
		}
	}
	if !e.has("running") {
		e.good("running", nil)
	}
}

// told reports whether a condition stands in the report already.
func (e *exam) told(c health.Condition) bool {
	for _, f := range e.found {
		if f.Code == c.Code && (c.Args["name"] == nil || f.Args["name"] == c.Args["name"]) {
			return true
		}
	}
	return false
}
