package update

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tram/agent/release"
	"tram/storage/fsx"
)

// Start is a program to be started.
type Start struct {
	Program string // its file; "": the installed program, which asks
	Version string // of its slot
	Trial   bool
}

// Next tells the installed program what to start. The data folder must be locked,
// and the database closed. An error says that nothing may be started now, because
// the database is being put back and cannot be: trying again later may help.
func (s *Store) Next() (Start, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.load()
	if err != nil {
		s.o.Logger.Error("state of updates not read: the installed program runs", "error", err)
		return Start{}, nil
	}
	if st.Restoring {
		if err := s.restore(&st); err != nil {
			return Start{}, err
		}
	}
	s.settle(&st)
	if st.Trial == nil {
		return s.current(&st), nil
	}
	return s.trial(&st)
}

// settle lets an installed program that was itself made newer go before the slots.
func (s *Store) settle(st *State) {
	if st.Current == "" || st.Trial != nil || st.Installed == s.o.Version {
		return
	}
	installed, err := release.ParseVersion(s.Running())
	current, err2 := release.ParseVersion(st.Current)
	if err != nil || err2 != nil {
		return
	}
	if installed.Compare(current) >= 0 {
		s.o.Logger.Info("the installed program is newer than the one in use", "installed", s.o.Version, "was", st.Current)
		st.Current, st.Previous, st.Stuck = "", "", nil
		if st.Ready != nil {
			if ready, err := release.ParseVersion(st.Ready.Version); err == nil && installed.Compare(ready) >= 0 {
				st.Ready = nil
			}
		}
	}
	st.Installed = s.o.Version
	if err := s.save(*st); err != nil {
		s.o.Logger.Warn("state of updates not written", "error", err) // found again at the next start
	}
}

// current is the slot in use; when its program is damaged, the one before it.
func (s *Store) current(st *State) Start {
	changed := false
	for st.Current != "" {
		err := s.verify(st.Current, 0)
		if err == nil {
			break
		}
		s.o.Logger.Error("program of a slot is damaged: the one before it runs", "version", st.Current, "error", err)
		st.fail(Failed{Version: st.Current, Reason: Damaged, At: s.o.Now()})
		st.Current, st.Previous, changed = st.Previous, "", true
	}
	if changed {
		if err := s.save(*st); err != nil {
			s.o.Logger.Warn("state of updates not written", "error", err) // found again at the next start
		}
	}
	if st.Current == "" {
		return Start{}
	}
	return Start{Program: s.program(st.Current), Version: st.Current}
}

// trial starts the version on trial, or ends the trial.
func (s *Store) trial(st *State) (Start, error) {
	t := st.Trial
	switch {
	case t.Over != "":
		return s.back(st, t.Over)
	case t.Starts >= MaxStarts:
		return s.back(st, Dies)
	}
	if err := s.verify(t.Version, t.Serial); err != nil {
		s.o.Logger.Error("program on trial is damaged", "version", t.Version, "error", err)
		return s.back(st, Damaged)
	}
	if !t.Copied {
		if err := s.copyDatabase(); err != nil {
			s.o.Logger.Error("no copy of the database: the new version waits", "version", t.Version, "error", err)
			return s.postpone(st), nil
		}
		t.Copied = true
	}
	t.Starts++
	if err := s.save(*st); err != nil {
		if t.Migrates { // the one before cannot read this database
			return Start{Program: s.program(t.Version), Version: t.Version, Trial: true}, nil
		}
		s.o.Logger.Error("start of a new version not counted: the one before runs", "version", t.Version, "error", err)
		return s.current(st), nil
	}
	return Start{Program: s.program(t.Version), Version: t.Version, Trial: true}, nil
}

// postpone has a trial begin anew at a later quiet moment.
func (s *Store) postpone(st *State) Start {
	t := st.Trial
	st.Ready = &Ready{Version: t.Version, Serial: t.Serial, Since: s.o.Now(), Postponed: 1}
	st.Trial = nil
	if err := s.save(*st); err != nil {
		s.o.Logger.Warn("state of updates not written", "error", err) // found again at the next start
	}
	return s.current(st)
}

// back ends a trial that has failed.
func (s *Store) back(st *State, why Reason) (Start, error) {
	t := st.Trial
	t.Over = why
	switch {
	case t.Migrates && t.Open:
		st.stay(s.o.Now, why)
		if err := s.save(*st); err != nil {
			s.o.Logger.Error("state of updates not written", "error", err) // found again at the next start
			return Start{Program: s.program(st.Current), Version: st.Current}, nil
		}
		s.tidy(*st)
		return s.current(st), nil
	case t.Migrates:
		st.Restoring = true
		if err := s.save(*st); err != nil {
			return Start{}, err
		}
		if err := s.restore(st); err != nil {
			return Start{}, err
		}
		return s.current(st), nil
	}
	if err := s.finish(st); err != nil {
		s.o.Logger.Error("state of updates not written", "error", err) // found again at the next start
	}
	return s.current(st), nil
}

// restore puts the copy of the database back and ends the trial. Done again after a
// power cut it does the same: the copy stays until the state says that it is done.
func (s *Store) restore(st *State) error {
	db := s.databasePath()
	for _, name := range []string{db + "-wal", db + "-shm"} {
		if err := s.o.Disk.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("put database back: %w", err)
		}
	}
	if err := fsx.PointFolderSync.SyncDir(s.o.Disk, s.o.Dir); err != nil {
		return fmt.Errorf("put database back: %w", err)
	}
	for _, suffix := range []string{"", "-wal"} {
		err := s.copyFile(s.path(copyDir, s.o.Database+suffix), db+suffix)
		if errors.Is(err, fs.ErrNotExist) && suffix != "" {
			continue // it was closed in good order
		}
		if err != nil {
			return fmt.Errorf("put database back: %w", err)
		}
	}
	return s.finish(st)
}

// finish writes down that the version on trial was taken back.
func (s *Store) finish(st *State) error {
	t := st.Trial
	s.o.Logger.Error("new version taken back", "version", t.Version, "reason", t.Over, "database", st.Restoring)
	st.fail(Failed{Version: t.Version, Serial: t.Serial, Reason: t.Over, At: s.o.Now()})
	st.Trial, st.Restoring = nil, false
	if err := s.save(*st); err != nil {
		return err
	}
	s.tidy(*st)
	return nil
}

// stay makes the version on trial the one in use although it is not well.
func (st *State) stay(now func() time.Time, why Reason) {
	t := st.Trial
	st.Stuck = &Failed{Version: t.Version, Serial: t.Serial, Reason: why, At: now()}
	st.become(t)
}

// become makes the version on trial the one in use.
func (st *State) become(t *Trial) {
	st.Previous, st.Current, st.Serial, st.Trial = st.Current, t.Version, max(st.Serial, t.Serial), nil
}

// copyDatabase keeps the database, which nobody has open, as it is.
func (s *Store) copyDatabase() error {
	if err := fsx.MkdirAll(s.o.Disk, s.path(copyDir), 0o700); err != nil {
		return err
	}
	if err := fsx.RemoveTemps(s.o.Disk, s.path(copyDir)); err != nil {
		return err
	}
	for _, suffix := range []string{"", "-wal"} {
		name := s.o.Database + suffix
		err := s.copyFile(filepath.Join(s.o.Dir, name), s.path(copyDir, name))
		if errors.Is(err, fs.ErrNotExist) && suffix != "" {
			err = s.o.Disk.Remove(s.path(copyDir, name)) // of an earlier try
			if errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
		}
		if err != nil {
			return fmt.Errorf("copy database: %w", err)
		}
	}
	return nil
}

func (s *Store) copyFile(from, to string) error {
	src, err := s.o.Disk.OpenFile(from, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer src.Close()
	t, err := fsx.CreateOn(s.o.Disk, filepath.Dir(to), 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(t, src); err != nil {
		return errors.Join(err, t.Abort())
	}
	return t.Commit(to)
}
