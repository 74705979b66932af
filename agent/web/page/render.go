package page

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"tram/agent/i18n"
)

// Page is what the layout of every page needs.
type Page struct {
	Lang     i18n.Lang
	Title    string // of the window
	Path     string // where the language switch returns to
	Unit     Unit
	Version  string
	User     string // display name, "" when nobody is signed in
	Form     string // the token that forms carry
	Home     string // address of the home page
	HomeText string // what leads there
	Menu     []MenuItem
	Lost     string     // said while the pages cannot be reached
	Primary  *MenuItem  // the button beside the menu
	Side     []MenuItem // beside the page, of a group of pages
	SideText string     // what that group is
	Foot     []MenuItem // links below the page before sign-in
	Help     string     // address of what explains the keys, "" for none
	NoKeys   bool       // keys that are single letters are switched off
	Strip    *Strip
	Rev      string // of what the live parts show, for the script that keeps them fresh
	Errors   []FieldError
	CSS, JS  string   // addresses
	Styles   []string // of further style sheets, see [Site.Some]
	Scripts  []string // of further scripts, loaded before that of every page
	Paper    bool     // the page is a sheet to be printed
}

// MenuItem is one entry of a menu.
type MenuItem struct {
	Href, Text, Key string
	Count           string // "" for none
	Counted         string // what is counted, for those who do not see it
	Current         bool
}

// Strip is the line under the menu that says how things stand.
type Strip struct {
	Tone  string // "up", "busy", "held", "down"
	Key   string // changes when the change is worth being read out
	Main  string
	Fine  string // figures that move all the time
	Queue bool   // offer the way to what waits
	// Where that is, and its words.
	QueueHref, QueueText string
	// Express names what cannot wait, "" when there is nothing.
	Express, ExpressHref string
	// Ending warns that the session is about to end.
	Ending string
}

// What pages show, without field names to write it down with.
type (
	// FieldError is a mistake in a form. Field is the id of the input.
	FieldError = struct{ Field, Text string }
	// Tag is a short word with a colour, "grey", "blue", "green", "amber" or "red";
	// the word alone says everything.
	Tag = struct{ Text, Tone string }
	// Fact is a name with its value.
	Fact = struct{ Name, Value string }
	// Option is one choice of a list.
	Option = struct {
		Value, Text string
		Chosen      bool
	}
	// Filter is one choice above a list.
	Filter = struct {
		Href, Text string
		Current    bool
	}
	// Chip is a filter in force and the address without it.
	Chip = struct{ Text, Href, Drop string }
	// Head is a column of a list. Those that it can be sorted by have an address;
	// Sort is for aria-sort, "" when the list is not sorted by it.
	Head = struct {
		Text, Href, Sort string
		Focus            bool
	}
	// Pager leads through the pages of a list; "" at the ends.
	Pager = struct{ First, Prev, Next, Last, Text string }
)

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

// SetErrors shows errs and says so in the window's title.
func (p *Page) SetErrors(errs []FieldError) {
	if p.Errors = errs; len(errs) > 0 {
		p.Title = i18n.T(p.Lang, "web.error.title", i18n.Args{"title": p.Title})
	}
}

// Some are the addresses of style sheets or scripts that not every page loads.
func (s *Site) Some(files ...string) []string {
	var all []string
	for _, f := range files {
		all = append(all, s.assets.of[f])
	}
	return all
}

// Bare is the layout before sign-in: no menu, no strip.
func (s *Site) Bare(v *Visit, title, path string) Page {
	p := Page{
		Form: s.token(v), Lang: v.Lang, Path: path, Unit: s.o.Unit, Version: s.o.Version, Home: s.o.Home, HomeText: v.T(s.o.HomeText), Lost: v.T(s.o.Lost), Help: s.o.Help,
		Title: v.T("web.title", i18n.Args{"title": title}),
		CSS:   s.assets.css, JS: s.assets.js, NoKeys: s.KeysOff(v.R),
	}
	for _, f := range s.o.Foot {
		p.Foot = append(p.Foot, MenuItem{Href: f.Href, Text: v.T(f.Text)})
	}
	return p
}

// Page is the layout of a signed-in visitor, with what Options.Frame adds.
func (s *Site) Page(ctx context.Context, v *Visit, title, current string) Page {
	p := s.Bare(v, title, v.R.URL.RequestURI())
	p.User = v.Session.User.Display
	if s.o.Frame != nil {
		s.o.Frame(ctx, v, &p, current)
	}
	return p
}

// Render executes a page to memory and sends it.
func (s *Site) Render(v *Visit, name string, view any, status int) error {
	return s.RenderPart(v, name, "layout", view, status)
}

// RenderPart executes one named part of a page, for scripts.
func (s *Site) RenderPart(v *Visit, name, part string, view any, status int) error {
	t, err := s.templates.get(name)
	if err != nil {
		return fmt.Errorf("render %s: %w", part, err)
	}
	var out bytes.Buffer
	if err := t.ExecuteTemplate(&out, part, view); err != nil {
		return fmt.Errorf("render %s of %s: %w", part, name, err)
	}
	return s.write(v, out.Bytes(), status)
}

// policy is the content security policy of a page: nothing inline, nothing
// from elsewhere, no frame around it, and foreign content only in a frame of
// the document origin.
func (s *Site) policy(v *Visit) string {
	connect, frames := "'self'", "'self'"
	if v.Connect != "" {
		connect += " " + v.Connect
	}
	if s.o.Frames != nil {
		frames += " " + s.o.Frames(v.R)
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src " + connect +
		"; form-action 'self'; frame-src " + frames + "; base-uri 'none'; frame-ancestors 'none'"
}

// packFrom is the size from which a page is worth packing, bytes.
const packFrom = 1 << 10

func (s *Site) write(v *Visit, body []byte, status int) error {
	h := v.W.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Language", string(v.Lang))
	h.Set("Content-Security-Policy", s.policy(v))
	if s.o.Packed {
		h.Set("Vary", "Accept-Encoding")
		if len(body) >= packFrom && strings.Contains(v.R.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			body = packed(body)
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	v.W.WriteHeader(status)
	if v.R.Method == http.MethodHead {
		return nil
	}
	if _, err := v.W.Write(body); err != nil {
		s.o.Logger.Debug("send page", "path", v.R.URL.Path, "error", err)
	}
	return nil
}

func packed(body []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(body) // to memory
	_ = z.Close()
	return out.Bytes()
}
