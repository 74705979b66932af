package dossier

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"tram/agent/api"
	"tram/agent/clock"
	"tram/agent/dossier/code"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/workdays"
)

// Path is where the local socket tells of dossiers.
const Path = "/v1/dossiers"

// maxCall bounds what a call of the local socket brings, in bytes.
const maxCall = 16 << 20

// local is who acts over the local socket, which only the service's user and root
// open.
func local(by string) Actor {
	return Actor{Person: by, Name: by, Roles: Desk | Officer | Leader}
}

// Loaded is what a catalogue brought.
type Loaded struct {
	Origin     string `json:"origin"`
	Version    int    `json:"version"`
	Procedures int    `json:"procedures"`
	Added      int    `json:"added"` // versions that were not there
}

// Month is the figures of a month.
type Month struct {
	Month      string    `json:"month"` // yyyy-mm
	Sum        Figures   `json:"sum"`
	Procedures []Figures `json:"procedures"`
}

// Handing is a dossier that a script hands in, without files.
type Handing struct {
	Procedure code.Procedure `json:"procedure"`
	Subject   string         `json:"subject,omitempty"`
	Applicant Applicant      `json:"applicant"`
	Channel   Channel        `json:"channel"`
	Copies    []int          `json:"copies"`
	Way       Way            `json:"way,omitempty"`
	At        time.Time      `json:"at,omitzero"`
	// Lacking asks for what is missing, instead of taking the dossier in; Register
	// leaves it for somebody to look at.
	Lacking  string `json:"lacking,omitempty"`
	Register bool   `json:"register,omitempty"`
	By       string `json:"by"`
}

// Act is an act of a script on a dossier.
type Act struct {
	Code   code.Dossier `json:"code"`
	Kind   Kind         `json:"kind"`
	Text   string       `json:"text,omitempty"`
	Legal  string       `json:"legal,omitempty"`
	Day    string       `json:"day,omitempty"` // yyyy-mm-dd, of what extends
	Result Result       `json:"result,omitzero"`
	By     string       `json:"by"`
}

// Routes adds the calls of this package to a local socket. store gives the running
// store, or the problem why there is none.
func Routes(mux *http.ServeMux, log *slog.Logger, store func() (*Store, error)) {
	on := func(pattern string, do func(s *Store, r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, api.Handle(log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
			s, err := store()
			if err != nil {
				return nil, err
			}
			return do(s, r)
		}))
	}
	on("GET "+Path, (*Store).callList)
	on("GET "+Path+"/show", (*Store).callShow)
	on("GET "+Path+"/lookup", (*Store).callLookUp)
	on("GET "+Path+"/stats", (*Store).callStats)
	on("POST "+Path, (*Store).callReceive)
	on("POST "+Path+"/act", (*Store).callAct)
	on("POST "+Path+"/catalogue", (*Store).callCatalogue)
	on("POST "+Path+"/calendar", (*Store).callCalendar)
}

func (s *Store) callList(r *http.Request) (any, error) {
	q := r.URL.Query()
	limit, _ := strconv.Atoi(q.Get("limit")) // 0 for none
	tab := Tab(q.Get("tab"))
	if tab != "" && !tab.known() {
		return nil, problem.New(problem.Usage, "dossier.tab", "tab", i18n.Args{"tab": string(tab)})
	}
	return s.List(r.Context(), Query{Tab: tab, Words: q.Get("words"), After: q.Get("after"), Limit: limit})
}

func (t Tab) known() bool {
	for _, k := range Tabs {
		if k == t {
			return true
		}
	}
	return false
}

func (s *Store) callShow(r *http.Request) (any, error) {
	c, err := code.ParseDossier(r.URL.Query().Get("code"))
	if err != nil {
		return nil, err
	}
	d, err := s.ByCode(r.Context(), c)
	if err != nil {
		return nil, err
	}
	return d, s.Opened(r.Context(), d, local("tram"))
}

func (s *Store) callLookUp(r *http.Request) (any, error) {
	c, err := code.ParseDossier(r.URL.Query().Get("code"))
	if err != nil {
		return nil, err
	}
	return s.LookUp(r.Context(), c, r.URL.Query().Get("word"))
}

func (s *Store) callStats(r *http.Request) (any, error) {
	month := r.URL.Query().Get("month")
	from, err := time.ParseInLocation("2006-01", month, clock.Vietnam)
	if month == "" {
		y, m, _ := s.now().In(clock.Vietnam).Date()
		from, err = time.Date(y, m, 1, 0, 0, 0, 0, clock.Vietnam), nil
	}
	if err != nil {
		return nil, problem.New(problem.Usage, "dossier.month", "month", i18n.Args{"value": month})
	}
	sum, list, err := s.Stats(r.Context(), from, from.AddDate(0, 1, 0))
	if list == nil {
		list = []Figures{}
	}
	return Month{from.Format("2006-01"), sum, list}, err
}

func (s *Store) callReceive(r *http.Request) (any, error) {
	var h Handing
	if err := call(r, &h); err != nil {
		return nil, err
	}
	f := Filing{Procedure: h.Procedure, Subject: h.Subject, Applicant: h.Applicant, Channel: h.Channel, Copies: h.Copies, Way: h.Way, At: h.At}
	switch {
	case h.Lacking != "":
		return s.ReceiveLacking(r.Context(), f, h.Lacking, "", local(h.By))
	case h.Register:
		return s.File(r.Context(), f, local(h.By))
	}
	return s.Receive(r.Context(), f, local(h.By))
}

func (s *Store) callAct(r *http.Request) (any, error) {
	var a Act
	if err := call(r, &a); err != nil {
		return nil, err
	}
	d, err := s.ByCode(r.Context(), a.Code)
	if err != nil {
		return nil, err
	}
	ctx, id, by := r.Context(), d.ID, local(a.By)
	switch a.Kind {
	case Started:
		return s.Start(ctx, id, a.Text, by, d.Version)
	case SupplementAsked:
		return s.AskSupplement(ctx, id, a.Text, a.Legal, by, d.Version)
	case PaymentAsked:
		return s.AskPayment(ctx, id, a.Text, by, d.Version)
	case WithdrawalAsked:
		return s.AskWithdrawal(ctx, id, a.Text, by, d.Version)
	case Extended:
		return s.Extend(ctx, id, a.Day, a.Text, by, d.Version)
	case Finished:
		return s.Finish(ctx, id, a.Result, nil, by, d.Version)
	case Returned:
		return s.Return(ctx, id, a.Text, by, d.Version)
	case Noted:
		return s.Note(ctx, id, a.Text, by)
	case Erased:
		return s.Erase(ctx, id, a.Text, by)
	}
	return nil, problem.New(problem.Usage, "dossier.no-act", "kind", i18n.Args{"kind": string(a.Kind)})
}

func (s *Store) callCatalogue(r *http.Request) (any, error) {
	data, err := bodyOf(r)
	if err != nil {
		return nil, err
	}
	c, err := ReadCatalogue(data)
	if err != nil {
		return nil, err
	}
	added, err := s.TakeCatalogue(r.Context(), c, "tram")
	return Loaded{c.Origin, c.Version, len(c.Procedures), added}, err
}

func (s *Store) callCalendar(r *http.Request) (any, error) {
	data, err := bodyOf(r)
	if err != nil {
		return nil, err
	}
	return s.TakeCalendar(r.Context(), data, "tram", "tram")
}

// bodyOf reads what a call brings.
func bodyOf(r *http.Request) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r.Body, maxCall+1))
	if err != nil || len(data) > maxCall {
		return nil, problem.New(problem.Usage, "api.too-large", "", i18n.Args{"limit": maxCall}).Because(err)
	}
	return data, nil
}

func call(r *http.Request, into any) error {
	data, err := bodyOf(r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return problem.New(problem.Usage, "dossier.call", "", i18n.Args{"why": err.Error()}).Because(err)
	}
	return nil
}

// Client asks a running office over its local socket.
type Client struct{ *api.Client }

// Dossiers lists a tab, "" for all.
func (c Client) Dossiers(ctx context.Context, tab Tab, words, after string, limit int) (p Page, err error) {
	q := url.Values{"tab": {string(tab)}, "words": {words}, "after": {after}, "limit": {strconv.Itoa(limit)}}
	return p, c.Call(ctx, http.MethodGet, Path+"?"+q.Encode(), nil, &p)
}

// Dossier is one with all that belongs to it.
func (c Client) Dossier(ctx context.Context, code string) (d Dossier, err error) {
	return d, c.Call(ctx, http.MethodGet, Path+"/show?"+url.Values{"code": {code}}.Encode(), nil, &d)
}

// LookUp is what somebody learns who has the receipt.
func (c Client) LookUp(ctx context.Context, code, word string) (p PublicStatus, err error) {
	return p, c.Call(ctx, http.MethodGet, Path+"/lookup?"+url.Values{"code": {code}, "word": {word}}.Encode(), nil, &p)
}

// Stats counts a month, yyyy-mm; "" for this one.
func (c Client) Stats(ctx context.Context, month string) (m Month, err error) {
	return m, c.Call(ctx, http.MethodGet, Path+"/stats?"+url.Values{"month": {month}}.Encode(), nil, &m)
}

// Receive hands a dossier in.
func (c Client) Receive(ctx context.Context, h Handing) (d Dossier, err error) {
	return d, c.Call(ctx, http.MethodPost, Path, h, &d)
}

// Act acts on one.
func (c Client) Act(ctx context.Context, a Act) (d Dossier, err error) {
	return d, c.Call(ctx, http.MethodPost, Path+"/act", a, &d)
}

// TakeCatalogue loads a catalogue file.
func (c Client) TakeCatalogue(ctx context.Context, data []byte) (t Loaded, err error) {
	return t, c.send(ctx, Path+"/catalogue", data, &t)
}

// TakeCalendar loads a calendar file.
func (c Client) TakeCalendar(ctx context.Context, data []byte) (f workdays.File, err error) {
	return f, c.send(ctx, Path+"/calendar", data, &f)
}

// send brings a file as it is, so that what is wrong in it is told by who reads it.
func (c Client) send(ctx context.Context, path string, data []byte, out any) error {
	resp, err := c.Do(ctx, http.MethodPost, path, bytes.NewReader(data), "application/json")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("decode answer of %s: %w", path, err)
	}
	return nil
}
