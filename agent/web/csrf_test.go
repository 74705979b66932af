package web

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
)

// crossing is a request as a browser makes it on behalf of some page.
type crossing struct {
	name, site, origin string // Sec-Fetch-Site and Origin; "-" leaves the header out
	token              func(v *browser) string
	passes             bool
}

func noToken(*browser) string    { return "" }
func ownToken(v *browser) string { return v.token() }

// otherToken is that of another session on the same box: a hostile clerk's.
func otherToken(v *browser) string { return v.box.as("lan").token() }

// TestForeignSitesCannotAct tries what a page elsewhere can make a browser do,
// with new browsers, with old ones that send no Sec-Fetch-Site (as also new ones do
// over plain HTTP), and with those that send neither header.
func TestForeignSitesCannotAct(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	path := boxPath(b.docs["normal"]) + "/tiep-nhan"
	host := strings.TrimPrefix(b.url, "http://")
	for _, c := range []crossing{
		{"another site, new browser", "cross-site", "https://evil.example", ownToken, false},
		{"another site, without a token", "cross-site", "https://evil.example", noToken, false},
		{"another port of this host", "same-site", "http://127.0.0.1:9", ownToken, false},
		{"the document origin", "same-site", strings.TrimSuffix(b.site.Documents.Origin(&http.Request{Host: host}), "/"), ownToken, false},
		{"old browser, another site", "-", "https://evil.example", ownToken, false},
		{"old browser, sandboxed frame", "-", "null", ownToken, false},
		{"old browser, a site whose name begins like ours", "-", b.url + ".evil.example", ownToken, false},
		{"no headers, no token", "-", "-", noToken, false},
		{"no headers, token of another session", "-", "-", otherToken, false},
		{"own page, forgotten token", "same-origin", b.url, noToken, false},
		{"own page, token of another session", "same-origin", b.url, otherToken, false},
		{"own page, new browser", "same-origin", b.url, ownToken, true},
	} {
		req, err := http.NewRequest(http.MethodPost, b.url+path, strings.NewReader(url.Values{tokenField: {c.token(v)}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for name, value := range map[string]string{"Sec-Fetch-Site": c.site, "Origin": c.origin} {
			if value != "-" {
				req.Header.Set(name, value)
			}
		}
		res, _ := v.do(req)
		d, err := b.office.Get(t.Context(), b.docs["normal"].ID)
		if err != nil {
			t.Fatal(err)
		}
		if acted := d.State != "arrived"; acted != c.passes || (res.StatusCode == http.StatusForbidden) == c.passes {
			t.Errorf("%s: %d, acted %v", c.name, res.StatusCode, acted)
		}
	}
}

// TestOldBrowsersCanWork sends the token alone: no Origin, no Sec-Fetch-Site.
func TestOldBrowsersCanWork(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	req, err := http.NewRequest(http.MethodPost, b.url+boxPath(b.docs["normal"])+"/tiep-nhan", strings.NewReader(tokenField+"="+v.token()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if res, _ := v.do(req); res.StatusCode != http.StatusSeeOther {
		t.Errorf("a form with its token gave %d", res.StatusCode)
	}
}

// TestEveryActionAsksForTheToken walks all routes that change something.
func TestEveryActionAsksForTheToken(t *testing.T) {
	b := start(t, false, fixed)
	for _, rt := range b.site.table() {
		method, path, _ := strings.Cut(rt.pattern, " ")
		if method != http.MethodPost {
			continue
		}
		for _, name := range []string{"lan", "it"} {
			v := b.as(name)
			for _, token := range []string{"", "x", formToken(""), formToken("khác")} {
				var res *http.Response
				if rt.files {
					res, _ = v.form(url.Values{tokenField: {token}, "subject": {"x"}}, "a.pdf", "x")
				} else {
					res, _ = v.post(b.fillIn(path), url.Values{tokenField: {token}})
				}
				if res.StatusCode != http.StatusForbidden {
					t.Errorf("%s as %s with the token %q gave %d", rt.pattern, name, token, res.StatusCode)
				}
			}
		}
	}
	if left, err := os.ReadDir(b.uploads); err != nil || len(left) != 0 {
		t.Errorf("files of refused forms: %v, %v", left, err)
	}
}

// TestNobodyIsSignedInBehindHerBack is cross-site request forgery of the
// sign-in form itself.
func TestNobodyIsSignedInBehindHerBack(t *testing.T) {
	b := start(t, true, fixed)
	v := b.visitor()
	form := url.Values{"name": {"lan"}, "password": {password}, tokenField: {b.visitor().token()}}
	if res, body := v.post("/dang-nhap", form); res.StatusCode != http.StatusForbidden || !strings.Contains(body, "Trang này đã cũ") {
		t.Errorf("the token of another browser gave %d", res.StatusCode)
	}
	form.Set(tokenField, v.token())
	if res, _ := v.post("/dang-nhap", form); res.StatusCode != http.StatusSeeOther {
		t.Errorf("her own form gave %d", res.StatusCode)
	}
}
