package agent_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"tram/agent"
	"tram/agent/api"
	"tram/agent/config"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// visitor is a browser on the pages of a box.
type visitor struct {
	t      *testing.T
	client *http.Client
	ui     string
	token  string // of the forms on the last page
}

func visit(t *testing.T, ui string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{t: t, ui: ui, client: &http.Client{Jar: jar}}
	t.Cleanup(v.client.CloseIdleConnections)
	return v
}

func (v *visitor) read(res *http.Response, err error) (int, string) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	page, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		v.t.Fatal(err)
	}
	if _, rest, ok := strings.Cut(string(page), `name="ma" value="`); ok {
		v.token, _, _ = strings.Cut(rest, `"`)
	}
	return res.StatusCode, string(page)
}

func (v *visitor) get(path string) (int, string) {
	v.t.Helper()
	return v.read(v.client.Get(v.ui + path))
}

func (v *visitor) post(path string, form url.Values) (int, string) {
	v.t.Helper()
	form.Set("ma", v.token)
	return v.read(v.client.PostForm(v.ui+path, form))
}

// TestTheAdministrationOfARunningOffice asks every administration page of a real
// office and changes what signs, as its IT officer.
func TestTheAdministrationOfARunningOffice(t *testing.T) {
	p := found(t)
	stick := t.TempDir()
	p.settings = func(_ string, c *config.Office) { c.USB.Folder, c.UI.Support = stick, "Chị Hoa – 0912 345 678" }
	p.startHub()
	a := p.join(codeA)
	if err := a.api.CreateAccount(t.Context(), api.Account{Name: "cntt", Display: "Lê Minh", Role: "it", Password: "tạm thời 123"}); err != nil {
		t.Fatal(err)
	}
	st, err := a.api.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v := visit(t, st.UI)
	v.get("/dang-nhap")
	v.post("/dang-nhap", url.Values{"name": {"cntt"}, "password": {"tạm thời 123"}})
	v.post("/mat-khau", url.Values{"old": {"tạm thời 123"}, "password": {"mật khẩu của tôi"}, "again": {"mật khẩu của tôi"}})
	for path, words := range map[string]string{
		"/quan-tri": codeA, "/quan-tri/con-dau": "khóa đăng ký", "/quan-tri/ket-noi": "hotfolder", "/quan-tri/tin-bi-giu": "Không có bản tin", "/quan-tri/ung-dung": "Chưa có ứng dụng",
		"/quan-tri/duong-truyen": "metered.budget", "/quan-tri/luu-tru": "Số văn bản", "/quan-tri/sao-luu": "sudo tram stop", "/quan-tri/nhat-ky": "user.created", "/tro-giup": "0912 345 678",
		"/tro-giup/goi-ho-tro": "database.json", "/usb": stick, "/usb/xem?noi=" + url.QueryEscape(stick): "USB không có gói nào",
	} {
		if status, page := v.get(path); status != 200 || !strings.Contains(page, words) {
			t.Errorf("%s gave %d without %q: %s", path, status, words, page)
		}
	}
	if _, page := v.post("/quan-tri/con-dau/dang-ky", url.Values{"viec": {"dung"}, "actions": {"document", "copy"}}); !strings.Contains(page, "Đã đổi việc mà con dấu ký") {
		t.Errorf("choosing a seal: %s", page)
	}
	if _, page := v.post("/quan-tri/con-dau/khac", url.Values{"viec": {"dung"}}); !strings.Contains(page, "khac") {
		t.Errorf("choosing a seal that is not there: %s", page)
	}
	if _, page := v.post("/quan-tri/con-dau/dang-ky", url.Values{"viec": {"thu"}}); !strings.Contains(page, "ký thử tốt") {
		t.Errorf("a test seal: %s", page)
	}
	v.post("/usb/xuat", url.Values{"noi": {stick}})
	p.eventually("the export", func() bool {
		_, page := v.get("/usb")
		return strings.Contains(page, "Có thể rút USB")
	})
	a.end(t)
	db, err := agent.OpenDB(t.Context(), a.dir, sqlite.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for action, want := range map[string]int{"seal.use": 1, "usb.export": 1} {
		rows, err := audit.Find(t.Context(), db, audit.Filter{Actor: "cntt", Action: action}, 10)
		if err != nil || len(rows) != want {
			t.Errorf("%s stands in the log %d times: %v", action, len(rows), err)
		}
	}
}
