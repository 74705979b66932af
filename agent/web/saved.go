package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"tram/agent/problem"
	"tram/agent/search"
	"tram/agent/web/account"
	"tram/storage"
)

// Finder is what the pages ask of the index. *search.Index is one.
type Finder interface {
	Search(ctx context.Context, q search.Query) (search.Result, error)
	Find(ctx context.Context, q search.Query, limit int) (ids []storage.ID, more bool, err error)
	// Log keeps a look into the index.
	Log(ctx context.Context, a search.Access) error
	Keeper
}

// Keeper keeps searches and filters under a name.
type Keeper interface {
	SavedFor(ctx context.Context, person, page string) ([]search.Saved, error)
	Save(ctx context.Context, s search.Saved) error
	Forget(ctx context.Context, seq int64, by string, any bool) error
}

// SavedPart is the searches, or filters, that were kept for a page, and the form
// that keeps the present one.
type SavedPart struct {
	At, Query string // the page, and what stands behind its ?
	List      []SavedRow
	Name      string // as it was typed
	Open      bool
	May       bool // there is something to keep
	MayShare  bool
}

// SavedView is the part with the page around it.
type SavedView struct {
	Page
	SavedPart
	Error string
}

func (p SavedPart) view(page Page) SavedView { return SavedView{page, p, page.ErrorOf("name")} }

// SavesOf is what was kept for a list.
func (l ListPart) SavesOf(p Page) SavedView { return l.Saves.view(p) }

// SavesOf is what was kept for the search page.
func (f FindView) SavesOf() SavedView { return f.Saves.view(f.Page) }

// SavedRow is one search under a name.
type SavedRow struct {
	Href, Name string
	Seq        int64
	Shared     bool
	MayForget  bool
	Current    bool
}

// saved lists what was kept for a page. query is what would be kept now.
func (s *site) saved(ctx context.Context, v *visit, page, query string) (part SavedPart, err error) {
	if s.Search == nil {
		return part, nil
	}
	part = SavedPart{At: page, Query: query, May: query != "" && len(query) <= search.MaxAddress, MayShare: v.may(account.Answer)}
	if v.r.Method != "GET" {
		part.Name, part.Open = v.r.PostFormValue("name"), true
	}
	list, err := s.Search.SavedFor(ctx, v.session.User.Name, page)
	if err != nil {
		return part, err
	}
	for _, k := range list {
		mine := k.Owner == v.session.User.Name
		part.List = append(part.List, SavedRow{Href: page + "?" + k.Query, Name: k.Name, Seq: k.Seq, Shared: k.Shared,
			MayForget: mine || k.Shared && v.may(account.Answer), Current: k.Query == query})
	}
	return part, nil
}

// keptPages are the pages whose addresses are kept.
var keptPages = []string{"/tim-kiem", "/van-ban-den", "/van-ban-di"}

// keepSearch keeps a search under a name, and goes back to its page.
func (s *site) keepSearch(ctx context.Context, v *visit) error {
	page, query, err := v.keptPage()
	if err != nil {
		return err
	}
	err = s.Search.Save(ctx, search.Saved{Owner: v.session.User.Name, Page: page, Name: v.r.PostFormValue("name"), Query: query,
		Shared: v.r.PostFormValue("shared") != "" && v.may(account.Answer)})
	var p *problem.Problem
	var list problem.List
	if errors.As(err, &p) || errors.As(err, &list) {
		v.r.URL = &url.URL{Path: page, RawQuery: query}
		errs := v.fieldErrors(err)
		for i := range errs {
			errs[i].Field = cmp.Or(map[string]string{"name": "name"}[errs[i].Field], "main")
		}
		switch page {
		case "/van-ban-den":
			return s.incomingList(ctx, v, errs)
		case "/van-ban-di":
			return s.outgoingList(ctx, v, errs)
		}
		return s.findPage(ctx, v, errs)
	}
	if err != nil {
		return fmt.Errorf("keep search: %w", err)
	}
	v.redirect(page + "?" + query)
	return nil
}

// keptPage reads which page, with what behind it, a form is about.
func (v *visit) keptPage() (page, query string, err error) {
	page, query = v.r.PostFormValue("page"), strings.TrimPrefix(v.r.PostFormValue("query"), "?")
	for _, p := range keptPages {
		if p == page {
			return page, query, nil
		}
	}
	return "", "", problem.New(problem.NotFound, "web.no-page", "", nil)
}

// forgetSearch drops a kept search.
func (s *site) forgetSearch(ctx context.Context, v *visit) error {
	page, query, err := v.keptPage()
	if err != nil {
		return err
	}
	seq, err := strconv.ParseInt(v.r.PostFormValue("seq"), 10, 64)
	if err != nil {
		return problem.New(problem.NotFound, "search.saved-gone", "", nil)
	}
	if err := s.Search.Forget(ctx, seq, v.session.User.Name, v.may(account.Answer)); err != nil {
		return fmt.Errorf("forget search: %w", err)
	}
	if query != "" {
		page += "?" + query
	}
	v.redirect(page)
	return nil
}
