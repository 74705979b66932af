package hotfolder

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
)

// sighting is what was seen of a file. Whatever changes begins it anew.
type sighting struct {
	size  int64
	mod   time.Time
	mode  fs.FileMode
	since time.Duration // on the connector's own clock
	round uint64        // of the last look

	digest [sha256.Size]byte
	read   time.Duration // when the digest was taken
	taken  bool
	card   *sidecar // of a sidecar that was read; card or wrong
	wrong  error
}

// sightings are the files that are looked at, by path.
type sightings struct {
	mu sync.Mutex
	by map[string]*sighting
}

func (s *sightings) of(path string) *sighting {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.by[path]
}

func (s *sightings) put(path string, seen *sighting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.by[path] = seen
}

func (s *sightings) forget(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.by, path)
}

// keep forgets what was not looked at in a round.
func (s *sightings) keep(round uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, seen := range s.by {
		if seen.round != round {
			delete(s.by, path)
		}
	}
}

// verdict is what a look at a file comes to.
type verdict int

const (
	absent     verdict = iota
	waiting            // not long enough as it is, or held by somebody
	ready              // to be taken
	incomplete         // its end is missing, for longer than it may
	irregular          // no file
	denied             // it cannot be opened, for longer than it may
)

var (
	errChanged = errors.New("the file changed while it was read")
	errLocked  = errors.New("the file is held by another program")
)

// look sees how a file is, compared with the looks before.
func (c *conn) look(ctx context.Context, f *tree, path string) (verdict, *sighting, error) {
	info, err := f.root.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return absent, nil, nil
	}
	if err != nil {
		return waiting, nil, err
	}
	now := c.clock()
	s := c.seen.of(path)
	if s == nil || s.size != info.Size() || !s.mod.Equal(info.ModTime()) || s.mode != info.Mode() {
		s = &sighting{size: info.Size(), mod: info.ModTime(), mode: info.Mode(), since: now, round: c.round}
		c.seen.put(path, s)
		return waiting, s, nil
	}
	s.round = c.round
	late := now-s.since >= c.set.wait
	if !info.Mode().IsRegular() {
		return either(late, irregular), s, nil
	}
	if s.taken {
		return either(now-s.read >= c.set.settle, ready), s, nil
	}
	whole, err := c.take(ctx, f, path, info, s)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, errChanged), errors.Is(err, errLocked):
		return waiting, s, nil
	case errors.Is(err, fs.ErrPermission):
		return either(late, denied), s, nil
	case err != nil:
		return waiting, s, err
	case !whole:
		return either(late, incomplete), s, nil
	}
	return either(c.set.settle == 0, ready), s, nil
}

func either(yes bool, v verdict) verdict {
	if yes {
		return v
	}
	return waiting
}

// take reads a file that has not changed since the look before, when its end is
// there.
func (c *conn) take(ctx context.Context, f *tree, path string, info fs.FileInfo, s *sighting) (whole bool, err error) {
	file, err := openRegular(f, path, info)
	if err != nil {
		return false, err
	}
	defer file.Close()
	if held(file) {
		return false, errLocked
	}
	if whole, err := isWhole(path, file, info.Size()); err != nil || !whole {
		return false, err
	}
	sum := sha256.New()
	n, err := io.Copy(sum, &cancelled{ctx.Err, file})
	if err != nil {
		return false, err
	}
	if n != info.Size() {
		return false, errChanged
	}
	sum.Sum(s.digest[:0])
	s.read, s.taken = c.clock(), true
	return true, nil
}

// openRegular opens the file that was looked at, and nothing else that came
// under its name since, such as a link or a pipe.
func openRegular(f *tree, path string, seen fs.FileInfo) (*os.File, error) {
	file, err := f.root.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, busy(err)
	}
	info, err := file.Stat()
	if err == nil && (!info.Mode().IsRegular() || !os.SameFile(info, seen)) {
		err = errChanged
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// cancelled is a reader that ends when its caller wants.
type cancelled struct {
	ended func() error
	r     io.Reader
}

func (c *cancelled) Read(p []byte) (int, error) {
	if err := c.ended(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// checked hands out a file and fails at its end when it is not what was seen.
type checked struct {
	file *os.File
	sum  hash.Hash
	want sighting
	n    int64
	err  error
}

// reopen opens a file for the office.
func (c *conn) reopen(f *tree, path string, s *sighting) (*checked, error) {
	info, err := f.root.Lstat(path)
	if err != nil {
		return nil, err
	}
	file, err := openRegular(f, path, info)
	if err != nil {
		return nil, err
	}
	return &checked{file: file, sum: sha256.New(), want: *s}, nil
}

func (r *checked) Read(p []byte) (int, error) {
	n, err := r.file.Read(p)
	r.sum.Write(p[:n])
	r.n += int64(n)
	if r.n > r.want.size || err == io.EOF && (r.n < r.want.size || [sha256.Size]byte(r.sum.Sum(nil)) != r.want.digest) {
		r.err = errChanged
		return 0, errChanged
	}
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

func (r *checked) Close() { _ = r.file.Close() } // it was only read
