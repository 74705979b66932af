package v1

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"tram/agent/api/appkey"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/sync/bundle"
)

// MaxCode is the longest office code or document number in a query, characters.
const MaxCode = 100

// listParameters are those of listDocuments.
var listParameters = []string{
	"box", "state", "type", "urgency", "office", "number", "notation", "edxml_id", "filed_from", "filed_until", "cursor", "limit",
}

// states are those that a document can be in.
var states = []office.State{
	office.Saved, office.Sending, office.AtHub, office.Delivered, office.Accepted, office.Returned, office.Failed, office.Arrived,
	office.Recalled, office.Withdrawn, office.Issued,
}

func (s *Server) list(c *call) error {
	f, err := c.filter()
	if err != nil {
		return err
	}
	mark := c.filterMark()
	if f.Before, err = c.cursor(kindList, mark); err != nil {
		return err
	}
	docs, next, err := s.o.Office.Select(c.ctx(), f)
	if err != nil {
		return err
	}
	page := DocumentPage{Documents: []Document{}}
	for _, d := range docs {
		page.Documents = append(page.Documents, documentOf(d))
	}
	if next > 0 {
		page.Next = newCursor(kindList, mark, next)
	}
	return c.json(200, page)
}

// filter reads the filters of a list. All faults are told at once.
func (c *call) filter() (office.Filter, error) {
	f := office.Filter{App: c.only()}
	var faults problem.List
	var err error
	f.Box, err = oneOf("box", c.params.Get("box"), office.In, office.Out)
	faults.Note(err)
	if len(c.params["state"]) > len(states) {
		faults.Note(badParameter("state", shown(strings.Join(c.params["state"], " ")), i18n.Say("api.want.once")))
	}
	for _, word := range c.params["state"][:min(len(c.params["state"]), len(states))] {
		state, err := oneOf("state", word, states...)
		faults.Note(err)
		f.States = append(f.States, state)
	}
	if word := c.params.Get("urgency"); c.params.Has("urgency") {
		_, err := oneOf("urgency", word, urgencies...)
		faults.Note(err)
		level := levelOf(Urgency(word))
		f.Urgency = &level
	}
	for name, into := range map[string]*string{"type": &f.Type, "office": &f.Office, "number": &f.Number, "notation": &f.Notation, "edxml_id": &f.EdXMLID} {
		*into, err = c.text(name, MaxCode)
		faults.Note(err)
	}
	if f.Notation != "" && f.Number == "" {
		faults.Note(badParameter("notation", shown(f.Notation), i18n.Say("api.want.with-number")))
	}
	f.FiledFrom, err = c.moment("filed_from")
	faults.Note(err)
	f.FiledUntil, err = c.moment("filed_until")
	faults.Note(err)
	f.Limit, err = c.number("limit", DefaultPage, 1, MaxPage)
	faults.Note(err)
	return f, faults.Err()
}

// levelOf is the level of a word that was checked.
func levelOf(word Urgency) office.Urgency {
	for i, u := range urgencies {
		if u == word {
			return office.Urgency(i)
		}
	}
	return office.Thuong
}

// found is the document in the path.
func (c *call) found() (office.Document, error) {
	id, err := c.id()
	if err != nil {
		return office.Document{}, err
	}
	return c.s.o.Office.Get(c.ctx(), id)
}

func (s *Server) get(c *call) error {
	d, err := c.found()
	if err != nil {
		return err
	}
	return c.document(d)
}

// document answers with a document and its entity tag.
func (c *call) document(d office.Document) error {
	body, err := c.encoded(d)
	if err != nil {
		return err
	}
	tag := tagOf(body)
	h := c.w.Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", "private, no-cache")
	if c.r.Method == "GET" && matches(c.r.Header.Get("If-None-Match"), tag, true) {
		c.w.WriteHeader(304)
		return nil
	}
	c.write(200, "application/json", body)
	return nil
}

func tagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// matches compares an entity tag with a list of them; weak says that a weak one
// is as good.
func matches(header, tag string, weak bool) bool {
	for part := range strings.SplitSeq(header, ",") {
		part = strings.TrimSpace(part)
		if weak {
			part = strings.TrimPrefix(part, "W/")
		}
		if part == tag || part == "*" {
			return true
		}
	}
	return false
}

// unchanged holds a call to its If-Match: the document is to be as the
// application has seen it.
func (c *call) unchanged(d office.Document) error {
	header := c.r.Header.Get("If-Match")
	if header == "" {
		return nil
	}
	body, err := c.encoded(d)
	if err == nil && !matches(header, tagOf(body), false) {
		err = problem.New(problem.Conflict, "api.precondition", "If-Match", i18n.Args{"id": d.ID.String(), "state": string(d.State)})
	}
	return err
}

func (s *Server) track(c *call) error {
	d, err := c.found()
	if err != nil {
		return err
	}
	t := Track{ID: d.ID.String(), State: d.State, Steps: []Step{}}
	for _, e := range d.Events {
		t.Steps = append(t.Steps, Step{
			State: e.Step, Office: e.Office, At: e.At.UTC(), LearntAt: e.Learnt.UTC(), Signer: e.Signer, Evidence: e.Evidence, Note: textOf(e.Words),
		})
	}
	if d.Progress != nil {
		t.Progress = &Progress{d.Progress.Sent, d.Progress.Total}
	}
	return c.json(200, t)
}

func (s *Server) checks(c *call) error {
	id, err := c.id()
	if err != nil {
		return err
	}
	all, err := s.o.Office.Checks(c.ctx(), id)
	if err != nil {
		return err
	}
	list := CheckList{Checks: []Check{}}
	for _, one := range all {
		list.Checks = append(list.Checks, Check{
			Attachment: one.Attachment, Verdict: string(one.Verdict()), Cause: one.Cause, Frozen: one.Frozen, CheckedAt: one.Report.CheckedAt.UTC(),
		})
	}
	return c.json(200, list)
}

func (s *Server) arriving(c *call) error {
	list := ArrivingList{Arriving: []Arriving{}}
	if !c.app.Own { // whose answer it is shows when it is here
		for _, a := range s.o.Arriving() {
			list.Arriving = append(list.Arriving, Arriving{
				ID: a.ID.String(), From: a.From, Urgency: urgencyOf(office.Urgency(a.Urgency)), Size: a.Size, Received: a.Here, Held: a.Held,
			})
		}
	}
	return c.json(200, list)
}

func (s *Server) me(c *call) error {
	l := s.o.Limits
	m := Me{
		App:    MyApp{Name: c.app.Name, Kind: string(c.app.Kind), Scopes: []string{}, Own: c.app.Own, Rate: c.app.Rate, CreatedAt: c.app.Created.UTC()},
		Office: Party(s.o.Unit), Version: s.o.Version,
		Limits: Limits{
			FileBytes: l.File, DocumentBytes: l.Total, Files: l.Files, Recipients: bundle.MaxRecipients, PageSize: MaxPage,
			WaitSeconds: MaxWait, CallsAtOnce: appkey.MaxAtOnce, UploadHours: int(UploadLife.Hours()),
		},
	}
	for _, scope := range c.app.Scopes {
		m.App.Scopes = append(m.App.Scopes, string(scope))
	}
	if !c.app.Expires.IsZero() {
		ends := c.app.Expires.UTC()
		m.App.ExpiresAt = &ends
	}
	return c.json(200, m)
}
