package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"tram/agent/api"
	"tram/agent/health"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/release"
	"tram/agent/update"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

const (
	// DefaultUpdatePoll is Options.UpdatePoll when that is zero.
	DefaultUpdatePoll = 15 * time.Second
	// DefaultQuiet is Options.Quiet when that is zero.
	DefaultQuiet = 10 * time.Minute
	// updatePatience is how long a new version waits for a quiet moment before it
	// waits only for transfers, and how long one that found no room for the copy of the
	// database waits for the next try.
	updatePatience = 24 * time.Hour
	// longestTransfer is how long it waits for those.
	longestTransfer = 3 * updatePatience
)

// updates is this office's part in new versions of its program.
type updates struct {
	store *update.Store
	acted atomic.Int64  // when somebody last did something, as time.Time.UnixNano
	tell  chan struct{} // the hub is to know

	mu    sync.Mutex
	told  string     // what the hub has, or is on its way to it
	epoch storage.ID // of the hub that was told
	id    storage.ID // report on its way
}

func newUpdates(o *Options) *updates {
	if o.UpdatePoll == 0 {
		o.UpdatePoll = DefaultUpdatePoll
	}
	if o.Quiet == 0 {
		o.Quiet = DefaultQuiet
	}
	if o.Updates == nil {
		o.Updates = NewUpdates(*o, "")
	}
	return &updates{store: o.Updates, tell: make(chan struct{}, 1)}
}

// NewUpdates makes the slots of the office of o, for a process that was started from
// slot, "" for the installed program.
func NewUpdates(o Options, slot string) *update.Store {
	return update.New(update.Options{
		Dir: o.Dir, Database: DatabaseFile, Version: o.Version, Slot: slot, Reserve: int64(o.Config.Storage.Reserve), Logger: o.Logger,
	})
}

func (u *updates) kick() {
	select {
	case u.tell <- struct{}{}:
	default:
	}
}

// openProving opens the desk. A version on trial shows first, before anybody can hand
// it anything, that it opens and reads the stores and that its pages answer.
func (a *Agent) openProving(ctx context.Context) (*desk, error) {
	if _, trial := a.updates.store.OnTrial(); !trial {
		return openDesk(ctx, a)
	}
	d, why, err := a.prove(ctx)
	if err == nil {
		if err = a.updates.store.Opening(); err == nil {
			return d, nil
		}
		why = update.DiskFull
	}
	if d != nil {
		err = errors.Join(err, d.close())
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	a.log.Error("this version does not work and is taken back", "reason", why, "error", err)
	if _, failed := a.updates.store.GiveUp(why); failed != nil {
		a.log.Error("state of updates not written", "error", failed) // its starts are counted
	}
	return nil, update.ErrRestart
}

func (a *Agent) prove(ctx context.Context) (*desk, update.Reason, error) {
	old, err := OpenDB(ctx, a.o.Dir, sqlite.Options{ReadOnly: true, Logger: a.log, Now: a.clock.Now})
	switch {
	case errors.Is(err, sqlite.ErrOutdated):
		err = a.updates.store.Migrating()
	case err == nil:
		err = old.Close()
	}
	if err != nil {
		return nil, update.NoStore, err
	}
	d, err := openDesk(ctx, a)
	if err != nil {
		return nil, update.NoStore, err
	}
	if err := d.db.Check(ctx); err != nil {
		return d, update.NoStore, err
	}
	return d, update.NoPages, d.pagesAnswer(ctx)
}

// pagesAnswer asks the pages for their first one.
func (d *desk) pagesAnswer(ctx context.Context) error {
	pages, err := d.site(ctx)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.pages.URL(), http.NoBody)
	if err != nil {
		return err
	}
	w := &answer{header: http.Header{}}
	pages.ServeHTTP(w, r)
	if w.status >= http.StatusInternalServerError {
		return fmt.Errorf("pages answer with status %d", w.status)
	}
	return nil
}

// answer is a response of which only the status counts.
type answer struct {
	header http.Header
	status int
}

func (a *answer) Header() http.Header { return a.header }
func (a *answer) WriteHeader(s int)   { a.status = s }
func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return len(p), nil
}

// update runs what has to do with new versions until ctx ends. update.ErrRestart says
// that another one is to take this one's place.
func (d *desk) update(ctx context.Context) error {
	u := d.agent.updates
	if t, trial := u.store.OnTrial(); trial {
		if err := d.stands(ctx, t); err != nil {
			return err
		}
	}
	look := time.NewTicker(d.o.UpdatePoll)
	defer look.Stop()
	started := time.Now()
	for {
		if err := d.tellSoftware(ctx); err != nil && ctx.Err() == nil {
			d.log.Warn("report on software not made", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-u.tell:
			continue
		case <-look.C:
		}
		begun, err := d.begin(ctx, time.Since(started))
		if err != nil && ctx.Err() == nil {
			d.log.Error("new version not begun", "error", err)
		}
		if begun {
			d.log.Info("a new version takes the place of this one")
			return update.ErrRestart
		}
	}
}

// stands waits until a version on trial is healthy, and makes it the one in use.
func (d *desk) stands(ctx context.Context, t update.Trial) error {
	late := time.NewTimer(update.ProveTime)
	defer late.Stop()
	look := time.NewTicker(min(time.Second, d.o.UpdatePoll))
	defer look.Stop()
	u := d.agent.updates
	for {
		why, err := d.healthy(ctx, t)
		if err == nil {
			if err := u.store.Confirm(); err != nil {
				return err
			}
			d.log.Info("the new version works", "version", t.Version)
			return d.noteUpdate(ctx, "software.confirmed", t.Version)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
			continue
		case <-late.C:
		}
		d.log.Error("the new version is not well", "version", t.Version, "reason", why, "error", err)
		back, err := u.store.GiveUp(why)
		if err != nil || back {
			return errors.Join(err, update.ErrRestart)
		}
		return d.noteUpdate(ctx, "software.stuck", t.Version)
	}
}

// healthy tells what a version on trial lacks.
func (d *desk) healthy(ctx context.Context, t update.Trial) (update.Reason, error) {
	if _, err := d.agent.Status(ctx); err != nil {
		return update.NoStore, err
	}
	if err := d.pagesAnswer(ctx); err != nil {
		return update.NoPages, err
	}
	if t.Linked && !d.link.Status().Up {
		return update.NoLine, errors.New("no connection to the hub")
	}
	return "", nil
}

func (d *desk) noteUpdate(ctx context.Context, action, version string) error {
	return d.db.Update(ctx, func(tx *sqlite.Tx) error {
		return audit.Append(tx, audit.Entry{Actor: d.id.Code, Action: action, Subject: version})
	})
}

// begin has a version that waits take over, at a quiet moment.
func (d *desk) begin(ctx context.Context, running time.Duration) (bool, error) {
	u := d.agent.updates
	st, err := u.store.State()
	if err != nil || st.Ready == nil || st.Trial != nil {
		return false, err
	}
	if st.Ready.Postponed > 0 && running < updatePatience {
		return false, nil
	}
	if quiet, err := d.quiet(ctx, time.Since(st.Ready.Since)); err != nil || !quiet {
		return false, err
	}
	if room, err := u.store.Room(); err != nil || !room {
		return false, err
	}
	if err := d.noteUpdate(ctx, "software.begun", st.Ready.Version); err != nil {
		return false, err
	}
	return u.store.Begin(d.link.Status().Up)
}

// quiet tells whether nobody is at work and nothing is on the way.
func (d *desk) quiet(ctx context.Context, waited time.Duration) (bool, error) {
	if waited > longestTransfer {
		return true, nil
	}
	if len(d.node.Arriving()) > 0 {
		return false, nil
	}
	s, err := d.office.Summary(ctx)
	if err != nil || s.Waiting > 0 && d.link.Status().Up {
		return false, err
	}
	return waited > updatePatience || time.Since(time.Unix(0, d.agent.updates.acted.Load())) > d.o.Quiet, nil
}

// watched notes when somebody does something.
func (u *updates) watched(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			u.acted.Store(time.Now().UnixNano())
		}
		next.ServeHTTP(w, r)
	})
}

// depot keeps the releases that come over the line or by stick.
type depot struct{ d *desk }

func (k depot) Take(ctx context.Context, proof release.Proof, open func(release.Manifest, release.File) (io.Reader, error)) error {
	_, err := k.d.takeRelease(proof, open, false)
	var no *update.Refusal
	if errors.As(err, &no) {
		return &office.Refusal{Cause: no}
	}
	if errors.Is(err, release.ErrMalformed) {
		return &office.Refusal{Cause: err}
	}
	return err
}

func (d *desk) takeRelease(proof release.Proof, open func(release.Manifest, release.File) (io.Reader, error), again bool) (release.Manifest, error) {
	defer d.agent.updates.kick()
	m, err := d.agent.updates.store.Take(update.Offer{Proof: proof, Authority: d.live.Get().Trust.Authority.PublicKey, Open: open, Again: again})
	if err == nil {
		d.log.Info("release taken", "version", m.Version, "serial", m.Serial)
	}
	return m, err
}

// software is what the hub is told.
func (u *updates) software(version string) (release.Told, error) {
	st, err := u.store.State()
	t := release.Told{Version: version, Serial: st.Serial, OS: runtime.GOOS, Arch: runtime.GOARCH}
	failure := func(f update.Failed) release.Failure {
		return release.Failure{Version: f.Version, Serial: f.Serial, Reason: string(f.Reason)}
	}
	for _, f := range st.Failed {
		t.Failed = append(t.Failed, failure(f))
	}
	for from, to := range map[*update.Failed]**release.Failure{st.Refused: &t.Refused, st.Stuck: &t.Stuck} {
		if from != nil {
			f := failure(*from)
			*to = &f
		}
	}
	return t, err
}

// tellSoftware reports to the hub which software runs, when it does not know.
func (d *desk) tellSoftware(ctx context.Context) error {
	u := d.agent.updates
	t, err := u.software(d.o.Version)
	if err != nil {
		return err
	}
	raw, err := t.Encode()
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.told == string(raw) {
		return nil
	}
	sealed, err := d.office.SealSoftware(raw)
	if err != nil {
		return err
	}
	if err := d.db.Update(ctx, func(tx *sqlite.Tx) error { return d.office.PutReport(tx, sealed, u.id) }); err != nil {
		return err
	}
	u.told, u.id = string(raw), sealed.ID
	return nil
}

// hubIs has a hub with another store, which may know nothing, told again.
func (u *updates) hubIs(epoch storage.ID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.epoch != (storage.ID{}) && u.epoch != epoch {
		u.told = ""
		u.kick()
	}
	u.epoch = epoch
}

// heralds hear what became of the reports of this office, and one what the hub
// publishes.
type heralds struct {
	office.Herald
	u *updates
}

func (h heralds) Reported(tx *sqlite.Tx, id, epoch storage.ID, taken bool) error {
	tx.OnCommit(func() {
		h.u.mu.Lock()
		defer h.u.mu.Unlock()
		if h.u.id == id {
			h.u.id = storage.ID{}
		}
	})
	return h.Herald.Reported(tx, id, epoch, taken)
}

// conditions are what is not well with the office's software.
func (u *updates) conditions() ([]health.Condition, error) {
	st, err := u.store.State()
	if err != nil {
		return nil, err
	}
	var list []health.Condition
	add := func(code string, f *update.Failed) {
		if f != nil {
			list = append(list, health.Condition{Code: code, Args: i18n.Args{"version": f.Version, "why": i18n.Say("update.reason." + string(f.Reason))}})
		}
	}
	add(health.UpdateStuck, st.Stuck)
	if n := len(st.Failed); n > 0 {
		add(health.UpdateTakenBack, &st.Failed[n-1])
	}
	if st.Refused != nil && st.Refused.Reason != update.FailedOnce {
		add(health.UpdateRefused, st.Refused)
	}
	return list, nil
}

// UpdatePath is the path of the local interface about the office's software: GET says
// how it stands, POST takes the file of a release.
const UpdatePath = "/v1/update"

// Software is the answer of `tram update status`.
type Software struct {
	Version   string           `json:"version"`              // that runs
	Slot      bool             `json:"slot"`                 // it is a release that came, not the installed program
	Ready     string           `json:"ready,omitempty"`      // version that waits for a quiet moment
	OnTrial   string           `json:"trial,omitempty"`      // version that has to show that it works
	Before    string           `json:"before,omitempty"`     // version of the slot before
	TakenBack *release.Failure `json:"taken_back,omitempty"` // the newest
	Refused   *release.Failure `json:"refused,omitempty"`
	Stuck     *release.Failure `json:"stuck,omitempty"` // runs, is not well, and cannot be taken back
}

func (a *Agent) softwareStatus() (Software, error) {
	st, err := a.updates.store.State()
	if err != nil {
		return Software{}, err
	}
	t, err := a.updates.software(a.o.Version)
	s := Software{Version: a.o.Version, Slot: a.updates.store.Slot() != "", Before: st.Previous, Refused: t.Refused, Stuck: t.Stuck}
	if n := len(t.Failed); n > 0 {
		s.TakenBack = &t.Failed[n-1]
	}
	if st.Ready != nil {
		s.Ready = st.Ready.Version
	}
	if st.Trial != nil {
		s.OnTrial = st.Trial.Version
	}
	return s, err
}

// maxReleaseFile bounds the file of a release.
const maxReleaseFile = release.MaxProof + release.MaxFiles*release.MaxProgram

// takeFile takes a release out of its file.
func (a *Agent) takeFile(body io.Reader) (Software, error) {
	d := a.theDesk()
	if d == nil {
		return Software{}, problem.New(problem.NotEnrolled, "update.not-enrolled", "", nil)
	}
	proof, err := release.ReadProof(body)
	if err != nil {
		return Software{}, problem.New(problem.Usage, "update.no-release", "FILE", nil).Because(err)
	}
	_, err = d.takeRelease(proof, func(m release.Manifest, f release.File) (io.Reader, error) {
		before := m.Offset(proof, f) - int64(len(proof.Encode()))
		if _, err := io.CopyN(io.Discard, body, before); err != nil {
			return nil, err
		}
		return io.LimitReader(body, f.Size), nil
	}, true)
	var no *update.Refusal
	switch {
	case errors.As(err, &no):
		return Software{}, problem.New(problem.BadSeal, "update.refused", "FILE", i18n.Args{"version": no.Version, "why": i18n.Say("update.reason." + string(no.Reason))}).Because(no)
	case errors.Is(err, storage.ErrFull):
		return Software{}, problem.New(problem.Full, "office.full", "", nil).Because(err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Software{}, problem.New(problem.Usage, "update.no-release", "FILE", nil).Because(err)
	case err != nil:
		return Software{}, err
	}
	return a.softwareStatus()
}

// updateRoutes are the calls of `tram update`.
func (a *Agent) updateRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET "+UpdatePath, api.Handle(a.log, func(http.ResponseWriter, *http.Request) (any, error) {
		return a.softwareStatus()
	}))
	mux.HandleFunc("POST "+UpdatePath, api.Handle(a.log, func(w http.ResponseWriter, r *http.Request) (any, error) {
		return a.takeFile(http.MaxBytesReader(w, r.Body, maxReleaseFile))
	}))
}
