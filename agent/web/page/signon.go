package page

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tram/agent/problem"
	"tram/agent/web/account"
)

// SignOn signs people in with an account that is kept elsewhere. Implementations
// are safe for concurrent use.
type SignOn interface {
	// Name is how people call who keeps the accounts, Issuer how accounts do.
	Name() string
	Issuer() string
	// Origin is the one under which the pages have to be open for it.
	Origin() string
	// Ready is nil, or a problem that says why it cannot be used now. It waits for
	// nothing.
	Ready() error
	// Begin gives the address where the browser is to go, and a secret for it to
	// bring back.
	Begin(t Trip) (target, secret string, err error)
	// Finish takes what the browser brought back. It works once for each Begin.
	Finish(ctx context.Context, answer url.Values, secret, address string) (account.User, Trip, error)
	// End is where somebody signs out there, coming back to the page at path; "" for
	// nowhere.
	End(path string) string
}

// Trip is what a page wants to know of a visitor who comes back.
type Trip struct {
	Next    string // where they wanted to go
	Earlier string // token of the session that they had
	Again   bool   // ask who it is, whoever is signed in there
	Address string // where they come from
}

const (
	signOnPath = "/dang-nhap/mot-lan"
	// SignOnReturn is where the browser comes back to.
	SignOnReturn = signOnPath + "/ve"
	signOnCookie = "tram-mot-lan"
	signOnLife   = 10 * time.Minute
)

// SignOnView is the way to a sign-in elsewhere, on the sign-in page.
type SignOnView struct {
	Name, Href string
	Trouble    string // why it cannot be used now
}

// OnwardView leads on after a sign-in elsewhere.
type OnwardView struct {
	Page
	Next string
}

// SignOnRoutes are those of a site that lets people sign in with Options.SignOn.
func (s *Site) SignOnRoutes() []Route {
	return []Route{
		{Who: Anybody, Pattern: "GET " + signOnPath, Do: s.beginSignOn, Early: true},
		{Who: Anybody, Pattern: "GET " + SignOnReturn, Do: s.endSignOn, Early: true},
	}
}

// signOnView is nil where there is none.
func (s *Site) signOnView(v *Visit, view SignInView) *SignOnView {
	if s.o.SignOn == nil {
		return nil
	}
	q := url.Values{"tiep": {view.Next}}
	if view.Switch || view.Again {
		q.Set("doi", "1")
	}
	shown := &SignOnView{Name: s.o.SignOn.Name(), Href: signOnPath + "?" + q.Encode()}
	if err := s.o.SignOn.Ready(); err != nil {
		shown.Trouble = problem.From(err).Message(v.Lang)
	}
	return shown
}

// beginSignOn begins only for who comes from a page of ours: our cookies do not
// travel with what another site causes.
func (s *Site) beginSignOn(_ context.Context, v *Visit) error {
	if s.o.SignOn == nil {
		return problem.New(problem.NotFound, "web.no-page", "", nil)
	}
	q := v.R.URL.Query()
	back := "/dang-nhap?" + url.Values{"tiep": {q.Get("tiep")}}.Encode()
	again := q.Get("doi") != ""
	origin := s.o.SignOn.Origin()
	switch {
	case !strings.HasSuffix(strings.ToLower(origin), "://"+strings.ToLower(v.R.Host)):
		v.Redirect(origin + back)
		return nil
	case v.secret == "":
		v.Redirect(back)
		return nil
	case v.Signed && !again:
		v.Redirect(s.local(q.Get("tiep")))
		return nil
	}
	t := Trip{Next: s.local(q.Get("tiep")), Again: again, Address: v.Address()}
	if v.Signed {
		t.Earlier = v.secret
	}
	target, secret, err := s.o.SignOn.Begin(t)
	if err != nil {
		return err
	}
	s.signOnCookie(v, secret, signOnLife)
	v.Redirect(target)
	return nil
}

// signOnCookie is let through when the other site leads back here, which the
// strict ones are not.
func (s *Site) signOnCookie(v *Visit, value string, life time.Duration) {
	http.SetCookie(v.W, &http.Cookie{
		Name: s.CookieName(ofOffice(signOnCookie, s.o.Unit.Code)), Value: value, Path: "/", MaxAge: int(life / time.Second),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.o.Secure,
	})
}

// endSignOn opens a session, and leads on from a page of ours: a redirect would
// still be the other site's, and come without the session's cookie.
func (s *Site) endSignOn(ctx context.Context, v *Visit) error {
	if s.o.SignOn == nil {
		return problem.New(problem.NotFound, "web.no-page", "", nil)
	}
	secret := ""
	if c, err := v.R.Cookie(s.CookieName(ofOffice(signOnCookie, s.o.Unit.Code))); err == nil {
		secret = c.Value
	}
	s.signOnCookie(v, "", -time.Second)
	user, trip, err := s.o.SignOn.Finish(ctx, v.R.URL.Query(), secret, v.Address())
	if err != nil {
		return s.signOnFailed(v, err)
	}
	if trip.Earlier != "" {
		if err := s.o.Accounts.End(ctx, trip.Earlier); err != nil {
			return fmt.Errorf("end earlier session: %w", err)
		}
	}
	token, e, err := s.o.Accounts.Open(ctx, user, "")
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	s.setCookie(v, s.cookie, token, 0)
	s.setCookie(v, s.visitCookie, "", -time.Second)
	v.Session, v.Signed, v.secret = e, true, token
	view := OnwardView{Page: s.Bare(v, v.T("web.onward.title"), s.o.Home), Next: s.mayOpen(user, trip.Next)}
	v.W.Header().Set("Refresh", "0; url="+view.Next)
	return s.Render(v, "onward", view, http.StatusOK)
}

// signOnFailed says why, and leads to another try, with another account if need be.
func (s *Site) signOnFailed(v *Visit, err error) error {
	p := problem.From(err)
	if p.Class == problem.Failed {
		return err
	}
	view := ErrorView{Page: s.Bare(v, v.T("web.error.heading"), "/dang-nhap"), Status: StatusOf(p), Message: p.Message(v.Lang), Next: p.Next(v.Lang)}
	view.Home, view.HomeText = "/dang-nhap?lai=1", v.T("web.signon.again")
	return s.Render(v, "error", view, view.Status)
}

// endElsewhere tells whether somebody may want to sign out elsewhere too.
func (s *Site) endElsewhere(u account.User) bool {
	return s.o.SignOn != nil && u.Issuer != "" && u.Issuer == s.o.SignOn.Issuer() && s.o.SignOn.End("/dang-nhap") != ""
}
