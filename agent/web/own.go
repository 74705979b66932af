package web

import (
	"context"
	"fmt"
	"net/http"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/web/account"
)

// PasswordView is the page that replaces the own password.
type PasswordView struct {
	Page
	First bool // the present one is temporary: nothing else is open
	Min   int  // characters
	Name  string
}

func (s *site) passwordForm(ctx context.Context, v *visit) error {
	return s.showPassword(ctx, v, nil, http.StatusOK)
}

func (s *site) showPassword(ctx context.Context, v *visit, errs []FieldError, status int) error {
	view := PasswordView{First: v.session.User.Temporary, Min: account.MinPassword, Name: v.session.User.Name}
	if view.First {
		view.Page = s.bare(v, v.t("web.password.title"), "/mat-khau")
		view.User = v.session.User.Display // the way to sign out
	} else {
		view.Page = s.page(ctx, v, v.t("web.password.title"), "")
	}
	view.Path = "/mat-khau"
	view.Page.setErrors(v, errs)
	return s.render(v, "password", view, status)
}

func (s *site) changePassword(ctx context.Context, v *visit) error {
	old, fresh := v.r.PostFormValue("old"), v.r.PostFormValue("password")
	var errs []FieldError
	if old == "" {
		errs = append(errs, FieldError{"old", v.t("web.password.no-old")})
	}
	if fresh == "" {
		errs = append(errs, FieldError{"password", v.t("web.password.no-new")})
	} else if fresh != v.r.PostFormValue("again") {
		errs = append(errs, FieldError{"again", v.t("web.password.differ")})
	}
	if errs != nil {
		return s.showPassword(ctx, v, errs, http.StatusUnprocessableEntity)
	}
	token, err := s.Accounts.ChangePassword(ctx, v.session, old, fresh, address(v.r))
	if err != nil {
		p := problem.From(err)
		switch p.Code {
		case "account.wrong":
			errs = []FieldError{{"old", v.t("web.password.wrong-old")}}
		case "account.throttled", "account.locked":
			errs = []FieldError{{"old", v.whole(p)}}
		default:
			if p.Class == problem.Failed {
				return fmt.Errorf("change password: %w", err)
			}
			errs = v.fieldErrors(err)
		}
		return s.showPassword(ctx, v, errs, http.StatusUnprocessableEntity)
	}
	s.setCookie(v, s.cookie, token, 0)
	v.redirect("/tai-khoan?xong=mat-khau")
	return nil
}

// AccountView is the visitor's own account.
type AccountView struct {
	Page
	Done     string
	Facts    []Fact
	Sessions []SessionRow
}

// SessionRow is one sign-in of the visitor.
type SessionRow struct {
	Since, Seen, Ends string
	This              bool
}

func (s *site) ownAccount(ctx context.Context, v *visit) error {
	u := v.session.User
	view := AccountView{Page: s.page(ctx, v, v.t("web.account.title"), ""), Facts: []Fact{
		{v.t("web.account.display"), u.Display}, {v.t("web.account.name"), u.Name}, {v.t("web.account.role"), v.t("web.role." + string(u.Role))},
		{v.t("web.account.may"), v.t("web.role.may." + string(u.Role))},
	}}
	view.Path = "/tai-khoan"
	if v.r.URL.Query().Get("xong") == "mat-khau" {
		view.Done = v.t("web.account.done-password")
	}
	sessions, err := s.Accounts.Sessions(ctx, u.Name)
	if err != nil {
		return fmt.Errorf("list sessions: %w", err)
	}
	for _, e := range sessions {
		view.Sessions = append(view.Sessions, SessionRow{Since: formatFull(e.Created), Seen: formatFull(e.Seen), Ends: formatFull(e.Expires),
			This: e.Ref == v.session.Ref})
	}
	return s.render(v, "account", view, http.StatusOK)
}

func (s *site) signOutEverywhere(ctx context.Context, v *visit) error {
	if err := s.Accounts.EndAll(ctx, v.session.User.Name, v.session.User.Name); err != nil {
		return fmt.Errorf("sign out everywhere: %w", err)
	}
	s.setCookie(v, s.cookie, "", -1)
	v.redirect("/dang-nhap")
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
