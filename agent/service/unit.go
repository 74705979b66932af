package service

import (
	_ "embed"
	"path/filepath"
	"strconv"
	"strings"
)

//go:embed tram.service
var unitTemplate string

// stateRoot is where systemd makes state directories by name.
const stateRoot = "/var/lib"

// Unit returns the systemd unit of s.
func Unit(s Setup) string {
	r := s.resources()
	return strings.NewReplacer(
		"@NAME@", s.Name,
		"@DESCRIPTION@", unitLine(s.Description),
		"@EXECUTABLE@", unitWord(s.Executable),
		"@DATA@", unitWord(s.Data),
		"@USER@", s.user(),
		"@STATE@", stateLines(s),
		"@NEEDS@\n", needsLine(s),
		"@FILES@", strconv.Itoa(r.files),
		"@TASKS@", strconv.Itoa(r.tasks),
		"@MEMORYHIGH@", r.memoryHigh,
		"@MEMORYMAX@", r.memoryMax,
	).Replace(unitTemplate)
}

// stateLines opens the data folder for writing. Its usual place is a state
// directory, which systemd makes with the right owner when it is missing.
func stateLines(s Setup) string {
	if name, err := filepath.Rel(stateRoot, s.Data); err == nil && !strings.HasPrefix(name, "..") && name != "." {
		return "StateDirectory=" + unitWord(name) + "\nStateDirectoryMode=0700"
	}
	return "ReadWritePaths=" + unitWord(s.Data)
}

// needsLine has a service that is not set up yet rest instead of failing over
// and over.
func needsLine(s Setup) string {
	if s.Needs == "" {
		return ""
	}
	return "ConditionPathExists=" + unitWord(filepath.Join(s.Data, s.Needs)) + "\n"
}

// unitLine makes s safe as the rest of a line: no line end and no specifier.
func unitLine(s string) string {
	return strings.NewReplacer("\n", " ", "\r", " ", "%", "%%").Replace(s)
}

// unitWord makes s safe as one word of a line.
func unitWord(s string) string {
	s = unitLine(s)
	if !strings.ContainsAny(s, " \t\"'\\$;") {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `$$`).Replace(s) + `"`
}
