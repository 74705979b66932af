package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// ownDisk is a file system of its own for one data folder, in an image, so that what
// a device is told to write can be counted: the journal of the file system too, which
// no process's own count has.
type ownDisk struct{ folder, device string }

// diskOptions are those of the appliance's data, and diskBytes the size of an image,
// of which only what is written takes room.
const (
	diskOptions = "loop,data=ordered,barrier=1,commit=30,noatime,lazytime"
	diskBytes   = 4 << 30
	sectorBytes = 512 // of the kernel's counts, whatever the device has
)

// newDisk mounts a new file system at folder, which only root can.
func newDisk(ctx context.Context, image, folder string) (d ownDisk, err error) {
	f, err := os.Create(image)
	if err != nil {
		return d, err
	}
	if err := errors.Join(f.Truncate(diskBytes), f.Close(), os.MkdirAll(folder, 0o700)); err != nil {
		return d, err
	}
	// What ext4 would otherwise write later by itself is written now.
	if err := quiet(ctx, "mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image); err != nil {
		return d, err
	}
	if err := quiet(ctx, "mount", "-o", diskOptions, image, folder); err != nil {
		return d, err
	}
	d.folder = folder
	source, err := exec.CommandContext(ctx, "findmnt", "-n", "-o", "SOURCE", folder).Output()
	if err == nil {
		d.device = filepath.Base(strings.TrimSpace(string(source)))
		err = os.Remove(filepath.Join(folder, "lost+found"))
	}
	if err != nil {
		return d, errors.Join(fmt.Errorf("prepare %s: %w", folder, err), d.close())
	}
	return d, nil
}

func quiet(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// written is how many bytes the device was told to write so far. What the kernel still
// holds back is written first.
func (d ownDisk) written(ctx context.Context) (int64, error) {
	if err := quiet(ctx, "sync", "-f", d.folder); err != nil {
		return 0, err
	}
	data, err := os.ReadFile(filepath.Join("/sys/block", d.device, "stat"))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(data))
	const sectorsWritten = 6 // Documentation/block/stat.rst
	if len(fields) <= sectorsWritten {
		return 0, fmt.Errorf("%s has no count of sectors", d.device)
	}
	n, err := strconv.ParseInt(fields[sectorsWritten], 10, 64)
	return n * sectorBytes, err
}

func (d ownDisk) close() error {
	return quiet(context.Background(), "umount", d.folder)
}
