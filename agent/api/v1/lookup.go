package v1

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tram/agent/api/appkey"
	"tram/agent/dossier/code"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
)

func cardOf(c registry.Card) OfficeCard {
	return OfficeCard{
		Code: c.Code, Name: c.Name, Kind: c.Kind, Parent: c.Parent, Hub: c.IsHub(), Reachable: c.Enrolled() && !c.IsHub() && c.Into == "",
		Successor: c.Into, OldCodes: c.Old,
	}
}

func (s *Server) searchOffices(c *call) error {
	q := registry.Query{}
	var err error
	if q.Text, err = c.text("q", MaxText); err != nil {
		return err
	}
	if q.Text == "" {
		return badParameter("q", "", i18n.Say("api.want.some-text", i18n.Args{"most": MaxText}))
	}
	if q.Limit, err = c.number("limit", registry.DefaultResults, 1, registry.MaxResults); err != nil {
		return err
	}
	if q.Reachable, err = c.flag("reachable"); err != nil {
		return err
	}
	cards, err := s.o.Directory.Find(c.ctx(), q)
	if err != nil {
		return err
	}
	list := OfficeList{Offices: []OfficeCard{}}
	for _, card := range cards {
		list.Offices = append(list.Offices, cardOf(card))
	}
	return c.json(200, list)
}

func (s *Server) office(c *call) error {
	code := c.r.PathValue("code")
	if utf8.RuneCountInString(code) > MaxCode || !utf8.ValidString(code) || strings.ContainsFunc(code, unicode.IsControl) {
		return badParameter("code", shown(code), i18n.Say("api.want.text", i18n.Args{"most": MaxCode}))
	}
	card, _, err := s.o.Directory.Resolve(code)
	if errors.Is(err, registry.ErrNotFound) {
		return problem.New(problem.NotFound, "api.no-office", "code", i18n.Args{"code": shown(code)})
	}
	if err != nil {
		return err
	}
	return c.json(200, cardOf(card))
}

// Years that a register may be asked for.
const (
	firstYear = 2000
	lastYear  = 2199
)

func (s *Server) register(c *call) error {
	box, err := oneOf("register", c.r.PathValue("register"), office.In, office.Out)
	if err != nil {
		return err
	}
	year, err := wholeNumber("year", c.r.PathValue("year"), firstYear, lastYear)
	if err != nil {
		return err
	}
	limit, err := c.number("limit", DefaultPage, 1, MaxPage)
	if err != nil {
		return err
	}
	mark := c.filterMark()
	at, err := c.cursors(kindRegister, mark, 2)
	if err != nil {
		return err
	}
	lines, next, err := s.o.Office.Register(c.ctx(), box, year, c.only(), office.RegisterPlace{Arrival: at[0], Row: at[1]}, limit)
	if err != nil {
		return err
	}
	page := RegisterPage{Lines: []Line{}}
	for _, l := range lines {
		page.Lines = append(page.Lines, Line{documentOf(l.Document), l.Entered.UTC()})
	}
	if next != (office.RegisterPlace{}) {
		page.Next = newCursor(kindRegister, mark, next.Arrival, next.Row)
	}
	return c.json(200, page)
}

// Limits of the feed.
const (
	// MaxWait is how long a call may wait for something to happen, seconds. It
	// must stay below httpd.DefaultStall.
	MaxWait = 60
	// MaxEvents is the most events of a call, DefaultEvents what it has when
	// nothing is asked for.
	MaxEvents     = office.MaxFeed
	DefaultEvents = 100
	// feedEnd stands for the place after the newest event.
	feedEnd = "end"
)

func (s *Server) events(c *call) error {
	limit, err := c.number("limit", DefaultEvents, 1, MaxEvents)
	if err != nil {
		return err
	}
	wait, err := c.number("wait", 0, 0, MaxWait)
	if err != nil {
		return err
	}
	after, err := c.text("after", MaxText)
	if err != nil {
		return err
	}
	if after == feedEnd {
		if after, err = s.o.Office.FeedEnd(c.ctx()); err != nil {
			return err
		}
	}
	if wait > 0 {
		end, retry := s.o.Apps.TakeWait(c.app)
		if end == nil {
			return c.tooOften(retry)
		}
		defer end()
	}
	entries, next, err := c.feed(after, limit, time.Duration(wait)*time.Second)
	if err != nil {
		return err
	}
	view := dossierView{}
	if slices.ContainsFunc(entries, office.Entry.OfDossier) {
		if view, err = c.dossierView(); err != nil {
			return err
		}
	}
	page := EventPage{Events: []Event{}, Next: next}
	for _, e := range entries {
		page.Events = append(page.Events, view.event(e))
	}
	return c.json(200, page)
}

// event is an entry of the feed as the application sees it.
func (v dossierView) event(e office.Entry) Event {
	out := Event{Cursor: e.Cursor, Type: e.Type, Office: e.Office, At: e.At.UTC(), LearntAt: e.Learnt.UTC()}
	if n := e.Dossier; n != nil {
		out.Dossier = &DossierEvent{ID: e.Document.String(), Code: e.EdXMLID, Kind: n.Kind, Standing: v.standing(code.Status(n.Status)), DueAt: moment(n.Due)}
		return out
	}
	out.DocumentID, out.EdXMLID, out.Box, out.State = e.Document.String(), e.EdXMLID, e.Box, e.State
	out.StatusCode, out.Note = string(e.Code), textOf(wordsOf(e))
	return out
}

// wordsOf is what people read of an event. What hubs testify is kept as the key
// of a text.
func wordsOf(e office.Entry) func(i18n.Lang) string {
	return func(lang i18n.Lang) string {
		switch {
		case e.Said != nil:
			return e.Said.Text(lang)
		case i18n.Has(e.Note):
			return i18n.T(lang, e.Note)
		}
		return e.Note
	}
}

// feed reads the feed, and when there is nothing waits for a change until then.
func (c *call) feed(after string, limit int, wait time.Duration) (entries []office.Entry, next string, err error) {
	reading := office.Reading{App: c.only(), Dossiers: c.app.May(appkey.DossiersRead), DossiersOf: c.onlyDossiers()}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		changed := c.s.o.Office.Changed()
		if entries, next, err = c.s.o.Office.FeedTo(c.ctx(), reading, after, limit); err != nil || len(entries) > 0 || wait == 0 {
			return entries, next, err
		}
		select {
		case <-changed:
		case <-timeout.C:
			return entries, next, nil
		case <-c.s.ending:
			return entries, next, nil
		case <-c.ctx().Done():
			return nil, "", c.ctx().Err()
		}
		if _, err := c.s.o.Apps.Authenticate(c.ctx(), c.key()); err != nil {
			return nil, "", err // the key has ended meanwhile
		}
		after = next
	}
}
