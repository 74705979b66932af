package office

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"tram/agent/docsign"
	"tram/agent/trust"
)

// caServer is the server of an authority's list.
type caServer struct {
	*httptest.Server
	list  atomic.Pointer[[]byte]
	asked atomic.Int32
}

func startCA(t *testing.T) *caServer {
	s := &caServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.asked.Add(1)
		if list := s.list.Load(); list != nil {
			_, _ = w.Write(*list)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(s.Close)
	return s
}

// TestALineThatComesUpBringsTheListThatAVerdictWaitsFor: documents come in
// without a line and are accepted; once there is one, the list that their
// certificates name is fetched, and their verdicts are added to those that stood
// at the acceptance.
func TestALineThatComesUpBringsTheListThatAVerdictWaitsFor(t *testing.T) {
	w := newWorld(t, "H40.12", "H40.15")
	w.ca = w.issueLister()
	a, b := w.offices["H40.12"], w.offices["H40.15"]
	ca := startCA(t)
	naming := func(name string) pair {
		p := w.issue(w.ca, pkix.Name{CommonName: name}, false)
		template := *p.cert
		template.CRLDistributionPoints = []string{ca.URL + "/pub/ca.crl"}
		return pair{p.key, must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, &template, w.ca.cert, &p.key.PublicKey, w.ca.key))))}
	}
	revoked, good := naming("Nguyễn Văn A"), naming("Trần Thị B")
	anchors := filepath.Join(b.dir, "anchors.pem")
	if err := os.WriteFile(anchors, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.ca.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	var online atomic.Bool
	open := func() (s *trust.Store, stop func()) {
		s = trust.New(trust.Options{Anchors: anchors, Fetched: filepath.Join(b.dir, "fetched"), Online: online.Load, Now: func() time.Time { return w.clock }})
		b.trust = s
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		return s, func() { cancel(); <-ended }
	}
	store, stop := open()
	first := w.receive(a, b, Upload{Name: "a.p7m", Body: bytes.NewReader(signed(revoked, "x"))}, Upload{Name: "b.p7m", Body: bytes.NewReader(signed(good, "y"))})
	if got := verdicts(first.Checks); got != "later later" || ca.asked.Load() != 0 {
		t.Fatalf("without a line: %s after %d requests", got, ca.asked.Load())
	}
	if _, err := b.Accept(t.Context(), first.ID, "vanthu"); err != nil {
		t.Fatal(err)
	}
	list := must(x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(2), ThisUpdate: w.clock.Add(-time.Hour), NextUpdate: w.clock.AddDate(0, 0, 7),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: revoked.cert.SerialNumber, RevocationTime: w.clock.AddDate(0, 0, -2), ReasonCode: 1}},
	}, w.ca.cert, w.ca.key))
	ca.list.Store(&list)
	again := func() string {
		t.Helper()
		if err := b.checkDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		return verdicts(must(b.Checks(t.Context(), first.ID)))
	}
	if got := again(); got != "later* later*" {
		t.Errorf("still without a line: %s", got)
	}
	online.Store(true)
	store.Retry()
	for deadline := time.Now().Add(20 * time.Second); again() != "later* later* doubtful passed"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("with a line: %s after %d requests", again(), ca.asked.Load())
		}
	}
	checks := b.get(first.ID).Checks
	if s := checks[0].Report.Signatures[0]; s.SubIndication != docsign.RevokedNoPOE || checks[0].Cause != CauseAgain || checks[0].Frozen {
		t.Errorf("the revoked one: %+v", checks[0])
	}
	known := checks[1].Report.Signatures[0].Revocation[0]
	if known.Origin != ca.URL+"/pub/ca.crl" || !known.Issued.Equal(w.clock.Add(-time.Hour).Truncate(time.Second)) {
		t.Errorf("the verdict rests on %+v", known)
	}
	if body, err := b.Evidence(t.Context(), known.SHA256); err != nil {
		t.Errorf("the list is not kept with the verdict: %v", err)
	} else {
		body.Close()
	}

	// It serves later documents, without a line and after a restart.
	online.Store(false)
	asked := ca.asked.Load()
	stop()
	_, stop = open()
	defer stop()
	w.clock = w.clock.AddDate(0, 0, 3)
	later := w.receive(a, b, Upload{Name: "c.p7m", Body: bytes.NewReader(signed(good, "z"))})
	if got := verdicts(later.Checks); got != "passed" || ca.asked.Load() != asked {
		t.Errorf("the next document: %s after %d requests more", got, ca.asked.Load()-asked)
	}
	w.clock = w.clock.AddDate(0, 0, 5)
	stale := w.receive(a, b, Upload{Name: "d.p7m", Body: bytes.NewReader(signed(good, "z"))})
	if got := stale.Checks[0].Report; got.SubIndication != docsign.TryLater || got.Reason.Code != "revocation-stale" {
		t.Errorf("after the list has run out: %+v", got.Outcome)
	}
	w.audited()
}

// TestP8_AcceptingDoesNotWaitForAnAuthority that does not answer.
func TestP8_AcceptingDoesNotWaitForAnAuthority(t *testing.T) {
	w, a, b, trust, signer := trustWorld(t)
	stuck := &stuckSource{}
	trust.source = stuck
	d := draft(b.id.Code)
	d.Files = []Upload{{Name: "a.p7m", Body: bytes.NewReader(signed(signer, "x"))}}
	sent := a.send(d)
	w.deliver()
	begin := time.Now()
	if _, err := b.Accept(t.Context(), sent.ID, "vanthu"); err != nil {
		t.Fatal(err)
	}
	if waited := time.Since(begin); waited > checkPatience/2 || stuck.asked.Load() == 0 {
		t.Errorf("it took %v, asked %d times", waited, stuck.asked.Load())
	}
}

// stuckSource answers when it is given up.
type stuckSource struct{ asked atomic.Int32 }

func (s *stuckSource) Lookup(ctx context.Context, _, _ *x509.Certificate) ([]docsign.Evidence, error) {
	s.asked.Add(1)
	<-ctx.Done()
	return nil, ctx.Err()
}
