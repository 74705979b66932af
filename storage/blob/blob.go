// Package blob keeps content in files that are named by their SHA-256.
//
// It promises that a [Content] it returned survives a power cut, that the same
// bytes are kept once, that a partial file keeps its durable prefix, and that
// content is never removed while a caller may be about to refer to it: only
// [Store.Sweep] removes files, and it leaves alone what this process made or
// confirmed within [Grace].
//
// Content of at most [InlineMax] bytes gets no file: it comes back inline, to
// stand in the caller's row, where it costs no fsync of its own.
//
// Files are written once: a part becomes the content by a rename.
package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"tram/storage"
	"tram/storage/fsx"
)

const (
	// InlineMax is the largest content, in bytes, that gets no file.
	InlineMax = 32 << 10

	// DefaultMinFree and DefaultMinFreePercent bound the space that content
	// leaves free on its volume: the smaller of the two counts. What remains is
	// for the database, so that documents can still be read, receipted and
	// removed. Hard limit; hitting it is [storage.ErrFull].
	DefaultMinFree = 500 << 20 // bytes
	// DefaultMinFreePercent is of the volume's size.
	DefaultMinFreePercent = 5

	// Grace is how long new content is safe from [Store.Sweep] without being
	// referred to, by this process's monotonic clock. After a crash there is
	// none: what is not referred to then never will be.
	Grace = time.Hour

	// roomEvery is how many bytes are written between two looks at the free space.
	roomEvery = 1 << 20
	// maxPins is how many recent contents are remembered before old ones are
	// dropped outside a Sweep.
	maxPins = 4096

	partsDir = "parts"
	stripes  = 16
)

// ErrTooLarge says that content is longer than the limit of [Store.Stage].
var ErrTooLarge = errors.New("content is too large")

// Content refers to stored bytes.
type Content struct {
	SHA256 [32]byte
	Size   int64
	// Inline holds the bytes when there is no file for them; it is not nil
	// then, even for empty content.
	Inline []byte
}

// Options configure [Open]. The zero value is usable.
type Options struct {
	// MinFree is how many bytes to leave free on the volume. Zero means
	// [DefaultMinFree] and [DefaultMinFreePercent], negative none.
	MinFree int64
	Disk    fsx.Disk     // nil: fsx.OS
	Logger  *slog.Logger // nil: discard
}

// Store is a folder of content. Its methods may be called from several
// goroutines; one process at a time may have it open.
type Store struct {
	dir     string
	disk    fsx.Disk
	minFree int64
	log     *slog.Logger

	// locks serialise, by the first digit of the digest, what makes a file
	// appear with what removes it.
	locks [stripes]stripe

	mu   sync.Mutex
	pins map[[32]byte]time.Time // when content was made or confirmed
}

type stripe struct {
	sync.Mutex
	ready bool      // the outer folder is durable
	leafs [256]bool // inner folders that are durable
}

// leaf tells whether the inner folder of a digest is durable.
func (l *stripe) leaf(sha [32]byte) *bool { return &l.leafs[sha[0]<<4|sha[1]>>4] }

// Open opens or makes a store in dir and removes what a crash left unnamed.
func Open(dir string, o Options) (*Store, error) {
	s := &Store{dir: dir, disk: o.Disk, minFree: o.MinFree, log: o.Logger, pins: map[[32]byte]time.Time{}}
	if s.disk == nil {
		s.disk = fsx.OS
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	parts := filepath.Join(dir, partsDir)
	if err := fsx.MkdirAll(s.disk, parts, 0o700); err != nil {
		return nil, fmt.Errorf("open content store: %w", err)
	}
	if err := fsx.RemoveTemps(s.disk, parts); err != nil {
		return nil, fmt.Errorf("open content store: %w", err)
	}
	return s, nil
}

// OpenReadOnly opens the store in dir to read alone, beside the process that has it
// open. Nothing else may be asked of it.
func OpenReadOnly(dir string) *Store {
	return &Store{dir: dir, disk: fsx.OS, log: slog.New(slog.DiscardHandler), pins: map[[32]byte]time.Time{}}
}

// path spreads files over 16 × 256 folders: few enough that a small store does
// not pay a disk block for each file's folder, enough for millions of files.
func (s *Store) path(sha [32]byte) string {
	name := hex.EncodeToString(sha[:])
	return filepath.Join(s.dir, name[:1], name[1:3], name)
}

func (s *Store) stripe(sha [32]byte) *stripe { return &s.locks[sha[0]>>4] }

// Stage stores what r yields. Longer content than limit bytes is
// [ErrTooLarge]; a limit of zero or less means none. Errors of r are wrapped.
func (s *Store) Stage(ctx context.Context, r io.Reader, limit int64) (Content, error) {
	w, err := s.Create()
	if err != nil {
		return Content{}, err
	}
	defer w.Close()
	if limit > 0 {
		r = io.LimitReader(r, limit+1)
	}
	buf := make([]byte, 32<<10)
	for {
		if err := ctx.Err(); err != nil {
			return Content{}, fmt.Errorf("store content: %w", err)
		}
		n, rerr := r.Read(buf)
		if limit > 0 && w.Size()+int64(n) > limit {
			return Content{}, fmt.Errorf("store content: %w", ErrTooLarge)
		}
		if _, err := w.Write(buf[:n]); err != nil {
			return Content{}, err
		}
		if rerr == io.EOF {
			return w.Commit()
		}
		if rerr != nil {
			return Content{}, fmt.Errorf("read content: %w", rerr)
		}
	}
}

// Reader opens content. [storage.ErrNotFound] when its file is missing or has
// another length.
func (s *Store) Reader(c Content) (io.ReadSeekCloser, error) {
	if c.Inline != nil || c.Size == 0 { // a database may give nothing back as nil
		return inlineReader{bytes.NewReader(c.Inline)}, nil
	}
	f, err := s.open(c.SHA256, c.Size)
	if err != nil {
		return nil, fmt.Errorf("read content: %w", err)
	}
	return f, nil
}

// Check reads a content and compares it with its digest; storage.ErrDigest says that it
// was changed. It does not begin when ctx has ended.
func (s *Store) Check(ctx context.Context, c Content) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r, err := s.Reader(c)
	if err != nil {
		return err
	}
	defer r.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		return err
	}
	if [32]byte(sum.Sum(nil)) != c.SHA256 {
		return fmt.Errorf("%w: %x", storage.ErrDigest, c.SHA256)
	}
	return nil
}

type inlineReader struct{ *bytes.Reader }

func (inlineReader) Close() error { return nil }

// ReadAt reads content as io.ReaderAt does.
func (s *Store) ReadAt(c Content, p []byte, off int64) (int, error) {
	if c.Inline != nil || c.Size == 0 {
		return bytes.NewReader(c.Inline).ReadAt(p, off)
	}
	f, err := s.open(c.SHA256, c.Size)
	if err != nil {
		return 0, fmt.Errorf("read content: %w", err)
	}
	defer f.Close()
	return f.ReadAt(p, off)
}

// open opens the file of content and checks its length.
func (s *Store) open(sha [32]byte, size int64) (fsx.File, error) {
	f, err := s.disk.OpenFile(s.path(sha), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %x", storage.ErrNotFound, sha)
	}
	if err != nil {
		return nil, err
	}
	n, err := f.Seek(0, io.SeekEnd)
	if err == nil && n != size {
		err = fmt.Errorf("%w: %x is %d bytes long instead of %d", storage.ErrNotFound, sha, n, size)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Has says whether content is there as a file, and keeps it from being swept
// for [Grace]: the caller may refer to it.
func (s *Store) Has(sha [32]byte, size int64) bool {
	lock := s.stripe(sha)
	lock.Lock()
	defer lock.Unlock()
	return s.has(sha, size)
}

func (s *Store) has(sha [32]byte, size int64) bool {
	f, err := s.open(sha, size)
	if err != nil {
		return false
	}
	_ = f.Close() // nothing was written
	s.pin(sha)
	return true
}

// adopt makes the closed, synced file at path the content sha. It returns with
// the name durable and path gone, or with an error.
func (s *Store) adopt(path string, sha [32]byte, size int64) error {
	lock := s.stripe(sha)
	lock.Lock()
	defer lock.Unlock()
	target := s.path(sha)
	leaf := filepath.Dir(target)
	if err := s.prepare(lock, sha, leaf); err != nil {
		return err
	}
	if s.has(sha, size) {
		if err := s.disk.Remove(path); err != nil {
			return err
		}
		return s.settle(lock, sha, leaf)
	}
	s.pin(sha)
	if err := s.disk.Rename(path, target); err != nil {
		return err
	}
	if err := s.settle(lock, sha, leaf); err != nil {
		// Nobody was told of it, and a name that may not last is not to be found. What
		// the file is a part of goes on from it.
		return errors.Join(err, s.disk.Rename(target, path))
	}
	return nil
}

// prepare makes the folders of a digest.
func (s *Store) prepare(lock *stripe, sha [32]byte, leaf string) error {
	if *lock.leaf(sha) {
		return nil
	}
	for _, dir := range []string{filepath.Dir(leaf), leaf} {
		if err := s.disk.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// settle makes the name of a content durable, and then those of its folders, once in a
// process: an earlier process may have been killed between making and syncing them. In
// this order a file system with a journal writes them all at the first sync, and the
// others find nothing left to write.
func (s *Store) settle(lock *stripe, sha [32]byte, leaf string) error {
	if err := s.disk.SyncDir(leaf); err != nil {
		return err
	}
	inner := lock.leaf(sha)
	if *inner {
		return nil
	}
	if err := s.disk.SyncDir(filepath.Dir(leaf)); err != nil {
		return err
	}
	if !lock.ready {
		if err := s.disk.SyncDir(s.dir); err != nil {
			return err
		}
	}
	lock.ready, *inner = true, true
	return nil
}

// Free returns how many bytes may still be stored: what is free on the volume
// less what is to stay free.
func (s *Store) Free() (int64, error) {
	free, total, err := s.disk.Usage(s.dir)
	if err != nil {
		return 0, fmt.Errorf("read free space: %w", err)
	}
	reserve := s.minFree
	if reserve == 0 {
		reserve = min(DefaultMinFree, total/100*DefaultMinFreePercent)
	}
	return max(free-max(reserve, 0), 0), nil
}

// Room returns [storage.ErrFull] when n more bytes do not fit. Where the free
// space is not known they are taken to fit.
func (s *Store) Room(n int64) error {
	free, err := s.Free()
	if err == nil && free < n {
		return fmt.Errorf("store content: %w: %d bytes free", storage.ErrFull, free)
	}
	return nil
}
