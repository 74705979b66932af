package page

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/web/account"
)

// SignInView is the sign-in page.
type SignInView struct {
	Page
	Name   string
	Known  []KnownName // who may be meant: of this browser, or all when somebody is signed in
	Next   string
	Switch bool   // somebody is signed in, and another one takes over
	Back   string // leads back from there
	SignOn *SignOnView
	// Ended says that somebody has signed out here, Elsewhere where they can do so
	// where their account is kept.
	Ended     bool
	Elsewhere string
	Again     bool // the last sign-in elsewhere failed: it is asked who it is
}

// KnownName is a choice that fills the name in.
type KnownName struct {
	Name, Display, Href string
	Current             bool
}

const (
	knownCookie = "tram-nguoi-dung"
	knownLife   = 180 * 24 * time.Hour
	maxKnown    = 5
	// maxKnownName bounds a name as it is shown, characters.
	maxKnownName = 100
)

// signInForm offers names as choices: those that signed in from this browser, and
// to who is signed in all of the office, so that the next one at the same PC only
// types a password. Strangers learn no names.
func (s *Site) signInForm(ctx context.Context, v *Visit) error {
	q := v.R.URL.Query()
	view := SignInView{Next: q.Get("tiep"), Switch: v.Signed && q.Get("doi") != "", Name: strings.TrimSpace(q.Get("ten")), Again: q.Get("lai") != ""}
	if v.Signed && !view.Switch {
		v.Redirect(s.local(view.Next))
		return nil
	}
	if known := s.knownNames(v.R); view.Name == "" && !view.Switch && len(known) > 0 {
		view.Name = known[0].Name
	}
	if s.o.SignOn != nil && q.Get("ra") != "" {
		view.Ended, view.Elsewhere = true, s.o.SignOn.End("/dang-nhap")
	}
	return s.showSignIn(ctx, v, view, nil, http.StatusOK)
}

func (s *Site) showSignIn(ctx context.Context, v *Visit, view SignInView, errs []FieldError, status int) error {
	q := url.Values{"tiep": {view.Next}}
	view.Known = s.knownNames(v.R)
	if view.Switch {
		q.Set("doi", "1")
		people, err := s.o.Accounts.Users(ctx)
		if err != nil {
			return fmt.Errorf("list accounts: %w", err)
		}
		view.Known, view.Back = nil, s.local(view.Next)
		for _, u := range people {
			if !u.Disabled && u.Name != v.Session.User.Name {
				view.Known = append(view.Known, KnownName{Name: u.Name, Display: u.Display})
			}
		}
	}
	view.Page = s.Bare(v, v.T("web.signin.title"), "/dang-nhap?"+q.Encode())
	if view.Switch {
		view.Page.Title = v.T("web.title", i18n.Args{"title": v.T("web.switch.title")})
	}
	for i := range view.Known {
		k := &view.Known[i]
		q.Set("ten", k.Name)
		k.Href, k.Current = "/dang-nhap?"+q.Encode(), k.Name == view.Name
	}
	view.Styles, view.SignOn = s.Some("signin.css"), s.signOnView(v, view)
	view.Page.SetErrors(errs)
	return s.Render(v, "signin", view, status)
}

func (s *Site) signIn(ctx context.Context, v *Visit) error {
	name, password := strings.TrimSpace(v.R.PostFormValue("name")), v.R.PostFormValue("password")
	view := SignInView{Name: name, Next: v.R.PostFormValue("tiep"), Switch: v.Signed && v.R.PostFormValue("doi") != ""}
	var errs []FieldError
	if name == "" {
		errs = append(errs, FieldError{"name", v.T("web.signin.no-name")})
	}
	if password == "" {
		errs = append(errs, FieldError{"password", v.T("web.signin.no-password")})
	}
	if errs != nil {
		return s.showSignIn(ctx, v, view, errs, http.StatusUnprocessableEntity)
	}
	user, err := s.o.Accounts.Authenticate(ctx, name, password, v.Address())
	if err != nil {
		p := problem.From(err)
		switch p.Code {
		case "account.wrong", "account.locked":
			return s.showSignIn(ctx, v, view, []FieldError{{"name", v.Whole(p)}}, http.StatusUnprocessableEntity)
		case "account.throttled":
			return s.showSignIn(ctx, v, view, []FieldError{{"name", p.Message(v.Lang)}}, http.StatusTooManyRequests)
		}
		return fmt.Errorf("sign in: %w", err)
	}
	if c, err := v.R.Cookie(s.cookie); err == nil {
		if err := s.o.Accounts.End(ctx, c.Value); err != nil {
			return fmt.Errorf("end earlier session: %w", err)
		}
	}
	token, _, err := s.o.Accounts.Open(ctx, user, v.Address())
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	s.setCookie(v, s.cookie, token, 0)
	s.setCookie(v, s.visitCookie, "", -time.Second)
	s.setCookie(v, s.CookieName(knownCookie), withFirst(s.knownNames(v.R), user), knownLife)
	v.Redirect(s.mayOpen(user, s.local(view.Next)))
	return nil
}

func (s *Site) signOut(ctx context.Context, v *Visit) error {
	if c, err := v.R.Cookie(s.cookie); err == nil {
		if err := s.o.Accounts.End(ctx, c.Value); err != nil {
			return fmt.Errorf("sign out: %w", err)
		}
	}
	s.setCookie(v, s.cookie, "", -time.Second)
	if s.endElsewhere(v.Session.User) {
		v.Redirect("/dang-nhap?ra=1")
		return nil
	}
	v.Redirect("/dang-nhap")
	return nil
}

// mayOpen is the address when its user may open it, else the home page: who takes
// over is not led to a refusal.
func (s *Site) mayOpen(user account.User, target string) string {
	r, err := http.NewRequest(http.MethodGet, target, nil)
	if err != nil {
		return s.o.Home
	}
	_, pattern := s.mux.Handler(r)
	who, ok := s.rules[pattern]
	if !ok || who == Anybody || who == SignedIn || user.Role.May(who) {
		return target
	}
	return s.o.Home
}

// knownNames are those that this browser signed in with, latest first, with how
// they are shown: the cookie holds both, so that nobody learns from a made-up one
// which accounts there are.
func (s *Site) knownNames(r *http.Request) (names []KnownName) {
	c, err := r.Cookie(s.CookieName(knownCookie))
	if err != nil {
		return nil
	}
	for _, one := range strings.Split(c.Value, "|") {
		name, display, _ := strings.Cut(one, "~")
		shown, err := url.QueryUnescape(display)
		if !knownForm.MatchString(name) || err != nil || utf8.RuneCountInString(shown) > maxKnownName || len(names) == maxKnown {
			continue
		}
		names = append(names, KnownName{Name: name, Display: cmp.Or(shown, name)})
	}
	return names
}

// knownForm is that of a name in the cookie.
var knownForm = regexp.MustCompile(`^[a-z0-9._-]{1,32}$`)

// withFirst is the cookie after user has signed in.
func withFirst(names []KnownName, user account.User) string {
	rest := slices.DeleteFunc(names, func(k KnownName) bool { return k.Name == user.Name })
	all := append([]KnownName{{Name: user.Name, Display: user.Display}}, rest[:min(len(rest), maxKnown-1)]...)
	parts := make([]string, len(all))
	for i, k := range all {
		parts[i] = k.Name + "~" + url.QueryEscape(k.Display)
	}
	return strings.Join(parts, "|")
}
