// Package doctor examines an office's box from the outside: what the running
// service says of itself, and what only a look at machine, files, database and line
// can tell, whether the service runs or not.
//
// It promises:
//
//   - Each condition has a code that never changes, a sentence, and a line that says
//     what to do, in both languages.
//   - It changes nothing. What it may set right itself is offered with the finding,
//     and done by [Fix] alone.
//   - It ends within [Limit], link or no link. What there was no time or no right to
//     look at is told as unseen, not as good.
//   - Being offline is no failure (P8): a broken line is a warning. Somebody who
//     answers in the hub's place is a failure.
package doctor

import (
	"context"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"tram/agent/api"
	"tram/agent/clock"
	"tram/agent/config"
	"tram/agent/health"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/agent/service"
	"tram/storage/sqlite"
)

// Limit bounds a whole examination. The parts below have bounds of their own, and
// the line is looked at meanwhile.
const (
	Limit        = 3 * time.Second
	askLimit     = 800 * time.Millisecond // the running service
	managerLimit = 500 * time.Millisecond // the system's service manager
	storeLimit   = 900 * time.Millisecond // the database's integrity
	auditLimit   = 300 * time.Millisecond // its audit chain
	contentLimit = 300 * time.Millisecond // contents, a sample
	lineLimit    = 1500 * time.Millisecond
)

// State is how a finding is to be taken.
type State string

// The states.
const (
	Good    State = "good"
	Warning State = "warning"
	Failure State = "failure"
	Unseen  State = "unseen" // it could not be looked at
)

// Finding is one line of a report.
type Finding struct {
	Check string    `json:"check"`          // what was looked at
	State State     `json:"state"`          //
	Code  string    `json:"code,omitempty"` // what is wrong, or why it was not seen; "" when it is good
	Args  i18n.Args `json:"args,omitempty"`
	// Fixable says that Fix can set it right.
	Fixable bool `json:"fixable"`

	fix func(context.Context) error
}

// Message says it in lang.
func (f Finding) Message(lang i18n.Lang) string {
	switch {
	case f.State == Good:
		return i18n.T(lang, "doctor.good."+f.Check, f.Args)
	case f.State != Unseen && slices.Contains(health.Codes, f.Code):
		return health.Condition{Code: f.Code, Args: f.Args}.Message(lang)
	}
	return i18n.T(lang, "doctor."+f.Code, f.Args)
}

// Remedy says in lang what to do about it; "" when it is good.
func (f Finding) Remedy(lang i18n.Lang) string {
	if f.State == Good {
		return ""
	}
	for _, key := range []string{"doctor.fix." + f.Code, "admin.fix." + f.Code} {
		if i18n.Has(key) {
			return i18n.T(lang, key, f.Args)
		}
	}
	return ""
}

// Report is an examination.
type Report struct {
	At       time.Time `json:"at"`
	Took     int64     `json:"took_ms"`
	Version  string    `json:"version"`
	State    State     `json:"state"` // the gravest: an unseen part counts as a warning
	Findings []Finding `json:"checks"`
}

// Options of an examination. Dir, Database, Blobs and Schemas are needed.
type Options struct {
	Dir      string // data folder
	Database string // name of the database in it
	Blobs    string // name of the folder of contents in it
	Schemas  []sqlite.Schema
	Version  string        // of this program
	Service  service.Setup // as it would be installed
	// Inside says that the service examines itself: Status and DB are its own, and
	// what only others have to look at is left out.
	Inside bool
	Status func(context.Context) (api.Status, error) // nil: over the local socket
	DB     *sqlite.DB                                // nil: opened
	// Offline leaves the line alone.
	Offline bool
	// Root is where the machine's own files are, "/" unless a test says otherwise.
	Root     string
	Now      func() time.Time // the machine's clock; nil: time.Now
	Resolver *net.Resolver    // nil: the system's
}

// exam is an examination under way.
type exam struct {
	o     Options
	found []Finding

	cfg     *config.Office
	status  *api.Status // of the running service, nil when it does not answer
	silence error       // why it does not
	denied  bool        // the data folder may not be looked into
	held    bool        // another process has the data folder
	id      *identity.Identity
	db      *sqlite.DB
	line    chan []Finding
	stamp   chan []Finding
}

// Run examines a box. ctx ends it early: what is left is unseen.
func Run(ctx context.Context, o Options) Report {
	if o.Root == "" {
		o.Root = "/"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	start := time.Now()
	e := &exam{o: o, line: make(chan []Finding, 1), stamp: make(chan []Finding, 1)}
	defer e.close()
	e.settings()
	e.ask(ctx)
	e.identify()
	go e.lookAtLine(ctx)
	go e.lookAtStamp(ctx)
	for _, check := range []func(context.Context){
		e.program, e.memory, e.temp, e.clock, e.settingsTold, e.folder, e.disk, e.files, e.database, e.audit, e.contents,
		e.identity, e.certificates, e.seals, e.stamps, e.pages, e.folders, e.service, e.software, e.lineTold, e.conditions,
	} {
		check(ctx)
	}
	r := Report{At: o.Now().UTC().Truncate(time.Second), Took: time.Since(start).Milliseconds(), Version: o.Version, State: Good, Findings: e.found}
	for _, f := range e.found {
		switch {
		case f.State == Failure:
			r.State = Failure
		case f.State != Good && r.State == Good:
			r.State = Warning
		}
	}
	return r
}

func (e *exam) close() {
	if e.db != nil && e.o.DB == nil {
		_ = e.db.Close() // read-only
	}
}

func (e *exam) good(check string, args i18n.Args) {
	e.found = append(e.found, Finding{Check: check, State: Good, Args: args})
}

func (e *exam) warn(check, code string, args i18n.Args) *Finding {
	return e.add(check, Warning, code, args)
}

func (e *exam) fail(check, code string, args i18n.Args) *Finding {
	return e.add(check, Failure, code, args)
}

func (e *exam) unseen(check, why string, args i18n.Args) { e.add(check, Unseen, why, args) }

// add tells a finding. Every sentence may name the data folder.
func (e *exam) add(check string, s State, code string, args i18n.Args) *Finding {
	all := i18n.Args{"data": e.o.Dir, "name": e.o.Service.Name}
	for k, v := range args {
		all[k] = v
	}
	e.found = append(e.found, Finding{Check: check, State: s, Code: code, Args: all})
	return &e.found[len(e.found)-1]
}

// offer says how a finding is set right.
func (f *Finding) offer(fix func(context.Context) error) { f.Fixable, f.fix = true, fix }

// has reports whether a check has found anything but good.
func (e *exam) has(check string) bool {
	return slices.ContainsFunc(e.found, func(f Finding) bool { return f.Check == check && f.State != Good })
}

func (e *exam) path(parts ...string) string {
	return filepath.Join(append([]string{e.o.Dir}, parts...)...)
}

func (e *exam) machine(path string) string { return filepath.Join(e.o.Root, path) }

// settings reads them; with faults the defaults stand in.
func (e *exam) settings() {
	e.cfg = config.DefaultOffice()
	if cfg, err := config.LoadOffice(e.o.Dir, nil); err == nil {
		e.cfg = cfg
	}
}

func (e *exam) settingsTold(context.Context) {
	_, err := config.LoadOffice(e.o.Dir, nil)
	if err == nil {
		e.good("settings", nil)
		return
	}
	if e.denied {
		e.unseen("settings", "unseen-denied", nil)
		return
	}
	for _, p := range problems(err) {
		e.fail("settings", SettingsBad, i18n.Args{"field": p.Field, "why": i18n.Say("problem."+p.Code, p.Args)})
	}
}

func (e *exam) program(context.Context) {
	e.good("program", i18n.Args{"version": e.o.Version, "os": runtime.GOOS, "arch": runtime.GOARCH})
}

// now is the office's time, as its service would have it.
func (e *exam) now() time.Time {
	now, _ := e.believed()
	return now
}

// believed is the machine's time, or the last known one when that is not to be
// believed.
func (e *exam) believed() (now time.Time, trusted bool) {
	now = e.o.Now()
	known, err := clock.ReadKnown(e.path("clock"))
	if err != nil {
		known = time.Time{}
	}
	if known.Before(clock.Released) {
		known = clock.Released
	}
	if now.Before(known.Add(-time.Hour)) {
		return known, false
	}
	return now, true
}

func problems(err error) problem.List {
	if list, ok := err.(problem.List); ok && len(list) > 0 { //nolint:errorlint // config returns the list itself
		return list
	}
	return problem.List{problem.From(err)}
}
