package peers

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// content is what no encoding likes: every byte, several lines.
func content(size int) []byte {
	data := make([]byte, size)
	random := rand.NewChaCha8([32]byte{1})
	random.Read(data)
	return data
}

func TestFileArrivesWhenItIsWhole(t *testing.T) {
	var b box
	if err := b.open(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	d := Document{Name: "a.pdf", Data: content(1000)}
	if err := b.put([]Document{d}); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 999, 1000} {
		os.WriteFile(filepath.Join(b.in, d.Name), d.Data[:n], 0o600)
		names, err := b.Arrived(t.Context())
		if err != nil || (len(names) == 1) != (n == len(d.Data)) {
			t.Errorf("with %d of %d bytes: %q, %v", n, len(d.Data), names, err)
		}
	}
	if got, _ := os.ReadFile(filepath.Join(b.out, d.Name)); !bytes.Equal(got, d.Data) {
		t.Error("the sender's file differs")
	}
}

func TestMailGivesTheDocumentBack(t *testing.T) {
	var s smtp
	if err := s.open(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 1, 57, 58, 5000} {
		d := Document{Name: "b.pdf", Data: content(size)}
		file := filepath.Join(t.TempDir(), "mail")
		os.WriteFile(file, message(d), 0o600)
		if err := s.take(file); err != nil {
			t.Fatal(err)
		}
		if got, _ := s.Read(t.Context(), d.Name); !bytes.Equal(got, d.Data) {
			t.Errorf("%d bytes became %d others", size, len(got))
		}
		if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
			t.Error("a mail is taken twice")
		}
	}
}

func TestUploadGoesOnWhereTheServerSays(t *testing.T) {
	d := Document{Name: "c.pdf", Data: content(100_000)}
	const kept = 30_000
	var mu sync.Mutex // a handler may still run when the client asks again
	var stored []byte
	var offsets []int
	mux := http.NewServeMux()
	mux.HandleFunc("POST /files/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://"+r.Host+"/files/1")
		w.WriteHeader(http.StatusCreated)
	})
	mux.HandleFunc("HEAD /files/1", func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("Upload-Offset", strconv.Itoa(len(stored)))
	})
	mux.HandleFunc("PATCH /files/1", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		at, _ := strconv.Atoi(r.Header.Get("Upload-Offset"))
		offsets = append(offsets, at)
		var body bytes.Buffer
		body.ReadFrom(r.Body)
		if len(offsets) == 1 { // the line breaks in the middle
			stored = body.Bytes()[:kept]
			panic(http.ErrAbortHandler)
		}
		stored = append(stored, body.Bytes()...)
		w.WriteHeader(http.StatusNoContent)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	u := tus{base: server.URL + "/files/", client: server.Client(), queue: make(chan Document, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	url := ""
	if err := u.attempt(ctx, d, &url); err == nil {
		t.Error("an upload that broke counts as done")
	}
	if err := u.attempt(ctx, d, &url); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(stored, d.Data) || !slices.Equal(offsets, []int{0, kept}) {
		t.Errorf("%d of %d bytes, sent from %v", len(stored), len(d.Data), offsets)
	}
}

func TestPeersAreKnownByName(t *testing.T) {
	for _, name := range Names() {
		if _, err := New(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := New("fax"); err == nil {
		t.Error("an unknown peer was made")
	}
	if _, err := program("no-such-program", "nowhere"); !errors.Is(err, ErrMissing) {
		t.Errorf("a program that is missing: %v", err)
	}
}
