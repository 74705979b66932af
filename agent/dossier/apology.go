package dossier

import (
	"context"
	"database/sql"
	"time"

	"tram/agent/clock"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// Apology is an apology with a new date of return (form 04) as the desk prepared it. It
// is a draft: nothing has happened to the dossier before a leader confirms it, with
// [Store.Extend], which may change date and words. It ends with that, and with the
// work on the dossier.
type Apology struct {
	Day    string    `json:"day"` // yyyy-mm-dd
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	// Back is why a leader sent it back, "" while it waits for one.
	Back   string    `json:"back,omitempty"`
	BackBy string    `json:"back_by,omitempty"`
	BackAt time.Time `json:"back_at,omitzero"`
}

// Draft is how far an apology is that the desk prepared.
type Draft string

// The drafts of apologies.
const (
	NoDraft      Draft = ""
	DraftWaiting Draft = "waiting" // for a leader
	DraftBack    Draft = "back"    // a leader sent it back
)

// Draft is how far it is; nil is none.
func (p *Apology) Draft() Draft {
	switch {
	case p == nil:
		return NoDraft
	case p.Back != "":
		return DraftBack
	}
	return DraftWaiting
}

// Extend apologises and sets a new date of return (form 04): day is yyyy-mm-dd, to
// the end of that day's office hours. It confirms what the desk prepared.
func (s *Store) Extend(ctx context.Context, id storage.ID, day, reason string, by Actor, seen int) (Dossier, error) {
	return s.extending(ctx, id, day, reason, by, seen, func(a *acting, reason string, due time.Time) error {
		return a.event(Event{Kind: Extended, Text: reason, Due: due})
	})
}

// PrepareApology drafts what Extend does, for a leader to confirm, in the place of
// what was drafted before. That is for the desk, of the office's own dossiers.
func (s *Store) PrepareApology(ctx context.Context, id storage.ID, day, reason string, by Actor, seen int) (Dossier, error) {
	return s.extending(ctx, id, day, reason, by, seen, func(a *acting, reason string, _ time.Time) error {
		if by.Roles&(Desk|Leader) == 0 || a.d.Guest {
			return problem.New(problem.Denied, "dossier.not-allowed", "", i18n.Args{"act": i18n.Say("dossier.apology.prepare")})
		}
		if err := a.d.Allows(Extended); err != nil {
			return err
		}
		return a.draft("apology-prepared", &Apology{Day: day, Reason: reason, By: by.Name, At: a.tx.Now()})
	})
}

// SendApologyBack gives it back to the desk with the reason.
func (s *Store) SendApologyBack(ctx context.Context, id storage.ID, reason string, by Actor, seen int) (Dossier, error) {
	var v faults
	reason = v.text("text", reason, true)
	if err := v.list.Err(); err != nil {
		return Dossier{}, err
	}
	return s.act(ctx, id, by, seen, func(a *acting) error {
		if by.Roles&Leader == 0 {
			return problem.New(problem.Denied, "dossier.not-allowed", "", i18n.Args{"act": i18n.Say("dossier.apology.back")})
		}
		if a.d.Apology.Draft() != DraftWaiting {
			return problem.New(problem.Conflict, "dossier.no-apology", "", nil)
		}
		p := *a.d.Apology
		p.Back, p.BackBy, p.BackAt = reason, by.Name, a.tx.Now()
		return a.draft("apology-back", &p)
	})
}

// extending does something with a new date of return that is checked.
func (s *Store) extending(ctx context.Context, id storage.ID, day, reason string, by Actor, seen int, do func(a *acting, reason string, due time.Time) error) (Dossier, error) {
	var v faults
	reason = v.text("reason", reason, true)
	v.day("day", day, true)
	if err := v.list.Err(); err != nil {
		return Dossier{}, err
	}
	date, err := time.ParseInLocation(time.DateOnly, day, clock.Vietnam)
	if err != nil {
		return Dossier{}, err
	}
	return s.act(ctx, id, by, seen, func(a *acting) error {
		due, err := endOf(s.Calendar(), date)
		if err != nil {
			return err
		}
		if !due.After(a.d.Due) || !due.After(a.tx.Now()) {
			return problem.New(problem.Usage, "dossier.day-early", "day", i18n.Args{"due": clockTime(a.d.Due)})
		}
		return do(a, reason, due)
	})
}

// draft keeps an apology, with its audit entry.
func (a *acting) draft(action string, p *Apology) error {
	_, err := a.tx.Exec(`INSERT OR REPLACE INTO dossier_apologies (dossier, day, reason, actor, at, back, back_by, back_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		a.seq, p.Day, p.Reason, p.By, p.At, p.Back, p.BackBy, sqlite.MillisOrZero(p.BackAt))
	if err != nil {
		return err
	}
	a.d.Apology = p
	return audit.Append(a.tx, audit.Entry{Actor: a.by.Person, Action: "dossier." + action, Subject: a.d.ID.String(), Detail: map[string]string{"code": a.d.Code.String(), "day": p.Day}})
}

// dropDraft ends a draft after an event that confirms it or ends the work.
func (a *acting) dropDraft(e Event) error {
	if a.d.Apology == nil || e.Moot || e.Kind != Extended && a.d.Open() {
		return nil
	}
	a.d.Apology = nil
	_, err := a.tx.Exec(`DELETE FROM dossier_apologies WHERE dossier = ?`, a.seq)
	return err
}

// apology reads the draft of a dossier, nil for none.
func apology(tx *sqlite.Tx, dossier int64) (*Apology, error) {
	list, err := sqlite.Collect(tx, func(rows *sql.Rows, p *Apology) error {
		var back int64
		err := rows.Scan(&p.Day, &p.Reason, &p.By, sqlite.Timestamp(&p.At), &p.Back, &p.BackBy, &back)
		p.BackAt = sqlite.TimeOrZero(back)
		return err
	}, `SELECT day, reason, actor, at, back, back_by, back_at FROM dossier_apologies WHERE dossier = ?`, dossier)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}
