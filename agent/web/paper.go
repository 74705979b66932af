package web

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/register"
	"tram/agent/web/account"
)

// Papers puts paper documents into the registers. *office.Office does.
type Papers interface {
	Enter(ctx context.Context, e office.PaperEntry) (office.Document, error)
	// Outlook tells the next number of a series and the gaps in it.
	Outlook(ctx context.Context, box office.Box, year int, kind, notation string) (office.Outlook, error)
}

func (s *site) paperRoutes() []route {
	return []route{
		{who: account.Answer, pattern: "GET /van-ban-den/vao-so", do: s.enterForm(office.In)},
		{who: account.Answer, pattern: "POST /van-ban-den/vao-so", do: s.enter(office.In), files: true},
		{who: account.Send, pattern: "GET /van-ban-di/vao-so", do: s.enterForm(office.Out)},
		{who: account.Send, pattern: "POST /van-ban-di/vao-so", do: s.enter(office.Out), files: true},
		{who: account.Answer, pattern: "GET /van-ban-den/{id}/dau-den", do: s.arrivalStamp},
	}
}

// EnterView is the form for a paper document. Its fields follow the columns of
// the register.
type EnterView struct {
	Page
	Out        bool
	Action     string
	Once       string // as that of [SendView]
	Arrived    string
	Number     string
	Notation   string
	From       string
	Code       string
	Date       string
	Type       string
	Types      []Option
	Subject    string
	Signer     string
	To         string
	Copies     string
	Urgency    int
	Urgencies  []Option
	Next, Gaps string // of the series, in words
	Doubt      bool   // a person is asked to decide on what the messages say
	DoubtHref  string // address of the earlier document, "" for none
	Sure       bool
	Guarded    bool // as those of [SendView]
	Cleared    bool
	ChooseNew  bool
	MaxSize    string
	MaxBytes   int64
	MaxSubject int
	MaxName    int
}

// legalTypes are types of incoming documents beside those of the decree. Like
// these they stay Vietnamese.
var legalTypes = []string{"Luật", "Pháp lệnh", "Nghị định", "Thông tư", "Đơn, thư"}

// enterFields are the fields in the order of the form, in which mistakes are told.
var enterFields = []string{"arrived", "number", "notation", "from", "code", "date", "type", "subject", "signer", "to", "copies", "urgency-0", "files"}

func boxAddress(box office.Box) string {
	if box == office.Out {
		return "/van-ban-di"
	}
	return "/van-ban-den"
}

func (s *site) enterForm(box office.Box) handler {
	return func(ctx context.Context, v *visit) error {
		view := EnterView{Out: box == office.Out, Once: rand.Text()}
		if view.Out {
			view.Date, view.Type = formatDay(v.now), "CV"
		} else {
			view.Arrived = formatDay(v.now)
		}
		return s.showEnter(ctx, v, view, nil, http.StatusOK)
	}
}

func (s *site) showEnter(ctx context.Context, v *visit, view EnterView, errs []FieldError, status int) error {
	box, title := office.In, v.t("web.paper.in")
	if view.Out {
		box, title = office.Out, v.t("web.paper.out")
	}
	view.Page = s.page(ctx, v, title, boxAddress(box))
	slices.SortStableFunc(errs, func(a, b FieldError) int {
		return cmp.Compare(slices.Index(enterFields, a.Field), slices.Index(enterFields, b.Field))
	})
	view.setErrors(v, errs)
	view.Action = boxAddress(box) + "/vao-so"
	view.Path, view.Scripts = view.Action, s.some("upload.js")
	for _, t := range documentTypes {
		view.Types = append(view.Types, Option{t.Value, t.Text, t.Value == view.Type})
	}
	if !view.Out {
		for _, name := range legalTypes {
			view.Types = append(view.Types, Option{Value: name, Text: name})
		}
	}
	for n := range 4 {
		view.Urgencies = append(view.Urgencies, Option{strconv.Itoa(n), v.t("urgency." + strconv.Itoa(n)), n == view.Urgency})
	}
	view.MaxBytes, view.MaxSize = s.Config.MaxUpload, formatSize(v.lang, s.Config.MaxFile)
	view.MaxSubject, view.MaxName = maxSubject, office.MaxPartyName
	if err := s.outlook(ctx, v, box, &view); err != nil {
		return err
	}
	return s.render(v, "enter", view, status)
}

// outlook words what number the document will get.
func (s *site) outlook(ctx context.Context, v *visit, box office.Box, view *EnterView) error {
	year := v.now.In(vietnam).Year()
	if date, ok := parseDate(cmp.Or(view.Arrived, view.Date)); ok {
		if t, err := time.Parse(time.DateOnly, date); err == nil {
			year = t.Year()
		}
	}
	look, err := s.Papers.Outlook(ctx, box, year, view.Type, view.Notation)
	if p := problem.From(err); err != nil && p.Class != problem.Failed {
		return nil // type or notation are at fault, which the form says
	}
	if err != nil {
		return fmt.Errorf("look at the numbers: %w", err)
	}
	view.Next = v.t("web.paper.next", i18n.Args{"number": register.Number(look.Next)})
	gaps := slices.DeleteFunc(look.Gaps, func(g register.Range) bool { return g.First == look.Next && g.Last == look.Next })
	if len(gaps) > 0 {
		view.Gaps = v.t("web.paper.gaps", i18n.Args{"numbers": register.Ranges(gaps)})
	}
	return nil
}

func (s *site) enter(box office.Box) handler {
	return func(ctx context.Context, v *visit) error {
		up, err := s.receive(v)
		defer up.remove(s.Logger)
		view := enterView(box, up)
		if err != nil {
			p := problem.From(err)
			if p.Class == problem.Failed {
				return fmt.Errorf("receive upload: %w", err)
			}
			v.w.Header().Set("Connection", "close") // the rest of the body is not read
			return s.showEnter(ctx, v, view, v.fieldErrors(err), statusOf(p))
		}
		e, errs := view.entry(v, box, up)
		if errs != nil {
			return s.showEnter(ctx, v, view, errs, http.StatusUnprocessableEntity)
		}
		d, err := s.Papers.Enter(ctx, e)
		if err != nil {
			return s.enterFailed(ctx, v, view, err)
		}
		v.redirect(boxAddress(box) + "?moi=" + d.ID.String() + "#moi")
		return nil
	}
}

// enterView reads the fields back, so that nothing typed is lost.
func enterView(box office.Box, up *upload) EnterView {
	f := up.field
	view := EnterView{Out: box == office.Out, Once: cmp.Or(f("once"), rand.Text()), Arrived: f("arrived"), Number: f("number"), Notation: f("notation"),
		From: f("from"), Code: f("code"), Date: f("date"), Type: f("type"), Subject: f("subject"), Signer: f("signer"), To: f("to"), Copies: f("copies"),
		Cleared: f("cleared") != "", Guarded: f("cleared") != "", ChooseNew: len(up.files) > 0}
	view.Sure = f("sure") != "" && f("doubted") == view.Doubted()
	if n, err := strconv.Atoi(f("urgency")); err == nil && n >= 0 && n <= int(office.HoaToc) {
		view.Urgency = n
	}
	return view
}

// Doubted is what a person who is sure has been asked about: other words are
// looked at anew.
func (view EnterView) Doubted() string {
	return strings.Join([]string{view.Number, view.Code, view.From}, "|")
}

// entry is what the form says; the Office checks it.
func (view EnterView) entry(v *visit, box office.Box, up *upload) (office.PaperEntry, []FieldError) {
	e := office.PaperEntry{Box: box, Number: view.Number, Code: view.Code, Notation: view.Notation, From: office.Party{Name: view.From},
		Type: view.Type, Subject: view.Subject, Date: view.Date, Arrived: view.Arrived, Urgency: office.Urgency(view.Urgency), Signer: view.Signer,
		Sure: view.Sure, Cleared: view.Cleared, By: v.session.User.Name, Key: "web:" + v.session.User.Name + ":" + view.Once}
	var errs []FieldError
	for _, line := range strings.Split(view.To, "\n") {
		if name := strings.TrimSpace(line); name != "" {
			e.To = append(e.To, office.Party{Name: name})
		}
	}
	if view.Copies != "" {
		n, err := strconv.Atoi(view.Copies)
		if err != nil || n < 0 {
			errs = append(errs, FieldError{"copies", v.t("web.paper.bad-copies")})
		}
		e.Copies = n
	}
	for _, f := range up.files {
		if f.size == 0 {
			errs = append(errs, FieldError{"files", v.t("web.send.empty-file", i18n.Args{"name": f.name})})
		}
		e.Files = append(e.Files, f.upload())
	}
	return e, errs
}

// enterFailed shows the form again with what the Office found. What only a
// person can decide is asked once.
func (s *site) enterFailed(ctx context.Context, v *visit, view EnterView, err error) error {
	status, secret := s.notKept("enter document", err)
	view.Guarded = view.Guarded || secret
	for _, p := range problems(err) {
		view.Doubt = view.Doubt || p.Code == "enter.duplicate" || p.Code == "enter.gap"
		if id, ok := p.Args["id"].(string); ok && p.Code == "enter.duplicate" {
			view.DoubtHref = boxAddress(office.In) + "/" + id
		}
	}
	return s.showEnter(ctx, v, view, v.fieldErrors(err), status)
}

// entered words what was just entered, and names its row, "" for nothing.
func (v *visit) entered(docs []office.Document) (words, id string) {
	id = v.r.URL.Query().Get("moi")
	for _, d := range docs {
		switch {
		case d.ID.String() != id || d.Medium != office.Paper:
		case d.Box == office.Out:
			return v.t("web.paper.done-out", i18n.Args{"number": symbol(d)}), id
		default:
			return v.t("web.paper.done-in", i18n.Args{"number": register.Number(d.Arrival)}), id
		}
	}
	return "", ""
}

// TwinView leads to an earlier document that one may be the same as.
type TwinView struct{ Text, Href string }

func (v *visit) twins(d office.Document) (all []TwinView) {
	for _, t := range d.Twins {
		all = append(all, TwinView{v.t("web.paper.twin", i18n.Args{"twin": t.In(v.lang)}), boxAddress(office.In) + "/" + t.ID.String()})
	}
	return all
}

// paperFacts are the facts of a paper document that others do not have.
func (v *visit) paperFacts(d office.Document) []Fact {
	if d.Paper == nil {
		return nil
	}
	all := []Fact{{v.t("web.paper.original"), v.t("web.paper.original-is")}}
	for _, f := range []Fact{{v.t("web.send.signer"), d.Paper.Signer}, {v.t("web.paper.arrived"), formatDocDate(d.Paper.Arrived)}} {
		if f.Value != "" {
			all = append(all, f)
		}
	}
	if d.Paper.Copies > 0 {
		all = append(all, Fact{v.t("web.paper.copies"), strconv.Itoa(d.Paper.Copies)})
	}
	return all
}

// listDay is the day of a document in a list: of a paper one that when it came,
// or its own.
func listDay(d office.Document) string {
	if d.Paper == nil {
		return formatDay(d.Created)
	}
	return formatDocDate(cmp.Or(d.Paper.Arrived, d.Date))
}

// arrivalStamp is the ĐẾN stamp of an accepted document as a label to be
// printed.
func (s *site) arrivalStamp(ctx context.Context, v *visit) error {
	d, err := s.document(ctx, v, office.In)
	if err != nil {
		return err
	}
	if d.Arrival == 0 {
		return problem.New(problem.Conflict, "web.paper.no-number", "", nil)
	}
	stamp := register.Stamp{Office: s.Config.Unit.Name, Number: register.Number(d.Arrival)}
	for _, e := range d.Events {
		if e.Step == office.Accepted && stamp.Date == "" {
			stamp.Date = register.Day(e.At.In(vietnam))
		}
	}
	data, err := stamp.PDF()
	if err != nil {
		return fmt.Errorf("draw stamp: %w", err)
	}
	h := v.w.Header()
	h.Set("Content-Type", "application/pdf")
	h.Set("Content-Length", strconv.Itoa(len(data)))
	h.Set("Content-Disposition", fmt.Sprintf(`inline; filename="dau-den-%d.pdf"`, d.Arrival))
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'")
	if _, err := v.w.Write(data); err != nil {
		s.Logger.Debug("send stamp", "error", err)
	}
	return nil
}
