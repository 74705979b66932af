package enroll

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tram/agent/hub/ca"
	"tram/agent/hub/registry"
	"tram/agent/problem"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// hub is a real hub with its enrolment service on a local port.
type hub struct {
	*ca.CA
	dir     string
	server  *http.Server
	addr    string
	db      *sqlite.DB
	reg     *registry.Registry
	now     func() time.Time
	handler http.Handler
	card    []byte
}

func newHub(t testing.TB, code string) *hub {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &hub{dir: filepath.Join(t.TempDir(), "hub"), addr: l.Addr().String(), now: time.Now}
	h.CA, err = ca.Init(h.dir, ca.Options{Code: code, Name: "UBND tỉnh " + code,
		Enroll: []string{h.addr}, MQTT: []string{"127.0.0.1:8883"}})
	if err != nil {
		t.Fatal(err)
	}
	h.db, err = sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"), sqlite.Options{
		Schemas: []sqlite.Schema{audit.Schema, registry.Schema, ca.Schema}, Now: func() time.Time { return h.now() }})
	if err != nil {
		t.Fatal(err)
	}
	if h.reg, err = registry.New(h.db, h.Authority.Key.Public(), registry.Options{}); err != nil {
		t.Fatal(err)
	}
	h.serve(t, l)
	t.Cleanup(func() {
		_ = h.server.Close()
		if err := h.db.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// serve begins to answer on l.
func (h *hub) serve(t testing.TB, l net.Listener) {
	t.Helper()
	err := h.db.Update(t.Context(), func(tx *sqlite.Tx) (err error) {
		h.card, err = h.Register(tx, h.reg)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	h.handler = h.EnrollHandler(ca.EnrollOptions{DB: h.db, Registry: h.reg, Card: h.card})
	h.server = h.EnrollServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.handler.ServeHTTP(w, r) }), nil)
	server := h.server
	go func() { _ = server.ServeTLS(l, "", "") }() // ends with Close
}

// rotate stops the service, does a step of the change of the CA, and goes on.
func (h *hub) rotate(t testing.TB, steps ...ca.Step) {
	t.Helper()
	if err := h.server.Close(); err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		next, err := ca.Rotate(h.dir, step, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		h.CA = next
	}
	l, err := net.Listen("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	h.serve(t, l)
}

// invite writes invites for codes into a folder and returns the files.
func (h *hub) invite(t testing.TB, o ca.InviteOptions, codes ...string) []string {
	t.Helper()
	var offices []ca.Office
	for _, code := range codes {
		offices = append(offices, ca.Office{Code: code, Name: "UBND xã " + code, Parent: h.Code, Kind: "xa"})
	}
	var made []ca.Made
	err := h.db.Update(t.Context(), func(tx *sqlite.Tx) (err error) {
		made, err = h.CreateInvites(tx, h.reg, offices, o)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := ca.WriteInvites(dir, made); err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, m := range made {
		files = append(files, filepath.Join(dir, m.File))
	}
	return files
}

func wantProblem(t testing.TB, err error, class problem.Class, code string) {
	t.Helper()
	var p *problem.Problem
	if !errors.As(err, &p) || p.Code != code || p.Class != class {
		t.Errorf("got %v, want problem %s of class %d", err, code, class)
	}
}

// dead dials nowhere, as without a link.
func dead(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("network is unreachable")
}

// to dials addr whatever is asked for.
func to(addr string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
}

func write(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
