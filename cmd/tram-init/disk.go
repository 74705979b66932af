//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The appliance's disk, as packaging/image/build lays it out: a DOS partition table,
// which every BIOS boots and UEFI reads too, with a signature of its own.
const (
	diskSignature = 0x4d415254 // "TRAM"
	signatureAt   = 440
	tableAt       = 446
	sectorSize    = 512

	bootPart = 1 // FAT: boot loader, and the folder tram for the officer's files
	slotA    = 2
	slotB    = 3
	dataPart = 4
)

// diskWait is how long a disk may take to appear; old USB disks need some seconds.
const diskWait = 60 * time.Second

// disk is the block device that the system came from.
type disk struct {
	path string // /dev/sda
}

// part is the device file of a partition.
func (d disk) part(n int) string {
	if last := d.path[len(d.path)-1]; last >= '0' && last <= '9' {
		return d.path + "p" + strconv.Itoa(n)
	}
	return d.path + strconv.Itoa(n)
}

// findDisk waits for the appliance's disk. Of two, such as the machine's own and a
// stick from which it is installed, the fixed one is taken.
func findDisk(wait func()) (disk, error) {
	for deadline := time.Now().Add(diskWait); ; wait() {
		if d, ok := lookForDisk("/sys/block", "/dev"); ok {
			return d, nil
		}
		if time.Now().After(deadline) {
			return disk{}, fmt.Errorf("no disk of an appliance appeared within %v", diskWait)
		}
	}
}

func lookForDisk(sys, dev string) (disk, bool) {
	entries, err := os.ReadDir(sys)
	if err != nil {
		return disk{}, false
	}
	var fixed, removable []string
	for _, e := range entries {
		path := filepath.Join(dev, e.Name())
		if !ours(path) {
			continue
		}
		if moves(filepath.Join(sys, e.Name())) {
			removable = append(removable, path)
		} else {
			fixed = append(fixed, path)
		}
	}
	if all := append(fixed, removable...); len(all) > 0 {
		return disk{all[0]}, true
	}
	return disk{}, false
}

// moves tells whether a disk can be taken away: a card, or anything on USB.
func moves(sys string) bool {
	flag, err := os.ReadFile(filepath.Join(sys, "removable"))
	if err == nil && strings.TrimSpace(string(flag)) == "1" {
		return true
	}
	where, err := filepath.EvalSymlinks(sys)
	return err == nil && strings.Contains(where, "/usb")
}

// ours tells whether a disk has the appliance's signature.
func ours(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	sector := make([]byte, sectorSize)
	if _, err := io.ReadFull(f, sector); err != nil {
		return false
	}
	return sector[510] == 0x55 && sector[511] == 0xaa && binary.LittleEndian.Uint32(sector[signatureAt:]) == diskSignature
}

// growBy is the least that a partition is made larger by: less is not worth a write
// to the partition table.
const growBy = 64 << 20 / sectorSize

// enlarge returns the boot sector with the data partition reaching to the end of a
// disk of so many sectors, and its new length; 0 where it does already.
func enlarge(sector []byte, sectors uint64) ([]byte, uint64) {
	entry := tableAt + (dataPart-1)*16
	start := uint64(binary.LittleEndian.Uint32(sector[entry+8:]))
	have := uint64(binary.LittleEndian.Uint32(sector[entry+12:]))
	const most = 1<<32 - 1 // what the table can say
	if start == 0 || sectors < start+have+growBy {
		return nil, 0
	}
	length := min(sectors-start, most)
	length -= length % (1 << 20 / sectorSize)
	if length <= have {
		return nil, 0
	}
	sector = slices.Clone(sector)
	binary.LittleEndian.PutUint32(sector[entry+12:], uint32(length))
	return sector, length
}

// grow makes the data partition fill the disk: once in the life of a disk. The table
// is one sector, which a disk writes wholly or not at all.
func (d disk) grow() error {
	f, err := os.OpenFile(d.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	sector := make([]byte, sectorSize)
	if _, err := f.ReadAt(sector, 0); err != nil {
		return err
	}
	grown, length := enlarge(sector, uint64(size)/sectorSize)
	if grown == nil {
		return nil
	}
	if _, err := f.WriteAt(grown, 0); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	say("data partition now has %d MiB", length*sectorSize>>20)
	return d.tellKernel(f, sector, length)
}

// tellKernel gives the kernel the new length, for slots of this disk are in use and
// the table cannot be read again as a whole.
func (d disk) tellKernel(f *os.File, sector []byte, length uint64) error {
	start := uint64(binary.LittleEndian.Uint32(sector[tableAt+(dataPart-1)*16+8:]))
	p := struct {
		start, length int64
		number        int32
		names         [128]byte
	}{int64(start * sectorSize), int64(length * sectorSize), dataPart, [128]byte{}}
	const resize = 3 // BLKPG_RESIZE_PARTITION
	arg := struct {
		op, flags, size int32
		data            unsafe.Pointer
	}{resize, 0, int32(unsafe.Sizeof(p)), unsafe.Pointer(&p)}
	const blkpg = 0x1269
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), blkpg, uintptr(unsafe.Pointer(&arg))); errno != 0 {
		return fmt.Errorf("tell the kernel of the larger partition: %w", errno)
	}
	return nil
}

// slotOf reads the slot and whether it is on trial from the kernel's command line.
func slotOf(cmdline string) (slot string, trial bool, err error) {
	for word := range strings.FieldsSeq(cmdline) {
		switch name, value, _ := strings.Cut(word, "="); name {
		case "tram.slot":
			slot = value
		case "tram.trial":
			trial = value == "1"
		}
	}
	if slot != "a" && slot != "b" {
		return "", false, errors.New("the boot loader named no slot (tram.slot=a or b)")
	}
	return slot, trial, nil
}
