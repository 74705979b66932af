package identity

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"time"
)

// TLS returns a client configuration for the hub's broker. It belongs to the
// caller. Set ServerName to the host dialled, a name or an IP address (without
// brackets), or take it from [Identity.TLSFor].
//
//   - Only the leaf certificate is sent; the hub has the CA.
//   - Roots are the hub's CA and the one announced to follow it, with those that
//     the hub named for the nodes of a broker that is not its own. TLS 1.3 where
//     both sides can, else TLS 1.2, for brokers of other makers.
//   - Key exchange is that of [Economical]; set CurvePreferences to change it.
//   - No session tickets: a resumed handshake sends the ticket, which holds the
//     client's certificate, and saves nothing on the way up.
//   - Certificates are judged at a time inside the life of this office's own
//     certificate, see [Identity.Now], so that a dead clock battery does not
//     cut the box off from the hub that could tell it the time.
func (id *Identity) TLS() *tls.Config {
	return &tls.Config{
		MinVersion:       tls.VersionTLS12,
		CurvePreferences: Economical.Curves(),
		RootCAs:          id.roots(),
		Time:             func() time.Time { return id.Now(time.Now()) },

		SessionTicketsDisabled: true,
		Certificates: []tls.Certificate{{
			Certificate: [][]byte{id.DeviceCert.Raw}, PrivateKey: id.Device, Leaf: id.DeviceCert,
		}},
	}
}

func (id *Identity) roots() *x509.CertPool {
	return Pool(append(id.Trust.Servers(), id.Trust.Brokers...))
}

// TLSFor is TLS for one endpoint, "host:port", "[ipv6]:port" or a bare host.
func (id *Identity) TLSFor(endpoint string) *tls.Config {
	cfg := id.TLS()
	cfg.ServerName = Host(endpoint)
	return cfg
}

// Host is the host of an endpoint, without port and brackets.
func Host(endpoint string) string {
	if host, _, err := net.SplitHostPort(endpoint); err == nil {
		return host
	}
	return endpoint
}

// KeyExchange is how the keys of a TLS connection are agreed.
//
// Content is encrypted end to end by age beneath it, so nobody reads documents
// by breaking it alone. But age's X25519 is classical too: who records a line
// made with Economical today and has a quantum computer one day can undo both.
// PostQuantum closes the recorded line to them, not what a hub has stored.
type KeyExchange string

const (
	// Economical is X25519 or P-256.
	Economical KeyExchange = "economical"
	// PostQuantum is X25519 together with ML-KEM-768 where both ends have it on,
	// for some 1.1 kB more in each direction at every connection.
	PostQuantum KeyExchange = "post-quantum"
)

// Curves is the policy for tls.Config.CurvePreferences. An end with another
// policy can connect.
func (k KeyExchange) Curves() []tls.CurveID {
	curves := []tls.CurveID{tls.X25519, tls.CurveP256}
	if k == PostQuantum {
		return append([]tls.CurveID{tls.X25519MLKEM768}, curves...)
	}
	return curves
}

// Now is clock moved into the life of the device certificate when it lies
// outside: such a clock is wrong, or the certificate has expired and the hub
// will say so. The hub's certificates are made to be valid at both ends.
func (id *Identity) Now(clock time.Time) time.Time {
	if clock.Before(id.DeviceCert.NotBefore) {
		return id.DeviceCert.NotBefore
	}
	if clock.After(id.DeviceCert.NotAfter) {
		return id.DeviceCert.NotAfter
	}
	return clock
}
