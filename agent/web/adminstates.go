package web

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"tram/agent/api/appkey"
	"tram/agent/dossier/code"
	"tram/agent/i18n"
	"tram/agent/problem"
)

// statesPath is where the words are by which an application calls the statuses of
// dossiers.
func statesPath(app string) string { return appsPath + "/" + app + "/tu-trang-thai" }

// tellsDossiers tells whether an application has to do with statuses of dossiers.
func tellsDossiers(a appkey.App) bool {
	return a.System != "" || a.May(appkey.DossiersRead) || a.May(appkey.DossiersFile) || a.May(appkey.DossiersReport)
}

// statesLink leads from an application to its words, nil when it has no use for them.
func (v *visit) statesLink(a appkey.App) []Option {
	switch {
	case !tellsDossiers(a):
		return nil
	case a.System != "":
		return []Option{{Value: statesPath(a.Name), Text: v.t("admin.states-link-of", i18n.Args{"system": a.System})}}
	}
	return []Option{{Value: statesPath(a.Name), Text: v.t("admin.states-link")}}
}

func (s *site) states(ctx context.Context, v *visit) error {
	view, _, err := s.statesView(ctx, v)
	if err != nil {
		return err
	}
	return s.show(v, view, nil, 0)
}

// statesView shows the words of an application; inputs are those of each form, by its
// button.
func (s *site) statesView(ctx context.Context, v *visit) (view AdminView, inputs map[string][]Input, err error) {
	name := v.r.PathValue("name")
	m, err := s.Admin.Apps.States(ctx, name)
	if err != nil {
		return view, nil, err
	}
	title := v.t("admin.states", i18n.Args{"name": name})
	view = AdminView{Page: s.adminPage(ctx, v, title, appsPath), Heading: title, Back: appsPath, BackText: v.t("admin.apps")}
	view.Path = statesPath(name) // where the other language leads back to
	if m == nil {
		inputs = map[string][]Input{"tao": v.beginInputs()}
		view.Sections = []Section{{Text: v.t("admin.states-what")},
			{Title: v.t("admin.states-new"), Text: v.t("admin.states-none", i18n.Args{"name": name}), Forms: []Form{statesForm(name, inputs["tao"], Button{Text: v.t("admin.states-create"), Name: "viec", Value: "tao"})}}}
		return view, inputs, nil
	}
	edited := v.r.URL.Query().Get("doc")
	if v.r.PostForm.Has("was") {
		edited = v.r.PostFormValue("was")
	}
	inputs = map[string][]Input{"doi-ten": {{ID: "system", Name: "system", Kind: "text", Label: v.t("admin.states-system"), Value: v.typedIn("doi-ten", "system", m.System)}},
		"doc": v.readInputs(m, &edited), "noi": v.writeInputs(m), "bo": {{ID: "sure", Name: "sure", Kind: "check", Label: v.t("admin.states-sure"), Value: "1"}}}
	inputs["xoa"] = inputs["doc"]
	view.Sections = []Section{
		{Text: v.t("admin.states-what"), Forms: []Form{statesForm(name, inputs["doi-ten"], Button{v.t("admin.states-rename"), "viec", "doi-ten", "plain"})}},
		v.readSection(name, m, inputs["doc"], edited),
		{Title: v.t("admin.states-write"), Text: v.t("admin.states-write-what"), Grid: v.writeGrid(name, m),
			Forms: []Form{statesForm(name, inputs["noi"], Button{Text: v.t("admin.states-save"), Name: "viec", Value: "noi"})}},
		{Title: v.t("admin.states-clear"), Text: v.t("admin.states-clear-what"), Forms: []Form{statesForm(name, inputs["bo"], Button{v.t("admin.states-clear"), "viec", "bo", "warn"})}},
	}
	return view, inputs, nil
}

func statesForm(app string, inputs []Input, buttons ...Button) Form {
	return Form{Action: statesPath(app), Inputs: inputs, Buttons: buttons}
}

// typedIn is what was typed into a field of the form with that button, else what it
// begins with.
func (v *visit) typedIn(button, field, begin string) string {
	if did := v.r.PostFormValue("viec"); did == button {
		return v.r.PostFormValue(field)
	}
	return begin
}

func (v *visit) beginInputs() []Input {
	begin := Input{ID: "begin", Name: "begin", Kind: "select", Label: v.t("admin.states-begin")}
	for _, o := range []string{"ten", "opencps"} {
		begin.Options = append(begin.Options, Option{o, v.t("admin.states-begin." + o), v.r.PostFormValue("begin") == o})
	}
	return []Input{{ID: "system", Name: "system", Kind: "text", Label: v.t("admin.states-system"), Hint: v.t("admin.states-system-hint"), Value: v.r.PostFormValue("system")}, begin}
}

// statusName is a status with its number.
func (v *visit) statusName(s code.Status) string { return s.String() + " – " + s.Text(v.lang) }

// statusOptions offers the statuses; the first line is none of them.
func (v *visit) statusOptions(chosen string) []Option {
	list := []Option{{Text: v.t("admin.states-choose")}}
	for _, s := range code.Statuses() {
		list = append(list, Option{s.String(), v.statusName(s), s.String() == chosen})
	}
	return list
}

// readInputs are those of one word that is understood: of the edited one, which
// becomes "" when there is none such, or of one more.
func (v *visit) readInputs(m *code.Mapping, edited *string) []Input {
	word, status := "", ""
	if s, err := m.Status(*edited); err == nil && *edited != "" {
		word, status = *edited, s.String()
	} else {
		*edited = ""
	}
	return []Input{{Name: "was", Kind: "hidden", Value: *edited},
		{ID: "word", Name: "word", Kind: "text", Label: v.t("admin.states-word"), Value: v.typedIn("doc", "word", word)},
		{ID: "status", Name: "status", Kind: "select", Label: v.t("admin.states-status"), Options: v.statusOptions(v.typedIn("doc", "status", status))}}
}

func (v *visit) readSection(app string, m *code.Mapping, inputs []Input, edited string) Section {
	grid := Grid{Caption: v.t("admin.states-read"), Empty: v.t("admin.states-read-none"), Head: []string{v.t("admin.states-word"), v.t("admin.states-status")}}
	for _, w := range m.Read() {
		grid.Rows = append(grid.Rows, []Cell{{Text: w.Word, Href: statesPath(app) + "?" + url.Values{"doc": {w.Word}}.Encode() + "#word"}, {Text: v.statusName(w.Status)}})
	}
	form := statesForm(app, inputs, Button{Text: v.t("admin.states-add"), Name: "viec", Value: "doc"})
	if edited != "" {
		form.Buttons = []Button{{Text: v.t("admin.states-save"), Name: "viec", Value: "doc"}, {v.t("admin.states-drop"), "viec", "xoa", "warn"}}
		form.Links = []Option{{Value: statesPath(app), Text: v.t("admin.states-leave")}}
		inputs[1].Label = v.t("admin.states-edit", i18n.Args{"word": edited})
	}
	return Section{Title: v.t("admin.states-read"), Text: v.t("admin.states-read-what"), Grid: grid, Forms: []Form{form}}
}

// writeInputs are those of the word by which a status is said.
func (v *visit) writeInputs(m *code.Mapping) []Input {
	status := v.typedIn("noi", "status", v.r.URL.Query().Get("noi"))
	word := ""
	if s, err := code.ParseStatus(status); err == nil {
		word, _ = m.Word(s) // "" for none
	}
	return []Input{{ID: "say-status", Name: "status", Kind: "select", Label: v.t("admin.states-status"), Options: v.statusOptions(status)},
		{ID: "say-word", Name: "word", Kind: "text", Label: v.t("admin.states-word"), Hint: v.t("admin.states-say-hint"), Value: v.typedIn("noi", "word", word)}}
}

func (v *visit) writeGrid(app string, m *code.Mapping) Grid {
	grid := Grid{Caption: v.t("admin.states-write"), Head: []string{v.t("admin.states-status"), v.t("admin.states-word")}}
	for _, s := range code.Statuses() {
		word, _ := m.Word(s) // "" for none
		grid.Rows = append(grid.Rows, []Cell{{Text: v.statusName(s), Href: statesPath(app) + "?noi=" + s.String() + "#say-word"}, {Text: dash(word)}})
	}
	return grid
}

// changeStates does what a button of the page is for.
func (s *site) changeStates(ctx context.Context, v *visit) error {
	name, what := v.r.PathValue("name"), v.r.PostFormValue("viec")
	change, target, detail := v.stateChange(what), statesPath(name), map[string]string{"change": stateChanges[what].name}
	if change == nil {
		return errNothing()
	}
	for _, field := range stateChanges[what].fields {
		if value := strings.TrimSpace(v.r.PostFormValue(field)); value != "" {
			detail[field] = value
		}
	}
	var err error
	if what == "bo" {
		target = appsPath
		if v.r.PostFormValue("sure") != "1" {
			err = problem.New(problem.Usage, "web.not-sure", "sure", nil)
		}
	}
	if err == nil {
		err = s.Admin.Apps.ChangeStates(ctx, v.session.User.Name, name, detail, func(m *code.Mapping) (*code.Mapping, error) {
			switch {
			case m == nil && what != "tao":
				return nil, problem.New(problem.Conflict, "app.states-none", "", i18n.Args{"name": name})
			case m != nil && what == "tao":
				return nil, problem.New(problem.Conflict, "app.states-there", "", i18n.Args{"name": name})
			}
			return change(m)
		})
	}
	if err == nil {
		v.redirect(target + "?xong=tu-" + what)
		return nil
	}
	view, inputs, viewErr := s.statesView(ctx, v)
	if viewErr != nil {
		return viewErr
	}
	return s.mended(v, view, inputs[what], err)
}

// stateChanges are the changes of the page, by their buttons, as the audit log has
// them: a name, and the fields that say what it was about.
var stateChanges = map[string]struct {
	name   string
	fields []string
}{
	"tao": {"create", nil}, "doi-ten": {"rename", nil}, "doc": {"understand", []string{"was", "word", "status"}}, "xoa": {"forget", []string{"was"}},
	"noi": {"say", []string{"word", "status"}}, "bo": {"remove", nil},
}

// stateChange is what a button does to the words, nil when there is none such.
func (v *visit) stateChange(what string) func(*code.Mapping) (*code.Mapping, error) {
	value := v.r.PostFormValue
	n, _ := strconv.Atoi(value("status")) // 0 is none of them
	w := code.Word{Word: value("word"), Status: code.Status(n)}
	switch what {
	case "tao":
		return func(*code.Mapping) (*code.Mapping, error) {
			if value("begin") == "opencps" {
				return code.OpenCPS().Renamed(value("system"))
			}
			return code.Plain(value("system"))
		}
	case "doi-ten":
		return func(m *code.Mapping) (*code.Mapping, error) { return m.Renamed(value("system")) }
	case "doc":
		return func(m *code.Mapping) (*code.Mapping, error) { return m.Understand(value("was"), w) }
	case "xoa":
		return func(m *code.Mapping) (*code.Mapping, error) { return m.Forget(value("was")) }
	case "noi":
		return func(m *code.Mapping) (*code.Mapping, error) { return m.Say(w) }
	case "bo":
		return func(*code.Mapping) (*code.Mapping, error) { return nil, nil }
	}
	return nil
}
