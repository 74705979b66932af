package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tram/agent/connector"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/web/page"
)

const (
	connectorsPath = adminPath + "/ket-noi"
	// settingPrefix begins the names of inputs for a connector's settings.
	settingPrefix = "s-"
)

func connectorPath(name string) string { return connectorsPath + "/mot/" + url.PathEscape(name) }

func (s *site) connectors(ctx context.Context, v *visit) error {
	list, err := s.Admin.Connectors.List(ctx)
	if err != nil {
		return err
	}
	view := AdminView{Page: s.adminPage(ctx, v, v.t("admin.connectors"), connectorsPath), Heading: v.t("admin.connectors")}
	grid := Grid{Caption: v.t("admin.connectors"), Empty: v.t("admin.connectors-none"),
		Head: []string{v.t("admin.connector"), v.t("admin.kind"), v.t("admin.state"), v.t("admin.waiting"), v.t("admin.dead"), v.t("admin.last")}}
	for _, c := range list {
		grid.Rows = append(grid.Rows, []Cell{{Text: c.Name, Href: connectorPath(c.Name)}, {Text: c.Kind}, v.connectorState(c),
			{Text: strconv.Itoa(c.Waiting)}, {Text: strconv.Itoa(c.Dead)}, {Text: v.lastTime(c)}})
	}
	add := Section{Title: v.t("admin.connector-add"), Text: v.t("admin.connector-add-what")}
	for _, k := range s.Admin.Connectors.Kinds() {
		add.Grid.Rows = append(add.Grid.Rows, []Cell{{Text: k.Name, Href: connectorsPath + "/them?loai=" + k.Name}, {Text: v.t("tram.connector.kind." + k.Name)}})
	}
	add.Grid.Caption, add.Grid.Head = v.t("admin.connector-add"), []string{v.t("admin.kind"), v.t("admin.what")}
	view.Sections = []Section{{Grid: grid}, add}
	return s.show(v, view, nil, 0)
}

func (v *visit) connectorState(c connector.State) Cell {
	cell := Cell{Tag: Tag{v.t("tram.connector.state." + c.State), map[string]string{connector.Running: "green", connector.Failing: "red"}[c.State]}}
	if cell.Tag.Tone == "" {
		cell.Tag.Tone = "grey"
	}
	if c.Failure != nil {
		cell.Note = c.Failure.Text(v.lang)
	}
	return cell
}

// lastTime is when a connector last did its work.
func (v *visit) lastTime(c connector.State) string {
	last := c.LastDelivery
	if c.LastRound.After(last) {
		last = c.LastRound
	}
	if last.IsZero() {
		return "–"
	}
	return v.clock(last)
}

// connectorInputs are the fields of the form for a kind.
func (v *visit) connectorInputs(k connector.Kind) []Input {
	value := func(name string) string { return v.r.PostFormValue(name) }
	inputs := []Input{{Name: "kind", Kind: "hidden", Value: k.Name},
		{ID: "name", Name: "name", Kind: "text", Label: v.t("admin.connector-name"), Hint: v.t("admin.connector-name-hint"), Value: value("name")}}
	double := false
	for _, set := range k.Form() {
		in := Input{ID: settingPrefix + strings.ReplaceAll(set.Name, ".", "-"), Name: settingPrefix + set.Name, Kind: string(set.Type), Label: set.Name, Value: value(settingPrefix + set.Name)}
		switch set.Type {
		case connector.Toggle:
			in.Kind, in.Checked, in.Value = "check", in.Value != "", "1"
		case connector.List:
			in.Hint = v.t("admin.one-a-line")
		}
		double = double || set.Name == "username"
		inputs = append(inputs, in)
	}
	hint := v.t("admin.secret-hint")
	if !k.Secret {
		hint = joinDots(v.t("admin.secret-optional"), hint)
	}
	inputs = append(inputs, Input{ID: "secret", Name: "secret", Kind: "password", Label: v.t("admin.secret"), Hint: hint})
	if double {
		inputs = append(inputs, Input{ID: "secret2", Name: "secret2", Kind: "password", Label: v.t("admin.secret-second"), Hint: v.t("admin.secret-second-hint")})
	}
	return inputs
}

func (s *site) kindOf(name string) (connector.Kind, error) {
	kinds := s.Admin.Connectors.Kinds()
	i := slices.IndexFunc(kinds, func(k connector.Kind) bool { return k.Name == name })
	if i < 0 {
		return connector.Kind{}, problem.New(problem.NotFound, "web.no-page", "", nil)
	}
	return kinds[i], nil
}

// connectorForm asks for the settings of a kind.
func (s *site) connectorForm(ctx context.Context, v *visit) error {
	k, err := s.kindOf(v.r.URL.Query().Get("loai"))
	if err != nil {
		return err
	}
	return s.show(v, s.connectorAdding(ctx, v, k, v.connectorInputs(k)), nil, 0)
}

func (s *site) connectorAdding(ctx context.Context, v *visit, k connector.Kind, inputs []Input) AdminView {
	title := v.t("admin.connector-add") + ": " + k.Name
	view := AdminView{Page: s.adminPage(ctx, v, title, connectorsPath), Heading: title, Back: connectorsPath, BackText: v.t("admin.connectors"), Sections: []Section{{
		Text:  v.t("tram.connector.kind."+k.Name) + ". " + v.t("tram.connector.settings."+k.Name),
		Forms: []Form{{Action: connectorsPath, Inputs: inputs, Buttons: []Button{{Text: v.t("admin.connector-add")}}}},
	}}}
	view.Path = connectorsPath + "/them?loai=" + k.Name
	return view
}

// addConnector keeps a connector. What was typed comes back with the mistakes,
// but for the secret.
func (s *site) addConnector(ctx context.Context, v *visit) error {
	k, err := s.kindOf(v.r.PostFormValue("kind"))
	if err != nil {
		return err
	}
	inputs := v.connectorInputs(k)
	spec := connector.Spec{Name: v.r.PostFormValue("name"), Kind: k.Name}
	for _, field := range []string{"secret", "secret2"} {
		if line := v.r.PostFormValue(field); line != "" {
			if spec.Secret != nil {
				spec.Secret = append(spec.Secret, '\n')
			}
			spec.Secret = append(spec.Secret, line...)
		}
	}
	defer clear(spec.Secret)
	spec.Settings, err = k.Fill(func(name string) string { return v.r.PostFormValue(settingPrefix + name) })
	if err == nil {
		err = s.Admin.Connectors.Add(ctx, spec, v.session.User.Name)
	}
	if err != nil {
		return s.mended(v, s.connectorAdding(ctx, v, k, inputs), inputs, err)
	}
	v.redirect(connectorPath(spec.Name) + "?xong=ket-noi-them")
	return nil
}

func (s *site) oneConnector(ctx context.Context, v *visit) error {
	view, err := s.connectorView(ctx, v)
	if err != nil {
		return err
	}
	return s.show(v, view, nil, 0)
}

// connectorView shows the connector that the address names.
func (s *site) connectorView(ctx context.Context, v *visit) (view AdminView, err error) {
	name := v.r.PathValue("name")
	list, err := s.Admin.Connectors.List(ctx)
	if err != nil {
		return view, err
	}
	i := slices.IndexFunc(list, func(c connector.State) bool { return c.Name == name })
	if i < 0 {
		return view, problem.New(problem.NotFound, "connector.unknown", "name", i18n.Args{"name": name})
	}
	letters, err := s.Admin.Connectors.Letters(ctx, name)
	if err != nil {
		return view, err
	}
	c, base := list[i], connectorPath(name)
	state := v.connectorState(c)
	view = AdminView{Page: s.adminPage(ctx, v, name, connectorsPath), Heading: name, Tag: state.Tag, Back: connectorsPath, BackText: v.t("admin.connectors")}
	view.Path = base
	toggle := Button{v.t("admin.pause"), "viec", "tam-dung", "plain"}
	if c.State == connector.Paused {
		toggle = Button{v.t("admin.resume"), "viec", "tiep-tuc", ""}
	}
	view.Sections = []Section{
		{Text: state.Note, Facts: v.connectorFacts(c, letters), Forms: []Form{{Action: base, Buttons: []Button{toggle, {v.t("admin.test"), "viec", "thu", "plain"}}}}},
		v.lettersSection(base, letters),
		{Title: v.t("admin.remove"), Text: v.t("admin.remove-what"), Forms: []Form{{Action: base, Buttons: []Button{{v.t("admin.remove"), "viec", "xoa", "warn"}},
			Inputs: []Input{{ID: "sure", Name: "sure", Kind: "check", Label: v.t("admin.sure"), Value: "1"}}}}},
	}
	return view, nil
}

func (v *visit) connectorFacts(c connector.State, letters []connector.Letter) []Fact {
	secret := v.t("admin.no")
	if c.Secret {
		secret = v.t("admin.secret-kept")
	}
	facts := []Fact{{v.t("admin.kind"), c.Kind}, {v.t("admin.connector-settings"), string(c.Settings)}, {v.t("admin.secret"), secret},
		{v.t("admin.created"), formatFull(c.Created)}, {v.t("admin.waiting"), strconv.Itoa(c.Waiting)}, {v.t("admin.dead"), strconv.Itoa(c.Dead)},
		{v.t("admin.delivered"), strconv.FormatInt(c.Delivered, 10)}, {v.t("admin.last"), v.lastTime(c)}}
	var oldest time.Time // of what waits: how far the connector is behind
	for _, l := range letters {
		if !l.Dead && (oldest.IsZero() || l.Entry.Learnt.Before(oldest)) {
			oldest = l.Entry.Learnt
		}
	}
	if !oldest.IsZero() {
		facts = append(facts, Fact{v.t("admin.oldest"), v.clock(oldest)})
	}
	if !c.Since.IsZero() && c.State == connector.Failing {
		facts = append(facts, Fact{v.t("admin.failing-since"), v.clock(c.Since)})
	}
	return facts
}

// lettersSection lists what waits for a connector with why it did not go.
func (v *visit) lettersSection(base string, letters []connector.Letter) Section {
	part := Section{Title: v.t("admin.letters"), Grid: Grid{Caption: v.t("admin.letters"), Empty: v.t("admin.letters-none"),
		Head: []string{v.t("admin.number"), v.t("admin.entry"), v.t("admin.state"), v.t("admin.tries"), v.t("admin.why")}}}
	dead := false
	choose := Input{ID: "letter", Name: "letter", Kind: "select", Label: v.t("admin.which"), Options: []Option{{Value: "0", Text: v.t("admin.all-dead")}}}
	for _, l := range letters {
		state := Tag{v.t("tram.connector.letter.waiting"), "blue"}
		if l.Dead {
			dead, state = true, Tag{v.t("tram.connector.letter.dead"), "red"}
			choose.Options = append(choose.Options, Option{Value: strconv.FormatInt(l.ID, 10), Text: fmt.Sprintf("%d · %s", l.ID, l.Entry.Type)})
		}
		why := "–"
		if l.Failure != nil {
			why = l.Failure.Text(v.lang)
		}
		part.Grid.Rows = append(part.Grid.Rows, []Cell{{Text: strconv.FormatInt(l.ID, 10)}, v.entryCell(l.Entry), {Tag: state}, {Text: strconv.Itoa(l.Tries)}, {Text: why}})
	}
	if dead {
		part.Forms = []Form{{Action: base, Inputs: []Input{choose}, Buttons: []Button{{v.t("admin.replay"), "viec", "phat-lai", ""}, {v.t("admin.drop"), "viec", "bo", "warn"}}}}
	}
	return part
}

// entryCell leads to the document that an entry is about.
func (v *visit) entryCell(e office.Entry) Cell {
	cell := Cell{Text: string(e.Type), Note: v.clock(e.At)}
	switch e.Box {
	case office.In:
		cell.Href = "/van-ban-den/" + e.Document.String()
	case office.Out:
		cell.Href = "/van-ban-di/" + e.Document.String()
	}
	return cell
}

// changeConnector does what the pressed button says.
func (s *site) changeConnector(ctx context.Context, v *visit) error {
	host, by, name, what := s.Admin.Connectors, v.session.User.Name, v.r.PathValue("name"), v.r.PostFormValue("viec")
	letter, err := strconv.ParseInt(v.r.PostFormValue("letter"), 10, 64)
	if err != nil && (what == "phat-lai" || what == "bo") {
		return problem.New(problem.Usage, "api.bad-number", "id", i18n.Args{"value": v.r.PostFormValue("letter")})
	}
	target := connectorPath(name)
	switch what {
	case "tam-dung", "tiep-tuc":
		err = host.SetPaused(ctx, name, what == "tam-dung", by)
	case "thu":
		err = host.Test(ctx, name)
	case "phat-lai":
		_, err = host.Replay(ctx, name, letter, by)
	case "bo":
		_, err = host.Drop(ctx, name, letter, by)
	case "xoa":
		target = connectorsPath
		if v.r.PostFormValue("sure") == "1" {
			err = host.Remove(ctx, name, by)
		} else {
			err = problem.New(problem.Usage, "web.not-sure", "sure", nil)
		}
	default:
		return errNothing()
	}
	if err == nil {
		v.redirect(target + "?xong=ket-noi-" + what)
		return nil
	}
	view, viewErr := s.connectorView(ctx, v)
	if viewErr != nil {
		return viewErr
	}
	if what == "thu" && !page.Mendable(err) { // what the other system says is for the eyes of an IT officer
		err = problem.New(problem.Failed, "web.test-failed", "", i18n.Args{"why": err.Error()})
	}
	last := view.Sections[len(view.Sections)-1].Forms[0].Inputs
	return s.mended(v, view, last, err)
}

const asidePath = adminPath + "/tin-bi-giu"

// aside lists messages from outside of Trạm that were refused.
func (s *site) aside(ctx context.Context, v *visit) error { return s.showAside(ctx, v, nil, 0) }

func (s *site) showAside(ctx context.Context, v *visit, errs []FieldError, status int) error {
	list, err := s.Admin.Aside.SetAside(ctx)
	if err != nil {
		return err
	}
	view := AdminView{Page: s.adminPage(ctx, v, v.t("admin.aside"), asidePath), Heading: v.t("admin.aside")}
	view.Sections = []Section{{Text: v.t("admin.aside-what")}}
	if len(list) == 0 {
		view.Sections[0].Grid = Grid{Caption: v.t("admin.aside"), Empty: v.t("admin.aside-none")}
	}
	for _, a := range list[:min(len(list), maxAsideShown)] {
		view.Sections = append(view.Sections, Section{Title: fmt.Sprintf("%d · %s", a.ID, a.Via), Facts: []Fact{
			{v.t("admin.at"), v.clock(a.At)}, {v.t("admin.sender"), dash(a.Sender)}, {v.t("admin.ref"), dash(a.Ref)},
			{v.t("tram.bundle.size"), formatSize(v.lang, a.Size)}, {v.t("admin.why"), a.Why.Text(v.lang)},
		}, Forms: []Form{{Action: asidePath + "/" + strconv.FormatInt(a.ID, 10), Buttons: []Button{
			{v.t("admin.take-again"), "viec", "nhan-lai", "plain"}, {v.t("admin.discard"), "viec", "bo", "warn"}}}}})
	}
	return s.show(v, view, errs, status)
}

// maxAsideShown bounds one page of refused messages; the rest shows when these
// are settled.
const maxAsideShown = 50

func dash(text string) string {
	if text == "" {
		return "–"
	}
	return text
}

// settleAside takes a refused message again, or gives it up.
func (s *site) settleAside(ctx context.Context, v *visit) error {
	id, err := strconv.ParseInt(v.r.PathValue("id"), 10, 64)
	if err != nil {
		return errNothing()
	}
	by, done := v.session.User.Name, ""
	switch v.r.PostFormValue("viec") {
	case "nhan-lai":
		taken, err := s.Admin.Aside.TakeAgain(ctx, id, by)
		if err != nil {
			return err
		}
		if taken.Aside != nil {
			return s.showAside(ctx, v, []FieldError{{"main", v.t("admin.taken-refused", i18n.Args{"why": taken.Aside})}}, http.StatusConflict)
		}
		done = "tin-nhan-lai"
	case "bo":
		if err := s.Admin.Aside.Discard(ctx, id, by); err != nil {
			return err
		}
		done = "tin-bo"
	default:
		return errNothing()
	}
	v.redirect(asidePath + "?xong=" + done)
	return nil
}
