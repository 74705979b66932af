package ca

import (
	"crypto/sha256"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tram/agent/identity"
	"tram/agent/seal"
	"tram/agent/tsa"
	"tram/storage/sqlite"
)

func (h *hub) witness(t *testing.T, now time.Time) Witness {
	t.Helper()
	w, err := h.Witness(now)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestTheHubSealsAndStampsUnderItsOwnCA(t *testing.T) {
	h := newHub(t)
	w := h.witness(t, start)
	roots := x509.NewCertPool()
	roots.AddCert(h.Root.Cert)
	clock := func() time.Time { return start }
	head, err := seal.Sealer{Key: w.Seal.Key, Cert: w.Seal.Cert, Now: clock}.Seal(seal.Named{Name: seal.EvidenceName("H40", "1"), Data: []byte("{}")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := seal.OpenHead(head, roots, start); err != nil || opened.Verdict.Result != seal.Passed || opened.Verdict.Code != "H40" {
		t.Errorf("seal of the hub: %+v, %v", opened.Verdict, err)
	}
	sum := tsa.SHA256(sha256.Sum256([]byte("x")))
	der, err := tsa.Authority{
		Key: w.Stamp.Key, Cert: w.Stamp.Cert, Policy: tsa.ReservePolicy, Now: func() (time.Time, bool) { return start, true },
	}.Stamp(tsa.Request{Imprint: sum, Certificates: true})
	if err != nil {
		t.Fatal(err)
	}
	token, err := tsa.ParseToken(der)
	if err != nil {
		t.Fatal(err)
	}
	if err := token.Verify(sum, tsa.Anchors{Roots: roots, Now: start}); err != nil || !token.Reserve() {
		t.Errorf("time stamp of the hub: %v, reserve %v", err, token.Reserve())
	}
	if cn := token.Cert.Subject.CommonName; cn != "Dấu thời gian dự phòng của trạm H40" {
		t.Errorf("the authority of last resort is named %q", cn)
	}
	if err := h.db.Update(t.Context(), func(tx *sqlite.Tx) error { return w.Register(tx, h.CA) }); err != nil {
		t.Error(err)
	}
}

func TestWitnessKeysStayAndAreMadeAnewWhenTheyAreGone(t *testing.T) {
	h := newHub(t)
	first, again := h.witness(t, start), h.witness(t, start.AddDate(1, 0, 0))
	if !first.Seal.Cert.Equal(again.Seal.Cert) || !first.Stamp.Cert.Equal(again.Stamp.Cert) {
		t.Error("the second start has other certificates")
	}
	late := h.witness(t, start.AddDate(8, 0, 0))
	if late.Seal.Cert.Equal(first.Seal.Cert) || !late.Seal.Key.Equal(first.Seal.Key) {
		t.Error("the certificate was not renewed for the same key")
	}
	if err := os.Remove(filepath.Join(h.dir, identity.Folder, "tsa.crt")); err != nil {
		t.Fatal(err)
	}
	if fresh := h.witness(t, start); fresh.Stamp.Key.Equal(first.Stamp.Key) {
		t.Error("a pair that is half there was used")
	}
	if err := os.WriteFile(filepath.Join(h.dir, identity.Folder, "tsa.crt"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Witness(start); err == nil || !strings.Contains(err.Error(), "time stamp key") {
		t.Errorf("a damaged certificate: %v", err)
	}
}
