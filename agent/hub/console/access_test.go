package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// whoMay says who reaches each route: "all" for everybody, else the people of the
// world by name.
var whoMay = map[string]string{
	"GET /dang-nhap": "all", "POST /dang-nhap": "all", "POST /dang-xuat": "all", "POST /ngon-ngu": "all", "GET /trang-thai": "all", "/": "all",
	"GET /chung-thu-trang.crt": "all", "GET /dang-nhap/mot-lan": "all", "GET /dang-nhap/mot-lan/ve": "all",
	"GET /mat-khau": "op sec ky", "POST /mat-khau": "op sec ky", "GET /tai-khoan": "op sec ky", "POST /tai-khoan/dang-xuat-het": "op sec ky",
	"GET /{$}": "op sec ky", "GET /tinh-hinh": "op sec ky", "GET /thiet-bi": "op sec ky", "GET /thiet-bi/xuat": "op sec ky", "GET /thiet-bi/mot/{code}": "op sec ky",
	"GET /van-ban-khan": "op sec ky", "POST /van-ban-khan": "op sec", "GET /su-co": "op sec ky", "GET /su-co/mot/{id}": "op sec ky", "POST /su-co/mot/{id}": "op sec",
	"GET /su-co/mot/{id}/tuong-trinh": "op sec ky", "GET /bao-cao": "op sec", "GET /bao-cao/in": "op sec",
	"POST /thiet-bi/mot/{code}/lenh": "op sec ky", "POST /thiet-bi/lenh": "op sec ky", "GET /lenh": "op sec ky", "GET /lenh/mot/{id}": "op sec ky", "POST /lenh/mot/{id}": "op sec ky",
	"GET /lenh/mot/{id}/goi": "op sec ky", // and there whoever may order an archive
	"GET /nguoi-dung":        "op sec", "POST /nguoi-dung": "op sec", "GET /nguoi-dung/mot/{name}": "op sec", "POST /nguoi-dung/mot/{name}": "op sec",
	"GET /cap-nhat": "op sec", "GET /cap-nhat/mot/{version}": "op sec", "POST /cap-nhat/mot/{version}": "op", "POST /cap-nhat/mot/{version}/dung": "op sec",
	"GET /mot-cua": "op sec ky", "GET /mot-cua/xuat": "op sec ky",
	"POST /thiet-bi/mot/{code}/tam-dung": "op sec",
	"POST /thiet-bi/mot/{code}/moi-lai":  "sec", "POST /thiet-bi/mot/{code}/thu-hoi": "sec", "POST /thiet-bi/mot/{code}/quen": "sec",
	"GET /moi": "op sec", "GET /moi/dot": "op sec", "GET /moi/phieu": "op sec", "GET /moi/them": "op sec", "POST /moi/them": "op sec", "POST /moi/danh-sach": "op sec",
	"POST /moi/tai": "op sec", "POST /moi/huy": "op sec",
	"GET /phong-cho": "op sec", "POST /phong-cho/{id}": "sec", "GET /chung-thu": "op sec",
	"GET /don-vi": "op sec", "GET /don-vi/mot/{code}": "op sec", "GET /don-vi/them": "op", "POST /don-vi/them": "op", "POST /don-vi/danh-sach": "op", "POST /don-vi/mot/{code}": "op",
}

func fillIn(path string) string {
	return strings.NewReplacer("{$}", "", "{code}", "H40.1.04", "{id}", "1", "{version}", "1.5.0", "{name}", "ky").Replace(path)
}

// TestEachRoleReachesWhatItMayAndNothingElse asks for every registered route as
// nobody and as each role. A route without a rule here fails.
func TestEachRoleReachesWhatItMayAndNothingElse(t *testing.T) {
	w := seeded(t)
	seen := map[string]bool{}
	people := map[string]*person{}
	for _, rt := range w.site.Table() {
		seen[rt.Pattern] = true
		rule, ok := whoMay[rt.Pattern]
		if !ok {
			t.Errorf("route %q has no rule in this test", rt.Pattern)
			continue
		}
		method, path, found := strings.Cut(rt.Pattern, " ")
		if !found {
			method, path = http.MethodGet, rt.Pattern
		}
		path = fillIn(path)
		ask := func(p *person) *http.Response {
			if method == http.MethodGet {
				res, _ := p.get(path)
				return res
			}
			res, _ := p.post(path, nil)
			return res
		}
		if res := ask(w.visitor()); rule != "all" && (res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(res.Header.Get("Location"), "/dang-nhap")) {
			t.Errorf("%s lets nobody in particular in: %d", rt.Pattern, res.StatusCode)
		}
		for _, name := range []string{"op", "sec", "ky"} {
			may := rule == "all" || strings.Contains(" "+rule+" ", " "+name+" ")
			if people[name] == nil {
				people[name] = w.as(name)
			}
			res := ask(people[name])
			if strings.Contains(rt.Pattern, "/dang-xuat") { // that session is over
				people[name] = nil
			}
			if rt.Files && may {
				may = res.StatusCode != http.StatusForbidden // the form is none with files: 422
			}
			if (res.StatusCode == http.StatusForbidden) == may || res.StatusCode >= 500 {
				t.Errorf("%s as %s gave %d, allowed %v", rt.Pattern, name, res.StatusCode, may)
			}
		}
	}
	for pattern := range whoMay {
		if !seen[pattern] {
			t.Errorf("the rule for %q holds for nothing", pattern)
		}
	}
}

// TestNothingChangesWithoutTheToken walks all routes that change something.
func TestNothingChangesWithoutTheToken(t *testing.T) {
	w := seeded(t)
	p := w.as("sec")
	for _, rt := range w.site.Table() {
		method, path, _ := strings.Cut(rt.Pattern, " ")
		if method != http.MethodPost || strings.HasPrefix(path, "/don-vi") {
			continue
		}
		for _, token := range []string{"", "x"} {
			res, _ := p.post(fillIn(path), url.Values{"ma": {token}})
			if res.StatusCode != http.StatusForbidden && !(rt.Files && res.StatusCode == http.StatusUnprocessableEntity) {
				t.Errorf("%s with the token %q gave %d", rt.Pattern, token, res.StatusCode)
			}
		}
	}
}

// TestAnOfficerSeesNothingOutsideOfTheCluster looks through every page that an
// officer may open, in every way that leads outside.
func TestAnOfficerSeesNothingOutsideOfTheCluster(t *testing.T) {
	w := seeded(t)
	ky := w.as("ky")
	for path, has := range map[string]string{
		"/tinh-hinh": "Kỳ Sơn", "/thiet-bi": "UBND xã Mường 3", "/thiet-bi?cum=H40.2": "", "/thiet-bi?tu=phu": "", "/thiet-bi?trang-thai=can-xem&xep=-name": "",
		"/thiet-bi/xuat": "UBND xã Mường 3", "/thiet-bi/mot/H40.1.03": "UBND xã Mường 3", "/mot-cua": "H40.1.00", "/mot-cua/xuat": "H40.1.00",
	} {
		res, body := ky.get(path)
		if res.StatusCode != http.StatusOK || !strings.Contains(body, has) {
			t.Errorf("%s: %d, has %q: %v", path, res.StatusCode, has, strings.Contains(body, has))
		}
		for _, other := range []string{"H40.2.", "H40.3.", "UBND xã Nà", "UBND xã Phú", "Tân Lập", "An Bình"} {
			if strings.Contains(body, other) {
				t.Errorf("%s tells an officer of another cluster about %q", path, other)
			}
		}
	}
	for _, path := range []string{"/thiet-bi/mot/H40.2.01", "/mot-cua?don-vi=H40.2.00", "/mot-cua/xuat?don-vi=H40.3.00"} {
		if res, body := ky.get(path); res.StatusCode != http.StatusNotFound || strings.Contains(body, "UBND xã Nà") {
			t.Errorf("%s gave %d", path, res.StatusCode)
		}
	}
}
