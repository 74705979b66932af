package storagetest

import (
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"tram/storage/fsx"
)

// Disk is a file system in memory that can fail and lose power. It keeps what
// POSIX promises and no more: bytes survive [Disk.Cut] after Sync of the file,
// names after SyncDir of the folder.
//
// It implements [fsx.Disk] and may be used from several goroutines. Make it
// with [NewDisk].
type Disk struct {
	mu       sync.Mutex
	now      map[string]*node // by clean path
	safe     map[string]*node // what SyncDir has made durable
	fault    func(op Op, name string) error
	capacity int64
	written  int64
	power    int // counts cuts: files opened before one are dead
}

// Op names a step that can fail.
type Op string

// The steps.
const (
	OpOpen     Op = "open"
	OpRead     Op = "read"
	OpWrite    Op = "write"
	OpTruncate Op = "truncate"
	OpSync     Op = "sync"
	OpClose    Op = "close"
	OpRename   Op = "rename"
	OpRemove   Op = "remove"
	OpMkdir    Op = "mkdir"
	OpSyncDir  Op = "syncdir"
)

// ErrNoSpace is the error of a full disk, as the file system gives it.
var ErrNoSpace error = syscall.ENOSPC

type node struct {
	dir     bool
	data    []byte
	durable []byte
	changed time.Time
}

var _ fsx.Disk = (*Disk)(nil)

// NewDisk returns an empty disk with a root folder and 1 GiB of space.
func NewDisk() *Disk {
	root := &node{dir: true}
	name := clean(string(filepath.Separator))
	return &Disk{now: map[string]*node{name: root}, safe: map[string]*node{name: root}, capacity: 1 << 30}
}

func clean(name string) string { return filepath.Clean(name) }

// Fail makes every step ask fault first; nil ends that. A failing write has
// stored half of its bytes.
func (d *Disk) Fail(fault func(op Op, name string) error) {
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

// Written returns how many bytes were written to files so far.
func (d *Disk) Written() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.written
}

// Files lists the paths of all files, sorted.
func (d *Disk) Files() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []string
	for name, n := range d.now {
		if !n.dir {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// Cut takes the power away: what was not made durable is gone, and files that
// are open fail. With r, each thing that was not durable survives by chance,
// of bytes a part.
func (d *Disk) Cut(r *rand.Rand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.power++
	if r != nil {
		for _, name := range sortedNames(d.now) {
			if r.IntN(2) == 0 {
				d.safe[name] = d.now[name]
			}
		}
	}
	names := map[string]*node{}
	for _, name := range sortedNames(d.safe) { // parents first
		parent := names[filepath.Dir(name)]
		if parent == nil && name != filepath.Dir(name) {
			continue // its folder is lost
		}
		n := d.safe[name]
		keep := len(n.durable)
		if r != nil && len(n.data) > keep {
			keep += r.IntN(len(n.data) - keep + 1)
			n.durable = slices.Clone(n.data[:keep])
		}
		n.data = slices.Clone(n.durable)
		names[name] = n
	}
	d.now = names
	d.safe = map[string]*node{}
	for name, n := range names {
		d.safe[name] = n
	}
}

func sortedNames(m map[string]*node) []string {
	list := make([]string, 0, len(m))
	for name := range m {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// step asks for a fault. The lock is held.
func (d *Disk) step(op Op, name string) error {
	if d.fault == nil {
		return nil
	}
	if err := d.fault(op, name); err != nil {
		return &fs.PathError{Op: string(op), Path: name, Err: err}
	}
	return nil
}

// OpenFile implements [fsx.Disk].
func (d *Disk) OpenFile(name string, flag int, _ fs.FileMode) (fsx.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = clean(name)
	if err := d.step(OpOpen, name); err != nil {
		return nil, err
	}
	n := d.now[name]
	switch {
	case n == nil && flag&os.O_CREATE == 0, d.now[filepath.Dir(name)] == nil:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case n != nil && flag&os.O_EXCL != 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
	case n == nil:
		n = &node{changed: time.Now()}
		d.now[name] = n
	}
	return &file{disk: d, node: n, name: name, power: d.power}, nil
}

// Rename implements [fsx.Disk].
func (d *Disk) Rename(oldName, newName string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	oldName, newName = clean(oldName), clean(newName)
	if err := d.step(OpRename, newName); err != nil {
		return err
	}
	n := d.now[oldName]
	if n == nil || d.now[filepath.Dir(newName)] == nil {
		return &fs.PathError{Op: "rename", Path: oldName, Err: fs.ErrNotExist}
	}
	delete(d.now, oldName)
	d.now[newName] = n
	return nil
}

// Remove implements [fsx.Disk].
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = clean(name)
	if err := d.step(OpRemove, name); err != nil {
		return err
	}
	if d.now[name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	delete(d.now, name)
	return nil
}

// Mkdir implements [fsx.Disk].
func (d *Disk) Mkdir(name string, _ fs.FileMode) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = clean(name)
	if err := d.step(OpMkdir, name); err != nil {
		return err
	}
	if d.now[name] != nil {
		return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrExist}
	}
	if d.now[filepath.Dir(name)] == nil {
		return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrNotExist}
	}
	d.now[name] = &node{dir: true, changed: time.Now()}
	return nil
}

// ReadDir implements [fsx.Disk].
func (d *Disk) ReadDir(name string) ([]fs.DirEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = clean(name)
	if d.now[name] == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	var list []fs.DirEntry
	for _, path := range sortedNames(d.now) {
		if path != name && filepath.Dir(path) == name {
			n := d.now[path]
			list = append(list, fs.FileInfoToDirEntry(info{filepath.Base(path), n.dir, int64(len(n.data)), n.changed}))
		}
	}
	return list, nil
}

// SyncDir implements [fsx.Disk].
func (d *Disk) SyncDir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = clean(name)
	if err := d.step(OpSyncDir, name); err != nil {
		return err
	}
	if d.now[name] == nil {
		return &fs.PathError{Op: "sync", Path: name, Err: fs.ErrNotExist}
	}
	for path := range d.safe {
		if path != name && filepath.Dir(path) == name && d.now[path] == nil {
			delete(d.safe, path)
		}
	}
	for path, n := range d.now {
		if filepath.Dir(path) == name {
			d.safe[path] = n
		}
	}
	return nil
}

// Usage implements [fsx.Disk].
func (d *Disk) Usage(string) (free, total int64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return max(d.capacity-d.used(), 0), d.capacity, nil
}

func (d *Disk) used() (n int64) {
	for _, f := range d.now {
		n += int64(len(f.data))
	}
	return n
}

type info struct {
	name    string
	dir     bool
	size    int64
	changed time.Time
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) ModTime() time.Time { return i.changed }
func (i info) IsDir() bool        { return i.dir }
func (i info) Sys() any           { return nil }
func (i info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o700
	}
	return 0o600
}

// file is an open file of a Disk.
type file struct {
	disk   *Disk
	node   *node
	name   string
	power  int
	off    int64
	closed bool
}

// enter takes the disk's lock for a step of an open file.
func (f *file) enter(op Op) (leave func(), err error) {
	f.disk.mu.Lock()
	if f.closed || f.power != f.disk.power {
		err = &fs.PathError{Op: string(op), Path: f.name, Err: fs.ErrClosed}
	} else {
		err = f.disk.step(op, f.name)
	}
	return f.disk.mu.Unlock, err
}

func (f *file) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.off)
	f.off += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	leave, err := f.enter(OpRead)
	defer leave()
	if err != nil {
		return 0, err
	}
	if off >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) Write(p []byte) (int, error) {
	leave, err := f.enter(OpWrite)
	defer leave()
	if err == nil && f.disk.used()+int64(len(p)) > f.disk.capacity {
		err = &fs.PathError{Op: "write", Path: f.name, Err: ErrNoSpace}
	}
	if err != nil {
		p = p[:len(p)/2]
	}
	if f.power == f.disk.power && !f.closed { // writes behind the offset are not modelled
		f.node.data = append(f.node.data[:f.off:f.off], p...)
		f.node.changed = time.Now()
		f.off += int64(len(p))
		f.disk.written += int64(len(p))
	}
	return len(p), err
}

func (f *file) Seek(offset int64, whence int) (int64, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += f.off
	case io.SeekEnd:
		offset += int64(len(f.node.data))
	}
	f.off = offset
	return offset, nil
}

func (f *file) Truncate(size int64) error {
	leave, err := f.enter(OpTruncate)
	defer leave()
	if err == nil {
		f.node.data = f.node.data[:size:size]
	}
	return err
}

func (f *file) Sync() error {
	leave, err := f.enter(OpSync)
	defer leave()
	if err == nil {
		f.node.durable = slices.Clone(f.node.data)
	}
	return err
}

func (f *file) Close() error {
	leave, err := f.enter(OpClose)
	defer leave()
	f.closed = true
	return err
}

// FailNth returns a fault for [Disk.Fail]: the nth step of that kind, counted
// from 1, fails with err; with an empty suffix on any file, else on those whose
// name ends in it.
func FailNth(op Op, n int, suffix string, err error) func(Op, string) error {
	seen := 0
	return func(o Op, name string) error {
		if o != op || !strings.HasSuffix(name, suffix) {
			return nil
		}
		if seen++; seen == n {
			return err
		}
		return nil
	}
}
