package agent

import (
	"context"
	"fmt"
	"time"

	"tram/agent/backup"
	"tram/agent/clock"
	"tram/agent/health"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/stick"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

const (
	// backupLook is how often the office looks whether a backup is due, or a stick there.
	backupLook = 30 * time.Second
	// backupAgain is how long after a failure the next attempt waits.
	backupAgain = time.Hour
	// backupWithin is how old the last verified backup may get before people are told.
	backupWithin = 14 * 24 * time.Hour
)

// actionBackup stands in the audit log for each backup, whoever has made it.
const actionBackup = "backup.made"

// backups saves the office when that is due, until ctx ends.
func (d *desk) backups(ctx context.Context) error {
	tried := map[string]time.Time{} // by this process's own clock
	look := time.NewTicker(backupLook)
	defer look.Stop()
	for {
		if err := d.noteBackup(ctx); err != nil && ctx.Err() == nil {
			d.log.Error("backup not noted", "error", err)
		}
		for _, place := range d.backupPlaces(ctx) {
			if last := tried[place]; !last.IsZero() && time.Since(last) < backupAgain {
				continue
			}
			tried[place] = time.Now()
			d.backUp(ctx, place)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		}
	}
}

func (d *desk) saving() Saving {
	return Saving{Dir: d.o.Dir, Version: d.o.Version, Logger: d.log.With("part", "backup"), Now: d.clock.Now}
}

func (d *desk) backUp(ctx context.Context, place string) {
	made, err := d.saving().BackUp(ctx, place)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		d.log.Warn("backup failed", "place", place, "error", err)
	default:
		d.log.Info("backed up", "place", place, "backup", made.Backup, "copied", made.Copied, "sent", made.Sent)
		if err := d.noteBackup(ctx); err != nil && ctx.Err() == nil {
			d.log.Error("backup not noted", "error", err)
		}
	}
}

// backupPlaces are those where a backup is due: the one of the settings, and sticks that
// hold backups of this office already.
func (d *desk) backupPlaces(ctx context.Context) (due []string) {
	c, state := d.o.Config.Backup, backup.ReadState(d.o.Dir)
	isDue := func(store string) bool {
		age := d.clock.Now().Sub(state.Places[store])
		return age >= c.Every || age < 0 // a clock that was ahead
	}
	if c.Place != "" {
		if store, err := OpenPlace(c.Place, d.o.Dir); err != nil || isDue(store.Place()) {
			due = append(due, c.Place) // an error is told by the attempt
		}
	}
	if !c.Sticks {
		return due
	}
	return append(due, MarkedSticks(ctx, d.o.Dir, d.id.Code, d.o.Config.USB.Folder, isDue)...)
}

// MarkedSticks are the sticks that are plugged in and hold backups of the office in dir
// already; folder is one more place to look, and isDue chooses among them.
func MarkedSticks(ctx context.Context, dir, code, folder string, isDue func(store string) bool) (marked []string) {
	key, err := backup.LoadKey(dir)
	if err != nil {
		return nil // no backup was made yet, or its attempt says what is wrong
	}
	for _, p := range stick.Places(folder) {
		store, err := OpenPlace(p.Path, dir)
		if err == nil && backup.Marked(ctx, store, key, code) && isDue(store.Place()) {
			marked = append(marked, p.Path)
		}
	}
	return marked
}

// noteBackup writes the last backup into the audit log, unless it stands there.
func (d *desk) noteBackup(ctx context.Context) error {
	last := backup.ReadState(d.o.Dir).Last
	if last == nil {
		return nil
	}
	known := false
	err := d.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM audit WHERE action = ? AND subject = ?)`, actionBackup, last.Backup).Scan(&known)
	})
	if err != nil || known {
		return err
	}
	return d.record(ctx, audit.Entry{Actor: commandLine, Action: actionBackup, Subject: last.Backup, Detail: map[string]string{
		"place": last.Place, "files": fmt.Sprint(last.Files), "bytes": fmt.Sprint(last.Bytes), "removed": fmt.Sprint(last.Removed),
	}}, nil)
}

// lastBackup is as of when the last verified backup is, zero for none.
func (d *desk) lastBackup() time.Time {
	if last := backup.ReadState(d.o.Dir).Last; last != nil {
		return last.At
	}
	return time.Time{}
}

// backupConditions tell of backups that are missing, too old or failing.
func (d *desk) backupConditions(ctx context.Context) ([]health.Condition, error) {
	now := d.clock.Now()
	if trusted, _ := d.clock.Trusted(); !trusted {
		return nil, nil
	}
	var began time.Time
	err := d.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT coalesce((SELECT at FROM audit WHERE seq = 1), ?)`, sqlite.Millis(now)).Scan(sqlite.Timestamp(&began))
	})
	return judgeBackup(backup.ReadState(d.o.Dir), began, now), err
}

func judgeBackup(s backup.State, began, now time.Time) (list []health.Condition) {
	if s.Last == nil {
		if now.Sub(began) > backupWithin {
			list = append(list, health.Condition{Code: health.BackupNone})
		}
	} else if age := now.Sub(s.Last.At); age > backupWithin {
		list = append(list, health.Condition{Code: health.BackupOld, Args: i18n.Args{"days": int(age / (24 * time.Hour)), "date": s.Last.At.In(clock.Vietnam).Format("02/01/2006")}})
	}
	if s.Failed.After(s.Ended) {
		why := problem.New(problem.Failed, s.Code, "", s.Args)
		list = append(list, health.Condition{Code: health.BackupFailed, Args: i18n.Args{"why": i18n.Say("problem."+why.Code, why.Args), "at": s.Failed.In(clock.Vietnam).Format("15:04 02/01/2006")}})
	}
	return list
}
