package vitals

import (
	"context"
	"embed"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"tram/agent/health"
	"tram/agent/i18n"
	"tram/storage"
	"tram/storage/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables of this package.
var Schema = sqlite.Embedded("vitals", migrations)

// Codes of conditions of a hub. Never rename one: operators' tools know them.
const (
	DiskLow       = "hub-disk-low"
	DiskFull      = "hub-disk-full" // nothing new is taken over
	DatabaseFull  = "hub-database-full"
	DatabaseSlow  = "hub-database-slow"
	DatabaseStuck = "hub-database-stuck"
	ClockJumped   = "hub-clock-jumped"
)

const (
	// Every is how often the hub looks at itself, and measures a commit while something
	// is wrong with the database.
	Every = 15 * time.Second
	// Rest is how often it measures a commit while all is well: each writes to a disk
	// that wears out.
	Rest = time.Minute
	// Room is how often such a commit takes pages of its own, to see that there is room.
	Room = 10 * time.Minute
	// SlowCommit is how long a commit of a few pages may take: at more, three times in a
	// row, the database is slow.
	SlowCommit = 2 * time.Second
	// StuckCommit is how long one may take before the database counts as stuck.
	StuckCommit = 30 * time.Second
	probes      = 3
	// probeBytes is what a probe for room writes: some pages.
	probeBytes = 16 << 10
	megabyte   = 1_000_000
)

// Measured is what Judge judges.
type Measured struct {
	Free, Reserve int64           // bytes: what may be used, and what never is; Free below 0: not known
	Commits       []time.Duration // the latest, at most probes
	Pending       time.Duration   // how long one has been under way
	Full          bool            // the last one found no room
	Ahead, Left   time.Duration   // as of Clock.Jumped
}

// Judge tells what is wrong.
func Judge(m Measured) []health.Condition {
	list := []health.Condition{}
	add := func(code string, args i18n.Args) { list = append(list, health.Condition{Code: code, Args: args}) }
	free := i18n.Args{"free": (m.Free + m.Reserve) / megabyte, "reserve": m.Reserve / megabyte}
	switch {
	case m.Free < 0:
	case m.Free == 0:
		add(DiskFull, free)
	case m.Free <= m.Reserve:
		add(DiskLow, free)
	}
	switch {
	case m.Full:
		add(DatabaseFull, nil)
	case m.Pending >= StuckCommit:
		add(DatabaseStuck, i18n.Args{"seconds": int(m.Pending / time.Second)})
	case len(m.Commits) >= probes && slices.Min(m.Commits) >= SlowCommit:
		add(DatabaseSlow, i18n.Args{"seconds": int(slices.Min(m.Commits) / time.Second)})
	}
	if m.Ahead != 0 {
		add(ClockJumped, i18n.Args{"minutes": int(m.Ahead / time.Minute), "left": int(m.Left / time.Minute)})
	}
	return list
}

// Options of New. All but Logger are required.
type Options struct {
	DB      *sqlite.DB            // has Schema
	Free    func() (int64, error) // bytes that may be used: without the reserve
	Reserve int64
	Clock   *Clock
	Logger  *slog.Logger
}

// Watch watches one hub. Safe for concurrent use.
type Watch struct {
	o Options

	mu      sync.Mutex
	commits []time.Duration
	began   time.Time // of the probe that is under way; zero: none
	probed  time.Time // when the latest began
	roomed  time.Time // when the latest for room began
	full    bool
	said    []string // codes that are in the log
}

// New prepares a Watch.
func New(o Options) *Watch {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Watch{o: o}
}

// Conditions are what is wrong now.
func (w *Watch) Conditions() []health.Condition {
	m := Measured{Reserve: w.o.Reserve}
	var err error
	if m.Free, err = w.o.Free(); err != nil {
		m.Free = -1
	}
	m.Ahead, m.Left = w.o.Clock.Jumped()
	w.mu.Lock()
	defer w.mu.Unlock()
	m.Commits, m.Full = slices.Clone(w.commits), w.full
	if !w.began.IsZero() {
		m.Pending = time.Since(w.began)
	}
	return Judge(m)
}

// Run looks until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	var probing sync.WaitGroup
	defer probing.Wait()
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		w.look(ctx, &probing)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// look keeps the time, begins a probe unless one is under way, and logs what is new.
func (w *Watch) look(ctx context.Context, probing *sync.WaitGroup) {
	if err := w.o.Clock.Keep(); err != nil {
		w.o.Logger.Error("time not kept", "error", err)
	}
	if due, room := w.due(time.Now()); due {
		probing.Go(func() { w.Probe(ctx, room) })
	}
	var codes []string
	for _, c := range w.Conditions() {
		codes = append(codes, c.Code)
		if !slices.Contains(w.said, c.Code) {
			w.o.Logger.Error("hub needs attention", "condition", c.Code, "says", c.Message(i18n.English))
		}
	}
	for _, code := range w.said {
		if !slices.Contains(codes, code) {
			w.o.Logger.Info("hub is well again", "condition", code)
		}
	}
	w.said = codes
}

// due tells whether a probe begins now, and whether it is one for room. None begins
// beside another.
func (w *Watch) due(now time.Time) (probe, room bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.began.IsZero() {
		return false, false
	}
	uneasy := w.full || len(w.commits) == 0 || w.commits[len(w.commits)-1] >= SlowCommit
	if !uneasy && now.Sub(w.probed) < Rest {
		return false, false
	}
	room = uneasy || now.Sub(w.roomed) >= Room
	if w.began, w.probed = now, now; room {
		w.roomed = now
	}
	return true, room
}

// Probe commits a change of one page, or one that takes pages of its own, and takes the
// time.
func (w *Watch) Probe(ctx context.Context, room bool) {
	began := time.Now()
	err := w.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		if !room {
			_, err := tx.Exec(`UPDATE hub_vitals SET at = ?`, tx.Now())
			return err
		}
		_, err := tx.Exec(`INSERT OR REPLACE INTO hub_vitals (one, at, pad) VALUES (1, ?, zeroblob(?))`, tx.Now(), probeBytes)
		return err
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.began = time.Time{}
	if w.full = errors.Is(err, storage.ErrFull); err != nil {
		if ctx.Err() == nil && !w.full {
			w.o.Logger.Error("database cannot be written", "error", err)
		}
		return
	}
	w.commits = append(w.commits, time.Since(began))
	w.commits = w.commits[max(len(w.commits)-probes, 0):]
}
