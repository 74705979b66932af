package identity

import (
	"crypto/tls"
	"crypto/x509"
	"sync/atomic"
	"time"
)

// Live is an identity whose certificates may be renewed while it is in use.
// Code, hub and keys stay. Its methods may be called from several goroutines.
type Live struct{ now atomic.Pointer[Identity] }

// NewLive begins with id.
func NewLive(id *Identity) *Live {
	l := &Live{}
	l.now.Store(id)
	return l
}

// Get is the present identity.
func (l *Live) Get() *Identity { return l.now.Load() }

// Set has id used from the next connection on. Those that are up stay up.
func (l *Live) Set(id *Identity) { l.now.Store(id) }

// TLS is Identity.TLS, with the certificate that is the present one when a
// connection is made. Its roots are those of now; see Roots.
func (l *Live) TLS() *tls.Config {
	cfg := l.Get().TLS()
	cfg.Certificates = nil
	cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		id := l.Get()
		return &tls.Certificate{Certificate: [][]byte{id.DeviceCert.Raw}, PrivateKey: id.Device, Leaf: id.DeviceCert}, nil
	}
	cfg.Time = func() time.Time { return l.Get().Now(time.Now()) }
	return cfg
}

// Roots are the CAs of servers that are believed at present.
func (l *Live) Roots() *x509.CertPool { return l.Get().roots() }
