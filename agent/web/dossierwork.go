package web

import (
	"context"
	"fmt"
	"slices"

	"tram/agent/dossier"
	"tram/agent/web/account"
	"tram/storage"
)

// workDossiers are the dossiers of the home page: apologies that wait for a leader, or
// were sent back to the desk; those beyond their date of return, those whose date is
// today, and for the desk those that nobody has taken in. None stands there twice.
func (s *site) workDossiers(ctx context.Context, v *visit) (groups []WorkGroup, err error) {
	if !v.may(account.Dossiers) {
		return nil, nil
	}
	today, unsure := formatDay(v.now), s.Dossiers.Unsure()
	shown := map[storage.ID]bool{}
	for _, g := range []struct {
		id, more string
		who      account.Right
		query    dossier.Query
	}{
		{"dossiers-apology", "?loc=tat-ca&phieu=waiting", account.DossierDecide, dossier.Query{Apology: dossier.DraftWaiting}},
		{"dossiers-apology-back", "?loc=tat-ca&phieu=back", account.DossierDesk, dossier.Query{Apology: dossier.DraftBack}},
		{"dossiers-late", "?loc=qua-han", account.Dossiers, dossier.Query{Tab: dossier.TabLate}},
		{"dossiers-today", "?loc=sap-den-han", account.Dossiers, dossier.Query{Tab: dossier.TabSoon}},
		{"dossiers-new", "?loc=moi-nop", account.DossierDesk, dossier.Query{Tab: dossier.TabNew}},
	} {
		if !v.may(g.who) {
			continue
		}
		g.query.Limit = dossier.MaxPage
		page, err := s.Dossiers.List(ctx, g.query)
		if err != nil {
			return nil, fmt.Errorf("list dossiers to work on: %w", err)
		}
		rows := slices.DeleteFunc(page.Rows, func(r dossier.Row) bool {
			return shown[r.ID] || g.query.Tab == dossier.TabSoon && formatDay(r.Due) != today
		})
		if len(rows) == 0 {
			continue
		}
		if g.query.Tab == "" { // lists by tabs are in this order
			slices.SortStableFunc(rows, func(a, b dossier.Row) int { return a.Due.Compare(b.Due) })
		}
		group := WorkGroup{ID: g.id, Title: v.t("web.work." + g.id), Count: len(rows)}
		if len(rows) > workShown {
			group.More = dossiersPath + g.more
		}
		for i, r := range rows {
			shown[r.ID] = true
			if i < workShown {
				group.Rows = append(group.Rows, s.workDossier(v, r, unsure))
			}
		}
		groups = append(groups, group)
	}
	return groups, nil
}

func (s *site) workDossier(v *visit, r dossier.Row, unsure bool) WorkRow {
	row := s.dossierRow(v, r, unsure)
	work := WorkRow{Href: row.Href, Symbol: row.Code, Subject: row.Procedure, Who: joinDots(row.Applicant, row.From), When: joinDots(row.Handler, row.Waits), Due: row.Left,
		Action: v.t("web.work.look"), ActionHref: row.Href}
	if row.Apology != nil {
		work.Action, work.ActionHref = row.Apology.Text, row.Apology.Href
	}
	return work
}

// ApologyLink is the way to the form for a new date, for who has to do something there.
type ApologyLink struct{ Href, Text string }

// apologyLink leads a leader to an apology of the desk, or on to one of their own when
// the dossier is late, and the desk to preparing one; nil for nothing to do.
func (v *visit) apologyLink(base string, draft dossier.Draft, late bool) *ApologyLink {
	switch {
	case v.may(account.DossierDecide) && draft == dossier.DraftWaiting:
		return &ApologyLink{base + apologise, v.t("web.dossier.apology-confirm")}
	case v.may(account.DossierDecide) && late:
		return &ApologyLink{base + apologise, v.t("web.dossier.apology-short")}
	case v.may(account.DossierDesk) && draft == dossier.DraftBack:
		return &ApologyLink{base + prepareApology, v.t("web.dossier.apology-mend")}
	case v.may(account.DossierDesk) && late && draft == dossier.NoDraft:
		return &ApologyLink{base + prepareApology, v.t("web.dossier.apology-prepare")}
	}
	return nil
}

// PreparedView is an apology that the desk prepared.
type PreparedView struct {
	State Tag
	Facts []Fact
	Why   string // it was sent back
}

// prepared shows it; nil for none.
func (v *visit) prepared(p *dossier.Apology) *PreparedView {
	if p == nil {
		return nil
	}
	view := &PreparedView{State: Tag{v.t("web.dossier.draft.waiting"), "amber"}, Why: p.Back, Facts: []Fact{
		{v.t("web.dossier.draft.day"), formatDocDate(p.Day)}, {v.t("web.dossier.draft.reason"), p.Reason}, {v.t("web.dossier.draft.by"), joinDots(p.By, v.clock(p.At))}}}
	if p.Draft() == dossier.DraftBack {
		view.State = Tag{v.t("web.dossier.draft.back"), "red"}
		view.Facts = append(view.Facts, Fact{v.t("web.dossier.draft.back-by"), joinDots(p.BackBy, v.clock(p.BackAt))})
	}
	return view
}
