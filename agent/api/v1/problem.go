package v1

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// Problem is an answer of RFC 9457. Detail and Next are in the language that was
// asked for; Texts has both.
type Problem struct {
	Type   string  `json:"type"` // resolves to a page about it
	Title  string  `json:"title"`
	Status int     `json:"status"`
	Detail string  `json:"detail"`
	Next   string  `json:"next,omitempty"`
	Code   string  `json:"code"`
	Field  string  `json:"field,omitempty"`
	Texts  Texts   `json:"texts"`
	Errors []Fault `json:"errors"` // all that is wrong, the first as above
}

// Fault is one of the things that are wrong with a request.
type Fault struct {
	Type   string `json:"type"`
	Code   string `json:"code"`
	Field  string `json:"field,omitempty"`
	Detail string `json:"detail"`
	Next   string `json:"next,omitempty"`
	Texts  Texts  `json:"texts"`
}

// Texts are what a problem says in both languages.
type Texts struct {
	Vi Words `json:"vi"`
	En Words `json:"en"`
}

// Words are the texts of a problem in one language.
type Words struct {
	Detail string `json:"detail"`
	Next   string `json:"next,omitempty"`
}

// later is a problem that is over after some seconds.
type later struct {
	error
	seconds int
}

func (l later) Unwrap() error { return l.error }

// statusOfClass is the status of problems that have none of their own.
var statusOfClass = map[problem.Class]int{
	problem.Usage: http.StatusUnprocessableEntity, problem.NotFound: http.StatusNotFound, problem.Conflict: http.StatusConflict,
	problem.Denied: http.StatusForbidden, problem.Full: http.StatusInsufficientStorage, problem.NotEnrolled: http.StatusServiceUnavailable,
	problem.LinkDown: http.StatusServiceUnavailable, problem.Busy: http.StatusConflict, problem.BadSeal: http.StatusUnprocessableEntity,
	problem.BadClock: http.StatusServiceUnavailable,
}

// statusChecksum is that of the tus protocol for bytes that are not what their
// checksum says.
const statusChecksum = 460

// statusOfCode is the status of problems with one of their own.
var statusOfCode = map[string]int{
	"app.no-key": http.StatusUnauthorized, "app.bad-key": http.StatusUnauthorized, "app.wrong-key": http.StatusUnauthorized, "app.ended": http.StatusUnauthorized,
	"app.rate": http.StatusTooManyRequests, "dossier.lookup-often": http.StatusTooManyRequests,
	"api.parameter": http.StatusBadRequest, "api.unknown-parameter": http.StatusBadRequest, "api.cursor": http.StatusBadRequest, "feed.cursor": http.StatusBadRequest,
	"api.json-form": http.StatusBadRequest, "api.body-cut": http.StatusBadRequest, "api.multipart-form": http.StatusBadRequest,
	"api.no-idempotency-key": http.StatusBadRequest, "api.idempotency-key-form": http.StatusBadRequest,
	"api.media-type": http.StatusUnsupportedMediaType, "api.body-too-large": http.StatusRequestEntityTooLarge,
	"api.no-operation": http.StatusNotFound, "api.method": http.StatusMethodNotAllowed,
	"api.precondition": http.StatusPreconditionFailed, "api.range": http.StatusRequestedRangeNotSatisfiable,
	"upload.version": http.StatusPreconditionFailed, "upload.header": http.StatusBadRequest, "upload.metadata": http.StatusBadRequest,
	"upload.too-large": http.StatusRequestEntityTooLarge, "upload.chunk-too-large": http.StatusRequestEntityTooLarge,
	"upload.checksum": statusChecksum, "upload.busy": http.StatusLocked, "upload.ended": http.StatusGone,
}

func statusOf(p *problem.Problem) int {
	if status, ok := statusOfCode[p.Code]; ok {
		return status
	}
	if status, ok := statusOfClass[p.Class]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// typeOf is the address of the page about a code.
func typeOf(code string) string { return Base + "/problems/" + url.PathEscape(code) }

func textsOf(p *problem.Problem) Texts {
	words := func(lang i18n.Lang) Words { return Words{p.Message(lang), p.Next(lang)} }
	return Texts{words(i18n.Vietnamese), words(i18n.English)}
}

func (t Texts) in(lang i18n.Lang) Words {
	if lang == i18n.English {
		return t.En
	}
	return t.Vi
}

// fail answers with what is wrong.
func (c *call) fail(err error) {
	list := problem.All(err)
	p := Problem{Status: statusOf(list[0])}
	if p.Status == http.StatusInternalServerError {
		c.s.log.Error("call of the public interface failed", "operation", c.op.id, "app", c.app.Name, "error", err)
	}
	for _, one := range list {
		t := textsOf(one)
		w := t.in(c.lang)
		p.Errors = append(p.Errors, Fault{Type: typeOf(one.Code), Code: one.Code, Field: one.Field, Detail: w.Detail, Next: w.Next, Texts: t})
	}
	first := p.Errors[0]
	p.Type, p.Code, p.Field, p.Detail, p.Next, p.Texts = first.Type, first.Code, first.Field, first.Detail, first.Next, first.Texts
	p.Title = i18n.T(c.lang, "api.title."+strconv.Itoa(p.Status))
	h := c.w.Header()
	for _, name := range []string{"Etag", "Content-Disposition", "Accept-Ranges", "Repr-Digest", "Content-Range", "Last-Modified"} {
		h.Del(name) // of the answer that did not come about
	}
	var l later
	if errors.As(err, &l) {
		h.Set("Retry-After", strconv.Itoa(l.seconds))
	}
	if p.Status == http.StatusUnauthorized {
		challenge := `Bearer realm="tram"`
		if p.Code != "app.no-key" {
			challenge += `, error="invalid_token"`
		}
		h.Set("WWW-Authenticate", challenge)
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Language", string(c.lang))
	body, err := encode(p)
	if err != nil {
		c.s.log.Error("problem not written", "error", err)
	}
	c.write(p.Status, "application/problem+json", body)
}

func badParameter(name, value string, want *i18n.Said) error {
	return problem.New(problem.Usage, "api.parameter", name, i18n.Args{"name": name, "value": value, "want": want})
}

func noOperation(path string) error {
	return problem.New(problem.NotFound, "api.no-operation", "", i18n.Args{"path": shown(path)})
}

func badMethod(method, allowed string) error {
	return problem.New(problem.Usage, "api.method", "", i18n.Args{"method": shown(method), "allowed": allowed})
}

// problemCodes are all codes of the catalogue, sorted.
func problemCodes() (codes []string) {
	for _, key := range i18n.Keys() {
		if code, ok := strings.CutPrefix(key, "problem."); ok && !strings.HasSuffix(code, ".next") {
			codes = append(codes, code)
		}
	}
	return codes
}
