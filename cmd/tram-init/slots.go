//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The state of the slots is GRUB's environment block, a file of the boot partition.
// GRUB writes it in place, and so does this program: the file system around it is
// never written to, so that no power cut can hurt it.
const (
	stateFile = bootMount + "/boot/grub/grubenv"
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
	at, err := placeOf(stateFile, stateSize)
	if err != nil {
		return fmt.Errorf("find %s on the disk: %w", stateFile, err)
	}
	f, err := os.OpenFile(d.part(bootPart), os.O_WRONLY|os.O_SYNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(block, at)
	return errors.Join(err, f.Close())
}

// placeOf is where the first size bytes of a file stand on its partition, in one piece.
func placeOf(path string, size int64) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	const blockSize, blockMap = 2, 1 // FIGETBSZ, FIBMAP
	unit, err := unix.IoctlGetInt(int(f.Fd()), blockSize)
	if err != nil {
		return 0, err
	}
	first := int64(0)
	for n := int64(0); n*int64(unit) < size; n++ {
		block := int32(n)
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), blockMap, uintptr(unsafe.Pointer(&block))); errno != 0 {
			return 0, errno
		}
		if n == 0 {
			first = int64(block)
		}
		if block == 0 || int64(block) != first+n {
			return 0, errors.New("it is not in one piece")
		}
	}
	return first * int64(unit), nil
}

// confirm makes the slot that runs the one in use: its trial is over.
func (d disk) confirm(slot string) error {
	return d.setState(map[string]string{keySlot: slot})
}
