package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"

	kardianos "github.com/kardianos/service"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/fsx"
)

// systemdPlatform is how kardianos/service names systemd.
const systemdPlatform = "linux-systemd"

// host is the machine as the installer sees it; tests give one in a folder.
type host struct {
	platform  string
	programs  string // folder of program folders
	units     string // folder of systemd units
	packaged  string // folder of the units that packages bring
	bin       string // folder of commands for people; "" for none
	self      func() (string, error)
	run       func(ctx context.Context, name string, args ...string) error
	hasUser   func(name string) bool
	giveTo    func(dir, user string) error
	installed []string // folders whose programs stay where they are
	free      func(dir string) (bytes int64, err error)
	version   func(ctx context.Context, program string) string // "" when it does not say
}

func newHost() *host {
	h := &host{
		platform: kardianos.Platform(),
		programs: "/opt", units: "/etc/systemd/system", packaged: "/usr/lib/systemd/system", bin: "/usr/local/bin",
		self: os.Executable, run: runCommand, giveTo: giveTo, version: versionOf,
		hasUser: func(name string) bool {
			_, err := user.Lookup(name)
			return err == nil
		},
		installed: []string{"/usr/", "/opt/"},
		free: func(dir string) (int64, error) {
			free, _, err := fsx.OS.Usage(dir)
			return free, err
		},
	}
	if folder := os.Getenv("ProgramFiles"); folder != "" {
		h.programs, h.bin, h.installed = folder, "", []string{folder + string(filepath.Separator)}
	}
	return h
}

func runCommand(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

func (h *host) install(ctx context.Context, s Setup) error {
	if !filepath.IsAbs(s.Data) {
		return problem.New(problem.Usage, "service.relative-data", "data", i18n.Args{"path": s.Data})
	}
	if err := h.needRoom(s); err != nil {
		return err
	}
	if s.Executable == "" {
		path, err := h.placeProgram(ctx, s)
		if err != nil {
			return failed("place program", err)
		}
		s.Executable = path
	}
	if err := h.makeUser(ctx, s); err != nil {
		return failed("make user", err)
	}
	if err := h.makeData(s); err != nil {
		return failed("make data folder", err)
	}
	if h.platform == systemdPlatform {
		return h.installUnit(ctx, s)
	}
	return h.installOther(s)
}

// makeUser makes the system user of the service on systems that have them.
func (h *host) makeUser(ctx context.Context, s Setup) error {
	if h.platform != systemdPlatform || h.hasUser(s.user()) {
		return nil
	}
	err := h.run(ctx, "useradd", "--system", "--user-group", "--no-create-home",
		"--home-dir", s.Data, "--shell", "/usr/sbin/nologin", s.user())
	if errors.Is(err, exec.ErrNotFound) { // BusyBox has adduser instead
		err = h.run(ctx, "adduser", "-S", "-D", "-H", "-h", s.Data, "-s", "/sbin/nologin", s.user())
	}
	if err != nil {
		return err
	}
	s.say("service.step.user", i18n.Args{"user": s.user()})
	return nil
}

// makeData makes the data folder and closes it, with what is in it, to all but
// the service.
func (h *host) makeData(s Setup) error {
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return err
	}
	owner := ""
	if h.platform == systemdPlatform {
		owner = s.user()
	}
	if err := h.giveTo(s.Data, owner); err != nil {
		return err
	}
	free, err := h.free(s.Data)
	if err != nil {
		return err
	}
	s.say("service.step.data", i18n.Args{"path": s.Data, "free": roomText(free)})
	return nil
}

// installUnit writes the unit when it differs and has systemd read it. One that
// a package brought is left to that package.
func (h *host) installUnit(ctx context.Context, s Setup) error {
	path := filepath.Join(h.units, s.Name+".service")
	unit := []byte(Unit(s))
	present, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		present, err = os.ReadFile(h.packagedUnit(s.Name))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if bytes.Equal(present, unit) {
		s.say("service.step.unit-same", i18n.Args{"name": s.Name})
	} else {
		if err := fsx.WriteFile(path, unit, 0o644); err != nil {
			return failed("write unit", err)
		}
		if err := h.run(ctx, "systemctl", "daemon-reload"); err != nil {
			return err
		}
		s.say("service.step.unit", i18n.Args{"name": s.Name})
	}
	return h.run(ctx, "systemctl", "enable", s.Name+".service")
}

// installOther uses the library's form for this system.
func (h *host) installOther(s Setup) error {
	handle, err := s.handle()
	if err != nil {
		return err
	}
	key := "service.step.unit-same"
	if !h.isSetUp(s, handle) {
		key = "service.step.unit"
		if err := handle.Install(); err != nil {
			return failed("install service", err)
		}
	}
	s.say(key, i18n.Args{"name": s.Name})
	if err := setRecovery(s.Name); err != nil { // a service that has to be started by hand is still one
		s.warn("service.step.no-recovery", i18n.Args{"name": s.Name, "why": err.Error()})
	}
	return nil
}

// isSetUp tells whether the service manager has the service. Where it is a script,
// the file counts: asked about one that is missing, SysV init only says that it failed.
func (h *host) isSetUp(s Setup, handle kardianos.Service) bool {
	if h.platform == "unix-systemv" || h.platform == "linux-openrc" {
		_, err := os.Lstat(filepath.Join("/etc/init.d", s.Name))
		return err == nil
	}
	return stateOf(handle) != NotInstalled
}

func (h *host) uninstall(ctx context.Context, s Setup) error {
	remove := h.uninstallOther
	if h.platform == systemdPlatform {
		remove = h.uninstallUnit
	}
	if err := remove(ctx, s); err != nil {
		return err
	}
	s.say("service.step.removed", i18n.Args{"name": s.Name})
	s.say("service.step.data-kept", i18n.Args{"path": s.Data})
	return nil
}

func (h *host) uninstallUnit(ctx context.Context, s Setup) error {
	path := filepath.Join(h.units, s.Name+".service")
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := h.run(ctx, "systemctl", "disable", "--now", s.Name+".service"); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return h.run(ctx, "systemctl", "daemon-reload")
}

func (h *host) uninstallOther(_ context.Context, s Setup) error {
	handle, err := s.handle()
	if err != nil {
		return err
	}
	switch stateOf(handle) {
	case NotInstalled:
		return nil
	case Running:
		if err := handle.Stop(); err != nil {
			return failed("stop service", err)
		}
	}
	return handle.Uninstall()
}
