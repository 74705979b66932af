package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/web/account"
)

// UsersView lists the accounts of the office, for its IT officer.
type UsersView struct {
	Page
	Rows    []UserRow
	Name    string // of the form for a new account
	Display string
	Roles   []Option
	Min     int // characters of a password
}

// UserRow is one account.
type UserRow struct {
	Href, Name, Display, Role string
	State                     Tag
}

// UserView is one account with what can be done to it.
type UserView struct {
	Page
	Base, Name, Display string
	Done                string
	State               Tag
	Facts               []Fact
	Locked, Closed      bool
	Self                bool // the visitor's own: he does not lock himself out
	Min                 int
}

func (s *site) users(ctx context.Context, v *visit) error {
	return s.showUsers(ctx, v, account.NewUser{Role: account.Clerk}, nil, http.StatusOK)
}

func (s *site) showUsers(ctx context.Context, v *visit, n account.NewUser, errs []FieldError, status int) error {
	all, err := s.Accounts.Users(ctx)
	if err != nil {
		return fmt.Errorf("list accounts: %w", err)
	}
	view := UsersView{Page: s.adminPage(ctx, v, v.t("web.menu.users"), "/nguoi-dung"), Name: n.Name, Display: n.Display,
		Roles: v.roleOptions(string(n.Role)), Min: account.MinPassword}
	view.Path = "/nguoi-dung"
	for _, u := range all {
		view.Rows = append(view.Rows, UserRow{Href: "/nguoi-dung/" + u.Name, Name: u.Name, Display: u.Display,
			Role: v.t("web.role." + string(u.Role)), State: v.userTag(u)})
	}
	view.setErrors(v, errs)
	return s.render(v, "users", view, status)
}

func (s *site) createUser(ctx context.Context, v *visit) error {
	n := account.NewUser{Name: v.r.PostFormValue("name"), Display: v.r.PostFormValue("display"), Role: account.Role(v.r.PostFormValue("role")),
		Password: v.r.PostFormValue("password"), Temporary: true, By: v.session.User.Name}
	u, err := s.Accounts.CreateUser(ctx, n)
	if err != nil {
		if problem.From(err).Class == problem.Failed {
			return fmt.Errorf("make account: %w", err)
		}
		return s.showUsers(ctx, v, n, v.fieldErrors(err), http.StatusUnprocessableEntity)
	}
	v.redirect("/nguoi-dung/" + u.Name + "?xong=tao")
	return nil
}

// user finds the account that the address names.
func (s *site) user(ctx context.Context, v *visit) (account.User, error) {
	all, err := s.Accounts.Users(ctx)
	if err != nil {
		return account.User{}, fmt.Errorf("list accounts: %w", err)
	}
	name := v.r.PathValue("name")
	for _, u := range all {
		if u.Name == name {
			return u, nil
		}
	}
	return account.User{}, problem.New(problem.NotFound, "account.unknown", "name", i18n.Args{"name": name})
}

func (s *site) oneUser(ctx context.Context, v *visit) error {
	u, err := s.user(ctx, v)
	if err != nil {
		return err
	}
	return s.showUser(ctx, v, u, nil, http.StatusOK)
}

func (s *site) showUser(ctx context.Context, v *visit, u account.User, errs []FieldError, status int) error {
	view := UserView{Page: s.adminPage(ctx, v, u.Display, "/nguoi-dung"), Base: "/nguoi-dung/" + u.Name, Name: u.Name, Display: u.Display,
		State: v.userTag(u), Facts: v.userFacts(u), Locked: u.Locked, Closed: u.Disabled, Self: u.Name == v.session.User.Name, Min: account.MinPassword}
	view.Path = view.Base
	if errs == nil {
		view.Done = v.done(v.r.URL.Query().Get("xong"), i18n.Args{"name": u.Name})
	}
	view.setErrors(v, errs)
	return s.render(v, "user", view, status)
}

// changeUser does what the pressed button says.
func (s *site) changeUser(ctx context.Context, v *visit) error {
	u, err := s.user(ctx, v)
	if err != nil {
		return err
	}
	by, what := v.session.User.Name, v.r.PostFormValue("viec")
	switch {
	case what == "mo-khoa":
		err = s.Accounts.Unlock(ctx, by, u.Name)
	case what == "mo":
		err = s.Accounts.SetDisabled(ctx, by, u.Name, false)
	case what == "dang-xuat":
		err = s.Accounts.EndAll(ctx, by, u.Name)
	case u.Name == by: // his password he changes as everybody does, and he stays
		err = problem.New(problem.Conflict, "account.self", "password", nil)
	case what == "dong":
		err = s.Accounts.SetDisabled(ctx, by, u.Name, true)
	case what == "mat-khau":
		err = s.Accounts.SetPassword(ctx, by, u.Name, v.r.PostFormValue("password"))
	default:
		err = problem.New(problem.NotFound, "web.no-page", "", nil)
	}
	var p *problem.Problem
	switch {
	case errors.As(err, &p) && p.Class != problem.Failed && strings.HasPrefix(p.Code, "account."):
		return s.showUser(ctx, v, u, v.fieldErrors(err), statusOf(p))
	case err != nil:
		return fmt.Errorf("change account: %w", err)
	}
	v.redirect("/nguoi-dung/" + u.Name + "?xong=" + what)
	return nil
}

// roleOptions are the roles to choose from.
func (v *visit) roleOptions(chosen string) []Option {
	var all []Option
	for _, r := range account.Roles {
		all = append(all, Option{Value: string(r), Text: v.t("web.role." + string(r)), Chosen: string(r) == chosen})
	}
	return all
}

// userTag words the state of an account.
func (v *visit) userTag(u account.User) Tag {
	switch {
	case u.Disabled:
		return Tag{v.t("web.users.closed"), "grey"}
	case u.Locked:
		return Tag{v.t("web.users.locked"), "red"}
	case u.Temporary:
		return Tag{v.t("web.users.temporary"), "amber"}
	}
	return Tag{v.t("web.users.open"), "green"}
}

func (v *visit) userFacts(u account.User) []Fact {
	return []Fact{
		{v.t("web.account.display"), u.Display}, {v.t("web.account.name"), u.Name},
		{v.t("web.account.role"), v.t("web.role." + string(u.Role))}, {v.t("web.account.may"), v.t("web.role.may." + string(u.Role))},
		{v.t("web.users.created"), formatFull(u.Created)},
	}
}

func (v *visit) done(action string, args i18n.Args) string {
	if key := "web.users.done." + action; i18n.Has(key) {
		return v.t(key, args)
	}
	return ""
}
