package web

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"

	"tram/agent/i18n"
	"tram/agent/support"
	"tram/agent/web/account"
)

const (
	helpPath    = "/tro-giup"
	supportPath = helpPath + "/goi-ho-tro"
)

// HelpView is for everybody, signed in or not.
type HelpView struct {
	Page
	Done    string
	Support string // whom to call
	State   string // of the box; "" for who is not signed in
	Keys    []Fact
	Archive bool // whether the support archive may be made
}

// GuideView is the guide on one sheet.
type GuideView struct {
	Page
	Support string
	Tasks   []GuideTask
}

// GuideTask is one thing that people do, step by step.
type GuideTask struct {
	Title string
	Steps []string
}

func (s *site) helpRoutes() []route {
	return []route{
		{who: anybody, pattern: "GET " + helpPath, do: s.help, early: true},
		{who: anybody, pattern: "GET " + helpPath + "/huong-dan", do: s.guide, early: true},
		{who: anybody, pattern: "POST " + helpPath + "/phim", do: s.switchKeys, early: true},
		{who: signedIn, pattern: "GET " + supportPath, do: s.supportPreview},
		{who: signedIn, pattern: "POST " + supportPath, do: s.supportArchive},
	}
}

// helpKeys are what the keyboard does, as written and as explained; the list
// follows keys.js and the menu.
var helpKeys = []Fact{
	{"Alt+1 … Alt+8", "help.key.menu"}, {"F2", "help.key.send"}, {"F4  /", "help.key.find"}, {"Ctrl+Enter", "help.key.save"}, {"J  K  ↓  ↑", "help.key.rows"},
	{"Enter", "help.key.open"}, {"T", "help.key.accept"}, {"N", "help.key.dossier"}, {"I", "help.key.print"}, {"Alt+U", "help.key.switch"}, {"?", "help.key.help"},
}

// anyPage is the layout of a page for everybody.
func (s *site) anyPage(ctx context.Context, v *visit, title string) Page {
	p := s.bare(v, title, v.r.URL.Path)
	if v.signed && !v.session.User.Temporary {
		p = s.page(ctx, v, title, helpPath)
	}
	p.Path = v.r.URL.Path
	p.Styles = s.some("admin.css")
	return p
}

func (s *site) help(ctx context.Context, v *visit) error {
	view := HelpView{Page: s.anyPage(ctx, v, v.t("help.title")), Support: s.Config.Support, Archive: v.signed}
	for _, k := range helpKeys {
		view.Keys = append(view.Keys, Fact{k.Name, v.t(k.Value)})
	}
	if key := "help.done." + v.r.URL.Query().Get("xong"); i18n.Has(key) {
		view.Done = v.t(key)
	}
	if v.signed {
		st, err := s.Admin.Status(ctx)
		switch {
		case err != nil:
			s.Logger.Error("read state of the office", "error", err)
			view.State = v.t("help.state.unknown")
		case st.State != "ready":
			view.State = v.t("help.state.not-enrolled")
		case len(st.Conditions) > 0:
			view.State = v.t("help.state.look", i18n.Args{"n": len(st.Conditions)})
		default:
			view.State = v.t("help.state.well")
		}
	}
	return s.render(v, "help", view, http.StatusOK)
}

// guideSteps is how many steps each task of the guide has.
var guideSteps = []struct {
	task  string
	steps int
}{{"receive", 4}, {"send", 4}, {"find", 3}, {"print", 3}, {"onestop", 3}, {"offline", 3}, {"usb", 4}}

func (s *site) guide(ctx context.Context, v *visit) error {
	view := GuideView{Page: s.anyPage(ctx, v, v.t("help.guide")), Support: s.Config.Support}
	view.Paper = true
	for _, g := range guideSteps {
		task := GuideTask{Title: v.t("help.guide." + g.task)}
		for n := range g.steps {
			task.Steps = append(task.Steps, v.t("help.guide."+g.task+"."+strconv.Itoa(n+1)))
		}
		view.Tasks = append(view.Tasks, task)
	}
	return s.render(v, "guide", view, http.StatusOK)
}

// switchKeys switches keys of single letters off or on, for this browser.
func (s *site) switchKeys(_ context.Context, v *visit) error {
	on, done := false, "phim-tat"
	if v.r.PostFormValue("phim") == "bat" {
		on, done = true, "phim-bat"
	}
	s.SwitchKeys(v.Visit, on)
	v.redirect(helpPath + "?xong=" + done + "#phim")
	return nil
}

// supportPreview says what is in the support archive, before it is made.
func (s *site) supportPreview(ctx context.Context, v *visit) error {
	title := v.t("support.title")
	view := AdminView{Page: s.anyPage(ctx, v, title), Heading: title, Back: helpPath, BackText: v.t("help.title")}
	if v.may(account.Admin) {
		view.Page = s.adminPage(ctx, v, title, supportPath)
	}
	grid := Grid{Caption: title, Head: []string{v.t("tram.bundle.file"), v.t("tram.bundle.size"), v.t("tram.bundle.about")}}
	for _, f := range s.Admin.Support(ctx) {
		grid.Rows = append(grid.Rows, []Cell{{Text: f.Name}, {Text: formatSize(v.lang, int64(len(f.Data)))}, {Text: f.About(v.lang)}})
	}
	view.Sections = []Section{{Text: v.t("support.what"), Grid: grid, Forms: []Form{{Action: supportPath, Buttons: []Button{{Text: v.t("support.make")}}}}}}
	return s.show(v, view, nil, 0)
}

// supportArchive makes it and hands it to the browser.
func (s *site) supportArchive(ctx context.Context, v *visit) error {
	var archive bytes.Buffer
	if err := support.Write(&archive, s.Admin.Support(ctx), v.now); err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", `attachment; filename="`+support.Name(v.now.In(vietnam))+`"`)
	h.Set("Content-Length", strconv.Itoa(archive.Len()))
	h.Set("Cache-Control", "private, no-store")
	if _, err := archive.WriteTo(v.w); err != nil {
		return fmt.Errorf("send support archive: %w", err)
	}
	return nil
}
