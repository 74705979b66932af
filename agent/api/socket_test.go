package api_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tram/agent/api"
	"tram/agent/problem"
)

// plain is an HTTP client that knows nothing of ours but the socket.
func plain(dir string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, api.SocketName))
		},
	}}
}

func TestNobodyAnswers(t *testing.T) {
	for name, prepare := range map[string]func(dir string) error{
		"no socket":    func(string) error { return nil },
		"a stale one":  leaveSocket,
		"a plain file": func(dir string) error { return os.WriteFile(filepath.Join(dir, api.SocketName), nil, 0o600) },
	} {
		dir := t.TempDir()
		if err := prepare(dir); err != nil {
			t.Fatal(err)
		}
		c := api.NewClient(dir)
		_, err := c.Status(t.Context())
		if p := problem.From(err); p.Code != "service.not-running" || p.Class != problem.NotRunning || !strings.Contains(p.Message("en"), dir) {
			t.Errorf("%s: %v", name, err)
		}
		_, err = c.Send(t.Context(), api.DraftRequest{Files: []string{"a"}}, []io.Reader{strings.NewReader("x")})
		if p := problem.From(err); p.Code != "service.not-running" {
			t.Errorf("%s: sending gives %v", name, err)
		}
		c.Close()
	}
}

// leaveSocket leaves a socket behind as a killed process does.
func leaveSocket(dir string) error {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, api.SocketName), Net: "unix"})
	if err != nil {
		return err
	}
	l.SetUnlinkOnClose(false)
	return l.Close()
}

func TestAStaleSocketIsReplaced(t *testing.T) {
	dir := t.TempDir()
	if err := leaveSocket(dir); err != nil {
		t.Fatal(err)
	}
	d := &desk{}
	if _, err := serve(t, dir, d.handler()).Status(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOnlyTheOwnerMayTalk(t *testing.T) {
	dir := t.TempDir()
	d := &desk{}
	serve(t, dir, d.handler())
	info, err := os.Stat(filepath.Join(dir, api.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("the socket is %v", info.Mode())
	}
}

func TestALongPathIsExplained(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := api.Listen(dir, api.SocketName)
	if p := problem.From(err); p.Code != "service.path-too-long" || p.Field != "data" || !strings.Contains(p.Next("en"), "93") {
		t.Errorf("got %v", err)
	}
}

func TestABrokenContainerIsNoContainer(t *testing.T) {
	desk, c := start(t)
	id := send(t, c, noise(1)).ID
	desk.shelf.breakOff = 100_000
	body, err := c.Container(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if n, err := io.Copy(io.Discard, body); err == nil {
		t.Errorf("%d bytes of a broken container look whole", n)
	}
}

// TestARefusedUploadSaysWhy refuses a document before its files are read; the
// caller hears the reason, not that the line broke.
func TestARefusedUploadSaysWhy(t *testing.T) {
	desk, c := start(t)
	for range 20 {
		_, err := c.Send(t.Context(), api.DraftRequest{Files: []string{"lon.pdf"}}, []io.Reader{&endless{left: 20 << 20}})
		if p := problem.From(err); p.Code != "send.no-recipient" {
			t.Fatalf("got %v", err)
		}
		<-desk.shelf.sent
	}
}

type endless struct{ left int }

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := min(len(p), e.left)
	e.left -= n
	return n, nil
}

// faulty gives a few bytes and then calls end for its error.
type faulty struct {
	given bool
	end   func() error
}

func (f *faulty) Read(p []byte) (int, error) {
	if !f.given {
		f.given = true
		return copy(p, "bắt đầu"), nil
	}
	return 0, f.end()
}

// TestAHalfUploadIsNoDocument breaks uploads off in their middle: the office
// must see an error where the file would end, never a short file.
func TestAHalfUploadIsNoDocument(t *testing.T) {
	gone := errors.New("the stick was pulled out")
	for name, breakOff := range map[string]func(stop func()) func() error{
		"the file cannot be read on": func(func()) func() error { return func() error { return gone } },
		"the caller goes away": func(stop func()) func() error {
			return func() error { stop(); time.Sleep(50 * time.Millisecond); return gone }
		},
	} {
		t.Run(name, func(t *testing.T) {
			desk, c := start(t)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			_, err := c.Send(ctx, api.DraftRequest{To: []string{"x"}, Subject: "s", Files: []string{"a.pdf", "b.pdf"}},
				[]io.Reader{strings.NewReader("whole"), &faulty{end: breakOff(stop)}})
			if err == nil {
				t.Error("the caller was told that a half document is saved")
			}
			if err := <-desk.shelf.sent; err == nil {
				t.Error("the office was handed a half document as a whole one")
			}
			if len(desk.shelf.docs) != 0 {
				t.Errorf("the office keeps %+v", desk.shelf.docs)
			}
		})
	}
}

// TestARunningCallMayFinish ends the service while a call runs.
func TestARunningCallMayFinish(t *testing.T) {
	dir := t.TempDir()
	l, err := api.Listen(dir, api.SocketName)
	if err != nil {
		t.Fatal(err)
	}
	inside, leave, served := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	d := &desk{}
	o := d.handler()
	o.Status = func(ctx context.Context) (api.Status, error) {
		close(inside)
		<-leave
		return api.Status{State: "ready"}, ctx.Err()
	}
	ctx, stop := context.WithCancel(t.Context())
	go func() { served <- api.Serve(ctx, l, api.New(o)) }()
	answer := make(chan error, 1)
	go func() {
		_, err := api.NewClient(dir).Status(context.Background())
		answer <- err
	}()
	<-inside
	stop()
	select {
	case err := <-served:
		t.Errorf("serving ended under a running call: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(leave)
	if err := <-answer; err != nil {
		t.Errorf("the running call got %v", err)
	}
	if err := <-served; !errors.Is(err, context.Canceled) {
		t.Errorf("serving ended with %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, api.SocketName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket stays behind: %v", err)
	}
}
