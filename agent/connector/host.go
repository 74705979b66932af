package connector

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"tram/agent/dossier/dongbo"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage/sqlite"
)

// Bounds of connectors.
const (
	// Parallel is how many entries of different documents a connector gets at a time.
	Parallel = 4
	// MaxWaiting is how many entries may wait for one connector, dead letters
	// included. Beyond it the feed waits for room.
	MaxWaiting = 100_000
	// MaxConnectors is how many an office may have.
	MaxConnectors = 64
	// MaxSettings and MaxSecret bound what is kept of one, in bytes.
	MaxSettings = 64 << 10
	MaxSecret   = 16 << 10
	// closeWait is how long the end of a connector is waited for.
	closeWait = 10 * time.Second
)

// Feed is what the host reads; *office.Office implements it.
type Feed interface {
	Feed(ctx context.Context, after string, limit int) (entries []office.Entry, next string, err error)
	FeedEnd(ctx context.Context) (string, error)
	Changed() <-chan struct{}
}

// Options of a [Host]. DB, Dir, Feed and Desk are needed.
type Options struct {
	DB     *sqlite.DB // opened with Schema and audit.Schema
	Dir    string     // for the connectors' own folders
	Office office.Party
	Feed   Feed
	Desk   Desk
	Kinds  []Kind
	// Dossiers are those that connectors bring out; nil when there are none.
	Dossiers dongbo.Source
	Logger   *slog.Logger // nil discards
	Now      func() time.Time
}

// Host runs an office's connectors. Its methods may be called from several
// goroutines.
type Host struct {
	o     Options
	store store
	feed  feeds
	log   *slog.Logger

	mu      sync.Mutex
	running map[string]*runner
	start   func(*runner) // set while Run runs
}

// New makes a host over opened stores.
func New(o Options) *Host {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Host{o: o, store: store{o.DB}, feed: feeds{o.Feed, o.Dossiers}, log: o.Logger, running: map[string]*runner{}}
}

// Kinds lists the kinds that there are.
func (h *Host) Kinds() []Kind { return slices.Clone(h.o.Kinds) }

// Run runs all connectors until ctx ends.
func (h *Host) Run(ctx context.Context) error {
	var running sync.WaitGroup
	h.mu.Lock()
	h.start = func(r *runner) {
		running.Go(func() { r.run(ctx) })
	}
	list, err := h.store.all(ctx)
	for _, c := range list {
		h.launch(c)
	}
	h.mu.Unlock()
	if err != nil {
		return err
	}
	<-ctx.Done()
	h.mu.Lock()
	h.start = nil
	h.mu.Unlock()
	ended := make(chan struct{})
	go func() { running.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(closeWait):
		h.log.Error("a connector does not end")
	}
	return ctx.Err()
}

// launch starts a connector, unless it runs already or Run, which starts all of
// them, has not begun. h.mu is held.
func (h *Host) launch(c stored) {
	if h.start == nil || h.running[c.Name] != nil {
		return
	}
	r := newRunner(h, c)
	h.running[c.Name] = r
	h.start(r)
}

// halt stops the runner of a connector and waits until it has ended. h.mu is not held.
func (h *Host) halt(name string) {
	h.mu.Lock()
	r := h.running[name]
	delete(h.running, name)
	h.mu.Unlock()
	if r != nil {
		r.stop()
	}
}

func (h *Host) nudge(name string) {
	h.mu.Lock()
	r := h.running[name]
	h.mu.Unlock()
	if r != nil {
		r.nudge()
	}
}

// names are those of connectors: they stand in commands, the audit log and as
// the name of a folder.
var names = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// Check makes a connector as [Host.Add] would, and lets it go again.
func (h *Host) Check(c Spec) error {
	var faults problem.List
	if !names.MatchString(c.Name) {
		faults = append(faults, problem.New(problem.Usage, "connector.name", "name", i18n.Args{"name": c.Name}))
	}
	kind, ok := h.kind(c.Kind)
	switch {
	case !ok:
		faults = append(faults, problem.New(problem.Usage, "connector.kind", "kind", i18n.Args{"kind": c.Kind, "kinds": h.kindNames()}))
	case kind.Secret && len(c.Secret) == 0:
		faults = append(faults, problem.New(problem.Usage, "connector.no-secret", "secret", i18n.Args{"kind": c.Kind}))
	}
	if len(c.Settings) > MaxSettings || len(c.Secret) > MaxSecret {
		faults = append(faults, problem.New(problem.Usage, "connector.too-large", "settings", nil))
	}
	if len(faults) > 0 {
		return faults
	}
	made, err := h.open(c, kind)
	if err != nil {
		return err
	}
	return made.Close()
}

// Add keeps a connector and starts it. Faults are a problem.List.
func (h *Host) Add(ctx context.Context, c Spec, by string) error {
	if len(c.Settings) == 0 {
		c.Settings = []byte(`{}`)
	}
	all, err := h.store.all(ctx)
	if err != nil {
		return err
	}
	if len(all) >= MaxConnectors {
		return problem.New(problem.Full, "connector.too-many", "", i18n.Args{"limit": MaxConnectors})
	}
	if slices.ContainsFunc(all, func(s stored) bool { return s.Name == c.Name }) {
		return problem.New(problem.Conflict, "connector.exists", "name", i18n.Args{"name": c.Name})
	}
	if err := h.Check(c); err != nil {
		return err
	}
	end, err := h.feed.FeedEnd(ctx)
	if err != nil {
		return err
	}
	if err := h.store.add(ctx, c, end, by); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.launch(stored{Spec: c, created: h.o.Now()})
	return nil
}

// Remove stops a connector and forgets it, with what waits for it and its dead
// letters. What it has in its folder goes as well.
func (h *Host) Remove(ctx context.Context, name, by string) error {
	h.halt(name)
	if err := h.store.change(ctx, name, by, actionRemove, `DELETE FROM connectors WHERE name = ?`); err != nil {
		return err
	}
	if err := os.RemoveAll(h.dir(name)); err != nil {
		return fmt.Errorf("remove folder of connector: %w", err)
	}
	return nil
}

// SetPaused stops a connector, or starts it again; what happens meanwhile waits.
// It is idempotent.
func (h *Host) SetPaused(ctx context.Context, name string, paused bool, by string) error {
	action, statement := actionResume, `UPDATE connectors SET paused = 0 WHERE name = ?`
	if paused {
		action, statement = actionPause, setPaused
	}
	if err := h.store.change(ctx, name, by, action, statement); err != nil {
		return err
	}
	h.halt(name)
	list, err := h.store.all(ctx)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range list {
		if c.Name == name {
			h.launch(c)
		}
	}
	return nil
}

// setPaused pauses a connector.
const setPaused = `UPDATE connectors SET paused = 1 WHERE name = ?`

// Test has a connector send something that is no event of a document. It works
// also while the connector is paused. A kind that is no [Tester] is a problem.
func (h *Host) Test(ctx context.Context, name string) error {
	all, err := h.store.all(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(c stored) bool { return c.Name == name })
	if i < 0 {
		return unknown(name)
	}
	kind, ok := h.kind(all[i].Kind)
	if !ok {
		return problem.New(problem.Usage, "connector.kind", "kind", i18n.Args{"kind": all[i].Kind, "kinds": h.kindNames()})
	}
	made, err := h.open(all[i].Spec, kind)
	if err != nil {
		return err
	}
	defer func() { _ = made.Close() }()
	tester, ok := made.(Tester)
	if !ok {
		return problem.New(problem.Usage, "connector.no-test", "name", i18n.Args{"kind": all[i].Kind})
	}
	return guarded(func() error { return tester.Test(ctx) })
}

func (h *Host) kind(name string) (Kind, bool) {
	i := slices.IndexFunc(h.o.Kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, false
	}
	return h.o.Kinds[i], true
}

func (h *Host) kindNames() string {
	var list []string
	for _, k := range h.o.Kinds {
		list = append(list, k.Name)
	}
	return strings.Join(list, ", ")
}

func (h *Host) dir(name string) string { return filepath.Join(h.o.Dir, name) }

// open makes a connector.
func (h *Host) open(c Spec, kind Kind) (Connector, error) {
	dir := h.dir(c.Name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder of connector: %w", err)
	}
	return kind.Open(Env{
		Name: c.Name, Office: h.o.Office, Settings: c.Settings, Secret: c.Secret, Desk: h.o.Desk, Dossiers: h.o.Dossiers, Dir: dir,
		Logger: h.log.With("connector", c.Name), Now: h.o.Now,
	})
}
