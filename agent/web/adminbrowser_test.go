package web

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"tram/agent/health"
	"tram/agent/i18n"
	"tram/agent/stick"
	"tram/agent/web/webtest"
	"tram/sync/usb"
)

// busyAdmin gives an IT officer something to see on each page.
func busyAdmin(t *testing.T, b *box) {
	t.Helper()
	it := b.as("it")
	for kind, form := range map[string]url.Values{
		"thu":     {"name": {"edocman"}},
		"webhook": {"name": {"cong-dvc"}, "s-url": {"https://dvc.tinh.gov.vn/tram"}, "secret": {"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"}},
	} {
		form.Set("kind", kind)
		if res, body := it.post(connectorsPath, form); res.StatusCode != 303 {
			t.Fatalf("adding a connector gave %d %s", res.StatusCode, body)
		}
	}
	deadLetter(t, b.db, "edocman")
	it.post(appsPath, url.Values{"name": {"mot-cua"}, "kind": {"onestop"}, "days": {"365"}})
	it.post(appsPath, url.Values{"name": {"dich-vu-cong"}, "kind": {"publicservice"}})
	it.post(statesPath("mot-cua"), url.Values{"viec": {"tao"}, "system": {"OpenCPS xã An Bình"}, "begin": {"opencps"}})
	b.admin.storage.Largest = append(b.admin.storage.Largest, b.docs["express"], b.docs["many"])
	b.admin.status.Conditions = append(b.admin.status.Conditions,
		health.Condition{Code: health.DiskLow, Args: i18n.Args{"free": 320}}, health.Condition{Code: health.SealWaitsForPIN, Args: i18n.Args{"name": "chu-tich"}},
		health.Condition{Code: health.ConnectorDead, Args: i18n.Args{"name": "edocman", "count": 1}}, health.Log(17))
}

// adminTour lists the administration pages, and what others see of help.
var adminTour = map[string]string{
	"admin": adminPath, "admin-seals": sealsPath, "admin-connectors": connectorsPath, "admin-connector": connectorPath("edocman"), "admin-connector-add": connectorsPath + "/them?loai=lgsp",
	"admin-aside": asidePath, "admin-apps": appsPath, "admin-states": statesPath("mot-cua") + "?doc=waiting&noi=5", "admin-states-none": statesPath("dich-vu-cong"), "admin-policy": policyPath, "admin-storage": storagePath, "admin-backup": backupPath, "admin-log": logPath,
	"admin-log-none": logPath + "?actor=nobody", "admin-log-mistake": logPath + "?from=hôm+qua", "admin-users": "/nguoi-dung", "admin-user": "/nguoi-dung/staff", "admin-certificate": "/chung-thu",
	"support": supportPath, "help": helpPath, "guide": helpPath + "/huong-dan",
}

func TestAdministrationPagesFitBothWindowsInBothLanguages(t *testing.T) {
	t.Parallel()
	b := start(t, false, fixed)
	b.site.Certificate = pagesCertificate{"-----BEGIN CERTIFICATE-----\n"}
	b.site.Config.Support = "Nguyễn Văn Bình – 0912 345 678"
	plain := browse(t, b, 1366, 768)
	plain.signIn("it")
	for _, path := range []string{adminPath, connectorsPath, appsPath, storagePath} {
		plain.Open(path)
		plain.Fits(path)
		plain.Accessible(path)
		plain.Shot("empty" + map[string]string{adminPath: "-admin", connectorsPath: "-connectors", appsPath: "-apps", storagePath: "-storage"}[path])
	}
	busyAdmin(t, b)
	b.everyWindow("it", func(c *chrome, lang string) {
		for name, path := range adminTour {
			c.See(name, path)
		}
		c.Open(connectorsPath + "/them?loai=hotfolder")
		c.Enter(".board .btn")
		c.Look("admin-connector-mistakes")
		c.Open(appsPath)
		c.Leave(chromedp.Evaluate[chromedp.Void](`void (document.querySelector('#name').value = 'ung-dung-` + lang + fmt.Sprint(c.Width()) + `', document.querySelector('#name').form.submit())`))
		c.Do(chromedp.WaitVisible(css(".once")))
		c.Look("admin-app-key")
		c.Open(logPath)
		c.Enter(".board form[method=post] .btn")
		c.Shot(fmt.Sprintf("admin-log-checked-%s-%d", lang, c.Width()))
	})
}

// TestStickPagesFitBothWindowsInBothLanguages shows a stick before and after an
// export, one with packages of every state, and one that was pulled.
func TestStickPagesFitBothWindowsInBothLanguages(t *testing.T) {
	t.Parallel()
	b := start(t, false, fixed)
	b.link.Up = false
	b.everyWindow("lan", func(c *chrome, _ string) {
		b.admin.places = nil
		c.Open(stickPath)
		c.Look("usb-none")
		c.Open("/hop-gui")
		c.Look("usb-outbox")
		dir := t.TempDir()
		b.admin.places = []stick.Place{{Path: dir, Free: 7 << 30, Total: 8 << 30}}
		b.admin.office.put(t, "báo cáo")
		b.admin.hub.put(t, "công điện")
		export := "void [...document.querySelectorAll(\"form[action='/usb/xuat']\")].find(f => f.noi.value === '" + dir + "').submit()"
		c.Open(stickPath)
		c.Look("usb-stick")
		c.Leave(chromedp.Evaluate[chromedp.Void](export))
		c.Do(chromedp.WaitVisible(css(".notices")))
		c.Look("usb-exported")
		atHub(t, b, dir)
		c.Open(stickPath + "/xem?noi=" + url.QueryEscape(dir))
		c.Look("usb-packages")
		c.Enter(".board form[action='/usb/nhap'] .btn")
		c.Do(chromedp.WaitVisible(css(".notices")))
		c.Look("usb-imported")
		c.Open(stickPath + "/xem?noi=" + url.QueryEscape(dir))
		c.Look("usb-again")
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		c.Open(stickPath)
		c.Leave(chromedp.Evaluate[chromedp.Void](export))
		c.Do(chromedp.WaitVisible(css(".notices")))
		c.Look("usb-pulled")
	})
}

// atHub has the hub take what the office wrote and write what waits there.
func atHub(t *testing.T, b *box, dir string) {
	t.Helper()
	s, err := usb.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	found, err := usb.Look(t.Context(), s, b.admin.hub.local)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if _, err := usb.Take(t.Context(), s, b.admin.hub.local, f, usb.ImportOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := usb.Export(t.Context(), s, b.admin.hub.local, usb.ExportOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestTheQuestionMarkOpensTheKeysUnlessSwitchedOff(t *testing.T) {
	b := start(t, false, fixed)
	c := browse(t, b, 1366, 768)
	c.signIn("lan")
	c.Leave(chromedp.KeyEvent("?"))
	if got := webtest.Value(c.Browser, chromedp.Location()); got != b.url+helpPath+"#phim" {
		t.Fatalf("the key leads to %s", got)
	}
	c.Enter("#phim button")
	c.Do(chromedp.WaitReady(css("body[data-nokeys]")))
	c.Open("/van-ban-den")
	c.Do(chromedp.KeyEvent("?"), chromedp.KeyEvent("j"))
	if got := webtest.Value(c.Browser, chromedp.Location()); got != b.url+"/van-ban-den" {
		t.Errorf("the key leads to %s though it is off", got)
	}
	if webtest.Value(c.Browser, chromedp.Evaluate[bool]("document.activeElement.className === 'open'")) {
		t.Error("J moves though it is off")
	}
	c.Leave(chromedp.KeyEvent("7", chromedp.KeyModifiers(chromedp.ModifierAlt)))
	if got := webtest.Value(c.Browser, chromedp.Location()); got != b.url+helpPath {
		t.Errorf("Alt+7 leads to %s", got)
	}
	c.Enter("#phim button")
	c.Open("/van-ban-den")
	c.Do(chromedp.KeyEvent("j"))
	if !webtest.Value(c.Browser, chromedp.Evaluate[bool]("document.activeElement.className === 'open'")) {
		t.Error("J does not move after it was switched on")
	}
	c.Quiet()
}

// TestTheGuideFitsOnOneSheet prints it in both languages.
func TestTheGuideFitsOnOneSheet(t *testing.T) {
	b := start(t, false, fixed)
	b.site.Config.Support = "Nguyễn Văn Bình – 0912 345 678"
	c := browse(t, b, 1366, 768)
	for _, lang := range []string{"vi", "en"} {
		c.Open(helpPath + "/huong-dan")
		c.Language(lang)
		got, err := chromedp.Call(c.Context(), page.PrintToPDF, page.PrintToPDFParams{})
		if err != nil {
			t.Fatal(err)
		}
		c.Keep("guide-"+lang+".pdf", got.Data)
		if n := strings.Count(string(got.Data), "/Type /Page\n"); n != 1 {
			t.Errorf("in %s the guide takes %d sheets", lang, n)
		}
	}
}
