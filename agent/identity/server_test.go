package identity_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"

	"tram/agent/identity"
)

// greet makes the office connect to a server with this certificate.
func greet(t *testing.T, id *identity.Identity, cert tls.Certificate) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert}).Handshake()
	}()
	conn, err := tls.Dial("tcp", l.Addr().String(), identity.NewLive(id).TLS())
	if err == nil {
		conn.Close()
	}
	l.Close()
	<-done
	return err
}

// TestP7_EachBadServerHasItsOwnName has the office meet one server of each kind
// in the place of its hub.
func TestP7_EachBadServerHasItsOwnName(t *testing.T) {
	id, hub := officeOf(t, "H40.01")
	_, other := officeOf(t, "H40.01")
	key := newKey(t)
	now := time.Now()
	server := func(change func(c *x509.Certificate)) *x509.Certificate {
		c := &x509.Certificate{SerialNumber: big.NewInt(5), Subject: pkix.Name{CommonName: "server", OrganizationalUnit: []string{identity.UnitServer}},
			NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), IPAddresses: []net.IP{net.ParseIP("127.0.0.1")},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
		change(c)
		return c
	}
	same := func(*x509.Certificate) {}
	renamed := *other.Root.Cert
	renamed.RawSubject, renamed.Subject = nil, pkix.Name{CommonName: "Proxy CA"}
	self := server(same)
	for _, tt := range []struct {
		name     string
		template *x509.Certificate
		parent   *x509.Certificate
		signer   *ecdsa.PrivateKey
		want     identity.ServerFault
	}{
		{"good", server(same), hub.Root.Cert, hub.Root.Key, ""},
		{"self-signed", self, self, key, identity.ServerSelfSigned},
		{"unknown CA", server(same), &renamed, other.Root.Key, identity.ServerUnknownCA},
		{"broken chain", server(same), other.Root.Cert, other.Root.Key, identity.ServerBrokenChain},
		{"expired", server(func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Minute) }), hub.Root.Cert, hub.Root.Key, identity.ServerExpired},
		{"not yet valid", server(func(c *x509.Certificate) { c.NotBefore = now.Add(time.Minute) }), hub.Root.Cert, hub.Root.Key, identity.ServerNotYet},
		{"another address", server(func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP("127.0.0.2")} }), hub.Root.Cert, hub.Root.Key, identity.ServerName},
		{"wrong usage", server(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), hub.Root.Cert, hub.Root.Key, identity.ServerUsage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			der, err := x509.CreateCertificate(rand.Reader, tt.template, tt.parent, &key.PublicKey, tt.signer)
			if err != nil {
				t.Fatal(err)
			}
			err = greet(t, id, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})
			if (err == nil) != (tt.want == "") || id.ServerFault(err) != tt.want {
				t.Errorf("the fault is %q, want %q: %v", id.ServerFault(err), tt.want, err)
			}
		})
	}
}
