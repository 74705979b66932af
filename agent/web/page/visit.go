package page

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/web/account"
)

// Visit is one request with who made it and in which language.
type Visit struct {
	R       *http.Request
	W       http.ResponseWriter
	Lang    i18n.Lang
	Now     time.Time
	Session account.Session
	Signed  bool   // in
	Connect string // origins that this one page's scripts may talk to besides ours; "" for none
	secret  string // what form tokens are made from: the cookie of the session, or of the visit before it
}

// May tells whether the visitor has a right.
func (v *Visit) May(r account.Right) bool { return v.Signed && v.Session.User.Role.May(r) }

// T is a text in the visitor's language.
func (v *Visit) T(key string, args ...i18n.Args) string { return i18n.T(v.Lang, key, args...) }

// Handler answers a visit. An error becomes an error page.
type Handler func(ctx context.Context, v *Visit) error

const (
	languageCookie = "tram-ngon-ngu"
	keysCookie     = "tram-phim"
	languageLife   = 365 * 24 * time.Hour
	// maxForm bounds the body of every form but the one that carries files.
	maxForm = 64 << 10
)

// handle loads the visitor, checks what the route asks of him and turns errors
// and panics into pages.
func (s *Site) handle(rt Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &Visit{R: r, W: w, Lang: s.language(r), Now: s.o.Now()}
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(http.ErrAbortHandler)
			}
			s.o.Logger.Error("panic in a page", "method", r.Method, "path", r.URL.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			s.fail(v, problem.New(problem.Failed, "internal", "", nil))
		}()
		if !safe(r.Method) && !rt.Files {
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		}
		if err := s.identify(r.Context(), v); err != nil {
			s.fail(v, err)
			return
		}
		if !s.admit(v, rt) {
			return
		}
		if err := rt.Do(r.Context(), v); err != nil {
			s.fail(v, err)
		}
	})
}

// admit lets v through to rt or answers in its place.
func (s *Site) admit(v *Visit, rt Route) bool {
	switch {
	case rt.Who != Anybody && !v.Signed:
		s.toSignIn(v)
	case v.Signed && v.Session.User.Temporary && !rt.Early:
		v.Redirect("/mat-khau")
	case rt.Who != Anybody && rt.Who != SignedIn && !v.May(rt.Who):
		s.fail(v, problem.New(problem.Denied, "web.not-yours", "", nil))
	case !safe(v.R.Method) && !rt.Files && !v.RightToken(v.R.PostFormValue(TokenField)):
		s.fail(v, problem.New(problem.Denied, "web.stale-form", "", nil))
	default:
		return true
	}
	return false
}

func safe(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// identify fills in the session. The page's own polling does not count as use.
func (s *Site) identify(ctx context.Context, v *Visit) error {
	if c, err := v.R.Cookie(s.visitCookie); err == nil {
		v.secret = c.Value
	}
	c, err := v.R.Cookie(s.cookie)
	if err != nil {
		return nil
	}
	e, err := s.o.Accounts.Session(ctx, c.Value, v.R.URL.Path != statusPath)
	if errors.Is(err, account.ErrNoSession) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read session: %w", err)
	}
	v.Session, v.Signed, v.secret = e, true, c.Value
	return nil
}

// toSignIn sends the visitor to sign in and back to the page he wanted.
func (s *Site) toSignIn(v *Visit) {
	q := url.Values{}
	if v.R.Method == http.MethodGet && v.R.URL.Path != "/" {
		q.Set("tiep", v.R.URL.RequestURI())
	} else if v.R.Method != http.MethodGet {
		back := v.R.URL.Path
		if s.o.Back != nil {
			back = s.o.Back(back)
		}
		q.Set("tiep", back)
	}
	target := "/dang-nhap"
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	v.Redirect(target)
}

// Redirect answers with 303: the browser gets the target.
func (v *Visit) Redirect(target string) {
	v.W.Header().Set("Cache-Control", "no-store")
	http.Redirect(v.W, v.R, target, http.StatusSeeOther)
}

// local returns target when it is a path of these pages, else the home page.
func (s *Site) local(target string) string {
	u, err := url.Parse(target)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(target, "/") ||
		strings.HasPrefix(target, "//") || strings.ContainsAny(target, "\\\r\n\t") {
		return s.o.Home
	}
	return target
}

// language is the visitor's choice, Vietnamese when there is none: the
// browser's own language says little on a shared office PC.
func (s *Site) language(r *http.Request) i18n.Lang {
	if c, err := r.Cookie(s.CookieName(languageCookie)); err == nil {
		return i18n.Parse(c.Value)
	}
	return i18n.Vietnamese
}

func (s *Site) setLanguage(_ context.Context, v *Visit) error {
	lang := i18n.Parse(v.R.PostFormValue("lang"))
	s.setCookie(v, s.CookieName(languageCookie), string(lang), languageLife)
	v.Redirect(s.local(v.R.PostFormValue("tiep")))
	return nil
}

// KeysOff tells whether keys of single letters are switched off in a browser.
func (s *Site) KeysOff(r *http.Request) bool {
	c, err := r.Cookie(s.CookieName(keysCookie))
	return err == nil && c.Value == "tat"
}

// SwitchKeys switches keys of single letters off or on, for this browser.
func (s *Site) SwitchKeys(v *Visit, on bool) {
	s.setCookie(v, s.CookieName(keysCookie), map[bool]string{true: "bat", false: "tat"}[on], languageLife)
}

// setCookie sets a cookie of life; a negative life removes it.
func (s *Site) setCookie(v *Visit, name, value string, life time.Duration) {
	http.SetCookie(v.W, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(life / time.Second),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: s.o.Secure,
	})
}

// CookieName is the name under which a cookie travels. Over TLS its prefix has
// browsers take it only from this very host, and only over TLS.
func (s *Site) CookieName(name string) string {
	if s.o.Secure {
		return "__Host-" + name
	}
	return name
}

// Cookies are the names of those that say who the visitor is: of a session, and
// of a visit before it.
func (s *Site) Cookies() (session, visit string) { return s.cookie, s.visitCookie }

// Upload reads a form with files, of at most most bytes, for a route that says
// Files. Problems: web.send.not-a-form, web.stale-form.
func (v *Visit) Upload(most int64) error {
	v.R.Body = http.MaxBytesReader(v.W, v.R.Body, most)
	if err := v.R.ParseMultipartForm(most); err != nil {
		return problem.New(problem.Usage, "web.send.not-a-form", "main", nil).Because(err)
	}
	if !v.RightToken(v.R.PostFormValue(TokenField)) {
		return problem.New(problem.Denied, "web.stale-form", "", nil)
	}
	return nil
}

// Address is the visitor's IP, for throttles.
func (v *Visit) Address() string {
	host, _, err := net.SplitHostPort(v.R.RemoteAddr)
	if err != nil {
		return v.R.RemoteAddr
	}
	return host
}
