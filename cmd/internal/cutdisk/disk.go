// Package cutdisk is a disk for an emulator that forgets, at a power cut, what its
// guest wrote and did not flush.
//
// It is a file served over NBD. A write is volatile until a flush that came after it,
// or a write with force unit access, made it durable: a guest that is killed between
// the two finds a random part of what it wrote, in sectors, as with the cache of a real
// disk. Killing an emulator over a plain file would lose nothing of that: the host
// still has it.
//
// It promises that what was flushed is in the file, that reads see every write, and
// that what is volatile is bounded as the cache of a disk is.
package cutdisk

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
)

// sector is what a disk writes wholly or not at all, in bytes.
const sector = 512

// MaxVolatile bounds what may be forgotten, in bytes; beyond it the oldest writes go to
// the file, as a disk's cache does when it is full.
const MaxVolatile = 16 << 20

// Disk is the file and what is volatile. Safe for concurrent use.
type Disk struct {
	mu       sync.Mutex
	f        *os.File
	size     int64
	volatile []write // oldest first
	bytes    int
	flushes  int
	off      bool // the power is cut
	left     int  // requests until it fails by itself; 0: it does not
	failed   chan struct{}
}

type write struct {
	at   int64
	data []byte
}

var (
	errOff   = errors.New("power is cut")
	errRange = errors.New("outside of the disk")
)

// Open opens the file of a disk.
func Open(path string) (*Disk, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Disk{f: f, size: size}, nil
}

// Size is the disk's, in bytes.
func (d *Disk) Size() int64 { return d.size }

// Close closes the file; what is volatile is forgotten.
func (d *Disk) Close() error { return d.f.Close() }

func (d *Disk) check(at int64, length int) error {
	if d.off {
		return errOff
	}
	if at < 0 || at > d.size || int64(length) > d.size-at {
		return errRange
	}
	return nil
}

// ReadAt reads what was written last, flushed or not.
func (d *Disk) ReadAt(p []byte, at int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(at, len(p)); err != nil {
		return 0, err
	}
	if _, err := d.f.ReadAt(p, at); err != nil {
		return 0, err
	}
	for _, w := range d.volatile {
		from, to := max(at, w.at), min(at+int64(len(p)), w.at+int64(len(w.data)))
		if from < to {
			copy(p[from-at:to-at], w.data[from-w.at:to-w.at])
		}
	}
	return len(p), nil
}

// Write writes p, which it keeps. durable is force unit access.
func (d *Disk) Write(p []byte, at int64, durable bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(at, len(p)); err != nil {
		return err
	}
	d.volatile = append(d.volatile, write{at, p})
	d.bytes += len(p)
	if d.fail() {
		return errOff
	}
	if durable {
		// Older writes to the same place must not come over it later: all become durable.
		return d.destage(0)
	}
	return d.destage(MaxVolatile)
}

// destage brings the oldest writes into the file until no more than most bytes are
// volatile.
func (d *Disk) destage(most int) error {
	n := 0
	for ; d.bytes > most; n++ {
		w := d.volatile[n]
		if _, err := d.f.WriteAt(w.data, w.at); err != nil {
			return fmt.Errorf("write to disk's file: %w", err)
		}
		d.bytes -= len(w.data)
	}
	d.volatile = append(d.volatile[:0], d.volatile[n:]...)
	return nil
}

// Flush makes everything durable that was written.
func (d *Disk) Flush() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off || d.fail() {
		return errOff
	}
	d.flushes++
	return d.destage(0)
}

// CutAfter has the power fail by itself at the n-th write or flush from now, n ≥ 1,
// where a cut at any instant would mostly hit a guest that has flushed all it wrote:
// such a write stays volatile, such a flush does nothing, and neither they nor what
// comes later is answered. The channel is closed when it happens; [Disk.Cut] has to
// follow.
func (d *Disk) CutAfter(n int) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left, d.failed = n, make(chan struct{})
	return d.failed
}

// fail counts a write or a flush, and tells whether the power fails at it.
func (d *Disk) fail() bool {
	if d.left == 0 {
		return false
	}
	if d.left--; d.left > 0 {
		return false
	}
	d.off = true
	close(d.failed)
	return true
}

// Lost is what a cut did.
type Lost struct {
	Volatile  int // writes that were not flushed
	Forgotten int // of these, not in the file
	Torn      int // in it in part
}

// Cut is the power cut: a random part of what is volatile comes into the file, in
// whole sectors, and the disk answers nothing until it is on again.
func (d *Disk) Cut(random *rand.Rand) (Lost, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off, d.left = true, 0
	lost := Lost{Volatile: len(d.volatile)}
	keep := random.Float64() // some caches were nearly written back, others not at all
	for _, w := range d.volatile {
		switch {
		case random.Float64() >= keep:
			lost.Forgotten++
			continue
		case random.IntN(8) == 0 && len(w.data) > sector:
			lost.Torn++
			w.data = w.data[:sector*(1+random.IntN(len(w.data)/sector-1))]
		}
		if _, err := d.f.WriteAt(w.data, w.at); err != nil {
			return lost, fmt.Errorf("write to disk's file: %w", err)
		}
	}
	d.volatile, d.bytes = nil, 0
	return lost, nil
}

// On gives the disk its power back.
func (d *Disk) On() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = false
}

// Flushes counts the flushes so far: none means that a guest asks for none.
func (d *Disk) Flushes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.flushes
}
