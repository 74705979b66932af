package web

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tram/agent/stick"
	"tram/sync/usb"
)

// bring uploads a package as a browser does.
func (v *browser) bring(data []byte) (*http.Response, string) {
	v.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if err := form.WriteField(tokenField, v.token()); err != nil {
		v.t.Fatal(err)
	}
	part, err := form.CreateFormFile("files", "tram.zip")
	if err != nil {
		v.t.Fatal(err)
	}
	if _, err := part.Write(data); err != nil {
		v.t.Fatal(err)
	}
	if err := form.Close(); err != nil {
		v.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, v.address(stickPath+"/tai-len"), &body)
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Origin", v.url)
	return v.do(req)
}

// packed is what a machine has written into a folder, as one archive.
func packed(t *testing.T, dir, code string) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := stick.Pack(&out, dir, code, time.Now()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// written has a machine export into a new folder.
func written(t *testing.T, s *station) (dir string) {
	t.Helper()
	dir = t.TempDir()
	st, err := usb.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if _, err := usb.Export(t.Context(), st, s.local, usb.ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestP2_P3_PackagesGoAndComeThroughABrowser takes a package out of the box,
// carries it to the hub, and brings back receipts and a document.
func TestP2_P3_PackagesGoAndComeThroughABrowser(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	b.admin.office.put(t, "báo cáo")
	b.admin.hub.put(t, "công điện")
	v.post(stickPath+"/xuat", url.Values{"noi": {atBrowser}})
	_, body := v.get(stickPath)
	if !strings.Contains(body, "Đã xuất 1 mục") || !strings.Contains(body, "goi.zip") {
		t.Fatalf("after the export: %s", body)
	}
	if e := b.newest(); e.Actor != "lan" || e.Action != "usb.export" || e.Detail["count"] != "1" {
		t.Errorf("in the log: %+v", e)
	}
	res, body := v.get(stickPath + "/goi.zip")
	if res.StatusCode != 200 {
		t.Fatalf("the package gave %d", res.StatusCode)
	}
	dir := t.TempDir()
	if err := stick.Unpack(strings.NewReader(body), int64(len(body)), dir, 1<<20); err != nil {
		t.Fatal(err)
	}
	atHub(t, b, dir)

	if res, body := v.bring(packed(t, dir, "H40")); res.StatusCode != 303 || res.Header.Get("Location") != stickPath+"/xem?noi="+atBrowser {
		t.Fatalf("bringing it gave %d: %s", res.StatusCode, body)
	}
	if _, body := v.get(stickPath + "/xem?noi=" + atBrowser); !strings.Contains(body, "mới, chữ ký đúng") || !strings.Contains(body, "Tỉnh (H40)") {
		t.Errorf("before the import: %s", body)
	}
	if b.admin.office.waiting(t) != 1 {
		t.Error("looking has changed something")
	}
	v.post(stickPath+"/nhap", url.Values{"noi": {atBrowser}})
	if _, body := v.get(stickPath); !strings.Contains(body, "Đã nhập gói của Tỉnh (H40): nhận 1 mục") {
		t.Errorf("after the import: %s", body)
	}
	if n := b.admin.office.waiting(t); n != 0 {
		t.Errorf("%d still wait though the hub has receipted", n)
	}
	if e := b.newest(); e.Actor != "lan" || e.Action != "usb.import" || e.Detail["taken"] != "1" {
		t.Errorf("in the log: %+v", e)
	}
	v.bring(packed(t, dir, "H40"))
	if _, body := v.get(stickPath + "/xem?noi=" + atBrowser); !strings.Contains(body, "không nhập lại") || strings.Contains(body, "/usb/nhap") {
		t.Errorf("the same again: %s", body)
	}
	if res, _ := b.as("it").get(stickPath + "/goi.zip"); res.StatusCode != http.StatusNotFound {
		t.Errorf("another person's package gave %d", res.StatusCode)
	}
}

func TestPackagesThatAreNotForUsAreNotImported(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	b.admin.hub.put(t, "công điện")
	_, hub := stations(t) // of other keys
	hub.put(t, "giả")
	_, elsewhere := stationsOf(t, "H40.15", "H40")
	elsewhere.put(t, "của nơi khác")
	b.admin.office.put(t, "báo cáo")
	for name, tt := range map[string]struct {
		data  []byte
		words string
	}{
		"of another key":    {packed(t, written(t, hub), "H40"), "Gói không hợp lệ – không nhập gì"},
		"of another office": {packed(t, written(t, elsewhere), "H40"), "Gói dành cho H40.15, không phải UBND xã Mường Lát (H40.12)"},
		"of our own":        {packed(t, written(t, b.admin.office), us.Code), "USB không có gói nào cho máy này"},
	} {
		if res, body := v.bring(tt.data); res.StatusCode != 303 {
			t.Errorf("%s gave %d: %s", name, res.StatusCode, body)
		}
		_, body := v.get(stickPath + "/xem?noi=" + atBrowser)
		if !strings.Contains(body, tt.words) || strings.Contains(body, `action="/usb/nhap"`) {
			t.Errorf("%s: %s", name, body)
		}
	}
}

func TestStickMistakesAreSaid(t *testing.T) {
	b := start(t, false, fixed)
	b.site.Sticks.Limit = 1 << 20
	v := b.as("lan")
	dir := t.TempDir()
	b.admin.places = []stick.Place{{Path: dir}}
	for name, tt := range map[string]struct {
		ask    func() (*http.Response, string)
		status int
		words  string
	}{
		"no archive": {func() (*http.Response, string) { return v.bring([]byte("%PDF-1.4")) }, 422, "không phải gói .zip"},
		"too large":  {func() (*http.Response, string) { return v.bring(bytes.Repeat([]byte("x"), 2<<20)) }, 422, "1 MB"},
		"a folder that is none of the sticks": {func() (*http.Response, string) {
			return v.post(stickPath+"/xuat", url.Values{"noi": {filepath.Dir(dir)}})
		}, 404, "Không còn thấy"},
		"a place that is none of the sticks": {func() (*http.Response, string) { return v.get(stickPath + "/xem?noi=/etc") }, 404, "Không còn thấy"},
	} {
		if res, body := tt.ask(); res.StatusCode != tt.status || !strings.Contains(body, tt.words) {
			t.Errorf("%s gave %d: %s", name, res.StatusCode, body)
		}
	}
	b.admin.office.put(t, "báo cáo")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	v.post(stickPath+"/xuat", url.Values{"noi": {dir}})
	if _, body := v.get(stickPath); !strings.Contains(body, "USB bị rút giữa chừng – cắm lại và bấm Tiếp tục") || !strings.Contains(body, ">Tiếp tục<") {
		t.Errorf("a pulled stick: %s", body)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	v.post(stickPath+"/xuat", url.Values{"noi": {dir}})
	if _, body := v.get(stickPath); !strings.Contains(body, "Có thể rút USB") {
		t.Errorf("after Continue: %s", body)
	}
}

func TestOnePackageAtATime(t *testing.T) {
	b := start(t, false, fixed)
	if j := b.site.usb.begin("it", "nhap", "/media/x"); j == nil {
		t.Fatal("nothing goes on and yet it is busy")
	} else {
		j.set(1<<20, 4<<20)
	}
	if res, body := b.as("lan").post(stickPath+"/xuat", url.Values{"noi": {atBrowser}}); res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "Đang xuất hoặc nhập gói khác") {
		t.Errorf("a second one gave %d", res.StatusCode)
	}
	res, body := b.as("it").get(stickPath)
	if !strings.Contains(body, "chưa rút USB: 1 / 4 MB") || res.Header.Get("Refresh") != jobLook {
		t.Errorf("what goes on: %s", body)
	}
}

func TestTheOutboxOffersTheStickWhenPaused(t *testing.T) {
	b := start(t, false, fixed)
	b.link.Up = false
	for name, offered := range map[string]bool{"lan": true, "it": true, "leader": false} {
		if _, body := b.as(name).get("/hop-gui"); strings.Contains(body, `href="/usb"`) != offered {
			t.Errorf("%s is not as it should be", name)
		}
	}
}
