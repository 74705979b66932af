package webhook

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"tram/agent/connector"
	"tram/agent/tooltest"
)

// rotated sends one message signed with two secrets.
func rotated(t *testing.T) message {
	t.Helper()
	r := newReceiver(t, (*httptest.Server).Start)
	h, desk := hookTo(t, Settings{URL: r.server.URL}, key+"\n"+next+"\n")
	if err := h.Deliver(t.Context(), connector.Delivery{Entry: arrived(desk)}); err != nil {
		t.Fatal(err)
	}
	return r.messages()[0]
}

// other is a secret that nothing was signed with.
const other = "whsec_b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcg=="

func TestP12_TheReferenceLibraryVerifies(t *testing.T) {
	m := rotated(t)
	for secret, want := range map[string]bool{key: true, next: true, other: false} {
		w, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Verify(m.body, m.header); (err == nil) != want {
			t.Errorf("secret %s: %v", secret, err)
		}
	}
	w, _ := standardwebhooks.NewWebhook(key)
	if err := w.Verify(append(bytes.Clone(m.body), ' '), m.header); err == nil {
		t.Error("an altered body verifies")
	}
}

// TestP12_TheExampleOfTheReadmeVerifies runs the commands that the README gives.
func TestP12_TheExampleOfTheReadmeVerifies(t *testing.T) {
	openssl, sh := tooltest.Find(t, "openssl", "verification of webhooks by commands"), tooltest.Find(t, "sh", "verification of webhooks by commands")
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(readme), "<!-- verify a webhook -->\n```sh\n")
	example, _, found := strings.Cut(example, "```")
	if !found {
		t.Fatal("the README has no such example")
	}
	m := rotated(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "body.json"), m.body, 0o600); err != nil {
		t.Fatal(err)
	}
	for secret, want := range map[string]bool{key: true, next: true, other: false} {
		cmd := exec.CommandContext(t.Context(), sh, "-c", example)
		cmd.Dir = dir
		cmd.Env = []string{
			"PATH=" + filepath.Dir(openssl) + ":" + os.Getenv("PATH"), "SECRET=" + secret, "ID=" + m.header.Get("webhook-id"),
			"TIMESTAMP=" + m.header.Get("webhook-timestamp"), "SIGNATURE=" + m.header.Get("webhook-signature"),
		}
		if out, err := cmd.CombinedOutput(); (err == nil) != want {
			t.Errorf("secret %s: %v\n%s", secret, err, out)
		}
	}
}

// nodePackage is the implementation of Standard Webhooks for Node.
const nodePackage = "standardwebhooks@1.1.1"

const nodeVerify = `const { Webhook } = require("standardwebhooks");
const fs = require("fs");
const [secret, id, timestamp, signature] = process.argv.slice(2);
const event = new Webhook(secret).verify(fs.readFileSync("body.json"), {
  "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature,
});
console.log(event.type + " " + event.cursor);
`

// TestP12_NodeVerifies needs node, npm and a registry of npm.
func TestP12_NodeVerifies(t *testing.T) {
	const what = "verification of webhooks by the npm package"
	node, npm := tooltest.Find(t, "node", what), tooltest.Find(t, "npm", what)
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	install := exec.CommandContext(ctx, npm, "install", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", nodePackage)
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("%s cannot be installed: %s did not run: %v\n%s", nodePackage, what, err, out)
	}
	m := rotated(t)
	for name, data := range map[string][]byte{"body.json": m.body, "verify.js": []byte(nodeVerify)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for secret, want := range map[string]bool{key: true, next: true, other: false} {
		cmd := exec.CommandContext(t.Context(), node, "verify.js", secret, m.header.Get("webhook-id"), m.header.Get("webhook-timestamp"), m.header.Get("webhook-signature"))
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if (err == nil) != want || want && string(out) != "document.returned 0a1b2c3d4e5f-17\n" {
			t.Errorf("secret %s: %v\n%s", secret, err, out)
		}
	}
}

// TestP12_Vector is a message that anyone can check by hand.
func TestP12_Vector(t *testing.T) {
	secrets, err := readSecrets([]byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
	if err != nil {
		t.Fatal(err)
	}
	got := sign(secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "60", "-1", "99999999999999999999", "Wed, 21 Oct 2026 07:28:00 GMT", "soon", "+5", "1e3"} {
		f.Add(seed)
	}
	now := time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		at, ok := retryAfter(text, now)
		if ok && (!at.After(now) || at.After(now.Add(connector.MaxRest))) {
			t.Errorf("%q: %v", text, at)
		}
	})
}

func FuzzSecrets(f *testing.F) {
	for _, seed := range []string{"", key, key + "\n" + next, "whsec_", "whsec_=", other, fmt.Sprint(key, key)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := readSecrets(text)
		if err != nil {
			return
		}
		if len(list) == 0 || len(list) > maxSecrets {
			t.Errorf("%d secrets of %q", len(list), text)
		}
		for _, s := range list {
			if len(s) < minSecret || len(s) > maxSecret {
				t.Errorf("secret of %d bytes", len(s))
			}
		}
	})
}
