package web

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/web/account"
)

//go:embed templates/*.html
var templateFiles embed.FS

// pages holds the parsed templates: templates/<name>.html, each inside
// layout.html and with what the files *parts.html define.
type pages struct{ byName map[string]*template.Template }

func loadPages() (*pages, error) {
	base, err := template.New("layout").ParseFS(templateFiles, "templates/layout.html", "templates/*parts.html")
	if err != nil {
		return nil, fmt.Errorf("parse templates: %w", err)
	}
	p := &pages{byName: map[string]*template.Template{}}
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("list templates: %w", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "layout" || strings.HasSuffix(name, "parts") {
			continue
		}
		t, err := template.Must(base.Clone()).ParseFS(templateFiles, file)
		if err != nil {
			return nil, fmt.Errorf("parse template %s: %w", name, err)
		}
		p.byName[name] = t
	}
	return p, nil
}

// Page is what the layout of every page needs.
type Page struct {
	Lang    i18n.Lang
	Title   string // of the window
	Path    string // where the language switch returns to
	Unit    office.Party
	Version string
	User    string // display name, "" when nobody is signed in
	Form    string // the token that forms carry
	Menu    []MenuItem
	Side    []MenuItem // of the administration pages
	NoKeys  bool       // keys that are single letters are switched off
	CanSend bool
	CanRead bool
	Strip   *Strip
	Rev     string
	Errors  []FieldError
	CSS, JS string   // addresses
	Styles  []string // of further style sheets, see [site.some]
	Scripts []string // of further scripts, loaded before that of every page
	Paper   bool     // the page is a sheet to be printed
}

// FieldError is a mistake in a form. Field is the id of the input.
type FieldError struct{ Field, Text string }

// T translates inside templates; args are names and values in turn.
func (p Page) T(key string, args ...any) string {
	values := i18n.Args{}
	for i := 0; i+1 < len(args); i += 2 {
		values[fmt.Sprint(args[i])] = args[i+1]
	}
	return i18n.T(p.Lang, key, values)
}

// SwitchTo is where somebody else takes over and comes back to this page.
func (p Page) SwitchTo() string {
	return "/dang-nhap?" + url.Values{"doi": {"1"}, "tiep": {p.Path}}.Encode()
}

// ErrorOf returns the message at a field, "" when it is right.
func (p Page) ErrorOf(field string) string {
	for _, e := range p.Errors {
		if e.Field == field {
			return e.Text
		}
	}
	return ""
}

// some are the addresses of style sheets or scripts that not every page loads.
func (s *site) some(files ...string) []string {
	var all []string
	for _, f := range files {
		all = append(all, s.assets.of[f])
	}
	return all
}

// setErrors shows errs and says so in the window's title.
func (p *Page) setErrors(v *visit, errs []FieldError) {
	if p.Errors = errs; len(errs) > 0 {
		p.Title = v.t("web.error.title", i18n.Args{"title": p.Title})
	}
}

// bare is the layout before sign-in: no menu, no strip.
func (s *site) bare(v *visit, title, path string) Page {
	return Page{
		Form: s.token(v), Lang: v.lang, Path: path, Unit: s.Config.Unit, Version: s.Config.Version,
		Title: v.t("web.title", i18n.Args{"title": title}),
		CSS:   s.assets.css, JS: s.assets.js, NoKeys: s.keysOff(v.r),
	}
}

// page is the layout of a signed-in visitor. Failing figures leave the strip
// out rather than the page.
func (s *site) page(ctx context.Context, v *visit, title, current string) Page {
	p := s.bare(v, title, v.r.URL.RequestURI())
	p.User = v.session.User.Display
	p.CanSend, p.CanRead = v.may(account.Send), v.may(account.Content)
	state, err := s.state(ctx, v)
	if err != nil {
		s.Logger.Error("read figures for the strip", "error", err)
	} else {
		p.Strip, p.Rev = &state.strip, state.rev()
	}
	p.Menu = s.menu(v, state.summary.Unaccepted, current)
	return p
}

// render executes a page to memory and sends it.
func (s *site) render(v *visit, name string, view any, status int) error {
	var out bytes.Buffer
	if err := s.pages.byName[name].ExecuteTemplate(&out, "layout", view); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	return s.write(v, out.Bytes(), status)
}

// renderPart executes one named part of a page, for scripts.
func (s *site) renderPart(v *visit, page, part string, view any, status int) error {
	var out bytes.Buffer
	if err := s.pages.byName[page].ExecuteTemplate(&out, part, view); err != nil {
		return fmt.Errorf("render %s of %s: %w", part, page, err)
	}
	return s.write(v, out.Bytes(), status)
}

// policy is the content security policy of a page: nothing inline, nothing
// from elsewhere, no frame around it, and foreign content only in a frame of
// the document origin.
func (s *site) policy(v *visit) string {
	connect := "'self'"
	if v.connect != "" {
		connect += " " + v.connect
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src " + connect +
		"; form-action 'self'; frame-src 'self' " + s.Documents.Origin(v.r) + "; base-uri 'none'; frame-ancestors 'none'"
}

func (s *site) write(v *visit, body []byte, status int) error {
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Language", string(v.lang))
	h.Set("Content-Security-Policy", s.policy(v))
	v.w.WriteHeader(status)
	if v.r.Method == http.MethodHead {
		return nil
	}
	if _, err := v.w.Write(body); err != nil {
		s.Logger.Debug("send page", "path", v.r.URL.Path, "error", err)
	}
	return nil
}
