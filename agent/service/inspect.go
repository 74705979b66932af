package service

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	kardianos "github.com/kardianos/service"

	"tram/agent/problem"
)

// Sight is what the service manager says of a service.
type Sight struct {
	State    State
	Known    bool          // whether Enabled is known
	Enabled  bool          // it starts with the machine
	Waits    bool          // it has ended and is about to be started again
	Restarts int           // times that it was started again by itself
	Runs     time.Duration // for so long; 0: it does not
}

// maxAnswer bounds what is read of a service manager's answer, in bytes.
const maxAnswer = 16 << 10

// Inspect asks the service manager about the service. It needs no rights.
func Inspect(ctx context.Context, s Setup) (Sight, error) {
	if path, err := exec.LookPath("systemctl"); err == nil {
		out, err := exec.CommandContext(ctx, path, "show", s.Name+".service",
			"--property=LoadState,ActiveState,SubState,UnitFileState,NRestarts,ExecMainStartTimestampMonotonic").Output()
		if sight, ok := parseSight(string(out[:min(len(out), maxAnswer)]), sinceBoot()); err == nil && ok {
			return sight, nil
		}
	}
	if runtime.GOOS != "windows" {
		if _, err := os.Stat(filepath.Join("/etc/init.d", s.Name)); err != nil {
			return Sight{State: NotInstalled}, nil
		}
	}
	state, err := Status(s)
	return Sight{State: state}, err
}

// parseSight reads what "systemctl show" prints; up is how long the machine is up,
// 0 for not known.
func parseSight(text string, up time.Duration) (s Sight, ok bool) {
	values := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, found := strings.Cut(strings.TrimSpace(line), "="); found {
			values[key] = value
		}
	}
	load, active := values["LoadState"], values["ActiveState"]
	if load == "" || active == "" {
		return s, false
	}
	switch {
	case load == "not-found":
		return Sight{State: NotInstalled}, true
	case active == "active":
		s.State = Running
	case active == "failed":
		s.State = FailedState
	default:
		s.State = Stopped
	}
	s.Waits = values["SubState"] == "auto-restart"
	state := values["UnitFileState"]
	s.Known, s.Enabled = state != "", state == "enabled" || state == "static" || state == "enabled-runtime"
	s.Restarts, _ = strconv.Atoi(values["NRestarts"]) // 0 of an older systemd
	if start, err := strconv.ParseInt(values["ExecMainStartTimestampMonotonic"], 10, 64); err == nil && s.State == Running && up > 0 {
		s.Runs = max(up-time.Duration(start)*time.Microsecond, time.Nanosecond)
	}
	return s, true
}

// Enable has the service start with the machine.
func Enable(ctx context.Context, s Setup) error {
	if err := needRights(s); err != nil {
		return err
	}
	if kardianos.Platform() != systemdPlatform {
		return problem.New(problem.Failed, "service.no-manager", "", nil)
	}
	return runCommand(ctx, "systemctl", "enable", s.Name+".service")
}

// Give makes a user the owner of a data folder and of all in it, and closes it to
// others.
func Give(dir, user string) error { return giveTo(dir, user) }
