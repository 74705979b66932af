package identity

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"time"
)

// ServerFault is what is wrong with the certificate that a server has shown in
// the place of the hub.
type ServerFault string

// Faults of a server.
const (
	ServerSelfSigned  ServerFault = "self-signed"
	ServerUnknownCA   ServerFault = "unknown-ca"
	ServerBrokenChain ServerFault = "broken-chain" // it names our CA, which has not signed it
	ServerExpired     ServerFault = "expired"
	ServerNotYet      ServerFault = "not-yet"
	ServerName        ServerFault = "name"  // it is for another address
	ServerUsage       ServerFault = "usage" // it is not one of a server
)

// ServerFault finds out of the error of a connection made with TLS why the
// server was not believed; "" when that was not the reason.
func (id *Identity) ServerFault(err error) ServerFault {
	var failed *tls.CertificateVerificationError
	if !errors.As(err, &failed) || len(failed.UnverifiedCertificates) == 0 {
		return ""
	}
	leaf := failed.UnverifiedCertificates[0]
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	switch {
	case errors.As(failed.Err, &name):
		return ServerName
	case errors.As(failed.Err, &invalid) && invalid.Reason == x509.Expired:
		if id.Now(time.Now()).Before(leaf.NotBefore) {
			return ServerNotYet
		}
		return ServerExpired
	case errors.As(failed.Err, &invalid):
		return ServerUsage
	case bytes.Equal(leaf.RawIssuer, leaf.RawSubject):
		return ServerSelfSigned
	case slices.ContainsFunc(id.Trust.Servers(), func(ca *x509.Certificate) bool { return bytes.Equal(leaf.RawIssuer, ca.RawSubject) }):
		return ServerBrokenChain
	}
	return ServerUnknownCA
}
