package ca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"encoding/pem"

	"tram/agent/enroll/invite"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/sqlite"
)

// enrolled takes an office in.
func (h *hub) enrolled(t testing.TB, code string) (keys, *Redeemed) {
	t.Helper()
	k := newKeys(t)
	r, err := h.redeem(t, request(t, h.invite(t, InviteOptions{}, code)[0], k))
	if err != nil {
		t.Fatal(err)
	}
	return k, r
}

// renewal is a signed request.
func renewal(t testing.TB, cert *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	raw, err := (&invite.Renewal{Certificate: cert, Time: start}).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// renew asks the enrolment service and returns the problem it refuses with.
func (h *hub) renew(t testing.TB, raw []byte) (*invite.Answer, *invite.Refusal) {
	t.Helper()
	w := httptest.NewRecorder()
	h.handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, invite.RenewPath, bytes.NewReader(raw)))
	var reply invite.Reply
	if err := json.Unmarshal(w.Body.Bytes(), &reply); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	if reply.Refusal != nil {
		return nil, reply.Refusal
	}
	a, err := invite.ParseRenewed(reply.Answer, h.Authority.Cert.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return a, nil
}

// made issues a certificate by hand.
func made(t testing.TB, template, parent *x509.Certificate, pub *ecdsa.PublicKey, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// TestP7_EachBadCertificateHasItsOwnMessage shows the enrolment service one
// certificate of each kind, with a proof of its key.
func TestP7_EachBadCertificateHasItsOwnMessage(t *testing.T) {
	h := newHub(t)
	k, r := h.enrolled(t, "H40.01")
	_, other := h.enrolled(t, "H40.02")
	key := k.device.(*ecdsa.PrivateKey)
	foreign := newHub(t)
	lost, gone := h.enrolled(t, "H40.03")
	h.update(t, func(tx *sqlite.Tx) error {
		_, err := h.Revoke(tx, h.reg, "H40.03", ReasonLost, "it")
		return err
	})
	replaced, old := h.enrolled(t, "H40.04")
	h.update(t, func(tx *sqlite.Tx) error {
		_, err := h.Replace(tx, h.reg, "H40.04", InviteOptions{})
		return err
	})
	office := func(from, to time.Time) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(77), Subject: h.DeviceSubject("H40.01"), NotBefore: from, NotAfter: to,
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	}
	valid := office(start.Add(-time.Hour), start.Add(time.Hour))
	stranger, chained := newKey(t), newKey(t)
	middle := made(t, &x509.Certificate{SerialNumber: big.NewInt(9), Subject: pkix.Name{CommonName: "Middle"}, NotBefore: start.Add(-time.Hour),
		NotAfter: start.Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, foreign.Root.Cert, &chained.PublicKey, foreign.Root.Key)
	unknownRoot := *foreign.Root.Cert
	unknownRoot.RawSubject, unknownRoot.Subject = nil, pkix.Name{CommonName: "Tram CA X99"}
	stolen := valid
	tests := []struct {
		name string
		cert *x509.Certificate
		key  *ecdsa.PrivateKey
		want string
	}{
		{"good", r.Device, key, ""},
		{"revoked", gone.Device, lost.device.(*ecdsa.PrivateKey), "cert.revoked"},
		{"replaced", old.Device, replaced.device.(*ecdsa.PrivateKey), "cert.replaced"},
		{"expired within the grace", made(t, office(start.Add(-99*time.Hour), start.Add(-DefaultGrace+time.Minute)), h.Root.Cert, &key.PublicKey, h.Root.Key), key, ""},
		{"expired", made(t, office(start.AddDate(-3, 0, 0), start.Add(-DefaultGrace-time.Minute)), h.Root.Cert, &key.PublicKey, h.Root.Key), key, "cert.expired"},
		{"not yet valid", made(t, office(start.Add(time.Hour), start.Add(2*time.Hour)), h.Root.Cert, &key.PublicKey, h.Root.Key), key, "cert.not-yet"},
		{"key of another office", made(t, stolen, h.Root.Cert, other.Device.PublicKey.(*ecdsa.PublicKey), h.Root.Key), nil, "cert.proof"},
		{"office of another key", made(t, office(valid.NotBefore, valid.NotAfter), h.Root.Cert, &stranger.PublicKey, h.Root.Key), stranger, "cert.other-key"},
		{"wrong usage: seal", r.Seal, k.seal.(*ecdsa.PrivateKey), "cert.usage"},
		{"wrong usage: server", h.Server().Cert, h.Server().Key, "cert.usage"},
		{"unknown CA", made(t, valid, &unknownRoot, &key.PublicKey, foreign.Root.Key), key, "cert.unknown-ca"},
		{"broken chain: another CA of the same name", made(t, valid, foreign.Root.Cert, &key.PublicKey, foreign.Root.Key), key, "cert.broken-chain"},
		{"chain over a CA in the middle", made(t, valid, middle, &key.PublicKey, chained), key, "cert.unknown-ca"},
		{"self-signed", made(t, valid, valid, &key.PublicKey, key), key, "cert.self-signed"},
	}
	said := map[string]string{}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.key == nil {
				tt.key = key // that of somebody else
			}
			raw := renewal(t, tt.cert, tt.key)
			if tt.want == "" {
				if a, no := h.renew(t, raw); no != nil || !a.Device.PublicKey.(*ecdsa.PublicKey).Equal(&key.PublicKey) {
					t.Errorf("refused: %+v", no)
				}
				return
			}
			_, no := h.renew(t, raw)
			if no == nil || no.Code != tt.want {
				t.Fatalf("got %+v, want %s", no, tt.want)
			}
			if first, again := said[no.Text]; again && first != tt.want {
				t.Errorf("%q is said of %s, too", no.Text, first)
			}
			said[no.Text] = tt.want
			args := i18n.Args{}
			for k, v := range no.Args {
				args[k] = v
			}
			for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
				p := problem.New(problem.Denied, no.Code, "", args)
				if text := p.Message(lang) + p.Next(lang); strings.Contains(text, "{") {
					t.Errorf("left with placeholders: %s", text)
				}
			}
		})
	}
}

// TestAKeyIsHeldByOneOffice: a certificate that names one office for the key of
// another, which only a CA gone wrong would issue.
func TestAKeyIsHeldByOneOffice(t *testing.T) {
	h := newHub(t)
	k, _ := h.enrolled(t, "H40.01")
	key := k.device.(*ecdsa.PrivateKey)
	wrong := made(t, &x509.Certificate{SerialNumber: big.NewInt(77), Subject: h.DeviceSubject("H40.02"), NotBefore: start, NotAfter: start.Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, h.Root.Cert, &key.PublicKey, h.Root.Key)
	if _, no := h.renew(t, renewal(t, wrong, key)); no == nil || no.Code != "cert.other-office" {
		t.Errorf("got %+v", no)
	}
}

func TestRenewalGivesTheSameAgainAndStopsAtTheGrace(t *testing.T) {
	h := newHub(t)
	k, r := h.enrolled(t, "H40.01")
	key := k.device.(*ecdsa.PrivateKey)
	raw := renewal(t, r.Device, key)
	h.now = start.Add(DeviceLife * 2 / 3)
	first, _ := h.renew(t, raw)
	second, _ := h.renew(t, raw)
	if first == nil || second == nil || !first.Device.Equal(second.Device) || first.Device.Equal(r.Device) || !first.Device.NotAfter.After(r.Device.NotAfter) {
		t.Errorf("renewed %v, then %v", first, second)
	}
	if !first.Seal.PublicKey.(*ecdsa.PublicKey).Equal(k.seal.Public()) || first.Transcript != second.Transcript {
		t.Error("another seal key, or another request")
	}
	card, err := h.reg.Lookup("H40.01")
	if err != nil || !card.Device.(*ecdsa.PublicKey).Equal(&key.PublicKey) {
		t.Errorf("%+v, %v", card, err)
	}
	serial := card.Serial
	h.now = r.Device.NotAfter.Add(DefaultGrace)
	if _, no := h.renew(t, raw); no != nil {
		t.Errorf("within the grace: %+v", no)
	}
	h.now = r.Device.NotAfter.Add(DefaultGrace + time.Second)
	if _, no := h.renew(t, raw); no == nil || no.Code != "cert.expired" {
		t.Errorf("after the grace: %+v", no)
	}
	h.now = r.Device.NotAfter.Add(time.Second)
	h.Policy.Grace = -1
	if _, no := h.renew(t, raw); no == nil || no.Code != "cert.expired" {
		t.Errorf("without a grace: %+v", no)
	}
	if card, err := h.reg.Lookup("H40.01"); err != nil || card.Serial != serial {
		t.Errorf("a renewal made everybody a new card: %+v, %v", card, err)
	}
}

// TestRestoredHubRenewsByWhatTheOfficeShows: a backup holds no certificates.
func TestRestoredHubRenewsByWhatTheOfficeShows(t *testing.T) {
	h := newHub(t)
	k, r := h.enrolled(t, "H40.01")
	h.update(t, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`DELETE FROM certificates`)
		return err
	})
	raw, err := (&invite.Renewal{Certificate: r.Device, Seal: r.Seal, Time: start}).Sign(k.device)
	if err != nil {
		t.Fatal(err)
	}
	if a, no := h.renew(t, raw); no != nil || !a.Seal.PublicKey.(*ecdsa.PublicKey).Equal(k.seal.Public()) {
		t.Errorf("refused: %+v", no)
	}
	h.update(t, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`DELETE FROM certificates`)
		return err
	})
	_, other := h.enrolled(t, "H40.02")
	for name, seal := range map[string]*x509.Certificate{"none": nil, "of another office": other.Seal, "a device's": r.Device} {
		raw, err := (&invite.Renewal{Certificate: r.Device, Seal: seal, Time: start}).Sign(k.device)
		if err != nil {
			t.Fatal(err)
		}
		if _, no := h.renew(t, raw); no == nil || no.Code != "cert.no-seal" {
			t.Errorf("seal certificate %s: %+v", name, no)
		}
	}
}

// TestRevocationsOutliveTheStoreAndOpenSSLReadsTheList raises the hub on a new
// store, as from a backup.
func TestRevocationsOutliveTheStoreAndOpenSSLReadsTheList(t *testing.T) {
	h := newHub(t)
	_, good := h.enrolled(t, "H40.01")
	lost, bad := h.enrolled(t, "H40.02")
	h.update(t, func(tx *sqlite.Tx) error {
		_, err := h.Revoke(tx, h.reg, "H40.02", ReasonLost, "it")
		return err
	})
	again, err := Load(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	h.CA = again
	h.openStore(t)
	if _, revoked := h.Revoked(bad.Device); !revoked || !h.SerialRevoked(bad.Seal.SerialNumber) {
		t.Error("the revocation is lost")
	}
	if _, revoked := h.Revoked(good.Device); revoked {
		t.Error("another office is revoked")
	}
	m := h.invite(t, InviteOptions{}, "H40.02")
	_, err = h.redeem(t, request(t, m[0], lost))
	wantProblem(t, err, problem.BadInvite, "enroll.key-revoked")

	lists, err := h.CRLs(time.Now())
	if err != nil || len(lists) != 1 {
		t.Fatalf("%d lists, %v", len(lists), err)
	}
	der := lists[0]
	list, err := x509.ParseRevocationList(der)
	if err != nil || list.CheckSignatureFrom(h.Root.Cert) != nil || len(list.RevokedCertificateEntries) != 2 ||
		list.RevokedCertificateEntries[0].ReasonCode != 1 || !list.NextUpdate.After(time.Now().Add(CRLLife-time.Minute)) {
		t.Errorf("%+v, %v", list, err)
	}
	later, err := h.CRLs(time.Now().Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if l, err := x509.ParseRevocationList(later[0]); err != nil || l.Number.Cmp(list.Number) <= 0 {
		t.Errorf("number %v after %v, %v", l.Number, list.Number, err)
	}
	dir := t.TempDir()
	save := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	root, crl := save("ca.pem", "CERTIFICATE", h.Root.Cert.Raw), save("crl.pem", "X509 CRL", der)
	for cert, want := range map[string]string{save("good.pem", "CERTIFICATE", good.Device.Raw): "OK", save("bad.pem", "CERTIFICATE", bad.Device.Raw): "certificate revoked"} {
		out, _ := exec.Command("openssl", "verify", "-crl_check", "-no_check_time", "-CAfile", root, "-CRLfile", crl, cert).CombinedOutput()
		if !strings.Contains(string(out), want) {
			t.Errorf("openssl says %s, want %s", out, want)
		}
	}
}

// TestEachRevocationDatesTheListLater makes lists within one second: OpenSSL goes
// by the one that is dated later, and by the first of two that are dated alike.
func TestEachRevocationDatesTheListLater(t *testing.T) {
	h := newHub(t)
	now := time.Now()
	var before time.Time
	for i := range 3 {
		code := fmt.Sprintf("H40.0%d", i+1)
		h.enrolled(t, code)
		lists, err := h.CRLs(now)
		if err != nil {
			t.Fatal(err)
		}
		list, err := x509.ParseRevocationList(lists[0])
		if err != nil || !list.ThisUpdate.After(before) || list.ThisUpdate.After(now.Add(-time.Hour)) {
			t.Errorf("list %d is of %v after %v (error %v)", i, list.ThisUpdate, before, err)
		}
		before = list.ThisUpdate
		h.update(t, func(tx *sqlite.Tx) error {
			_, err := h.Revoke(tx, h.reg, code, ReasonLost, "it")
			return err
		})
	}
	h.remember(slices.Repeat(h.Revocations(), 50_000)) // of many years
	lists, err := h.CRLs(now)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := x509.ParseRevocationList(lists[0]); err != nil || list.ThisUpdate.After(now) {
		t.Errorf("a long list is of %v, in the future (error %v)", list.ThisUpdate, err)
	}
}

// TestWaitingRoomAdmitsOnlyWhomAPersonAdmits walks through each oddity.
func TestWaitingRoomAdmitsOnlyWhomAPersonAdmits(t *testing.T) {
	for _, tt := range []struct {
		why WaitReason
		set func(h *hub) Made
	}{
		{WaitUsed, func(h *hub) Made {
			m := h.invite(t, InviteOptions{}, "H40.01")[0]
			if _, err := h.redeem(t, request(t, m, newKeys(t))); err != nil {
				t.Fatal(err)
			}
			return m
		}},
		{WaitExpired, func(h *hub) Made {
			m := h.invite(t, InviteOptions{TTL: time.Hour}, "H40.01")[0]
			h.now = start.Add(2 * time.Hour)
			return m
		}},
		{WaitActive, func(h *hub) Made {
			h.enrolled(t, "H40.01")
			return h.invite(t, InviteOptions{New: true}, "H40.01")[0]
		}},
	} {
		t.Run(string(tt.why), func(t *testing.T) {
			h := newHub(t)
			m := tt.set(h)
			before, err := h.reg.Lookup("H40.01")
			if err != nil {
				t.Fatal(err)
			}
			k, unlucky := newKeys(t), newKeys(t)
			for range 2 {
				if r, err := h.redeem(t, request(t, m, k)); err != nil || r.Waiting == nil || r.Waiting.Code != "waiting."+string(tt.why) || r.Device != nil {
					t.Fatalf("%+v, %v", r, err)
				}
			}
			if r, err := h.redeem(t, request(t, m, unlucky)); err != nil || r.Waiting == nil {
				t.Fatalf("%+v, %v", r, err)
			}
			room, err := ListWaiting(t.Context(), h.db, false)
			if err != nil || len(room) != 2 || room[0].Reason != tt.why || room[0].Tries != 2 {
				t.Fatalf("%+v, %v", room, err)
			}
			h.update(t, func(tx *sqlite.Tx) error {
				_, err := Decide(tx, room[1].ID, Refused, "it")
				return err
			})
			_, err = h.redeem(t, request(t, m, unlucky))
			wantProblem(t, err, problem.BadInvite, "enroll.turned-away")
			if card, err := h.reg.Lookup("H40.01"); err != nil || card.Serial != before.Serial {
				t.Errorf("waiting changed the card: %+v, %v", card, err)
			}
			h.update(t, func(tx *sqlite.Tx) error {
				_, err := Decide(tx, room[0].ID, Admitted, "it")
				return err
			})
			r, err := h.redeem(t, request(t, m, k))
			if err != nil || r.Device == nil {
				t.Fatalf("%+v, %v", r, err)
			}
			if again, err := h.redeem(t, request(t, m, k)); err != nil || !again.Again || !again.Device.Equal(r.Device) {
				t.Errorf("a lost answer: %+v, %v", again, err)
			}
			if old, ok := before.Device.(*ecdsa.PublicKey); ok && old != nil {
				if gone, err := h.keyRevoked(old); err != nil || !gone {
					t.Errorf("the former box is still believed (error %v)", err)
				}
			}
			if p := h.Judge(r.Device, h.now, 0); p != nil {
				t.Error(p)
			}
		})
	}
}
