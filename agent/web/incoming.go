package web

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"tram/agent/httpd"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/register"
	"tram/agent/web/account"
	"tram/storage"
)

// DocumentView is one incoming document beside its file.
type DocumentView struct {
	Page
	Base      string // address of this document
	Subject   string
	Urgent    Urgent
	State     Tag
	Done      string // confirmation of what was just done
	Answered  string // what was done with it, and when
	Recalled  string // said of a document that was cancelled
	Order     *OrderView
	Links     []LinkView
	Carried   *CarriedView
	Handling  *HandlingView // nil before it was accepted
	Twins     []TwinView
	OnPaper   bool
	Stamp     string // address of the ĐẾN stamp, "" without a number
	Facts     []Fact
	Files     []FileView
	Shown     *FileView
	Trust     Trust
	Outside   bool // it comes from outside of Trạm and has no seal
	Intact    bool // every file came as it was sent
	Steps     []Step
	CanAnswer bool
	Signed    []CheckPart // attachments with signatures
	Unsigned  string      // names the others that were looked at
	Unchecked bool        // the attachments were not looked at
	MayAccept bool        // the verdicts allow it
	Unsure    bool        // accepting needs a tick that the signer was asked
	WhyFirst  string      // address of the explanation that has to be opened before
	Knowing   string      // label of the reason that accepting needs, "" for none
	Seen      bool        // the explanation was opened
	MayCheck  bool        // again
	Accepting string      // the reason as it was typed
	Reason    string
	Returning bool // the form for returning is open
	MaxReason int
	Filing    *Filing
}

// FileView is an attachment.
type FileView struct {
	Index          int
	Name, Size     string
	SHA256         string
	Href           string // shows it in the page
	Save           string // saves it
	Frame          string // address for the frame, "" when it is not shown
	Notice         string // why it is not shown
	Current, Image bool
}

// maxReason bounds the reason of a return, characters.
const maxReason = 500

func (s *site) incomingOne(ctx context.Context, v *visit) error {
	d, err := s.document(ctx, v, office.In)
	if err != nil {
		return err
	}
	return s.showIncoming(ctx, v, d, nil, "", http.StatusOK)
}

// document reads the document that the address names, in the right box.
func (s *site) document(ctx context.Context, v *visit, box office.Box) (office.Document, error) {
	return s.named(ctx, box, v.r.PathValue("id"))
}

// named reads a document of a box by its ID.
func (s *site) named(ctx context.Context, box office.Box, text string) (office.Document, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return office.Document{}, problem.New(problem.NotFound, "web.no-document", "", nil)
	}
	d, err := s.Office.Get(ctx, id)
	if err != nil {
		return office.Document{}, fmt.Errorf("get document: %w", err)
	}
	if d.Box != box {
		return office.Document{}, problem.New(problem.NotFound, "web.no-document", "", nil)
	}
	return d, nil
}

func (s *site) showIncoming(ctx context.Context, v *visit, d office.Document, errs []FieldError, reason string, status int) error {
	title := d.Subject
	if d.Urgency == office.HoaToc {
		title = v.t("web.title.express", i18n.Args{"title": title})
	}
	view := DocumentView{Page: s.page(ctx, v, title, "/van-ban-den"), Base: boxPath(d), Subject: d.Subject,
		Urgent: v.urgent(d.Urgency), State: v.incomingTag(d), Facts: v.facts(d), Trust: v.trustOf(d),
		Steps: v.incomingSteps(d), CanAnswer: v.may(account.Answer) && d.State == office.Arrived,
		Returning: len(errs) > 0 && errs[0].Field == "reason", Reason: reason, MaxReason: maxReason}
	var err error
	if view.CanRead, err = s.mayRead(ctx, v, d); err != nil {
		return err
	}
	if view.Handling, err = s.handlingOf(ctx, v, d, view.CanRead, errs); err != nil {
		return err
	}
	if view.Carried, err = s.carried(ctx, v, d); err != nil {
		return err
	}
	view.Styles = s.some("handling.css")
	view.setErrors(v, errs)
	view.Links, view.Recalled, view.Twins, view.OnPaper = v.links(d), v.recalled(d), v.twins(d), d.Medium == office.Paper
	if d.Arrival > 0 && v.may(account.Answer) {
		view.Stamp = view.Base + "/dau-den"
	}
	view.Filing = s.filing(ctx, v, d.ID)
	if refusing := len(errs) > 0 && errs[0].Field == "refusal"; refusing {
		view.Reason, view.Order = "", v.order(d, reason, true)
	} else {
		view.Order = v.order(d, "", false)
	}
	if d.State == office.Recalled {
		d.Attachments, d.Checks = nil, nil // their content is gone
	}
	// A document that was refused on arrival has a record but no files.
	view.Intact = len(d.Attachments) > 0 && d.Origin == nil && !view.OnPaper
	view.Outside = d.Origin != nil
	if !view.OnPaper {
		if err := s.signatures(ctx, v, d, &view); err != nil {
			return err
		}
	}
	view.Path = view.Base
	if d.State == office.Accepted || d.State == office.Returned {
		view.Answered = v.answered(d)
		if v.r.URL.Query().Get("xong") != "" {
			view.Done = view.Answered
		}
	}
	if view.CanRead {
		if err := s.files(ctx, v, d, &view); err != nil {
			return err
		}
	}
	return s.render(v, "document", view, status)
}

// answered words the office's own answer with its time.
func (v *visit) answered(d office.Document) string {
	args := i18n.Args{"n": d.Arrival, "time": "", "reason": d.ReasonIn(v.lang)}
	for _, e := range d.Events {
		if e.Step == d.State && args["time"] == "" { // later events of the step are statuses and remarks
			args["time"] = v.clock(e.At)
		}
	}
	switch {
	case d.State == office.Returned:
		return v.t("web.in.done-returned", args)
	case d.Medium == office.Paper:
		return v.t("web.paper.done-in", i18n.Args{"number": register.Number(d.Arrival)}) + " " + v.t("web.paper.nobody-told")
	case d.Arrival > 0:
		return v.t("web.in.done-accepted-number", args)
	}
	return v.t("web.in.done-accepted", args)
}

// files lists the attachments and says how the chosen one can be shown.
func (s *site) files(ctx context.Context, v *visit, d office.Document, view *DocumentView) error {
	chosen := firstShown(d.Attachments)
	if n, err := strconv.Atoi(v.r.URL.Query().Get("tep")); err == nil {
		chosen = n
	}
	for _, a := range d.Attachments {
		f := FileView{Index: a.Index, Name: a.Name, Size: formatSize(v.lang, a.Size), SHA256: a.SHA256,
			Href: fmt.Sprintf("%s?tep=%d", view.Base, a.Index), Save: fmt.Sprintf("%s/tep/%d?tai=1", view.Base, a.Index),
			Current: a.Index == chosen}
		view.Files = append(view.Files, f)
	}
	for i := range view.Files {
		f := &view.Files[i]
		if !f.Current {
			continue
		}
		look, err := s.Documents.Look(ctx, d.ID, f.Index)
		if err != nil {
			return fmt.Errorf("look at attachment %d: %w", f.Index, err)
		}
		switch look {
		case httpd.Inline:
			f.Frame = fmt.Sprintf("%s/tep/%d", view.Base, f.Index)
		case httpd.Active:
			f.Notice = v.t("web.file.active")
		default:
			f.Notice = v.t("web.file.not-shown")
		}
		view.Shown = f
	}
	return nil
}

// firstShown prefers the first PDF: it is the document itself.
func firstShown(files []office.Attachment) int {
	for _, a := range files {
		if strings.HasSuffix(strings.ToLower(a.Name), ".pdf") {
			return a.Index
		}
	}
	return 0
}

func (v *visit) facts(d office.Document) []Fact {
	all := []Fact{
		{v.t("web.fact.from"), joinDots(d.From.Name, d.From.Code)},
		{v.t("web.fact.symbol"), symbol(d)},
		{v.t("web.fact.date"), formatDocDate(d.Date)},
		{v.t("web.fact.type"), d.TypeName},
		{v.t("web.fact.received"), formatFull(d.Created)},
		{v.t("web.fact.size"), formatSize(v.lang, d.Size)},
		{v.t("web.fact.id"), d.EdXMLID},
		{v.t("web.accept.recorded"), d.TrustReason},
	}
	if d.Box == office.Out {
		all[0] = Fact{v.t("web.fact.to"), v.recipientsShort(d)}
		all[4].Name = v.t("web.fact.saved")
	}
	if d.Medium == office.Paper {
		all[4].Name = v.t("web.paper.booked")
		if len(d.Attachments) == 0 {
			all[5].Value = ""
		}
		all = append(all, v.paperFacts(d)...)
	}
	kept := all[:0]
	for _, f := range all {
		if f.Value != "" {
			kept = append(kept, f)
		}
	}
	return kept
}

// file leads to a fresh address of the document origin.
func (s *site) file(_ context.Context, v *visit) error {
	id, err := uuid.Parse(v.r.PathValue("id"))
	index, err2 := strconv.Atoi(v.r.PathValue("index"))
	if err != nil || err2 != nil {
		return problem.New(problem.NotFound, "web.no-document", "", nil)
	}
	v.redirect(s.Documents.URL(v.r, v.session.Ref, id, index, v.r.URL.Query().Get("tai") != ""))
	return nil
}

func (s *site) sendBack(ctx context.Context, v *visit) error {
	d, err := s.document(ctx, v, office.In)
	if err != nil {
		return err
	}
	reason := strings.TrimSpace(v.r.PostFormValue("reason"))
	problemText := ""
	switch {
	case reason == "":
		problemText = v.t("web.in.no-reason")
	case utf8.RuneCountInString(reason) > maxReason:
		problemText = v.t("web.in.long-reason", i18n.Args{"max": maxReason})
	}
	if problemText != "" {
		return s.showIncoming(ctx, v, d, []FieldError{{"reason", problemText}}, reason, http.StatusUnprocessableEntity)
	}
	if _, err := s.Office.Return(ctx, d.ID, reason, v.session.User.Name); err != nil {
		return s.answerFailed(ctx, v, d.ID, reason, err)
	}
	v.redirect(boxPath(d) + "?xong=1")
	return nil
}

// answerFailed shows the document as it is now with what went wrong: the
// other clerk may have answered in the meantime.
func (s *site) answerFailed(ctx context.Context, v *visit, id storage.ID, reason string, err error) error {
	p := problem.From(err)
	if p.Class == problem.Failed {
		return fmt.Errorf("answer document: %w", err)
	}
	d, getErr := s.Office.Get(ctx, id)
	if getErr != nil {
		return fmt.Errorf("get document: %w", getErr)
	}
	errs := v.fieldErrors(err)
	for i := range errs {
		if errs[i].Field != "reason" && errs[i].Field != "refusal" {
			errs[i].Field = "main"
		}
	}
	return s.showIncoming(ctx, v, d, errs, reason, statusOf(p))
}
