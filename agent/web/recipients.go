package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"tram/agent/fold"
	"tram/agent/i18n"
	"tram/agent/office"
)

// RecipientsView is the list to look up recipient codes.
type RecipientsView struct {
	Page
	Query   string
	Results []office.Party
	Groups  []GroupView
	Recent  bool // the results are those used lately
}

const (
	recipientsShown = 20
	recentLooked    = 50 // documents looked through for recent recipients
	recentShown     = 8
	maxQuery        = 100 // bytes of a search
)

// recipients finds offices by name or code; those written to lately first.
// With manh=1 it answers only the list, for the script.
func (s *site) recipients(ctx context.Context, v *visit) error {
	q := strings.TrimSpace(v.r.URL.Query().Get("q"))
	q = strings.ToValidUTF8(q[:min(len(q), maxQuery)], "")
	recent, err := s.recent(ctx)
	if err != nil {
		return err
	}
	view := RecipientsView{Query: q, Results: recent, Recent: true}
	if q != "" {
		view.Recent = false
		if view.Results, err = s.Directory.Search(ctx, q, recipientsShown); err != nil {
			return fmt.Errorf("search offices: %w", err)
		}
		known := func(p office.Party) int {
			if slices.ContainsFunc(recent, func(r office.Party) bool { return strings.EqualFold(r.Code, p.Code) }) {
				return 0
			}
			return 1
		}
		slices.SortStableFunc(view.Results, func(a, b office.Party) int { return known(a) - known(b) })
	}
	if view.Groups, err = s.groupsLike(ctx, v, q); err != nil {
		return err
	}
	if v.r.URL.Query().Get("manh") != "" {
		view.Page = s.bare(v, "", "/")
		return s.renderPart(v, "recipients", "options", view, http.StatusOK)
	}
	view.Page = s.page(ctx, v, v.t("web.recipients.title"), "/gui")
	return s.render(v, "recipients", view, http.StatusOK)
}

// groupsLike are the groups in whose name the words stand; none for no words.
func (s *site) groupsLike(ctx context.Context, v *visit, q string) (list []GroupView, err error) {
	if q == "" {
		return nil, nil
	}
	groups, err := s.Composing.Groups(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if strings.Contains(fold.String(g.Name), fold.String(q)) {
			list = append(list, GroupView{Name: g.Name, Codes: strings.Join(g.Codes, ", "), Count: v.t("web.group.count", i18n.Args{"n": len(g.Codes)})})
		}
	}
	return list, nil
}

// recent lists the offices that were written to last, each once.
func (s *site) recent(ctx context.Context) ([]office.Party, error) {
	docs, _, err := s.Office.List(ctx, office.Query{Box: office.Out, Limit: recentLooked})
	if err != nil {
		return nil, fmt.Errorf("list recent documents: %w", err)
	}
	var all []office.Party
	for _, d := range docs {
		for _, r := range d.To {
			if len(all) < recentShown && !slices.ContainsFunc(all, func(p office.Party) bool { return p.Code == r.Code }) {
				all = append(all, r.Party)
			}
		}
	}
	return all, nil
}
