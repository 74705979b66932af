package trust

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tram/agent/docsign"
	"tram/agent/i18n"
	"tram/agent/tooltest"
)

// TestVerdictsRestOnFetchedListsOfOpenSSL has an authority of openssl issue a
// certificate that names its list, sign with it, and revoke it.
func TestVerdictsRestOnFetchedListsOfOpenSSL(t *testing.T) {
	openssl := tooltest.Find(t, "openssl", "lists of openssl")
	dir := t.TempDir()
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(dir, "pub"))))
	defer server.Close()
	run := func(args string) {
		t.Helper()
		cmd := exec.Command(openssl, strings.Fields(args)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("openssl %s: %v\n%s", args, err, out)
		}
	}
	for name, text := range map[string]string{
		"index.txt": "", "letter.txt": "Văn bản số 12", "number": "01\n", "pub/x": "", "anchors/.x": "",
		"an.ext": "keyUsage=critical,digitalSignature\ncrlDistributionPoints=URI:" + server.URL + "/root.crl\n",
		"ca.cnf": "[ca]\ndefault_ca=c\n[c]\ndatabase=index.txt\ncertificate=anchors/root.pem\nprivate_key=root.key\ndefault_md=sha256\ndefault_crl_days=7\n" +
			"crlnumber=number\ncrl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n",
	} {
		write(t, filepath.Join(dir, name), []byte(text))
	}
	run("req -x509 -newkey rsa:2048 -nodes -keyout root.key -out anchors/root.pem -subj /CN=Root -days 30 -addext keyUsage=critical,keyCertSign,cRLSign")
	run("req -newkey rsa:2048 -nodes -keyout an.key -out an.csr -subj /CN=An")
	run("x509 -req -in an.csr -CA anchors/root.pem -CAkey root.key -CAcreateserial -out an.pem -days 20 -extfile an.ext")
	run("cms -sign -binary -nodetach -in letter.txt -signer an.pem -inkey an.key -outform DER -out letter.p7m -noattr")
	letter, err := os.ReadFile(filepath.Join(dir, "letter.p7m"))
	if err != nil {
		t.Fatal(err)
	}
	check := func(after time.Duration) docsign.Report {
		t.Helper()
		s := New(Options{
			Anchors: filepath.Join(dir, "anchors"), Fetched: filepath.Join(dir, "fetched"), Online: func() bool { return true },
			Now: func() time.Time { return time.Now().Add(after) },
		})
		terms, _ := s.Terms()
		r, err := docsign.Check(t.Context(), "letter.p7m", bytes.NewReader(letter), int64(len(letter)), terms)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := check(0); r.SubIndication != docsign.TryLater {
		t.Fatalf("before there is a list: %+v", r.Outcome)
	}
	published := time.Now().Add(-time.Hour) // a server tells it to the second
	publish := func() {
		t.Helper()
		published = published.Add(time.Minute)
		run("ca -config ca.cnf -gencrl -out root.crl")
		run("crl -in root.crl -outform DER -out pub/root.crl")
		if err := os.Chtimes(filepath.Join(dir, "pub", "root.crl"), published, published); err != nil {
			t.Fatal(err)
		}
	}
	publish()
	r := check(time.Second)
	if r.Indication != docsign.Passed || r.Signatures[0].Revocation[0].Origin != server.URL+"/root.crl" {
		t.Fatalf("got %+v %+v", r.Outcome, r.Signatures)
	}
	for lang, want := range map[i18n.Lang]string{
		i18n.Vietnamese: "Thu hồi: An: chưa bị thu hồi, CRL, tải từ " + server.URL + "/root.crl, phát hành ",
		i18n.English:    "Revocation: An: not revoked, CRL, fetched from " + server.URL + "/root.crl, issued ",
	} {
		var b strings.Builder
		if err := docsign.WriteText(&b, r, lang); err != nil || !strings.Contains(b.String(), want) || !strings.Contains(b.String(), i18n.Span(lang, 0)) {
			t.Errorf("report lacks %q (error %v):\n%s", want, err, b.String())
		}
	}
	run("ca -config ca.cnf -revoke an.pem")
	publish()
	if r := check(time.Second); r.Indication != docsign.Passed {
		t.Errorf("the list is asked for again at once: %+v", r.Outcome)
	}
	if r := check(RefreshAfter + time.Minute); r.SubIndication != docsign.RevokedNoPOE || r.Signatures[0].Revocation[0].Status != docsign.StatusRevoked {
		t.Errorf("revoked: %+v", r.Outcome)
	}
}
