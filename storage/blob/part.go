package blob

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"tram/storage"
	"tram/storage/fsx"
)

// Part is content that arrives in pieces, in a file of its own that outlives
// the process.
//
// Its durable length is the length of the file when it is opened, fsynced
// then, and after that what the last Sync covered. No other record of it is
// kept, which would double the fsyncs: Len never counts a byte before an fsync
// has returned, so what a caller acknowledged is there after a power cut. Some
// file systems may show more after one, a tail of zeros; the digest that
// Finish checks catches that, and the bytes come again.
//
// Its methods may be called from several goroutines, but a name must not be
// open twice.
type Part struct {
	store *Store
	path  string

	mu      sync.Mutex
	file    fsx.File // nil until there are bytes, and after Close
	closed  bool
	size    int64 // stored
	durable int64 // of these, fsynced
	named   bool  // the folder was synced since the file was made
	hash    hash.Hash
	hashed  int64 // prefix that hash has taken in
}

// Part opens the partial content of that name, which must be a plain file
// name. It takes no space before the first Append.
func (s *Store) Part(name string) (*Part, error) {
	if name == "" || name != filepath.Base(name) || name[0] == '.' {
		return nil, fmt.Errorf("open partial content: bad name %q", name)
	}
	p := &Part{store: s, path: filepath.Join(s.dir, partsDir, name), hash: sha256.New()}
	f, err := s.disk.OpenFile(p.path, os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open partial content: %w", fsx.MapError(err))
	}
	p.file = f
	p.size, err = f.Seek(0, io.SeekEnd)
	if err == nil {
		err = p.sync() // an earlier process may have been killed before its fsync
	}
	if err != nil {
		return nil, fmt.Errorf("open partial content: %w", errors.Join(fsx.MapError(err), f.Close()))
	}
	return p, nil
}

// Parts lists the names of the partial contents in the store.
func (s *Store) Parts() ([]string, error) {
	entries, err := s.disk.ReadDir(filepath.Join(s.dir, partsDir))
	if err != nil {
		return nil, fmt.Errorf("list partial content: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.Name()[0] != '.' {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// RemovePart removes the partial content of that name, if there is one. It
// must not be open.
func (s *Store) RemovePart(name string) error {
	p := &Part{store: s, path: filepath.Join(s.dir, partsDir, filepath.Base(name)), hash: sha256.New()}
	return p.Remove()
}

// Len returns how many bytes are durable.
func (p *Part) Len() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.durable
}

// Stored returns how many bytes are stored, durable or not.
func (p *Part) Stored() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.size
}

// Reader reads what is stored now from its beginning, durable or not. It is for
// as long as the part is open, and may be used while more is appended.
func (p *Part) Reader() io.ReadSeeker {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file == nil {
		return bytes.NewReader(nil)
	}
	return io.NewSectionReader(p.file, 0, p.size)
}

// Append stores b at off, which must not lie beyond what is stored
// ([storage.ErrOffset]); bytes that are stored already are skipped. After an
// error the part is as it was before.
func (p *Part) Append(off int64, b []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return fmt.Errorf("append to partial content: %w", fs.ErrClosed)
	}
	if off < 0 || off > p.size {
		return fmt.Errorf("append to partial content: %w: offset %d, stored %d", storage.ErrOffset, off, p.size)
	}
	skip := p.size - off
	if skip >= int64(len(b)) {
		return nil
	}
	b = b[skip:]
	room := p.store.Room
	if off+int64(len(b))+skip <= InlineMax {
		room = p.store.VitalRoom // whoever admitted it has looked at what it is
	}
	if err := room(int64(len(b))); err != nil {
		return err
	}
	if err := p.write(b); err != nil {
		return fmt.Errorf("append to partial content: %w", fsx.MapError(err))
	}
	return nil
}

func (p *Part) write(b []byte) error {
	if p.file == nil {
		f, err := p.store.disk.OpenFile(p.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		p.file = f
	}
	if _, err := p.file.Write(b); err != nil {
		return errors.Join(err, p.cut(p.size))
	}
	if p.hashed == p.size {
		p.hash.Write(b)
		p.hashed += int64(len(b))
	}
	p.size += int64(len(b))
	return nil
}

// cut drops the bytes from n on.
func (p *Part) cut(n int64) error {
	if err := p.file.Truncate(n); err != nil {
		return err
	}
	if _, err := p.file.Seek(n, io.SeekStart); err != nil {
		return err
	}
	if p.hashed > n {
		p.hash.Reset()
		p.hashed = 0
	}
	p.size = n
	p.durable = min(p.durable, n)
	return nil
}

// Sync makes the stored bytes durable. When it fails, the bytes since the last
// Sync are dropped: the system may have forgotten them, and a second fsync
// would not say so.
func (p *Part) Sync() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return fmt.Errorf("sync partial content: %w", fs.ErrClosed)
	}
	if p.durable == p.size {
		return nil
	}
	if err := p.sync(); err != nil {
		return fmt.Errorf("sync partial content: %w", errors.Join(fsx.MapError(err), p.cut(p.durable)))
	}
	return nil
}

func (p *Part) sync() error {
	if err := PointPart.Sync(p.file, p.path); err != nil {
		return err
	}
	if !p.named {
		if err := PointPartName.SyncDir(p.store.disk, filepath.Dir(p.path)); err != nil {
			return err
		}
		p.named = true
	}
	p.durable = p.size
	return nil
}

// Finish checks the bytes against size and digest and turns them into content,
// durably. The part is closed and gone, except that the file of content that
// comes back inline stays until [Part.Remove], which is for when the caller's
// row is durable.
//
// [storage.ErrOffset] when bytes are missing; nothing changes then.
// [storage.ErrDigest] when they are not the right ones; they are dropped and
// the part is empty again. After another error the part may be closed, its
// bytes still there: open it again.
func (p *Part) Finish(want [32]byte, size int64) (Content, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return Content{}, fmt.Errorf("finish partial content: %w", fs.ErrClosed)
	}
	if p.size < size {
		return Content{}, fmt.Errorf("finish partial content: %w: %d of %d bytes", storage.ErrOffset, p.size, size)
	}
	if err := p.rehash(); err != nil {
		return Content{}, fmt.Errorf("finish partial content: %w", err)
	}
	if p.size > size || [32]byte(p.hash.Sum(nil)) != want {
		err := fmt.Errorf("finish partial content: %w: not %x", storage.ErrDigest, want)
		return Content{}, errors.Join(err, p.remove())
	}
	c := Content{SHA256: want, Size: size}
	if size <= InlineMax {
		c.Inline = make([]byte, size)
		if size > 0 {
			if _, err := p.file.ReadAt(c.Inline, 0); err != nil {
				return Content{}, fmt.Errorf("finish partial content: %w", err)
			}
		}
		return c, nil
	}
	if err := p.become(c); err != nil {
		return Content{}, fmt.Errorf("finish partial content: %w", fsx.MapError(err))
	}
	return c, nil
}

// rehash brings the running digest up to the end: after a restart it starts
// over, because its state is not kept.
func (p *Part) rehash() error {
	if p.hashed == p.size {
		return nil
	}
	n, err := io.Copy(p.hash, io.NewSectionReader(p.file, p.hashed, p.size-p.hashed))
	p.hashed += n
	if err == nil && p.hashed != p.size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// become renames the part to its content's name.
func (p *Part) become(c Content) error {
	if p.durable != p.size {
		if err := p.sync(); err != nil {
			return errors.Join(err, p.cut(p.durable))
		}
	}
	if err := p.close(); err != nil {
		return err
	}
	return p.store.adopt(p.path, c.SHA256, c.Size)
}

// Remove drops the bytes and the file. The part is empty then, and usable
// again unless it was closed.
func (p *Part) Remove() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.remove()
}

func (p *Part) remove() error {
	if p.file != nil {
		_ = p.file.Close() // the bytes are not wanted
		p.file = nil
	}
	p.size, p.durable, p.hashed, p.named = 0, 0, 0, false
	p.hash.Reset()
	if err := p.store.disk.Remove(p.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove partial content: %w", err)
	}
	return nil
}

// Close closes the file, which stays. Bytes since the last Sync may be lost
// in a power cut. Calling it again does nothing.
func (p *Part) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.close()
}

func (p *Part) close() error {
	p.closed = true
	if p.file == nil {
		return nil
	}
	f := p.file
	p.file = nil
	if err := f.Close(); err != nil {
		return fmt.Errorf("close partial content: %w", fsx.MapError(err))
	}
	return nil
}
