package mail

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tram/agent/connector"
	"tram/agent/connector/mail/mailtest"
	"tram/agent/problem"
	"tram/agent/tooltest"
	"tram/sync/linktest"
)

func problemCode(err error) string { return problem.From(err).Code }

// pythonReads reads a mail with Python's email package.
const pythonReads = `import email, email.policy, hashlib, json, sys
m = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
print(json.dumps({
  "subject": m["Subject"], "from": m["From"].addresses[0].display_name, "to": [a.addr_spec for a in m["To"].addresses], "defects": [str(d) for d in m.defects],
  "id": m["Message-ID"], "text": m.get_body(("plain",)).get_content(),
  "files": [[a.get_filename(), hashlib.sha256(a.get_payload(decode=True)).hexdigest()] for a in m.iter_attachments()],
}))
`

type pythonRead struct {
	Subject string      `json:"subject"`
	From    string      `json:"from"`
	To      []string    `json:"to"`
	Defects []string    `json:"defects"`
	Text    string      `json:"text"`
	Files   [][2]string `json:"files"`
}

func byPython(t *testing.T, data []byte) (r pythonRead) {
	t.Helper()
	python := tooltest.Find(t, "python3", "reading of our mails by Python")
	cmd := exec.CommandContext(t.Context(), python, "-c", pythonReads)
	cmd.Stdin = bytes.NewReader(data)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.Bytes())
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestP12_PythonReadsWhatWeSent(t *testing.T) {
	s := mailtest.New(t, mailtest.Options{})
	d := newDesk()
	doc := d.file(sample(), names, contents()...)
	if err := bench(t, d, to(s), "").Deliver(t.Context(), arrived(doc)); err != nil {
		t.Fatal(err)
	}
	r := byPython(t, s.Messages()[0].Data)
	if r.Subject != "[HỎA TỐC] 15/UBND-VP: "+doc.Subject || r.From != "UBND xã An Bình" || len(r.Defects) > 0 || !strings.Contains(r.Text, "Trích yếu: "+doc.Subject) {
		t.Errorf("%+v", r)
	}
	if len(r.Files) != len(names) {
		t.Fatalf("%d files", len(r.Files))
	}
	for i, data := range contents() {
		sum := sha256.Sum256(data)
		if r.Files[i] != [2]string{names[i], hex.EncodeToString(sum[:])} {
			t.Errorf("file %d is %q", i, r.Files[i])
		}
	}
}

// eximConf is a server that takes mail for one domain into a file for each
// recipient, asks for TLS and a password, and defers a first try as grey lists do.
const eximConf = `
primary_hostname = mail.example.vn
spool_directory = %[1]s/spool
log_file_path = %[1]s/log/%%s
pid_file_path = %[1]s/exim.pid
daemon_smtp_ports = %[2]s
local_interfaces = 127.0.0.1
tls_advertise_hosts = *
tls_certificate = %[1]s/tls.crt
tls_privatekey = %[1]s/tls.key
domainlist local_domains = an-binh.example.vn
message_size_limit = 5M
never_users =
keep_environment =
acl_smtp_mail = mail
acl_smtp_rcpt = rcpt

begin acl
mail:
  deny message = STARTTLS first
       !encrypted = *
  deny message = sign in first
       !authenticated = *
  accept
rcpt:
  deny message = unknown user
       domains = +local_domains
       local_parts = nobody
  defer message = greylisted, try again
        local_parts = chutich
        !condition = ${if exists{%[1]s/grey}}
  accept domains = +local_domains
  deny message = relaying denied

begin routers
local:
  driver = accept
  domains = +local_domains
  transport = file

begin transports
file:
  driver = appendfile
  file = %[1]s/mail/${if eq{$local_part}{vanthu}{vanthu}{chutich}}
  user = %[3]s
  group = %[4]s
  envelope_to_add = true

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{tram}}{eq{$auth3}{mat khau 15}}}}
  server_set_id = $auth2
  server_advertise_condition = ${if def:tls_in_cipher}
`

const eximPassword = "mat khau 15"

// exim is a running mail server of another maker.
type exim struct {
	dir, addr, ca string
}

func startExim(t *testing.T) *exim {
	t.Helper()
	const what = "sending through Exim"
	program := tooltest.Find(t, "exim4", what)
	account, err := user.Lookup("Debian-exim")
	if err != nil || os.Getuid() != 0 {
		t.Skipf("not root on a machine with the account of Exim: %s did not run", what)
	}
	dir, err := os.MkdirTemp("", "exim-") // short, and open to its account
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	_, port, err := net.SplitHostPort(linktest.FreeAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	x := &exim{dir: dir, addr: "127.0.0.1:" + port, ca: filepath.Join(dir, "tls.crt")}
	donor := httptest.NewTLSServer(nil)
	certificate, key := donor.Certificate().Raw, donor.TLS.Certificates[0].PrivateKey
	donor.Close()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"tls.crt":   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		"tls.key":   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		"exim.conf": fmt.Appendf(nil, eximConf, dir, port, account.Uid, account.Gid),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil { //nolint:gosec // a key for one test
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // Exim's account reads it
		t.Fatal(err)
	}
	for _, sub := range []string{"spool", "log", "mail"} {
		path := filepath.Join(dir, sub)
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), "chown", account.Uid+":"+account.Gid, path).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "-C", filepath.Join(dir, "exim.conf"), "-bdf", "-q1m")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "log", "main"))
			reject, _ := os.ReadFile(filepath.Join(dir, "log", "reject"))
			t.Logf("exim: %s\n%s\n%s", output.Bytes(), log, reject)
		}
	})
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		conn, err := net.Dial("tcp", x.addr)
		if err == nil {
			_ = conn.Close()
			return x
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// mail waits for what a recipient has got: mails in the form mbox.
func (x *exim) mail(t *testing.T, who string, count int) [][]byte {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		raw, _ := os.ReadFile(filepath.Join(x.dir, "mail", who))
		var list [][]byte
		for one := range bytes.SplitSeq(append([]byte("\n\n"), raw...), []byte("\n\nFrom ")) {
			if _, rest, ok := bytes.Cut(one, []byte("\n")); ok && len(bytes.TrimSpace(one)) > 0 {
				list = append(list, rest)
			}
		}
		if len(list) >= count || time.Now().After(end) {
			return list
		}
	}
}

func TestP12_EximTakesWhatWeSend(t *testing.T) {
	x := startExim(t)
	d := newDesk()
	doc := d.file(sample(), names, contents()...)
	set := Settings{Server: x.addr, From: from, To: connector.Words{clerk, chief}, User: "tram", CA: x.ca, Wait: "0s"}
	m := bench(t, d, set, eximPassword)
	if err := m.Deliver(t.Context(), arrived(doc)); problemCode(err) != "mail.later" || connector.IsPermanent(err) {
		t.Fatalf("with a grey list for one: %v", err)
	}
	if err := os.WriteFile(filepath.Join(x.dir, "grey"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := m.Deliver(t.Context(), arrived(doc)); err != nil {
			t.Fatal(err)
		}
	}
	for _, who := range []string{"vanthu", "chutich"} {
		got := x.mail(t, who, 1)
		if len(got) != 1 {
			t.Fatalf("%s has %d mails", who, len(got))
		}
		crlf := bytes.ReplaceAll(got[0], []byte("\n"), []byte("\r\n"))
		p := read(t, crlf)
		for i, data := range contents() {
			if len(p.files) != len(names) || p.files[i].name != names[i] || !bytes.Equal(p.files[i].data, data) {
				t.Errorf("%s: file %d of %d differs", who, i, len(p.files))
			}
		}
		if r := byPython(t, got[0]); r.Subject != "[HỎA TỐC] 15/UBND-VP: "+doc.Subject || len(r.Files) != len(names) {
			t.Errorf("%s, by Python: %+v", who, r)
		}
	}
	eximRefuses(t, x, set)
}

// eximRefuses holds what a real server says of bad settings against what we make of it.
func eximRefuses(t *testing.T, x *exim, set Settings) {
	t.Helper()
	for _, c := range []struct {
		name, password, code string
		change               func(*Settings)
		permanent            bool
	}{
		{"wrong password", "wrong", "mail.sign-in", func(*Settings) {}, false},
		{"no sign-in", "", "mail.refused", func(s *Settings) { s.User = "" }, true},
		{"unknown user", eximPassword, "mail.recipients", func(s *Settings) { s.To = connector.Words{"nobody@an-binh.example.vn"} }, true},
		{"relaying", eximPassword, "mail.recipients", func(s *Settings) { s.To = connector.Words{"a@elsewhere.example.vn"} }, true},
		{"another name", eximPassword, "mail.tls", func(s *Settings) { s.Server = strings.Replace(s.Server, "127.0.0.1", "localhost", 1) }, false},
	} {
		set := set
		c.change(&set)
		d := newDesk()
		doc := d.file(sample(), names[:1], []byte("x"))
		err := bench(t, d, set, c.password).Deliver(t.Context(), arrived(doc))
		if problemCode(err) != c.code || connector.IsPermanent(err) != c.permanent {
			t.Errorf("%s: %v (permanent %v), want %s", c.name, err, connector.IsPermanent(err), c.code)
		}
	}
	// Above what the server announces the attachments are left out.
	d := newDesk()
	doc := d.file(sample(), names[:1], make([]byte, 6_000_000))
	if err := bench(t, d, set, eximPassword).Deliver(t.Context(), arrived(doc)); err != nil {
		t.Fatal(err)
	}
	got := x.mail(t, "vanthu", 2)
	if len(got) != 2 || bytes.Contains(got[1], []byte("Content-Disposition")) {
		t.Errorf("%d mails; the second one is too large for the server", len(got))
	}
}
