package enroll

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tram/agent/enroll/invite"
	"tram/agent/hub/ca"
	"tram/agent/identity"
	"tram/agent/problem"
)

// tap records what a client sends, in the clear where TLS ends at the tap.
type tap struct {
	mu   sync.Mutex
	seen []byte
}

func (s *tap) add(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, p...)
}

// impostor is a TLS server that records every byte of application data.
func impostor(t *testing.T, cfg *tls.Config) (addr string, s *tap) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s = &tap{}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			plain, err := l.Accept()
			if err != nil {
				return
			}
			_ = plain.SetDeadline(time.Now().Add(5 * time.Second))
			conn := tls.Server(plain, cfg)
			data, _ := io.ReadAll(conn)
			s.add(data)
			_ = plain.Close()
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return l.Addr().String(), s
}

// selfMade makes a CA named like the real one with a server certificate.
func selfMade(t *testing.T, like *x509.Certificate) (chain [][]byte, key *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{SerialNumber: like.SerialNumber, Subject: like.Subject, NotBefore: like.NotBefore, NotAfter: like.NotAfter,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: like.NotBefore, NotAfter: like.NotAfter,
		Subject:     pkix.Name{CommonName: "server", OrganizationalUnit: []string{identity.UnitServer}},
		IPAddresses: []net.IP{net.ParseIP("127.0.0.1")}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return [][]byte{leafDER, rootDER}, key
}

func TestP7_ImpostorSeesNeitherSecretNorProof(t *testing.T) {
	h := newHub(t, "H40")
	file := h.invite(t, ca.InviteOptions{}, "H40.01")[0]
	chain, key := selfMade(t, h.Root.Cert)
	// Another office of the same hub has certificates of the right CA.
	other := t.TempDir()
	if _, err := Enroll(t.Context(), Options{Dir: other, Invite: h.invite(t, ca.InviteOptions{}, "H40.66")[0]}); err != nil {
		t.Fatal(err)
	}
	office, err := identity.Load(other)
	if err != nil {
		t.Fatal(err)
	}
	root := h.Root.Cert.Raw
	tests := []struct {
		name string
		cert tls.Certificate
		code string
	}{
		{"own CA of the same name", tls.Certificate{Certificate: chain, PrivateKey: key}, "enroll.ca-mismatch"},
		{"own CA, real one behind", tls.Certificate{Certificate: [][]byte{chain[0], root}, PrivateKey: key}, "enroll.server-broken-chain"},
		{"self-made CA as leaf", tls.Certificate{Certificate: [][]byte{chain[1]}, PrivateKey: key}, "enroll.server-self-signed"},
		{"device certificate of an office", tls.Certificate{Certificate: [][]byte{office.DeviceCert.Raw, root}, PrivateKey: office.Device}, "enroll.server-usage"},
		{"seal certificate of an office", tls.Certificate{Certificate: [][]byte{office.SealCert.Raw, root}, PrivateKey: office.Seal}, "enroll.server-usage"},
		{"server certificate without the CA", tls.Certificate{Certificate: [][]byte{h.Server().Cert.Raw}, PrivateKey: h.Server().Key}, "enroll.ca-mismatch"},
		{"real certificate, wrong key order", tls.Certificate{Certificate: [][]byte{root, h.Server().Cert.Raw}, PrivateKey: h.Root.Key}, "enroll.ca-mismatch"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr, seen := impostor(t, &tls.Config{Certificates: []tls.Certificate{tt.cert}})
			dir := t.TempDir()
			r, err := Enroll(t.Context(), Options{Dir: dir, Invite: file, Dial: to(addr)})
			wantProblem(t, err, problem.BadInvite, tt.code)
			if r.State != Pending {
				t.Errorf("state %s: the invite is lost", r.State)
			}
			seen.mu.Lock()
			defer seen.mu.Unlock()
			if len(seen.seen) > 0 {
				t.Errorf("the impostor read %d bytes: %.100q", len(seen.seen), seen.seen)
			}
		})
	}
}

// The tap above does see a client that skips the check; and even such a client
// does not send the secret itself.
func TestTheSecretNeverTravels(t *testing.T) {
	h := newHub(t, "H40")
	file := h.invite(t, ca.InviteOptions{}, "H40.01")[0]
	inv, err := ReadInvite(file)
	if err != nil {
		t.Fatal(err)
	}
	chain, key := selfMade(t, h.Root.Cert)
	addr, seen := impostor(t, &tls.Config{Certificates: []tls.Certificate{{Certificate: chain, PrivateKey: key}}})
	plain, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	b, err := prepare(t.TempDir(), inv, mustRead(t, file), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	req, err := b.request(inv, time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := req.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Write(body); err != nil {
		t.Fatal(err)
	}
	_ = plain.Close()
	deadline := time.Now().Add(5 * time.Second)
	for {
		seen.mu.Lock()
		got := slices.Clone(seen.seen)
		seen.mu.Unlock()
		if bytes.Contains(got, []byte("proof")) {
			if bytes.Contains(got, inv.Secret[:]) || bytes.Contains(got, []byte(hex.EncodeToString(inv.Secret[:]))) {
				t.Error("the secret travels")
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the tap does not work")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestP7_InviteSignedByAnOfficeLeadsNowhere(t *testing.T) {
	h := newHub(t, "H40")
	dir := t.TempDir()
	file := h.invite(t, ca.InviteOptions{}, "H40.66")[0]
	inv, err := ReadInvite(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Enroll(t.Context(), Options{Dir: dir, Invite: file}); err != nil {
		t.Fatal(err)
	}
	office, err := identity.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	forged := *inv
	forged.Code, forged.Authority = "H40.01", office.SealCert
	raw, err := invite.Sign(&forged, office.Seal.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Enroll(t.Context(), Options{Dir: t.TempDir(), Invite: write(t, "x.moi", raw)})
	wantProblem(t, err, problem.BadInvite, "enroll.server-authority")
}

func TestAnswersThatDoNotVerifyAreNotUsed(t *testing.T) {
	h, other := newHub(t, "H40"), newHub(t, "H40")
	file := h.invite(t, ca.InviteOptions{}, "H40.01")[0]
	real := h.handler
	// answer lets change the hub's true answer before it is signed again.
	answer := func(change func(*invite.Answer), key *ecdsa.PrivateKey) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			real.ServeHTTP(rec, r)
			var reply invite.Reply
			if err := json.Unmarshal(rec.Body.Bytes(), &reply); err != nil {
				t.Error(err)
				return
			}
			a, err := invite.ParseAnswer(reply.Answer, h.Authority.Key.Public())
			if err != nil {
				t.Error(err)
				return
			}
			change(a)
			if reply.Answer, err = a.Sign(key); err != nil {
				t.Error(err)
				return
			}
			if err := json.NewEncoder(w).Encode(reply); err != nil {
				t.Error(err)
			}
		})
	}
	second := t.TempDir()
	if _, err := Enroll(t.Context(), Options{Dir: second, Invite: h.invite(t, ca.InviteOptions{}, "H40.02")[0]}); err != nil {
		t.Fatal(err)
	}
	o2, err := identity.Load(second)
	if err != nil {
		t.Fatal(err)
	}
	none := func(*invite.Answer) {}
	tests := map[string]http.Handler{
		"signed by another hub":      answer(none, other.Authority.Key),
		"signed by the device key":   answer(none, h.Device().Key),
		"other invite":               answer(func(a *invite.Answer) { a.Invite[0] ^= 1 }, h.Authority.Key),
		"other request":              answer(func(a *invite.Answer) { a.Transcript[0] ^= 1 }, h.Authority.Key),
		"other device certificate":   answer(func(a *invite.Answer) { a.Device = o2.DeviceCert }, h.Authority.Key),
		"other seal certificate":     answer(func(a *invite.Answer) { a.Seal = o2.SealCert }, h.Authority.Key),
		"certificates exchanged":     answer(func(a *invite.Answer) { a.Device, a.Seal = a.Seal, a.Device }, h.Authority.Key),
		"other CA":                   answer(func(a *invite.Answer) { a.CA = other.Root.Cert }, h.Authority.Key),
		"other authority":            answer(func(a *invite.Answer) { a.Authority = o2.SealCert }, h.Authority.Key),
		"card of another office":     answer(func(a *invite.Answer) { a.Card = o2.Card }, h.Authority.Key),
		"no card":                    answer(func(a *invite.Answer) { a.Card = nil }, h.Authority.Key),
		"forged card in the list":    answer(func(a *invite.Answer) { a.Cards = append(a.Cards, []byte("x")) }, h.Authority.Key),
		"other hub":                  answer(func(a *invite.Answer) { a.Hub = "H99" }, h.Authority.Key),
		"no endpoint":                answer(func(a *invite.Answer) { a.MQTT = nil }, h.Authority.Key),
		"text instead of an answer":  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }),
		"JSON without an answer":     http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }),
		"redirect":                   http.RedirectHandler("https://example.vn/", http.StatusTemporaryRedirect),
		"answer larger than allowed": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 2*invite.MaxAnswer)) }),
		"refusal with an unknown code": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"version":1,"refusal":{"code":"made.up","text":"x\u001b[2J"}}`)
		}),
	}
	dir := t.TempDir()
	for name, handler := range tests {
		t.Run(name, func(t *testing.T) {
			h.handler = handler
			r, err := Enroll(t.Context(), Options{Dir: dir, Invite: file})
			if err == nil || r.State != Pending {
				t.Errorf("%+v, %v", r, err)
			}
			if p := problem.From(err); p.Code != "enroll.answer" && p.Code != "enroll.refused" {
				t.Errorf("problem %v", p)
			}
			if strings.Contains(problem.From(err).Message("vi"), "\x1b") {
				t.Error("control characters reach the terminal")
			}
			if identity.Exists(dir) {
				t.Fatal("an identity was made")
			}
		})
	}
	h.handler = real
	if r, err := Enroll(t.Context(), Options{Dir: dir, Invite: file}); err != nil || r.State != Enrolled {
		t.Errorf("after all that: %+v, %v", r, err)
	}
}
