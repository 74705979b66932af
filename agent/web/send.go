package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/web/page"
	"tram/storage"
)

// SendView is the form for a new document.
type SendView struct {
	Page
	Once       string // names this filling-in of the form; a second press sends nothing twice
	To         string // codes, separated by commas
	Recipients []office.Party
	Subject    string
	Urgency    int
	Urgencies  []Option
	Type       string
	Types      []Option
	Number     string
	Notation   string
	Date       string
	Signer     string
	Position   string
	Declared   bool
	Guarded    bool // a word looked like a secrecy mark: ask once more
	Cleared    bool
	More       bool // the optional fields are open
	From       string
	Kept       []KeptFile
	Signed     []KeptFile // from the signing page
	Draft      string     // its name, also before it is saved
	DraftFiles []KeptFile
	Drafts     []DraftView // the others of this person
	SavedAt    string      // said of a draft that was loaded
	Scans      []ScanView
	ScanFault  string    // why there are none
	Taken      []string  // chosen scans
	Preset     []string  // values that nobody typed, as name=value
	Proposed   []string  // values read from a file, as name=value
	ReadFrom   string    // the name of that file
	Change     *Changing // of a document that replaces or updates another one
	Reply      *Replying // of one that answers
	Dossier    *Drafting // of one that is drafted for a one-stop dossier
	MaxReason  int
	ChooseNew  bool // files were sent along and must be chosen again
	MaxSize    string
	MaxBytes   int64
	MaxSubject int
}

// KeptFile is a file of the document that is being sent again, or one that was
// signed before.
type KeptFile struct {
	ID         string // of a signed one
	Index      int
	Name, Size string
	Kept       bool
}

// Limits of the form; the Office has its own.
const (
	maxSubject = 500 // characters
	maxCodes   = 4000
)

// documentTypes are the types of NĐ 30/2020 that carry an abbreviation, and
// công văn first, in the decree's order. They are legal terms and stay
// Vietnamese in both languages.
var documentTypes = []Option{
	{Value: "CV", Text: "Công văn"},
	{Value: "NQ", Text: "Nghị quyết (cá biệt)"}, {Value: "QĐ", Text: "Quyết định (cá biệt)"},
	{Value: "CT", Text: "Chỉ thị"}, {Value: "QC", Text: "Quy chế"}, {Value: "QyĐ", Text: "Quy định"},
	{Value: "TC", Text: "Thông cáo"}, {Value: "TB", Text: "Thông báo"}, {Value: "HD", Text: "Hướng dẫn"},
	{Value: "CTr", Text: "Chương trình"}, {Value: "KH", Text: "Kế hoạch"}, {Value: "PA", Text: "Phương án"},
	{Value: "ĐA", Text: "Đề án"}, {Value: "DA", Text: "Dự án"}, {Value: "BC", Text: "Báo cáo"},
	{Value: "BB", Text: "Biên bản"}, {Value: "TTr", Text: "Tờ trình"}, {Value: "HĐ", Text: "Hợp đồng"},
	{Value: "CĐ", Text: "Công điện"}, {Value: "BGN", Text: "Bản ghi nhớ"}, {Value: "BTT", Text: "Bản thỏa thuận"},
	{Value: "GUQ", Text: "Giấy ủy quyền"}, {Value: "GM", Text: "Giấy mời"}, {Value: "GGT", Text: "Giấy giới thiệu"},
	{Value: "GNP", Text: "Giấy nghỉ phép"}, {Value: "PG", Text: "Phiếu gửi"}, {Value: "PC", Text: "Phiếu chuyển"},
	{Value: "PB", Text: "Phiếu báo"},
}

func (s *site) sendForm(ctx context.Context, v *visit) error {
	view := SendView{Type: "CV", Date: formatDay(v.now), Once: rand.Text()}
	view.Preset = []string{"type=" + view.Type, "date=" + view.Date, "urgency=0"}
	if id := v.r.URL.Query().Get("nhap"); id != "" {
		if err := s.loadDraft(ctx, v, id, &view); err != nil {
			return err
		}
		return s.showSend(ctx, v, view, nil, http.StatusOK)
	}
	view.To = strings.Join(splitCodes(v.r.URL.Query().Get("den")), ", ")
	if from := v.r.URL.Query().Get("tu"); from != "" {
		if err := s.again(ctx, from, &view); err != nil {
			return err
		}
	}
	if err := s.changing(ctx, v, &view); err != nil {
		return err
	}
	if err := errors.Join(s.replying(ctx, v, &view), s.drafting(ctx, v, v.r.URL.Query().Get("ho-so"), &view)); err != nil {
		return err
	}
	s.addSigned(v, &view, v.r.URL.Query()["ky"])
	return s.showSend(ctx, v, view, nil, http.StatusOK)
}

// again fills the form from a document that came back. Number and date are
// left to be new.
func (s *site) again(ctx context.Context, from string, view *SendView) error {
	d, err := s.named(ctx, office.Out, from)
	if err != nil {
		return err
	}
	var codes []string
	for _, r := range d.To {
		if len(d.To) == 1 || r.State == office.Returned || r.State == office.Failed {
			codes = append(codes, r.Code)
		}
	}
	view.To, view.Subject, view.Urgency, view.Type = strings.Join(codes, ", "), d.Subject, int(d.Urgency), d.Type
	view.From = from
	for _, a := range d.Attachments {
		view.Kept = append(view.Kept, KeptFile{Index: a.Index, Name: a.Name, Size: strconv.FormatInt(a.Size, 10), Kept: true})
	}
	return nil
}

func (s *site) showSend(ctx context.Context, v *visit, view SendView, errs []FieldError, status int) error {
	chosen := func(o []Option, value string) []Option {
		o = slices.Clone(o)
		for i := range o {
			o[i].Chosen = o[i].Value == value
		}
		return o
	}
	view.Page = s.page(ctx, v, v.t("web.send.title"), "/gui")
	view.setErrors(v, errs)
	view.Path, view.Scripts = "/gui", s.some("upload.js")
	if view.SavedAt != "" {
		view.Path += "?nhap=" + view.Draft
	} else if c := view.Change; c != nil {
		view.Path += "?" + c.Kind + "=" + c.ID
	} else if view.Reply != nil {
		view.Path += "?tra-loi=" + view.Reply.ID
	} else if view.Dossier != nil {
		view.Path += "?ho-so=" + view.Dossier.ID
	}
	view.Types = chosen(documentTypes, view.Type)
	for n := range 4 {
		view.Urgencies = append(view.Urgencies, Option{strconv.Itoa(n), v.t("urgency." + strconv.Itoa(n)), n == view.Urgency})
	}
	for i, k := range view.Kept {
		if n, err := strconv.ParseInt(k.Size, 10, 64); err == nil {
			view.Kept[i].Size = formatSize(v.lang, n)
		}
	}
	for _, code := range splitCodes(view.To) {
		if p, err := s.Directory.Lookup(ctx, code); err == nil {
			view.Recipients = append(view.Recipients, p)
		}
	}
	view.More = view.Number+view.Notation+view.Signer+view.Position != ""
	for _, f := range []string{"number", "notation", "date", "signer", "position"} {
		view.More = view.More || view.ErrorOf(f) != ""
	}
	view.MaxBytes, view.MaxSize, view.MaxSubject = s.Config.MaxUpload, formatSize(v.lang, s.Config.MaxFile), maxSubject
	view.MaxReason = maxReason
	if err := s.composing(ctx, v, &view); err != nil {
		return err
	}
	return s.render(v, "send", view, status)
}

func (s *site) send(ctx context.Context, v *visit) error {
	up, err := s.receive(v)
	defer up.remove(s.Logger)
	if err != nil {
		return s.uploadFailed(ctx, v, up, err)
	}
	view := sendView(up)
	if view.From != "" {
		if err := s.keep(ctx, up, &view); err != nil {
			return err
		}
	}
	if err := errors.Join(s.changed(ctx, v, up, &view), s.replied(ctx, v, up, &view), s.drafting(ctx, v, up.field("dossier"), &view)); err != nil {
		return err
	}
	s.addSigned(v, &view, up.fields["signed"])
	if err := s.composed(ctx, v, up, &view); err != nil {
		return err
	}
	draft, errs := s.draft(ctx, v, view, up)
	if errs != nil {
		return s.showSend(ctx, v, view, errs, http.StatusUnprocessableEntity)
	}
	turn, first := s.turns.begin(v.session.Ref + view.Once)
	if !first {
		if id, sent := turn.wait(ctx); sent {
			v.redirect("/van-ban-di/" + id.String() + "?xong=1")
			return nil
		}
	}
	d, err := s.Office.Send(ctx, draft)
	turn.end(d.ID, err == nil)
	if err != nil {
		return s.sendFailed(ctx, v, view, err)
	}
	for _, k := range view.Signed {
		s.signing.Drop(v.session.User.Name, k.ID)
	}
	s.sent(ctx, v, view)
	v.redirect(boxPath(d) + "?xong=1")
	return nil
}

// sendFailed shows the form again with what the Office found.
func (s *site) sendFailed(ctx context.Context, v *visit, view SendView, err error) error {
	status, secret := s.notKept("send document", err)
	view.Guarded = view.Guarded || secret
	view.Once = rand.Text()
	return s.showSend(ctx, v, view, v.fieldErrors(err), status)
}

// notKept tells the status of a form whose document the Office did not keep, and
// whether a word of it looked like the mark of a secret.
func (s *site) notKept(what string, err error) (status int, secret bool) {
	status = http.StatusUnprocessableEntity
	for _, p := range problems(err) {
		switch p.Class {
		case problem.Failed:
			s.Logger.Error(what, "error", err)
			status = http.StatusInternalServerError
		case problem.Full:
			status = http.StatusInsufficientStorage
		}
		secret = secret || strings.HasPrefix(p.Code, "send.secret")
	}
	return status, secret
}

// sendView reads the fields back, so that nothing typed is lost.
func sendView(up *upload) SendView {
	f := up.field
	view := SendView{Once: f("once"), To: f("to"), Subject: f("subject"), Type: f("type"), Number: f("number"),
		Notation: f("notation"), Date: f("date"), Signer: f("signer"), Position: f("position"),
		Declared: f("declare") != "", Cleared: f("cleared") != "", Guarded: f("cleared") != "", From: f("from"), ChooseNew: len(up.files) > 0,
		Preset: up.fields["preset"], Proposed: up.fields["proposed"], ReadFrom: f("readfrom")}
	if view.Once == "" {
		view.Once = rand.Text()
	}
	if n, err := strconv.Atoi(f("urgency")); err == nil && n >= 0 && n <= int(office.HoaToc) {
		view.Urgency = n
	}
	return view
}

// keep lists the files of the earlier document and which of them stay.
func (s *site) keep(ctx context.Context, up *upload, view *SendView) error {
	typed := *view
	if err := s.again(ctx, view.From, view); err != nil {
		return err
	}
	kept := view.Kept
	*view = typed
	view.Kept = kept
	for i := range view.Kept {
		view.Kept[i].Kept = slices.Contains(up.fields["keep"], strconv.Itoa(view.Kept[i].Index))
	}
	return nil
}

// draft checks what a form alone can know and makes the draft; the Office
// checks the rest.
func (s *site) draft(ctx context.Context, v *visit, view SendView, up *upload) (office.Draft, []FieldError) {
	var errs []FieldError
	wrong := func(field, key string, args ...i18n.Args) {
		errs = append(errs, FieldError{field, v.t(key, args...)})
	}
	d := office.Draft{Subject: view.Subject, Urgency: office.Urgency(view.Urgency), Type: view.Type,
		Number: view.Number, Notation: view.Notation, Signer: view.Signer, Position: view.Position,
		Cleared: view.Cleared, By: v.session.User.Name}
	for _, k := range view.Kept {
		if k.Kept {
			d.Files = append(d.Files, s.keptUpload(ctx, uuid.MustParse(view.From), k))
		}
	}
	for _, k := range view.Signed {
		d.Files = append(d.Files, s.signedUpload(v, k))
	}
	d.Files = append(d.Files, s.composedFiles(ctx, v, view)...)
	for _, f := range up.files {
		if f.size == 0 {
			wrong("files", "web.send.empty-file", i18n.Args{"name": f.name})
		}
		d.Files = append(d.Files, f.upload())
	}
	if len(d.Files) == 0 {
		wrong("files", "web.send.no-file")
	}
	d.To = splitCodes(view.To)
	view.Change.draft(&d)
	s.replyDraft(v, view.Reply, &d)
	s.dossierDraft(v, view.Dossier, &d)
	if view.Change != nil && view.Change.Reason == "" {
		wrong("change_reason", "web.change.no-reason")
	}
	if len(d.To) == 0 {
		wrong("to", "web.send.no-recipient")
	}
	for _, code := range d.To {
		if _, err := s.Directory.Lookup(ctx, code); err != nil {
			wrong("to", "web.send.unknown-recipient", i18n.Args{"code": code})
		}
	}
	switch n := utf8.RuneCountInString(view.Subject); {
	case n == 0:
		wrong("subject", "web.send.no-subject")
	case n > maxSubject:
		wrong("subject", "web.send.long-subject", i18n.Args{"max": maxSubject, "n": n})
	}
	if view.Date != "" {
		date, ok := parseDate(view.Date)
		if !ok {
			wrong("date", "web.send.bad-date")
		}
		d.Date = date
	}
	if !view.Declared {
		wrong("declare", "web.send.not-declared")
	}
	return d, errs
}

func (s *site) keptUpload(ctx context.Context, id storage.ID, k KeptFile) office.Upload {
	return office.Upload{Name: k.Name, Body: &lazyReader{open: func() (io.ReadCloser, error) {
		_, r, err := s.Office.Open(ctx, id, k.Index)
		return r, err
	}}}
}

// uploadFailed shows the form again when the form itself could not be read.
func (s *site) uploadFailed(ctx context.Context, v *visit, up *upload, err error) error {
	p := problem.From(err)
	if p.Class == problem.Failed {
		return fmt.Errorf("receive upload: %w", err)
	}
	view := sendView(up)
	if view.From != "" {
		if err := s.keep(ctx, up, &view); err != nil {
			return err
		}
	}
	if err := errors.Join(s.changed(ctx, v, up, &view), s.replied(ctx, v, up, &view), s.drafting(ctx, v, up.field("dossier"), &view)); err != nil {
		return err
	}
	if err := s.composed(ctx, v, up, &view); err != nil {
		return err
	}
	v.w.Header().Set("Connection", "close") // the rest of the body is not read
	return s.showSend(ctx, v, view, v.fieldErrors(err), statusOf(p))
}

// splitCodes reads codes separated by commas, semicolons or white space, each
// once.
func splitCodes(text string) []string {
	parts := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(",; \t\r\n", r) })
	var codes []string
	for _, p := range parts {
		same := func(c string) bool { return strings.EqualFold(c, p) }
		if !slices.ContainsFunc(codes, same) && len(codes) < maxCodes {
			codes = append(codes, p)
		}
	}
	return codes
}

// formField maps the field names of problems to the ids of inputs; what is
// not in the form belongs to the page as a whole.
func formField(field string) string {
	switch field {
	case "to", "subject", "files", "type", "number", "notation", "date", "signer", "position", "reason", "name", "password", "declare", "display", "role", "change_reason", "refusal", "group", "arrived", "code", "from", "copies":
		return field
	case "urgency":
		return "urgency-0"
	case "classification":
		return "declare"
	case "file", "attachments", "attachment":
		return "files"
	case "recipient", "recipients", "removed":
		return "to"
	}
	return "main"
}

// problems lists what is inside err, one problem at least.
func problems(err error) problem.List { return page.Problems(err) }
