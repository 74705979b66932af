package service

import (
	"context"
	"errors"
	"fmt"

	kardianos "github.com/kardianos/service"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// Size is how large a program grows; it chooses the limits that systemd holds
// it to.
type Size int

// The sizes.
const (
	Office Size = iota // one office on a small machine
	Hub                // thousands of offices on a server
)

// Setup describes a service on this machine.
type Setup struct {
	Name        string // of service, user and program file, such as "tram"
	Title       string // as Windows lists it
	Description string // one line
	Executable  string // absolute path the service runs; "" means where Install puts this program
	Data        string // absolute path of the data folder
	Size        Size
	Needs       string     // file in the data folder without which systemd does not start it; "" for none
	Version     string     // of this program
	Signed      bool       // a release signature over this program was checked and holds
	Report      func(Step) // told of each step done, in order; nil means nobody
}

// Step is something that Install or Uninstall did or found, as a message of
// the catalogue.
type Step struct {
	Key     string
	Args    i18n.Args
	Warning bool // it needs a person's eye
}

// State is what the service manager says about a service. Its text is stable.
type State string

// The states.
const (
	Running      State = "running"
	Stopped      State = "stopped"
	FailedState  State = "failed"
	NotInstalled State = "not-installed"
)

// resources are the limits in the unit. They catch a runaway program and do
// not shape a healthy one: an office idles below 20 MB and peaks below 50.
type resources struct {
	files, tasks          int
	memoryHigh, memoryMax string
}

func (s Setup) resources() resources {
	if s.Size == Hub {
		return resources{files: 65536, tasks: 1024, memoryHigh: "1536M", memoryMax: "2G"}
	}
	return resources{files: 4096, tasks: 128, memoryHigh: "128M", memoryMax: "256M"}
}

// user is the system user that the service runs as.
func (s Setup) user() string { return s.Name }

func (s Setup) say(key string, args i18n.Args) {
	if s.Report != nil {
		s.Report(Step{Key: key, Args: args})
	}
}

func (s Setup) warn(key string, args i18n.Args) {
	if s.Report != nil {
		s.Report(Step{Key: key, Args: args, Warning: true})
	}
}

// config is the form that kardianos/service wants.
func (s Setup) config() *kardianos.Config {
	return &kardianos.Config{
		Name: s.Name, DisplayName: s.Title, Description: s.Description,
		Executable: s.Executable, Arguments: []string{"run", "--data", s.Data},
		Option: kardianos.KeyValue{"DelayedAutoStart": false},
	}
}

// handle returns the library's view of the service.
func (s Setup) handle() (kardianos.Service, error) {
	h, err := kardianos.New(&managed{}, s.config())
	if err != nil {
		return nil, problem.New(problem.Failed, "service.no-manager", "", nil).Because(err)
	}
	return h, nil
}

// Install puts the program in place, makes its user and data folder, and sets
// the service up to start with the machine. It may be repeated: it then
// upgrades what differs. It does not start the service.
func Install(ctx context.Context, s Setup) error {
	if err := needRights(s); err != nil {
		return err
	}
	return newHost().install(ctx, s)
}

// Uninstall stops and removes the service. Program file, user and data folder
// stay; the report says where the data is. A service that is not there is no
// error.
func Uninstall(ctx context.Context, s Setup) error {
	if err := needRights(s); err != nil {
		return err
	}
	return newHost().uninstall(ctx, s)
}

// Start starts the service; a running one is no error.
func Start(s Setup) error {
	return control(s, func(h kardianos.Service, state State) error {
		if state == Running {
			return nil
		}
		return h.Start()
	})
}

// Stop stops the service and waits for its end; a stopped one is no error.
func Stop(s Setup) error {
	return control(s, func(h kardianos.Service, state State) error {
		if state == Stopped {
			return nil
		}
		return h.Stop()
	})
}

// Restart stops and starts the service.
func Restart(s Setup) error {
	return control(s, func(h kardianos.Service, _ State) error { return h.Restart() })
}

func control(s Setup, do func(kardianos.Service, State) error) error {
	if err := needRights(s); err != nil {
		return err
	}
	h, err := s.handle()
	if err != nil {
		return err
	}
	state := stateOf(h)
	if state == NotInstalled {
		return problem.New(problem.Conflict, "service.not-installed", "", i18n.Args{"name": s.Name})
	}
	letOutlive()
	if err := do(h, state); err != nil {
		return problem.New(problem.Failed, "service.manager-refused", "", i18n.Args{"name": s.Name}).Because(err)
	}
	return nil
}

// Status asks the service manager for the state of the service. It needs no
// rights.
func Status(s Setup) (State, error) {
	h, err := s.handle()
	if err != nil {
		return NotInstalled, err
	}
	return stateOf(h), nil
}

func stateOf(h kardianos.Service) State {
	status, err := h.Status()
	switch {
	case errors.Is(err, kardianos.ErrNotInstalled):
		return NotInstalled
	case err != nil:
		return FailedState
	case status == kardianos.StatusRunning:
		return Running
	default:
		return Stopped
	}
}

// UnderManager reports whether this process was started by a service manager.
func UnderManager() bool { return !kardianos.Interactive() }

func needRights(s Setup) error {
	if privileged() {
		return nil
	}
	return problem.New(problem.Denied, "service.needs-rights", "", i18n.Args{"name": s.Name})
}

// failed wraps the failure of one step of an installation.
func failed(step string, err error) error { return fmt.Errorf("%s: %w", step, err) }
