package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/i18n"
	"tram/agent/problem"
)

// receipts knows one dossier by the word "K3QF7-2MWPA".
type receipts struct{ often bool }

func (r receipts) LookUp(_ context.Context, c code.Dossier, word string) (dossier.PublicStatus, error) {
	switch {
	case r.often:
		return dossier.PublicStatus{}, problem.New(problem.Busy, "dossier.lookup-often", "code", i18n.Args{"minutes": 15})
	case c.String() != "H40.12-261126-0001" || word != "K3QF7-2MWPA":
		return dossier.PublicStatus{}, problem.New(problem.NotFound, "dossier.lookup", "secret", nil)
	}
	at := time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC)
	return dossier.PublicStatus{Code: c, Procedure: "Đăng ký khai sinh", Office: "UBND xã Tân Phú", Status: code.Supplement, Accepted: at, Due: at.AddDate(0, 0, 4), Waits: true}, nil
}

func TestCitizensLookTheirDossiersUpWithoutSigningIn(t *testing.T) {
	b := start(t, false, fixed)
	v := b.visitor()
	if res, _ := v.get("/tra-cuu"); res.StatusCode != http.StatusNotFound {
		t.Errorf("an office without dossiers: %d", res.StatusCode)
	}
	b.site.LookUp = receipts{}
	right := url.Values{"code": {" H40.12-261126-0001 "}, "word": {"K3QF7-2MWPA"}}
	for lang, want := range map[string][]string{
		"vi": {"Yêu cầu bổ sung giấy tờ", "UBND xã Tân Phú", "09:00 30/11/2026", "Hồ sơ đang chờ bạn", "Đăng ký khai sinh"},
		"en": {"UBND xã Tân Phú", "09:00 30/11/2026", "The dossier waits for papers", "Result due"},
	} {
		v.post("/ngon-ngu", url.Values{"lang": {lang}})
		_, form := v.get("/tra-cuu?ma=H40.12-261126-0001")
		checkMarkup(t, "look-up form in "+lang, form)
		if !strings.Contains(form, `value="H40.12-261126-0001"`) || strings.Contains(form, "/van-ban-den") {
			t.Errorf("the form in %s: %s", lang, form)
		}
		res, body := v.post("/tra-cuu", right)
		checkMarkup(t, "look-up in "+lang, body)
		if res.StatusCode != http.StatusOK {
			t.Errorf("%d", res.StatusCode)
		}
		for _, word := range want {
			if !strings.Contains(body, word) {
				t.Errorf("in %s the page does not say %q", lang, word)
			}
		}
		if strings.Contains(body, "K3QF7") {
			t.Error("the word comes back")
		}
	}
	v.post("/ngon-ngu", url.Values{"lang": {"vi"}})
	for name, c := range map[string]struct {
		code, word, says string
		status           int
	}{
		"nothing":       {"", "", "Nhập mã hồ sơ", 422},
		"no code":       {"<b>", "x", "Mã hồ sơ có dạng", 422},
		"too long":      {strings.Repeat("9", 300), "x", "Mã hồ sơ có dạng", 422},
		"a wrong word":  {"H40.12-261126-0001", "x", "Không có hồ sơ với mã và mã tra cứu này", 422},
		"an unknown":    {"H40.12-261126-0009", "K3QF7-2MWPA", "Không có hồ sơ với mã và mã tra cứu này", 422},
		"a long word":   {"H40.12-261126-0001", strings.Repeat("x", 101), "Nhập mã tra cứu", 422},
		"broken letter": {"\xff", "x", "Mã hồ sơ có dạng", 422},
	} {
		res, body := v.post("/tra-cuu", url.Values{"code": {c.code}, "word": {c.word}})
		if res.StatusCode != c.status || !strings.Contains(body, c.says) || strings.Contains(body, "<b>") || !strings.Contains(body, "<title>Lỗi:") {
			t.Errorf("%s: %d %s", name, res.StatusCode, body)
		}
	}
	b.site.LookUp = receipts{often: true}
	if res, body := v.post("/tra-cuu", right); res.StatusCode != http.StatusTooManyRequests || !strings.Contains(body, "Đợi 15 phút") {
		t.Errorf("a code that was tried too often: %d", res.StatusCode)
	}
}

func TestP9_OneMachineLooksUpSoOftenAndNoMore(t *testing.T) {
	b := start(t, false, fixed)
	b.site.LookUp = receipts{}
	b.site.lookUps = dossier.NewTries(3, LookUpsWithin)
	v := b.visitor()
	v.get("/tra-cuu")
	for i := range 4 {
		res, body := v.post("/tra-cuu", url.Values{"code": {"H40.12-261126-0001"}, "word": {"K3QF7-2MWPA"}})
		if busy := res.StatusCode == http.StatusTooManyRequests; busy != (i == 3) || busy && !strings.Contains(body, "Đợi 10 phút") {
			t.Errorf("look-up %d: %d", i, res.StatusCode)
		}
	}
	if res, _ := b.visitor().get("/tra-cuu"); res.StatusCode != http.StatusOK {
		t.Errorf("the form: %d", res.StatusCode)
	}
}
