package fsx

import "sync/atomic"

// Point names one step in code after which something is durable or has its name: an
// fsync, a rename, a commit. Each is a constant of the package that takes the step,
// runs through [Point.Do], and has a test in which the process is killed there; a rule
// of the house finds one that has not.
type Point string

// The steps that every durable write of this package takes.
const (
	PointFileSync    Point = "file.sync"    // the content of a temporary file
	PointFileRename  Point = "file.rename"  // gets its name
	PointFolderSync  Point = "folder.sync"  // the names in a folder
	PointFolderMade  Point = "folder.made"  // the name of a new folder
	PointWrittenSync Point = "written.sync" // a file that somebody else has written
)

// Passing is one passing of a point.
type Passing struct {
	Point Point
	Path  string // of the file or folder
	Done  bool   // the step has succeeded; else it is about to be taken
}

var watcher atomic.Pointer[func(Passing)]

// Watch has fn called before each step and after each one that succeeded, until end is
// called. It is for tests, which kill their process in it: nothing in the programs may
// call it, which is a rule of the house.
func Watch(fn func(Passing)) (end func()) {
	watcher.Store(&fn)
	return func() { watcher.CompareAndSwap(&fn, nil) }
}

// Do takes a step on path.
func (p Point) Do(path string, step func() error) error {
	watch := watcher.Load()
	if watch == nil {
		return step()
	}
	(*watch)(Passing{Point: p, Path: path})
	err := step()
	if err == nil {
		(*watch)(Passing{Point: p, Path: path, Done: true})
	}
	return err
}

// Rename renames on d, as a step. It is durable after the folder is synced.
func (p Point) Rename(d Disk, from, to string) error {
	return p.Do(to, func() error { return d.Rename(from, to) })
}

// Sync makes the content of an open file durable, as a step.
func (p Point) Sync(f interface{ Sync() error }, path string) error { return p.Do(path, f.Sync) }

// SyncDir makes the names in a folder durable, as a step.
func (p Point) SyncDir(d Disk, dir string) error {
	return p.Do(dir, func() error { return d.SyncDir(dir) })
}
