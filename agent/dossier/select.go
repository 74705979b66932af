package dossier

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tram/agent/dossier/code"
	"tram/storage/sqlite"
)

// Filter chooses dossiers for other systems. Zero fields choose all.
type Filter struct {
	App       string // filed by this application
	Statuses  []code.Status
	Procedure string
	Code      code.Dossier
	Reference string
	Before    int64 // place of the page before, 0 for the newest
	Limit     int   // at most MaxPage, 0 is PageSize
}

// Listed is a dossier in such a list.
type Listed struct {
	Row
	ProcedureCode string
	App           string
	Reference     string
	Changed       time.Time
}

// Select returns dossiers, the newest first, and the place of the next page, 0 when
// there is none. A dossier keeps its place whatever happens to it.
func (s *Store) Select(ctx context.Context, f Filter) (list []Listed, next int64, err error) {
	if f.Limit <= 0 || f.Limit > MaxPage {
		f.Limit = PageSize
	}
	where, args := f.where()
	list = []Listed{}
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		list = list[:0]
		rows, err := tx.Query(`SELECT seq, id, code, applicant, procedure, json_extract(content, '$.procedure.name'), channel, status, accepted, due, paused, ended,
			outcome, guest, owner_name, version, app, reference, changed FROM dossiers WHERE `+where+` ORDER BY seq DESC LIMIT ?`, append(args, f.Limit+1)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var l Listed
			var text, applicant string
			var accepted, due, paused, ended int64
			if err := rows.Scan(&l.seq, &l.ID, &text, &applicant, &l.ProcedureCode, &l.Procedure, &l.Channel, &l.Status, &accepted, &due, &paused, &ended,
				&l.Outcome, &l.Guest, &l.OwnerName, &l.Version, &l.App, &l.Reference, sqlite.Timestamp(&l.Changed)); err != nil {
				return err
			}
			if l.Code, err = code.ParseDossier(text); err != nil {
				return err
			}
			l.Applicant = Mask(applicant)
			l.Accepted, l.Due, l.Paused, l.Ended = sqlite.TimeOrZero(accepted), sqlite.TimeOrZero(due), sqlite.TimeOrZero(paused), sqlite.TimeOrZero(ended)
			list = append(list, l)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, 0, fmt.Errorf("select dossiers: %w", err)
	}
	if len(list) > f.Limit {
		list = list[:f.Limit]
		next = list[f.Limit-1].seq
	}
	return list, next, nil
}

func (f Filter) where() (string, []any) {
	where, args := `1 = 1`, []any{}
	add := func(cond string, arg ...any) { where += " AND " + cond; args = append(args, arg...) }
	if f.App != "" {
		add(`app = ?`, f.App)
	}
	if len(f.Statuses) > 0 {
		var in []any
		for _, s := range f.Statuses {
			in = append(in, int(s))
		}
		add(`status IN (?`+strings.Repeat(`, ?`, len(in)-1)+`)`, in...)
	}
	if f.Procedure != "" {
		add(`procedure = ?`, f.Procedure)
	}
	if !f.Code.IsZero() {
		add(`code_key = ?`, f.Code.Key())
	}
	if f.Reference != "" {
		add(`reference = ?`, f.Reference)
	}
	if f.Before > 0 {
		add(`seq < ?`, f.Before)
	}
	return where, args
}
