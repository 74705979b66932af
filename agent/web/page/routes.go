package page

import (
	"context"
	"net/http"

	"tram/agent/problem"
	"tram/agent/web/account"
)

// Who may use a route: a right of account, or one of these.
const (
	Anybody  account.Right = "anybody"   // no sign-in
	SignedIn account.Right = "signed-in" // any role
)

// statusPath tells scripts whether anything has changed.
const statusPath = "/trang-thai"

// Route is one address with the rule that guards it.
type Route struct {
	Who     account.Right
	Pattern string // of http.ServeMux
	Do      Handler
	Early   bool // open while the password is a temporary one
	Files   bool // carries files: Do bounds its body and looks at its token
}

// Routes are those of every site: sign-in, the own account, language, freshness.
func (s *Site) Routes() []Route {
	return []Route{
		{Who: Anybody, Pattern: "GET /dang-nhap", Do: s.signInForm, Early: true},
		{Who: Anybody, Pattern: "POST /dang-nhap", Do: s.signIn, Early: true},
		{Who: Anybody, Pattern: "POST /dang-xuat", Do: s.signOut, Early: true},
		{Who: Anybody, Pattern: "POST /ngon-ngu", Do: s.setLanguage, Early: true},
		{Who: Anybody, Pattern: "GET " + statusPath, Do: s.status},
		{Who: Anybody, Pattern: "/", Do: s.noSuchPage, Early: true},

		{Who: SignedIn, Pattern: "GET /mat-khau", Do: s.passwordForm, Early: true},
		{Who: SignedIn, Pattern: "POST /mat-khau", Do: s.changePassword, Early: true},
		{Who: SignedIn, Pattern: "GET /tai-khoan", Do: s.ownAccount},
		{Who: SignedIn, Pattern: "POST /tai-khoan/dang-xuat-het", Do: s.signOutEverywhere},
	}
}

func (s *Site) noSuchPage(context.Context, *Visit) error {
	return problem.New(problem.NotFound, "web.no-page", "", nil)
}

// StatusView is the strip alone, for the script that keeps it fresh.
type StatusView struct{ Page }

// status answers 304 while since is still the state of things.
func (s *Site) status(ctx context.Context, v *Visit) error {
	if !v.Signed {
		return s.RenderPart(v, "status", "ended", StatusView{s.Bare(v, "", "/")}, http.StatusUnauthorized)
	}
	view := StatusView{s.Page(ctx, v, "", "")}
	if view.Rev != "" && v.R.URL.Query().Get("since") == view.Rev {
		v.W.Header().Set("Cache-Control", "no-store")
		v.W.WriteHeader(http.StatusNotModified)
		return nil
	}
	v.W.Header().Set("X-Tram-Rev", view.Rev)
	return s.RenderPart(v, "status", "strip", view, http.StatusOK)
}
