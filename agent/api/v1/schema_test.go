package v1

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"tram/agent/i18n"
)

// validate is the public validator over our document.
var validate = sync.OnceValue(func() validator.Validator {
	doc := must(libopenapi.NewDocument(openapiJSON))
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		panic(errs[0])
	}
	return v
})

// conforms holds an answer to the document: status, headers and body. A request
// that was taken must be one that the document allows.
func (w *world) conforms(x exchange, sent []byte) {
	w.t.Helper()
	r := x.request.Clone(w.t.Context())
	r.Body = io.NopCloser(bytes.NewReader(sent))
	media := x.Header.Get("Content-Type")
	if r.Method == http.MethodOptions || r.Method == http.MethodHead && x.text == "" {
		w.known(x)
		return
	}
	resp := *x.Response
	resp.Body = io.NopCloser(strings.NewReader(x.text))
	_, pattern := w.server.mux.Handler(x.request)
	if strings.HasSuffix(media, "json") && strings.Contains(pattern, " ") {
		if ok, errs := validate().ValidateHttpResponse(r, &resp); !ok {
			for _, e := range errs {
				w.t.Errorf("%s %s → %d: the answer is not as documented: %s: %s %v\n%s", r.Method, r.URL, x.StatusCode, e.Message, e.Reason, e.SchemaValidationErrors, x.text)
			}
		}
	}
	w.known(x)
	if x.StatusCode < 300 && !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") && r.Method != http.MethodPatch {
		r.Body = io.NopCloser(bytes.NewReader(sent))
		if ok, errs := validate().ValidateHttpRequest(r); !ok {
			for _, e := range errs {
				w.t.Errorf("%s %s was taken, but is not as documented: %s: %s %v", r.Method, r.URL, e.Message, e.Reason, e.SchemaValidationErrors)
			}
		}
	}
}

// known checks that the document knows the status and the type of an answer.
func (w *world) known(x exchange) {
	w.t.Helper()
	_, pattern := w.server.mux.Handler(x.request)
	method, path, found := strings.Cut(pattern, " ")
	if !found {
		return // no operation: a plain problem
	}
	o := w.server.spec.operation(method, strings.TrimPrefix(path, Base))
	answer := w.server.spec.deref(object(object(o, "responses"), itoa(x.StatusCode)))
	if answer == nil {
		w.t.Errorf("%s answers %d, which is not documented: %s", pattern, x.StatusCode, x.text)
		return
	}
	media, _, _ := strings.Cut(x.Header.Get("Content-Type"), ";")
	content := object(answer, "content")
	if x.text != "" && content[media] == nil && content["*/*"] == nil {
		w.t.Errorf("%s answers %d as %s, which is not documented", pattern, x.StatusCode, media)
	}
	for name := range object(answer, "headers") {
		optional := slices.Contains([]string{"Retry-After", "Idempotency-Replayed", "Upload-Offset", "Tus-Resumable", "WWW-Authenticate"}, name) && x.StatusCode >= 400 ||
			name == "Idempotency-Replayed" || name == "Upload-Expires" && x.Header.Get("Idempotency-Replayed") != ""
		if x.Header.Get(name) == "" && !optional {
			w.t.Errorf("%s %d: the header %s is documented and not there", pattern, x.StatusCode, name)
		}
	}
}

func itoa(n int) string { return string(must(json.Marshal(n))) }

func TestTheDocumentAndTheHandlersAreTheSame(t *testing.T) {
	w := newWorld(t)
	paths := object(w.server.spec.tree(), "paths")
	documented := map[string]string{}
	for path := range paths {
		for method := range object(paths, path) {
			o := w.server.spec.operation(method, path)
			documented[strings.ToUpper(method)+" "+path] = text(o, "operationId")
		}
	}
	for _, op := range w.server.ops {
		name := op.method + " " + op.path
		o := w.server.spec.operation(op.method, op.path)
		if documented[name] != op.id {
			t.Errorf("%s is %q in the document and %q here", name, documented[name], op.id)
		}
		delete(documented, name)
		if got := text(o, "x-scope"); got != string(op.scope) {
			t.Errorf("%s: scope %q in the document, %q here", op.id, got, op.scope)
		}
		if _, free := o["security"]; free != op.open {
			t.Errorf("%s: the document and the handler differ on the need of a key", op.id)
		}
		var query []string
		for _, p := range list(o, "parameters") {
			if p := w.server.spec.deref(p.(map[string]any)); text(p, "in") == "query" {
				query = append(query, text(p, "name"))
			}
		}
		if slices.Sort(query); !slices.Equal(query, slices.Sorted(slices.Values(op.query))) {
			t.Errorf("%s: parameters %v in the document, %v here", op.id, query, op.query)
		}
		var media []string
		for m := range object(object(o, "requestBody"), "content") {
			media = append(media, m)
		}
		if slices.Sort(media); !slices.Equal(media, slices.Sorted(slices.Values(op.media))) {
			t.Errorf("%s: bodies %v in the document, %v here", op.id, media, op.media)
		}
	}
	for name := range documented {
		t.Errorf("%s is documented and not served", name)
	}
}

// TestEveryTextOfTheDocumentIsInBothLanguages: what has a description has one in
// Vietnamese.
func TestEveryTextOfTheDocumentIsInBothLanguages(t *testing.T) {
	spec := newSpec()
	found := 0
	var walk func(at string, part any)
	walk = func(at string, part any) {
		switch v := part.(type) {
		case []any:
			for i, one := range v {
				walk(at+"/"+itoa(i), one)
			}
		case map[string]any:
			for _, key := range []string{"description", "summary"} {
				if words, ok := v[key].(string); ok && at != "/servers/0" && !strings.HasSuffix(at, "/info") {
					found++
					if vi, _ := v["x-"+key+"-vi"].(string); vi == "" || words == "" {
						t.Errorf("%s has no Vietnamese %s", at, key)
					}
				}
			}
			for key, one := range v {
				if !strings.HasSuffix(at, "/properties") && (key == "example" || key == "examples") {
					continue
				}
				walk(at+"/"+key, one)
			}
		}
	}
	walk("", spec.tree())
	if found < 200 {
		t.Errorf("only %d texts were found", found)
	}
}

func TestTheDocumentIsValidInBothVersions(t *testing.T) {
	if ok, errs := validate().ValidateDocument(); !ok {
		for _, e := range errs {
			t.Errorf("3.1: %s: %s %v", e.Message, e.Reason, e.SchemaValidationErrors)
		}
	}
	spec := newSpec()
	doc := must(libopenapi.NewDocument(spec.raw30()))
	if doc.GetVersion() != "3.0.3" {
		t.Errorf("version %s", doc.GetVersion())
	}
	older, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if ok, errs := older.ValidateDocument(); !ok {
		for _, e := range errs {
			t.Errorf("3.0: %s: %s %v", e.Message, e.Reason, e.SchemaValidationErrors)
		}
	}
	for _, word := range []string{`"contentMediaType"`, `"examples"`, `"const"`, `"$defs"`, `"identifier"`} {
		if bytes.Contains(spec.raw30(), []byte(word)) {
			t.Errorf("%s is no word of OpenAPI 3.0", word)
		}
	}
}

// TestEveryProblemOfTheInterfaceHasItsStatus: codes with a status of their own
// exist, and each status has its title.
func TestEveryProblemOfTheInterfaceHasItsStatus(t *testing.T) {
	for code, status := range statusOfCode {
		if !i18n.Has("problem." + code) {
			t.Errorf("there is no problem %s", code)
		}
		if !i18n.Has("api.title." + itoa(status)) {
			t.Errorf("status %d has no title", status)
		}
	}
	for _, status := range statusOfClass {
		if !i18n.Has("api.title." + itoa(status)) {
			t.Errorf("status %d has no title", status)
		}
	}
}
