package search_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/search"
	"tram/agent/search/extract"
	"tram/storage"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
)

// world is an office with a feed in memory, and an index over it.
type world struct {
	mu       sync.Mutex
	docs     map[storage.ID]*entry
	order    []storage.ID // one for each entry of the feed
	changed  chan struct{}
	epoch    string
	failOpen int // how many times Open fails
	opened   int
}

type entry struct {
	doc     office.Document
	content string
	files   [][]byte
}

func newWorld() *world {
	return &world{docs: map[storage.ID]*entry{}, changed: make(chan struct{}), epoch: "a"}
}

// add files a document; an empty ID is drawn.
func (w *world) add(d office.Document, content string, files ...[]byte) storage.ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d.ID == (storage.ID{}) {
		d.ID = uuid.New()
	}
	if d.Box == "" {
		d.Box = office.In
	}
	if d.State == "" {
		d.State = office.Arrived
	}
	for i, f := range files {
		sum := sha256.Sum256(f)
		d.Attachments[i].Index, d.Attachments[i].SHA256, d.Attachments[i].Size = i, hex.EncodeToString(sum[:]), int64(len(f))
	}
	w.docs[d.ID] = &entry{d, content, files}
	w.tell(d.ID)
	return d.ID
}

func (w *world) tell(id storage.ID) {
	w.order = append(w.order, id)
	close(w.changed)
	w.changed = make(chan struct{})
}

// change changes a document and tells of it.
func (w *world) change(id storage.ID, how func(*office.Document)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	how(&w.docs[id].doc)
	w.tell(id)
}

func (w *world) Feed(_ context.Context, after string, limit int) ([]office.Entry, string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := 0
	if after != "" {
		n, err := strconv.Atoi(after[1:])
		if err != nil || after[:1] != w.epoch || n > len(w.order) {
			return nil, "", problem.New(problem.Usage, "feed.cursor", "after", i18n.Args{"cursor": after})
		}
		at = n
	}
	var list []office.Entry
	for i := at; i < min(len(w.order), at+limit); i++ {
		list = append(list, office.Entry{Cursor: w.epoch + strconv.Itoa(i+1), Document: w.order[i]})
	}
	return list, w.epoch + strconv.Itoa(at+len(list)), nil
}

func (w *world) Changed() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

func (w *world) Get(_ context.Context, id storage.ID) (office.Document, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := w.docs[id]; e != nil {
		return e.doc, nil
	}
	return office.Document{}, problem.New(problem.NotFound, "document.not-found", "id", i18n.Args{"id": id.String()})
}

func (w *world) Message(_ context.Context, id storage.ID) (*edxml.Document, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := w.docs[id]; e != nil && e.content != "" {
		return &edxml.Document{Content: e.content}, nil
	}
	return nil, storage.ErrNotFound
}

func (w *world) Open(_ context.Context, id storage.ID, index int) (office.Attachment, io.ReadSeekCloser, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opened++
	if w.failOpen > 0 {
		w.failOpen--
		return office.Attachment{}, nil, io.ErrUnexpectedEOF
	}
	e := w.docs[id]
	if e == nil || index >= len(e.files) {
		return office.Attachment{}, nil, storage.ErrNotFound
	}
	return e.doc.Attachments[index], closer{bytes.NewReader(e.files[index])}, nil
}

type closer struct{ *bytes.Reader }

func (closer) Close() error { return nil }

func (w *world) List(_ context.Context, q office.Query) ([]office.Document, int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, e := range w.docs {
		if e.doc.Box == q.Box {
			n++
		}
	}
	return nil, n, nil
}

// inside reads files in this process.
type inside struct{}

func (inside) Read(_ context.Context, kind string, body io.Reader) (extract.Text, error) {
	data, err := io.ReadAll(body)
	if err != nil {
		return extract.Text{}, err
	}
	return extract.Read(kind, bytes.NewReader(data), int64(len(data)))
}

func openDB(t testing.TB, dir string) *sqlite.DB {
	t.Helper()
	db, err := sqlitetest.Open(t.Context(), filepath.Join(dir, "office.db"), sqlite.Options{Schemas: []sqlite.Schema{search.Schema}})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// start runs an index until the test ends or stop is called.
func start(t testing.TB, db *sqlite.DB, w *world) (x *search.Index, stop func()) {
	t.Helper()
	x = search.New(search.Options{DB: db, Source: w, Reader: inside{}, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = x.Run(ctx) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return x, stop
}

// caughtUp waits until nothing is missing.
func caughtUp(t testing.TB, x *search.Index) search.State {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		s, err := x.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s.Waiting == 0 && s.Files == 0 {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("the index does not catch up: %+v", s)
		}
	}
}

func find(t testing.TB, x *search.Index, q search.Query) []storage.ID {
	t.Helper()
	r, err := x.Search(t.Context(), q)
	if err != nil {
		t.Fatalf("search %+v: %v", q, err)
	}
	var ids []storage.ID
	for _, h := range r.Hits {
		ids = append(ids, h.ID)
	}
	return ids
}

func files(names ...string) (list []office.Attachment) {
	for _, n := range names {
		list = append(list, office.Attachment{Name: n})
	}
	return list
}

func said(ids []storage.ID, names map[storage.ID]string) string {
	s := ""
	for _, id := range ids {
		s += names[id] + " "
	}
	return fmt.Sprintf("[%s]", s)
}
