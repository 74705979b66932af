package console

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strings"

	"tram/agent/hub/fleet"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/web/account"
	"tram/agent/web/page"
)

// officeHref is the page of an office in the directory.
func officeHref(code string) string { return officePath + url.PathEscape(code) }

// offices searches the directory, or goes through it.
func (s *site) offices(ctx context.Context, v *page.Visit) error {
	q := v.R.URL.Query()
	text, parent := strings.TrimSpace(q.Get("tu")), strings.TrimSpace(q.Get("duoi"))
	text, parent = text[:min(len(text), maxFilter)], parent[:min(len(parent), maxFilter)]
	found, err := s.Directory.Offices(ctx, strings.ToValidUTF8(text, ""), strings.ToValidUTF8(parent, ""), q.Get("sau"))
	if err != nil {
		return err
	}
	view := BoardView{Page: s.trustPage(ctx, v, v.T("console.offices.title"), officesPath), Heading: v.T("console.offices.title")}
	form := page.Form{Action: officesPath, Get: true, Buttons: []page.Button{{Text: v.T("web.lists.go")}}, Inputs: []page.Input{
		{ID: "tu", Name: "tu", Kind: "text", Label: v.T("console.offices.text"), Value: text},
		{ID: "duoi", Name: "duoi", Kind: "text", Label: v.T("console.offices.below"), Value: parent},
	}}
	if v.May(account.Offices) {
		form.Links = []page.Option{{Value: officesPath + "/them", Text: v.T("console.offices.new")}}
	}
	grid := page.Grid{Caption: v.T("console.offices.title"), Empty: v.T("console.offices.none"),
		Head: []string{v.T("console.col.name"), v.T("console.offices.parent"), v.T("console.offices.kind"), v.T("console.col.state")}}
	for _, o := range found.List {
		grid.Rows = append(grid.Rows, []page.Cell{{Text: cmp.Or(o.Name, o.Code), Href: officeHref(o.Code), Note: o.Code}, {Text: o.Parent}, {Text: o.Kind}, {Tag: s.say(v).officeTag(o)}})
	}
	view.Sections = []page.Section{{Forms: []page.Form{form}}, {Grid: grid}}
	if found.Next != "" {
		view.Pager = page.Pager{Text: v.T("console.offices.shown", i18n.Args{"n": len(found.List)}), Next: linkTo(officesPath, url.Values{"duoi": {parent}, "sau": {found.Next}})}
	}
	return s.show(v, view)
}

func (w words) officeTag(o Office) page.Tag {
	switch {
	case o.Into != "":
		return page.Tag{Text: w.T("console.office.into", i18n.Args{"code": o.Into}), Tone: "grey"}
	case o.Hub != "":
		return page.Tag{Text: w.T("console.office.elsewhere", i18n.Args{"hub": o.Hub}), Tone: "grey"}
	case o.Enrolled:
		return page.Tag{Text: w.T("console.office.enrolled"), Tone: "green"}
	}
	return page.Tag{Text: w.state(fleet.NotEnrolled), Tone: "grey"}
}

func (s *site) office(ctx context.Context, v *page.Visit) error {
	o, err := s.Directory.Office(ctx, v.R.PathValue("code"))
	if err != nil {
		return err
	}
	rename, move := s.say(v).officeInputs(o)
	return s.show(v, s.officeView(ctx, v, o, rename, move))
}

// officeInputs are the fields that rename an office, and that move it.
func (w words) officeInputs(o Office) (rename, move []page.Input) {
	return []page.Input{{ID: "name", Name: "name", Kind: "text", Label: w.T("console.col.name"), Value: o.Name},
			{ID: "kind", Name: "kind", Kind: "text", Label: w.T("console.offices.kind"), Hint: w.T("console.offices.kind-hint"), Value: o.Kind}},
		[]page.Input{{ID: "parent", Name: "parent", Kind: "text", Label: w.T("console.offices.parent"), Hint: w.T("console.offices.parent-hint"), Value: o.Parent}}
}

func (s *site) officeView(ctx context.Context, v *page.Visit, o Office, rename, move []page.Input) BoardView {
	view := BoardView{Page: s.trustPage(ctx, v, cmp.Or(o.Name, o.Code), officesPath), Heading: cmp.Or(o.Name, o.Code), Tag: s.say(v).officeTag(o),
		Back: officesPath, BackText: v.T("console.offices.title")}
	view.Path = officeHref(o.Code)
	facts := []page.Fact{{Name: v.T("console.col.code"), Value: o.Code}}
	for _, f := range []page.Fact{{Name: v.T("console.offices.parent"), Value: o.Parent}, {Name: v.T("console.offices.kind"), Value: o.Kind},
		{Name: v.T("console.offices.old"), Value: strings.Join(o.Old, ", ")}, {Name: v.T("console.offices.may"), Value: strings.Join(o.May, ", ")}} {
		if f.Value != "" {
			facts = append(facts, f)
		}
	}
	part := page.Section{Facts: facts}
	if o.Hub == "" && o.Into == "" {
		part.Forms = []page.Form{{Action: devicePath + url.PathEscape(o.Code), Get: true, Links: []page.Option{{Value: deviceHref(o.Code), Text: v.T("console.office.device")}}}}
	}
	view.Sections = []page.Section{part}
	if v.May(account.Offices) && o.Hub == "" {
		view.Sections = append(view.Sections,
			page.Section{Title: v.T("console.office.rename"), Text: v.T("console.office.rename-text"), Forms: []page.Form{{Action: officeHref(o.Code), Inputs: rename,
				Buttons: []page.Button{{Text: v.T("console.office.rename-go"), Name: "viec", Value: "doi-ten"}}}}},
			page.Section{Title: v.T("console.office.move"), Text: v.T("console.office.move-text"), Forms: []page.Form{{Action: officeHref(o.Code), Inputs: move,
				Buttons: []page.Button{{Text: v.T("console.office.move-go"), Name: "viec", Value: "chuyen"}}}}})
	}
	return view
}

// changeOffice does what the pressed button says.
func (s *site) changeOffice(ctx context.Context, v *page.Visit) error {
	o, err := s.Directory.Office(ctx, v.R.PathValue("code"))
	if err != nil {
		return err
	}
	value := func(name string) string { return strings.TrimSpace(v.R.PostFormValue(name)) }
	typed, by, what := o, v.Session.User.Name, v.R.PostFormValue("viec")
	switch what {
	case "doi-ten":
		typed.Name, typed.Kind = value("name"), value("kind")
		if typed.Name == "" {
			err = problem.New(problem.Usage, "console.no-name", "name", nil)
		} else {
			err = s.Directory.Rename(ctx, o.Code, typed.Name, typed.Kind, by)
		}
	case "chuyen":
		typed.Parent = value("parent")
		err = s.Directory.Move(ctx, o.Code, typed.Parent, by)
	default:
		return problem.New(problem.NotFound, "web.no-page", "", nil)
	}
	if err != nil {
		rename, move := s.say(v).officeInputs(typed)
		inputs := map[string][]page.Input{"doi-ten": rename, "chuyen": move}[what]
		return s.mended(v, s.officeView(ctx, v, o, rename, move), inputs, err)
	}
	v.Redirect(officeHref(o.Code) + "?xong=" + what)
	return nil
}

// newOffice are the fields of a new office, and of a list of them.
func (w words) newOffice(form url.Values) (one, list []page.Input) {
	one, list = w.inviteInputs(form)
	return one[:4], list[:1]
}

func (s *site) officeForm(ctx context.Context, v *page.Visit) error {
	one, list := s.say(v).newOffice(url.Values{})
	return s.show(v, s.newOfficeView(ctx, v, one, list))
}

func (s *site) newOfficeView(ctx context.Context, v *page.Visit, one, list []page.Input) BoardView {
	view := BoardView{Page: s.trustPage(ctx, v, v.T("console.offices.new"), officesPath), Heading: v.T("console.offices.new"), Back: officesPath, BackText: v.T("console.offices.title")}
	view.Path = officesPath + "/them"
	view.Sections = []page.Section{
		{Title: v.T("console.offices.one"), Text: v.T("console.offices.one-text"), Forms: []page.Form{{Action: officesPath + "/them", Inputs: one,
			Buttons: []page.Button{{Text: v.T("console.offices.go")}}}}},
		{Title: v.T("console.offices.list"), Text: v.T("console.offices.list-text"), Forms: []page.Form{{Action: officesPath + "/danh-sach", Files: true, Inputs: list,
			Buttons: []page.Button{{Text: v.T("console.offices.list-go")}}}}},
	}
	return view
}

func (s *site) addOffice(ctx context.Context, v *page.Visit) error {
	one, list := s.say(v).newOffice(v.R.PostForm)
	line, err := officeLine(v)
	if err == nil {
		_, _, err = s.Directory.Import(ctx, line, v.Session.User.Name)
	}
	if err != nil {
		return s.mended(v, s.newOfficeView(ctx, v, one, list), one, err)
	}
	v.Redirect(officeHref(strings.TrimSpace(v.R.PostFormValue("code"))) + "?xong=them")
	return nil
}

func (s *site) importOffices(ctx context.Context, v *page.Visit) error {
	if err := v.Upload(maxUpload); err != nil {
		return err
	}
	one, list := s.say(v).newOffice(v.R.PostForm)
	data, err := uploaded(v)
	var added, changed int
	if err == nil {
		added, changed, err = s.Directory.Import(ctx, data, v.Session.User.Name)
	}
	view := s.newOfficeView(ctx, v, one, list)
	if err != nil {
		return s.mended(v, view, list, err)
	}
	view.Done = v.T("console.offices.imported", i18n.Args{"new": added, "changed": changed})
	if added+changed == 0 {
		view.Done = v.T("console.offices.same")
	}
	if err := s.show(v, view); err != nil {
		return fmt.Errorf("show import: %w", err)
	}
	return nil
}
