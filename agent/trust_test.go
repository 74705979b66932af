package agent_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"

	"tram/agent/api"
	"tram/agent/config"
	"tram/agent/docsign"
	"tram/agent/office"
	"tram/agent/trust"
)

// signingCA is an authority with a server of its list, and a file signed under it.
type signingCA struct {
	*httptest.Server
	asked atomic.Int32
	root  []byte // PEM
	file  []byte // CMS with its content inside
}

func startSigningCA(t *testing.T) *signingCA {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	ca := &signingCA{}
	var list []byte
	ca.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		ca.asked.Add(1)
		_, _ = w.Write(list)
	}))
	t.Cleanup(ca.Close)
	issue := func(c, by *x509.Certificate, key *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		if by == nil {
			by, key = c, own
		}
		c.NotBefore, c.NotAfter, c.BasicConstraintsValid = time.Now().AddDate(0, -1, 0), time.Now().AddDate(1, 0, 0), true
		der, err := x509.CreateCertificate(rand.Reader, c, by, &own.PublicKey, key)
		must(err)
		cert, err := x509.ParseCertificate(der)
		must(err)
		return cert, own
	}
	root, key := issue(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Root"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, nil, nil)
	signer, own := issue(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "Nguyễn Văn A"}, KeyUsage: x509.KeyUsageDigitalSignature,
		CRLDistributionPoints: []string{ca.URL + "/root.crl"},
	}, root, key)
	var err error
	list, err = x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().AddDate(0, 0, 1),
	}, root, key)
	must(err)
	s, err := pkcs7.NewSignedData([]byte("văn bản"))
	must(err)
	s.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	must(s.SignWithoutAttr(signer, own, pkcs7.SignerInfoConfig{}))
	ca.file, err = s.Finish()
	must(err)
	ca.root = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw})
	return ca
}

// TestRevocationListsComeOverLinesThatCostNothing runs an office whose only line
// costs money, and then makes it free.
func TestRevocationListsComeOverLinesThatCostNothing(t *testing.T) {
	ca := startSigningCA(t)
	p := found(t)
	free := false
	p.settings = func(code string, c *config.Office) {
		if code == codeA && !free {
			c.Metered.Interfaces = []string{"*"}
		}
	}
	p.startHub()
	anchors := filepath.Join(p.boxDir(codeA), filepath.FromSlash(trust.AnchorsDir))
	if err := os.MkdirAll(anchors, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(anchors, "root.pem"), ca.root, 0o600); err != nil {
		t.Fatal(err)
	}
	a, b := p.join(codeA), p.join(codeB)
	var sent office.Document
	p.eventually("sending", func() (ok bool) {
		var err error
		sent, err = b.api.Send(t.Context(), api.DraftRequest{To: []string{codeA}, Subject: "V/v thử", Files: []string{"a.p7m"}, Urgency: uint8(office.HoaToc), By: "test"}, []io.Reader{bytes.NewReader(ca.file)})
		return err == nil
	})
	a.reaches(sent.ID, office.Arrived)
	newest := func() docsign.Report {
		t.Helper()
		all, err := a.api.Recheck(t.Context(), sent.ID, "test")
		if err != nil || len(all.Checks) == 0 {
			t.Fatalf("%+v %v", all, err)
		}
		return all.Checks[len(all.Checks)-1].Report
	}
	if r := newest(); r.SubIndication != docsign.TryLater || ca.asked.Load() != 0 {
		t.Errorf("over a metered line: %+v after %d requests", r.Outcome, ca.asked.Load())
	}
	a.end(t)
	free = true
	a.reopen()
	p.eventually("the list is fetched over a free line", func() bool { return newest().Indication == docsign.Passed })
	if r := newest(); ca.asked.Load() != 1 || r.Signatures[0].Revocation[0].Origin != ca.URL+"/root.crl" {
		t.Errorf("%d requests, %+v", ca.asked.Load(), r.Signatures)
	}
}
