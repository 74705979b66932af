package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// visit is one request with who made it and in which language.
type visit struct {
	r       *http.Request
	w       http.ResponseWriter
	lang    i18n.Lang
	now     time.Time
	session account.Session
	signed  bool   // in
	connect string // origins that this one page's scripts may talk to besides ours; "" for none
	came    string // the form that came back with mistakes, of a page with several
	cameFor string // the part that it is about
	secret  string // what form tokens are made from: the cookie of the session, or of the visit before it
}

func (v *visit) may(r account.Right) bool { return v.signed && v.session.User.Role.May(r) }

func (v *visit) t(key string, args ...i18n.Args) string { return i18n.T(v.lang, key, args...) }

// handler answers a visit. An error becomes an error page.
type handler func(ctx context.Context, v *visit) error

const (
	languageCookie = "tram-ngon-ngu"
	languageLife   = 365 * 24 * time.Hour
	// maxForm bounds the body of every form but the one that carries files.
	maxForm = 64 << 10
)

// handle loads the visitor, checks what the route asks of him and turns errors
// and panics into pages.
func (s *site) handle(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{r: r, w: w, lang: s.language(r), now: s.Now()}
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(http.ErrAbortHandler)
			}
			s.Logger.Error("panic in a page", "method", r.Method, "path", r.URL.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			s.fail(v, problem.New(problem.Failed, "internal", "", nil))
		}()
		if !safe(r.Method) && !rt.files {
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		}
		if err := s.identify(r.Context(), v); err != nil {
			s.fail(v, err)
			return
		}
		if !s.admit(v, rt) {
			return
		}
		if err := rt.do(r.Context(), v); err != nil {
			s.fail(v, err)
		}
	})
}

// admit lets v through to rt or answers in its place.
func (s *site) admit(v *visit, rt route) bool {
	switch {
	case rt.who != anybody && !v.signed:
		s.toSignIn(v)
	case v.signed && v.session.User.Temporary && !rt.early:
		v.redirect("/mat-khau")
	case rt.who != anybody && rt.who != signedIn && !v.may(rt.who):
		s.fail(v, problem.New(problem.Denied, "web.not-yours", "", nil))
	case !safe(v.r.Method) && !rt.files && !v.rightToken(v.r.PostFormValue(tokenField)):
		s.fail(v, problem.New(problem.Denied, "web.stale-form", "", nil))
	default:
		return true
	}
	return false
}

func safe(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// identify fills in the session. The page's own polling does not count as use.
func (s *site) identify(ctx context.Context, v *visit) error {
	if c, err := v.r.Cookie(s.visitCookie); err == nil {
		v.secret = c.Value
	}
	c, err := v.r.Cookie(s.cookie)
	if err != nil {
		return nil
	}
	e, err := s.Accounts.Session(ctx, c.Value, v.r.URL.Path != "/trang-thai")
	if errors.Is(err, account.ErrNoSession) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read session: %w", err)
	}
	v.session, v.signed, v.secret = e, true, c.Value
	return nil
}

// toSignIn sends the visitor to sign in and back to the page he wanted.
func (s *site) toSignIn(v *visit) {
	q := url.Values{}
	if v.r.Method == http.MethodGet && v.r.URL.Path != "/" {
		q.Set("tiep", v.r.URL.RequestURI())
	} else if v.r.Method != http.MethodGet {
		page := v.r.URL.Path
		for _, action := range []string{"/tiep-nhan", "/tra-lai", "/gui-ngay", "/kiem-lai", "/dang-xuat-het", "/goi", "/tai-len", "/bo", "/them",
			"/trinh", "/but-phe", "/chuyen", "/gia-han", "/thu-hoi-y-kien", "/mo-lai", "/tien-do", "/xong", "/giao-tiep"} {
			page = strings.TrimSuffix(page, action)
		}
		if rest, ok := strings.CutPrefix(v.r.URL.Path, dossiersPath+"/"); ok {
			one, _, _ := strings.Cut(rest, "/")
			page = dossiersPath + "/" + one
		}
		if rest, ok := strings.CutPrefix(page, booksPath+"/"); ok {
			slug, _, _ := strings.Cut(rest, "/")
			page = booksPath + "/" + slug
		}
		q.Set("tiep", page)
	}
	target := "/dang-nhap"
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	v.redirect(target)
}

// redirect answers with 303: the browser gets the target.
func (v *visit) redirect(target string) {
	v.w.Header().Set("Cache-Control", "no-store")
	http.Redirect(v.w, v.r, target, http.StatusSeeOther)
}

// local returns target when it is a path of these pages, else the home page.
func local(target string) string {
	u, err := url.Parse(target)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(target, "/") ||
		strings.HasPrefix(target, "//") || strings.ContainsAny(target, "\\\r\n\t") {
		return "/viec-can-lam"
	}
	return target
}

// language is the visitor's choice, Vietnamese when there is none: the
// browser's own language says little on a shared office PC.
func (s *site) language(r *http.Request) i18n.Lang {
	if c, err := r.Cookie(s.cookieName(languageCookie)); err == nil {
		return i18n.Parse(c.Value)
	}
	return i18n.Vietnamese
}

func (s *site) setLanguage(_ context.Context, v *visit) error {
	lang := i18n.Parse(v.r.PostFormValue("lang"))
	s.setCookie(v, s.cookieName(languageCookie), string(lang), languageLife)
	v.redirect(local(v.r.PostFormValue("tiep")))
	return nil
}

// setCookie sets a cookie of life; a negative life removes it.
func (s *site) setCookie(v *visit, name, value string, life time.Duration) {
	http.SetCookie(v.w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(life / time.Second),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: s.Config.Secure,
	})
}

// cookieName is the name under which a cookie travels. Over TLS its prefix has
// browsers take it only from this very host, and only over TLS.
func (s *site) cookieName(name string) string {
	if s.Config.Secure {
		return "__Host-" + name
	}
	return name
}

// ofOffice makes a name that differs between offices: browsers share cookies
// between the ports of a host, and a trial runs two offices on one machine.
func ofOffice(name, code string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(code)))
	return name + "-" + hex.EncodeToString(sum[:4])
}

// address is the visitor's IP, for the throttle.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
