package doctor

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"tram/agent/clock"
	"tram/agent/health"
	"tram/agent/i18n"
	"tram/storage"
	"tram/storage/fsx"
)

const (
	// leastMemory is below what an office needs with some air, and leastFree what
	// must be to be had, in bytes.
	leastMemory = 60 << 20
	leastFree   = 12 << 20
	// chipTolerance is how far the clock chip may be off: it keeps time badly and
	// some systems keep local time in it, which is told apart by chipZone.
	chipTolerance = 10 * time.Minute
	chipZone      = 15 * time.Minute // zones differ by multiples of it
	chipWest      = 14 * time.Hour   // and by no more
	// jump is how far ahead of the last known time is no longer a box that stood in
	// a cupboard.
	jump = 400 * 24 * time.Hour
)

// memory looks at what the machine has, and what the control group leaves of it.
func (e *exam) memory(context.Context) {
	figures := e.meminfo()
	total, known := figures["MemTotal"]
	if !known {
		return // no Linux
	}
	for _, path := range []string{"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if data, err := os.ReadFile(e.machine(path)); err == nil {
			if most, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64); err == nil && most < total {
				total = most
			}
		}
	}
	free, known := figures["MemAvailable"]
	args := i18n.Args{"total": total >> 20, "free": free >> 20}
	if total < leastMemory || known && free < leastFree {
		e.warn("memory", MemoryLow, args)
		return
	}
	e.good("memory", args)
}

// meminfo is /proc/meminfo in bytes.
func (e *exam) meminfo() map[string]int64 {
	figures := map[string]int64{}
	data, err := os.ReadFile(e.machine("proc/meminfo"))
	if err != nil {
		return figures
	}
	for line := range bytes.Lines(data) {
		fields := strings.Fields(string(line))
		if len(fields) < 2 {
			continue
		}
		if kB, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
			figures[strings.TrimSuffix(fields[0], ":")] = kB << 10
		}
	}
	return figures
}

// temp writes into the folder of temporary files, which the database and the reader
// of attachments use. The service has one of its own.
func (e *exam) temp(context.Context) {
	dir := os.TempDir()
	f, err := os.CreateTemp(dir, "tram-doctor-")
	if err == nil {
		_, err = f.WriteString("?")
		err = errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	if err != nil {
		e.fail("temp", TempUnwritable, i18n.Args{"dir": dir, "why": cause(err)})
		return
	}
	e.good("temp", i18n.Args{"dir": dir})
}

// clock compares the machine's clock with the last time that was known here, and
// with the clock chip.
func (e *exam) clock(context.Context) {
	now, trusted := e.believed()
	if !trusted {
		e.fail("clock", health.ClockUntrusted, i18n.Args{"now": now.Local().Format(time.DateTime)})
	} else if last, err := clock.ReadKnown(e.path("clock")); err == nil && !last.IsZero() && now.Sub(last) > jump {
		e.warn("clock", ClockJumped, i18n.Args{"days": int(now.Sub(last) / (24 * time.Hour)), "date": last.Local().Format("02/01/2006")})
	}
	if chip, ok := e.chip(); ok {
		if off := chipOff(e.o.Now().Sub(chip)); off > chipTolerance {
			e.warn("clock", ClockChip, i18n.Args{"chip": chip.UTC().Format(time.DateTime), "minutes": int(off / time.Minute)})
		}
	}
	if !e.has("clock") {
		e.good("clock", i18n.Args{"now": now.Local().Format("15:04 02/01/2006")})
	}
}

// chipOff is how far a clock chip is off when it may keep the time of any zone.
func chipOff(diff time.Duration) time.Duration {
	if diff.Abs() < chipWest+chipTolerance {
		diff -= diff.Round(chipZone)
	}
	return diff.Abs()
}

// chip is what the clock chip says, false when there is none.
func (e *exam) chip() (time.Time, bool) {
	data, err := os.ReadFile(e.machine("sys/class/rtc/rtc0/since_epoch"))
	if err != nil {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	return time.Unix(seconds, 0), err == nil
}

// untrustworthy are file systems that do not keep what was fsynced, or on which the
// database's locks or log do not work.
var untrustworthy = []string{
	"vfat", "msdos", "exfat", "ntfs", "ntfs3", "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "fuse.sshfs", "fuse.glusterfs", "davfs", "ramfs", "tmpfs",
}

// disk looks at the file system of the data folder and writes to it the way the
// office does.
func (e *exam) disk(context.Context) {
	if e.missing() || e.denied {
		e.unlooked("disk")
		return
	}
	v, err := lookAtVolume(e.o.Dir, e.machine("proc/self/mountinfo"))
	if err == nil {
		if slices.Contains(untrustworthy, v.kind) {
			e.warn("disk", DiskKind, i18n.Args{"kind": v.kind})
		}
		if v.inodes > 0 && v.inodesFree < max(1000, v.inodes/100) {
			e.fail("disk", DiskInodes, i18n.Args{"free": v.inodesFree})
		}
	}
	free, _, err := fsx.OS.Usage(e.o.Dir)
	reserve := int64(e.cfg.Storage.Reserve)
	full := err == nil && free <= reserve
	switch {
	case full:
		e.fail("disk", DiskFull, i18n.Args{"free": free >> 20, "reserve": reserve >> 20})
	case err == nil:
		for _, c := range health.Check(health.Vitals{DiskFree: free, DiskReserve: reserve, ClockTrusted: true, CertificateEnds: time.Unix(1<<40, 0)}) {
			e.warn("disk", c.Code, c.Args)
		}
	}
	e.probeDisk(v.readOnly, full)
	if !e.has("disk") {
		e.good("disk", i18n.Args{"dir": e.o.Dir, "free": free >> 20, "kind": v.kind})
	}
}

// probeDisk writes a file for good and takes it away again.
func (e *exam) probeDisk(readOnly, full bool) {
	if readOnly {
		e.fail("disk", DiskReadOnly, nil)
		return
	}
	path := e.path(probeFile)
	err := fsx.WriteFile(path, []byte("?"), 0o600)
	if err == nil {
		err = errors.Join(os.Remove(path), fsx.SyncDir(e.o.Dir))
	}
	switch {
	case err == nil, full && errors.Is(err, storage.ErrFull):
	case errors.Is(err, os.ErrPermission) && !e.o.Inside:
		e.unseen("disk", unseenDenied, nil)
	case fsx.IsReadOnly(err):
		e.fail("disk", DiskReadOnly, nil)
	default:
		e.fail("disk", DiskWrite, i18n.Args{"why": cause(err)})
	}
}

// probeFile is written into the data folder to see whether that works.
const probeFile = ".tmp-doctor"

// folders looks at the folders that settings and connectors name.
func (e *exam) folders(ctx context.Context) {
	named := []struct{ what, dir string }{
		{"ui.scans", e.cfg.UI.Scans}, {"usb.folder", e.cfg.USB.Folder}, {"trust.anchors", e.cfg.Trust.Anchors}, {"trust.lists", e.cfg.Trust.Lists},
	}
	named = append(named, e.hotFolders(ctx)...)
	count := 0
	for _, f := range named {
		if f.dir == "" {
			continue
		}
		count++
		if !filepath.IsAbs(f.dir) {
			f.dir = e.path(f.dir)
		}
		if _, err := os.ReadDir(f.dir); err != nil {
			if errors.Is(err, os.ErrPermission) && e.denied {
				e.unseen("folders", unseenDenied, nil)
				continue
			}
			e.warn("folders", FolderMissing, i18n.Args{"dir": f.dir, "what": f.what, "why": cause(err)})
		}
	}
	if count > 0 && !e.has("folders") {
		e.good("folders", i18n.Args{"count": count})
	}
}

// cause is the last part of an error of the system, for a sentence.
func cause(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			break
		}
		err = next
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok && len(many.Unwrap()) > 0 {
		return cause(many.Unwrap()[0])
	}
	return err.Error()
}
