package agent_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"tram/agent"
	"tram/agent/api"
	"tram/agent/config"
	"tram/agent/hub"
	"tram/agent/hub/software"
	"tram/agent/problem"
	"tram/agent/release"
	"tram/agent/update"
)

// aRelease publishes a release whose program is some bytes.
func aRelease(t *testing.T, h *hub.Hub, version string) (software.Release, []byte) {
	t.Helper()
	v, err := release.ParseVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	program := bytes.Repeat([]byte("program of version "+version+"\n"), 20_000)
	r, err := h.PutSoftware(t.Context(), release.Manifest{
		Version: v, Channel: release.Stable, NotesVI: "Mới.", NotesEN: "New.",
		Files: []release.File{{OS: runtime.GOOS, Arch: runtime.GOARCH, Size: int64(len(program)), SHA256: sha256.Sum256(program)}},
	}, func(int) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(program)), nil }, "test")
	if err != nil {
		t.Fatal(err)
	}
	return r, program
}

// machine is an office whose program is started as its installed one would: by what
// the slots say.
type machine struct {
	*box
	version string // of the installed program
	runs    string // version that runs
	ended   chan error
	stop    context.CancelFunc
}

// machine puts a box that has joined and was closed under the slots.
func (p *province) machine(code, installed string) *machine {
	p.t.Helper()
	b := p.join(code)
	b.end(p.t)
	m := &machine{box: b, version: installed}
	p.t.Cleanup(m.halt)
	m.boot()
	return m
}

// boot starts what is to run.
func (m *machine) boot() {
	m.p.t.Helper()
	start, err := agent.NewUpdates(m.options(m.version), "").Next()
	if err != nil {
		m.p.t.Fatal(err)
	}
	m.runs = m.version
	if start.Program != "" {
		m.runs = start.Version
	}
	o := m.options(m.runs)
	o.Updates = agent.NewUpdates(o, start.Version)
	a, err := agent.New(o)
	if err != nil {
		m.p.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	m.stop, m.ended = stop, make(chan error, 1)
	go func() { m.ended <- a.Run(ctx, func() {}) }()
}

func (m *machine) options(version string) agent.Options {
	c := config.DefaultOffice()
	c.UI.Address, c.Storage.Reserve = "127.0.0.1:0", 10*config.MB
	return agent.Options{
		Dir: m.dir, Config: c, Logger: slog.New(&m.p.log), Version: version, Retry: 100 * time.Millisecond,
		BeatPoll: 200 * time.Millisecond, ReportEvery: 200 * time.Millisecond, UpdatePoll: 50 * time.Millisecond, Quiet: time.Millisecond,
	}
}

// makesRoom waits until the program ends for another version.
func (m *machine) makesRoom() {
	m.p.t.Helper()
	select {
	case err := <-m.ended:
		if m.ended = nil; !errors.Is(err, update.ErrRestart) {
			m.p.t.Fatalf("%s ended with %v", m.code, err)
		}
		m.stop()
	case <-time.After(patience):
		m.p.t.Fatalf("%s does not make room for a new version", m.code)
	}
}

func (m *machine) halt() {
	if m.ended == nil {
		return
	}
	m.stop()
	if err := <-m.ended; err != nil {
		m.p.t.Errorf("%s ended with %v", m.code, err)
	}
	m.ended = nil
}

// rings waits until a release stands so at a hub.
func (p *province) rings(h *hub.Hub, version, what string, ok func(software.Release) bool) {
	p.t.Helper()
	var last software.Release
	defer func() {
		if p.t.Failed() {
			p.t.Logf("%+v", last)
		}
	}()
	p.eventually(what, func() bool {
		r, err := h.Software().Show(p.t.Context(), version)
		last = r
		return err == nil && ok(r)
	})
}

// TestP4_ANewVersionGoesDownTheTreeInRings: from the hub above over the province to the
// office that is named, which puts it in use; the next ring opens when that one is well;
// the office that takes it back holds up what would follow, and everybody above knows.
func TestP4_ANewVersionGoesDownTheTreeInRings(t *testing.T) {
	p := found(t)
	p.log.but = "new version taken back"
	top := p.nation()
	p.startHub()
	a, b := p.machine(codeA, "1.4.0"), p.machine(codeB, "1.4.0")
	_, program := aRelease(t, top, "1.5.0")
	ctx := t.Context()
	if _, err := p.theHub.StageSoftware(ctx, software.Stage{Version: "1.5.0", Most: -1}, "test"); problem.From(err).Code != "software.none" && problem.From(err).Code != "software.above" {
		t.Errorf("a hub below stages it: %v", err)
	}
	p.eventually("the nation knowing the offices", func() bool {
		list, err := p.theHub.Software().Offices(ctx)
		return err == nil && len(list) == 2
	})
	if _, err := top.StageSoftware(ctx, software.Stage{Version: "1.5.0", Ring: release.RingAll, Offices: []string{codeA}, Most: 40, Percent: 100}, "test"); err != nil {
		t.Fatal(err)
	}
	a.makesRoom()
	kept, err := os.ReadFile(filepath.Join(a.dir, update.Folder, "1.5.0", programName()))
	if err != nil || !bytes.Equal(kept, program) {
		t.Fatalf("%d bytes of %d, %v", len(kept), len(program), err)
	}
	if st, err := agent.NewUpdates(b.options("1.4.0"), "").State(); err != nil || st.Ready != nil || st.Trial != nil {
		t.Errorf("the second ring has it before the first is well: %+v, %v", st, err)
	}
	a.boot()
	if a.runs != "1.5.0" {
		t.Fatalf("%s runs", a.runs)
	}
	p.rings(top, "1.5.0", "the first ring being done", func(r software.Release) bool {
		return r.Rings[release.RingNamed].Done == 1 && r.Ring >= release.RingShare
	})
	b.makesRoom()
	for range update.MaxStarts { // it dies at once each time
		if start, err := agent.NewUpdates(b.options("1.4.0"), "").Next(); err != nil || start.Version != "1.5.0" {
			t.Fatalf("%+v %v", start, err)
		}
	}
	b.boot()
	if b.runs != "1.4.0" {
		t.Fatalf("%s runs after the new one died", b.runs)
	}
	p.rings(top, "1.5.0", "the nation knowing of the way back", func(r software.Release) bool {
		return r.Standing == software.Held && r.Rings[release.RingShare].Failed == 1 && r.Ring == release.RingShare && r.Done == 50
	})
	s, err := b.api.Status(ctx)
	if err != nil || len(s.Conditions) != 1 || s.Conditions[0].Code != "update-taken-back" || s.Conditions[0].Repair() {
		t.Errorf("%+v %v", s.Conditions, err)
	}
	p.auditsHold(codeA, codeB)
}

func programName() string {
	if runtime.GOOS == "windows" {
		return "tram.exe"
	}
	return "tram"
}

// TestP8_ANewVersionComesByStick: as the bundles of the hub, and as the file of a
// release; neither without the province's signature.
func TestP8_ANewVersionComesByStick(t *testing.T) {
	p := found(t)
	p.startHub()
	m := p.machine(codeA, "1.4.0")
	aRelease(t, p.theHub, "1.5.0")
	var file bytes.Buffer
	if err := p.theHub.WriteSoftware(t.Context(), "1.5.0", &file); err != nil {
		t.Fatal(err)
	}
	p.eventually("the office being open", func() bool { s, err := m.api.Status(t.Context()); return err == nil && s.State == "ready" })
	for name, c := range map[string]struct {
		spoil func(b []byte) []byte
		want  string
	}{
		"no release":      {func([]byte) []byte { return []byte("something else") }, "update.no-release"},
		"cut off":         {func(b []byte) []byte { return b[:len(b)-1] }, "update.refused"},
		"another program": {func(b []byte) []byte { b[len(b)-9] ^= 1; return b }, "update.refused"},
		"another warrant": {func(b []byte) []byte { b[40] ^= 1; return b }, "update.refused"},
	} {
		if _, err := m.give(c.spoil(bytes.Clone(file.Bytes()))); problem.From(err).Code != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := m.give(file.Bytes()); err != nil {
		t.Fatal(err)
	}
	m.makesRoom()
	m.boot()
	p.eventually("the new version being in use", func() bool {
		st, err := agent.NewUpdates(m.options("1.5.0"), "1.5.0").State()
		return err == nil && st.Current == "1.5.0" && st.Trial == nil && st.Refused == nil
	})
}

// give hands the file of a release over as `tram update from` does.
func (m *machine) give(file []byte) (s agent.Software, err error) {
	caller := api.NewCaller(m.dir, api.SocketName)
	defer caller.Close()
	resp, err := caller.Do(m.p.t.Context(), http.MethodPost, agent.UpdatePath, bytes.NewReader(file), "application/octet-stream")
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	return s, api.ReadJSON(resp.Body, &s)
}
