package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/release"
	"tram/storage/fsx"
)

// RoomNeeded is what must be free where program and data go, in bytes: for the
// program, the one that it replaces, a database and a reserve. With less,
// nothing is installed.
const RoomNeeded = 300 << 20

// versionTime is how long a program may take to say its version.
const versionTime = 10 * time.Second

// needRoom refuses a disk on which an office could not work.
func (h *host) needRoom(s Setup) error {
	for _, folder := range []string{h.programs, s.Data} {
		free, err := h.free(existing(folder))
		if err != nil {
			return failed("look for room", err)
		}
		if free < RoomNeeded {
			return problem.New(problem.Full, "service.no-room", "", i18n.Args{
				"path": folder, "missing": (RoomNeeded - free + 1<<20 - 1) >> 20, "needed": RoomNeeded >> 20,
			})
		}
	}
	return nil
}

// existing is the folder, or the closest above it that is there.
func existing(folder string) string {
	for {
		if _, err := os.Stat(folder); err == nil || filepath.Dir(folder) == folder {
			return folder
		}
		folder = filepath.Dir(folder)
	}
}

// roomText says how much room there is, coarsely.
func roomText(bytes int64) string {
	const giga = 1 << 30
	if bytes < 10*giga {
		return fmt.Sprintf("%d MB", bytes>>20)
	}
	return fmt.Sprintf("%d GB", bytes/giga)
}

// placeProgram copies this program to where programs live, unless it is there.
func (h *host) placeProgram(ctx context.Context, s Setup) (string, error) {
	self, err := h.self()
	if err != nil {
		return "", err
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		return "", err
	}
	if slices.ContainsFunc(h.installed, func(folder string) bool { return strings.HasPrefix(self, folder) }) {
		return self, nil
	}
	if _, err := os.Lstat(h.packagedUnit(s.Name)); err == nil && h.platform == systemdPlatform {
		return "", problem.New(problem.Conflict, "service.packaged", "", i18n.Args{"name": s.Name})
	}
	target := h.target(s.Name, filepath.Ext(self))
	if err := h.notOlder(ctx, s, target); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return "", err
	}
	if err := copyProgram(self, target); err != nil {
		return "", err
	}
	key, args := "service.step.program", i18n.Args{"path": target, "version": s.Version}
	if s.Signed {
		key = "service.step.program-signed"
	}
	s.say(key, args)
	return target, h.link(target, s)
}

// target is where the program of a service is put.
func (h *host) target(name, extension string) string {
	if extension != ".exe" {
		extension = ""
	}
	return filepath.Join(h.programs, name, name+extension)
}

// packagedUnit is the unit that a package of the service brings.
func (h *host) packagedUnit(name string) string { return filepath.Join(h.packaged, name+".service") }

// notOlder refuses to put this program in the place of a newer one: the older
// could not read what the newer has written.
func (h *host) notOlder(ctx context.Context, s Setup, target string) error {
	if _, err := os.Stat(target); err != nil {
		return nil
	}
	present := h.version(ctx, target)
	was, err := release.ParseVersion(strings.TrimPrefix(present, "v"))
	own, err2 := release.ParseVersion(strings.TrimPrefix(s.Version, "v"))
	if err != nil || err2 != nil || own.Compare(was) >= 0 {
		return nil // builds of their own are whoever's who puts them there
	}
	return problem.New(problem.Conflict, "service.older", "", i18n.Args{"installed": was.String(), "own": own.String(), "name": s.Name})
}

func versionOf(ctx context.Context, program string) string {
	ctx, cancel := context.WithTimeout(ctx, versionTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, "version", "--json").Output()
	var said struct{ Version string }
	if err != nil || json.Unmarshal(out, &said) != nil {
		return ""
	}
	return said.Version
}

// copyProgram replaces target in one step, so that a pulled USB stick or a
// power cut leaves the old program or the new one.
func copyProgram(from, target string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	temp, err := fsx.Create(filepath.Dir(target))
	if err != nil {
		return err
	}
	if _, err := io.Copy(temp, src); err != nil {
		return errors.Join(err, temp.Abort())
	}
	if err := setAside(target); err != nil {
		return errors.Join(err, temp.Abort())
	}
	if err := temp.Commit(target); err != nil {
		return err
	}
	return os.Chmod(target, 0o755)
}

// link lets people call the program by its name.
func (h *host) link(target string, s Setup) error {
	if h.bin == "" {
		return nil
	}
	name := filepath.Join(h.bin, s.Name)
	if present, err := os.Readlink(name); err == nil && present == target {
		return nil
	}
	if _, err := os.Lstat(name); err == nil {
		s.warn("service.step.name-taken", i18n.Args{"path": name})
		return nil
	}
	if err := os.MkdirAll(h.bin, 0o755); err != nil {
		return err
	}
	return os.Symlink(target, name)
}
