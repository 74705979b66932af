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
		{"GET", "/so", 303, 200, 403, 200},
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
	for _, word := range []string{"<iframe", "/tep/", "/goi", "/edxml", "/tiep-nhan", "/tra-lai", `href="/gui"`} {
		if strings.Contains(body, word) {
			t.Errorf("an IT officer's page holds %q", word)
		}
	}
	_, body = b.as("leader").get(boxPath(b.docs["express"]))
	if !strings.Contains(body, "<iframe") || strings.Contains(body, "/tiep-nhan") {
		t.Error("a leader should read and not answer")
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
	now, set := settable(noon)
	b := start(t, true, now)
	v := b.as("lan")
	set(noon.Add(7*time.Hour + 50*time.Minute))
	_, body := v.get("/trang-thai")
	if !strings.Contains(body, "Phiên làm việc sẽ hết lúc 18:32") {
		t.Errorf("no warning before the end: %s", body)
	}
	v.get("/viec-can-lam") // somebody works: the session goes on
	if _, body = v.get("/trang-thai"); strings.Contains(body, "sẽ hết lúc") {
		t.Error("the warning stays after working on")
	}
	set(now().Add(8*time.Hour + time.Minute))
	if res, body := v.get("/trang-thai"); res.StatusCode != 401 || !strings.Contains(body, "Phiên làm việc đã hết") {
		t.Errorf("after the end: %d %s", res.StatusCode, body)
	}
}

// fillIn puts a document or an account that is there into a pattern.
func (b *box) fillIn(pattern string) string {
	id := b.docs["accepted"].ID
	if strings.Contains(pattern, "/van-ban-di/") {
		id = b.docs["saved"].ID
	}
	if strings.Contains(pattern, "/mot-cua/") {
		id = b.dossiers.any()
	}
	return strings.NewReplacer("{procedure}", "1.001193", "{id}", id.String(), "{index}", "0", "{name}", "staff", "{so}", "buu-dien", "{$}", "").Replace(pattern)
}

// whoMay is what agent/README.md says, route by route: the roles that may use
// it. Everybody else must not.
var whoMay = map[string]string{
	"GET /dang-nhap": "all", "POST /dang-nhap": "all", "POST /dang-xuat": "all", "POST /ngon-ngu": "all", "GET /trang-thai": "all", "/": "all",

	"GET /mat-khau": "lan leader staff onestop it", "POST /mat-khau": "lan leader staff onestop it",
	"GET /tai-khoan": "lan leader staff onestop it", "POST /tai-khoan/dang-xuat-het": "lan leader staff onestop it",

	"GET /nguoi-dung": "it", "POST /nguoi-dung": "it", "GET /nguoi-dung/{name}": "it", "POST /nguoi-dung/{name}": "it",
	"GET /chung-thu": "it", "GET /chung-thu/goc.crt": "it",

	"GET /quan-tri": "it", "GET /quan-tri/con-dau": "it", "POST /quan-tri/con-dau/{name}": "it", "GET /quan-tri/ket-noi": "it", "POST /quan-tri/ket-noi": "it",
	"GET /quan-tri/ket-noi/them": "it", "GET /quan-tri/ket-noi/mot/{name}": "it", "POST /quan-tri/ket-noi/mot/{name}": "it", "GET /quan-tri/tin-bi-giu": "it",
	"POST /quan-tri/tin-bi-giu/{id}": "it", "GET /quan-tri/ung-dung": "it", "POST /quan-tri/ung-dung": "it", "POST /quan-tri/ung-dung/{name}": "it",
	"GET /quan-tri/ung-dung/{name}/tu-trang-thai": "it", "POST /quan-tri/ung-dung/{name}/tu-trang-thai": "it",
	"GET /quan-tri/duong-truyen": "it", "GET /quan-tri/luu-tru": "it", "GET /quan-tri/sao-luu": "it", "GET /quan-tri/nhat-ky": "it", "POST /quan-tri/nhat-ky": "it",
	"GET /quan-tri/nhat-ky/xuat": "it",

	"GET /tro-giup": "all", "GET /tro-giup/huong-dan": "all", "POST /tro-giup/phim": "all",
	"GET /tro-giup/goi-ho-tro": "lan leader staff onestop it", "POST /tro-giup/goi-ho-tro": "lan leader staff onestop it",
	"GET /usb": "lan it", "GET /usb/xem": "lan it", "POST /usb/xuat": "lan it", "POST /usb/nhap": "lan it", "POST /usb/tai-len": "lan it", "GET /usb/goi.zip": "lan it",

	"GET /mot-cua/{id}/mau/{n}": "lan leader staff onestop", "POST /mot-cua/{id}/mau/{n}": "lan leader staff onestop",
	"GET /mot-cua/so-theo-doi": "lan leader staff onestop", "GET /mot-cua/so-theo-doi/tep": "lan leader staff onestop",

	"GET /{$}": "lan leader staff onestop it", "GET /viec-can-lam": "lan leader staff onestop it",
	"GET /van-ban-den": "lan leader staff onestop it", "GET /van-ban-den/{id}": "lan leader staff onestop it",
	"GET /van-ban-di": "lan leader staff onestop it", "GET /van-ban-di/{id}": "lan leader staff onestop it",
	"GET /van-ban-di/{id}/phieu-gui": "lan leader staff onestop it", "GET /hop-gui": "lan leader staff onestop it",

	"GET /tim-kiem": "lan leader staff onestop it", "GET /tim-kiem/xuat": "lan leader staff onestop it",
	"POST /tim-kiem/luu": "lan leader staff onestop it", "POST /tim-kiem/xoa": "lan leader staff onestop it",

	// Staff and one-stop because they have the document, see
	// TestContentOfWhatWasHandedOverAlone.
	"GET /van-ban-den/{id}/tep/{index}": "lan leader staff onestop", "GET /van-ban-den/{id}/goi": "lan leader staff onestop",
	"GET /van-ban-di/{id}/tep/{index}": "lan leader staff onestop", "GET /van-ban-di/{id}/goi": "lan leader staff onestop",

	"GET /van-ban-den/{id}/edxml": "lan leader staff onestop", "GET /van-ban-di/{id}/edxml": "lan leader staff onestop",
	"GET /van-ban-den/{id}/phieu-giai-quyet": "lan leader staff onestop",

	"POST /van-ban-den/{id}/trinh": "lan leader", "POST /van-ban-den/{id}/but-phe": "lan leader", "POST /van-ban-den/{id}/chuyen": "lan leader",
	"POST /van-ban-den/{id}/gia-han": "lan leader", "POST /van-ban-den/{id}/thu-hoi-y-kien": "lan leader", "POST /van-ban-den/{id}/mo-lai": "lan leader",
	"POST /van-ban-den/{id}/tien-do": "lan leader staff onestop", "POST /van-ban-den/{id}/xong": "lan leader staff onestop",
	"POST /van-ban-den/{id}/giao-tiep": "lan leader staff onestop", "GET /viec-cua-toi": "lan leader staff onestop",
	"GET /giao-lai": "lan leader", "POST /giao-lai": "lan leader",
	"GET /gui/edxml": "lan", "POST /gui/edxml": "lan", "POST /gui/nhap": "lan", "POST /gui/nhap/{id}/xoa": "lan", "GET /nhom": "lan", "POST /nhom": "lan", "POST /nhom/xoa": "lan",

	"GET /van-ban-den/{id}/kiem-tra/{index}": "lan leader staff onestop it", "GET /van-ban-den/{id}/ban-da-ky/{index}": "lan leader staff onestop",
	"POST /van-ban-den/{id}/kiem-lai": "lan",

	"POST /van-ban-den/{id}/tiep-nhan": "lan", "POST /van-ban-den/{id}/tra-lai": "lan",
	"POST /van-ban-den/{id}/dong-y": "lan", "POST /van-ban-den/{id}/tu-choi": "lan", "POST /van-ban-di/{id}/rut-lai": "lan", "POST /van-ban-di/{id}/thu-hoi": "lan",
	"POST /van-ban-di/{id}/gui-ngay": "lan", "GET /gui": "lan", "POST /gui": "lan", "GET /noi-nhan": "lan",

	"GET /van-ban-den/vao-so": "lan", "POST /van-ban-den/vao-so": "lan", "GET /van-ban-di/vao-so": "lan", "POST /van-ban-di/vao-so": "lan",
	"GET /van-ban-den/{id}/dau-den": "lan",

	"GET /ky-so": "lan", "POST /ky-so": "lan", "GET /ky-so/{id}": "lan", "GET /ky-so/{id}/tep": "lan", "POST /ky-so/{id}/goi": "lan",
	"POST /ky-so/{id}/tai-len": "lan", "POST /ky-so/{id}/bo": "lan",

	"GET /so": "lan leader staff", "GET /so/{so}": "lan leader staff", "GET /so/{so}/bia": "lan leader staff", "GET /so/{so}/tep": "lan leader staff",
	"GET /so/{so}/ban-in/{id}": "lan leader staff", "POST /so/{so}/in": "lan", "POST /so/{so}/ban-in/{id}/xong": "lan", "POST /so/{so}/ban-in/{id}/hong": "lan",
	"POST /so/{so}/quyen-moi": "lan", "GET /so/{so}/dong": "lan", "POST /so/{so}/dong": "lan", "GET /so/{so}/ghi": "lan", "POST /so/{so}/ghi": "lan",
	"GET /ho-so-cong-viec": "lan leader staff", "POST /ho-so-cong-viec": "lan", "POST /ho-so-cong-viec/them": "lan", "GET /ho-so-cong-viec/{id}": "lan leader staff",
	"POST /ho-so-cong-viec/{id}": "lan", "POST /ho-so-cong-viec/{id}/bo": "lan", "GET /ho-so-cong-viec/{id}/tep": "lan leader staff",

	"GET /tra-cuu": "all", "POST /tra-cuu": "all",
	"GET /mot-cua": "lan leader staff onestop", "GET /mot-cua/xuat": "lan leader staff onestop", "GET /mot-cua/thong-ke": "lan leader staff onestop",
	"GET /mot-cua/thong-ke/xuat": "lan leader staff onestop", "GET /mot-cua/noi-nhan": "lan leader staff onestop", "GET /mot-cua/{id}": "lan leader staff onestop",
	"GET /mot-cua/{id}/tep/{index}": "lan leader staff onestop", "GET /mot-cua/tiep-nhan": "lan onestop", "GET /mot-cua/tiep-nhan/{procedure}": "lan onestop",
	"POST /mot-cua/tiep-nhan": "lan onestop", "POST /mot-cua/tiep-nhan/bo-sung": "lan onestop", "POST /mot-cua/tiep-nhan/tu-choi": "lan onestop",
	"POST /mot-cua/{id}/chap-nhan": "lan onestop", "POST /mot-cua/{id}/tu-choi": "lan onestop", "POST /mot-cua/{id}/bo-sung": "lan onestop",
	"POST /mot-cua/{id}/nop-phi": "lan onestop", "POST /mot-cua/{id}/tra-ket-qua": "lan onestop", "POST /mot-cua/{id}/xin-rut": "lan onestop",
	"POST /mot-cua/{id}/cho-rut": "lan onestop", "POST /mot-cua/{id}/khong-cho-rut": "lan onestop", "POST /mot-cua/{id}/bat-dau": "lan leader staff onestop",
	"POST /mot-cua/{id}/co-ket-qua": "lan leader staff onestop", "POST /mot-cua/{id}/yeu-cau-bo-sung": "lan leader staff onestop", "POST /mot-cua/{id}/yeu-cau-nop": "lan leader staff onestop",
	"POST /mot-cua/{id}/chuyen": "lan leader staff onestop", "POST /mot-cua/{id}/goi-lai": "lan leader staff onestop", "POST /mot-cua/{id}/ghi-chu": "lan leader staff onestop",
	"POST /mot-cua/{id}/gia-han": "leader", "POST /mot-cua/{id}/tra-phieu": "leader", "POST /mot-cua/{id}/soan-xin-loi": "lan onestop", "POST /mot-cua/{id}/dung": "leader", "POST /mot-cua/{id}/mo-lai": "leader",

	"GET /ky/{token}": "all", "POST /ky/{token}": "all", // the signing agent: the token is what counts
}

// TestEachRoleReachesWhatItMayAndNothingElse asks for every registered route as
// nobody and as each role. A route without a rule here fails.
func TestEachRoleReachesWhatItMayAndNothingElse(t *testing.T) {
	roles := []string{"lan", "leader", "staff", "onestop", "it"}
	b := start(t, false, fixed)
	b.handToStaff()
	seen := map[string]bool{}
	for _, rt := range b.site.table() {
		seen[rt.pattern] = true
		rule, ok := whoMay[rt.pattern]
		if !ok {
			t.Errorf("route %q has no rule in this test", rt.pattern)
			continue
		}
		if res := b.ask(b.visitor(), rt); rule != "all" && (res.StatusCode != 303 || !strings.HasPrefix(res.Header.Get("Location"), "/dang-nhap")) {
			t.Errorf("%s lets nobody in particular in: %d", rt.pattern, res.StatusCode)
		}
		for _, role := range roles {
			may := rule == "all" || strings.Contains(" "+rule+" ", " "+role+" ")
			if res := b.ask(b.as(role), rt); (res.StatusCode == http.StatusForbidden) == may || res.StatusCode >= 500 {
				t.Errorf("%s as %s gave %d, allowed %v", rt.pattern, role, res.StatusCode, may)
			}
		}
	}
	for pattern := range whoMay {
		if !seen[pattern] {
			t.Errorf("the rule for %q holds for nothing", pattern)
		}
	}
}

func (b *box) ask(v *browser, rt route) *http.Response {
	defer v.client.CloseIdleConnections() // there are more visitors here than the box has connections
	method, path, ok := strings.Cut(rt.pattern, " ")
	if !ok {
		method, path = http.MethodGet, rt.pattern
	}
	var res *http.Response
	if method == http.MethodPost {
		res, _ = v.post(b.fillIn(path), nil)
	} else {
		res, _ = v.get(b.fillIn(path))
	}
	return res
}

// TestNoProgramInterfaceAmongThePages: the local socket's calls ask for no
// sign-in, so none of them may be reachable from the network.
func TestNoProgramInterfaceAmongThePages(t *testing.T) {
	b := start(t, false, fixed)
	for _, v := range []*browser{b.visitor(), b.as("lan"), b.as("it")} {
		for _, path := range []string{"/v1/status", "/v1/documents?box=in", "/v1/accounts", "/v1/usb/export", "/debug/pprof/"} {
			if res, _ := v.get(path); res.StatusCode != http.StatusNotFound {
				t.Errorf("GET %s gave %d", path, res.StatusCode)
			}
		}
	}
}
