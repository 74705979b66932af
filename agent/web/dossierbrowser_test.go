package web

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"tram/agent/clock"
	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/office"
	"tram/agent/web/webtest"
)

// TestDossiersFitBothWindowsInBothLanguages: each tab and each state, for everybody
// who sees them.
func TestDossiersFitBothWindowsInBothLanguages(t *testing.T) {
	t.Parallel()
	b := start(t, false, fixed)
	all := b.dossiers.seed()
	carried, open := b.carrying(office.Accepted), b.carrying(office.Arrived)
	desk := map[string]string{"carried": receptionPath + "/1.001193?van-ban=" + carried.ID.String(), "choose": receptionPath, "choose-found": receptionPath + "?q=th%E1%BB%A7", "choose-none": receptionPath + "?q=h%E1%BB%99+chi%E1%BA%BFu",
		"receive": receptionPath + "/1.001193", "receive-online": receptionPath + "/1.009994", "done-taken": dossierPath(all["received"].ID) + "?xong=" + takeIn,
		"done-asked": dossierPath(all["lacking"].ID) + "?xong=" + askNew, "stats": dossiersPath + "/thong-ke", "stats-none": dossiersPath + "/thong-ke?thang=01/2026",
		"nomatch": dossiersPath + "?chu=khong-co", "work": "/viec-can-lam"}
	for _, tab := range tabs {
		desk["tab-"+tab.name] = dossiersPath + "?loc=" + tab.name
	}
	for _, same := range []string{"received", "lacking", "handed"} { // looked at above, or under another name
		delete(all, same)
	}
	for name, d := range all {
		desk[name] = dossierPath(d.ID)
	}
	pages := map[string]map[string]string{
		"onestop": desk,
		"leader": {"late": dossierPath(all["late"].ID) + apologise, "tab-late": dossiersPath + "?loc=qua-han", "done": dossierPath(all["done"].ID), "work": "/viec-can-lam",
			"apology": dossierPath(all["apology"].ID), "apology-back": dossierPath(all["apology-back"].ID), "tab-apology": dossiersPath + "?loc=tat-ca&phieu=waiting"},
		"lan": {"draft": "/gui?ho-so=" + all["working"].ID.String(), "working": dossierPath(all["working"].ID), "carrier": boxPath(carried), "carrier-open": boxPath(open)},
	}
	for _, width := range webtest.Widths() {
		for _, role := range []string{"onestop", "leader", "lan"} {
			for _, lang := range webtest.Languages(width) {
				c := browse(t, b, width, 768)
				c.signIn(role)
				c.Language(lang)
				for name, path := range pages[role] {
					c.Open(path)
					webtest.Value(c.Browser, chromedp.Evaluate[chromedp.Void](`void document.querySelectorAll('details').forEach(d => d.open = true)`))
					c.Look(fmt.Sprintf("dossier-%s-%s", name, role))
				}
				c.Quiet()
			}
		}
	}
}

// TestADossierIsTakenInAndReturnedByKeyboard: from Alt+4 to the result in the hands
// of the applicant, without the mouse.
func TestADossierIsTakenInAndReturnedByKeyboard(t *testing.T) {
	now, set := settable(time.Date(2026, 11, 23, 9, 0, 0, 0, clock.Vietnam))
	b := start(t, true, now)
	b.dossiers.take()
	c := browse(t, b, 1366, 768)
	c.signIn("onestop")
	c.Leave(webtest.Key("4", chromedp.ModifierAlt))
	c.Leave(webtest.Key("n"))
	c.Wait("the field of the procedure has the focus", "document.activeElement.id === 'q'")
	c.Type("khai sinh")
	c.Leave(chromedp.KeyEvent("\r"))
	c.Wait("the form is there", "document.activeElement.id === 'name'")
	c.Type("Nguyễn Văn An")
	c.Into("#phone", "0912345678")
	c.TabTo("#copies-0")
	c.Press(" ")
	c.Press("\r", chromedp.ModifierCtrl) // a paper is missing
	c.Wait("the mistake is told", "document.activeElement.id === 'errors'")
	if got := c.Text("#errors"); !strings.Contains(got, "Giấy chứng sinh") {
		t.Errorf("mistakes: %q", got)
	}
	if got := webtest.Value(c.Browser, chromedp.Value(css("#name"))); got != "Nguyễn Văn An" {
		t.Errorf("what was typed is gone: %q", got)
	}
	if got := webtest.Value(c.Browser, chromedp.Value(css("#what"))); !strings.Contains(got, "Giấy chứng sinh (bản chính, 1 bản)") {
		t.Errorf("the request for what is missing says %q", got)
	}
	c.Accessible("mistakes at reception")
	c.Shot("dossier-mistakes-vi-1366")
	c.TabTo("#copies-1")
	c.Press(" ")
	c.Into("[name='bien-lai-0']", "BL 001")
	c.Leave(webtest.Key("\r", chromedp.ModifierCtrl))
	c.Wait("the confirmation has the focus", "document.activeElement.matches('div.done')")
	d := b.dossiers.only(t)
	word, err := b.dossiers.Secret(context.Background(), d.Code)
	noError(t, err)
	for _, want := range []string{"Đã tiếp nhận hồ sơ", d.Code.String(), "17:00 27/11/2026", word} { // the 24th is a day off
		if got := c.Text("div.done"); !strings.Contains(got, want) {
			t.Errorf("the confirmation lacks %q: %q", want, got)
		}
	}
	if d.Status != code.Received || d.Charges[0].Receipt != "BL 001" || d.Charges[0].Paid.IsZero() || d.Applicant.Phone != "0912345678" {
		t.Errorf("%+v", d)
	}
	c.Shot("dossier-taken-vi-1366")
	c.Follow("#bat-dau .btn")
	set(time.Date(2026, 11, 26, 10, 0, 0, 0, clock.Vietnam)) // the session has ended
	c.signIn("onestop")
	c.Open(dossierPath(d.ID))
	c.Into("#co-ket-qua-number", "112/2026")
	c.Follow("#co-ket-qua .btn")
	c.Follow("#tra-ket-qua .btn")
	c.Wait("the result is returned", "document.body.textContent.includes('Đã trả kết quả cho người nộp.')")
	if d = b.dossiers.only(t); d.Status != code.Returned || d.Outcome() != dossier.Early || d.Results[0].Number != "112/2026" {
		t.Errorf("status %s, %s, %+v", d.Status, d.Outcome(), d.Results)
	}
	c.Quiet()
}

// only is the one dossier there is.
func (k *dossierDesk) only(t *testing.T) dossier.Dossier {
	t.Helper()
	page, err := k.List(context.Background(), dossier.Query{})
	noError(t, err)
	if len(page.Rows) != 1 {
		t.Fatalf("%d dossiers", len(page.Rows))
	}
	d, err := k.Get(context.Background(), page.Rows[0].ID)
	noError(t, err)
	return d
}

// TestAFileIsTakenInWithItsPaper: chosen in the form, kept when the form comes back
// with a mistake, and told by the number of its name which paper it is.
func TestAFileIsTakenInWithItsPaper(t *testing.T) {
	b := start(t, true, fixed)
	b.dossiers.take()
	c := browse(t, b, 1366, 768)
	c.signIn("onestop")
	scan := filepath.Join(t.TempDir(), "2-giay-chung-sinh.pdf")
	noError(t, os.WriteFile(scan, []byte("%PDF-1.4 giấy chứng sinh"), 0o600))
	c.Open(receptionPath + "/1.001193")
	c.Do(chromedp.SetUploadFiles(css("#files"), []string{scan}), webtest.Typed("#number", "040090001234"))
	c.Do(chromedp.Evaluate[chromedp.Void]("void document.querySelectorAll('.paper [type=checkbox]').forEach(x => x.checked = true)"))
	c.Press("\r", chromedp.ModifierCtrl) // without a name
	c.Wait("the mistake is told", "document.activeElement.id === 'errors' && document.querySelector('#name-err')")
	c.Do(webtest.Typed("#name", "Lò Thị Pành"))
	c.Leave(webtest.Key("\r", chromedp.ModifierCtrl))
	c.Wait("the confirmation is there", "document.querySelector('div.done')")
	d := b.dossiers.only(t)
	if len(d.Files) != 1 || d.Files[0].Paper != 1 || d.Files[0].Media != "application/pdf" || d.Applicant.Number != "040090001234" {
		t.Errorf("%+v %+v", d.Files, d.Applicant)
	}
	if kept := webtest.Value(c.Browser, chromedp.Evaluate[int]("Object.keys(sessionStorage).filter(k => k.includes('tiep-nhan')).length")); kept != 0 {
		t.Errorf("what was taken in is offered again")
	}
	c.Quiet()
}

// TestTheListOfDossiersRefreshesUnderTheFingers: what comes, moves and goes is seen
// without a key; what somebody types, and where they are, stays.
func TestTheListOfDossiersRefreshesUnderTheFingers(t *testing.T) {
	b := start(t, true, fixed)
	b.dossiers.take()
	first, second := b.dossiers.taken(birth, "Nguyễn Văn An"), b.dossiers.taken(permit, "Vàng A Páo")
	c := browse(t, b, 1366, 768)
	c.signIn("onestop")
	c.Open(dossiersPath)
	c.Do(chromedp.Evaluate[chromedp.Void]("void (document.querySelector('#loc').open = true)"))
	c.Into("#q", "nguyễn v")
	third := b.dossiers.taken(birth, "Lê Thị Cúc")
	c.Wait("the new dossier is there", "document.querySelectorAll('#danh-sach [data-row]').length === 3 && document.querySelector('#muc [aria-current]').textContent.includes('(3)')")
	if !webtest.Value(c.Browser, chromedp.Evaluate[bool]("document.activeElement.id === 'q' && document.activeElement.value === 'nguyễn v' && document.querySelector('#loc').open")) {
		t.Error("what was typed is gone")
	}
	c.Do(chromedp.Focus(css("#muc [aria-current]")))
	b.dossiers.did(b.dossiers.Finish(context.Background(), third.ID, dossier.Result{Name: "Giấy khai sinh"}, nil, atWork, 0))
	c.Wait("the tab counts two, and has the focus", "document.activeElement.matches('#muc [aria-current]') && document.activeElement.textContent.includes('(2)')")
	c.Do(chromedp.Focus(css("#danh-sach a[href*='" + first.ID.String() + "']")))
	b.dossiers.did(b.dossiers.Finish(context.Background(), first.ID, dossier.Result{Name: "Giấy khai sinh"}, nil, atWork, 0))
	c.Wait("the row in the place of the one that went has the focus", "document.activeElement.href.includes('"+second.ID.String()+"')")
	b.dossiers.did(b.dossiers.Finish(context.Background(), second.ID, dossier.Result{Name: "Giấy phép"}, nil, atWork, 0))
	c.Wait("nothing is left", "document.querySelector('#danh-sach .empty') && document.activeElement.id === 'main'")
	c.Open("/viec-can-lam")
	b.dossiers.before(17, func() { b.dossiers.taken(birth, "Trần Thị Bình") })
	c.Wait("the home page shows what is late", "document.querySelector('#g-dossiers-late')")
	c.Accessible("refreshed")
	c.Quiet()
}
