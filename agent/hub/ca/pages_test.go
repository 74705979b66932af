package ca

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/enroll/invite"
	"tram/agent/hub/registry"
	"tram/agent/identity"
	"tram/agent/lan"
	"tram/agent/problem"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

func (h *hub) pages(t testing.TB) *PagesCA {
	t.Helper()
	p, err := h.Pages(h.now)
	if err != nil {
		t.Fatal(err)
	}
	h.update(t, func(tx *sqlite.Tx) error { return p.Register(tx, h.CA) })
	return p
}

// named puts names into a PKCS#10 request.
func named(names ...string) func(*x509.CertificateRequest) {
	return func(r *x509.CertificateRequest) {
		for _, n := range names {
			if ip, err := netip.ParseAddr(n); err == nil {
				r.IPAddresses = append(r.IPAddresses, ip.AsSlice())
			} else {
				r.DNSNames = append(r.DNSNames, n)
			}
		}
	}
}

// askPages asks the enrolment service. The answer's transcript has been checked.
func (h *hub) askPages(t testing.TB, p *PagesCA, cert *x509.Certificate, device crypto.Signer, request []byte) ([]*x509.Certificate, *invite.Refusal) {
	t.Helper()
	req := &invite.Pages{Certificate: cert, Request: request, Time: h.now}
	raw, err := req.Sign(device)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler := h.EnrollHandler(EnrollOptions{DB: h.db, Registry: h.reg, Card: h.card, Pages: p})
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, invite.PagesPath, bytes.NewReader(raw)))
	var reply invite.Reply
	if err := json.Unmarshal(w.Body.Bytes(), &reply); err != nil {
		t.Fatalf("%d, %v: %s", w.Code, err, w.Body)
	}
	if reply.Refusal != nil {
		return nil, reply.Refusal
	}
	answer, err := invite.ParsePagesIssued(reply.Answer, h.Authority.Cert.PublicKey)
	if err != nil || answer.Transcript != req.Transcript() || !answer.Time.Equal(h.now) {
		t.Fatalf("%+v, %v", answer, err)
	}
	return answer.Chain, nil
}

func TestTheHubGivesCertificatesOfPages(t *testing.T) {
	h := newHub(t)
	p := h.pages(t)
	k, r := h.enrolled(t, "H40.01")
	key := newKey(t)
	request := csr(t, key, named("tram.xa.local", "192.168.1.5", "fd12::1"))
	chain, refused := h.askPages(t, p, r.Device, k.device, request)
	if refused != nil {
		t.Fatal(refused)
	}
	leaf := chain[0]
	if !key.PublicKey.Equal(leaf.PublicKey) || !slices.Equal(namesOf(leaf), []string{"tram.xa.local", "192.168.1.5", "fd12::1"}) || leaf.IsCA ||
		leaf.Subject.SerialNumber != "H40.01" || !slices.Equal(leaf.Subject.OrganizationalUnit, []string{"pages"}) ||
		!slices.Equal(leaf.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) {
		t.Errorf("given: %s, %v, %v", leaf.Subject, namesOf(leaf), leaf.ExtKeyUsage)
	}
	if life := leaf.NotAfter.Sub(leaf.NotBefore); life > 398*24*time.Hour || life < 300*24*time.Hour {
		t.Errorf("it lives %s", life)
	}
	issuer, root := chain[1], chain[2]
	for _, c := range []*x509.Certificate{issuer, root} {
		if !lan.Confined(c) || c.CheckSignatureFrom(h.Root.Cert) == nil {
			t.Errorf("%s is not confined, or of the hub's CA", c.Subject)
		}
	}
	if !issuer.MaxPathLenZero || root.Subject.CommonName != "Tram pages root H40" || root.CheckSignatureFrom(root) != nil {
		t.Errorf("authorities: %s (path %d), %s", issuer.Subject, issuer.MaxPathLen, root.Subject)
	}
	if err := trusts(chain, h.now, "192.168.1.5"); err != nil {
		t.Error(err)
	}
	// It stands in the store and in the audit log, with its names.
	rows, err := audit.List(t.Context(), h.db, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	last := rows[len(rows)-1]
	if last.Action != actionCertificate || last.Subject != "H40.01" || last.Detail[detailUnit] != "pages" || last.Detail[detailNames] != "tram.xa.local 192.168.1.5 fd12::1" {
		t.Errorf("recorded: %+v", last)
	}
	// The answer was lost: the same again. Other names: another one.
	h.now = h.now.Add(renewAgain - time.Minute)
	if again, refused := h.askPages(t, p, r.Device, k.device, request); refused != nil || !again[0].Equal(leaf) {
		t.Errorf("asked again: %v", refused)
	}
	if other, refused := h.askPages(t, p, r.Device, k.device, csr(t, key, named("192.168.1.6"))); refused != nil || other[0].Equal(leaf) || other[0].VerifyHostname("192.168.1.6") != nil {
		t.Errorf("other names: %v", refused)
	}
	h.now = h.now.Add(2 * renewAgain)
	if late, refused := h.askPages(t, p, r.Device, k.device, request); refused != nil || late[0].Equal(leaf) {
		t.Errorf("asked later: %v", refused)
	}
}

// trusts returns what Go says to a chain when its root alone is trusted.
func trusts(chain []*x509.Certificate, now time.Time, name string) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	between.AddCert(chain[1])
	roots.AddCert(chain[2])
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now, DNSName: name})
	return err
}

// TestP7_WhoGetsNoCertificateOfPages has each reason.
func TestP7_WhoGetsNoCertificateOfPages(t *testing.T) {
	h := newHub(t)
	p := h.pages(t)
	k, r := h.enrolled(t, "H40.01")
	other, otherDevice := h.enrolled(t, "H40.02")
	lost, gone := h.enrolled(t, "H40.03")
	h.update(t, func(tx *sqlite.Tx) error {
		_, err := h.Revoke(tx, h.reg, "H40.03", ReasonLost, "test")
		return err
	})
	key, theirs := newKey(t), newKey(t)
	if _, refused := h.askPages(t, p, otherDevice.Device, other.device, csr(t, theirs, named("10.0.0.1"))); refused != nil {
		t.Fatal(refused)
	}
	foreign := newHub(t)
	_, stranger := foreign.enrolled(t, "H40.01")
	strangerKey := newKey(t)
	selfMade := made(t, &x509.Certificate{SerialNumber: stranger.Device.SerialNumber, Subject: h.DeviceSubject("H40.01"), NotAfter: h.now.Add(time.Hour)},
		&x509.Certificate{Subject: h.DeviceSubject("H40.01")}, &strangerKey.PublicKey, strangerKey)
	names := func(names ...string) []byte { return csr(t, key, named(names...)) }
	many := make([]string, lan.MaxNames+1)
	for i := range many {
		many[i] = fmt.Sprintf("10.0.0.%d", i+1)
	}
	link, err := url.Parse("https://tram.lan/")
	if err != nil {
		t.Fatal(err)
	}
	type ask struct {
		cert    *x509.Certificate
		device  crypto.Signer
		request []byte
	}
	good := func(request []byte) ask { return ask{r.Device, k.device, request} }
	broken := names("10.0.0.1")
	broken[len(broken)-1] ^= 1
	for name, c := range map[string]struct {
		ask  ask
		code string
	}{
		"revoked":              {ask{gone.Device, lost.device, names("10.0.0.1")}, "cert.revoked"},
		"of another hub":       {ask{selfMade, strangerKey, names("10.0.0.1")}, "cert.self-signed"},
		"seal certificate":     {ask{r.Seal, k.seal, names("10.0.0.1")}, "cert.usage"},
		"public address":       {good(names("10.0.0.1", "203.113.0.1")), "pages.names"},
		"public name":          {good(names("tram.local", "tram.gov.vn")), "pages.names"},
		"one label":            {good(names("tram")), "pages.names"},
		"a wildcard":           {good(names("*.local")), "pages.names"},
		"capitals":             {good(names("TRAM.local")), "pages.names"},
		"mapped address":       {good(csr(t, key, func(r *x509.CertificateRequest) { r.DNSNames = []string{"::ffff:8.8.8.8"} })), "pages.names"},
		"an address as a name": {good(csr(t, key, func(r *x509.CertificateRequest) { r.DNSNames = []string{"8.8.8.8"} })), "pages.names"},
		"a mail address":       {good(csr(t, key, named("10.0.0.1"), func(r *x509.CertificateRequest) { r.EmailAddresses = []string{"a@xa.lan"} })), "pages.names"},
		"a URI":                {good(csr(t, key, named("10.0.0.1"), func(r *x509.CertificateRequest) { r.URIs = []*url.URL{link} })), "pages.names"},
		"no name":              {good(names()), "pages.names"},
		"too many":             {good(names(many...)), "pages.names"},
		"no request":           {good([]byte("x")), "enroll.request"},
		"broken proof":         {good(broken), "enroll.request"},
		"the device's key":     {good(csr(t, k.device, named("10.0.0.1"))), "enroll.shared-key"},
		"the seal's key":       {good(csr(t, k.seal, named("10.0.0.1"))), "enroll.shared-key"},
		"another's pages key":  {good(csr(t, theirs, named("10.0.0.1"))), "enroll.shared-key"},
		"another's device key": {good(csr(t, other.device, named("10.0.0.1"))), "enroll.shared-key"},
		"a revoked key":        {good(csr(t, lost.device, named("10.0.0.1"))), "enroll.key-revoked"},
		"the hub's CA key":     {good(csr(t, h.Root.Key, named("10.0.0.1"))), "enroll.shared-key"},
		"the issuer's key":     {good(csr(t, p.issuer.Key, named("10.0.0.1"))), "enroll.shared-key"},
	} {
		before := h.actions(t)[actionCertificate]
		chain, refused := h.askPages(t, p, c.ask.cert, c.ask.device, c.ask.request)
		if chain != nil || refused == nil || refused.Code != c.code {
			t.Errorf("%s: %+v, want %s", name, refused, c.code)
		}
		if h.actions(t)[actionCertificate] != before {
			t.Errorf("%s: a certificate was issued", name)
		}
	}
	if _, refused := h.askPages(t, p, r.Device, k.device, names("tram.local", "203.113.0.1", "tram.gov.vn")); refused == nil || refused.Args["names"] != "tram.gov.vn, 203.113.0.1" {
		t.Errorf("the refusal names %+v", refused)
	}
	// In its grace a certificate buys its own renewal and nothing else.
	h.now = r.Device.NotAfter.Add(time.Hour)
	if _, refused := h.askPages(t, p, r.Device, k.device, names("10.0.0.1")); refused == nil || refused.Code != "cert.expired" {
		t.Errorf("run out: %+v", refused)
	}
}

func TestAnOfficeGetsNoMoreThanItsShareADay(t *testing.T) {
	h := newHub(t)
	p := h.pages(t)
	k, r := h.enrolled(t, "H40.01")
	key := newKey(t)
	ask := func(i int) string {
		_, refused := h.askPages(t, p, r.Device, k.device, csr(t, key, named(fmt.Sprintf("10.0.0.%d", i))))
		if refused != nil {
			return refused.Code
		}
		return ""
	}
	for i := range maxPagesADay {
		if code := ask(i); code != "" {
			t.Fatalf("certificate %d: %s", i, code)
		}
	}
	if code := ask(100); code != "pages.often" {
		t.Errorf("one more: %q", code)
	}
	h.now = h.now.Add(25 * time.Hour)
	if code := ask(100); code != "" {
		t.Errorf("the next day: %s", code)
	}
}

func TestAHubWithoutPagesKnowsNoSuchAddress(t *testing.T) {
	h := newHub(t)
	w := httptest.NewRecorder()
	h.handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, invite.PagesPath, strings.NewReader("x")))
	if w.Code != http.StatusNotFound {
		t.Errorf("status %d", w.Code)
	}
	for body, want := range map[string]int{"x": http.StatusBadRequest, strings.Repeat("x", invite.MaxPages+1): http.StatusBadRequest} {
		w = httptest.NewRecorder()
		h.EnrollHandler(EnrollOptions{DB: h.db, Registry: h.reg, Card: h.card, Pages: h.pages(t)}).
			ServeHTTP(w, httptest.NewRequest(http.MethodPost, invite.PagesPath, strings.NewReader(body)))
		if w.Code != want || strings.Contains(w.Body.String(), `"answer"`) {
			t.Errorf("%d bytes of garbage: %d %s", len(body), w.Code, w.Body)
		}
	}
}

// TestTheAuthorityForPagesIsMadeOnce: at each start it is the same, a cut at any
// file leaves one that is whole, and what is damaged is said.
func TestTheAuthorityForPagesIsMadeOnce(t *testing.T) {
	h := newHub(t)
	first := h.pages(t)
	if second := h.pages(t); !second.Root.Equal(first.Root) || !second.issuer.Cert.Equal(first.issuer.Cert) || !second.issuer.Key.Equal(first.issuer.Key) {
		t.Error("the second start makes another one")
	}
	file := func(name string) string { return filepath.Join(h.dir, identity.Folder, name) }
	keys, err := filepath.Glob(file("*.key"))
	if err != nil || !slices.Contains(keys, file("pages.key")) || slices.Contains(keys, file("pages-root.key")) {
		t.Errorf("keys: %v, %v", keys, err)
	}
	rootKey := first.Root.PublicKey.(*ecdsa.PublicKey)
	for _, path := range keys {
		if data, err := os.ReadFile(path); err == nil && !strings.HasSuffix(path, "invite.key") {
			if pair, err := loadPair(filepath.Dir(path), strings.TrimSuffix(filepath.Base(path), ".key")); err == nil && pair.Key.PublicKey.Equal(rootKey) {
				t.Errorf("the root's key is in %s (%d bytes)", path, len(data))
			}
		}
	}
	info, err := os.Stat(file("pages.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info, err)
	}
	// Cut before the last file: nothing has been issued yet.
	for name, gone := range map[string][]string{
		"root alone": {"pages.crt", "pages.key"}, "root and key": {"pages.crt"}, "nothing": {"pages.crt", "pages.key", "pages-root.crt"},
	} {
		for _, g := range gone {
			if err := os.Remove(file(g)); err != nil {
				t.Fatal(err)
			}
		}
		whole := h.pages(t)
		if again := h.pages(t); whole.Root.Equal(first.Root) || !again.Root.Equal(whole.Root) || whole.issuer.Cert.CheckSignatureFrom(whole.Root) != nil {
			t.Errorf("%s: not made anew as a whole", name)
		}
	}
	// It ends before what it would issue.
	old := h.pages(t)
	h.now = old.issuer.Cert.NotAfter.Add(-PagesLife + time.Hour)
	if next := h.pages(t); next.Root.Equal(old.Root) || !next.issuer.Cert.NotAfter.After(old.issuer.Cert.NotAfter) {
		t.Error("an authority at its end goes on")
	}
	for name, spoil := range map[string]func() error{
		"no key":         func() error { return os.Remove(file("pages.key")) },
		"no root":        func() error { return os.Remove(file("pages-root.crt")) },
		"another root":   func() error { return os.Rename(file("ca.crt"), file("pages-root.crt")) },
		"garbage":        func() error { return os.WriteFile(file("pages.crt"), []byte("x"), 0o600) },
		"not of the key": func() error { return os.Rename(file("server.crt"), file("pages.crt")) },
	} {
		h := newHub(t)
		h.pages(t)
		file = func(name string) string { return filepath.Join(h.dir, identity.Folder, name) }
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		_, err := h.Pages(h.now)
		if problem.From(err).Code != "identity.damaged" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestP3_TheAuthorityForPagesOutlivesTheHub is in its backup, and stays when the
// hub's CA changes: PCs need no other root.
func TestP3_TheAuthorityForPagesOutlivesTheHub(t *testing.T) {
	h := newHub(t)
	first := h.pages(t)
	h.step(t, StepAnnounce)
	h.step(t, StepSwitch)
	h.step(t, StepFinish)
	if p := h.pages(t); !p.Root.Equal(first.Root) || !p.issuer.Key.Equal(first.issuer.Key) {
		t.Error("the change of the hub's CA makes another authority for pages")
	}
	h.WorkFactor = 10
	var buf bytes.Buffer
	if err := h.Backup(t.Context(), &buf, passphrase, h.reg); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "hub")
	if err := Restore(dir, &buf, passphrase); err != nil {
		t.Fatal(err)
	}
	c, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := c.Pages(h.now); err != nil || !p.Root.Equal(first.Root) || !p.issuer.Key.Equal(first.issuer.Key) {
		t.Errorf("another authority for pages came back: %v", err)
	}
}

// TestP7_ACertificateOfPagesOpensNothingAtAHub shows it where device, seal and
// server certificates belong.
func TestP7_ACertificateOfPagesOpensNothingAtAHub(t *testing.T) {
	h := newHub(t)
	h.now = time.Now().Truncate(time.Second) // TLS servers look at the real clock
	p := h.pages(t)
	k, r := h.enrolled(t, "H40.01")
	key := newKey(t)
	chain, refused := h.askPages(t, p, r.Device, k.device, csr(t, key, named("127.0.0.1", "tram.local")))
	if refused != nil {
		t.Fatal(refused)
	}
	office := &identity.Identity{Code: "H40.01", Device: key, DeviceCert: chain[0], Trust: identity.Trust{CA: h.Root.Cert}}
	admitted := false
	admit := func(string, *x509.Certificate) error { admitted = true; return nil }
	if serverErr, _ := handshake(t, h.BrokerTLS(admit), office.TLSFor("127.0.0.1:8883")); serverErr == nil || admitted {
		t.Errorf("the broker lets it in: %v", serverErr)
	}
	if _, refused := h.renew(t, renewal(t, chain[0], key)); refused == nil || refused.Code != "cert.unknown-ca" {
		t.Errorf("renewal on its word: %+v", refused)
	}
	if _, refused := h.askPages(t, p, chain[0], key, csr(t, newKey(t), named("10.0.0.1"))); refused == nil || refused.Code != "cert.unknown-ca" {
		t.Errorf("another one on its word: %+v", refused)
	}
	for _, root := range append(h.Roots(), h.Authority.Cert) {
		for _, c := range chain {
			if c.CheckSignatureFrom(root) == nil {
				t.Errorf("%s is under %s", c.Subject, root.Subject)
			}
		}
	}
	card, err := registry.ParseCard(h.card, h.Authority.Cert.PublicKey)
	if err != nil || slices.ContainsFunc(card.CAs(), func(c *x509.Certificate) bool { return c.Equal(p.Root) || c.Equal(p.issuer.Cert) }) {
		t.Errorf("the hub's card names the authority for pages (%v)", err)
	}
}
