package duty

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tram/agent/hub/incident"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/sqlite"
)

// Acknowledge notes that somebody has taken an open incident over. The problems are
// incident.not-open and incident.note.
func (r *Room) Acknowledge(ctx context.Context, id incident.ID, by, note string) (incident.Incident, error) {
	note, err := checkNote(note, false)
	if err != nil {
		return incident.Incident{}, err
	}
	return r.act(ctx, id, Entry{By: by, Note: note}, Acknowledged, func(now time.Time) (*incident.Incident, error) {
		return r.engine.Acknowledge(id, incident.Ack{At: now, By: by, Note: note})
	})
}

// Snooze has an open incident not told again until a time; the zero time is when office
// hours begin next. The problems are incident.not-open and incident.snooze.
func (r *Room) Snooze(ctx context.Context, id incident.ID, until time.Time, by string) (incident.Incident, error) {
	if until.IsZero() {
		until = incident.NextOpening(r.settings.Calendar, time.Now())
	}
	return r.act(ctx, id, Entry{By: by, Until: until.UTC()}, Snoozed, func(now time.Time) (*incident.Incident, error) {
		return r.engine.Snooze(id, now, until.UTC())
	})
}

// act changes an open incident and stores it with the event and its audit entry.
func (r *Room) act(ctx context.Context, id incident.ID, e Entry, kind incident.EventKind, change func(now time.Time) (*incident.Incident, error)) (incident.Incident, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(ctx); err != nil {
		return incident.Incident{}, err
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	changed, err := change(now)
	if err != nil {
		return incident.Incident{}, err
	}
	e.Kind, e.Incident, e.At = kind, id, now
	err = r.db.Update(ctx, func(tx *sqlite.Tx) error {
		return errors.Join(saveIncident(tx, changed), saveEvent(tx, e), audited(tx, e.By, "incident."+string(kind), strconv.FormatInt(int64(id), 10), detail(e)))
	})
	if err != nil {
		r.engine = nil
		return incident.Incident{}, fmt.Errorf("store incident %d: %w", id, err)
	}
	return clone(changed), nil
}

func detail(e Entry) map[string]string {
	d := map[string]string{"note": e.Note}
	if !e.Until.IsZero() {
		d["until"] = e.Until.Format(time.RFC3339)
	}
	return d
}

// Note adds what somebody found out to an incident, open or closed. The problems are
// incident.unknown and incident.note.
func (r *Room) Note(ctx context.Context, id incident.ID, by, note string) error {
	note, err := checkNote(note, true)
	if err != nil {
		return err
	}
	err = r.db.Update(ctx, func(tx *sqlite.Tx) error {
		var one int
		if err := tx.QueryRow(`SELECT 1 FROM incidents WHERE id = ?`, int64(id)).Scan(&one); err != nil {
			return unknown(err, id)
		}
		e := Entry{Event: incident.Event{Kind: Noted, Incident: id, At: tx.Now()}, By: by, Note: note}
		return errors.Join(saveEvent(tx, e), audited(tx, by, "incident.noted", strconv.FormatInt(int64(id), 10), detail(e)))
	})
	return err
}

func unknown(err error, id incident.ID) error {
	if errors.Is(err, sql.ErrNoRows) {
		return problem.New(problem.NotFound, "incident.unknown", "ID", i18n.Args{"id": int64(id)})
	}
	return err
}

// checkNote cleans a note.
func checkNote(note string, needed bool) (string, error) {
	note = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(note, "�")))
	if n := utf8.RuneCountInString(note); n > incident.MaxNote || needed && n == 0 {
		return "", problem.New(problem.Usage, "incident.note", "note", i18n.Args{"most": incident.MaxNote})
	}
	return note, nil
}

// clone is an incident that the engine does not go on changing.
func clone(i *incident.Incident) incident.Incident {
	c := *i
	c.Members = make(map[string]incident.Member, len(i.Members))
	for name, m := range i.Members {
		c.Members[name] = m
	}
	return c
}
