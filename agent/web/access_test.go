package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestEachAddressForEachVisitor(t *testing.T) {
	b := start(t, false, fixed)
	in, out := boxPath(b.docs["normal"]), boxPath(b.docs["returned"])
	signIn := "/dang-nhap"
	cases := []struct {
		method, path           string
		nobody, clerk, it, led int
	}{
		{"GET", "/dang-nhap", 200, 303, 303, 303},
		{"GET", "/", 303, 303, 303, 303},
		{"GET", "/viec-can-lam", 303, 200, 200, 200},
		{"GET", "/van-ban-den", 303, 200, 200, 200},
		{"GET", in, 303, 200, 200, 200},
		{"GET", in + "/tep/0", 303, 303, 403, 303},
		{"GET", in + "/goi", 303, 200, 403, 200},
		{"GET", "/van-ban-di", 303, 200, 200, 200},
		{"GET", out, 303, 200, 200, 200},
		{"GET", out + "/phieu-gui", 303, 200, 200, 200},
		{"GET", out + "/goi", 303, 200, 403, 200},
		{"GET", "/hop-gui", 303, 200, 200, 200},
		{"GET", "/gui", 303, 200, 403, 403},
		{"GET", "/gui?tu=" + b.docs["returned"].ID.String(), 303, 200, 403, 403},
		{"GET", "/gui?tu=" + b.docs["normal"].ID.String(), 303, 404, 403, 403},
		{"GET", "/noi-nhan", 303, 200, 403, 403},
		{"POST", "/gui", 303, 422, 403, 403},
		{"POST", boxPath(b.docs["saved"]) + "/gui-ngay", 303, 303, 403, 403},
		{"POST", boxPath(b.docs["hub"]) + "/gui-ngay", 303, 303, 403, 403}, // gone meanwhile: the page shows it
		{"GET", boxPath(b.docs["saved"]) + "/gui-ngay", 404, 404, 404, 404},
		{"POST", "/van-ban-di/khong-phai-id/gui-ngay", 303, 404, 403, 403},
		{"POST", in + "/tra-lai", 303, 422, 403, 403},
		{"GET", "/trang-thai", 401, 200, 200, 200},
		{"GET", "/van-ban-den/khong-phai-id", 303, 404, 404, 404},
		{"GET", "/van-ban-den/" + b.docs["returned"].ID.String(), 303, 404, 404, 404},
		{"GET", "/van-ban-di/" + b.docs["normal"].ID.String(), 303, 404, 404, 404},
		{"GET", "/khong-co", 404, 404, 404, 404},
		{"GET", "/so", 404, 404, 404, 404},
		{"GET", in + "/tiep-nhan", 404, 404, 404, 404},
	}
	visitors := []*browser{b.visitor(), b.as("lan"), b.as("it"), b.as("leader")}
	for _, c := range cases {
		for i, want := range []int{c.nobody, c.clerk, c.it, c.led} {
			var res *http.Response
			if c.method == "POST" {
				res, _ = visitors[i].post(c.path, url.Values{})
			} else {
				res, _ = visitors[i].get(c.path)
			}
			if res.StatusCode != want {
				t.Errorf("%s %s as visitor %d gave %d, want %d", c.method, c.path, i, res.StatusCode, want)
			}
			if i == 0 && res.StatusCode == 303 && !strings.HasPrefix(res.Header.Get("Location"), signIn) {
				t.Errorf("%s %s leads a stranger to %s", c.method, c.path, res.Header.Get("Location"))
			}
		}
	}
}

func TestStrangersAndITLearnNoContent(t *testing.T) {
	b := start(t, false, fixed)
	stranger := b.visitor()
	for _, path := range b.tour() {
		_, body := stranger.get(path)
		for _, word := range []string{"sạt lở", "Nguyễn Thị", "Công điện", "H40.SNV", "/van-ban-den/"} {
			if strings.Contains(body, word) {
				t.Errorf("%s tells a stranger %q", path, word)
			}
		}
	}
	_, body := b.as("it").get(boxPath(b.docs["express"]))
	for _, word := range []string{"<iframe", "/tep/", "/goi", "/tiep-nhan", "/tra-lai", `href="/gui"`} {
		if strings.Contains(body, word) {
			t.Errorf("an IT officer's page holds %q", word)
		}
	}
	_, body = b.as("leader").get(boxPath(b.docs["express"]))
	if !strings.Contains(body, "<iframe") || strings.Contains(body, "/tiep-nhan") {
		t.Error("a leader should read and not answer")
	}
}

func TestMenuNamesOnlyWhatWorks(t *testing.T) {
	b := start(t, false, fixed)
	_, body := b.as("lan").get("/viec-can-lam")
	for _, word := range []string{"Một cửa", "Sổ &amp; in", "Tìm kiếm", "Trợ giúp", "USB"} {
		if strings.Contains(body, word) {
			t.Errorf("the page offers %q, which does not exist yet", word)
		}
	}
}

func TestSignInIsThrottledAndSaysTheSameToEveryone(t *testing.T) {
	b := start(t, true, fixed)
	v := b.visitor()
	_, wrong := v.post("/dang-nhap", url.Values{"name": {"lan"}, "password": {"sai mật khẩu"}})
	_, unknown := v.post("/dang-nhap", url.Values{"name": {"ai-do"}, "password": {"sai mật khẩu"}})
	if strings.ReplaceAll(wrong, `value="lan"`, "") != strings.ReplaceAll(unknown, `value="ai-do"`, "") {
		t.Error("an unknown name can be told from a wrong password")
	}
	if strings.Contains(wrong, "sai mật khẩu") {
		t.Error("the password came back in the page")
	}
	status := 0
	for range 6 {
		res, _ := v.post("/dang-nhap", url.Values{"name": {"lan"}, "password": {"sai"}})
		status = res.StatusCode
	}
	if status != http.StatusTooManyRequests {
		t.Errorf("the seventh guess gave %d", status)
	}
	if res, _ := v.post("/dang-nhap", url.Values{"name": {"lan"}, "password": {password}}); res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("the right password passed the throttle with %d", res.StatusCode)
	}
}

func TestSignInCookieAndWayBack(t *testing.T) {
	b := start(t, true, fixed)
	v := b.visitor()
	res, _ := v.get("/van-ban-di?loc=bi-tra-lai")
	if got := res.Header.Get("Location"); got != "/dang-nhap?tiep="+url.QueryEscape("/van-ban-di?loc=bi-tra-lai") {
		t.Errorf("a stranger is led to %s", got)
	}
	for next, want := range map[string]string{"/van-ban-di?loc=bi-tra-lai": "/van-ban-di?loc=bi-tra-lai", "//evil.example/": "/viec-can-lam",
		"https://evil.example/": "/viec-can-lam", `/\evil.example`: "/viec-can-lam", "": "/viec-can-lam"} {
		res, _ := v.post("/dang-nhap", url.Values{"name": {" LAN "}, "password": {password}, "tiep": {next}})
		if got := res.Header.Get("Location"); got != want {
			t.Errorf("after sign-in %q leads to %q, want %q", next, got, want)
		}
		cookies := res.Header.Values("Set-Cookie")
		if len(cookies) == 0 || !strings.Contains(cookies[0], "HttpOnly; SameSite=Strict") {
			t.Errorf("session cookie: %v", cookies)
		}
	}
	if res, _ := v.post("/dang-xuat", nil); res.StatusCode != 303 {
		t.Errorf("signing out gave %d", res.StatusCode)
	}
	if res, _ := v.get("/viec-can-lam"); res.StatusCode != 303 {
		t.Errorf("after signing out the page gave %d", res.StatusCode)
	}
	if _, body := v.get("/dang-nhap"); !strings.Contains(body, `value="lan"`) {
		t.Error("the browser's own names are not offered again")
	}
}

func TestSessionEndsAndWarns(t *testing.T) {
	now := noon
	b := start(t, true, func() time.Time { return now })
	v := b.as("lan")
	now = noon.Add(7*time.Hour + 50*time.Minute)
	_, body := v.get("/trang-thai")
	if !strings.Contains(body, "Phiên làm việc sẽ hết lúc 18:32") {
		t.Errorf("no warning before the end: %s", body)
	}
	v.get("/viec-can-lam") // somebody works: the session goes on
	if _, body = v.get("/trang-thai"); strings.Contains(body, "sẽ hết lúc") {
		t.Error("the warning stays after working on")
	}
	now = now.Add(8*time.Hour + time.Minute)
	if res, body := v.get("/trang-thai"); res.StatusCode != 401 || !strings.Contains(body, "Phiên làm việc đã hết") {
		t.Errorf("after the end: %d %s", res.StatusCode, body)
	}
}

func TestForeignSitesCannotAct(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	id := b.docs["normal"].ID
	for header, value := range map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"} {
		req, err := http.NewRequest(http.MethodPost, b.url+boxPath(b.docs["normal"])+"/tiep-nhan", strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set(header, value)
		if res, _ := v.do(req); res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s passed with %d", header, value, res.StatusCode)
		}
	}
	if d, err := b.office.Get(t.Context(), id); err != nil || d.State != "arrived" {
		t.Errorf("the document is %s now, %v", d.State, err)
	}
}
