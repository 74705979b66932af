package agent_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"

	"tram/agent/hub/ca"
)

// knock shows the broker a certificate and reports whether it lets us in.
func knock(t *testing.T, addr string, cert *x509.Certificate, key any) bool {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13,
		// Whatever issuers the broker asks for.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}, nil
		}})
	if err != nil {
		return false
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	_, err = conn.Read(make([]byte, 1)) // the alert, or nothing: the broker waits for CONNECT
	return err != nil && strings.Contains(err.Error(), "timeout")
}

// TestP7_TheBrokerNamesEachBadCertificate shows the broker of a running hub one
// client certificate of each kind and looks for the reason in the hub's log.
func TestP7_TheBrokerNamesEachBadCertificate(t *testing.T) {
	p := found(t)
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	a.active()
	a.end(t)
	b.end(t)
	id := a.identity()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	hub, err := ca.Load(p.hubDir())
	if err != nil {
		t.Fatal(err)
	}
	other, err := ca.Init(p.dir+"/other", ca.Options{Code: "H40", Name: "UBND tỉnh Minh Sơn"})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	device := func(from, to time.Duration) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(int64(now.Nanosecond())), Subject: hub.DeviceSubject(codeA), NotBefore: now.Add(from), NotAfter: now.Add(to),
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	}
	unknown := *other.Root.Cert
	unknown.RawSubject, unknown.Subject = nil, pkix.Name{CommonName: "Tram CA X99"}
	self := device(-time.Hour, time.Hour)
	issue := func(template, parent *x509.Certificate, pub any, signer *ecdsa.PrivateKey) *x509.Certificate {
		der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, signer)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	pub := id.Device.Public()
	lost := b.identity()
	if _, err := p.theHub.RevokeCert(t.Context(), codeB, ca.ReasonLost, "test"); err != nil {
		t.Fatal(err)
	}
	if !knock(t, p.config.MQTT.Address, id.DeviceCert, id.Device) {
		t.Error("a good certificate is refused")
	}
	for _, tt := range []struct {
		name string
		cert *x509.Certificate
		key  any
		want string
	}{
		{"revoked", lost.DeviceCert, lost.Device, "cert.revoked: "},
		{"expired", issue(device(-2*time.Hour, -time.Hour), hub.Root.Cert, pub, hub.Root.Key), id.Device, "cert.expired: "},
		{"not yet valid", issue(device(time.Hour, 2*time.Hour), hub.Root.Cert, pub, hub.Root.Key), id.Device, "cert.not-yet: "},
		{"another key of the office", issue(device(-time.Hour, time.Hour), hub.Root.Cert, &key.PublicKey, hub.Root.Key), key, "cert.other-key: "},
		{"wrong usage", id.SealCert, id.Seal, "cert.usage: "},
		{"unknown CA", issue(device(-time.Hour, time.Hour), &unknown, pub, other.Root.Key), id.Device, "cert.unknown-ca: "},
		{"broken chain", issue(device(-time.Hour, time.Hour), other.Root.Cert, pub, other.Root.Key), id.Device, "cert.broken-chain: "},
		{"self-signed", issue(self, self, &key.PublicKey, key), key, "cert.self-signed: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.log.mu.Lock()
			p.log.all.Reset()
			p.log.mu.Unlock()
			if knock(t, p.config.MQTT.Address, tt.cert, tt.key) {
				t.Fatal("the broker lets it in")
			}
			p.eventually("the reason in the log", func() bool {
				p.log.mu.Lock()
				defer p.log.mu.Unlock()
				return strings.Contains(p.log.all.String(), tt.want)
			})
		})
	}
}
