package queue_test

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"testing"
	"time"

	"tram/storage"
	"tram/storage/blob"
	"tram/storage/fsx"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
	"tram/storage/storagetest"
)

// subject is the real queue as the suite sees it.
type subject struct {
	*queue.Queue
	t       *testing.T
	dir     string
	disk    fsx.Disk
	options queue.Options
	now     func() time.Time
	db      *sqlite.DB
	blobs   *blob.Store
}

func newSubject(t *testing.T) *subject { return openSubject(&subject{t: t}) }

func openSubject(s *subject) *subject {
	s.t.Helper()
	if s.dir == "" {
		s.dir = s.t.TempDir()
	}
	s.t.Cleanup(func() { s.Queue.Close(); s.db.Close() })
	s.open()
	return s
}

func (s *subject) open() {
	s.t.Helper()
	var err error
	s.db, err = sqlite.Open(context.Background(), filepath.Join(s.dir, "tram.db"), sqlite.Options{Schemas: []sqlite.Schema{queue.Schema}, Now: s.now})
	if err != nil {
		s.t.Fatal(err)
	}
	s.blobs, err = blob.Open(filepath.Join(s.dir, "content"), blob.Options{Disk: s.disk, MinFree: -1})
	if err != nil {
		s.t.Fatal(err)
	}
	s.Queue = queue.New(s.db, s.blobs, s.options)
}

// Crash opens the store anew without closing the queue; what the process had
// in memory is gone.
func (s *subject) Crash() {
	s.db.Close()
	s.open()
}

func (s *subject) stage(contents [][]byte) []blob.Content {
	s.t.Helper()
	var list []blob.Content
	for _, data := range contents {
		w, err := s.blobs.Create()
		if err != nil {
			s.t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			s.t.Fatal(err)
		}
		c, err := w.Commit()
		if err != nil {
			s.t.Fatal(err)
		}
		list = append(list, c)
	}
	return list
}

func (s *subject) Put(ctx context.Context, b storage.Bundle, contents [][]byte, targets ...storagetest.Target) error {
	staged := s.stage(contents)
	var list []queue.Target
	for _, t := range targets {
		list = append(list, queue.Target(t))
	}
	return s.db.Update(ctx, func(tx *sqlite.Tx) error { return s.Queue.Put(tx, b, staged, list) })
}

func (s *subject) End(ctx context.Context, id storage.ID) error {
	return s.db.Update(ctx, func(tx *sqlite.Tx) error { return s.Queue.End(tx, id) })
}

func (s *subject) Inbox(ctx context.Context) ([]storage.ID, error) {
	list, err := s.Queue.Inbox(ctx, 100)
	var ids []storage.ID
	for _, a := range list {
		ids = append(ids, a.ID)
	}
	return ids, err
}

func (s *subject) Handled(ctx context.Context, id storage.ID) error {
	return s.db.Update(ctx, func(tx *sqlite.Tx) error { return s.Queue.Done(tx, id) })
}

func (s *subject) Object(ctx context.Context, id storage.ID, index int) ([]byte, error) {
	r, _, err := s.Queue.OpenObject(ctx, id, index)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func TestConformance(t *testing.T) {
	storagetest.Queue(t, func(t *testing.T) storagetest.Subject { return newSubject(t) })
}

// TestP9_TheReserveIsForSmallVitalBundles: of the kinds that are told, small ones are put
// and admitted where documents are refused.
func TestP9_TheReserveIsForSmallVitalBundles(t *testing.T) {
	const document, status = 1, 2
	disk := storagetest.NewDisk()
	blobs, err := blob.Open("/content", blob.Options{Disk: disk, MinFree: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqlitetest.Open(t.Context(), filepath.Join(t.TempDir(), "tram.db"), sqlite.Options{Schemas: []sqlite.Schema{queue.Schema}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	q := queue.New(db, blobs, queue.Options{Vital: func(kind uint8) bool { return kind == status }})
	offer := func(seed uint64, kind uint8, size int) error {
		s := storagetest.NewSample(seed, 0, size)
		s.Kind = kind
		if _, err := q.Admit(t.Context(), "hub", s.Incoming()); err != nil {
			return err
		}
		if _, err := q.Write(t.Context(), s.ID, 0, 0, s.Contents[0], true); err != nil {
			return err
		}
		return q.Complete(t.Context(), "hub", s.ID, []byte("receipt"))
	}
	for i, c := range []struct {
		free int64
		kind uint8
		size int
		full bool
	}{
		{20 << 20, document, 1000, false},
		{6 << 20, document, 1000, true},
		{6 << 20, status, 1000, false},
		{6 << 20, status, 100_000, true},
		{1 << 20, status, 1000, true},
	} {
		disk.SetCapacity(c.free + 1<<20)
		if err := offer(uint64(i), c.kind, c.size); errors.Is(err, storage.ErrFull) != c.full || (err != nil) != c.full {
			t.Errorf("kind %d of %d bytes with %d free: %v", c.kind, c.size, c.free, err)
		}
	}
}
