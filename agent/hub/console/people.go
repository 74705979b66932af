package console

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"tram/agent/api"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/web/account"
	"tram/agent/web/page"
)

// What can be done to an account, as forms say it.
const (
	actRole     = "vai-tro"
	actPassword = "mat-khau"
	actClose    = "dong"
	actOpen     = "mo"
	actUnlock   = "mo-khoa"
	actSignOut  = "dang-xuat"
)

// personChanges are the acts that need no more than a name.
var personChanges = map[string]api.AccountChange{actClose: api.CloseAccount, actOpen: api.OpenAccount, actUnlock: api.Unlock, actSignOut: api.SignOut}

func personHref(name string) string { return personPath + url.PathEscape(name) }

// people lists the accounts of the console.
func (s *site) people(ctx context.Context, v *page.Visit) error {
	return s.showPeople(ctx, v, nil)
}

func (s *site) showPeople(ctx context.Context, v *page.Visit, failed error) error {
	all, err := s.People.Users(ctx)
	if err != nil {
		return fmt.Errorf("list accounts: %w", err)
	}
	clusters, err := s.scopes(ctx, v)
	if err != nil {
		return err
	}
	w := s.say(v)
	view := BoardView{Page: s.Page(ctx, v, v.T("console.people.title"), peoplePath), Heading: v.T("console.people.title")}
	view.Styles, view.Path = s.Some("admin.css", "console.css"), peoplePath
	g := page.Grid{Caption: v.T("console.people.title"), Head: []string{v.T("web.account.name"), v.T("web.account.display"), v.T("web.account.role"), v.T("hub.user.col.scope"), v.T("console.col.state")}}
	for _, u := range all {
		kept := ""
		if u.Issuer != "" {
			kept = w.T("tram.user.external")
		}
		g.Rows = append(g.Rows, []page.Cell{{Text: u.Name, Note: kept, Href: personHref(u.Name)}, {Text: u.Display}, {Text: v.T("web.role." + string(u.Role))}, {Text: w.scopeName(u)}, {Tag: w.personTag(u)}})
	}
	value := func(name string) string { return v.R.PostForm.Get(name) }
	inputs := append([]page.Input{
		{ID: "name", Name: "name", Kind: "text", Label: v.T("web.account.name"), Hint: v.T("console.people.name-hint"), Value: value("name")},
		{ID: "display", Name: "display", Kind: "text", Label: v.T("web.account.display"), Value: value("display")},
	}, w.roleInputs(account.Role(value("role")), value("scope"), clusters)...)
	inputs = append(inputs, w.passwordInput())
	view.Sections = []page.Section{{Text: v.T("console.people.text"), Grid: g},
		{Title: v.T("web.users.new"), Text: v.T("console.people.may", i18n.Args{"roles": w.rolesUnder()}), Forms: []page.Form{{Action: peoplePath, Inputs: inputs, Buttons: []page.Button{{Text: v.T("web.users.create")}}}}}}
	if failed != nil {
		return s.mended(v, view, inputs, failed)
	}
	return s.show(v, view)
}

// under are the roles whose accounts the visitor may make and change.
func (w words) under() []account.Role {
	return slices.DeleteFunc(slices.Clone(account.HubRoles), func(r account.Role) bool { return !w.Session.User.Role.Over(r) })
}

func (w words) rolesUnder() string {
	var all []string
	for _, r := range w.under() {
		all = append(all, w.T("web.role."+string(r)))
	}
	return strings.Join(all, ", ")
}

// scopes are the clusters that an officer may be given, by key and name.
func (s *site) scopes(ctx context.Context, v *page.Visit) ([]page.Option, error) {
	o, err := s.Fleet.Overview(ctx, scope(v))
	if err != nil {
		return nil, fmt.Errorf("list clusters: %w", err)
	}
	all := []page.Option{{Text: v.T("console.people.no-scope")}}
	for _, c := range o.Clusters {
		if c.Key != "" {
			all = append(all, page.Option{Value: c.Key, Text: s.say(v).cluster(c.Key)})
		}
	}
	return all, nil
}

func (w words) scopeName(u account.User) string {
	if u.Scope == "" {
		return "–"
	}
	return cmp.Or(w.named(u.Scope), u.Scope)
}

// roleInputs choose a role and, for an officer, the cluster. One that is no cluster now
// stays to be chosen.
func (w words) roleInputs(role account.Role, scope string, clusters []page.Option) []page.Input {
	roles := page.Input{ID: "role", Name: "role", Kind: "select", Label: w.T("web.account.role")}
	for _, r := range w.under() {
		roles.Options = append(roles.Options, page.Option{Value: string(r), Text: w.T("web.role." + string(r)), Chosen: r == role})
	}
	clusters = slices.Clone(clusters)
	if scope != "" && !slices.ContainsFunc(clusters, func(o page.Option) bool { return o.Value == scope }) {
		clusters = append(clusters, page.Option{Value: scope, Text: cmp.Or(w.named(scope), scope)})
	}
	for i := range clusters {
		clusters[i].Chosen = clusters[i].Value == scope
	}
	return []page.Input{roles, {ID: "scope", Name: "scope", Kind: "select", Label: w.T("hub.user.col.scope"), Hint: w.T("console.people.scope-hint"), Options: clusters}}
}

func (w words) passwordInput() page.Input {
	return page.Input{ID: "password", Name: "password", Kind: "password", Label: w.T("web.users.password"), Hint: w.T("web.users.password-hint", i18n.Args{"min": account.MinPassword})}
}

// personTag words the state of an account.
func (w words) personTag(u account.User) page.Tag {
	switch {
	case u.Disabled:
		return page.Tag{Text: w.T("web.users.closed"), Tone: "grey"}
	case u.Locked:
		return page.Tag{Text: w.T("web.users.locked"), Tone: "red"}
	case u.Temporary:
		return page.Tag{Text: w.T("web.users.temporary"), Tone: "amber"}
	}
	return page.Tag{Text: w.T("web.users.open"), Tone: "green"}
}

// roleAsked is the role of a form, when the visitor may give it or it is none. Problem
// console.people.role.
func (w words) roleAsked() (account.Role, string, error) {
	role, scope := account.Role(w.R.PostFormValue("role")), w.R.PostFormValue("scope")
	if slices.Contains(account.HubRoles, role) && !w.Session.User.Role.Over(role) {
		return role, scope, problem.New(problem.Denied, "console.people.role", "role", i18n.Args{"roles": w.rolesUnder()})
	}
	return role, scope, nil
}

func (s *site) addPerson(ctx context.Context, v *page.Visit) error {
	role, scope, err := s.say(v).roleAsked()
	var u account.User
	if err == nil {
		u, err = s.People.Add(ctx, account.NewUser{Name: v.R.PostFormValue("name"), Display: v.R.PostFormValue("display"), Role: role, Scope: scope,
			Password: v.R.PostFormValue("password"), By: v.Session.User.Name})
	}
	if err != nil {
		if !page.Mendable(err) {
			return fmt.Errorf("make account: %w", err)
		}
		return s.showPeople(ctx, v, err)
	}
	v.Redirect(personHref(u.Name) + "?xong=nguoi-them")
	return nil
}

// named is the account that the address names.
func (s *site) named(ctx context.Context, v *page.Visit) (account.User, error) {
	all, err := s.People.Users(ctx)
	if err != nil {
		return account.User{}, fmt.Errorf("list accounts: %w", err)
	}
	name := v.R.PathValue("name")
	for _, u := range all {
		if u.Name == name {
			return u, nil
		}
	}
	return account.User{}, problem.New(problem.NotFound, "account.unknown", "name", i18n.Args{"name": name})
}

func (s *site) person(ctx context.Context, v *page.Visit) error { return s.showPerson(ctx, v, nil) }

func (s *site) showPerson(ctx context.Context, v *page.Visit, failed error) error {
	u, err := s.named(ctx, v)
	if err != nil {
		return err
	}
	sessions, err := s.People.Sessions(ctx, u.Name)
	if err != nil {
		return fmt.Errorf("list sessions: %w", err)
	}
	clusters, err := s.scopes(ctx, v)
	if err != nil {
		return err
	}
	w := s.say(v)
	view := BoardView{Page: s.Page(ctx, v, u.Display, peoplePath), Back: peoplePath, BackText: v.T("console.people.title"), Heading: u.Display, Tag: w.personTag(u)}
	view.Styles, view.Path = s.Some("admin.css", "console.css"), personHref(u.Name)
	signed := page.Grid{Caption: v.T("web.account.sessions"), Empty: v.T("console.people.no-sessions"), Head: []string{v.T("console.people.since"), v.T("console.people.seen"), v.T("console.people.ends")}}
	for _, e := range sessions {
		signed.Rows = append(signed.Rows, []page.Cell{{Text: page.Full(e.Created)}, {Text: page.Full(e.Seen)}, {Text: page.Full(e.Expires)}})
	}
	view.Sections = []page.Section{{Facts: []page.Fact{
		{Name: v.T("web.account.name"), Value: u.Name}, {Name: v.T("web.account.role"), Value: v.T("web.role." + string(u.Role))}, {Name: v.T("hub.user.col.scope"), Value: w.scopeName(u)},
		{Name: v.T("web.account.may"), Value: v.T("web.role.may." + string(u.Role))}, {Name: v.T("web.users.created"), Value: page.Full(u.Created)}}},
		{Title: v.T("web.account.sessions"), Grid: signed}}
	inputs := append(w.roleInputs(u.Role, u.Scope, clusters), w.passwordInput())
	if u.Issuer != "" {
		view.Sections[0].Facts = append(view.Sections[0].Facts, page.Fact{Name: v.T("web.account.issuer"), Value: u.Issuer})
	}
	if err := w.mayChange(u); err != nil {
		view.Sections = append(view.Sections, page.Section{Notices: []page.Notice{{Text: w.Whole(problem.From(err))}}})
	} else {
		view.Sections = append(view.Sections, w.personActs(u, inputs)...)
	}
	if failed != nil {
		return s.mended(v, view, inputs, failed)
	}
	return s.show(v, view)
}

// mayChange refuses an account that is the visitor's own or has rights that the visitor
// does not have. Problems: account.self, console.people.over.
func (w words) mayChange(u account.User) error {
	switch {
	case u.Name == w.Session.User.Name:
		return problem.New(problem.Conflict, "console.people.self", "", nil)
	case !w.Session.User.Role.Over(u.Role):
		return problem.New(problem.Denied, "console.people.over", "", i18n.Args{"role": w.T("web.role." + string(u.Role))})
	}
	return nil
}

// personActs are the forms of an account.
func (w words) personActs(u account.User, inputs []page.Input) []page.Section {
	button := func(text, what, tone string) page.Button {
		return page.Button{Text: w.T(text), Name: "viec", Value: what, Tone: tone}
	}
	form := func(inputs []page.Input, b ...page.Button) []page.Form {
		return []page.Form{{Action: personHref(u.Name), Inputs: inputs, Buttons: b}}
	}
	var all []page.Section
	if u.Issuer == "" {
		all = []page.Section{{Title: w.T("console.people.role"), Text: w.T("console.people.role-text"), Forms: form(inputs[:2], button("console.people.role-go", actRole, ""))},
			{Title: w.T("web.users.reset"), Forms: form(inputs[2:], button("web.users.reset-go", actPassword, "plain"))}}
	}
	all = append(all, page.Section{Title: w.T("web.account.everywhere"), Text: w.T("console.people.sign-out-text"), Forms: form(nil, button("web.account.everywhere", actSignOut, "plain"))})
	if u.Locked {
		all = append(all, page.Section{Title: w.T("web.users.unlock"), Forms: form(nil, button("web.users.unlock", actUnlock, "plain"))})
	}
	if u.Disabled {
		return append(all, page.Section{Title: w.T("web.users.reopen"), Forms: form(nil, button("web.users.reopen", actOpen, "plain"))})
	}
	return append(all, page.Section{Title: w.T("web.users.close"), Text: w.T("console.people.close-text"), Forms: form(nil, button("web.users.close", actClose, "warn"))})
}

// changePerson does what the pressed button says.
func (s *site) changePerson(ctx context.Context, v *page.Visit) error {
	u, err := s.named(ctx, v)
	if err != nil {
		return err
	}
	w, by, what := s.say(v), v.Session.User.Name, v.R.PostFormValue("viec")
	change, simple := personChanges[what]
	if err = w.mayChange(u); err == nil {
		switch {
		case simple:
			err = s.People.Change(ctx, u.Name, change, by)
		case what == actPassword:
			err = s.People.SetPassword(ctx, u.Name, v.R.PostFormValue("password"), by)
		case what == actRole:
			var role account.Role
			var scope string
			if role, scope, err = w.roleAsked(); err == nil {
				err = s.People.SetRole(ctx, u.Name, role, scope, by)
			}
		default:
			return problem.New(problem.NotFound, "web.no-page", "", nil)
		}
	}
	if err != nil {
		if !page.Mendable(err) {
			return fmt.Errorf("change account: %w", err)
		}
		return s.showPerson(ctx, v, err)
	}
	v.Redirect(personHref(u.Name) + "?xong=nguoi-" + what)
	return nil
}
