package hub

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"tram/agent/api"
	"tram/agent/hub/registry"
	"tram/agent/problem"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// maxChange bounds a request to change an office, in bytes.
const maxChange = 64 << 10

// Office is one office of the directory.
type Office struct {
	Code     string   `json:"code"`
	Name     string   `json:"name"`
	Parent   string   `json:"parent,omitempty"`
	Kind     string   `json:"kind,omitempty"`
	Enrolled bool     `json:"enrolled"`
	Hub      string   `json:"hub,omitempty"`  // where it is enrolled, when that is not here
	Into     string   `json:"into,omitempty"` // the office that took it over
	Old      []string `json:"old,omitempty"`  // earlier codes
	May      []string `json:"may,omitempty"`  // whom it may write to
	Limited  bool     `json:"limited,omitempty"`
}

func office(c registry.Card) Office {
	return Office{
		Code: c.Code, Name: c.Name, Parent: c.Parent, Kind: c.Kind, Enrolled: c.Enrolled(), Hub: c.Hub,
		Into: c.Into, Old: c.Old, May: c.May, Limited: c.Restricted(),
	}
}

// Offices is a page of the directory.
type Offices struct {
	Offices []Office `json:"offices"`
	// Next is where the next page goes on, for OfficeQuery.After; "" at the end.
	Next string `json:"next,omitempty"`
}

// OfficeQuery asks for a page of the directory: what is found for Text, or, when
// that is empty, the offices after a code, all or those directly below Parent.
type OfficeQuery struct {
	Text, Parent, After string
	Limit               int // registry.DefaultResults when not positive, at most registry.MaxResults
}

// Values are the query in the form of the local interface.
func (q OfficeQuery) Values() url.Values {
	return url.Values{"q": {q.Text}, "parent": {q.Parent}, "after": {q.After}, "limit": {strconv.Itoa(q.Limit)}}
}

func officeQuery(v url.Values) OfficeQuery {
	limit, _ := strconv.Atoi(v.Get("limit")) // 0 is the default
	return OfficeQuery{Text: v.Get("q"), Parent: v.Get("parent"), After: v.Get("after"), Limit: limit}
}

// Offices returns a page of the directory.
func (h *Hub) Offices(ctx context.Context, q OfficeQuery) (Offices, error) {
	page := Offices{Offices: []Office{}}
	if q.Limit <= 0 {
		q.Limit = registry.DefaultResults
	}
	q.Limit = min(q.Limit, registry.MaxResults)
	var cards []registry.Card
	var err error
	if q.Text != "" {
		cards, err = h.registry.Search(ctx, q.Text, q.Limit)
	} else {
		cards, err = h.registry.Below(ctx, q.Parent, q.After, q.Limit+1)
	}
	if err != nil {
		return page, err
	}
	for i, c := range cards {
		if i == q.Limit {
			page.Next = page.Offices[i-1].Code
			break
		}
		page.Offices = append(page.Offices, office(c))
	}
	return page, nil
}

// Acts of an OfficeChange, as they stand in the audit log behind "office.".
const (
	ActMove   = "move"
	ActRename = "rename"
	ActMerge  = "merge"
	ActAllow  = "allow"
)

// OfficeChange changes an office of this hub.
type OfficeChange struct {
	Act    string   `json:"act"`
	Code   string   `json:"code"`
	Parent string   `json:"parent,omitempty"` // move: "" puts it at the top
	Name   string   `json:"name,omitempty"`   // rename
	Kind   string   `json:"kind,omitempty"`   // rename
	New    string   `json:"new,omitempty"`    // rename: the code it goes on under
	Old    []string `json:"old,omitempty"`    // rename: further codes by which it was known
	From   []string `json:"from,omitempty"`   // merge: those that Code takes over
	May    []string `json:"may,omitempty"`    // allow: all rules; none leaves it to the kind
}

// ChangeOffice does what c says and returns the office as it is then. Problems
// are those of registry.Editor.
func (h *Hub) ChangeOffice(ctx context.Context, c OfficeChange, by string) (Office, error) {
	var changed registry.Card
	err := h.db.Update(ctx, func(tx *sqlite.Tx) (err error) {
		e := h.editor()
		detail := map[string]string{}
		switch c.Act {
		case ActMove:
			detail["parent"] = c.Parent
			changed, err = e.Move(tx, c.Code, c.Parent)
		case ActRename:
			detail["name"], detail["code"], detail["old"] = c.Name, c.New, strings.Join(c.Old, " ")
			changed, err = e.Rename(tx, c.Code, registry.Change{Name: c.Name, Kind: c.Kind, Code: c.New, Old: c.Old})
		case ActMerge:
			detail["from"] = strings.Join(c.From, " ")
			changed, err = e.Merge(tx, c.Code, c.From)
		case ActAllow:
			detail["may"] = strings.Join(c.May, " ")
			changed, err = e.Allow(tx, c.Code, c.May)
		default:
			err = problem.New(problem.Usage, "api.bad-json", "act", nil)
		}
		if err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{Actor: by, Action: "office." + c.Act, Subject: changed.Code, Detail: detail})
	})
	return office(changed), err
}

// ImportOffices brings a directory in CSV into the registry.
func (h *Hub) ImportOffices(ctx context.Context, csv []byte, by string) (registry.Imported, error) {
	list, err := registry.ReadList(bytes.NewReader(csv), registry.MaxImportFile, registry.MaxDirectory)
	if err != nil {
		return registry.Imported{}, err
	}
	did, err := h.editor().Import(ctx, list)
	if err != nil {
		return did, err
	}
	if err := h.setContacts(ctx, list, by); err != nil {
		return did, err
	}
	return did, h.db.Update(ctx, func(tx *sqlite.Tx) error {
		return audit.Append(tx, audit.Entry{Actor: by, Action: "office.import", Subject: h.ca.Code, Detail: map[string]string{
			"new": strconv.Itoa(did.New), "changed": strconv.Itoa(did.Changed), "same": strconv.Itoa(did.Same), "elsewhere": strconv.Itoa(did.Elsewhere),
		}})
	})
}

func (h *Hub) editor() registry.Editor {
	e := registry.Editor{Registry: h.registry, Authority: h.ca.Authority.Key, Own: h.ca.Code}
	if above := h.upstream.codes(); len(above) > 0 {
		e.Above = above[0]
	}
	return e
}

// officeRoutes are the calls of `tram-hub offices`.
func (h *Hub) officeRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/offices", api.Handle(h.log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return h.Offices(r.Context(), officeQuery(r.URL.Query()))
	}))
	mux.HandleFunc("POST /v1/offices/change", api.Handle(h.log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		var c OfficeChange
		if err := api.ReadJSONWithin(r.Body, maxChange, &c); err != nil {
			return nil, err
		}
		return h.ChangeOffice(r.Context(), c, "cli")
	}))
	mux.HandleFunc("POST /v1/offices/import", api.Handle(h.log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		var csv string
		if err := api.ReadJSONWithin(r.Body, registry.MaxImportFile*2, &csv); err != nil {
			return nil, err
		}
		return h.ImportOffices(r.Context(), []byte(csv), "cli")
	}))
}
