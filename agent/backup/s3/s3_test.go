package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"tram/agent/backup"
	"tram/agent/problem"
	"tram/agent/tooltest"
	"tram/storage"
	"tram/sync/linktest"
)

// keyFile holds an access key.
func keyFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("AKIATRAM\nbi-mat\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func open(t *testing.T, place string) *bucket {
	t.Helper()
	s, err := Open(place, keyFile(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := s.(*bucket)
	b.pause = time.Millisecond
	return b
}

// conforms holds a store to the contract of backup.Store.
func conforms(t *testing.T, s backup.Store) {
	t.Helper()
	ctx := t.Context()
	text := func(name string) string { return strings.Repeat(name, 20_000) }
	put := func(name string) error {
		return s.Put(ctx, name, func(w io.Writer) error {
			_, err := io.WriteString(w, text(name))
			return err
		})
	}
	if _, err := s.Open(ctx, "keys/none"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("a file that is not there: %v", err)
	}
	list := func(folder string) map[string]int64 {
		t.Helper()
		found := map[string]int64{}
		if err := s.List(ctx, folder, func(name string, size int64) { found[name] = size }); err != nil {
			t.Fatal(err)
		}
		return found
	}
	if got := list("h40.12-1/b"); len(got) != 0 {
		t.Errorf("an empty store has %v", got)
	}
	for n := range 30 {
		if err := put(fmt.Sprintf("h40.12-1/b/%02x/%02x", n%3, n)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"h40.12-10/b/00/other", "h40.12-1/s/20261127T010328Z", "h40.12-1/s/20261127T010328Z"} { // the last one anew
		if err := put(name); err != nil {
			t.Fatal(err)
		}
	}
	got := list("h40.12-1/b")
	if name := "h40.12-1/b/02/1d"; len(got) != 30 || got[name] != int64(len(text(name))) {
		t.Errorf("listed: %v", got)
	}
	f, err := s.Open(ctx, "h40.12-1/s/20261127T010328Z")
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil || string(data) != text("h40.12-1/s/20261127T010328Z") {
		t.Errorf("%d bytes came back (error %v)", len(data), err)
	}
	pulled := errors.New("pulled out")
	if err := s.Put(ctx, "h40.12-1/b/00/half", func(w io.Writer) error {
		_, err := w.Write(make([]byte, 100_000))
		return errors.Join(err, pulled)
	}); !errors.Is(err, pulled) {
		t.Errorf("a write that fails: %v", err)
	}
	for range 2 {
		if err := s.Remove(ctx, "h40.12-1/b/00/00"); err != nil {
			t.Error(err)
		}
	}
	if got := list("h40.12-1/b"); len(got) != 29 {
		t.Errorf("%d files are left, want 29", len(got))
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.List(ended, "h40.12-1/b", func(string, int64) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("a call that was ended: %v", err)
	}
}

func TestAFolderConforms(t *testing.T) {
	conforms(t, backup.OpenFolder(filepath.Join(t.TempDir(), "tram-backup")))
}

// TestABucketOfAnotherMakersServerConforms.
func TestABucketOfAnotherMakersServerConforms(t *testing.T) {
	program := tooltest.Cached(t, "gofakes3@"+FakeVersion, "gofakes3", "the test of S3 stores")
	address := linktest.FreeAddr(t)
	server := exec.Command(program, "-backend", "memory", "-host", address, "-initialbucket", "sao-luu")
	var log bytes.Buffer
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait() // it was killed
		if t.Failed() {
			t.Logf("%s", log.Bytes())
		}
	})
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal("the server does not start")
		}
	}
	conforms(t, open(t, "s3+http://"+address+"/sao-luu/tỉnh/xã"))
	conforms(t, open(t, "s3+http://"+address+"/sao-luu"))
	if err := open(t, "s3+http://"+address+"/khong-co").List(t.Context(), "keys", nil); problem.From(err).Code != "backup.refused" || !strings.Contains(err.Error(), "NoSuchBucket") {
		t.Errorf("a bucket that is not there: %v", err)
	}
}

// serve answers with handler, behind a check of each request's signature: it is made
// again, over what came.
func serve(t *testing.T, handler http.HandlerFunc) *bucket {
	t.Helper()
	var b *bucket
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		again, err := http.NewRequest(r.Method, "http://"+r.Host+r.URL.RequestURI(), nil)
		if err != nil {
			t.Error(err)
			return
		}
		at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		if err != nil {
			t.Error(err)
			return
		}
		again.ContentLength = max(r.ContentLength, 0)
		again.Header.Set("X-Amz-Content-Sha256", r.Header.Get("X-Amz-Content-Sha256"))
		signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
		if err := signer.SignHTTP(r.Context(), b.keys, again, r.Header.Get("X-Amz-Content-Sha256"), "s3", b.region, at); err != nil {
			t.Error(err)
		}
		if want := again.Header.Get("Authorization"); r.Header.Get("Authorization") != want {
			t.Errorf("%s %s is signed %q, want %q", r.Method, r.URL, r.Header.Get("Authorization"), want)
		}
		for name := range r.Header {
			if strings.Contains(strings.Join(r.Header[name], ""), "bi-mat") {
				t.Errorf("%s shows the secret", name)
			}
		}
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	b = open(t, strings.Replace(server.URL, "http", "s3+http", 1)+"/kho/thư mục")
	return b
}

func TestP4_ALineThatFailsIsTriedAgain(t *testing.T) {
	calls := 0
	var body []byte
	b := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls < tries {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		body, _ = io.ReadAll(r.Body)
	})
	err := b.Put(t.Context(), "b/00/x", func(w io.Writer) error {
		_, err := io.WriteString(w, "nội dung")
		return err
	})
	if err != nil || string(body) != "nội dung" || calls != tries {
		t.Errorf("after %d calls %q came (error %v)", calls, body, err)
	}
	calls = -tries
	if err := b.Remove(t.Context(), "b/00/x"); !errors.Is(err, backup.ErrUnreachable) {
		t.Errorf("a server that is down: %v", err)
	}
}

func TestAnswersThatAreNoFile(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		code   string
	}{
		"refused": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<Error><Code>AccessDenied</Code></Error>", http.StatusForbidden)
		}, "AccessDenied"},
		"no xml": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "nginx", http.StatusBadRequest) }, "400"},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
		}, "302"},
	} {
		b := serve(t, c.answer)
		_, opened := b.Open(t.Context(), "keys/x")
		for _, err := range []error{opened, b.Remove(t.Context(), "keys/x"), b.List(t.Context(), "keys", nil)} {
			if p := problem.From(err); p.Code != "backup.refused" || p.Args["why"] != c.code {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	short := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("ten bytes.")) // and the line ends
	})
	f, err := short.Open(t.Context(), "keys/x")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.ReadAll(f); !errors.Is(err, backup.ErrUnreachable) {
		t.Errorf("a file that is cut off by the line: %v", err)
	}
	outside := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<R><Contents><Key>thư mục/keys/../../x</Key><Size>1</Size></Contents><Contents><Key>other/keys/y</Key></Contents><Contents><Key>thư mục/keys/z</Key><Size>2</Size></Contents></R>`)
	})
	var names []string
	if err := outside.List(t.Context(), "keys", func(name string, _ int64) { names = append(names, name) }); err != nil || len(names) != 1 || names[0] != "keys/z" {
		t.Errorf("listed %v (error %v)", names, err)
	}
}

func TestPlaces(t *testing.T) {
	for _, place := range []string{"s3://", "s3://host", "s3://host/", "s3://user:pw@host/kho", "s3://host/kho?x=1", "s3://host/kho/../x"} {
		if _, err := Open(place, keyFile(t), t.TempDir()); problem.From(err).Code != "backup.place" {
			t.Errorf("%s: %v", place, err)
		}
	}
	if _, err := Open("s3://host/kho", filepath.Join(t.TempDir(), "none"), t.TempDir()); problem.From(err).Code != "backup.s3-key" {
		t.Errorf("without a key: %v", err)
	}
	if !Is("s3://host/kho") || Is("/media/usb") {
		t.Error("places are taken for each other")
	}
}
