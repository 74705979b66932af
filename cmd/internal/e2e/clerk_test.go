package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"tram/agent/office"
	"tram/agent/web/webtest"
	"tram/cmd/internal/sample"
	"tram/cmd/internal/world"
)

// clerk is a person at an office with a keyboard and no mouse.
type clerk struct {
	*webtest.Browser
	t        *testing.T
	office   *world.Office
	other    *world.Office
	lang     string
	password string
}

// firstSignIn is the password of a new box.
func firstSignIn(t *testing.T, o *world.Office) (name, password string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(o.Dir, "first-sign-in.txt"))
	if err != nil {
		t.Fatal(err)
	}
	name, password, ok := strings.Cut(strings.TrimSpace(string(text)), " ")
	if !ok {
		t.Fatalf("first sign-in: %q", text)
	}
	return name, password
}

// TestTwelveTasksByKeyboard does the day of a clerk in both languages without a
// mouse, over a real hub and two real offices: the manual script of agent/web, in
// its order. Each task checks its end where a person would see it, and what it did
// to the office.
func TestTwelveTasksByKeyboard(t *testing.T) {
	t.Parallel()
	w := start(t)
	a, b := w.Offices[0], w.Offices[1]
	for _, c := range []*clerk{{office: a, other: b, lang: "vi"}, {office: b, other: a, lang: "en"}} {
		t.Run(c.lang, func(t *testing.T) {
			c.t = t
			c.receivesDocuments()
			c.Browser = webtest.New(t, "http://"+c.office.Spec.UI, 1366, 768)
			for i, task := range []func(){
				c.signsIn, c.acceptsWhatIsUrgent, c.returnsWhatIsWrong, c.handsOver, c.findsADocument, c.sends,
				c.printsTheSlip, c.entersPaper, c.printsTheRegister, c.recalls, c.carriesAStick, c.findsHelpAndSwitches,
			} {
				task()
				t.Logf("task %d done", i+1)
			}
			c.Quiet()
		})
	}
}

// receivesDocuments has the other office send what the day is about.
func (c *clerk) receivesDocuments() {
	c.t.Helper()
	for _, name := range []string{"mot.pdf", "hai.pdf", "ba.pdf"} {
		content, err := sample.PDF(sample.Letter{Office: c.other.Spec.Name, Subject: name}, 0, 1)
		if err != nil {
			c.t.Fatal(err)
		}
		doc := send(c.t, c.other, c.office.Spec.Code, file{name, content})
		reaches(c.t, c.other, doc.ID, office.Delivered)
	}
}

// documents lists a box of the office by its interface.
func (c *clerk) documents(box office.Box, states ...office.State) []office.Document {
	c.t.Helper()
	list, err := c.office.API.Documents(c.t.Context(), office.Query{Box: box, States: states})
	if err != nil {
		c.t.Fatal(err)
	}
	return list.Documents
}

// signsIn: task 1, with the temporary password, which has to be replaced.
func (c *clerk) signsIn() {
	name, temporary := firstSignIn(c.t, c.office)
	c.password = "bàn phím và màn hình"
	c.Open("/dang-nhap")
	if c.lang == "en" {
		c.TabTo(".lang [value=en]")
		c.Leave(chromedp.KeyEvent(kb.Enter))
	}
	c.Into("#name", name)
	c.Into("#password", temporary)
	c.Leave(chromedp.KeyEvent(kb.Enter))
	c.Into("[name=old]", temporary)
	c.Into("[name=password]", c.password)
	c.Into("[name=again]", c.password)
	c.Leave(chromedp.KeyEvent(kb.Enter))
	c.Wait("the menu is there", "document.querySelector('.menu')")
	if got := webtest.Value(c.Browser, chromedp.Evaluate[string]("document.documentElement.lang")); got != c.lang {
		c.t.Fatalf("the page is in %q", got)
	}
}

// opensFirst goes to a list by its key and opens its first document.
func (c *clerk) opensFirst(key, path string) {
	c.t.Helper()
	c.Press(key, chromedp.ModifierAlt)
	c.Wait("the list is there", "location.pathname === '"+path+"' && document.querySelector('[data-row]')")
	c.Press("j")
	c.Leave(chromedp.KeyEvent(kb.Enter))
	c.Wait("the document is there", "document.querySelector('h1')")
}

// acceptsWhatIsUrgent: task 2, from the work list with J, Enter and T.
func (c *clerk) acceptsWhatIsUrgent() {
	c.opensFirst("1", "/viec-can-lam")
	c.Leave(chromedp.KeyEvent("t"))
	c.Wait("the number stands there", "document.querySelector('.done')")
	if n := len(c.documents(office.In, office.Accepted)); n != 1 {
		c.t.Errorf("%d documents accepted", n)
	}
}

// returnsWhatIsWrong: task 3, with a reason.
func (c *clerk) returnsWhatIsWrong() {
	c.opensFirst("1", "/viec-can-lam")
	c.TabTo("details:has([action$='/tra-lai']) > summary")
	c.Press(kb.Enter)
	c.Into("#reason", "Gửi nhầm đơn vị")
	c.TabTo("[action$='/tra-lai'] button")
	c.Leave(chromedp.KeyEvent(kb.Enter))
	back := c.documents(office.In, office.Returned)
	if len(back) != 1 || back[0].Reason != "Gửi nhầm đơn vị" {
		c.t.Fatalf("returned: %+v", back)
	}
	reaches(c.t, c.other, back[0].ID, office.Returned)
}

// handsOver: task 4, the accepted document to a unit with a deadline; the sender
// learns of it by itself.
func (c *clerk) handsOver() {
	accepted := c.documents(office.In, office.Accepted)[0]
	c.Press("2", chromedp.ModifierAlt)
	c.Wait("the list is there", "location.pathname === '/van-ban-den' && document.querySelector('[data-row]')")
	c.Follow("a.open[href$='" + accepted.ID.String() + "']")
	c.TabTo("details:has([action$='/but-phe']) > summary")
	c.Press(kb.Enter)
	c.Into("#but-phe-instruction", "Giao Phòng Kinh tế tham mưu trả lời")
	c.Into("#but-phe-lead-unit", "Phòng Kinh tế")
	c.Into("#but-phe-deadline", "31/12/2030")
	c.TabTo("[action$='/but-phe'] button")
	c.Leave(chromedp.KeyEvent(kb.Enter))
	if got := c.Text("#xu-ly"); !strings.Contains(got, "Phòng Kinh tế") {
		c.t.Errorf("the handling says %q", got)
	}
	eventually(c.t, "status 04 at the sender", func() bool {
		d, err := c.other.API.Get(c.t.Context(), accepted.ID)
		return err == nil && strings.Contains(codes(d), "04")
	})
}

func codes(d office.Document) string {
	var list []string
	for _, e := range d.Events {
		list = append(list, string(e.Code))
	}
	return strings.Join(list, " ")
}

// findsADocument: task 5, typed without diacritics.
func (c *clerk) findsADocument() {
	c.Press(kb.F4)
	c.Wait("the search is there", "location.pathname === '/tim-kiem' && document.querySelector('#q')")
	c.Into("#q", "thu nghiem")
	c.Leave(chromedp.KeyEvent(kb.Enter))
	c.Wait("something is found", "document.querySelector('mark')")
	c.Follow("a.open")
	if got := c.Text("h1"); !strings.Contains(got, "thử nghiệm") {
		c.t.Errorf("found %q", got)
	}
}

// sends: task 6. The window that chooses files is the system's, so that the file
// is put in without it.
func (c *clerk) sends() {
	path := filepath.Join(c.t.TempDir(), "Báo cáo tuần.pdf")
	if err := os.WriteFile(path, []byte("%PDF-1.4 báo cáo\n%%EOF"), 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.Press(kb.F2)
	c.Wait("the form is there", "location.pathname === '/gui' && document.querySelector('#to-list')")
	c.TabTo("#files")
	c.Do(chromedp.SetUploadFiles(chromedp.CSS("#files"), []string{path}))
	c.Into("#to", c.other.Spec.Code)
	c.Wait("the recipient is offered", "document.querySelector('#to-list [aria-selected=true]')")
	c.Press(kb.Enter)
	c.Into("#subject", "Báo cáo tuần 48")
	c.TabTo("#declare")
	c.Press(" ")
	c.Leave(webtest.Key(kb.Enter, chromedp.ModifierCtrl))
	c.Wait("it is safe", "document.querySelector('.done')")
	out := c.documents(office.Out)
	if out[0].Subject != "Báo cáo tuần 48" {
		c.t.Fatalf("sent %+v", out[0])
	}
	reaches(c.t, c.office, out[0].ID, office.Delivered)
}

// printsTheSlip: task 7, the track as paper proof.
func (c *clerk) printsTheSlip() {
	c.opensFirst("3", "/van-ban-di")
	c.Follow("[href$='/phieu-gui']")
	if got := c.Text("body"); !strings.Contains(got, "Báo cáo tuần 48") {
		c.t.Errorf("the slip says %q", got)
	}
}

// entersPaper: task 8, a paper document into the same book.
func (c *clerk) entersPaper() {
	c.Open("/van-ban-den")
	c.Follow("[href='/van-ban-den/vao-so']")
	c.Into("#from", "Hội Nông dân tỉnh")
	c.Into("#code", "17/CV-HND")
	c.Into("#subject", "Mời dự đại hội")
	c.Leave(webtest.Key(kb.Enter, chromedp.ModifierCtrl))
	c.Wait("the new row has the focus", "document.activeElement.textContent === 'Mời dự đại hội'")
	if in := c.documents(office.In, office.Accepted); len(in) != 2 || in[0].Arrival != 2 || in[0].Medium != office.Paper {
		c.t.Errorf("accepted: %d, newest %+v", len(in), in[0])
	}
}

// printsTheRegister: task 9, the lines since the last page, confirmed.
func (c *clerk) printsTheRegister() {
	c.Press("5", chromedp.ModifierAlt)
	c.Wait("the books are there", "location.pathname === '/so'")
	c.Follow("table.list tbody tr:nth-child(2) a")
	if n := webtest.Value(c.Browser, chromedp.Evaluate[int]("document.querySelectorAll('.sheet tbody tr').length")); n != 2 {
		c.t.Errorf("%d lines on the sheet", n)
	}
	c.TabTo(".go form button")
	c.Leave(chromedp.KeyEvent(kb.Enter))
	c.TabTo("[aria-labelledby=open-print] .btn.plain")
	c.Leave(chromedp.KeyEvent(kb.Enter))
	c.Wait("the book says that it is printed", "!document.querySelector('[aria-labelledby=open-print]')")
}

// recalls: task 10, what was sent in task 6.
func (c *clerk) recalls() {
	c.opensFirst("3", "/van-ban-di")
	id := c.documents(office.Out)[0].ID
	c.TabTo("#take-back > summary")
	c.Press(kb.Enter)
	c.Into("#take-back [name=reason]", "Sai số liệu")
	c.TabTo("#take-back button")
	c.Leave(chromedp.KeyEvent(kb.Enter))
	reaches(c.t, c.office, id, office.Recalled)
}

// carriesAStick: task 11, as far as a machine without a stick goes: the page says
// what there is.
func (c *clerk) carriesAStick() {
	c.Press("2", chromedp.ModifierAlt)
	c.Wait("the list is there", "location.pathname === '/van-ban-den'")
	c.Follow("[href='/usb']")
	if webtest.Value(c.Browser, chromedp.Evaluate[int]("document.querySelectorAll('main button').length")) == 0 {
		c.t.Error("the page offers nothing")
	}
}

// findsHelpAndSwitches: task 12, the list of keys, and another person at the desk.
func (c *clerk) findsHelpAndSwitches() {
	c.Open("/viec-can-lam")
	c.Leave(chromedp.KeyEvent("?"))
	c.Wait("the keys are there", "location.pathname === '/tro-giup' && location.hash === '#phim'")
	c.Leave(webtest.Key("u", chromedp.ModifierAlt))
	c.Wait("the password is asked", "document.querySelector('#password')")
	c.Into("#name", "vanthu")
	c.Into("#password", c.password)
	c.Leave(chromedp.KeyEvent(kb.Enter))
	c.Wait("the person is signed in", "document.querySelector('.menu')")
}
