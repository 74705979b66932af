package console_test

import (
	"bufio"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"tram/agent/config"
	"tram/agent/hub/sso"
	"tram/agent/tooltest"
	"tram/agent/web/webtest"
)

// foreignProvider runs the provider of OpenID Connect of the npm package
// oidc-provider, for the console at url.
func foreignProvider(t *testing.T, console, secret string) (issuer string, stop func()) {
	t.Helper()
	const what = "sign-in with the OpenID provider of another maker"
	node, dir := tooltest.Find(t, "node", what), t.TempDir()
	must(t, os.Symlink(tooltest.NPM(t, "testdata/npm", what), filepath.Join(dir, "node_modules")))
	script, err := os.ReadFile("testdata/npm/provider.mjs")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "provider.mjs"), script, 0o600))
	cmd := exec.CommandContext(t.Context(), node, "provider.mjs", console+"/dang-nhap/mot-lan/ve", console+"/dang-nhap", secret)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	stop = func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // it was killed
		}
	}
	t.Cleanup(stop)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		t.Fatalf("the provider did not start: %v\n%s", err, stderr.String())
	}
	return strings.TrimSpace(line), stop
}

// TestP12PeopleSignInWithTheProviderOfAnotherMaker walks through a whole sign-in in
// a real browser, whose rules for cookies between two sites decide: the console is
// at 127.0.0.1, the provider at localhost.
func TestP12PeopleSignInWithTheProviderOfAnotherMaker(t *testing.T) {
	var stop func()
	var checked []sso.Step
	w := emptyWith(t, func(c *config.Hub, url string) {
		s := &c.Console.SSO
		s.Secret = filepath.Join(t.TempDir(), "secret")
		must(t, os.WriteFile(s.Secret, []byte("a-secret-of-the-hub+/=\n"), 0o600))
		s.Issuer, stop = foreignProvider(t, url, "a-secret-of-the-hub+/=")
		s.Client, s.Origin, s.Name, s.Scopes = "tram-hub", url, "Cổng định danh tỉnh", []string{"profile", "groups"}
		s.Roles = []string{"truc = operator", "cum-* = officer *"}
		client, err := sso.New(sso.Options{Settings: sso.Settings{Issuer: s.Issuer, ClientID: s.Client, SecretFile: s.Secret, Origin: url, Return: "/dang-nhap/mot-lan/ve",
			UserClaim: s.User, GroupsClaim: s.Groups, Roles: s.Roles}})
		must(t, err)
		checked = client.Check(t.Context())
	})
	for _, s := range checked {
		if !s.OK {
			t.Errorf("the check says of a working provider: %+v", s)
		}
	}
	client := w.hub.ConsoleOptions().SignOn.(*sso.Client)
	must(t, client.Look(t.Context()))

	c := webtest.New(t, w.url, 1366, 768)
	c.Open("/dang-nhap?tiep=/thiet-bi")
	both(c, "sso-signin")
	c.Enter(".signon .btn")
	atProvider(c, "lan+truc")
	if got := c.Text("h1"); got != "Thiết bị" {
		t.Fatalf("after the sign-in: %q", got)
	}
	if got := c.Text(".user"); !strings.Contains(got, "Trần Thị lan") {
		t.Errorf("signed in as %q", got)
	}
	both(c, "sso-account", "/tai-khoan")
	c.Enter("header form[action='/dang-xuat'] button")
	both(c, "sso-ended")
	c.Enter(".done a")
	c.Enter("button[name=logout]")
	c.Do(chromedp.WaitVisible(chromedp.CSS(".signon")))
	c.Enter(".signon .btn") // signed out there too: it asks again
	atProvider(c, "minh")
	if got := c.Text("main"); !strings.Contains(got, "chưa được giao vai trò") {
		t.Errorf("without a role: %q", got)
	}
	both(c, "sso-no-role")

	stop()
	if client.Look(t.Context()) == nil {
		t.Fatal("the provider is still there")
	}
	c.Open("/dang-nhap")
	if got := c.Text(".signon"); !strings.Contains(got, "Không kết nối được") || strings.Contains(got, "Đăng nhập bằng Cổng định danh tỉnh\n") {
		t.Errorf("while the provider is away: %q", got)
	}
	both(c, "sso-away")
	c.SignIn("op", password)

	var who []string
	for _, in := range w.actions("user.signed-in") {
		who = append(who, in.Subject+" "+in.Detail["subject"])
		if in.Detail["address"] != "127.0.0.1" {
			t.Errorf("signed in from %q", in.Detail["address"])
		}
	}
	if !slices.Contains(who, "lan-tinh.gov.vn lan+truc") || !slices.Contains(who, "op ") {
		t.Errorf("the log has the sign-ins of %q", who)
	}
}

// both looks at a page in both languages.
func both(c *webtest.Browser, name string, path ...string) {
	for _, p := range path {
		c.Open(p)
	}
	for _, lang := range []string{"en", "vi"} {
		if name == "sso-no-role" { // of an answer that is taken once
			break
		}
		c.Language(lang)
		if name == "sso-ended" {
			c.Open("/dang-nhap?ra=1")
		}
		c.Look(name)
	}
	if name == "sso-no-role" {
		c.Look(name)
	}
}

// atProvider signs in and consents on the provider's own pages.
func atProvider(c *webtest.Browser, login string) {
	c.Do(chromedp.WaitVisible(chromedp.CSS("input[name=login]")))
	c.Do(chromedp.SetValue(chromedp.CSS("input[name=login]"), login), chromedp.SetValue(chromedp.CSS("input[name=password]"), "x"))
	c.Enter("button[type=submit]")
	c.Do(chromedp.WaitVisible(chromedp.CSS("input[value=consent] ~ button, form[action*=confirm] button, button[type=submit]")))
	c.Enter("button[type=submit]")
	c.Do(chromedp.WaitVisible(chromedp.CSS("footer")))
	c.Until("the page after the sign-in", "document.querySelector('.menu') || document.title.includes('Trạm')", nil, "true")
}

// TestASignInBeginsOnlyOnOurOwnPage tries to begin one from elsewhere, and under
// another name of this machine.
func TestASignInBeginsOnlyOnOurOwnPage(t *testing.T) {
	w := emptyWith(t, func(c *config.Hub, url string) {
		s := &c.Console.SSO
		s.Issuer, s.Client, s.Origin, s.Roles = "http://127.0.0.1:1", "tram-hub", url, []string{"truc = operator"}
	})
	p := w.visitor()
	res, _ := p.get("/dang-nhap/mot-lan?tiep=/thiet-bi")
	if got := res.Header.Get("Location"); got != "/dang-nhap?tiep=%2Fthiet-bi" {
		t.Errorf("without our cookie it goes to %q", got)
	}
	p.get("/dang-nhap")
	if res, body := p.get("/dang-nhap/mot-lan"); res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "Chưa hỏi được") {
		t.Errorf("before the provider was asked: %d", res.StatusCode)
	}
	for _, q := range []string{"", "?state=x&code=y", "?error=access_denied"} {
		if res, body := p.get("/dang-nhap/mot-lan/ve" + q); res.StatusCode != http.StatusForbidden || !strings.Contains(body, "không còn dùng được") {
			t.Errorf("an answer to nothing: %d", res.StatusCode)
		}
	}
	other, err := url.Parse(w.url)
	must(t, err)
	req, err := http.NewRequest(http.MethodGet, "http://localhost:"+other.Port()+"/dang-nhap/mot-lan?tiep=/su-co", nil)
	must(t, err)
	res, err = http.DefaultTransport.RoundTrip(req)
	must(t, err)
	must(t, res.Body.Close())
	if got := res.Header.Get("Location"); got != w.url+"/dang-nhap?tiep=%2Fsu-co" {
		t.Errorf("under another name it goes to %q", got)
	}
	if res, _ := w.as("op").get("/dang-nhap/mot-lan?tiep=/su-co"); res.Header.Get("Location") != "/su-co" {
		t.Errorf("who is signed in goes to %q", res.Header.Get("Location"))
	}
}
