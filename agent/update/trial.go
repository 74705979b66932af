package update

import (
	"errors"

	"tram/storage/fsx"
)

// ErrRestart says that the program ends so that another version takes its place.
var ErrRestart = errors.New("restart for another version")

// Begin has the version that waits take the place of the running one at the next
// start, on trial. linked says that there is a connection to the hub. False: none
// waits.
func (s *Store) Begin(linked bool) (begun bool, err error) {
	err = s.change(func(st *State) bool {
		if begun = st.Ready != nil && st.Trial == nil; !begun {
			return false
		}
		st.Trial = &Trial{Version: st.Ready.Version, Serial: st.Ready.Serial, Linked: linked}
		st.Ready = nil
		if st.Current == "" {
			st.Installed = s.o.Version
		}
		return true
	})
	return begun, err
}

// Room tells whether the disk has room for the copy of the database that is made
// before a new version starts, beside the reserve.
func (s *Store) Room() (bool, error) {
	f, err := s.o.Disk.OpenFile(s.databasePath(), 0, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	size, err := f.Seek(0, 2)
	if err != nil {
		return false, err
	}
	free, _, err := s.o.Disk.Usage(s.o.Dir)
	return err == nil && free >= size+s.o.Reserve, err
}

// OnTrial is the trial that this process is, false when it is none.
func (s *Store) OnTrial() (Trial, bool) {
	st, err := s.State()
	if err != nil || st.Trial == nil || st.Trial.Version != s.o.Slot || s.o.Slot == "" || st.Trial.Over != "" {
		return Trial{}, false
	}
	return *st.Trial, true
}

// ours changes the trial that this process is.
func (s *Store) ours(do func(*State, *Trial)) error {
	return s.change(func(st *State) bool {
		if st.Trial == nil || s.o.Slot == "" || st.Trial.Version != s.o.Slot {
			return false
		}
		do(st, st.Trial)
		return true
	})
}

// Migrating says, before it is so, that this version changes the tables.
func (s *Store) Migrating() error {
	return s.ours(func(_ *State, t *Trial) { t.Migrates = true })
}

// Opening says, before it is so, that this version takes and sends. From here on
// the copy of the database is not put back.
func (s *Store) Opening() error {
	return s.ours(func(_ *State, t *Trial) { t.Open = true })
}

// Confirm makes the version on trial the one in use: it works.
func (s *Store) Confirm() error {
	err := s.ours(func(st *State, t *Trial) {
		st.become(t)
		st.Stuck = nil
		st.Failed = nil
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.load()
	if err == nil {
		s.tidy(st)
	}
	return err
}

// GiveUp ends the trial of this version. back says that it is taken back at the
// next start, which is to come now; otherwise it stays, because what was saved
// since would be lost.
func (s *Store) GiveUp(why Reason) (back bool, err error) {
	back = true
	err = s.ours(func(st *State, t *Trial) {
		if t.Migrates && t.Open {
			back = false
			st.stay(s.o.Now, why)
			return
		}
		t.Over = why
	})
	return back, err
}

// Failing ends the trial of a version that another process was to be.
func (s *Store) Failing(version string, why Reason) error {
	return s.change(func(st *State) bool {
		if st.Trial == nil || st.Trial.Version != version {
			return false
		}
		st.Trial.Over = why
		return true
	})
}

// Stopped says that this process ends because it was told to, which is no sign
// against the version on trial.
func (s *Store) Stopped() error {
	return s.ours(func(_ *State, t *Trial) { t.Starts = max(0, t.Starts-1) })
}

// Unusable has the installed program run in the place of a slot in use that the
// system does not start.
func (s *Store) Unusable(version string) error {
	return s.change(func(st *State) bool {
		if st.Current != version {
			return false
		}
		st.fail(Failed{Version: version, Reason: CannotStart, At: s.o.Now()})
		st.Current, st.Previous = st.Previous, ""
		return true
	})
}

// Clean removes what a crash left in the slots.
func (s *Store) Clean() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.load()
	if err != nil {
		return err
	}
	s.tidy(st)
	for _, v := range []string{st.Current, st.Previous} {
		if v != "" {
			err = errors.Join(err, fsx.RemoveTemps(s.o.Disk, s.path(v)))
		}
	}
	return err
}
