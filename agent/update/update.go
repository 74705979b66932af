// Package update puts a new version of the office's program in the place of the
// one that runs, and takes it back when it does not work.
//
// The installed program is what the service manager starts. Releases lie beside it
// as slots in the data folder, software/VERSION; a small state file says which one
// is in use, and the installed program starts that ([Store.Next]). A new one runs on
// trial until it has shown that it works ([Store.Confirm]).
//
// It promises that
//
//   - nothing is kept that the province's software key has not signed, and nothing
//     started whose digest is not the signed one;
//   - whatever instant the power goes or a program dies, the next start finds a
//     program that works on the database as it then is;
//   - a version that dies, hangs or does not become healthy within [ProveTime] is
//     taken back and not tried again by itself;
//   - the copy of the database that was made before a new version migrated it is put
//     back only if that version never opened its doors: before it takes or sends
//     anything it writes down that it does. From then on what was saved stays (P1) and
//     a hub never hears of a past (P2): the new version stays, and says that it is not
//     well. A version that migrates nothing can be taken back at any time, and the
//     database stays as it is.
package update

import (
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"tram/agent/release"
	"tram/storage"
	"tram/storage/fsx"
)

const (
	// ProveTime is how long a new version has to become healthy.
	ProveTime = 5 * time.Minute
	// MaxStarts is how often a new version is started before it counts as one that
	// dies. A power cut takes one, a stop in good order none.
	MaxStarts = 3
	// maxFailed is how many versions that were taken back are remembered.
	maxFailed = 16
	// maxState bounds the state file, in bytes.
	maxState = 64 << 10
)

// Names in the data folder.
const (
	Folder    = "software"
	stateFile = "state.json"
	proofFile = "release"
	copyDir   = "before" // the database as it was; no version has such a name
)

// Reason says why a version was not installed or was taken back.
type Reason string

// The reasons, beside those of release.Refusal. Never rename one: hubs know them.
const (
	Unsigned    Reason = "unsigned"     // not by the province
	Damaged     Reason = "damaged"      // not the program that was signed, or no more
	DiskFull    Reason = "disk-full"    // no room for it and a copy of the database
	Dies        Reason = "dies"         // ended by itself, again and again
	CannotStart Reason = "cannot-start" // the system does not start it
	NoStore     Reason = "no-store"     // does not open the database, or finds it damaged
	NoPages     Reason = "no-pages"     // the pages do not answer
	NoLine      Reason = "no-line"      // no connection to the hub, which was there before
	Unhealthy   Reason = "unhealthy"    // does not answer for itself in time
	FailedOnce  Reason = "failed-once"  // was taken back before
)

// Failed is a version that was taken back, or was not taken.
type Failed struct {
	Version string    `json:"version"`
	Serial  uint64    `json:"serial"`
	Reason  Reason    `json:"reason"`
	At      time.Time `json:"at"`
}

// Ready is a version that waits for a quiet moment.
type Ready struct {
	Version   string    `json:"version"`
	Serial    uint64    `json:"serial"`
	Since     time.Time `json:"since"`
	Postponed int       `json:"postponed,omitempty"` // times that there was no room for the copy
}

// Trial is a version that has to show that it works.
type Trial struct {
	Version  string `json:"version"`
	Serial   uint64 `json:"serial"`
	Linked   bool   `json:"linked"`   // there was a connection to the hub before
	Copied   bool   `json:"copied"`   // the copy of the database is whole
	Starts   int    `json:"starts"`   // so far
	Migrates bool   `json:"migrates"` // it has changed the tables, or begun to
	Open     bool   `json:"open"`     // it takes and sends
	Over     Reason `json:"over,omitempty"`
}

// State is what the state file says.
type State struct {
	Format    int    `json:"v"`
	Current   string `json:"current"`             // slot in use; "": the installed program
	Previous  string `json:"previous,omitempty"`  // slot before it
	Installed string `json:"installed,omitempty"` // version of the installed program when Current was chosen
	Serial    uint64 `json:"serial"`              // of the newest release that was confirmed here
	Warrant   uint64 `json:"warrant"`             // highest serial of a warrant
	Ready     *Ready `json:"ready,omitempty"`
	Trial     *Trial `json:"trial,omitempty"`
	// Restoring says that the copy of the database is being put back: no program may
	// open the database meanwhile.
	Restoring bool     `json:"restoring,omitempty"`
	Failed    []Failed `json:"failed,omitempty"` // the newest last
	// Stuck is why the version in use is not well and cannot be taken back.
	Stuck *Failed `json:"stuck,omitempty"`
	// Refused is the last release that was not taken; a later one that was ends it.
	Refused *Failed `json:"refused,omitempty"`
}

const stateFormat = 1

// Options describe the program and its folder.
type Options struct {
	Dir      string // data folder
	Database string // name of the database in it
	Version  string // of this program; one that is no release.Version is a build of its own
	// Slot is the version of the slot that this process was started from, "" for the
	// installed program.
	Slot     string
	Reserve  int64    // bytes of the disk that are never used
	Disk     fsx.Disk // nil: fsx.OS
	OS, Arch string   // "": this machine's
	Logger   *slog.Logger
	Now      func() time.Time // nil: time.Now
}

// Store is the slots and their state. Safe for concurrent use by one process.
type Store struct {
	o  Options
	mu sync.Mutex
}

// New makes a Store. It touches nothing.
func New(o Options) *Store {
	if o.Disk == nil {
		o.Disk = fsx.OS
	}
	if o.OS == "" {
		o.OS, o.Arch = runtime.GOOS, runtime.GOARCH
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Store{o: o}
}

// Slot is the version of the slot that this process runs from, "" for the installed
// program.
func (s *Store) Slot() string { return s.o.Slot }

// State reads the state; the zero State when there is none.
func (s *Store) State() (State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.load()
}

func (s *Store) path(parts ...string) string {
	return filepath.Join(append([]string{s.o.Dir, Folder}, parts...)...)
}

func (s *Store) load() (State, error) {
	var st State
	raw, err := s.read(s.path(stateFile), maxState)
	if errors.Is(err, fs.ErrNotExist) {
		return st, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &st)
	}
	if err == nil && st.Format != stateFormat {
		err = fmt.Errorf("format %d, this program reads %d", st.Format, stateFormat)
	}
	if err != nil {
		return State{}, fmt.Errorf("read state of updates: %w", err)
	}
	return st, nil
}

func (s *Store) read(path string, limit int64) ([]byte, error) {
	f, err := s.o.Disk.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return raw, err
}

func (s *Store) save(st State) error {
	st.Format = stateFormat
	raw, err := json.Marshal(st)
	if err == nil {
		err = fsx.WriteFileOn(s.o.Disk, s.path(stateFile), raw, 0o600)
	}
	if err != nil {
		return fmt.Errorf("write state of updates: %w", err)
	}
	return nil
}

// change reads, changes and writes the state; do says whether there is a change.
func (s *Store) change(do func(*State) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.load()
	if err != nil || !do(&st) {
		return err
	}
	return s.save(st)
}

func (st *State) fail(f Failed) {
	st.Failed = slices.DeleteFunc(st.Failed, func(o Failed) bool { return o.Version == f.Version })
	st.Failed = append(st.Failed, f)
	st.Failed = st.Failed[max(0, len(st.Failed)-maxFailed):]
}

// program is the file of a slot's program.
func (s *Store) program(version string) string {
	name := "tram"
	if s.o.OS == "windows" {
		name = "tram.exe"
	}
	return s.path(version, name)
}

// Refusal is the error of a release that is not taken.
type Refusal struct {
	Version string // as far as known
	Reason  Reason
	Err     error // nil when the reason says it all
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("release %s not taken: %s: %v", r.Version, r.Reason, r.Err)
}

// Unwrap gives the cause.
func (r *Refusal) Unwrap() error { return r.Err }

// Offer is a release that is to be taken.
type Offer struct {
	Proof     release.Proof
	Authority crypto.PublicKey // of this office's hub
	// Open gives the program of a file of the manifest. It is called once at most.
	Open func(m release.Manifest, f release.File) (io.Reader, error)
	// Again takes a version that was taken back before.
	Again bool
}

// Take checks a release and keeps its program, durably, until a quiet moment. The
// version that runs, and one that is here already, changes nothing. A *Refusal says
// that it will never be taken as it is; any other error may pass.
func (s *Store) Take(o Offer) (release.Manifest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.load()
	if err != nil {
		return release.Manifest{}, err
	}
	m, err := s.take(&st, o)
	var no *Refusal
	if errors.As(err, &no) {
		st.Refused = &Failed{Version: no.Version, Serial: m.Serial, Reason: no.Reason, At: s.o.Now()}
		if saved := s.saveIn(st); saved != nil {
			return m, saved
		}
	}
	return m, err
}

// saveIn is save where the folder may not be there yet.
func (s *Store) saveIn(st State) error {
	if err := fsx.MkdirAll(s.o.Disk, s.path(), 0o700); err != nil {
		return err
	}
	return s.save(st)
}

func (s *Store) take(st *State, o Offer) (release.Manifest, error) {
	m, w, err := o.Proof.Open(o.Authority)
	if err == nil && w.Serial < st.Warrant {
		err = fmt.Errorf("%w: the key was replaced", release.ErrSignature)
	}
	if err != nil {
		return m, &Refusal{m.Version.String(), Unsigned, err}
	}
	version := m.Version.String()
	here, _ := release.ParseVersion(s.o.Version)
	if no := m.Judge(release.Installed{Version: here, Serial: st.Serial, OS: s.o.OS, Arch: s.o.Arch}); no != "" {
		return m, &Refusal{version, Reason(no), nil}
	}
	failed := slices.ContainsFunc(st.Failed, func(f Failed) bool { return f.Version == version && f.Serial == m.Serial })
	if failed && !o.Again {
		return m, &Refusal{version, FailedOnce, nil}
	}
	st.Warrant, st.Refused = w.Serial, nil
	if st.Trial != nil {
		return m, errors.New("a version is on trial")
	}
	if m.Version == here {
		st.Serial = max(st.Serial, m.Serial)
		st.Ready = nil
		return m, s.saveIn(*st)
	}
	f, _ := m.File(s.o.OS, s.o.Arch)
	if st.Ready == nil || st.Ready.Version != version || st.Ready.Serial != m.Serial {
		if err := s.keep(st, m, f, o); err != nil {
			return m, err
		}
		st.Ready = &Ready{Version: version, Serial: m.Serial, Since: s.o.Now()}
	}
	return m, s.saveIn(*st)
}

// keep writes program and proof of a release into its slot.
func (s *Store) keep(st *State, m release.Manifest, f release.File, o Offer) error {
	version := m.Version.String()
	s.tidy(*st)
	if s.verify(version, m.Serial) == nil {
		return nil // a slot that was in use before
	}
	if err := fsx.MkdirAll(s.o.Disk, s.path(version), 0o700); err != nil {
		return err
	}
	if free, _, err := s.o.Disk.Usage(s.o.Dir); err != nil || free < f.Size+s.o.Reserve {
		return errors.Join(err, fmt.Errorf("keep release %s: %w", version, storage.ErrFull))
	}
	src, err := o.Open(m, f)
	if err != nil {
		return err
	}
	t, err := fsx.CreateOn(s.o.Disk, s.path(version), 0o700)
	if err != nil {
		return err
	}
	if err := f.Copy(t, src); err != nil {
		if errors.Is(err, release.ErrProgram) {
			err = &Refusal{version, Damaged, err}
		}
		return errors.Join(err, t.Abort())
	}
	if err := t.Commit(s.program(version)); err != nil {
		return err
	}
	return fsx.WriteFileOn(s.o.Disk, s.path(version, proofFile), o.Proof.Encode(), 0o600)
}

// verify checks that the program of a slot is the signed one. The signature was
// checked when it was taken: this finds what a worn disk or half a write has left.
func (s *Store) verify(version string, serial uint64) error {
	raw, err := s.read(s.path(version, proofFile), release.MaxProof)
	if err != nil {
		return err
	}
	p, err := release.DecodeProof(raw)
	if err != nil {
		return err
	}
	m, err := release.Peek(p.Release)
	if err != nil {
		return err
	}
	f, ok := m.File(s.o.OS, s.o.Arch)
	if !ok || m.Version.String() != version || serial != 0 && m.Serial != serial {
		return fmt.Errorf("slot %s holds another release", version)
	}
	program, err := s.o.Disk.OpenFile(s.program(version), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer program.Close()
	return f.Copy(io.Discard, program)
}

// tidy removes slots that nothing names. What cannot be removed is tried again.
func (s *Store) tidy(st State) {
	used := []string{st.Current, st.Previous, s.o.Slot, stateFile}
	if st.Ready != nil {
		used = append(used, st.Ready.Version)
	}
	if st.Trial != nil {
		used = append(used, st.Trial.Version, copyDir)
	}
	entries, err := s.o.Disk.ReadDir(s.path())
	if err != nil {
		return
	}
	for _, e := range entries {
		if !slices.Contains(used, e.Name()) {
			s.remove(e.Name(), e.IsDir())
		}
	}
}

func (s *Store) remove(name string, dir bool) {
	path := s.path(name)
	if dir {
		inside, err := s.o.Disk.ReadDir(path)
		if err != nil {
			return
		}
		for _, f := range inside {
			_ = s.o.Disk.Remove(filepath.Join(path, f.Name())) // looked for again
		}
	}
	if err := s.o.Disk.Remove(path); err != nil {
		s.o.Logger.Warn("old program not removed", "name", name, "error", err)
	}
}

func (s *Store) databasePath() string { return filepath.Join(s.o.Dir, s.o.Database) }
