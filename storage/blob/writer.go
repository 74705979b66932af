package blob

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"path/filepath"

	"tram/storage/fsx"
)

// Writer takes in the bytes of one content. It is for one goroutine.
type Writer struct {
	store *Store
	hash  hash.Hash
	buf   []byte // until there is a file
	temp  *fsx.Temp
	size  int64
	room  int64 // size at which to look at the free space again
	err   error // sticks; nothing can be committed after it
	done  bool
	got   *Content // once committed
}

// Create starts new content; Commit or Abort ends it. Content that stays inline needs no
// room here: whoever keeps its row looks for that.
func (s *Store) Create() (*Writer, error) {
	return &Writer{store: s, hash: sha256.New()}, nil
}

// Write appends p. Errors stick and include [storage.ErrFull].
func (w *Writer) Write(p []byte) (int, error) {
	if w.done {
		return 0, errors.New("store content: writer is closed")
	}
	if w.err != nil {
		return 0, w.err
	}
	if w.err = w.write(p); w.err != nil {
		return 0, w.err
	}
	w.hash.Write(p)
	w.size += int64(len(p))
	return len(p), nil
}

func (w *Writer) write(p []byte) error {
	if w.temp == nil && len(w.buf)+len(p) <= InlineMax {
		w.buf = append(w.buf, p...)
		return nil
	}
	if w.size >= w.room {
		if err := w.store.Room(max(roomEvery, int64(len(p)))); err != nil {
			return err
		}
		w.room = w.size + roomEvery
	}
	if w.temp == nil {
		t, err := fsx.CreateOn(w.store.disk, filepath.Join(w.store.dir, partsDir), 0o600)
		if err != nil {
			return fmt.Errorf("store content: %w", err)
		}
		w.temp = t
		if _, err := t.Write(w.buf); err != nil {
			return fmt.Errorf("store content: %w", err)
		}
		w.buf = nil
	}
	if _, err := w.temp.Write(p); err != nil {
		return fmt.Errorf("store content: %w", err)
	}
	return nil
}

// Size returns how many bytes were written.
func (w *Writer) Size() int64 { return w.size }

// ReadAt reads what was written, until Commit or Abort.
func (w *Writer) ReadAt(p []byte, off int64) (int, error) {
	switch {
	case w.done:
		return 0, errors.New("read content: writer is closed")
	case w.temp == nil:
		return bytes.NewReader(w.buf).ReadAt(p, off)
	}
	return w.temp.ReadAt(p, off)
}

// Commit makes the content durable. Calling it again returns the same content.
func (w *Writer) Commit() (Content, error) {
	if w.err != nil {
		return Content{}, errors.Join(w.err, w.Close())
	}
	if w.got != nil {
		return *w.got, nil
	}
	if w.done {
		return Content{}, errors.New("store content: writer is closed")
	}
	c := Content{Size: w.size}
	w.hash.Sum(c.SHA256[:0])
	if w.temp == nil {
		c.Inline = append(make([]byte, 0, len(w.buf)), w.buf...)
	} else if err := w.adopt(c); err != nil {
		w.err = fmt.Errorf("store content: %w", fsx.MapError(err))
		return Content{}, errors.Join(w.err, w.Close())
	}
	w.done, w.got, w.buf = true, &c, nil
	return c, nil
}

func (w *Writer) adopt(c Content) error {
	path, err := w.temp.Finish()
	if err != nil {
		return err
	}
	if err := w.store.adopt(path, c.SHA256, c.Size); err != nil {
		return errors.Join(err, w.temp.Discard())
	}
	return nil
}

// Abort throws the bytes away. After Commit it does nothing.
func (w *Writer) Abort() { _ = w.Close() }

// Close ends the writer: what is not committed is thrown away. Calling it again
// does nothing.
func (w *Writer) Close() error {
	if w.done {
		return nil
	}
	w.done, w.buf = true, nil
	if w.temp != nil {
		return w.temp.Abort()
	}
	return nil
}
