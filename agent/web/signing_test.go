package web

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"tram/agent/lan"
	"tram/agent/office"
	"tram/agent/vgca/vgcatest"
	"tram/agent/web/webtest"
)

// newSign brings a PDF file to the signing page and gives its path.
func newSign(t *testing.T, v *browser, name string, file []byte) string {
	t.Helper()
	res, body := v.formTo("/ky-so", nil, name, string(file))
	path := res.Header.Get("Location")
	if res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(path, "/ky-so/") {
		t.Fatalf("beginning gave %d %s", res.StatusCode, body)
	}
	return path
}

// simulated is an agent with a certificate of its own.
func simulated(t *testing.T) *vgcatest.Simulator {
	t.Helper()
	k, err := lan.Open(lan.Options{Dir: t.TempDir(), Names: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	return vgcatest.Start(t, k.TLS())
}

var kyAddress = regexp.MustCompile(`https?://[^/]+/ky/[A-Z2-7]+`)

// called asks for a signature and gives the addresses in the page for the
// agent: where to bring the file, where to fetch it.
func called(t *testing.T, v *browser, path, method string) (deliver, fetch string) {
	t.Helper()
	res, body := v.post(path+"/goi", url.Values{"method": {method}, "number": {"12"}})
	found := kyAddress.FindAllString(body, -1)
	if res.StatusCode != http.StatusOK || len(found) != 2 {
		t.Fatalf("calling gave %d, addresses %q", res.StatusCode, found)
	}
	if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "connect-src 'self' wss://127.0.0.1:8987;") {
		t.Errorf("the page that calls has the policy %q", csp)
	}
	return found[0], found[1]
}

func TestP7_TheSigningAgentHasTokensAndNothingElse(t *testing.T) {
	b, agent := start(t, false, fixed), simulated(t)
	lan := b.as("lan")
	old := vgcatest.PDF("Cong van so 12")
	path := newSign(t, lan, "công văn.pdf", old)
	if res, _ := b.as("leader").get(path); res.StatusCode != http.StatusForbidden {
		t.Errorf("who may not send gets %d", res.StatusCode)
	}
	res, body := lan.get(path)
	if csp := res.Header.Get("Content-Security-Policy"); res.StatusCode != 200 || strings.Contains(csp, "wss:") || strings.Contains(body, "sign.") && strings.Contains(body, ".js\" defer></script></section>") {
		t.Errorf("before anybody asks: %d, policy %q", res.StatusCode, csp)
	}
	if res, _ := lan.post(path+"/goi", url.Values{"method": {"Config"}}); res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a method that is not offered gave %d", res.StatusCode)
	}
	deliver, fetch := called(t, lan, path, "SignIssued")
	got, err := http.Get(fetch) // no cookie
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	file, err := io.ReadAll(got.Body)
	if err != nil || !bytes.Equal(file, old) || got.Header.Get("Content-Type") != "application/pdf" || !strings.HasPrefix(got.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("fetching gave %d bytes, %v, %v", len(file), got.Header, err)
	}
	if res, _ := b.visitor().get("/ky/AAAA"); res.StatusCode != http.StatusNotFound {
		t.Errorf("a made-up token gave %d", res.StatusCode)
	}
	signed, err := vgcatest.SignPDF(old, agent.CMS)
	if err != nil {
		t.Fatal(err)
	}
	edited := bytes.Replace(signed, []byte("so 12"), []byte("so 99"), 1)
	for _, step := range []struct {
		name    string
		address string
		file    []byte
		want    string // "" for good
	}{
		{"an edited file", deliver, edited, "không phải tệp cũ"},
		{"the token to fetch", fetch, signed, "không còn hiệu lực"},
		{"the signed file", deliver, signed, ""},
		{"once more", deliver, signed, "không còn hiệu lực"},
	} {
		answer, err := agent.Bring(step.address, "x.pdf", step.file)
		if err != nil || answer.Status != (step.want == "") || !strings.Contains(answer.Message, step.want) {
			t.Errorf("%s: %+v, %v", step.name, answer, err)
		}
	}
	if _, body := lan.get(path); !strings.Contains(body, "Nguyen Van Lanh Dao · Đóng dấu cơ quan") {
		t.Errorf("the page does not show who signed: %s", body)
	}

	// The signed file goes out with a document, and is gone from here.
	id := strings.TrimPrefix(path, "/ky-so/")
	if _, body := lan.get("/gui?ky=" + id); !strings.Contains(body, `name="signed" value="`+id+`"`) {
		t.Error("the form does not carry the signed file")
	}
	fields := goodForm()
	fields.Set("signed", id)
	if res, body := lan.form(fields); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("sending gave %d %s", res.StatusCode, body)
	}
	docs, _, err := b.office.List(t.Context(), office.Query{Box: office.Out})
	if err != nil || len(docs) == 0 {
		t.Fatal(err)
	}
	sent := false
	for _, d := range docs {
		for _, a := range d.Attachments {
			sent = sent || a.Name == "công văn.pdf" && a.Size == int64(len(signed))
		}
	}
	if res, _ := lan.get(path); !sent || res.StatusCode != http.StatusNotFound {
		t.Errorf("the signed file was sent: %v; its page is %d", sent, res.StatusCode)
	}
	noneLeft(t, b)
}

func TestAFileSignedOutsideIsBroughtByHand(t *testing.T) {
	b, agent := start(t, true, fixed), simulated(t)
	v := b.as("lan")
	old := vgcatest.PDF("Bao cao")
	path := newSign(t, v, "bc.pdf", old)
	if _, body := v.get(path + "/tep"); body != string(old) {
		t.Error("another file is given to sign outside")
	}
	if res, body := v.formTo(path+"/tai-len", nil, "bc.pdf", string(vgcatest.PDF("khac"))); res.StatusCode < 400 || !strings.Contains(body, "không phải tệp cũ") {
		t.Errorf("another document gave %d", res.StatusCode)
	}
	if res, body := v.formTo(path+"/tai-len", nil); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "đúng một tệp") {
		t.Errorf("no file gave %d", res.StatusCode)
	}
	signed, err := vgcatest.SignPDF(old, agent.CMS)
	if err != nil {
		t.Fatal(err)
	}
	if res, _ := v.formTo(path+"/tai-len", nil, "bc-ky.pdf", string(signed)); res.StatusCode != http.StatusSeeOther {
		t.Errorf("the signed file gave %d", res.StatusCode)
	}
	if _, body := v.get(path); !strings.Contains(body, "ký ngoài") {
		t.Error("the page does not say that it was signed outside")
	}
	if res, body := v.formTo("/ky-so", nil, "x.docx", "PK\x03\x04"); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "không phải PDF") {
		t.Errorf("a Word file gave %d", res.StatusCode)
	}
	if res, _ := v.post(path+"/bo", nil); res.StatusCode != http.StatusSeeOther {
		t.Errorf("dropping gave %d", res.StatusCode)
	}
	noneLeft(t, b)
}

// TestAClerkSignsWithTheTokenOfHerPC is the whole way in a real browser: page,
// agent, and back.
func TestAClerkSignsWithTheTokenOfHerPC(t *testing.T) {
	b, agent := overTLS(t), simulated(t)
	b.config.SignAgent = agent.URL
	file := filepath.Join(t.TempDir(), "giay-moi.pdf")
	if err := os.WriteFile(file, vgcatest.PDF("Giay moi hop"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := browse(t, b, 1366, 768)
	c.signIn("lan")
	c.Open("/ky-so")
	c.Do(chromedp.SetUploadFiles(css("#files"), []string{file}))
	c.Enter("form.send .btn")
	sign := func(method string) {
		c.Do(chromedp.Click(css("#method-" + method)))
		c.Enter("form.send .btn")
	}

	// The person closes the agent's window; then a file comes back altered.
	agent.Refuse("Người dùng hủy ký")
	sign("SignApproved")
	c.Until("the refusal is shown", "document.querySelector('[data-call] [role=status]').textContent.includes('Người dùng hủy ký')", nil, "true")
	agent.Refuse("")
	agent.Change(func(signed []byte) []byte { return bytes.Replace(signed, []byte("Giay moi"), []byte("Giay bao"), 1) })
	sign("SignApproved")
	c.Until("the altered file is refused", "document.querySelector('[data-call] [role=status]').textContent.includes('nội dung đã khác')", nil, "true")
	agent.Change(nil)

	// The leader signs, then the clerk seals.
	for i, method := range []string{"SignApproved", "SignIssued"} {
		sign(method)
		c.Until("the signature is there", "location.pathname.startsWith('/ky-so/') && !document.querySelector('[data-call]') && document.querySelectorAll('[aria-labelledby=signed] li').length === "+string(rune('1'+i)), nil, "true")
	}
	if got := c.Text("[aria-labelledby=signed]"); !strings.Contains(got, "Lãnh đạo ký") || !strings.Contains(got, "Nguyen Van Lanh Dao") {
		t.Errorf("the page says %q", got)
	}
	c.Fits("the signing page")
	c.Accessible("the signing page")
	calls, answers := agent.Calls()
	if strings.Join(calls, " ") != "SignApproved SignApproved SignApproved SignIssued" || len(answers) != 3 || answers[0].Status || !answers[2].Status {
		t.Errorf("the agent was called as %q, answers %+v", calls, answers)
	}
	c.Enter("[aria-labelledby=signed] .btn")
	if got := c.Text("form.send .kept"); !strings.Contains(got, "giay-moi.pdf") {
		t.Errorf("the sending form says %q", got)
	}
	c.Quiet()
}

func TestWithoutTheSigningAgentThereIsAnotherWay(t *testing.T) {
	b := start(t, true, time.Now)
	b.config.SignAgent = "wss://127.0.0.1:9"
	file := filepath.Join(t.TempDir(), "x.pdf")
	if err := os.WriteFile(file, vgcatest.PDF("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, width := range webtest.Widths() {
		c := browse(t, b, width, 768)
		c.signIn("lan")
		c.Open("/ky-so")
		c.Do(chromedp.SetUploadFiles(css("#files"), []string{file}))
		c.Enter("form.send .btn")
		c.Do(chromedp.Click(css("#method-SignCopy")))
		c.Enter("form.send .btn")
		c.Until("the page says what to do", "!document.querySelector('[data-absent]').hidden", nil, "document.activeElement.matches('[data-absent]')")
		if got := c.Text("main"); !strings.Contains(got, "Không thấy VGCA Sign Service") || !strings.Contains(got, "Tải tệp về") {
			t.Errorf("the page says %q", got)
		}
		c.Fits("the page without the agent")
		c.Accessible("the page without the agent")
		c.Shot("signing-absent")
	}
}
