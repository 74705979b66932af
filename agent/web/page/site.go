package page

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"html/template"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"tram/agent/web/account"
)

// Accounts knows who may sign in. *account.Store is one.
type Accounts interface {
	Authenticate(ctx context.Context, name, password, address string) (account.User, error)
	Open(ctx context.Context, u account.User, address string) (token string, s account.Session, err error)
	Session(ctx context.Context, token string, use bool) (account.Session, error)
	End(ctx context.Context, token string) error
	Users(ctx context.Context) ([]account.User, error)
	Own
}

// Own is what people do with their own account.
type Own interface {
	Sessions(ctx context.Context, name string) ([]account.Session, error)
	// ChangePassword ends all sessions of the account and starts a new one.
	ChangePassword(ctx context.Context, e account.Session, old, password, address string) (token string, err error)
	// EndAll ends all sessions of an account on behalf of by.
	EndAll(ctx context.Context, by, name string) error
}

// Options of New. All but Frame, Frames, Back, SignOn, Packed, Logger and Now are
// required.
type Options struct {
	// Files are the site's own: templates/*.html, each inside layout.html and
	// with what the files *parts.html define, and assets/*.css and *.js.
	Files    fs.FS
	Accounts Accounts
	Unit     Unit // whose pages these are
	Version  string
	Home     string // address of the home page
	HomeText string // key of the words that lead there
	Lost     string // key of what is said while the pages cannot be reached
	// Frame adds to p what the site has around the page of a signed-in visitor;
	// current is the menu entry that it belongs to.
	Frame func(ctx context.Context, v *Visit, p *Page, current string)
	// Frames is the origin of what pages show in frames; nil: there are none.
	Frames func(r *http.Request) string
	// Back is the page that a form was on, for who signs in again; path is the
	// form's. Nil takes path.
	Back func(path string) string
	// Foot are links below the page before sign-in, Help the page that explains
	// the keys; both by address, and by key of their words.
	Foot []MenuItem
	Help string
	// SignOn lets people sign in with accounts that are kept elsewhere too, for sites
	// with SignOnRoutes; nil: with their passwords alone.
	SignOn SignOn
	// Packed has pages sent with gzip. What a stranger could have a browser ask for
	// is without secrets, since cookies do not travel with requests of other sites.
	Packed bool
	// Secure says that browsers come over TLS, for the cookies.
	Secure bool
	Logger *slog.Logger
	Now    func() time.Time
}

// Unit is the office whose pages these are.
type Unit struct{ Code, Name string }

// Site is a running set of pages.
type Site struct {
	o         Options
	templates *templates
	assets    *assets
	cookie    string // name of the session cookie
	// visitCookie names the cookie that ties forms to a browser before sign-in.
	visitCookie string
	mux         *http.ServeMux
	rules       map[string]account.Right // who may use a pattern of mux
}

// New makes a site without routes; [Site.Serve] adds them. The handler expects
// the guards of httpd in front of it.
func New(o Options) (*Site, error) {
	if o.Files == nil || o.Accounts == nil || o.Home == "" {
		return nil, errors.New("an option is missing")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Site{o: o}
	s.cookie = s.CookieName(ofOffice("tram-phien", o.Unit.Code))
	s.visitCookie = s.CookieName(ofOffice("tram-truoc", o.Unit.Code))
	var err error
	if s.assets, err = loadAssets(o.Files); err != nil {
		return nil, err
	}
	if s.templates, err = listTemplates(o.Files); err != nil {
		return nil, err
	}
	return s, nil
}

// Serve answers for routes, and for those that every site has.
func (s *Site) Serve(routes []Route) http.Handler {
	s.mux, s.rules = http.NewServeMux(), map[string]account.Right{}
	s.mux.Handle("GET "+assetPath+"{file}", s.assets)
	for _, rt := range routes {
		s.mux.Handle(rt.Pattern, s.handle(rt))
		s.rules[rt.Pattern] = rt.Who
	}
	return s.mux
}

// ofOffice makes a name that differs between offices: browsers share cookies
// between the ports of a host, and a trial runs two offices on one machine.
func ofOffice(name, code string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(code)))
	return name + "-" + hex.EncodeToString(sum[:4])
}

// Template is a page of the site, nil when there is none of that name. It is for
// tests, as Templates is.
func (s *Site) Template(name string) *template.Template {
	t, err := s.templates.get(name)
	if err != nil {
		return nil
	}
	return t
}

// Templates are the names of all pages.
func (s *Site) Templates() []string { return slices.Collect(maps.Keys(s.templates.pages)) }
