package v1

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"tram/agent/api/appkey"
	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage/sqlite"
)

// Limits of dossiers in the interface.
const (
	// MaxDossier is the longest code or ID of a dossier, characters.
	MaxDossier = 100
	// maxFile is the highest number of a file that is looked for.
	maxFile = 1<<31 - 1
)

func (s *Server) dossierTable() []operation {
	const one = "/dossiers/{id}"
	ct := []string{"application/json"}
	return []operation{
		{id: "listProcedures", method: "GET", path: "/procedures", scope: appkey.DossiersRead, query: []string{"q", "limit"}, do: s.procedures},
		{id: "getProcedure", method: "GET", path: "/procedures/{code}", scope: appkey.DossiersRead, do: s.procedure},
		{id: "listDossiers", method: "GET", path: "/dossiers", scope: appkey.DossiersRead, query: []string{"status", "state", "procedure", "code", "reference", "cursor", "limit"}, do: s.listDossiers},
		{id: "fileDossier", method: "POST", path: "/dossiers", scope: appkey.DossiersFile, media: ct, do: s.fileDossier},
		{id: "lookUpDossier", method: "POST", path: "/dossiers/lookup", scope: appkey.DossiersLookup, media: ct, do: s.lookUp},
		{id: "getDossier", method: "GET", path: one, scope: appkey.DossiersRead, do: s.getDossier},
		{id: "downloadDossierFile", method: "GET", path: one + "/files/{file}", scope: appkey.DossiersRead, do: s.dossierFile},
		{id: "supplementDossier", method: "POST", path: one + "/supplement", scope: appkey.DossiersFile, media: ct, do: s.supplementDossier},
		{id: "payDossier", method: "POST", path: one + "/payment", scope: appkey.DossiersFile, media: ct, do: s.payDossier},
		{id: "askWithdrawal", method: "POST", path: one + "/withdrawal", scope: appkey.DossiersFile, media: ct, do: s.askWithdrawal},
		{id: "handOverDossier", method: "POST", path: one + "/hand-overs", scope: appkey.DossiersReport, media: ct, do: s.handOverDossier},
		{id: "reportDossier", method: "POST", path: one + "/state", scope: appkey.DossiersReport, media: ct, do: s.reportDossier},
	}
}

// onlyDossiers is the application whose dossiers alone may be seen, "" for all.
func (c *call) onlyDossiers() string {
	if c.app.May(appkey.DossiersAll) {
		return ""
	}
	return c.app.Name
}

// dossierView is how the application sees dossiers.
func (c *call) dossierView() (v dossierView, err error) {
	v.all = c.app.May(appkey.DossiersAll)
	if v.secret, err = c.s.o.Dossiers.Secrets(c.ctx()); err != nil || c.app.System == "" {
		return v, err
	}
	v.states, err = c.s.o.Apps.States(c.ctx(), c.app.Name)
	return v, err
}

// dossierNamed finds a dossier by ID or code. One that the application may not see is
// the same as none.
func (c *call) dossierNamed(field, text string) (dossier.Dossier, error) {
	store := c.s.o.Dossiers
	var d dossier.Dossier
	id, err := uuid.Parse(text)
	if err == nil && len(text) == len(id.String()) {
		d, err = store.Get(c.ctx(), id)
	} else {
		named, parseErr := code.ParseDossier(text)
		if parseErr != nil {
			return d, badParameter(field, shown(text), i18n.Say("api.want.dossier"))
		}
		d, err = store.ByCode(c.ctx(), named)
	}
	if only := c.onlyDossiers(); err == nil && only != "" && d.App != only {
		return dossier.Dossier{}, problem.New(problem.NotFound, "dossier.unknown", "", nil)
	}
	return d, err
}

func (s *Server) listDossiers(c *call) error {
	view, err := c.dossierView()
	if err != nil {
		return err
	}
	f, err := c.dossierFilter(view)
	if err != nil {
		return err
	}
	mark := c.filterMark()
	if f.Before, err = c.cursor(kindDossiers, mark); err != nil {
		return err
	}
	list, next, err := s.o.Dossiers.Select(c.ctx(), f)
	if err != nil {
		return err
	}
	page := DossierPage{Dossiers: []DossierLine{}}
	for _, l := range list {
		page.Dossiers = append(page.Dossiers, view.line(l))
	}
	if next > 0 {
		page.Next = newCursor(kindDossiers, mark, next)
	}
	return c.json(200, page)
}

// dossierFilter reads the filters of a list. All faults are told at once.
func (c *call) dossierFilter(view dossierView) (f dossier.Filter, err error) {
	f.App = c.onlyDossiers()
	var faults problem.List
	values := c.params["status"]
	for _, word := range values[:min(len(values), len(code.Statuses()))] {
		n, err := wholeNumber("status", word, int(code.Registered), int(code.Returned))
		faults.Note(err)
		f.Statuses = append(f.Statuses, code.Status(n))
	}
	if c.params.Has("state") {
		status, err := c.stateParameter(view)
		faults.Note(err)
		f.Statuses = append(f.Statuses, status)
	}
	f.Procedure, err = c.text("procedure", MaxCode)
	faults.Note(err)
	f.Reference, err = c.text("reference", MaxText)
	faults.Note(err)
	text, err := c.text("code", MaxDossier)
	faults.Note(err)
	if text != "" {
		if f.Code, err = code.ParseDossier(text); err != nil {
			faults.Note(badParameter("code", shown(text), i18n.Say("api.want.dossier")))
		}
	}
	f.Limit, err = c.number("limit", DefaultPage, 1, MaxPage)
	faults.Note(err)
	return f, faults.Err()
}

func (c *call) stateParameter(view dossierView) (code.Status, error) {
	if len(c.params["state"]) > 1 {
		return 0, badParameter("state", shown(strings.Join(c.params["state"], " ")), i18n.Say("api.want.once"))
	}
	word, err := c.text("state", MaxText)
	if err != nil {
		return 0, err
	}
	return view.statusOf(word)
}

// statusOf is the status that the application calls so.
func (v dossierView) statusOf(word string) (code.Status, error) {
	if v.states == nil {
		return 0, problem.New(problem.Usage, "api.no-states", "state", nil)
	}
	status, err := v.states.Status(word)
	if err != nil {
		p := *problem.From(err)
		p.Field = "state"
		return 0, &p
	}
	return status, nil
}

func (s *Server) getDossier(c *call) error {
	d, err := c.dossierNamed("id", c.r.PathValue("id"))
	if err != nil {
		return err
	}
	body, err := c.encodedDossier(d)
	if err != nil {
		return err
	}
	tag := tagOf(body)
	h := c.w.Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", "private, no-cache")
	if c.r.Method == http.MethodGet && matches(c.r.Header.Get("If-None-Match"), tag, true) {
		c.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if c.r.Method == http.MethodGet {
		if err := c.noteReadAs("dossier.open", d.ID, "dossier"); err != nil {
			return err
		}
	}
	c.write(200, "application/json", body)
	return nil
}

// encodedDossier is a dossier as the interface answers with it.
func (c *call) encodedDossier(d dossier.Dossier) ([]byte, error) {
	view, err := c.dossierView()
	if err != nil {
		return nil, err
	}
	return encode(view.whole(d))
}

func (s *Server) dossierFile(c *call) error {
	d, err := c.dossierNamed("id", c.r.PathValue("id"))
	if err != nil {
		return err
	}
	number, err := wholeNumber("file", c.r.PathValue("file"), 1, maxFile)
	if err != nil {
		return err
	}
	f, body, err := s.o.Dossiers.Open(c.ctx(), d.ID, int64(number))
	if err != nil {
		return err
	}
	defer body.Close()
	if c.r.Method == http.MethodGet {
		if err := c.noteReadAs(actionRead, d.ID, "file "+strconv.Itoa(number)); err != nil {
			return err
		}
	}
	sum, err := hex.DecodeString(f.SHA256)
	if err != nil {
		return fmt.Errorf("read digest of file: %w", err)
	}
	h := c.w.Header()
	h.Set("Content-Type", office.MediaType(f.Name))
	h.Set("Content-Disposition", disposition(f.Name))
	h.Set("ETag", `"`+f.SHA256+`"`)
	h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum)+":")
	h.Set("Cache-Control", "private, no-cache")
	http.ServeContent(&ranged{ResponseWriter: c.w, c: c}, c.r, "", time.Time{}, body)
	return nil
}

// LookupRequest is the body of lookUpDossier.
type LookupRequest struct {
	Code string `json:"code"`
	Word string `json:"word"`
}

// lookUp tells the public status. What is no code gets the answer of one that there is
// not.
func (s *Server) lookUp(c *call) error {
	var q LookupRequest
	if _, err := c.body(&q); err != nil {
		return err
	}
	named, err := code.ParseDossier(q.Code)
	if err != nil || len(q.Word) > MaxText {
		return problem.New(problem.NotFound, "dossier.lookup", "secret", nil)
	}
	st, err := s.o.Dossiers.LookUp(c.ctx(), named, q.Word)
	if err != nil {
		if p := problem.From(err); p.Code == "dossier.lookup-often" {
			minutes, _ := p.Args["minutes"].(int)
			return later{err, minutes * 60}
		}
		return err
	}
	view, err := c.dossierView()
	if err != nil {
		return err
	}
	return c.json(200, PublicStatus{
		Code: st.Code.String(), Procedure: st.Procedure, Office: st.Office, Standing: view.standing(st.Status), Waits: st.Waits, AcceptedAt: moment(st.Accepted),
		DueAt: moment(st.Due), EndedAt: moment(st.Ended), ReturnedAt: moment(st.Returned), Outcome: string(st.Outcome),
	})
}

// links is what puts a document to the dossier that it was drafted for, in the
// transaction that saves it; nil for no dossier.
func (c *call) links(named string) (func(tx *sqlite.Tx, saved office.Document) error, error) {
	if named == "" {
		return nil, nil
	}
	if !c.app.May(appkey.DossiersRead) {
		return nil, c.lacks(appkey.DossiersRead)
	}
	d, err := c.dossierNamed("dossier", named)
	if err != nil {
		if p := problem.From(err); p.Class == problem.NotFound || p.Code == "api.parameter" {
			return nil, problem.New(problem.Usage, "dossier.unknown", "dossier", nil)
		}
		return nil, err
	}
	by := c.actor(dossier.Desk)
	return func(tx *sqlite.Tx, saved office.Document) error {
		_, err := c.s.o.Dossiers.LinkIn(tx, d.ID, saved.ID, symbolOf(saved), by)
		return err
	}, nil
}

// symbolOf is số, ký hiệu of a document.
func symbolOf(d office.Document) string { return strings.Trim(d.Number+"/"+d.Notation, "/") }

// actor is the application as one who acts on dossiers.
func (c *call) actor(roles dossier.Role) dossier.Actor {
	return dossier.Actor{Person: c.app.Actor(), Name: c.app.Name, Roles: roles, App: c.app.Name}
}
