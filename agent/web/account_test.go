package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"tram/agent/web/account"
	"tram/storage/sqlite"
)

// newcomer has an account with a temporary password.
func newcomer(t *testing.T, b *box) *browser {
	t.Helper()
	it := b.as("it")
	res, body := it.post("/nguoi-dung", url.Values{"name": {"minh"}, "display": {"Trần Minh"}, "role": {"clerk"}, "password": {"tạm thời 1"}})
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/nguoi-dung/minh?xong=tao" {
		t.Fatalf("making an account gave %d %s", res.StatusCode, body)
	}
	v := b.visitor()
	if res, _ := v.post("/dang-nhap", url.Values{"name": {"minh"}, "password": {"tạm thời 1"}}); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("first sign-in gave %d", res.StatusCode)
	}
	return v
}

func TestATemporaryPasswordOpensNothingButItsReplacement(t *testing.T) {
	b := start(t, false, fixed)
	v := newcomer(t, b)
	for _, rt := range b.site.table() {
		if rt.early {
			continue
		}
		if res := b.ask(v, rt); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/mat-khau" {
			t.Errorf("%s gave %d to %s", rt.pattern, res.StatusCode, res.Header.Get("Location"))
		}
	}
	if _, body := v.get("/mat-khau"); !strings.Contains(body, "Mật khẩu này do người khác đặt") || strings.Contains(body, "/van-ban-den") {
		t.Error("the page does not say why, or offers more")
	}
	for _, c := range []struct{ old, fresh, again, says string }{
		{"", "", "", "Nhập mật khẩu hiện nay"}, {"tạm thời 1", "mật khẩu mới", "mật khẩu", "không giống nhau"},
		{"sai", "mật khẩu mới", "mật khẩu mới", "Mật khẩu hiện nay không đúng"}, {"tạm thời 1", "ngắn", "ngắn", "ít nhất 8 ký tự"},
		{"tạm thời 1", "tạm thời 1", "tạm thời 1", "trùng mật khẩu cũ"},
	} {
		res, body := v.post("/mat-khau", url.Values{"old": {c.old}, "password": {c.fresh}, "again": {c.again}})
		if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, c.says) {
			t.Errorf("%+v gave %d without its words", c, res.StatusCode)
		}
	}
	before := v.token()
	res, _ := v.post("/mat-khau", url.Values{"old": {"tạm thời 1"}, "password": {"mật khẩu mới"}, "again": {"mật khẩu mới"}})
	if res.StatusCode != http.StatusSeeOther || v.token() == before {
		t.Errorf("changing gave %d, session renewed: %v", res.StatusCode, v.token() != before)
	}
	if res, _ := v.get("/van-ban-den"); res.StatusCode != http.StatusOK {
		t.Errorf("afterwards the list gave %d", res.StatusCode)
	}
}

func TestSessionsAreRenewedAtSignInAndEndEverywhere(t *testing.T) {
	b := start(t, true, fixed)
	v, elsewhere := b.as("lan"), b.as("lan")
	first := v.token()
	if v.post("/dang-nhap", url.Values{"name": {"lan"}, "password": {password}}); v.token() == first {
		t.Error("signing in again kept the session")
	}
	if _, body := v.get("/tai-khoan"); strings.Count(body, "(trình duyệt này)") != 1 || strings.Count(body, "<li>Từ ") != 2 {
		t.Errorf("own sessions: %s", body)
	}
	if res, _ := v.post("/tai-khoan/dang-xuat-het", nil); res.Header.Get("Location") != "/dang-nhap" {
		t.Errorf("signing out everywhere gave %d", res.StatusCode)
	}
	for _, v := range []*browser{v, elsewhere} {
		if res, _ := v.get("/viec-can-lam"); res.StatusCode != http.StatusSeeOther {
			t.Errorf("a session lives on: %d", res.StatusCode)
		}
	}
}

func TestAnITOfficerLooksAfterAccounts(t *testing.T) {
	b := start(t, true, fixed)
	it, lan := b.as("it"), b.as("lan")
	press := func(name, what string, more ...string) string {
		form := url.Values{"viec": {what}}
		if len(more) > 0 {
			form.Set("password", more[0])
		}
		res, body := it.post("/nguoi-dung/"+name, form)
		if res.StatusCode == http.StatusSeeOther {
			_, body = it.get(res.Header.Get("Location"))
		}
		return body
	}
	signIn := func(with string) int {
		res, _ := b.visitor().post("/dang-nhap", url.Values{"name": {"lan"}, "password": {with}})
		return res.StatusCode
	}
	if body := press("lan", "dong"); !strings.Contains(body, "Đã đóng tài khoản lan") || signIn(password) != 422 {
		t.Error("closing does nothing")
	}
	if res, _ := lan.get("/viec-can-lam"); res.StatusCode != http.StatusSeeOther {
		t.Error("a closed account works on")
	}
	if body := press("lan", "mo"); !strings.Contains(body, "Đã mở lại") || signIn(password) != 303 {
		t.Error("opening does nothing")
	}
	if body := press("lan", "mat-khau", "ngắn"); !strings.Contains(body, "ít nhất 8 ký tự") {
		t.Error("a short temporary password is taken")
	}
	if body := press("lan", "mat-khau", "tạm thời 2"); !strings.Contains(body, "Đã đặt mật khẩu tạm") || signIn("tạm thời 2") != 303 {
		t.Error("a temporary password does not work")
	}
	if body := press("lan", "mo-khoa"); !strings.Contains(body, "Đã mở khóa lan") {
		t.Error("unlocking says nothing")
	}
	for _, what := range []string{"dong", "mat-khau"} {
		if body := press("it", what, "mật khẩu khác"); !strings.Contains(body, "chính tài khoản của mình") {
			t.Errorf("an IT officer does %s to himself", what)
		}
	}
	if res, _ := it.post("/nguoi-dung/lan", url.Values{"viec": {"khac"}}); res.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown action gave %d", res.StatusCode)
	}
	if res, _ := it.get("/nguoi-dung/ai-do"); res.StatusCode != http.StatusNotFound {
		t.Errorf("nobody's page gave %d", res.StatusCode)
	}
	res, body := it.post("/nguoi-dung", url.Values{"name": {"Tên Sai"}, "role": {"boss"}, "password": {"mật khẩu dài"}})
	if res.StatusCode != http.StatusUnprocessableEntity || strings.Contains(body, `value="mật khẩu dài"`) {
		t.Errorf("a bad new account gave %d or its password back", res.StatusCode)
	}
}

func TestALockedAccountSaysWhomToAsk(t *testing.T) {
	b := start(t, true, fixed)
	b.lock("lan")
	res, body := b.visitor().post("/dang-nhap", url.Values{"name": {"lan"}, "password": {password}})
	if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "Nhờ cán bộ CNTT mở khóa") {
		t.Errorf("a locked account gave %d", res.StatusCode)
	}
	it := b.as("it")
	if _, body := it.get("/nguoi-dung"); !strings.Contains(body, "Bị khóa vì thử sai mật khẩu") {
		t.Error("the list of users does not show it")
	}
	it.post("/nguoi-dung/lan", url.Values{"viec": {"mo-khoa"}})
	b.as("lan")
}

// lock makes an account locked without trying all passwords.
func (b *box) lock(name string) {
	b.t.Helper()
	err := b.db.Update(b.t.Context(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`INSERT INTO attempts (name, failed, last) VALUES (?, ?, 0)`, name, account.LockAfter)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func TestCookiesAreBoundToTheHostOverTLS(t *testing.T) {
	b := start(t, true, fixed)
	b.config.Secure = true
	again, err := newSite(b.site.Options)
	if err != nil {
		t.Fatal(err)
	}
	session, visit := again.Cookies()
	for _, name := range []string{session, visit, again.CookieName("tram-ngon-ngu")} {
		if !strings.HasPrefix(name, "__Host-") {
			t.Errorf("cookie %s may be set by another host", name)
		}
	}
}
