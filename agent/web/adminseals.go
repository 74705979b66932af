package web

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/seal"
	"tram/agent/sealbook"
)

const sealsPath = adminPath + "/con-dau"

// Seals is what the pages do with the office's seals; by is who does it. Errors
// are *problem.Problem.
type Seals interface {
	List() ([]sealbook.Entry, error)
	Use(ctx context.Context, by, name string, actions []sealbook.Action) error
	// Unlock enters a PIN or password. last allows the try after which a token
	// locks.
	Unlock(ctx context.Context, by, name string, secret []byte, last bool) error
	Test(ctx context.Context, name string) (sealbook.Tested, error)
}

func (s *site) seals(ctx context.Context, v *visit) error { return s.showSeals(ctx, v, "", "", nil) }

// showSeals lists them; err is what came of a change to the seal of that name.
func (s *site) showSeals(ctx context.Context, v *visit, done, name string, err error) error {
	entries, listErr := s.Admin.Seals.List()
	if listErr != nil {
		return listErr
	}
	view := AdminView{Page: s.adminPage(ctx, v, v.t("admin.seals"), sealsPath), Heading: v.t("admin.seals"), Done: done}
	grid := Grid{Caption: v.t("admin.seals"), Head: []string{v.t("admin.seal"), v.t("admin.seal-role"), v.t("admin.seal-key"), v.t("admin.seal-signs"), v.t("admin.seal-until"), v.t("admin.state")}}
	var sections []Section
	for _, e := range entries {
		grid.Rows = append(grid.Rows, v.sealRow(e))
		sections = append(sections, v.sealSection(e))
	}
	view.Sections = append([]Section{{Text: v.t("admin.seals-what"), Grid: grid}}, sections...)
	view.Sections = append(view.Sections, Section{Title: v.t("admin.seal-new"), Text: v.t("admin.seal-new-what"),
		Commands: []string{"sudo tram seal add " + v.t("admin.command.name"), "sudo tram seal certificate " + v.t("admin.command.name") + " " + v.t("admin.command.file")}})
	if err == nil {
		return s.show(v, view, nil, 0)
	}
	var inputs []Input
	for i, e := range entries {
		if e.Name == name {
			for _, f := range view.Sections[i+1].Forms {
				inputs = append(inputs, f.Inputs...)
			}
		}
	}
	return s.mended(v, view, inputs, err)
}

func (v *visit) sealRow(e sealbook.Entry) []Cell {
	role, until := "–", "–"
	if e.Cert != nil {
		until = formatDay(e.Cert.NotAfter)
		if r, person := seal.SignerOf(e.Cert); r != "" {
			role = strings.TrimSpace(v.t("seal.role."+string(r)) + " " + person)
		}
	}
	state := Cell{Tag: Tag{v.t("tram.seals.good"), "green"}}
	if e.Fault != nil {
		state = Cell{Tag: Tag{v.t("admin.seal-fault"), "red"}, Note: v.whole(problem.From(e.Fault))}
	}
	return []Cell{{Text: e.Name}, {Text: role}, {Text: v.sealKey(e)}, {Text: v.sealActions(e)}, {Text: until}, state}
}

func (v *visit) sealKey(e sealbook.Entry) string {
	return strings.TrimSpace(v.t("tram.seals.kind."+string(e.Kind)) + " " + e.Token)
}

func (v *visit) sealActions(e sealbook.Entry) string {
	var words []string
	for _, a := range e.Actions {
		words = append(words, v.t("tram.seals.action."+string(a)))
	}
	if len(words) == 0 {
		return v.t("admin.seal-nothing")
	}
	return strings.Join(words, ", ")
}

// sealSection has the forms of one seal.
func (v *visit) sealSection(e sealbook.Entry) Section {
	action := sealsPath + "/" + e.Name
	use := Form{Action: action, Buttons: []Button{{v.t("admin.seal-use"), "viec", "dung", ""}, {v.t("admin.seal-test"), "viec", "thu", "plain"}}}
	for _, a := range sealbook.Actions {
		use.Inputs = append(use.Inputs, Input{ID: e.Name + "-" + string(a), Name: "actions", Kind: "check", Label: v.t("tram.seals.action." + string(a)),
			Value: string(a), Checked: slices.Contains(e.Actions, a)})
	}
	part := Section{Title: e.Name, Forms: []Form{use}}
	if e.Kind == sealbook.KindPKCS11 || e.Kind == sealbook.KindPKCS12 {
		part.Forms = append(part.Forms, Form{Action: action, Buttons: []Button{{v.t("admin.seal-unlock"), "viec", "mo", ""}}, Inputs: []Input{
			{ID: e.Name + "-pin", Name: "pin", Kind: "password", Label: v.t("admin.seal-pin"), Hint: v.t("tram.seals.unlock.long")},
			{ID: e.Name + "-last", Name: "last", Kind: "check", Label: v.t("tram.seals.last-try"), Value: "1"},
		}})
	}
	return part
}

// changeSeal does what the pressed button says.
func (s *site) changeSeal(ctx context.Context, v *visit) (err error) {
	by, name, what := v.session.User.Name, v.r.PathValue("name"), v.r.PostFormValue("viec")
	switch what {
	case "dung":
		var actions []sealbook.Action
		for _, a := range v.r.PostForm["actions"] {
			if slices.Contains(sealbook.Actions, sealbook.Action(a)) {
				actions = append(actions, sealbook.Action(a))
			}
		}
		err = s.Admin.Seals.Use(ctx, by, name, actions)
	case "mo":
		secret := []byte(v.r.PostFormValue("pin"))
		defer clear(secret)
		if len(secret) == 0 {
			err = problem.New(problem.Usage, "seal.no-secret", "pin", nil)
		} else {
			err = s.Admin.Seals.Unlock(ctx, by, name, secret, v.r.PostFormValue("last") == "1")
		}
	case "thu":
		tested, testErr := s.Admin.Seals.Test(ctx, name)
		if testErr == nil {
			return s.showSeals(ctx, v, v.t("admin.seal-tested", i18n.Args{"name": name, "ms": tested.Took.Milliseconds()}), name, nil)
		}
		err = testErr
	default:
		return errNothing()
	}
	if err != nil {
		return s.showSeals(ctx, v, "", name, fmt.Errorf("change seal: %w", err))
	}
	v.redirect(sealsPath + "?xong=con-dau-" + what)
	return nil
}
