package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tram/agent/problem"
)

// SignInView is the sign-in page.
type SignInView struct {
	Page
	Name  string
	Known []string // names that signed in from this browser
	Next  string
}

const (
	knownCookie = "tram-nguoi-dung"
	knownLife   = 180 * 24 * time.Hour
	maxKnown    = 5
)

func (s *site) signInForm(ctx context.Context, v *visit) error {
	next := v.r.URL.Query().Get("tiep")
	if v.signed {
		v.redirect(local(next))
		return nil
	}
	known := s.knownNames(v.r)
	view := SignInView{Next: next, Known: known}
	if len(known) > 0 {
		view.Name = known[0]
	}
	return s.showSignIn(v, view, nil, http.StatusOK)
}

func (s *site) showSignIn(v *visit, view SignInView, errs []FieldError, status int) error {
	view.Page = s.bare(v, v.t("web.signin.title"), "/dang-nhap?"+url.Values{"tiep": {view.Next}}.Encode())
	view.Page.setErrors(v, errs)
	return s.render(v, "signin", view, status)
}

func (s *site) signIn(ctx context.Context, v *visit) error {
	name, password := strings.TrimSpace(v.r.PostFormValue("name")), v.r.PostFormValue("password")
	view := SignInView{Name: name, Known: s.knownNames(v.r), Next: v.r.PostFormValue("tiep")}
	var errs []FieldError
	if name == "" {
		errs = append(errs, FieldError{"name", v.t("web.signin.no-name")})
	}
	if password == "" {
		errs = append(errs, FieldError{"password", v.t("web.signin.no-password")})
	}
	if errs != nil {
		return s.showSignIn(v, view, errs, http.StatusUnprocessableEntity)
	}
	user, err := s.Accounts.Authenticate(ctx, name, password, address(v.r))
	if err != nil {
		p := problem.From(err)
		switch p.Code {
		case "account.wrong", "account.locked":
			return s.showSignIn(v, view, []FieldError{{"name", v.whole(p)}}, http.StatusUnprocessableEntity)
		case "account.throttled":
			return s.showSignIn(v, view, []FieldError{{"name", p.Message(v.lang)}}, http.StatusTooManyRequests)
		}
		return fmt.Errorf("sign in: %w", err)
	}
	if c, err := v.r.Cookie(s.cookie); err == nil {
		if err := s.Accounts.End(ctx, c.Value); err != nil {
			return fmt.Errorf("end earlier session: %w", err)
		}
	}
	token, _, err := s.Accounts.Open(ctx, user)
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	s.setCookie(v, s.cookie, token, 0)
	s.setCookie(v, s.visitCookie, "", -time.Second)
	s.setCookie(v, s.cookieName(knownCookie), strings.Join(withFirst(view.Known, user.Name), " "), knownLife)
	v.redirect(local(view.Next))
	return nil
}

func (s *site) signOut(ctx context.Context, v *visit) error {
	if c, err := v.r.Cookie(s.cookie); err == nil {
		if err := s.Accounts.End(ctx, c.Value); err != nil {
			return fmt.Errorf("sign out: %w", err)
		}
	}
	s.setCookie(v, s.cookie, "", -time.Second)
	v.redirect("/dang-nhap")
	return nil
}

// knownNames are the names that this browser signed in with, latest first: on
// a shared PC the next clerk picks hers instead of typing, and nobody else
// learns which accounts there are.
func (s *site) knownNames(r *http.Request) []string {
	c, err := r.Cookie(s.cookieName(knownCookie))
	if err != nil {
		return nil
	}
	names := strings.Fields(c.Value)
	return names[:min(len(names), maxKnown)]
}

func withFirst(names []string, first string) []string {
	rest := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == first })
	return append([]string{first}, rest[:min(len(rest), maxKnown-1)]...)
}
