package handling

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

const (
	// retryEvery is how long a status that could not be made waits.
	retryEvery = time.Minute
	// tellAtOnce bounds the statuses that are read in one go.
	tellAtOnce = 100
)

// decide notes a status that is to be told, once for each document.
func (a *acting) decide(code edxml.StatusCode, key string, args i18n.Args) error {
	text := i18n.T(i18n.Vietnamese, key, args)
	if runes := []rune(text); len(runes) > office.MaxReason {
		text = string(runes[:office.MaxReason-1]) + "…"
	}
	_, err := a.tx.Exec(`INSERT OR IGNORE INTO reports (document, code, text, actor, at, told) VALUES (?, ?, ?, ?, ?, 0)`,
		a.w.Document, string(code), text, a.by.Person, a.tx.Now())
	if err != nil {
		return fmt.Errorf("decide status: %w", err)
	}
	return nil
}

// assigned, inProgress and finished decide statuses 04, 05 and 06.
func (a *acting) assigned(who string) error {
	return a.decide(edxml.StatusAssigned, "handling.status.04", i18n.Args{"who": who})
}

func (a *acting) inProgress() error {
	return a.decide(edxml.StatusInProgress, "handling.status.05", nil)
}

func (a *acting) finished(result string) error {
	switch {
	case a.w.Reply.Code != "":
		return a.decide(edxml.StatusDone, "handling.status.06-reply", i18n.Args{"code": a.w.Reply.Code})
	case result != "":
		return a.decide(edxml.StatusDone, "handling.status.06-result", i18n.Args{"result": result})
	}
	return a.decide(edxml.StatusDone, "handling.status.06", nil)
}

func (s *Store) kick() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run tells senders what was decided until ctx ends, first what an earlier run
// left.
func (s *Store) Run(ctx context.Context) error {
	for {
		var again <-chan time.Time
		if err := s.Tell(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("statuses not told", "error", err)
			again = time.After(retryEvery)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.wake:
		case <-again:
		}
	}
}

// owed is a status that was decided and not told.
type owed struct {
	id    storage.ID
	code  edxml.StatusCode
	text  string
	actor string
}

// Tell tells senders all that was decided and not told. What fails is kept, told
// later, and does not keep the others.
func (s *Store) Tell(ctx context.Context) error {
	var failed error
	skip, stuck := 0, map[storage.ID]bool{} // a status does not overtake an earlier one of its document
	for {
		list, err := s.owed(ctx, skip)
		if err != nil || len(list) == 0 {
			return errors.Join(failed, err)
		}
		for _, o := range list {
			if stuck[o.id] {
				skip++
				continue
			}
			if err := s.tell(ctx, o); err != nil {
				failed, stuck[o.id] = errors.Join(failed, err), true
				skip++
			}
		}
		if ctx.Err() != nil {
			return errors.Join(failed, ctx.Err())
		}
	}
}

func (s *Store) owed(ctx context.Context, skip int) (list []owed, err error) {
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT document, code, text, actor FROM reports WHERE told = 0 ORDER BY at, code LIMIT ? OFFSET ?`, tellAtOnce, skip)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var o owed
			if err := rows.Scan(&o.id, &o.code, &o.text, &o.actor); err != nil {
				return err
			}
			list = append(list, o)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list statuses to tell: %w", err)
	}
	return list, nil
}

// tell tells one status. A document that was recalled meanwhile has nobody to tell.
func (s *Store) tell(ctx context.Context, o owed) error {
	_, _, err := s.office.Report(ctx, o.id, o.code, o.text, o.actor)
	var p *problem.Problem
	if errors.As(err, &p) && (p.Class == problem.Conflict || p.Class == problem.NotFound) {
		s.log.Warn("status is of no use any more", "document", o.id, "code", string(o.code), "problem", p.Code)
		err = nil
	}
	if err != nil {
		return fmt.Errorf("tell status %s of %s: %w", o.code, o.id, err)
	}
	return s.db.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`UPDATE reports SET told = ? WHERE document = ? AND code = ?`, tx.Now(), o.id, string(o.code))
		return err
	})
}
