package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"tram/agent/dossier"
	"tram/agent/dossier/forms"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/web/account"
	"tram/storage"
)

// DossierView is one dossier.
type DossierView struct {
	Page
	Base, Code, Name   string
	State, Left, Ended Tag
	Done               string // what was just done
	Receipt            *ReceiptView
	Warnings           []string
	Facts, Applicant   []Fact
	Papers             []DossierPaper
	Files              []DossierFile
	Charges            []DossierCharge
	Results            []DossierResult
	Events             []Step
	Transfers          []TransferView
	Forms              []FormRow
	Acts               []ActView
	Seen               int // version that the forms are about
	Apology            *ApologyLink
	Prepared           *PreparedView
	Draft              string // address, "" for none
	Calendar           []string
	MaxSize            string
	MaxBytes           int64
	MaxName, MaxText   int
}

// ReceiptView is what the applicant is told when a dossier was taken in.
type ReceiptView struct {
	Code, Due, Word string
	Print, PrintAt  string // the form that the applicant gets, and where it is printed
	Another         string // address of the form for another one
}

// FormRow is a form of the circular that can be printed.
type FormRow struct {
	Name, Action string
	Nth          int // 0 for the only one
}

// DossierPaper is a paper as it was handed in.
type DossierPaper struct {
	Name, Kind, Copies string
	State              Tag // that it is missing
}

// DossierFile is a file.
type DossierFile struct{ Href, Name, Size, Role, Paper, From string }

// DossierCharge is a fee.
type DossierCharge struct {
	Name, Amount, Receipt string
	State                 Tag
}

// DossierResult is a result, or a document that was drafted.
type DossierResult struct{ Href, Name, Note, Text string }

// ActView is the form of an act.
type ActView struct {
	Page
	ID, Action, Title, Hint, Go string
	Seen                        int
	Open, Warn, HasFiles        bool
	Fields                      []ActField
	MaxSize                     string
	MaxBytes                    int64
}

// ActField is a field of such a form.
type ActField struct {
	Page
	ID, Name, Kind, Label, Hint, Value, Error string
	Options                                   []Option
	Papers                                    []PaperField
	Offices                                   []office.Party
	Max                                       int
}

// TransferView is one hand-over between offices.
type TransferView struct {
	Title       string
	State, Left Tag
	Lines       []string
}

// OnList is one of a checklist as the template of a paper needs it.
func (f ActField) OnList(p PaperField) PaperLine {
	id := fmt.Sprintf("%s-%d", f.ID, p.Index)
	return PaperLine{PaperField: p, Page: f.Page, ID: id, Error: f.ErrorOf(id)}
}

// came is the form that came back with mistakes.
type came struct {
	form  string // "" for none
	typed *upload
}

func (s *site) dossierOne(ctx context.Context, v *visit) error {
	d, err := s.dossier(ctx, v)
	if err != nil {
		return err
	}
	return s.showDossier(ctx, v, d, came{}, nil, http.StatusOK)
}

func (s *site) showDossier(ctx context.Context, v *visit, d dossier.Dossier, form came, errs []FieldError, status int) error {
	if err := s.openedDossier(ctx, v, d); err != nil {
		return err
	}
	view := DossierView{Page: s.page(ctx, v, joinDots(d.Code.String(), d.Procedure.Name), dossiersPath), Base: dossierPath(d.ID), Code: d.Code.String(), Name: d.Procedure.Name,
		State: v.dossierStatus(d.Status), Ended: v.outcomeTag(d.Outcome()), Seen: d.Version, Calendar: s.calendarLines(v),
		MaxSize: formatSize(v.lang, dossier.MaxFile), MaxBytes: s.Config.MaxUpload, MaxName: dossier.MaxName, MaxText: dossier.MaxText}
	view.Path, view.Styles, view.Scripts = view.Base, s.some("dossier.css"), s.some("upload.js")
	view.setErrors(v, errs)
	unsure := s.Dossiers.Unsure()
	m, runs := s.Dossiers.Left(d.Standing)
	if runs {
		view.Left = v.leftTag(m, unsure, nearDue(m))
	}
	view.Apology, view.Prepared = v.apologyLink(view.Base, d.Apology.Draft(), runs && m.Overdue && !d.Guest), v.prepared(d.Apology)
	view.Warnings = v.dossierWarnings(d, unsure)
	view.Facts, view.Applicant = v.dossierFacts(d, unsure), v.applicantFacts(d)
	s.dossierHas(v, d, &view)
	view.Events, view.Transfers, view.Forms = v.dossierEvents(d), v.dossierTransfers(d), v.dossierForms(d)
	if v.may(account.Send) {
		view.Draft = "/gui?ho-so=" + d.ID.String()
	}
	if err := s.dossierDone(ctx, v, d, &view); err != nil {
		return err
	}
	var err error
	if view.Acts, err = s.actViews(ctx, v, d, view, form); err != nil {
		return err
	}
	return s.render(v, "dossier", view, status)
}

// dossierDone says what was just done, and what the applicant is told of it.
func (s *site) dossierDone(ctx context.Context, v *visit, d dossier.Dossier, view *DossierView) error {
	done := v.r.URL.Query().Get("xong")
	if v.r.Method == http.MethodPost || done == "" {
		done = ""
	} else if done == takeIn || done == askNew || done == turnNew || slices.ContainsFunc(dossierActs, func(a dossierAct) bool { return a.name == done }) {
		view.Done = v.t("web.dossier.done." + done)
	}
	if d.Guest || !v.may(account.DossierDesk) {
		return nil
	}
	word, err := s.Dossiers.Secret(ctx, d.Code)
	if err != nil {
		return err
	}
	view.Facts = append(view.Facts, Fact{v.t("web.dossier.word"), word})
	if len(d.Events) <= 2 && (done == takeIn || done == askNew || done == turnNew) {
		view.Receipt = &ReceiptView{Code: d.Code.String(), Due: v.dueTime(d.Due, false), Word: word, Print: v.t("web.dossier.print-first." + done),
			PrintAt: view.Base + "/mau/" + string(firstForm[done]), Another: receptionPath}
	}
	return nil
}

// firstForm is what the applicant gets when a dossier was taken in, or was not.
var firstForm = map[string]forms.Form{takeIn: forms.Receipt, askNew: forms.Supplement, turnNew: forms.Refusal}

// dossierForms are the forms of a dossier as it stands.
func (v *visit) dossierForms(d dossier.Dossier) (list []FormRow) {
	for _, f := range forms.Available(d) {
		row := FormRow{Name: v.t("web.dossier.form." + string(f)), Action: dossierPath(d.ID) + "/mau/" + string(f)}
		n := forms.Count(d, f)
		if n == 1 {
			list = append(list, row)
			continue
		}
		for i := range n {
			list = append(list, FormRow{v.t("web.dossier.form-nth", i18n.Args{"form": row.Name, "n": i + 1}), row.Action, i + 1})
		}
	}
	return list
}

// dossierWarnings are what to know before one relies on the dates.
func (v *visit) dossierWarnings(d dossier.Dossier, unsure bool) (lines []string) {
	if unsure && d.Open() {
		lines = append(lines, v.t("web.dossier.unsure"))
	}
	if d.Uncovered && d.Open() {
		lines = append(lines, v.t("workdays.provisional"))
	}
	if d.Supplements > 1 {
		lines = append(lines, v.t("web.dossier.asked-twice", i18n.Args{"n": d.Supplements}))
	}
	if d.Erased {
		lines = append(lines, v.t("web.dossier.erased"))
	}
	return lines
}

func (v *visit) dossierFacts(d dossier.Dossier, unsure bool) (facts []Fact) {
	add := func(key, value string) {
		if value != "" {
			facts = append(facts, Fact{v.t("web.dossier." + key), value})
		}
	}
	due := v.dueTime(d.Due, unsure)
	if !d.FirstDue.IsZero() && !d.Due.Equal(d.FirstDue) {
		due = v.t("web.dossier.due-moved", i18n.Args{"due": due, "first": v.dueTime(d.FirstDue, unsure)})
	}
	owner := ""
	if d.Guest {
		owner = d.OwnerName
	}
	add("fact.procedure", joinDots(d.Procedure.Code.String(), d.Procedure.Field.Name))
	add("fact.subject", d.Subject)
	add("fact.owner", owner)
	add("fact.filed", formatFull(d.Filed))
	add("fact.taken", formatFull(d.Accepted))
	add("fact.due", due)
	add("fact.stands", formatFull(d.Paused))
	add("fact.done", formatFull(d.Done))
	add("fact.closed", formatFull(d.Closed))
	add("fact.returned", formatFull(d.Returned))
	add("fact.handler", d.Handler)
	add("fact.channel", v.t("web.dossier.channel."+strconv.Itoa(int(d.Channel))))
	add("fact.way", v.t("web.dossier.way."+string(d.Way)))
	add("fact.sets", strconv.Itoa(d.Sets))
	if d.Book > 0 {
		add("fact.book", strconv.Itoa(d.Book))
	}
	add("fact.reference", joinDots(d.App, d.Reference))
	return facts
}

func (v *visit) applicantFacts(d dossier.Dossier) (facts []Fact) {
	a := d.Applicant
	kind := ""
	if a.Kind != 0 {
		kind = v.t("web.dossier.kind." + strconv.Itoa(int(a.Kind)))
	}
	for _, f := range []Fact{{"name", a.Name}, {"kind", kind}, {"number", a.Number}, {"address", a.Address}, {"phone", a.Phone}, {"email", a.Email}, {"agent", a.Agent}} {
		if f.Value != "" {
			facts = append(facts, Fact{v.t("web.dossier.applicant." + f.Name), f.Value})
		}
	}
	return facts
}

// dossierHas fills in papers, files, fees and results.
func (s *site) dossierHas(v *visit, d dossier.Dossier, view *DossierView) {
	for _, h := range d.Papers {
		p := DossierPaper{Name: h.Paper.Name, Kind: v.t("web.dossier.paper." + string(h.Paper.Kind)), Copies: v.counted("web.dossier.copies", h.Copies)}
		if h.Copies == 0 && h.Paper.Required {
			p.State = Tag{v.t("web.dossier.missing"), "amber"}
		}
		view.Papers = append(view.Papers, p)
	}
	for _, f := range d.Files {
		row := DossierFile{Href: fmt.Sprintf("%s/tep/%d", view.Base, f.ID), Name: f.Name, Size: formatSize(v.lang, f.Size), Role: v.t("web.dossier.role." + string(f.Role))}
		if f.Paper >= 0 && f.Paper < len(d.Papers) {
			row.Paper = d.Papers[f.Paper].Paper.Name
		}
		if f.From != s.Config.Unit.Code {
			row.From = f.From
		}
		view.Files = append(view.Files, row)
	}
	for _, c := range d.Charges {
		row := DossierCharge{Name: c.Fee.Name, Amount: formatMoney(c.Fee.Amount), Receipt: c.Receipt, State: Tag{v.t("web.dossier.unpaid"), "amber"}}
		if !c.Paid.IsZero() {
			row.State = Tag{v.t("web.dossier.paid", i18n.Args{"time": v.clock(c.Paid)}), "green"}
		}
		view.Charges = append(view.Charges, row)
	}
	for _, r := range d.Results {
		row := DossierResult{Name: r.Name, Text: r.Text, Note: joinDots(r.Number, formatDocDate(r.Date))}
		if r.Document != (storage.ID{}) {
			row.Href, row.Note = "/van-ban-di/"+r.Document.String(), v.t("web.dossier.drafted")
		}
		view.Results = append(view.Results, row)
	}
}

// learntLate is how much later than it happened something is learnt for the page to
// say so.
const learntLate = time.Minute

// dossierEvents is what happened, the newest first: by the clock of the office where
// it did, and when it was learnt here.
func (v *visit) dossierEvents(d dossier.Dossier) (steps []Step) {
	events := slices.Clone(d.Events)
	slices.SortStableFunc(events, func(a, b dossier.Event) int { return a.At.Compare(b.At) })
	for _, e := range slices.Backward(events) {
		step := Step{Label: v.t("dossier.kind." + string(e.Kind)), When: joinDots(v.clock(e.At), e.By), Note: e.Text, Tone: "done"}
		line := func(key string, args i18n.Args) { step.Lines = append(step.Lines, v.t("web.dossier.event."+key, args)) }
		if e.Legal != "" {
			line("legal", i18n.Args{"text": e.Legal})
		}
		if !e.Due.IsZero() {
			line("due", i18n.Args{"due": formatFull(e.Due)})
		}
		if e.Office != "" && e.Office != d.Owner || d.Guest && e.Office == d.Owner {
			line("office", i18n.Args{"office": officeIn(d, e.Office)})
		}
		if e.Learnt.Sub(e.At) > learntLate {
			line("learnt", i18n.Args{"time": v.clock(e.Learnt)})
		}
		if e.Unsure {
			line("unsure", nil)
		}
		if e.Moot && !d.Guest && moves[e.Kind] {
			step.Tone = "todo"
			line("moot", nil)
		}
		steps = append(steps, step)
	}
	return steps
}

// moves are the kinds of events of other offices that would have moved the dossier.
var moves = map[dossier.Kind]bool{dossier.SupplementAsked: true, dossier.PaymentAsked: true, dossier.Answered: true, dossier.Finished: true}

// officeIn is the name of an office as the dossier has it, else its code.
func officeIn(d dossier.Dossier, code string) string {
	if code == d.Owner {
		return d.OwnerName
	}
	for _, t := range d.Transfers {
		switch {
		case t.To == code && t.ToName != "":
			return t.ToName
		case t.From == code && t.FromName != "":
			return t.FromName
		}
	}
	return code
}

var transferTone = map[dossier.TransferState]string{dossier.Sending: "grey", dossier.Delivered: "blue", dossier.Taken: "blue", dossier.Back: "red", dossier.Ended: "grey", dossier.Given: "green"}

// dossierTransfers are the hand-overs, the newest first.
func (v *visit) dossierTransfers(d dossier.Dossier) (list []TransferView) {
	for _, t := range slices.Backward(d.Transfers) {
		key, other := "web.dossier.to", t.ToName
		if t.Incoming {
			key, other = "web.dossier.from", t.FromName
		}
		view := TransferView{Title: v.t(key, i18n.Args{"task": v.t("web.dossier.task." + string(t.Task)), "office": other}), State: Tag{v.t("web.dossier.hand." + string(t.State)), transferTone[t.State]}}
		line := func(key, who string, at time.Time) {
			if !at.IsZero() {
				view.Lines = append(view.Lines, v.t("web.dossier.hand-line."+key, i18n.Args{"who": who, "time": formatFull(at)}))
			}
		}
		if t.Note != "" {
			view.Lines = append(view.Lines, t.Note)
		}
		if t.Outside {
			view.Lines = append(view.Lines, v.t("web.dossier.hand-outside"))
		}
		line("deadline", "", t.Deadline)
		line("sent", t.By, t.Sent)
		line("taken", t.TakenBy, t.Taken)
		line("ended", "", t.Ended)
		if t.Answer != "" {
			view.Lines = append(view.Lines, t.Answer)
		}
		if t.Result.Text != "" {
			view.Lines = append(view.Lines, t.Result.Text)
		}
		list = append(list, view)
	}
	return list
}
