package config

import (
	"path/filepath"
	"slices"
	"time"

	"tram/agent/hours"
	"tram/agent/problem"
	"tram/sync/link"
)

// Urgencies are the words for an urgency, by its level.
var Urgencies = []string{"thuong", "khan", "thuong-khan", "hoa-toc"}

// Never is the word of Line.Urgency for a line that no document brings up.
const Never = "never"

// Bounds of the settings of the line.
const (
	maxPatterns  = 64
	maxCarrier   = 20 // characters
	maxArguments = 32 // of a command
	maxArgument  = 1024
	minIdle      = 10 * time.Second
	maxIdle      = 24 * time.Hour
	minTimeout   = time.Second
	maxTimeout   = 10 * time.Minute
)

// Metered is what may go over lines whose bytes cost money.
type Metered struct {
	Interfaces []string   // their names, or patterns of them
	Urgency    string     // word of Urgencies: what is less urgent never goes over them
	Size       Size       // a larger document waits for another line, unless it is hỏa tốc; 0: no bound
	Budget     Size       // of the SIM for a month; 0: no bound
	Month      int        // day on which the month of the SIM begins; in a shorter month its last day
	Hours      hours.Week // when documents that are not urgent may use them; empty: always
	Carrier    string     // whose line it is, or its access point: what the hub groups offices by
}

// Line is how a line that is not always there is brought up and down.
type Line struct {
	Up      []string      // program and arguments that bring it up; empty: nothing does
	Down    []string      // the same for down
	Times   hours.Week    // when it is kept up
	Urgency string        // word of Urgencies: a waiting document of that urgency or above brings it up; or Never
	Idle    time.Duration // it goes down when nothing moved for so long
	Timeout time.Duration // a program that runs longer is ended
}

func defaultMetered() Metered {
	return Metered{Interfaces: []string{"ppp*", "wwan*", "usb*", "Cellular*"}, Urgency: Urgencies[0], Month: 1}
}

func defaultLine() Line {
	return Line{Urgency: Urgencies[1], Idle: 5 * time.Minute, Timeout: time.Minute}
}

func (m *Metered) fields() []field {
	return []field{
		patterns("metered.interfaces", &m.Interfaces),
		// Thượng khẩn and hỏa tốc always pass, so there is no higher bound.
		choice("metered.urgency", &m.Urgency, Urgencies[:3]...),
		size("metered.size", &m.Size, 0, maxObject),
		size("metered.budget", &m.Budget, 0, 1000*GB),
		number("metered.month", &m.Month, 1, 31),
		week("metered.hours", &m.Hours),
		text("metered.carrier", &m.Carrier, maxCarrier),
	}
}

func (l *Line) fields() []field {
	return []field{
		command("line.up", &l.Up),
		command("line.down", &l.Down),
		week("line.times", &l.Times),
		choice("line.urgency", &l.Urgency, append([]string{Never}, Urgencies...)...),
		duration("line.idle", &l.Idle, minIdle, maxIdle),
		duration("line.timeout", &l.Timeout, minTimeout, maxTimeout),
	}
}

// faults are those of several settings together.
func (l *Line) faults(origins map[string]Origin) (faults problem.List) {
	needs := func(key, by string) { faults = append(faults, badValue(key, "", "← "+by, origins)) }
	up, down := len(l.Up) > 0, len(l.Down) > 0
	switch {
	case up && !down:
		needs("line.down", "line.up")
	case down && !up:
		needs("line.up", "line.down")
	case !up && len(l.Times) > 0:
		needs("line.up", "line.times")
	}
	return faults
}

func patterns(key string, p *[]string) field {
	return list(key, "ppp*, wwan0, …", p, func(all []string) bool {
		return len(all) <= maxPatterns && !slices.ContainsFunc(all, func(s string) bool {
			return !isPrintable(s) || len(s) > maxName || !link.ValidPattern(s)
		})
	})
}

// command is a program by its full path, and its arguments.
func command(key string, p *[]string) field {
	return list(key, "/path/program, argument, …", p, func(all []string) bool {
		if len(all) > 0 && !filepath.IsAbs(all[0]) {
			return false
		}
		return len(all) <= maxArguments && !slices.ContainsFunc(all, func(s string) bool {
			return !isPrintable(s) || len(s) > maxArgument
		})
	})
}
