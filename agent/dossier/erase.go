package dossier

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"tram/agent/clock"
	"tram/agent/dossier/code"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

const (
	// eraseBatch is how many dossiers Tidy erases at most; the next call goes on.
	eraseBatch = 200
	// tracesRest is how long traces stay in the database file at least, so that a
	// flash disk is not worn by writing it anew too often, tracesPatience at most,
	// when there is no hour out of office hours before that.
	tracesRest     = 24 * time.Hour
	tracesPatience = 3 * 24 * time.Hour
	// quietFrom and quietTo are the hours of the day, in Vietnam, out of office hours.
	quietFrom, quietTo = 18, 7
)

// Erase gives up the personal data of an ended dossier: the applicant, what people
// wrote about it, results, files, and the sealed steps between offices. Code,
// procedure, statuses, times and figures stay, and so does what the audit log says.
// Other offices that have it erase it by their own rule. Content is gone from the
// store when blob.Sweep has been there, traces in the database file with the next
// [Store.Tidy] that finds time.
func (s *Store) Erase(ctx context.Context, id storage.ID, reason string, by Actor) (Dossier, error) {
	var v faults
	reason = v.text("reason", reason, true)
	if err := v.list.Err(); err != nil {
		return Dossier{}, err
	}
	return s.act(ctx, id, by, 0, func(a *acting) error { return a.erase(reason) })
}

func (a *acting) erase(reason string) error {
	e := Event{Kind: Erased, Text: reason}
	// A guest has ended with this office's part; its owner returns the result.
	e.Moot = a.d.Guest && a.d.Status == code.Done
	if err := a.d.Allows(Erased); err != nil && !e.Moot {
		return err
	}
	var owed bool
	if err := a.tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM dossier_transfers WHERE dossier = ? AND owed = 1)`, a.seq).Scan(&owed); err != nil {
		return err
	}
	if owed {
		return problem.New(problem.Conflict, "dossier.erase-owed", "", nil)
	}
	for _, query := range []string{
		`DELETE FROM dossier_steps WHERE transfer IN (SELECT id FROM dossier_transfers WHERE dossier = ?)`,
		`DELETE FROM dossier_files WHERE dossier = ?`,
		`DELETE FROM dossier_apologies WHERE dossier = ?`,
		`UPDATE dossier_events SET text = '', legal = '' WHERE dossier = ?`,
	} {
		if _, err := a.tx.Exec(query, a.seq); err != nil {
			return err
		}
	}
	if err := a.eraseTransfers(); err != nil {
		return err
	}
	if err := a.s.forget(a.tx, a.d.ID); err != nil {
		return err
	}
	if _, err := a.tx.Exec(`INSERT INTO dossier_traces (one, since, last) VALUES (1, ?1, ?1) ON CONFLICT (one) DO UPDATE SET last = ?1`, a.tx.Now()); err != nil {
		return err
	}
	a.d.forget()
	return a.event(e)
}

// forget takes out of a dossier what is or may be personal.
func (d *Dossier) forget() {
	d.Erased, d.Subject = true, ""
	d.Applicant = Applicant{Kind: d.Applicant.Kind}
	d.Results, d.Files, d.Apology = []Result{}, []File{}, nil
	for i := range d.Charges {
		d.Charges[i].Receipt = ""
	}
	for i := range d.Events {
		d.Events[i].Text, d.Events[i].Legal = "", ""
	}
}

// eraseTransfers leaves of the hand-overs between which offices and when they were.
func (a *acting) eraseTransfers() error {
	for i := range a.d.Transfers {
		t := &a.d.Transfers[i]
		t.Note, t.Answer, t.Result = "", "", Result{}
		raw, err := json.Marshal(*t)
		if err != nil {
			return err
		}
		if _, err := a.tx.Exec(`UPDATE dossier_transfers SET content = ? WHERE id = ?`, string(raw), t.ID); err != nil {
			return err
		}
	}
	return nil
}

// Tidy erases the dossiers that ended more than retention days ago, when that is not
// 0, and rewrites the database when traces of erased ones are in it.
func (s *Store) Tidy(ctx context.Context, retention int) error {
	if retention > 0 {
		if err := s.eraseDue(ctx, retention); err != nil {
			return err
		}
	}
	return s.cleanTraces(ctx)
}

// eraseDue erases what ended, and was not touched since, before the days of
// retention. What another office is still to be told waits.
func (s *Store) eraseDue(ctx context.Context, retention int) error {
	until := s.now().AddDate(0, 0, -retention)
	var due []storage.ID
	err := s.db.View(ctx, func(tx *sqlite.Tx) error {
		var err error
		due, err = sqlite.Column[storage.ID](tx, `SELECT id FROM dossiers WHERE erased = 0 AND ended > 0 AND ended <= ?1 AND changed <= ?1
			AND (status IN (3, 8, 10) OR guest = 1 AND status = 9)
			AND NOT EXISTS (SELECT 1 FROM dossier_transfers t WHERE t.dossier = dossiers.seq AND t.owed = 1) ORDER BY ended LIMIT ?2`, until, eraseBatch)
		return err
	})
	if err != nil {
		return fmt.Errorf("find dossiers whose time is over: %w", err)
	}
	by := Actor{Person: s.me, Name: s.name, Roles: Leader}
	reason := i18n.T(i18n.Vietnamese, "dossier.retention-over", i18n.Args{"days": retention})
	for _, id := range due {
		if _, err := s.Erase(ctx, id, reason, by); err != nil && problem.From(err).Class != problem.Conflict { // somebody was faster
			return err
		}
	}
	if len(due) > 0 {
		s.log.Info("personal data of dossiers erased", "dossiers", len(due), "retention_days", retention)
	}
	return nil
}

// cleanTraces rewrites the database when there are traces, out of office hours unless
// they are old.
func (s *Store) cleanTraces(ctx context.Context) error {
	var since, last time.Time
	err := s.db.View(ctx, func(tx *sqlite.Tx) error {
		err := tx.QueryRow(`SELECT since, last FROM dossier_traces`).Scan(sqlite.Timestamp(&since), sqlite.Timestamp(&last))
		if noRows(err) {
			return nil
		}
		return err
	})
	now := s.now()
	hour := now.In(clock.Vietnam).Hour()
	age, quiet := now.Sub(since), hour < quietTo || hour >= quietFrom
	if err != nil || since.IsZero() || age < tracesRest || age < tracesPatience && !quiet {
		return err
	}
	if err := s.db.Rewrite(ctx); err != nil {
		return fmt.Errorf("clean traces of erased dossiers: %w", err)
	}
	// What was erased while it was rewritten has left new ones.
	return s.db.Update(ctx, func(tx *sqlite.Tx) error {
		if _, err := tx.Exec(`DELETE FROM dossier_traces WHERE last = ?`, last); err != nil {
			return err
		}
		_, err := tx.Exec(`UPDATE dossier_traces SET since = last`)
		return err
	})
}
