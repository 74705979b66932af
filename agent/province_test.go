package agent_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"tram/agent"
	"tram/agent/api"
	"tram/agent/config"
	"tram/agent/enroll"
	"tram/agent/hub"
	"tram/agent/hub/ca"
	"tram/agent/hub/vitals"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/fsx"
	"tram/sync/linktest"
)

const (
	codeA, codeB = "H40.12", "H40.15"
	patience     = 20 * time.Second
)

// running is a composition root between its start and its end.
type running struct {
	name string
	stop context.CancelFunc
	done chan error
}

// launch runs run until it is ready.
func launch(t *testing.T, name string, run func(ctx context.Context, ready func()) error) *running {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r := &running{name: name, stop: stop, done: make(chan error, 1)}
	ready := make(chan struct{})
	go func() { r.done <- run(ctx, sync.OnceFunc(func() { close(ready) })) }()
	select {
	case <-ready:
	case err := <-r.done:
		stop()
		t.Fatalf("%s ended at its start: %v", name, err)
	case <-time.After(patience):
		stop()
		t.Fatalf("%s did not get ready", name)
	}
	return r
}

// end stops it and waits; the second time it does nothing.
func (r *running) end(t *testing.T) {
	t.Helper()
	if r == nil || r.done == nil {
		return
	}
	r.stop()
	select {
	case err := <-r.done:
		if err != nil {
			t.Errorf("%s ended with %v", r.name, err)
		}
	case <-time.After(patience):
		t.Errorf("%s does not end", r.name)
	}
	r.done = nil
}

// faults is a log that remembers what a person would have to look at.
type faults struct {
	mu   sync.Mutex
	all  bytes.Buffer
	list []string
	but  string // a fault that the test is about
}

func (f *faults) Enabled(context.Context, slog.Level) bool { return true }
func (f *faults) WithAttrs([]slog.Attr) slog.Handler       { return f }
func (f *faults) WithGroup(string) slog.Handler            { return f }

func (f *faults) Handle(_ context.Context, r slog.Record) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.Key + "=" + a.Value.Resolve().String(); return true })
	fmt.Fprintln(&f.all, r.Level, line)
	// What its end broke off is no fault.
	if r.Level >= slog.LevelError && !strings.Contains(line, context.Canceled.Error()) && (f.but == "" || !strings.Contains(line, f.but)) {
		f.list = append(f.list, line)
	}
	return nil
}

// province is a hub with its offices in this process.
type province struct {
	t       *testing.T
	dir     string
	config  *config.Hub
	hub     *running
	theHub  *hub.Hub // the present one
	clones  []string
	invites string
	log     faults
	// settings, when set, changes those of an office before it starts.
	settings func(code string, c *config.Office)
	renews   time.Duration  // RenewEvery of offices
	hubDisk  fsx.Disk       // of the hub; nil: the real one
	hubClock vitals.Machine // of the hub; nil: the real one
}

// found makes a hub that has invited offices A and B. It does not run yet.
func found(t *testing.T) *province {
	t.Helper()
	before := runtime.NumGoroutine()
	dir, err := os.MkdirTemp("", "tram-") // short: it holds local sockets
	if err != nil {
		t.Fatal(err)
	}
	p := &province{t: t, dir: dir, config: config.DefaultHub(), invites: filepath.Join(dir, "invites"), renews: 200 * time.Millisecond}
	t.Cleanup(func() { p.close(before) })
	c := p.config
	c.Code, c.Name = "H40", "UBND tỉnh Minh Sơn"
	c.MQTT.Address, c.Enroll.Address, c.Console.Address = linktest.FreeAddr(t), linktest.FreeAddr(t), linktest.FreeAddr(t)
	c.Storage.Reserve = 10 * config.MB
	_, err = ca.Init(p.hubDir(), ca.Options{
		Code: c.Code, Name: c.Name, Enroll: c.EnrollEndpoints(), MQTT: c.MQTTEndpoints(), Hosts: []string{"127.0.0.1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.invite("code,name,parent,kind\n" + codeA + ",UBND xã An Bình,H40,xa\n" + codeB + ",UBND phường Tân Lập,H40,phuong\n")
	return p
}

// close ends the hub and looks for what is left over.
func (p *province) close(before int) {
	p.stopHub()
	p.log.mu.Lock()
	for _, line := range p.log.list {
		p.t.Errorf("logged as an error: %s", line)
	}
	if p.t.Failed() {
		p.t.Logf("log:\n%s", p.log.all.Bytes())
	}
	p.log.mu.Unlock()
	noneLeft(p.t, before)
	if err := os.RemoveAll(p.dir); err != nil {
		p.t.Error(err)
	}
}

// noneLeft waits until there are no more goroutines than before.
func noneLeft(t *testing.T, before int) {
	t.Helper()
	for late := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(late) {
			var stacks strings.Builder
			_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1) // a Builder takes everything
			t.Errorf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), stacks.String())
			return
		}
	}
}

func (p *province) hubDir() string { return filepath.Join(p.dir, "hub") }

func (p *province) openHub() (*hub.Hub, error) {
	return hub.Open(p.t.Context(), hub.Options{Dir: p.hubDir(), Config: p.config, Logger: slog.New(&p.log), Version: "test", RenewEvery: 200 * time.Millisecond, ReportEvery: 200 * time.Millisecond, PublishEvery: 200 * time.Millisecond, WatchEvery: 200 * time.Millisecond, Disk: p.hubDisk, Machine: p.hubClock})
}

func (p *province) invite(csv string) {
	p.t.Helper()
	h, err := p.openHub()
	if err != nil {
		p.t.Fatal(err)
	}
	made, err := h.Invite(p.t.Context(), []byte(csv), ca.InviteOptions{By: "test"})
	if err == nil {
		err = ca.WriteInvites(p.invites, made)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *province) startHub() {
	p.t.Helper()
	h, err := p.openHub()
	if err != nil {
		p.t.Fatal(err)
	}
	p.theHub = h
	p.hub = launch(p.t, "hub", func(ctx context.Context, ready func()) error {
		err := h.Run(ctx, ready)
		if closed := h.Close(); err == nil {
			err = closed
		}
		return err
	})
}

func (p *province) stopHub() { p.t.Helper(); p.hub.end(p.t) }

// box is one office's agent.
type box struct {
	*running
	p     *province
	code  string
	dir   string
	api   *api.Client
	agent *agent.Agent
}

func (p *province) boxDir(code string) string { return filepath.Join(p.dir, strings.ToLower(code)) }

func (p *province) inviteFile(code string) string { return filepath.Join(p.invites, code+".moi") }

func (p *province) agent(dir, code string) *agent.Agent {
	p.t.Helper()
	c := config.DefaultOffice()
	c.UI.Address, c.Storage.Reserve = "127.0.0.1:0", 10*config.MB
	if p.settings != nil {
		p.settings(code, c)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		p.t.Fatal(err)
	}
	a, err := agent.New(agent.Options{
		Dir: dir, Config: c, Logger: slog.New(&p.log), Version: "test", Retry: 100 * time.Millisecond, CopyRetry: time.Second,
		RenewEvery: p.renews, BeatPoll: 200 * time.Millisecond, ReportEvery: 200 * time.Millisecond,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return a
}

// start runs the agent of an office until the test ends.
func (p *province) start(code string) *box { p.t.Helper(); return p.startIn(p.boxDir(code), code) }

// startIn does so in a data folder.
func (p *province) startIn(dir, code string) *box {
	p.t.Helper()
	b := &box{p: p, code: code, dir: dir, api: api.NewClient(dir)}
	p.t.Cleanup(b.close)
	b.reopen()
	return b
}

func (b *box) reopen() {
	b.p.t.Helper()
	b.agent = b.p.agent(b.dir, b.code)
	b.running = launch(b.p.t, b.code, b.agent.Run)
}

func (b *box) close() {
	b.api.Close()
	b.end(b.p.t)
}

// join enrols an office as the command line does, and starts its agent.
func (p *province) join(code string) *box {
	p.t.Helper()
	r, err := enroll.Enroll(p.t.Context(), enroll.Options{Dir: p.boxDir(code), Invite: p.inviteFile(code)})
	if err != nil || r.State != enroll.Enrolled {
		p.t.Fatalf("enrolment of %s: %+v, %v", code, r, err)
	}
	return p.start(code)
}

// eventually asks until ok.
func (p *province) eventually(what string, ok func() bool) {
	p.t.Helper()
	for late := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(late) {
			p.t.Fatalf("%s did not happen", what)
		}
	}
}

// send hands over a document; a new recipient's card may take a moment.
func (b *box) send(to string, data []byte) office.Document {
	b.p.t.Helper()
	var doc office.Document
	b.p.eventually("sending", func() bool {
		var err error
		doc, err = b.api.Send(b.p.t.Context(), api.DraftRequest{To: []string{to}, Subject: "V/v thử", Files: []string{"a.bin"}, By: "test"},
			[]io.Reader{bytes.NewReader(data)})
		if err != nil && problem.From(err).Code != "send.recipient-not-enrolled" {
			b.p.t.Fatal(err)
		}
		return err == nil
	})
	return doc
}

// reaches waits until the document is in a state here.
func (b *box) reaches(id storage.ID, want office.State) office.Document {
	b.p.t.Helper()
	var d office.Document
	b.p.eventually(fmt.Sprintf("%s at %s", want, b.code), func() bool {
		var err error
		d, err = b.api.Get(b.p.t.Context(), id)
		return err == nil && d.State == want
	})
	return d
}

func (b *box) state() string {
	s, err := b.api.Status(b.p.t.Context())
	if err != nil {
		b.p.t.Fatal(err)
	}
	return s.State
}
