package search_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tram/agent/office"
	"tram/agent/search"
	"tram/agent/search/extract"
	"tram/storage"
	"tram/storage/sqlite"
)

// TestIndexOutlivesRestarts stops the index at many points, opens the database
// anew each time, and tells again what was told: in the end each document is in it
// once, with the text of its file.
func TestIndexOutlivesRestarts(t *testing.T) {
	dir := t.TempDir()
	w := newWorld()
	const documents = 300
	for i := range documents {
		w.add(office.Document{Subject: fmt.Sprintf("Văn bản thứ %d chung", i), Attachments: files("a.txt")}, "", fmt.Appendf(nil, "riêng%d trong tệp", i))
	}
	for round := 0; ; round++ {
		db := openDB(t, dir)
		x := search.New(search.Options{DB: db, Source: w, Reader: inside{}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(5+7*round)*time.Millisecond)
		if err := x.Run(ctx); err == nil {
			t.Fatal("Run ended by itself")
		}
		cancel()
		s, err := x.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		done := s.Waiting == 0 && s.Files == 0
		if done {
			if s.Documents != documents {
				t.Errorf("state %+v", s)
			}
			for _, text := range []string{"chung", "trong tệp"} {
				seen := map[storage.ID]int{}
				q := search.Query{Text: text, Limit: 37}
				for {
					r, err := x.Search(t.Context(), q)
					if err != nil {
						t.Fatal(err)
					}
					for _, h := range r.Hits {
						seen[h.ID]++
					}
					if q.After = r.Next; r.Next == "" {
						break
					}
				}
				if len(seen) != documents {
					t.Errorf("%q finds %d of %d documents", text, len(seen), documents)
				}
				for id, n := range seen {
					if n != 1 {
						t.Errorf("%s is found %d times", id, n)
					}
				}
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if done {
			if round == 0 {
				t.Error("the index was never interrupted")
			}
			return
		}
	}
}

// TestIndexFollowsChanges has a document accepted and recalled, and the store
// replaced by another one.
func TestIndexFollowsChanges(t *testing.T) {
	db := openDB(t, t.TempDir())
	defer db.Close()
	w := newWorld()
	id := w.add(office.Document{Subject: "Công văn", Attachments: files("a.txt")}, "", []byte("bí danh trong tệp"))
	other := w.add(office.Document{Subject: "Công văn khác", Attachments: files("b.txt")}, "", []byte("tệp khác"))
	x, stop := start(t, db, w)
	defer stop()
	caughtUp(t, x)
	await := func(what string, q search.Query, want ...storage.ID) {
		t.Helper()
		var got []storage.ID
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			if got = find(t, x, q); slices.Equal(got, want) {
				return
			}
		}
		t.Fatalf("%s: found %v, want %v", what, got, want)
	}
	w.change(id, func(d *office.Document) { d.State, d.Arrival = office.Accepted, 4711 })
	await("state", search.Query{States: []office.State{office.Accepted}}, id)
	await("số đến", search.Query{Text: "4711"}, id)
	await("text after a change", search.Query{Text: "bí danh"}, id)
	opened := w.opened
	w.change(id, func(d *office.Document) { d.State = "recalled" })
	await("recalled", search.Query{States: []office.State{"recalled"}, Text: "công văn"}, id)
	await("text of a recalled document", search.Query{Text: "bí danh"})
	if w.opened != opened {
		t.Error("a file was read again")
	}
	kept := 0
	if err := db.View(t.Context(), func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT count(*) FROM search_texts`).Scan(&kept)
	}); err != nil || kept != 1 {
		t.Errorf("%d texts are kept, want that of the other document alone: %v", kept, err)
	}
	if err := x.Remove(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	await("removed", search.Query{Text: "khác"})
	w.change(other, func(d *office.Document) { d.State = office.Accepted })
	w.mu.Lock()
	w.epoch = "b" // another store
	w.mu.Unlock()
	last := w.add(office.Document{Subject: "Sau khi khôi phục"}, "")
	await("another store", search.Query{Text: "khôi phục"}, last)
	await("removed for good", search.Query{Text: "khác"})
	if s := caughtUp(t, x); s.Documents != 3 {
		t.Errorf("state %+v", s)
	}
}

// counting reads nothing until it may, and counts.
type counting struct {
	calls atomic.Int32
	gate  chan struct{}
	err   error
}

func (c *counting) Read(ctx context.Context, _ string, _ io.Reader) (extract.Text, error) {
	c.calls.Add(1)
	select {
	case <-c.gate:
	case <-ctx.Done():
	}
	return extract.Text{Text: "chữ"}, c.err
}

// TestStateTellsWhatIsMissing looks at the index while a file is being read, and
// after one that cannot be.
func TestStateTellsWhatIsMissing(t *testing.T) {
	db := openDB(t, t.TempDir())
	defer db.Close()
	w := newWorld()
	w.add(office.Document{Subject: "một", Attachments: files("a.pdf", "b.pdf", "same.pdf", "anh.png")}, "", []byte("1"), []byte("2"), []byte("1"), []byte("3"))
	r := &counting{gate: make(chan struct{}), err: extract.ErrUnreadable}
	x := search.New(search.Options{DB: db, Source: w, Reader: r})
	if s, err := x.State(t.Context()); err != nil || s != (search.State{Waiting: 1}) {
		t.Errorf("before: %+v, %v", s, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = x.Run(ctx) }()
	for r.calls.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	res, err := x.Search(t.Context(), search.Query{Text: "mot"})
	if err != nil || len(res.Hits) != 1 || res.Index != (search.State{Documents: 1, Files: 3}) {
		t.Errorf("while files are read: %+v, %v", res, err)
	}
	close(r.gate)
	if s := caughtUp(t, x); s != (search.State{Documents: 1, Unread: 2}) || r.calls.Load() != 2 {
		t.Errorf("after: %+v, %d files read", s, r.calls.Load())
	}
	cancel()
	<-done
}

// TestFaultOfTheMachineIsTriedAgain has a file that cannot be opened for now: it is
// not taken for unreadable, and other documents do not wait for it.
func TestFaultOfTheMachineIsTriedAgain(t *testing.T) {
	db := openDB(t, t.TempDir())
	defer db.Close()
	w := newWorld()
	good := w.add(office.Document{Subject: "tốt", Attachments: files("a.txt")}, "", []byte("đọc được"))
	w.add(office.Document{Subject: "sau", Attachments: files("b.txt")}, "", []byte("chưa đọc"))
	w.failOpen = 1
	x, stop := start(t, db, w)
	defer stop()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if got := find(t, x, search.Query{Text: "doc duoc"}); slices.Equal(got, []storage.ID{good}) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the other document is not read")
		}
	}
	if s, err := x.State(t.Context()); err != nil || s.Files != 1 || s.Unread != 0 {
		t.Errorf("state %+v, %v", s, err)
	}
}

// TestLongFieldsAreCut has a circular to thousands: what is indexed of it is bounded.
func TestLongFieldsAreCut(t *testing.T) {
	db := openDB(t, t.TempDir())
	defer db.Close()
	w := newWorld()
	d := office.Document{Subject: strings.Repeat("đ", 200_000) + " cuối"}
	for i := range 4000 {
		d.To = append(d.To, office.Recipient{Party: office.Party{Code: fmt.Sprintf("H40.%d", i), Name: fmt.Sprintf("Ủy ban nhân dân xã số %d của tỉnh", i)}})
	}
	id := w.add(d, "")
	x, stop := start(t, db, w)
	defer stop()
	caughtUp(t, x)
	if got := find(t, x, search.Query{Text: "h40.7"}); !slices.Equal(got, []storage.ID{id}) {
		t.Errorf("found %v", got)
	}
	r, err := x.Search(t.Context(), search.Query{Text: "h40.7"})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Hits[0].Fields {
		if len([]rune(f.Text)) > 240 || !f.Cut {
			t.Errorf("%s: %d letters, cut %v", f.Field, len([]rune(f.Text)), f.Cut)
		}
	}
}
