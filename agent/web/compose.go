package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"tram/agent/compose"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/web/account"
)

// Composing keeps drafts, groups and scans; *compose.Store does.
type Composing interface {
	Drafts
	Groups
	Scanner
}

// Drafts keeps what a person was writing.
type Drafts interface {
	Save(ctx context.Context, owner, id string, fields url.Values) error
	AddFile(ctx context.Context, owner, id, name string, body io.Reader, limit int64) error
	Get(ctx context.Context, owner, id string) (compose.Draft, error)
	List(ctx context.Context, owner string) ([]compose.Draft, error)
	Open(ctx context.Context, owner, id, file string) (compose.File, io.ReadCloser, error)
	Keep(ctx context.Context, owner, id string, files []string) error
	Drop(ctx context.Context, owner, id string) error
}

// Groups keeps groups of recipients.
type Groups interface {
	Groups(ctx context.Context) ([]compose.Group, error)
	SaveGroup(ctx context.Context, g compose.Group, by string) error
	DropGroup(ctx context.Context, name, by string) error
}

// Scanner gives what lies in the scanner's folder.
type Scanner interface {
	Scans() ([]compose.Scan, error)
	OpenScan(id string) (compose.Scan, io.ReadCloser, error)
	ScanTaken(id string) error
}

func (s *site) composeRoutes() []route {
	return []route{
		{who: account.Send, pattern: "POST /gui/nhap", do: s.saveDraft, files: true},
		{who: account.Send, pattern: "POST /gui/nhap/{id}/xoa", do: s.dropDraft},
		{who: account.Send, pattern: "GET /nhom", do: s.groups},
		{who: account.Send, pattern: "POST /nhom", do: s.saveGroup},
		{who: account.Send, pattern: "POST /nhom/xoa", do: s.dropGroup},
	}
}

// DraftView is one draft in the list above the form.
type DraftView struct {
	ID, Href, Subject, When string
}

// ScanView is a file of the scanner.
type ScanView struct {
	ID, Name, Size, When string
	Chosen               bool
}

// draftFields are those of the form that a draft keeps.
var draftFields = []string{"to", "subject", "urgency", "type", "number", "notation", "date", "signer", "position", "from", "change", "earlier", "change_reason", "removed", "keep", "signed", "scan", "preset", "proposed", "readfrom", "dossier"}

// loadDraft fills the form from a draft that the address names.
func (s *site) loadDraft(ctx context.Context, v *visit, id string, view *SendView) error {
	d, err := s.Composing.Get(ctx, v.session.User.Name, id)
	if err != nil {
		return err
	}
	up := &upload{fields: d.Fields}
	*view = sendView(up)
	view.Draft = d.ID
	view.ChooseNew, view.Taken = false, d.Fields["scan"]
	if view.From != "" {
		if err := s.keep(ctx, up, view); err != nil {
			return err
		}
	}
	if err := errors.Join(s.changed(ctx, v, up, view), s.drafting(ctx, v, up.field("dossier"), view)); err != nil {
		return err
	}
	s.addSigned(v, view, up.fields["signed"])
	s.addDraftFiles(v, view, d, nil)
	view.SavedAt = v.t("web.draft.saved", i18n.Args{"time": v.clock(d.Saved)})
	return nil
}

// addDraftFiles shows the files of a draft. Those of dropped are not ticked.
func (s *site) addDraftFiles(v *visit, view *SendView, d compose.Draft, dropped []string) {
	for _, f := range d.Files {
		view.DraftFiles = append(view.DraftFiles, KeptFile{ID: f.ID, Name: f.Name, Size: formatSize(v.lang, f.Size), Kept: !slices.Contains(dropped, f.ID)})
	}
}

// composing adds drafts, their files and scans to a form that came back or begins.
func (s *site) composing(ctx context.Context, v *visit, view *SendView) error {
	owner := v.session.User.Name
	if view.Draft == "" {
		view.Draft = compose.NewID()
	}
	drafts, err := s.Composing.List(ctx, owner)
	if err != nil {
		return err
	}
	for _, d := range drafts {
		if d.ID == view.Draft {
			continue
		}
		subject := strings.TrimSpace(d.Fields.Get("subject"))
		if subject == "" {
			subject = v.t("web.draft.no-subject")
		}
		view.Drafts = append(view.Drafts, DraftView{ID: d.ID, Href: "/gui?nhap=" + d.ID, Subject: subject, When: v.clock(d.Saved)})
	}
	scans, err := s.Composing.Scans()
	if err != nil { // the form works without the scanner
		view.ScanFault = v.whole(problem.From(err))
		return nil
	}
	for _, c := range scans {
		view.Scans = append(view.Scans, ScanView{ID: c.ID, Name: c.Name, Size: formatSize(v.lang, c.Size), When: v.clock(c.Modified), Chosen: slices.Contains(view.Taken, c.ID)})
	}
	return nil
}

// composed reads back which files of the draft and of the scanner are to go.
func (s *site) composed(ctx context.Context, v *visit, up *upload, view *SendView) error {
	view.Draft, view.Taken = up.field("draft"), up.fields["scan"]
	d, err := s.Composing.Get(ctx, v.session.User.Name, view.Draft)
	if p := problem.From(err); err != nil && p.Class != problem.NotFound {
		return err
	}
	var dropped []string
	for _, f := range d.Files {
		if !slices.Contains(up.fields["draftfile"], f.ID) {
			dropped = append(dropped, f.ID)
		}
	}
	s.addDraftFiles(v, view, d, dropped)
	return nil
}

// composedFiles are the files of the draft and of the scanner that are to go.
func (s *site) composedFiles(ctx context.Context, v *visit, view SendView) (files []office.Upload) {
	for _, f := range view.DraftFiles {
		if f.Kept {
			files = append(files, office.Upload{Name: f.Name, Body: &lazyReader{open: func() (io.ReadCloser, error) {
				_, r, err := s.Composing.Open(ctx, v.session.User.Name, view.Draft, f.ID)
				return r, err
			}}})
		}
	}
	scans, err := s.Composing.Scans()
	for _, id := range view.Taken {
		name := id
		if at := slices.IndexFunc(scans, func(c compose.Scan) bool { return c.ID == id }); err == nil && at >= 0 {
			name = scans[at].Name
		}
		files = append(files, office.Upload{Name: name, Body: &lazyReader{open: func() (io.ReadCloser, error) {
			_, r, err := s.Composing.OpenScan(id)
			return r, err
		}}})
	}
	return files
}

// sent ends what the document was made of: it is durable.
func (s *site) sent(ctx context.Context, v *visit, view SendView) {
	if err := s.Composing.Drop(ctx, v.session.User.Name, view.Draft); err != nil {
		s.Logger.Warn("draft of a sent document not dropped", "error", err)
	}
	for _, id := range view.Taken {
		if err := s.Composing.ScanTaken(id); err != nil {
			s.Logger.Warn("scan of a sent document not moved", "error", err)
		}
	}
}

// saveDraft keeps the form. A script that does so while somebody types asks with
// auto=1 and gets no page.
func (s *site) saveDraft(ctx context.Context, v *visit) error {
	up, err := s.receive(v)
	defer up.remove(s.Logger)
	if err != nil {
		return s.uploadFailed(ctx, v, up, err)
	}
	owner, id := v.session.User.Name, up.field("draft")
	kept := url.Values{}
	for _, name := range draftFields {
		if values := up.fields[name]; len(values) > 0 {
			kept[name] = values
		}
	}
	if err := s.Composing.Save(ctx, owner, id, kept); err != nil {
		return s.uploadFailed(ctx, v, up, err)
	}
	if up.field("auto") != "" {
		v.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if err := s.Composing.Keep(ctx, owner, id, up.fields["draftfile"]); err != nil {
		return err
	}
	for _, f := range up.files {
		u := f.upload()
		if err := s.Composing.AddFile(ctx, owner, id, u.Name, u.Body, s.Config.MaxUpload); err != nil {
			return s.uploadFailed(ctx, v, up, err)
		}
	}
	if err := s.propose(ctx, v, id, kept, len(up.files) > 0); err != nil {
		return err
	}
	v.redirect("/gui?nhap=" + id + "&da-luu=1")
	return nil
}

func (s *site) dropDraft(ctx context.Context, v *visit) error {
	if err := s.Composing.Drop(ctx, v.session.User.Name, v.r.PathValue("id")); err != nil {
		return err
	}
	v.redirect("/gui")
	return nil
}

// GroupsView is the page of groups of recipients.
type GroupsView struct {
	Page
	Groups     []GroupView
	Group, To  string // as typed
	Recipients []office.Party
}

// GroupView is one group.
type GroupView struct {
	Name    string
	Offices []office.Party
	Count   string
	Codes   string
}

func (s *site) groups(ctx context.Context, v *visit) error {
	q := v.r.URL.Query()
	return s.showGroups(ctx, v, q.Get("nhom"), q.Get("to"), nil, http.StatusOK)
}

func (s *site) showGroups(ctx context.Context, v *visit, name, to string, errs []FieldError, status int) error {
	groups, err := s.Composing.Groups(ctx)
	if err != nil {
		return err
	}
	view := GroupsView{Page: s.page(ctx, v, v.t("web.group.title"), "/gui"), Group: name, To: to}
	view.setErrors(v, errs)
	view.Path, view.Scripts = "/nhom", s.some("upload.js")
	for _, g := range groups {
		shown := GroupView{Name: g.Name, Codes: strings.Join(g.Codes, ", "), Count: v.t("web.group.count", i18n.Args{"n": len(g.Codes)})}
		for _, code := range g.Codes {
			shown.Offices = append(shown.Offices, s.party(ctx, code))
		}
		view.Groups = append(view.Groups, shown)
	}
	for _, code := range splitCodes(to) {
		view.Recipients = append(view.Recipients, s.party(ctx, code))
	}
	return s.render(v, "groups", view, status)
}

// party is an office by its code, without a name when it is unknown.
func (s *site) party(ctx context.Context, code string) office.Party {
	if p, err := s.Directory.Lookup(ctx, code); err == nil {
		return p
	}
	return office.Party{Code: code}
}

func (s *site) saveGroup(ctx context.Context, v *visit) error {
	name, to := v.r.PostFormValue("group"), v.r.PostFormValue("to")
	g := compose.Group{Name: name, Codes: splitCodes(to)}
	var errs []FieldError
	for _, code := range g.Codes {
		if _, err := s.Directory.Lookup(ctx, code); err != nil {
			errs = append(errs, FieldError{"to", v.t("web.send.unknown-recipient", i18n.Args{"code": code})})
		}
	}
	if len(errs) == 0 {
		err := s.Composing.SaveGroup(ctx, g, v.session.User.Name)
		if err == nil {
			v.redirect("/nhom")
			return nil
		}
		if p := problems(err)[0]; p.Class == problem.Failed {
			return fmt.Errorf("save group: %w", err)
		}
		errs = v.fieldErrors(err)
	}
	return s.showGroups(ctx, v, name, to, errs, http.StatusUnprocessableEntity)
}

func (s *site) dropGroup(ctx context.Context, v *visit) error {
	if err := s.Composing.DropGroup(ctx, v.r.PostFormValue("group"), v.session.User.Name); err != nil {
		return err
	}
	v.redirect("/nhom")
	return nil
}
