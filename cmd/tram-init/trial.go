//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// provenMount is where the slot in use is read from while the other is on trial.
	provenMount = "/run/proven"
	// versionTime bounds the question for a program's version.
	versionTime = 30 * time.Second
)

// tryOut is for a system on trial. Until it is confirmed the office runs the program of
// the slot in use: one that is newer would change the database, and the slot in use
// could not go on from there when the trial fails. A system that carries an older
// program is never confirmed, for that one cannot read the database.
func (o *office) tryOut(d disk, slot string) {
	other := slotA
	if slot == "a" {
		other = slotB
	}
	if err := mount(d.part(other), provenMount, "squashfs", unix.MS_RDONLY|unix.MS_NODEV, ""); err != nil {
		say("the slot in use cannot be read, its program does not run: %v", err)
	} else {
		o.program = provenMount + program
	}
	o.prove = func() {
		if err := mayReplace(o.program); err != nil {
			say("system %s is not confirmed: %v", slot, err)
			return
		}
		if err := d.confirm(slot); err != nil {
			say("system %s is not confirmed, the next start may take the other one: %v", slot, err)
			return
		}
		say("system %s is confirmed", slot)
		if o.program == program {
			return
		}
		o.program = program
		if err := unix.Unmount(provenMount, unix.MNT_DETACH); err != nil { // until its program has ended
			say("slot that was in use: %v", err)
		}
		o.again()
	}
}

// mayReplace tells whether this system's program may follow the one that ran.
func mayReplace(ran string) error {
	if ran == program {
		return nil
	}
	was, err := versionOf(ran)
	if err != nil {
		return err
	}
	own, err := versionOf(program)
	if err != nil {
		return err
	}
	if older(own, was) {
		return fmt.Errorf("its program is of version %s, the one in use of %s", own, was)
	}
	return nil
}

func versionOf(path string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), versionTime)
	defer cancel()
	raw, err := asOffice(ctx, path, "version", "--json").Output()
	var said struct {
		Version string `json:"version"`
	}
	if err = errors.Join(err, json.Unmarshal(raw, &said)); err != nil {
		return "", fmt.Errorf("version of %s: %w", path, err)
	}
	return said.Version, nil
}

// older compares the numbers of two versions (semver.org); what comes after them, and
// versions that are none of a release, count as equal. agent/release would double the
// size of this program.
func older(a, b string) bool {
	n, ok := numbers(a)
	m, ok2 := numbers(b)
	return ok && ok2 && slices.Compare(n[:], m[:]) < 0
}

func numbers(version string) (n [3]int, ok bool) {
	_, err := fmt.Sscanf(strings.TrimPrefix(version, "v"), "%d.%d.%d", &n[0], &n[1], &n[2])
	return n, err == nil
}
