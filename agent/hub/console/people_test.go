package console_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"tram/agent/api"
	"tram/agent/hub"
	"tram/agent/problem"
)

// TestNobodyGetsARightByManagingAccounts: an operator makes and changes operators and
// officers, but gives no role with rights beyond and takes over no such account.
func TestNobodyGetsARightByManagingAccounts(t *testing.T) {
	w := seeded(t)
	op := w.as("op")
	_, body := op.get("/nguoi-dung")
	for _, want := range []string{`href="/nguoi-dung/mot/sec"`, "Cụm Kỳ Sơn", `<option value="operator">`, `<option value="officer">`} {
		if !strings.Contains(body, want) {
			t.Errorf("the list lacks %q", want)
		}
	}
	if strings.Contains(body, `<option value="security">`) {
		t.Error("a role beyond the visitor's own is offered")
	}
	person := func(form url.Values) url.Values {
		filled := url.Values{"name": {"lan"}, "display": {"Lan"}, "role": {"officer"}, "scope": {"H40.2"}, "password": {"mật khẩu tạm"}}
		for k, v := range form {
			filled[k] = v
		}
		return filled
	}
	for what, c := range map[string]struct {
		form url.Values
		want int
	}{
		"a role beyond": {url.Values{"role": {"security"}, "scope": {""}}, http.StatusForbidden}, "no role": {url.Values{"role": {""}}, http.StatusUnprocessableEntity},
		"a role of an office": {url.Values{"role": {"clerk"}}, http.StatusUnprocessableEntity}, "no cluster": {url.Values{"scope": {""}}, http.StatusUnprocessableEntity},
		"a short password": {url.Values{"password": {"ngắn"}}, http.StatusUnprocessableEntity}, "a name that is taken": {url.Values{"name": {"ky"}}, http.StatusConflict},
	} {
		if res, body := op.post("/nguoi-dung", person(c.form)); res.StatusCode != c.want || !strings.Contains(body, "aria-invalid") || strings.Contains(body, "mật khẩu tạm") {
			t.Errorf("%s gave %d", what, res.StatusCode)
		}
	}
	if res, _ := op.post("/nguoi-dung", person(nil)); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/nguoi-dung/mot/lan?xong=nguoi-them" {
		t.Fatalf("adding gave %d", res.StatusCode)
	}
	if made := w.actions("user.created"); made[0].Actor != "op" || made[0].Subject != "lan" {
		t.Errorf("the log says %+v", made[0])
	}
	for _, what := range []string{"mat-khau", "dong", "vai-tro", "dang-xuat"} {
		form := url.Values{"viec": {what}, "password": {"mật khẩu tạm"}, "role": {"operator"}}
		if res, _ := op.post("/nguoi-dung/mot/sec", form); res.StatusCode != http.StatusForbidden {
			t.Errorf("%s of an account beyond gave %d", what, res.StatusCode)
		}
		if res, _ := op.post("/nguoi-dung/mot/op", form); res.StatusCode != http.StatusConflict {
			t.Errorf("%s of the own account gave %d", what, res.StatusCode)
		}
	}
	if _, body := op.get("/nguoi-dung/mot/sec"); strings.Contains(body, `name="viec"`) {
		t.Error("acts are offered that are refused")
	}
	if res, _ := op.post("/nguoi-dung/mot/lan", url.Values{"viec": {"vai-tro"}, "role": {"security"}}); res.StatusCode != http.StatusForbidden {
		t.Errorf("a role beyond gave %d", res.StatusCode)
	}
}

// TestAnAccountIsChangedClosedAndOpened, and the last operator stays.
func TestAnAccountIsChangedClosedAndOpened(t *testing.T) {
	w := seeded(t)
	ky, op := w.as("ky"), w.as("op")
	const one = "/nguoi-dung/mot/ky"
	if _, body := op.get(one); !strings.Contains(body, "Đổi vai trò") || strings.Count(body, "data-row") != 1 {
		t.Error("the page lacks acts, or the session")
	}
	act := func(form url.Values, done string) {
		t.Helper()
		if res, body := op.post(one, form); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != one+"?xong=nguoi-"+done {
			t.Fatalf("%v gave %d: %s", form, res.StatusCode, body)
		}
	}
	act(url.Values{"viec": {"dang-xuat"}}, "dang-xuat")
	if res, _ := ky.get("/tinh-hinh"); res.StatusCode != http.StatusSeeOther {
		t.Errorf("signed out, the session gave %d", res.StatusCode)
	}
	act(url.Values{"viec": {"dong"}}, "dong")
	if _, body := op.get(one); !strings.Contains(body, "Mở lại tài khoản") || !strings.Contains(body, "Đã đóng") {
		t.Error("a closed account is not offered to be opened")
	}
	act(url.Values{"viec": {"mo"}}, "mo")
	act(url.Values{"viec": {"mo-khoa"}}, "mo-khoa")
	act(url.Values{"viec": {"mat-khau"}, "password": {"mật khẩu khác"}}, "mat-khau")
	act(url.Values{"viec": {"vai-tro"}, "role": {"operator"}, "scope": {""}}, "vai-tro")
	changed := w.actions("user.role-changed")
	if len(changed) != 1 || changed[0].Actor != "op" || changed[0].Subject != "ky" || changed[0].Detail["role"] != "operator" {
		t.Errorf("the log says %+v", changed)
	}
	for form, want := range map[string]int{"viec=mat-khau&password=x": http.StatusUnprocessableEntity, "viec=vai-tro&role=officer": http.StatusUnprocessableEntity, "viec=x": http.StatusNotFound} {
		values, err := url.ParseQuery(form)
		must(t, err)
		if res, _ := op.post(one, values); res.StatusCode != want {
			t.Errorf("%s gave %d", form, res.StatusCode)
		}
	}
	if res, _ := op.get("/nguoi-dung/mot/ai"); res.StatusCode != http.StatusNotFound {
		t.Errorf("nobody gave %d", res.StatusCode)
	}
	// ky is the last operator once op is none.
	must(t, w.hub.SetRole(t.Context(), hub.NewAccount{Name: "op", Role: "officer", Scope: "H40.1"}, "cli"))
	last := problem.New(problem.Conflict, "account.last", "", nil)
	if err := w.hub.SetRole(t.Context(), hub.NewAccount{Name: "ky", Role: "officer", Scope: "H40.1"}, "cli"); !errors.Is(err, last) {
		t.Errorf("the last operator got another role: %v", err)
	}
	if err := w.hub.ChangeUser(t.Context(), "ky", api.CloseAccount, "cli"); !errors.Is(err, last) {
		t.Errorf("the last operator was closed: %v", err)
	}
}
