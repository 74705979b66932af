//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// swapShare is how much compressed swap there is, of the machine's memory: a third of
// what lies there is what it costs.
const (
	swapShare  = 2 // one half
	pageBytes  = 4096
	smallSpare = 512 << 20 // bytes of memory from which on a machine needs none
)

// swapHeader is the first page of a swap area of so many pages (mkswap's version 1).
func swapHeader(pages uint32) []byte {
	h := make([]byte, pageBytes)
	binary.NativeEndian.PutUint32(h[1024:], 1)
	binary.NativeEndian.PutUint32(h[1028:], pages-1)
	copy(h[pageBytes-10:], "SWAPSPACE2")
	return h
}

// startSwap gives a machine with little memory compressed swap in it (zram): rarely
// used pages make room for the program's own text, and no flash is worn.
func startSwap() error {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return err
	}
	total := uint64(info.Totalram) * uint64(info.Unit)
	if total >= smallSpare || os.Getpagesize() != pageBytes {
		return nil
	}
	load("zram")
	const dev, sys = "/dev/zram0", "/sys/block/zram0/"
	size := total / swapShare / pageBytes * pageBytes
	if err := os.WriteFile(sys+"disksize", []byte(strconv.FormatUint(size, 10)), 0); err != nil {
		return err
	}
	if err := os.WriteFile(dev, swapHeader(uint32(size/pageBytes)), 0); err != nil {
		return err
	}
	path, err := unix.BytePtrFromString(dev)
	if err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_SWAPON, uintptr(unsafe.Pointer(path)), 0, 0); errno != 0 {
		return fmt.Errorf("swap on: %w", errno)
	}
	setKernel(map[string]string{
		"/proc/sys/vm/swappiness":   "150",
		"/proc/sys/vm/page-cluster": "0",
		// It knows better which pages are rarely used (multi-generational LRU).
		"/sys/kernel/mm/lru_gen/enabled": "y",
	})
	return nil
}
