package web

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/uuid"

	"tram/agent/office"
	"tram/agent/search"
	"tram/agent/web/webtest"
)

// caught waits until the index has all documents.
func (b *box) caught() {
	b.t.Helper()
	for range 6000 {
		s, err := b.search.State(b.t.Context())
		if err == nil && s.Waiting == 0 && s.Files == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	b.t.Fatal("the index does not catch up")
}

// found is a box with enough documents for lists of several pages.
func found(t *testing.T) *box {
	b := start(t, false, fixed)
	b.office.many(office.In, 120)
	b.office.many(office.Out, 60)
	b.caught()
	for _, s := range []search.Saved{
		{Owner: "lan", Page: "/tim-kiem", Name: "Hộ tịch năm nay", Query: "q=ho+tich&nam=2026"},
		{Owner: "leader", Page: "/tim-kiem", Name: "Công điện khẩn", Query: "khan=3", Shared: true},
		{Owner: "lan", Page: "/van-ban-den", Name: "Khẩn của tỉnh", Query: "khan=1&noi=tinh"},
	} {
		if err := b.search.Save(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func TestSearchAndListsFitBothWindowsInBothLanguages(t *testing.T) {
	t.Parallel()
	b := found(t)
	tour := map[string]string{
		"find-empty": "/tim-kiem", "find-many": "/tim-kiem?q=thong+bao", "find-page": "/tim-kiem?q=th&sau=1-100", "find-narrowed": "/tim-kiem?q=thong+bao&hop=in&nam=2026&loai=TB",
		"find-marks": "/tim-kiem?q=mua+lu", "find-file": "/tim-kiem?q=thu+hai", "find-none": "/tim-kiem?q=giay+khai+sinh", "find-none-narrowed": "/tim-kiem?q=bao+cao&nam=1999",
		"find-columns": "/tim-kiem?q=bao+cao&cot=so&cot=loai&cot=nhan&cot=so-den&cot=trich-yeu", "find-date-wrong": "/tim-kiem?q=a&tu=32/13/2026",
		"list-in": "/van-ban-den", "list-in-sorted": "/van-ban-den?xep=trich-yeu", "list-in-none": "/van-ban-den?khan=2&loai=QC&noi=khong+co", "list-in-wrong": "/van-ban-den?tu=hom+nay&den=1/1/26",
		"list-in-filtered": "/van-ban-den?nam=2026&chu=bao+cao", "list-out": "/van-ban-di", "list-out-back": "/van-ban-di?loc=bi-tra-lai&xep=noi",
	}
	b.everyWindow("lan", func(c *chrome, _ string) {
		b.link.Up, b.coming = true, nil
		for name, path := range tour {
			c.See(name, path)
		}
		b.link.Up, b.link.Since = false, noon.Add(-80*time.Minute)
		b.coming = []Arriving{{ID: uuid.New(), From: "H40", Urgency: office.HoaToc, Size: 5 << 20, Here: 3 << 20}, {ID: uuid.New(), From: "H40.13", Size: 1 << 20, Held: true}}
		for name, path := range map[string]string{"find-offline": "/tim-kiem?q=bao+cao", "list-in-offline": "/van-ban-den", "list-out-offline": "/van-ban-di", "outbox-offline": "/hop-gui"} {
			c.See(name, path)
		}
	})
}

// TestFindingWithKeysAlone searches, opens a result, sorts a list and goes through
// it without a mouse.
func TestFindingWithKeysAlone(t *testing.T) {
	b := found(t)
	c := browse(t, b, 1366, 768)
	c.signIn("lan")
	c.Leave(chromedp.KeyEvent(kb.F4))
	c.focused("#q")
	c.Leave(chromedp.KeyEvent("mua lu" + kb.Enter))
	if got := c.Text(".hits table mark"); !strings.EqualFold(got, "mưa") {
		t.Errorf("marked %q", got)
	}
	c.Do(chromedp.KeyEvent("j"))
	c.Leave(chromedp.KeyEvent(kb.Enter))
	c.Do(chromedp.WaitVisible(css(".track")))

	c.Leave(chromedp.KeyEvent("/"))
	c.focused("#q")
	c.Open("/tim-kiem?q=thong+bao")
	c.Do(chromedp.KeyEvent("/"))
	c.focused("#q")

	c.Open("/van-ban-den")
	c.Do(chromedp.Focus(css("th:nth-child(5) a")))
	c.Leave(chromedp.KeyEvent(kb.Enter))
	if !webtest.Value(c.Browser, chromedp.Evaluate[bool]("document.activeElement.matches('th[aria-sort=ascending] a')")) {
		t.Error("after sorting the focus is not on the sorted column")
	}
	c.Until("the order is announced", "true", nil, "document.querySelector('#sorted').textContent === 'xếp theo Trích yếu, tăng dần'")
	at := func() int {
		return webtest.Value(c.Browser, chromedp.Evaluate[int]("[...document.querySelectorAll('.open')].indexOf(document.activeElement)"))
	}
	c.Do(chromedp.KeyEvent(kb.ArrowDown))
	if at() != -1 {
		t.Error("an arrow outside of the rows moved the focus")
	}
	c.Do(chromedp.KeyEvent("j"), chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.ArrowUp))
	if at() != 1 {
		t.Errorf("J and the arrows lead to row %d", at())
	}
	c.Leave(chromedp.KeyEvent(kb.Enter))
	c.Do(chromedp.WaitVisible(css(".trust")))
	c.Quiet()
}

// focused waits until an element has the focus.
func (c *chrome) focused(selector string) {
	c.t.Helper()
	c.Until("the focus is on "+selector, "true", nil, "document.activeElement.matches('"+selector+"')")
}
