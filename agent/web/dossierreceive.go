package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/workdays"
)

const (
	receptionPath = dossiersPath + "/tiep-nhan"
	// chosenShown is how many procedures the page that chooses one lists.
	chosenShown = 50
	// suggested is how many the field suggests while somebody types.
	suggested = 100
)

// What becomes of what was handed in, as the address says it.
const (
	takeIn  = "tiep-nhan"
	askFor  = "bo-sung"
	turnOff = "tu-choi"
	// what the page that follows says of it
	askNew  = "bo-sung-moi"
	turnNew = "tu-choi-moi"
)

var saysDone = map[string]string{takeIn: takeIn, askFor: askNew, turnOff: turnNew}

// ChooseView chooses the procedure of a dossier.
type ChooseView struct {
	Page
	Query     string
	Suggested []string
	Rows      []ProcedureRow
	NoMatch   bool
	Carrier   string // document whose dossier it is, "" for none
	NoneYet   bool   // there is no catalogue
	More      bool   // there are more than are shown
}

// ProcedureRow is one procedure that can be chosen.
type ProcedureRow struct{ Href, Code, Name, Field, Limit string }

// ReceptionView is the form that takes a dossier in.
type ReceptionView struct {
	Page
	Once                            string
	Code, Name, Field, Legal, Limit string
	Promise                         string // date of return of what is taken in now
	Provisional                     bool
	Papers                          []PaperField
	Kinds                           []Option
	Applicant                       dossier.Applicant
	Subject, Sets                   string
	Channels, Ways                  []Option
	Fees                            []FeeField
	Day, Clock                      string // when it was handed in, "" for now
	Late                            bool   // these two are open
	Lacking                         bool   // the fields of what is missing are open
	What, Basis                     string
	ChooseNew                       bool
	MaxSize                         string
	MaxBytes                        int64
	MaxName, MaxText                int
	Carrier                         *CarrierView // document whose dossier it is, nil for none
}

// PaperField is one paper of the checklist.
type PaperField struct {
	Index, Number int // Number counts from 1, as people do
	Name, Kind    string
	Required      bool
	Has           bool
	Copies        string
}

// FeeField is one fee.
type FeeField struct {
	Index        int
	Name, Amount string
	Paid         bool
	Receipt      string
}

func (s *site) dossierChoose(ctx context.Context, v *visit) error {
	query, gone, err := s.chooseCarried(ctx, v)
	if err != nil || gone {
		return err
	}
	q := strings.TrimSpace(v.r.URL.Query().Get("q"))
	q = strings.ToValidUTF8(q[:min(len(q), maxFilter)], "")
	if word, _, _ := strings.Cut(q, " "); word != "" {
		if p, err := code.ParseProcedure(word); err == nil {
			if _, err := s.Dossiers.InForce(ctx, p, v.now); err == nil {
				v.redirect(receptionPath + "/" + p.String() + query)
				return nil
			}
		}
	}
	found, err := s.Dossiers.Procedures(ctx, q, v.now, chosenShown+1)
	if err != nil {
		return err
	}
	if q != "" && len(found) == 1 {
		v.redirect(receptionPath + "/" + found[0].Code.String() + query)
		return nil
	}
	view := ChooseView{Page: s.page(ctx, v, v.t("web.dossier.receive"), dossiersPath), Query: q, Carrier: strings.TrimPrefix(query, "?"+carrierField+"="), NoMatch: q != "" && len(found) == 0, NoneYet: q == "" && len(found) == 0}
	view.Styles = s.some("dossier.css")
	if view.More = len(found) > chosenShown; view.More {
		found = found[:chosenShown]
	}
	for _, p := range found {
		view.Rows = append(view.Rows, ProcedureRow{receptionPath + "/" + p.Code.String() + query, p.Code.String(), p.Name, p.Field.Name, v.limit(p.Limit)})
	}
	all, err := s.Dossiers.Procedures(ctx, "", v.now, suggested)
	if err != nil {
		return err
	}
	for _, p := range all {
		view.Suggested = append(view.Suggested, p.Code.String()+" "+p.Name)
	}
	return s.render(v, "dossierchoose", view, http.StatusOK)
}

// limit words the time limit of a procedure.
func (v *visit) limit(r workdays.Rule) string {
	text := v.counted("web.dossier.limit."+string(r.Unit), r.N+r.Extra)
	if r.CutOff != "" {
		text += " " + v.t("web.dossier.limit.cut-off", i18n.Args{"time": r.CutOff})
	}
	return text
}

// counted is a text about a number, which English has another one for one.
func (v *visit) counted(key string, n int) string {
	if n == 1 {
		key += ".one"
	}
	return v.t(key, i18n.Args{"n": n})
}

// procedure is the one with a code, in its version of a time.
func (s *site) procedure(ctx context.Context, text string, at time.Time) (dossier.Procedure, error) {
	p, err := code.ParseProcedure(text)
	if err != nil {
		return dossier.Procedure{}, problem.New(problem.NotFound, "web.no-page", "", nil)
	}
	return s.Dossiers.InForce(ctx, p, at)
}

func (s *site) dossierForm(ctx context.Context, v *visit) error {
	p, err := s.procedure(ctx, v.r.PathValue("procedure"), v.now)
	if err != nil {
		return err
	}
	fields := url.Values{"kind": {"1"}, "sets": {"1"}, "channel": {"1"}, "way": {string(dossier.WayDesk)}, "once": {rand.Text()}}
	for i, paper := range p.Papers {
		fields.Set(fmt.Sprintf("so-%d", i), strconv.Itoa(max(paper.Copies, 1)))
	}
	if err := s.carriedFields(ctx, v, fields); err != nil {
		return err
	}
	return s.showReception(ctx, v, p, &upload{fields: fields}, nil, http.StatusOK)
}

// showReception shows the form with what was typed.
func (s *site) showReception(ctx context.Context, v *visit, p dossier.Procedure, up *upload, errs []FieldError, status int) error {
	f := up.field
	view := ReceptionView{Page: s.page(ctx, v, joinDots(v.t("web.dossier.receive"), p.Name), dossiersPath), Once: f("once"),
		Code: p.Code.String(), Name: p.Name, Field: p.Field.Name, Legal: p.Legal, Limit: v.limit(p.Limit), Applicant: typedApplicant(up), Subject: f("subject"), Sets: f("sets"),
		Day: f("day"), Clock: f("clock"), What: f("what"), Basis: f("legal"), ChooseNew: len(up.files) > 0,
		MaxSize: formatSize(v.lang, dossier.MaxFile), MaxBytes: s.Config.MaxUpload, MaxName: dossier.MaxName, MaxText: dossier.MaxText}
	view.setErrors(v, errs)
	var err error
	if view.Carrier, err = s.carrierView(ctx, v, f(carrierField)); err != nil {
		return err
	}
	view.Path, view.Scripts, view.Styles = receptionPath+"/"+view.Code, s.some("upload.js"), s.some("dossier.css")
	if view.Once == "" || len(errs) > 0 {
		view.Once = rand.Text()
	}
	if due, err := workdays.Due(s.Dossiers.Calendar(), p.Limit, v.now); err == nil {
		view.Promise, view.Provisional = v.dueTime(due.At, s.Dossiers.Unsure()), due.Provisional || due.Uncovered
	}
	missing := v.lacking(p, up)
	for i, paper := range p.Papers {
		view.Papers = append(view.Papers, PaperField{Index: i, Number: i + 1, Name: paper.Name, Kind: v.t("web.dossier.paper." + string(paper.Kind)), Required: paper.Required,
			Has: f(fmt.Sprintf("giay-%d", i)) != "", Copies: f(fmt.Sprintf("so-%d", i))})
		view.Lacking = view.Lacking || view.ErrorOf(fmt.Sprintf("copies-%d", i)) != ""
	}
	if view.Lacking && view.What == "" {
		view.What = missing
	}
	view.Lacking = view.Lacking || view.What != "" || view.Basis != "" || view.ErrorOf("what") != ""
	view.Late = view.Day+view.Clock != "" || view.ErrorOf("day") != ""
	for i, fee := range p.Fees {
		view.Fees = append(view.Fees, FeeField{i, fee.Name, formatMoney(fee.Amount), f(fmt.Sprintf("phi-%d", i)) != "", f(fmt.Sprintf("bien-lai-%d", i))})
	}
	for n := dossier.Citizen; n <= dossier.Organisation; n++ {
		value := strconv.Itoa(int(n))
		view.Kinds = append(view.Kinds, Option{value, v.t("web.dossier.kind." + value), value == f("kind")})
	}
	channel, _ := strconv.Atoi(f("channel")) // 0 is none
	view.Channels, view.Ways = v.channelOptions(dossier.Channel(channel)), v.wayOptions(dossier.Way(f("way")))
	return s.render(v, "dossierreceive", view, status)
}

func (v *visit) wayOptions(chosen dossier.Way) (list []Option) {
	for _, w := range []dossier.Way{dossier.WayDesk, dossier.WayPost, dossier.WayOnline} {
		list = append(list, Option{string(w), v.t("web.dossier.way." + string(w)), w == chosen})
	}
	return list
}

// lacking names the required papers that are not ticked, for the request to the
// applicant; what applicants get is Vietnamese.
func (v *visit) lacking(p dossier.Procedure, up *upload) string {
	var lines []string
	for i, paper := range p.Papers {
		if paper.Required && up.field(fmt.Sprintf("giay-%d", i)) == "" {
			lines = append(lines, missingLine(paper))
		}
	}
	return strings.Join(lines, "\n")
}

func missingLine(p dossier.Paper) string {
	return i18n.T(i18n.Vietnamese, "web.dossier.missing-line", i18n.Args{"name": p.Name, "kind": i18n.T(i18n.Vietnamese, "web.dossier.paper."+string(p.Kind)), "n": max(p.Copies, 1)})
}

func typedApplicant(up *upload) dossier.Applicant {
	f := up.field
	kind, _ := strconv.Atoi(f("kind")) // 0 is none
	return dossier.Applicant{Kind: dossier.ApplicantKind(kind), Name: f("name"), Number: f("number"), Address: f("address"), Phone: f("phone"), Email: f("email"), Agent: f("agent")}
}

// dossierReceive takes a dossier in, or asks for what is missing, or turns it away.
func (s *site) dossierReceive(what string) handler {
	return func(ctx context.Context, v *visit) error {
		up, err := s.receiveWithin(v, min(s.Config.MaxFile, dossier.MaxFile), s.Config.MaxUpload)
		defer up.remove(s.Logger)
		if err != nil && problem.From(err).Class == problem.Failed {
			return fmt.Errorf("receive upload: %w", err)
		}
		at, wrong := v.handedIn(up)
		p, noProcedure := s.procedure(ctx, up.field("procedure"), at)
		if noProcedure != nil {
			return errors.Join(err, noProcedure)
		}
		if err != nil {
			v.w.Header().Set("Connection", "close") // the rest of the body is not read
			return s.showReception(ctx, v, p, up, v.dossierErrors(err), statusOf(problem.From(err)))
		}
		f, errs := v.filing(p, up)
		if errs = append(wrong, errs...); len(errs) > 0 {
			return s.showReception(ctx, v, p, up, errs, http.StatusUnprocessableEntity)
		}
		if !at.Equal(v.now) {
			f.At = at
		}
		turn, first := s.turns.begin(v.session.Ref + up.field("once"))
		if !first {
			if id, saved := turn.wait(ctx); saved {
				v.redirect(dossierPath(id))
				return nil
			}
		}
		d, err := s.takenIn(ctx, v, up, f, what)
		turn.end(d.ID, err == nil)
		if err != nil {
			if !mended(err) {
				return err
			}
			return s.showReception(ctx, v, p, up, v.dossierErrors(err), statusOf(problems(err)[0]))
		}
		v.redirect(dossierPath(d.ID) + "?xong=" + saysDone[what])
		return nil
	}
}

func (s *site) takenIn(ctx context.Context, v *visit, up *upload, f dossier.Filing, what string) (dossier.Dossier, error) {
	by := v.dossierActor()
	if id := up.field(carrierField); id != "" {
		return s.takeCarried(ctx, v, id, f)
	}
	switch what {
	case askFor:
		return s.Dossiers.ReceiveLacking(ctx, f, up.field("what"), up.field("legal"), by)
	case turnOff:
		return s.Dossiers.TurnAway(ctx, f, up.field("what"), up.field("legal"), by)
	}
	return s.Dossiers.Receive(ctx, f, by)
}

// handedIn is when it was handed in: now, unless an earlier day and time were typed.
func (v *visit) handedIn(up *upload) (time.Time, []FieldError) {
	day, hour := up.field("day"), up.field("clock")
	if day == "" && hour == "" {
		return v.now, nil
	}
	date, ok := typedDay(day)
	if day == "" {
		date, ok = typedDay(formatDay(v.now))
	}
	t, err := time.Parse("15:04", strings.NewReplacer("h", ":", "g", ":", ".", ":", " ", "").Replace(hour))
	if !ok || err != nil {
		return v.now, []FieldError{{"day", v.t("web.dossier.bad-time")}}
	}
	return date.Add(time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute), nil
}

// filing reads what was handed in.
func (v *visit) filing(p dossier.Procedure, up *upload) (f dossier.Filing, errs []FieldError) {
	channel, _ := strconv.Atoi(up.field("channel")) // 0 is refused
	f = dossier.Filing{Procedure: p.Code, Subject: up.field("subject"), Applicant: typedApplicant(up), Channel: dossier.Channel(channel), Way: dossier.Way(up.field("way"))}
	var err error
	if f.Sets, err = strconv.Atoi(up.field("sets")); err != nil || f.Sets < 1 {
		errs = append(errs, FieldError{"sets", v.t("web.dossier.bad-number", i18n.Args{"text": up.field("sets")})})
	}
	f.Copies, errs = v.copies(len(p.Papers), up, errs)
	for i := range p.Fees {
		if receipt := up.field(fmt.Sprintf("bien-lai-%d", i)); receipt != "" || up.field(fmt.Sprintf("phi-%d", i)) != "" {
			f.Paid = append(f.Paid, dossier.Payment{Fee: i, Receipt: receipt})
		}
	}
	f.Files = dossierUploads(up, len(p.Papers))
	return f, errs
}

// copies reads the checklist: how many of each paper there are.
func (v *visit) copies(papers int, up *upload, errs []FieldError) ([]int, []FieldError) {
	list := make([]int, papers)
	for i := range list {
		if up.field(fmt.Sprintf("giay-%d", i)) == "" {
			continue
		}
		text := up.field(fmt.Sprintf("so-%d", i))
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > dossier.MaxCopies {
			errs = append(errs, FieldError{fmt.Sprintf("copies-%d", i), v.t("web.dossier.bad-number", i18n.Args{"text": text})})
		}
		list[i] = n
	}
	return list, errs
}

// dossierUploads are the files of a form. One whose name begins with the number of a
// paper in the list belongs to it, and all belong to the only one there is.
func dossierUploads(up *upload, papers int) (list []dossier.Upload) {
	for _, f := range up.files {
		paper := -1
		digits := len(f.name) - len(strings.TrimLeft(f.name, "0123456789"))
		if n, err := strconv.Atoi(f.name[:digits]); err == nil && digits <= 2 && n >= 1 && n <= papers {
			paper = n - 1
		} else if papers == 1 {
			paper = 0
		}
		list = append(list, dossier.Upload{Role: dossier.RolePaper, Paper: paper, Name: f.name, Media: office.MediaType(f.name),
			Body: &lazyReader{open: func() (io.ReadCloser, error) { return os.Open(f.path) }}})
	}
	return list
}

// dossierErrors are problems at the fields of the form.
func (v *visit) dossierErrors(err error) (errs []FieldError) {
	for _, p := range problems(err) {
		errs = append(errs, FieldError{dossierField(p.Field), v.whole(p)})
	}
	return errs
}

// dossierField is the id of the input for the field of a problem.
func dossierField(field string) string {
	switch field {
	case "":
		return "main"
	case "text":
		return "what"
	case "at":
		return "day"
	case "copies":
		return "copies-0"
	case "procedure", "code", "reference":
		return "main"
	}
	if rest, ok := strings.CutPrefix(field, "applicant."); ok {
		return rest
	}
	return strings.NewReplacer("[", "-", "]", "").Replace(field)
}

// formatMoney is an amount in đồng.
func formatMoney(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "." + text[i:]
	}
	return text + " đ"
}

// ReceptionLine is a line of the form.
type ReceptionLine struct {
	ID, Label, Value, Error string
	Max                     int
	Number, First           bool
}

// Line is a field of the form with what was typed.
func (r ReceptionView) Line(name, value string) ReceptionLine {
	return ReceptionLine{ID: name, Label: r.T("web.dossier.applicant." + name), Value: value, Error: r.ErrorOf(name), Max: r.MaxName, Number: name == "sets", First: name == "name" && len(r.Errors) == 0}
}

// OnList is one of the checklist as the template of a paper needs it.
func (r ReceptionView) OnList(p PaperField) PaperLine {
	id := fmt.Sprintf("copies-%d", p.Index)
	return PaperLine{PaperField: p, Page: r.Page, ID: id, Error: r.ErrorOf(id)}
}

// PaperLine is one paper of a checklist.
type PaperLine struct {
	PaperField
	Page
	ID, Error string
}
