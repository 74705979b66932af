package web

import (
	"context"
	"crypto/rand"
	"slices"
	"strconv"
	"strings"
	"time"

	"tram/agent/api/appkey"
	"tram/agent/i18n"
	"tram/agent/problem"
)

const (
	appsPath = adminPath + "/ung-dung"
	// keyShown is how long a new key waits for its only showing.
	keyShown = 2 * time.Minute
	// maxShown bounds how many keys wait at a time.
	maxShown = 64
)

// onceKey is a key that was just made. It is shown to who made it, once.
type onceKey struct {
	app, by string
	key     appkey.Key
	until   time.Time
}

// keepOnce keeps a key for the page that follows, and gives the way to it.
func (s *site) keepOnce(v *visit, app string, key appkey.Key) string {
	s.admin.mu.Lock()
	defer s.admin.mu.Unlock()
	if s.admin.keys == nil {
		s.admin.keys = map[string]onceKey{}
	}
	for token, k := range s.admin.keys {
		if v.now.After(k.until) || len(s.admin.keys) >= maxShown {
			delete(s.admin.keys, token)
		}
	}
	token := rand.Text()
	s.admin.keys[token] = onceKey{app, v.session.User.Name, key, v.now.Add(keyShown)}
	return token
}

// takeOnce gives the key that waits, and forgets it.
func (s *site) takeOnce(v *visit) (k onceKey, ok bool) {
	token := v.r.URL.Query().Get("khoa")
	s.admin.mu.Lock()
	defer s.admin.mu.Unlock()
	if k, ok = s.admin.keys[token]; !ok || k.by != v.session.User.Name {
		return onceKey{}, false
	}
	delete(s.admin.keys, token)
	return k, !v.now.After(k.until)
}

func (s *site) apps(ctx context.Context, v *visit) error {
	view, _, err := s.appsView(ctx, v)
	if err != nil {
		return err
	}
	if k, ok := s.takeOnce(v); ok {
		view.Sections = slices.Insert(view.Sections, 0, Section{Title: v.t("admin.app-key", i18n.Args{"name": k.app}), Text: v.t("admin.app-key-once"), Secret: string(k.key)})
	}
	return s.show(v, view, nil, 0)
}

// appsView lists the applications; the inputs are those of the form for another
// one.
func (s *site) appsView(ctx context.Context, v *visit) (view AdminView, inputs []Input, err error) {
	list, err := s.Admin.Apps.List(ctx)
	if err != nil {
		return view, nil, err
	}
	view = AdminView{Page: s.adminPage(ctx, v, v.t("admin.apps"), appsPath), Heading: v.t("admin.apps")}
	grid := Grid{Caption: v.t("admin.apps"), Empty: v.t("admin.apps-none"), Head: []string{v.t("tram.app.head.name"), v.t("tram.app.head.kind"),
		v.t("tram.app.head.state"), v.t("tram.app.head.used"), v.t("tram.app.head.calls"), v.t("tram.app.head.scopes")}}
	var live []appkey.App
	for _, a := range list {
		used := "–"
		if !a.Used.IsZero() {
			used = v.clock(a.Used)
		}
		grid.Rows = append(grid.Rows, []Cell{{Text: a.Name}, {Text: string(a.Kind), Whole: true}, {Tag: v.appState(a)}, {Text: used},
			{Text: strconv.FormatInt(a.Calls, 10)}, {Text: scopeWords(a.Scopes)}})
		if a.Revoked.IsZero() {
			live = append(live, a)
		}
	}
	view.Sections = []Section{{Text: v.t("admin.apps-what"), Grid: grid}}
	for _, a := range live {
		view.Sections = append(view.Sections, Section{Title: a.Name, Forms: []Form{{Action: appsPath + "/" + a.Name, Buttons: []Button{
			{v.t("admin.app-rotate"), "viec", "doi-khoa", "plain"}, {v.t("admin.app-revoke"), "viec", "thu-hoi", "warn"}},
			Inputs: []Input{{ID: "sure-" + a.Name, Name: "sure", Kind: "check", Label: v.t("admin.app-sure"), Value: "1"}}, Links: v.statesLink(a)}}})
	}
	inputs = v.appInputs()
	view.Sections = append(view.Sections, Section{Title: v.t("admin.app-new"), Forms: []Form{{Action: appsPath, Inputs: inputs, Buttons: []Button{{Text: v.t("admin.app-create")}}}}})
	return view, inputs, nil
}

func scopeWords(scopes []appkey.Scope) string {
	var words []string
	for _, sc := range scopes {
		words = append(words, string(sc))
	}
	return strings.Join(words, ", ")
}

func (v *visit) appState(a appkey.App) Tag {
	switch {
	case !a.Revoked.IsZero():
		return Tag{v.t("tram.app.state.revoked"), "grey"}
	case !a.Expires.IsZero() && v.now.After(a.Expires):
		return Tag{v.t("tram.app.state.until", i18n.Args{"date": formatDay(a.Expires)}), "red"}
	case !a.Expires.IsZero():
		return Tag{v.t("tram.app.state.until", i18n.Args{"date": formatDay(a.Expires)}), "green"}
	}
	return Tag{v.t("tram.app.state.in-use"), "green"}
}

func (v *visit) appInputs() []Input {
	value := v.r.PostFormValue
	kind := Input{ID: "kind", Name: "kind", Kind: "select", Label: v.t("tram.app.head.kind")}
	for _, k := range appkey.Kinds {
		kind.Options = append(kind.Options, Option{Value: string(k), Text: v.t("admin.app-kind." + string(k)), Chosen: string(k) == value("kind")})
	}
	inputs := []Input{
		{ID: "name", Name: "name", Kind: "text", Label: v.t("admin.app-name"), Hint: v.t("admin.app-name-hint"), Value: value("name")}, kind,
		{ID: "rate", Name: "rate", Kind: "number", Label: v.t("admin.app-rate"), Hint: v.t("admin.app-rate-hint", i18n.Args{"usual": appkey.DefaultRate}), Value: value("rate")},
		{ID: "days", Name: "days", Kind: "number", Label: v.t("admin.app-days"), Hint: v.t("admin.app-days-hint"), Value: value("days")},
		{ID: "own", Name: "own", Kind: "check", Label: v.t("tram.app.own"), Value: "1", Checked: value("own") != ""},
	}
	for _, sc := range appkey.Scopes {
		inputs = append(inputs, Input{ID: "scope-" + strings.ReplaceAll(string(sc), ".", "-"), Name: "scope", Kind: "check",
			Label: string(sc) + " – " + v.t("admin.scope."+string(sc)), Value: string(sc), Checked: slices.Contains(v.r.PostForm["scope"], string(sc))})
	}
	return inputs
}

// createApp makes an application; its key is shown on the page that follows.
func (s *site) createApp(ctx context.Context, v *visit) error {
	n := appkey.NewApp{Name: strings.TrimSpace(v.r.PostFormValue("name")), Kind: appkey.Kind(v.r.PostFormValue("kind")), Own: v.r.PostFormValue("own") != "", By: v.session.User.Name}
	for _, sc := range v.r.PostForm["scope"] {
		n.Scopes = append(n.Scopes, appkey.Scope(sc))
	}
	var faults problem.List
	for field, into := range map[string]*int{"rate": &n.Rate, "days": &n.Days} {
		if text := strings.TrimSpace(v.r.PostFormValue(field)); text != "" {
			value, err := strconv.Atoi(text)
			if *into = value; err != nil {
				faults = append(faults, problem.New(problem.Usage, "api.bad-number", field, i18n.Args{"value": text}))
			}
		}
	}
	err := faults.Err()
	if err == nil {
		app, key, createErr := s.Admin.Apps.Create(ctx, n)
		if err = createErr; err == nil {
			v.redirect(appsPath + "?xong=ung-dung-them&khoa=" + s.keepOnce(v, app.Name, key))
			return nil
		}
	}
	return s.appsAgain(ctx, v, err)
}

// appsAgain shows the list with what was wrong.
func (s *site) appsAgain(ctx context.Context, v *visit, err error) error {
	view, inputs, viewErr := s.appsView(ctx, v)
	if viewErr != nil {
		return viewErr
	}
	return s.mended(v, view, inputs, err)
}

// changeApp gives an application another key, or ends it.
func (s *site) changeApp(ctx context.Context, v *visit) error {
	by, name, what := v.session.User.Name, v.r.PathValue("name"), v.r.PostFormValue("viec")
	if what != "doi-khoa" && what != "thu-hoi" {
		return errNothing()
	}
	if v.r.PostFormValue("sure") != "1" {
		return s.appsAgain(ctx, v, problem.New(problem.Usage, "web.not-sure", "", nil))
	}
	target := appsPath + "?xong=ung-dung-" + what
	if what == "doi-khoa" {
		app, key, err := s.Admin.Apps.Rotate(ctx, by, name)
		if err != nil {
			return s.appsAgain(ctx, v, err)
		}
		target += "&khoa=" + s.keepOnce(v, app.Name, key)
	} else if err := s.Admin.Apps.Revoke(ctx, by, name); err != nil {
		return s.appsAgain(ctx, v, err)
	}
	v.redirect(target)
	return nil
}
