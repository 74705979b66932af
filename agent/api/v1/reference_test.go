package v1

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func (w *world) page(path string, headers ...string) (*http.Response, string) {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec.Result(), rec.Body.String()
}

var (
	anchor  = regexp.MustCompile(`href="#([^"]+)"`)
	bareKey = regexp.MustCompile(`>(api|web)\.[a-z.-]+<`)
)

func TestTheReferenceTellsEverythingInBothLanguagesWithoutScripts(t *testing.T) {
	w := newWorld(t)
	for lang, words := range map[string][]string{"vi": {"Gửi văn bản", "Nội dung gửi", "bắt buộc"}, "en": {"Send a document", "Body", "needed"}} {
		resp, body := w.page(ReferencePath + "?lang=" + lang)
		if resp.StatusCode != 200 || resp.Header.Get("Content-Language") != lang || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%d %v", resp.StatusCode, resp.Header)
		}
		for _, word := range words {
			if !strings.Contains(body, word) {
				t.Errorf("%s: the page lacks %q", lang, word)
			}
		}
		for _, op := range w.server.ops {
			if !strings.Contains(body, `id="`+op.id+`"`) {
				t.Errorf("%s: the page lacks %s", lang, op.id)
			}
		}
		for _, link := range anchor.FindAllStringSubmatch(body, -1) {
			if !strings.Contains(body, `id="`+link[1]+`"`) {
				t.Errorf("%s: nothing is at #%s", lang, link[1])
			}
		}
		if strings.Contains(body, "<script") || strings.Contains(body, "style=") || strings.Contains(body, "ZgotmplZ") {
			t.Errorf("%s: a script or inline style", lang)
		}
		if key := bareKey.FindString(body); key != "" {
			t.Errorf("%s: a bare key %s", lang, key)
		}
	}
	if resp, _ := w.page(ReferencePath, "Accept-Language", "fr, en;q=0.8, vi;q=0.5"); resp.Header.Get("Content-Language") != "en" {
		t.Error("the language of the browser does not count")
	}
	if resp, _ := w.page(ReferencePath + "reference.css"); resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/css") {
		t.Errorf("style: %d %v", resp.StatusCode, resp.Header)
	}
}

func TestEveryProblemHasItsPage(t *testing.T) {
	w := newWorld(t)
	for _, code := range problemCodes() {
		for _, lang := range []string{"vi", "en"} {
			if resp, body := w.page(typeOf(code) + "?lang=" + lang); resp.StatusCode != 200 || !strings.Contains(body, code) {
				t.Errorf("%s: %d", code, resp.StatusCode)
			}
		}
	}
	if resp, _ := w.page(typeOf("khong.co")); resp.StatusCode != 404 {
		t.Errorf("a page about nothing: %d", resp.StatusCode)
	}
	if resp, _ := w.page(typeOf("send.no-subject") + "?lang=fr"); resp.StatusCode != 400 {
		t.Errorf("a language that there is not: %d", resp.StatusCode)
	}
}

func TestTheLanguageIsThatOfTheHeader(t *testing.T) {
	for header, want := range map[string]string{
		"": "vi", "en": "en", "vi": "vi", "en-GB": "en", "vi;q=0.4, en;q=0.5": "en", "fr": "vi", "en;q=0": "vi", "en;q=x, vi;q=0.1": "vi",
		strings.Repeat("fr,", 1000) + "en": "vi", "EN": "en", "english": "vi",
	} {
		if got := language(header); string(got) != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}
