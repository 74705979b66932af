package search

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"tram/agent/api"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
)

// Path is where the index is searched over the local socket, and StatePath where it
// says what is missing.
const (
	Path      = "/v1/search"
	StatePath = "/v1/search/state"
)

// Routes adds the calls of this package to a local socket. index gives the running
// index, or the problem why there is none.
func Routes(mux *http.ServeMux, log *slog.Logger, index func() (*Index, error)) {
	on := func(path string, do func(x *Index, r *http.Request) (any, error)) {
		mux.HandleFunc("GET "+path, api.Handle(log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
			x, err := index()
			if err != nil {
				return nil, err
			}
			return do(x, r)
		}))
	}
	on(Path, func(x *Index, r *http.Request) (any, error) {
		q, err := ParseQuery(r.URL.Query())
		if err != nil {
			return nil, err
		}
		return x.Search(r.Context(), q)
	})
	on(StatePath, func(x *Index, r *http.Request) (any, error) { return x.State(r.Context()) })
}

// ParseQuery reads a query from an address: q, box, year, type, urgency, state,
// sender, from, to, text, order, after, limit, facets. A filter may stand several
// times.
func ParseQuery(v url.Values) (Query, error) {
	q := Query{
		Text: v.Get("q"), Box: office.Box(v.Get("box")), Types: v["type"], Senders: v["sender"], From: v.Get("from"), To: v.Get("to"),
		HasText: v.Get("text") == "1", Order: Order(v.Get("order")), After: v.Get("after"), Facets: v.Get("facets") == "1",
	}
	for _, s := range v["state"] {
		q.States = append(q.States, office.State(s))
	}
	var faults problem.List
	number := func(field, text string) int {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil {
			faults = append(faults, problem.New(problem.Usage, "api.bad-number", field, i18n.Args{"value": text[:min(len(text), 80)]}))
		}
		return n
	}
	for _, y := range v["year"] {
		q.Years = append(q.Years, number("year", y))
	}
	for _, u := range v["urgency"] {
		q.Urgencies = append(q.Urgencies, office.Urgency(min(max(0, number("urgency", u)), 255)))
	}
	if text := v.Get("limit"); text != "" {
		q.Limit = number("limit", text)
	}
	if len(faults) > 0 {
		return Query{}, faults
	}
	return q, nil
}

// Values is what ParseQuery reads.
func (q Query) Values() url.Values {
	v := url.Values{}
	set := func(key, value string) {
		if value != "" {
			v.Set(key, value)
		}
	}
	flag := func(key string, on bool) {
		if on {
			v.Set(key, "1")
		}
	}
	set("q", q.Text)
	set("box", string(q.Box))
	set("from", q.From)
	set("to", q.To)
	set("order", string(q.Order))
	set("after", q.After)
	flag("text", q.HasText)
	flag("facets", q.Facets)
	for _, y := range q.Years {
		v.Add("year", strconv.Itoa(y))
	}
	for _, t := range q.Types {
		v.Add("type", t)
	}
	for _, u := range q.Urgencies {
		v.Add("urgency", strconv.Itoa(int(u)))
	}
	for _, s := range q.States {
		v.Add("state", string(s))
	}
	for _, s := range q.Senders {
		v.Add("sender", s)
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return v
}

// Client searches a running office over its local socket.
type Client struct{ *api.Client }

// Search finds documents.
func (c Client) Search(ctx context.Context, q Query) (r Result, err error) {
	return r, c.Call(ctx, http.MethodGet, Path+"?"+q.Values().Encode(), nil, &r)
}

// State says what the index holds and what is missing.
func (c Client) State(ctx context.Context) (s State, err error) {
	return s, c.Call(ctx, http.MethodGet, StatePath, nil, &s)
}
