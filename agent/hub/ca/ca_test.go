package ca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/identity"
	"tram/agent/problem"
	"tram/storage/keystore"
	"tram/storage/sqlite"
)

func TestInitMakesAHubThatLoadsTheSame(t *testing.T) {
	h := newHub(t)
	again, err := Load(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]Pair{
		"root": {h.Root, again.Root}, "authority": {h.Authority, again.Authority},
		"device": {h.Device(), again.Device()}, "server": {h.Server(), again.Server()},
	} {
		if !pair[0].Cert.Equal(pair[1].Cert) || !pair[0].Key.Equal(pair[1].Key) {
			t.Errorf("%s differs", name)
		}
	}
	if again.Code != "H40" || again.Name != h.Name || again.Age.String() != h.Age.String() || again.Hash() != h.Hash() {
		t.Error("settings differ")
	}
	root := h.Root.Cert
	if !root.IsCA || root.MaxPathLen != 0 || !root.MaxPathLenZero || root.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
		t.Errorf("root: CA %v, path length %d, usage %b", root.IsCA, root.MaxPathLen, root.KeyUsage)
	}
	if root.NotAfter.Sub(start) != RootLife {
		t.Errorf("root lives until %s", root.NotAfter)
	}
	for _, host := range []string{"127.0.0.1", "::1", "localhost", "tram.example.vn"} {
		if err := h.Server().Cert.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	if runtime.GOOS == "windows" {
		return // access lists, not modes
	}
	err = filepath.WalkDir(filepath.Join(h.dir, "keys"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %04o", path, info.Mode().Perm())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestInitAgainChangesNothing(t *testing.T) {
	h := newHub(t)
	same, err := Init(h.dir, Options{Code: "h40", Name: "Other name"})
	if err != nil || same.Hash() != h.Hash() || same.Name != h.Name {
		t.Fatalf("same code: %v", err)
	}
	_, err = Init(h.dir, Options{Code: "H41", Name: "x"})
	wantProblem(t, err, problem.Conflict, "hub.other")
}

func TestInitSaysEverythingThatIsWrong(t *testing.T) {
	dead := func() time.Time { return time.Unix(0, 0) }
	dir := filepath.Join(t.TempDir(), "hub")
	_, err := Init(dir, Options{Code: "H 40", Enroll: []string{"0.0.0.0:8884", "ok:1"}, MQTT: []string{"host"}, Now: dead})
	var list problem.List
	if !errors.As(err, &list) {
		t.Fatal(err)
	}
	var codes []string
	for _, p := range list {
		codes = append(codes, p.Code)
	}
	if want := []string{"office.code", "office.name", "hub.endpoint", "hub.endpoint", "clock.dead"}; !slices.Equal(codes, want) {
		t.Errorf("got %v, want %v", codes, want)
	}
	if Exists(dir) {
		t.Error("a hub was made")
	}
}

func TestLoadExplains(t *testing.T) {
	_, err := Load(t.TempDir())
	wantProblem(t, err, problem.NotEnrolled, "hub.none")
	h := newHub(t)
	key := filepath.Join(h.dir, "keys", "ca.key")
	if runtime.GOOS != "windows" {
		if err := os.Chmod(key, 0o644); err != nil {
			t.Fatal(err)
		}
		_, err = Load(h.dir)
		wantProblem(t, err, problem.Denied, "key.permissions")
		if err := os.Chmod(key, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := keystore.SaveKey(key, newKey(t)); err != nil {
		t.Fatal(err)
	}
	_, err = Load(h.dir)
	wantProblem(t, err, problem.Failed, "identity.damaged")
}

func TestRegisterIsIdempotentAndAudited(t *testing.T) {
	h := newHub(t)
	first := h.card
	for range 3 {
		h.update(t, func(tx *sqlite.Tx) error {
			card, err := h.Register(tx, h.reg)
			if !bytes.Equal(card, first) {
				t.Error("the hub's card changed")
			}
			return err
		})
	}
	if got := h.actions(t)[actionCertificate]; got != 3 {
		t.Errorf("%d certificates in the audit log, want 3", got)
	}
	c, err := h.reg.Lookup("h40")
	if err != nil || !c.Enrolled() || !h.Device().Key.PublicKey.Equal(c.Device) {
		t.Errorf("hub card %+v, %v", c, err)
	}
}

func TestRefreshRenewsAtTwoThirdsAndForNewAddresses(t *testing.T) {
	h := newHub(t)
	check := func(now time.Time, want bool) {
		t.Helper()
		before := h.Server()
		changed, err := h.Refresh(now)
		if err != nil || changed != want {
			t.Fatalf("at %s: changed %v, %v", now, changed, err)
		}
		if !before.Key.Equal(h.Server().Key) {
			t.Error("the key changed")
		}
	}
	check(start, false)
	check(start.Add(ServerLife/2), false)
	if err := h.SetEndpoints([]string{"new.example.vn:8884"}, []string{"[2001:db8::1]:8883"}); err != nil {
		t.Fatal(err)
	}
	check(start, true)
	check(start, false)
	for _, host := range []string{"new.example.vn", "2001:db8::1", "tram.example.vn", "localhost"} {
		if err := h.Server().Cert.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	check(start.Add(ServerLife*3/4), true)
	again, err := Load(h.dir)
	if err != nil || !again.Server().Cert.Equal(h.Server().Cert) || again.Enroll[0] != "new.example.vn:8884" {
		t.Errorf("not stored: %v", err)
	}
	wantProblem(t, h.SetEndpoints([]string{"0.0.0.0:1"}, nil), problem.Usage, "hub.endpoint")
}

func TestP7_RequestsDecideNothingButTheKey(t *testing.T) {
	h := newHub(t)
	made := h.invite(t, InviteOptions{}, "H40.01")
	k := newKeys(t)
	basic, err := asn1.Marshal(struct{ CA bool }{true})
	if err != nil {
		t.Fatal(err)
	}
	evil := func(r *x509.CertificateRequest) {
		r.Subject = pkix.Name{CommonName: "H40", OrganizationalUnit: []string{identity.UnitAuthority}}
		r.DNSNames = []string{"tram.example.vn"}
		r.IPAddresses = []net.IP{net.ParseIP("127.0.0.1")}
		r.URIs = []*url.URL{{Scheme: "urn", Opaque: "H40"}}
		r.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Critical: true, Value: basic}}
	}
	req := request(t, made[0], k)
	req.DeviceCSR, req.SealCSR = csr(t, k.device, evil), csr(t, k.seal, evil)
	if err := req.Prove(h.secret(made[0].ID), h.Hash()); err != nil {
		t.Fatal(err)
	}
	r, err := h.redeem(t, req)
	if err != nil {
		t.Fatal(err)
	}
	for unit, cert := range map[string]*x509.Certificate{identity.UnitDevice: r.Device, identity.UnitSeal: r.Seal} {
		if cert.IsCA || len(cert.DNSNames)+len(cert.IPAddresses)+len(cert.URIs)+len(cert.EmailAddresses) > 0 {
			t.Errorf("%s: taken from the request: %+v", unit, cert)
		}
		if !slices.Equal(cert.Subject.OrganizationalUnit, []string{unit}) || cert.Subject.Organization[0] != h.Name {
			t.Errorf("%s: subject %s", unit, cert.Subject)
		}
		if cert.SerialNumber.BitLen() < 120 || cert.SerialNumber.Sign() <= 0 {
			t.Errorf("%s: serial %x", unit, cert.SerialNumber)
		}
		if !cert.NotBefore.Equal(start.Add(-Backdate)) {
			t.Errorf("%s: not before %s", unit, cert.NotBefore)
		}
		if err := cert.CheckSignatureFrom(h.Root.Cert); err != nil {
			t.Error(err)
		}
	}
	if code, err := identity.DeviceCode(r.Device); err != nil || code != "H40.01" {
		t.Errorf("device code %q, %v", code, err)
	}
	if _, err := identity.DeviceCode(r.Seal); err == nil {
		t.Error("a seal certificate passes as a device certificate")
	}
	if err := identity.CheckAuthority(h.Root.Cert, r.Seal); err == nil {
		t.Error("a seal certificate passes as the authority")
	}
	if s := r.Seal.Subject; s.SerialNumber != "H40.01" || s.CommonName != "UBND xã H40.01" {
		t.Errorf("seal subject %s", s)
	}
	if want := x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment; r.Seal.KeyUsage != want {
		t.Errorf("seal usage %b", r.Seal.KeyUsage)
	}
	if !r.Device.NotAfter.Equal(start.Add(DeviceLife)) || !r.Seal.NotAfter.Equal(start.Add(SealLife)) {
		t.Errorf("lives until %s and %s", r.Device.NotAfter, r.Seal.NotAfter)
	}
}

func TestHostileRequestsAreRefused(t *testing.T) {
	h := newHub(t)
	made := h.invite(t, InviteOptions{}, "H40.01", "H40.02")
	k := newKeys(t)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		weak = nil // this Go refuses to make such a key
	}
	rsa2048, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	broken := csr(t, k.device)
	broken[len(broken)-1] ^= 1
	rsaCSR := csr(t, rsa2048)
	type test struct {
		name         string
		device, seal []byte
	}
	good := csr(t, k.seal)
	tests := []test{
		{"garbage", []byte("garbage"), good},
		{"broken signature", broken, good},
		{"P-384 device", csr(t, p384), good},
		{"P-384 seal", csr(t, k.device), csr(t, p384)},
		{"RSA device", rsaCSR, good},
		{"one key for both", csr(t, k.device), csr(t, k.device)},
	}
	if weak != nil {
		tests = append(tests, test{"weak RSA seal", csr(t, k.device), csr(t, weak)})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := h.redeem(t, request(t, made[0], k, reqWith(tt.device, tt.seal)))
			wantProblem(t, err, problem.BadInvite, "enroll.request")
		})
	}
	// The invite has not suffered, and RSA is good for a seal.
	if _, err := h.redeem(t, request(t, made[0], k, reqWith(csr(t, k.device), csr(t, rsa2048)))); err != nil {
		t.Fatal(err)
	}
	// A cloned machine brings the keys of another office; a thief the hub's.
	_, err = h.redeem(t, request(t, made[1], keys{k.device, newKey(t), k.recipient}))
	wantProblem(t, err, problem.BadInvite, "enroll.shared-key")
	for _, key := range []*ecdsa.PrivateKey{h.Root.Key, h.Authority.Key, h.Device().Key, h.Server().Key} {
		_, err = h.redeem(t, request(t, made[1], keys{newKey(t), key, k.recipient}))
		wantProblem(t, err, problem.BadInvite, "enroll.shared-key")
	}
}

func TestLongNamesFitIntoCertificates(t *testing.T) {
	h := newHub(t)
	cert, err := h.officeSeal("H40.01", strings.Repeat("ế", 200), newKey(t).Public(), start)
	if err != nil {
		t.Fatal(err)
	}
	if n := len([]rune(cert.Subject.CommonName)); n != maxRDN {
		t.Errorf("common name has %d characters", n)
	}
}

// handshake connects both configurations over a pipe and returns what each
// side says.
func handshake(t *testing.T, server, client *tls.Config) (serverErr, clientErr error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		plain, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		defer plain.Close()
		_ = plain.SetDeadline(time.Now().Add(5 * time.Second))
		conn := tls.Server(plain, server)
		if err := conn.Handshake(); err != nil {
			done <- err
			return
		}
		_, err = conn.Write([]byte{1})
		done <- err
	}()
	plain, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	_ = plain.SetDeadline(time.Now().Add(5 * time.Second))
	conn := tls.Client(plain, client)
	if _, clientErr = conn.Read(make([]byte, 1)); clientErr != nil {
		plain.Close()
	}
	return <-done, clientErr
}

func TestP7_BrokerTakesOnlyDeviceCertificates(t *testing.T) {
	h := newHub(t)
	h.now = time.Now() // TLS servers look at the real clock
	made := h.invite(t, InviteOptions{}, "H40.01")
	k := newKeys(t)
	r, err := h.redeem(t, request(t, made[0], k))
	if err != nil {
		t.Fatal(err)
	}
	office := &identity.Identity{Code: "H40.01", Device: k.device, DeviceCert: r.Device, Trust: identity.Trust{CA: h.Root.Cert}}
	withSeal := &identity.Identity{Device: k.seal, DeviceCert: r.Seal, Trust: office.Trust}
	other := newHub(t)
	stranger := &identity.Identity{Device: k.device, DeviceCert: r.Device, Trust: identity.Trust{CA: other.Root.Cert}}
	tests := []struct {
		name   string
		client *tls.Config
		ok     bool
	}{
		{"device certificate", office.TLSFor("127.0.0.1:8883"), true},
		{"by name", office.TLSFor("localhost:8883"), true},
		{"by IPv6 address", office.TLSFor("[::1]:8883"), true},
		{"wrong name", office.TLSFor("elsewhere.example.vn:8883"), false},
		{"seal certificate", withSeal.TLSFor("127.0.0.1:8883"), false},
		{"client that trusts another hub", stranger.TLSFor("127.0.0.1:8883"), false},
		{"no certificate", func() *tls.Config { c := office.TLSFor("127.0.0.1:8883"); c.Certificates = nil; return c }(), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var seen string
			admit := func(code string, _ *x509.Certificate) error { seen = code; return nil }
			serverErr, clientErr := handshake(t, h.BrokerTLS(admit), tt.client)
			if ok := serverErr == nil && clientErr == nil; ok != tt.ok {
				t.Errorf("server %v, client %v", serverErr, clientErr)
			}
			if tt.ok && seen != "H40.01" {
				t.Errorf("admitted %q", seen)
			}
		})
	}
	no := func(string, *x509.Certificate) error { return errors.New("not welcome") }
	if serverErr, _ := handshake(t, h.BrokerTLS(no), office.TLSFor("127.0.0.1:8883")); serverErr == nil {
		t.Error("an office that is not welcome came in")
	}
}

func TestP11_WrongClocksOfOfficesDoNotBreakTLS(t *testing.T) {
	h := newHub(t)
	h.now = time.Now()
	made := h.invite(t, InviteOptions{}, "H40.01")
	k := newKeys(t)
	r, err := h.redeem(t, request(t, made[0], k))
	if err != nil {
		t.Fatal(err)
	}
	// The hub renews its certificate later: it stays valid for such a box.
	if err := h.SetEndpoints([]string{"later.example.vn:1"}, h.MQTT); err != nil {
		t.Fatal(err)
	}
	if changed, err := h.Refresh(h.now.Add(30 * 24 * time.Hour)); err != nil || !changed {
		t.Fatal(changed, err)
	}
	id := &identity.Identity{Code: "H40.01", Device: k.device, DeviceCert: r.Device, Trust: identity.Trust{CA: h.Root.Cert}}
	for _, clock := range []time.Time{time.Unix(0, 0), time.Now(), time.Now().AddDate(70, 0, 0)} {
		cfg := id.TLSFor("127.0.0.1:8883")
		cfg.Time = func() time.Time { return id.Now(clock) }
		if serverErr, clientErr := handshake(t, h.BrokerTLS(nil), cfg); serverErr != nil || clientErr != nil {
			t.Errorf("clock at %s: server %v, client %v", clock, serverErr, clientErr)
		}
	}
}
