// Package forgetful is a disk for tests of whole processes: a file system that is mounted
// through FUSE, lies in the memory of the test, and forgets, when its power is cut, what
// was not made durable.
//
// It promises what POSIX does and no more: bytes survive [Disk.Cut] after fsync of their
// file, names after fsync of their folder. What was not made durable survives by chance:
// names one by one, bytes sector by sector, so that a write may be torn. It fails as it
// is told to: a step with an I/O error, a full disk, a medium that takes no more writes.
//
// It is there on Linux with 64 bits, which the library for FUSE needs.
//
// Not modelled: access times, extended attributes, hard links, a removal that is undone
// by a cut although its folder was not synced is always undone.
package forgetful

import (
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Op names a step on the disk.
type Op string

// The steps.
const (
	OpRead     Op = "read"
	OpWrite    Op = "write"
	OpTruncate Op = "truncate"
	OpSync     Op = "sync"    // of a file
	OpSyncDir  Op = "syncdir" // of a folder
	OpCreate   Op = "create"  // a file, folder or socket
	OpRename   Op = "rename"
	OpRemove   Op = "remove"
)

// sector is how much a disk writes whole, in bytes.
const sector = 512

// Disk is a file system in memory. Its methods may be called from several goroutines.
type Disk struct {
	mu       sync.Mutex
	root     *inode
	last     uint64 // inode number
	capacity int64
	used     int64
	steps    int
	fault    func(op Op, path string) syscall.Errno
	off      bool // the power is gone: everything fails until the next mount
}

// inode is a file, folder or socket.
type inode struct {
	number   uint64
	mode     uint32
	uid, gid uint32
	name     string // last name and folder it had, for faults
	parent   *inode
	changed  time.Time

	data    []byte
	durable []byte
	dirty   map[int64]bool // sectors written since the last fsync

	children map[string]*inode // of a folder
	safe     map[string]*inode // what its fsync has made durable
}

// New returns an empty disk of that many bytes.
func New(capacity int64) *Disk {
	d := &Disk{capacity: capacity}
	d.root = d.make(syscall.S_IFDIR|0o700, nil, "")
	return d
}

func (d *Disk) make(mode uint32, parent *inode, name string) *inode {
	d.last++
	n := &inode{number: d.last, mode: mode, parent: parent, name: name, changed: time.Now(), dirty: map[int64]bool{}}
	if mode&syscall.S_IFMT == syscall.S_IFDIR {
		n.children, n.safe = map[string]*inode{}, map[string]*inode{}
	}
	return n
}

func (n *inode) path() string {
	if n.parent == nil {
		return "/"
	}
	return path.Join(n.parent.path(), n.name)
}

// Fail has every step ask fault first; nil ends that. It is called with the disk locked.
func (d *Disk) Fail(fault func(op Op, path string) syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = fault
}

// SetCapacity sets the size of the disk in bytes.
func (d *Disk) SetCapacity(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.capacity = n
}

// Used returns how many bytes files hold.
func (d *Disk) Used() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used
}

// Steps returns how many steps that change something there were.
func (d *Disk) Steps() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.steps
}

// step asks for a fault. The lock is held.
func (d *Disk) step(op Op, n *inode, name string) syscall.Errno {
	if d.off {
		return syscall.EIO
	}
	if op != OpRead {
		d.steps++
	}
	if d.fault == nil {
		return 0
	}
	return d.fault(op, path.Join(n.path(), name))
}

// PowerOff fails everything from now on, so that nothing more becomes durable, as a fault
// can do: its caller holds the lock.
func (d *Disk) PowerOff() { d.off = true }

// Cut forgets what was not made durable, but for what survives by chance with r. The disk
// must not be mounted.
func (d *Disk) Cut(r *rand.Rand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off, d.used = false, 0
	d.forget(d.root, r)
}

func (d *Disk) forget(n *inode, r *rand.Rand) {
	if n.children == nil {
		n.forgetBytes(r)
		d.used += int64(len(n.data))
		return
	}
	left := maps.Clone(n.safe)
	for _, name := range slices.Sorted(maps.Keys(n.children)) {
		if r != nil && r.IntN(2) == 0 {
			left[name] = n.children[name]
		}
	}
	n.children, n.safe = left, maps.Clone(left)
	for _, name := range slices.Sorted(maps.Keys(left)) {
		child := left[name]
		child.parent, child.name = n, name
		d.forget(child, r)
	}
}

func (n *inode) forgetBytes(r *rand.Rand) {
	now := slices.Clone(n.durable)
	for _, s := range slices.Sorted(maps.Keys(n.dirty)) {
		if r == nil || r.IntN(2) == 0 {
			continue
		}
		from, to := s*sector, min((s+1)*sector, int64(len(n.data)))
		if from >= to {
			continue // cut off since
		}
		if int64(len(now)) < to {
			now = append(now, make([]byte, to-int64(len(now)))...)
		}
		copy(now[from:to], n.data[from:to])
	}
	n.data, n.durable = now, slices.Clone(now)
	clear(n.dirty)
}

// write stores p at off. Without room for all of it nothing is stored.
func (d *Disk) write(n *inode, p []byte, off int64) syscall.Errno {
	end := off + int64(len(p))
	if grow := end - int64(len(n.data)); grow > 0 {
		if d.used+grow > d.capacity {
			return syscall.ENOSPC
		}
		d.used += grow
		n.data = append(n.data, make([]byte, grow)...)
	}
	copy(n.data[off:end], p)
	for s := off / sector; s*sector < end; s++ {
		n.dirty[s] = true
	}
	n.changed = time.Now()
	return 0
}

func (d *Disk) truncate(n *inode, size int64) syscall.Errno {
	if grow := size - int64(len(n.data)); grow > 0 {
		return d.write(n, make([]byte, grow), int64(len(n.data)))
	}
	d.used -= int64(len(n.data)) - size
	n.data = n.data[:size:size]
	n.changed = time.Now()
	return 0
}

func (n *inode) sync() {
	if len(n.dirty) == 0 && len(n.data) == len(n.durable) {
		return
	}
	if len(n.durable) > len(n.data) {
		n.durable = n.durable[:len(n.data)]
	}
	n.durable = append(n.durable, make([]byte, len(n.data)-len(n.durable))...)
	for s := range n.dirty {
		from, to := s*sector, min((s+1)*sector, int64(len(n.data)))
		if from < to {
			copy(n.durable[from:to], n.data[from:to])
		}
	}
	clear(n.dirty)
}
