package blob

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
)

// pin keeps content from being swept for Grace.
func (s *Store) pin(sha [32]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pins) >= maxPins {
		s.unpinOld()
	}
	s.pins[sha] = time.Now()
}

func (s *Store) unpinOld() {
	for sha, at := range s.pins {
		if time.Since(at) > Grace {
			delete(s.pins, sha)
		}
	}
}

func (s *Store) pinned(sha [32]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.pins[sha]
	return ok && time.Since(at) <= Grace
}

// Sweep removes the files that nobody refers to and that were last written
// before the given time. inUse must say true for every digest that a durable
// row refers to, and an error of it ends the sweep. Content that this process
// made or confirmed within [Grace] stays, whatever the wall clock says. It
// returns how many files and bytes went; a file that cannot be removed is
// reported and does not stop the rest.
func (s *Store) Sweep(ctx context.Context, inUse func(sha [32]byte) (bool, error), before time.Time) (files int, bytes int64, err error) {
	s.mu.Lock()
	s.unpinOld()
	s.mu.Unlock()
	const digits = "0123456789abcdef"
	var stuck []error
	for i := range stripes {
		outer := filepath.Join(s.dir, digits[i:i+1])
		leafs, err := s.readDir(outer)
		if err != nil {
			return files, bytes, err
		}
		for _, leaf := range leafs {
			entries, err := s.readDir(filepath.Join(outer, leaf.Name()))
			if err != nil {
				return files, bytes, err
			}
			for _, e := range entries {
				if err := ctx.Err(); err != nil {
					return files, bytes, fmt.Errorf("sweep content: %w", err)
				}
				size, gone, err := s.sweepFile(e, inUse, before)
				if errors.Is(err, errInUse) {
					return files, bytes, err
				}
				if err != nil {
					stuck = append(stuck, err)
				}
				if gone {
					files++
					bytes += size
				}
			}
		}
	}
	return files, bytes, errors.Join(stuck...)
}

// errInUse wraps an error of the caller's inUse.
var errInUse = errors.New("ask whether content is in use")

func (s *Store) sweepFile(e fs.DirEntry, inUse func([32]byte) (bool, error), before time.Time) (size int64, gone bool, err error) {
	var sha [32]byte
	if len(e.Name()) != hex.EncodedLen(len(sha)) {
		return 0, false, nil // not ours
	}
	if _, err := hex.Decode(sha[:], []byte(e.Name())); err != nil {
		return 0, false, nil
	}
	info, err := e.Info()
	if err != nil || !info.ModTime().Before(before) || s.pinned(sha) {
		return 0, false, nil // gone meanwhile, or too young
	}
	used, err := inUse(sha)
	if err != nil {
		return 0, false, fmt.Errorf("sweep content: %w: %w", errInUse, err)
	}
	if used {
		return 0, false, nil
	}
	// Whoever refers to the content from now on has pinned it first.
	lock := s.stripe(sha)
	lock.Lock()
	defer lock.Unlock()
	if s.pinned(sha) {
		return 0, false, nil
	}
	if err := s.disk.Remove(s.path(sha)); err != nil {
		return 0, false, fmt.Errorf("sweep content: %w", err)
	}
	return info.Size(), true, nil
}

func (s *Store) readDir(dir string) ([]fs.DirEntry, error) {
	entries, err := s.disk.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("sweep content: %w", err)
	}
	return entries, nil
}
