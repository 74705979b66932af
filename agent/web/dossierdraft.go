package web

import (
	"cmp"
	"context"
	"fmt"

	"github.com/google/uuid"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/web/account"
	"tram/storage/sqlite"
)

// Drafting is the one-stop dossier for which a document is drafted.
type Drafting struct{ ID, Title string }

// drafting notes in a form for which dossier its document is, and fills in the
// subject of a new one. The name of the applicant stays out of it: documents go
// further than dossiers.
func (s *site) drafting(ctx context.Context, v *visit, text string, view *SendView) error {
	if text == "" {
		return nil
	}
	id, err := uuid.Parse(text)
	if err != nil || !v.may(account.Dossiers) {
		return problem.New(problem.NotFound, "dossier.unknown", "", nil)
	}
	d, err := s.Dossiers.Get(ctx, id)
	if err != nil {
		return fmt.Errorf("get dossier: %w", err)
	}
	view.Dossier = &Drafting{ID: d.ID.String(), Title: joinDots(d.Code.String(), d.Procedure.Name)}
	if v.r.Method == "GET" && view.Subject == "" {
		subject := []rune(i18n.T(i18n.Vietnamese, "web.dossier.draft-subject", i18n.Args{"procedure": d.Procedure.Name, "code": d.Code.String()}))
		view.Subject = string(subject[:min(len(subject), maxSubject)])
	}
	return nil
}

// dossierDraft has the document that a draft becomes noted at its dossier, in the
// transaction that saves it.
func (s *site) dossierDraft(v *visit, g *Drafting, d *office.Draft) {
	if g == nil {
		return
	}
	id, by, also := uuid.MustParse(g.ID), v.dossierActor(), d.Also
	d.Also = func(tx *sqlite.Tx, saved office.Document) error {
		if also != nil {
			if err := also(tx, saved); err != nil {
				return err
			}
		}
		_, err := s.Dossiers.LinkIn(tx, id, saved.ID, cmp.Or(symbol(saved), saved.Subject), by)
		return err
	}
}
