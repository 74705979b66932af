//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
)

// The state of the slots is an environment block of GRUB in the gap before the first
// partition: no file system stands between a power cut and it, and it is written in
// place by one write.
const (
	stateAt   = 2032 * sectorSize
	stateSize = 1024
	stateHead = "# GRUB Environment Block\n"
)

// Tries is how often the boot loader starts a slot on trial before it goes back.
const Tries = "3"

// Names in the block. The boot loader reads and writes them too: packaging/image/grub.cfg.
const (
	keySlot = "slot" // the slot in use
	keyTry  = "try"  // the slot on trial, "" for none
	keyLeft = "left" // tries that are left to it
)

var errState = errors.New("state of the slots is damaged")

// parseState reads an environment block.
func parseState(block []byte) (map[string]string, error) {
	body, ok := bytes.CutPrefix(block, []byte(stateHead))
	if !ok || len(block) != stateSize {
		return nil, errState
	}
	state := map[string]string{}
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, "#") {
			break // padding
		}
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok || !strings.HasSuffix(line, "\n") {
			return nil, errState
		}
		state[name] = value
	}
	return state, nil
}

// formatState is its inverse; names in a fixed order, so that the same state has the
// same bytes.
func formatState(state map[string]string) ([]byte, error) {
	var b strings.Builder
	b.WriteString(stateHead)
	for _, name := range []string{keySlot, keyTry, keyLeft} {
		if strings.ContainsAny(state[name], "\n\\#") {
			return nil, fmt.Errorf("%w: %s=%q", errState, name, state[name])
		}
		fmt.Fprintf(&b, "%s=%s\n", name, state[name])
	}
	if b.Len() > stateSize {
		return nil, errState
	}
	b.WriteString(strings.Repeat("#", stateSize-b.Len()))
	return []byte(b.String()), nil
}

// setState writes the state of a disk's slots, durably.
func (d disk) setState(state map[string]string) error {
	block, err := formatState(state)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(d.path, os.O_WRONLY|os.O_SYNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(block, stateAt)
	return errors.Join(err, f.Close())
}

// confirm makes the slot that runs the one in use: its trial is over.
func (d disk) confirm(slot string) error {
	return d.setState(map[string]string{keySlot: slot})
}
