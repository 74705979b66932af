package v1

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"tram/agent/api/appkey"
	"tram/agent/i18n"
)

// good are calls that would be taken but for what a case spoils.
func (w *world) good(op operation, key, id string) request {
	q := request{method: op.method, path: op.path, key: key, headers: map[string]string{"Tus-Resumable": "1.0.0"}}
	q.path = strings.NewReplacer("{index}", "0", "{file}", "1", "{code}", codeB, "{register}", "in", "{year}", "2026").Replace(q.path)
	if strings.HasPrefix(op.path, "/dossiers/{id}") {
		id = w.filed
	}
	if strings.HasPrefix(op.path, "/uploads/") {
		id = "01934b7e-2a51-7c3e-9b0e-6a1f0c2d4e55"
	}
	q.path = strings.Replace(q.path, "{id}", id, 1)
	if len(op.media) > 0 {
		q.headers["Content-Type"] = op.media[0]
	}
	switch op.id {
	case "listDocuments":
		q.path += "?box=in"
	case "searchOffices", "searchDocuments":
		q.path += "?q=tan"
	case "getProblem":
		q.path = "/problems/send.no-subject"
	}
	return q
}

// refused holds a refusal to what every one of them promises.
func (w *world) refused(t *testing.T, name string, q request, statuses ...int) Problem {
	t.Helper()
	var sent []byte
	if q.body != nil {
		sent = must(io.ReadAll(q.body))
	}
	for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
		q.body = bytes.NewReader(sent)
		q.headers = maps.Clone(q.headers)
		if q.headers == nil {
			q.headers = map[string]string{}
		}
		q.headers["Accept-Language"] = string(lang)
		x := w.call(q)
		if !slices.Contains(statuses, x.StatusCode) {
			t.Errorf("%s: %s %s → %d %s, want %v", name, q.method, q.path, x.StatusCode, x.text, statuses)
			return Problem{}
		}
		if q.method == http.MethodHead {
			continue
		}
		p := in[Problem](t, x)
		said := p.Texts.in(lang)
		if p.Detail != said.Detail || p.Texts.Vi.Detail == p.Texts.En.Detail || p.Status != x.StatusCode || len(p.Errors) == 0 || p.Type != typeOf(p.Code) ||
			strings.Contains(p.Texts.Vi.Detail+p.Texts.En.Detail+p.Texts.Vi.Next+p.Texts.En.Next, "{") || x.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %s", name, x.text)
		}
		if lang == i18n.English {
			return p
		}
	}
	return Problem{}
}

// TestEachOperationRefusesWhatItMust makes for every operation the calls that
// must be refused, and holds each refusal to the document, in both languages.
func TestEachOperationRefusesWhatItMust(t *testing.T) {
	w := newWorld(t)
	key := w.key("edocman", appkey.Document, appkey.Scopes...)
	id := w.fromB("Đến").String()
	w.filed = w.file("mot-cua").ID
	for _, op := range w.server.ops {
		t.Run(op.id, func(t *testing.T) {
			q := w.good(op, key, id)
			with := func(change func(q *request)) request {
				bad := q
				bad.headers = maps.Clone(q.headers)
				change(&bad)
				return bad
			}
			if !op.open {
				w.refused(t, "no key", with(func(q *request) { q.key = "" }), 401)
				w.refused(t, "a mistyped key", with(func(q *request) { q.key = key[:len(key)-1] + "!" }), 401)
				w.refused(t, "an unknown key", with(func(q *request) { q.key = "tram_aaaaaaaa_" + strings.Repeat("a", 59) }), 401)
			}
			if op.scope != "" {
				others := slices.DeleteFunc(slices.Clone(appkey.Scopes), func(s appkey.Scope) bool { return s == op.scope || s == op.or })
				none := w.key("khong-"+strings.ReplaceAll(string(cmp.Or(op.or, op.scope)), ".", "-")+map[bool]string{true: "2"}[op.or != ""], appkey.Document, others...)
				if p := w.refused(t, "no scope", with(func(q *request) { q.key = none }), 403); op.method != "HEAD" && p.Code != "app.scope" {
					t.Errorf("%+v", p)
				}
			}
			odd := "?khong_co=1"
			if strings.Contains(q.path, "?") {
				odd = "&khong_co=1"
			}
			w.refused(t, "an unknown parameter", with(func(q *request) { q.path += odd }), 400)
			w.refused(t, "a query that is cut", with(func(q *request) { q.path += strings.Replace(odd, "khong_co=1", "%zz", 1) }), 400)
			w.refused(t, "a query without end", with(func(q *request) { q.path += odd + strings.Repeat("x", MaxQuery) }), 400)
			for _, name := range op.query {
				value := map[string]string{"q": strings.Repeat("x", 201)}[name]
				if value == "" {
					value = strings.Repeat("%00", 300)
				}
				base, _, _ := strings.Cut(q.path, "?")
				path := base + "?" + name + "=" + value
				if op.id == "listDocuments" && name != "box" {
					path += "&box=in"
				}
				if strings.HasPrefix(op.id, "search") && name != "q" {
					path += "&q=x"
				}
				w.refused(t, "a bad "+name, with(func(q *request) { q.path = path }), 400)
			}
			if strings.Contains(op.path, "{id}") {
				w.refused(t, "no ID", with(func(q *request) {
					q.path = strings.Replace(op.path, "{id}", "abc", 1)
					q.body = strings.NewReader("{}")
				}), 400, 404)
				w.refused(t, "an unknown ID", with(func(q *request) {
					q.path = strings.NewReplacer("{id}", "01934b7e-2a51-7c3e-9b0e-6a1f0c2d4e00", "{index}", "0", "{file}", "1").Replace(op.path)
					q.body = strings.NewReader(map[bool]string{true: `{"reason":"x"}`, false: `{}`}[op.id == "returnDocument"])
					q.headers["Upload-Offset"] = "0"
				}), 404)
			}
			if len(op.media) > 0 {
				w.refused(t, "a wrong media type", with(func(q *request) { q.headers["Content-Type"] = "text/csv"; q.body = strings.NewReader("x") }), 415)
				w.refused(t, "no media type", with(func(q *request) { delete(q.headers, "Content-Type"); q.body = strings.NewReader("x") }), 415)
			}
			if slices.Contains(op.media, "application/json") {
				w.badBodies(t, op, q)
			}
		})
	}
}

func (w *world) badBodies(t *testing.T, op operation, q request) {
	q.headers["Idempotency-Key"] = "xau"
	for name, body := range map[string]string{
		"nothing": "", "no JSON": "{", "a list": "[]", "null": "null", "a text": `"x"`, "two values": "{}{}", "no UTF-8": "{\"reason\":\"\xff\"}",
		"a wrong type": `{"reason":1,"status_code":1,"subject":1}`, "an unknown field": `{"la":1}`, "too long": `{"reason":"` + strings.Repeat("x", MaxJSON) + `"}`,
		"too long a text": fmt.Sprintf(`{"reason":%q}`, strings.Repeat("x", 501)), "deep": strings.Repeat(`{"a":`, 20_000),
	} {
		q.body = strings.NewReader(body)
		if op.id != "acceptDocument" && op.id != "returnDocument" && name == "too long a text" {
			continue
		}
		for range 2 {
			x := w.call(request{q.method, q.path, q.key, q.headers, strings.NewReader(body)})
			if x.StatusCode != 400 && x.StatusCode != 413 && x.StatusCode != 422 {
				t.Errorf("%s: %d %s", name, x.StatusCode, x.text)
			}
		}
	}
}

// TestEachBadDraftIsToldInBothLanguages: the faults of a document, all at once.
func TestEachBadDraftIsToldInBothLanguages(t *testing.T) {
	w := newWorld(t)
	key := w.key("edocman", appkey.Document)
	for name, c := range map[string]struct {
		body   string
		status int
		codes  []string
	}{
		"empty":         {`{}`, 422, []string{"send.no-recipient", "send.no-subject", "send.no-file"}},
		"urgency":       {`{"urgency":"nhanh"}`, 422, []string{"api.urgency"}},
		"no upload":     {`{"to":["` + codeB + `"],"subject":"x","files":[{"upload":"01934b7e-2a51-7c3e-9b0e-6a1f0c2d4e55"}]}`, 422, []string{"upload.not-there"}},
		"no upload ID":  {`{"to":["` + codeB + `"],"subject":"x","files":[{"upload":"../../etc/passwd"}]}`, 422, nil},
		"a hub":         {`{"to":["` + hubCode + `"],"subject":"x","files":[]}`, 422, []string{"send.to-hub", "send.no-file"}},
		"itself":        {`{"to":["` + codeA + `"],"subject":"x","files":[]}`, 422, []string{"send.to-self", "send.no-file"}},
		"not enrolled":  {`{"to":["000.09.12.H40"],"subject":"x","files":[]}`, 422, []string{"send.recipient-not-enrolled", "send.no-file"}},
		"a secret mark": {`{"to":["` + codeB + `"],"subject":"TUYỆT MẬT","files":[]}`, 422, []string{"send.secret-mark", "send.no-file"}},
	} {
		t.Run(name, func(t *testing.T) {
			q := request{method: "POST", path: "/documents", key: key, headers: map[string]string{"Content-Type": "application/json", "Idempotency-Key": "x"}}
			var codes []string
			for _, lang := range []string{"vi", "en"} {
				q.headers["Accept-Language"] = lang
				q.body = strings.NewReader(c.body)
				p := in[Problem](t, w.call(q).want(t, c.status))
				codes = nil
				for _, f := range p.Errors {
					codes = append(codes, f.Code)
					if strings.Contains(f.Texts.Vi.Detail+f.Texts.En.Detail, "{") || f.Texts.Vi == f.Texts.En {
						t.Errorf("%+v", f)
					}
				}
			}
			if c.codes != nil && !slices.Equal(codes, c.codes) {
				t.Errorf("faults %v, want %v", codes, c.codes)
			}
		})
	}
	w.post(key, "/documents", `{}`).want(t, 400) // no Idempotency-Key
}

func TestUnknownPathsAndMethodsAreProblems(t *testing.T) {
	w := newWorld(t)
	key := w.key("edocman", appkey.Document)
	if p := in[Problem](t, w.get(key, "/khong-co").want(t, 404)); p.Code != "api.no-operation" {
		t.Errorf("%+v", p)
	}
	x := w.call(request{method: "DELETE", path: "/documents", key: key}).want(t, 405)
	if x.Header.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("Allow: %s", x.Header.Get("Allow"))
	}
}

func TestP9_TooManyCallsAreRefusedWithATimeToComeBack(t *testing.T) {
	w := newWorld(t)
	_, k, err := w.apps.Create(t.Context(), appkey.NewApp{Name: "nhanh", Kind: appkey.Document, Rate: 60})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		w.get(string(k), "/me").want(t, 200)
	}
	x := w.get(string(k), "/me").want(t, 429)
	if x.Header.Get("Retry-After") != "1" || in[Problem](t, x).Code != "app.rate" {
		t.Errorf("%v %s", x.Header, x.text)
	}
}

func FuzzCursor(f *testing.F) {
	mark := []byte("abcdef")
	for _, s := range []string{"", "a", newCursor(kindList, mark, 5), newCursor(kindRegister, mark, 1, 1<<40), strings.Repeat("A", 65)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, count := range []int{1, 2} {
			if places, ok := readCursor(s, kindList, mark, count); ok {
				if again := newCursor(kindList, mark, places...); len(s) > MaxCursor || len(again) > len(s) {
					t.Errorf("%q gives %v, which is %q", s, places, again)
				}
			}
		}
	})
}

func FuzzMetadata(f *testing.F) {
	for _, s := range []string{"", "filename YQ==", "a,b", "filename YQ==,filename YQ==", "x \x00", strings.Repeat("a", MaxMetadata+1)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if pairs, ok := metadata(s); ok {
			for key := range pairs {
				if key == "" || len(s) > MaxMetadata {
					t.Errorf("%q gives %v", s, pairs)
				}
			}
		}
		if h, want, ok := checksum(s); ok && len(want) != h.Size() {
			t.Errorf("%q passes as a checksum", s)
		}
	})
}

func FuzzBody(f *testing.F) {
	for _, s := range []string{"", "{}", "null", `{"to":["a"],"files":[{"upload":"x"}]}`, `{"to":1}`, `{"x":1}`, "{}{}", "[]", "\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var d Draft
		if err := readJSON(data, &d); err == nil && (len(data) == 0 || strings.TrimLeft(string(data), " \t\r\n")[0] != '{') {
			t.Errorf("%q passes as an object", data)
		}
	})
}
