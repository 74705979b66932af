package page

import (
	"cmp"
	"context"
	"fmt"
	"net/http"

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

func (s *Site) passwordForm(ctx context.Context, v *Visit) error {
	if v.Session.User.Issuer != "" {
		return problem.New(problem.Conflict, "account.no-password", "", nil)
	}
	return s.showPassword(ctx, v, nil, http.StatusOK)
}

func (s *Site) showPassword(ctx context.Context, v *Visit, errs []FieldError, status int) error {
	view := PasswordView{First: v.Session.User.Temporary, Min: account.MinPassword, Name: v.Session.User.Name}
	if view.First {
		view.Page = s.Bare(v, v.T("web.password.title"), "/mat-khau")
		view.User = v.Session.User.Display // the way to sign out
	} else {
		view.Page = s.Page(ctx, v, v.T("web.password.title"), "")
	}
	view.Path = "/mat-khau"
	view.Page.SetErrors(errs)
	return s.Render(v, "password", view, status)
}

func (s *Site) changePassword(ctx context.Context, v *Visit) error {
	old, fresh := v.R.PostFormValue("old"), v.R.PostFormValue("password")
	var errs []FieldError
	if old == "" {
		errs = append(errs, FieldError{"old", v.T("web.password.no-old")})
	}
	if fresh == "" {
		errs = append(errs, FieldError{"password", v.T("web.password.no-new")})
	} else if fresh != v.R.PostFormValue("again") {
		errs = append(errs, FieldError{"again", v.T("web.password.differ")})
	}
	if errs != nil {
		return s.showPassword(ctx, v, errs, http.StatusUnprocessableEntity)
	}
	token, err := s.o.Accounts.ChangePassword(ctx, v.Session, old, fresh, v.Address())
	if err != nil {
		p := problem.From(err)
		switch p.Code {
		case "account.wrong":
			errs = []FieldError{{"old", v.T("web.password.wrong-old")}}
		case "account.throttled", "account.locked":
			errs = []FieldError{{"old", v.Whole(p)}}
		default:
			if p.Class == problem.Failed {
				return fmt.Errorf("change password: %w", err)
			}
			for _, p := range Problems(err) {
				errs = append(errs, FieldError{cmp.Or(p.Field, "password"), v.Whole(p)})
			}
		}
		return s.showPassword(ctx, v, errs, http.StatusUnprocessableEntity)
	}
	s.setCookie(v, s.cookie, token, 0)
	v.Redirect("/tai-khoan?xong=mat-khau")
	return nil
}

// AccountView is the visitor's own account.
type AccountView struct {
	Page
	Done     string
	Facts    []Fact
	Sessions []SessionRow
	External bool // the account is kept elsewhere, and has no password here
}

// SessionRow is one sign-in of the visitor.
type SessionRow struct {
	Since, Seen, Ends string
	This              bool
}

func (s *Site) ownAccount(ctx context.Context, v *Visit) error {
	u := v.Session.User
	view := AccountView{Page: s.Page(ctx, v, v.T("web.account.title"), ""), Facts: []Fact{
		{v.T("web.account.display"), u.Display}, {v.T("web.account.name"), u.Name}, {v.T("web.account.role"), v.T("web.role." + string(u.Role))},
		{v.T("web.account.may"), v.T("web.role.may." + string(u.Role))},
	}}
	view.Path, view.External = "/tai-khoan", u.Issuer != ""
	if view.External {
		view.Facts = append(view.Facts, Fact{v.T("web.account.issuer"), u.Issuer})
	}
	if v.R.URL.Query().Get("xong") == "mat-khau" {
		view.Done = v.T("web.account.done-password")
	}
	sessions, err := s.o.Accounts.Sessions(ctx, u.Name)
	if err != nil {
		return fmt.Errorf("list sessions: %w", err)
	}
	for _, e := range sessions {
		view.Sessions = append(view.Sessions, SessionRow{Since: Full(e.Created), Seen: Full(e.Seen), Ends: Full(e.Expires),
			This: e.Ref == v.Session.Ref})
	}
	return s.Render(v, "account", view, http.StatusOK)
}

func (s *Site) signOutEverywhere(ctx context.Context, v *Visit) error {
	if err := s.o.Accounts.EndAll(ctx, v.Session.User.Name, v.Session.User.Name); err != nil {
		return fmt.Errorf("sign out everywhere: %w", err)
	}
	s.setCookie(v, s.cookie, "", -1)
	v.Redirect("/dang-nhap")
	return nil
}
