package v1

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"tram/agent/api/appkey"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
)

// Limits of requests. All are hard.
const (
	// MaxJSON bounds a JSON body, bytes.
	MaxJSON = 1 << 20
	// MaxQuery bounds the query of an address, bytes.
	MaxQuery = 8 << 10
	// MaxText bounds a text in a query, characters.
	MaxText = 200
	// MaxPage is the most lines of a page, DefaultPage what a page has when
	// nothing is asked for.
	MaxPage     = 500
	DefaultPage = 50
)

// call is one request of an application.
type call struct {
	s      *Server
	w      http.ResponseWriter
	r      *http.Request
	op     operation
	app    appkey.App
	lang   i18n.Lang
	params url.Values
}

func (c *call) ctx() context.Context { return c.r.Context() }

func (c *call) key() string { return appkey.Bearer(c.r.Header.Get("Authorization")) }

// handle makes the handler of an operation: who calls, may they, how often, is
// the request of the right form.
func (s *Server) handle(op operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{s: s, w: w, r: r, op: op, lang: language(r.Header.Get("Accept-Language"))}
		w.Header().Set("Vary", "Authorization, Accept-Language")
		w.Header().Set("Cache-Control", "no-store")
		end, err := c.admit()
		if err == nil {
			defer end()
			if err = c.form(); err == nil {
				err = op.do(c)
			}
		}
		if err != nil {
			c.fail(err)
		}
	})
}

// admit lets the call in; end must be called at its end.
func (c *call) admit() (end func(), err error) {
	if c.op.open {
		return func() {}, nil
	}
	c.app, err = c.s.o.Apps.Authenticate(c.ctx(), c.key())
	if err != nil {
		return nil, err
	}
	end, retry := c.s.o.Apps.Take(c.app)
	if end == nil {
		return nil, c.tooOften(retry)
	}
	c.s.o.Apps.Count(c.app.Name, c.op.id)
	if c.op.scope != "" && !c.app.May(c.op.scope) && !c.app.May(c.op.or) {
		end()
		return nil, c.lacks(c.op.scope)
	}
	return end, nil
}

func (c *call) lacks(scope appkey.Scope) error {
	return problem.New(problem.Denied, "app.scope", "Authorization", i18n.Args{"name": c.app.Name, "scope": string(scope)})
}

func (c *call) tooOften(retry time.Duration) error {
	seconds := max(int((retry+time.Second-1)/time.Second), 1)
	return later{problem.New(problem.Busy, "app.rate", "", i18n.Args{
		"name": c.app.Name, "rate": c.app.Rate, "once": appkey.MaxAtOnce, "seconds": seconds,
	}), seconds}
}

// form looks at the query and the type of the body.
func (c *call) form() (err error) {
	if len(c.r.URL.RawQuery) > MaxQuery {
		return badParameter("query", "…", i18n.Say("api.want.bytes", i18n.Args{"most": MaxQuery}))
	}
	if c.params, err = url.ParseQuery(c.r.URL.RawQuery); err != nil {
		return badParameter("query", shown(c.r.URL.RawQuery), i18n.Say("api.want.query"))
	}
	for name, values := range c.params {
		if !slices.Contains(c.op.query, name) {
			return problem.New(problem.Usage, "api.unknown-parameter", shown(name), i18n.Args{"name": shown(name), "known": strings.Join(c.op.query, ", ")})
		}
		if len(values) > 1 && name != "state" && name != "status" {
			return badParameter(name, shown(strings.Join(values, " ")), i18n.Say("api.want.once"))
		}
	}
	if len(c.op.media) == 0 {
		return nil
	}
	media, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || !slices.Contains(c.op.media, media) {
		return problem.New(problem.Usage, "api.media-type", "Content-Type", i18n.Args{
			"have": shown(c.r.Header.Get("Content-Type")), "want": strings.Join(c.op.media, ", "),
		})
	}
	return nil
}

// id reads the document in the path. One that the application may not see is
// the same as none.
func (c *call) id() (storage.ID, error) {
	text := c.r.PathValue("id")
	id, err := uuid.Parse(text)
	if err != nil || len(text) != len(id.String()) {
		return storage.ID{}, badParameter("id", shown(text), i18n.Say("api.want.id"))
	}
	return id, c.owns(id)
}

func (c *call) owns(id storage.ID) error {
	if !c.app.Own {
		return nil
	}
	app, err := c.s.o.Office.AppOf(c.ctx(), id)
	if err == nil && app != c.app.Name {
		return problem.New(problem.NotFound, "document.not-found", "id", i18n.Args{"id": id.String()})
	}
	return err
}

// only is the application whose documents alone may be seen, "" for all.
func (c *call) only() string {
	if c.app.Own {
		return c.app.Name
	}
	return ""
}

// text reads a parameter of at most most characters.
func (c *call) text(name string, most int) (string, error) {
	v := c.params.Get(name)
	if utf8.RuneCountInString(v) > most || !utf8.ValidString(v) || strings.ContainsFunc(v, unicode.IsControl) {
		return "", badParameter(name, shown(v), i18n.Say("api.want.text", i18n.Args{"most": most}))
	}
	return strings.TrimSpace(v), nil
}

// number reads a whole number from least to most; none is otherwise.
func (c *call) number(name string, otherwise, least, most int) (int, error) {
	if !c.params.Has(name) {
		return otherwise, nil
	}
	return wholeNumber(name, c.params.Get(name), least, most)
}

func wholeNumber(name, text string, least, most int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most || text[0] == '+' {
		return 0, badParameter(name, shown(text), i18n.Say("api.want.number", i18n.Args{"least": least, "most": most}))
	}
	return n, nil
}

func (c *call) flag(name string) (bool, error) {
	switch v := c.params.Get(name); {
	case !c.params.Has(name) || v == "false":
		return false, nil
	case v == "true":
		return true, nil
	default:
		return false, badParameter(name, shown(v), i18n.Say("api.want.one-of", i18n.Args{"list": "true, false"}))
	}
}

func (c *call) moment(name string) (time.Time, error) {
	v := c.params.Get(name)
	if !c.params.Has(name) {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, v)
	if err != nil {
		return time.Time{}, badParameter(name, shown(v), i18n.Say("api.want.time"))
	}
	return t, nil
}

// oneOf checks a word against those that there are.
func oneOf[T ~string](name, v string, words ...T) (T, error) {
	if slices.Contains(words, T(v)) {
		return T(v), nil
	}
	var list []string
	for _, w := range words {
		list = append(list, string(w))
	}
	return "", badParameter(name, shown(v), i18n.Say("api.want.one-of", i18n.Args{"list": strings.Join(list, ", ")}))
}

// body reads a bounded JSON object, as it came and into a value. A field that is
// not known is a fault: what is misspelt would else be lost without a word.
func (c *call) body(into any) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(c.r.Body, MaxJSON+1))
	if err != nil {
		return nil, cutShort(err)
	}
	if len(data) > MaxJSON {
		return nil, problem.New(problem.Usage, "api.body-too-large", "", i18n.Args{"most": MaxJSON})
	}
	return data, readJSON(data, into)
}

func readJSON(data []byte, into any) error {
	if !utf8.Valid(data) {
		return problem.New(problem.Usage, "api.json-form", "", nil)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil && bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("null")) {
		err = errors.New("null is no object")
	}
	if err == nil {
		if _, end := d.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("more after the value")
		}
	}
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong) && wrong.Field != "":
		return problem.New(problem.Usage, "api.json-type", shown(wrong.Field), i18n.Args{"field": shown(wrong.Field), "have": wrong.Value}).Because(err)
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		field = shown(strings.Trim(field, `"`))
		return problem.New(problem.Usage, "api.json-unknown", field, i18n.Args{"field": field}).Because(err)
	}
	return problem.New(problem.Usage, "api.json-form", "", nil).Because(err)
}

// cutShort is what a body that could not be read means.
func cutShort(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return problem.New(problem.Usage, "api.body-too-large", "", i18n.Args{"most": large.Limit}).Because(err)
	}
	return problem.New(problem.Usage, "api.body-cut", "", nil).Because(err)
}

// json answers with a value.
func (c *call) json(status int, value any) error {
	body, err := encode(value)
	if err != nil {
		return err
	}
	c.write(status, "application/json", body)
	return nil
}

func encode(value any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(value)
	return b.Bytes(), err
}

func (c *call) write(status int, media string, body []byte) {
	h := c.w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(body) // the peer is gone when this fails
	}
}

// language picks one of the two by an Accept-Language header; Vietnamese when
// it names neither.
func language(header string) i18n.Lang {
	best, weight := i18n.Vietnamese, 0.0
	for i, part := range strings.SplitN(header, ",", maxLanguages) {
		tag, rest, _ := strings.Cut(part, ";")
		tag = strings.ToLower(strings.TrimSpace(tag))
		base, _, _ := strings.Cut(tag, "-")
		if base != "vi" && base != "en" || i == maxLanguages-1 {
			continue
		}
		q := 1.0
		if text, ok := strings.CutPrefix(strings.ReplaceAll(rest, " ", ""), "q="); ok {
			q, _ = strconv.ParseFloat(text, 64)
		}
		if q > weight {
			best, weight = i18n.Parse(base), q
		}
	}
	return best
}

// maxLanguages is how many languages of a header are looked at.
const maxLanguages = 20

// shown is foreign text as a message may show it.
func shown(s string) string {
	const most = 80
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return '�'
		}
		return r
	}, strings.ToValidUTF8(s, "�"))
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most]) + "…"
	}
	return s
}
