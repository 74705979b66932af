package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strconv"
	"time"

	"tram/agent/identity"
)

// Lives of certificates. None outlives the CA's own.
const (
	RootLife      = 20 * 365 * 24 * time.Hour
	AuthorityLife = RootLife
	// ServerLife is long because the server key lies beside the CA key: a
	// shorter life would protect nothing, and boxes whose clock is wrong by
	// years must still find the certificate valid.
	ServerLife = 10 * 365 * 24 * time.Hour
	// DeviceLife is half a year: renewed at two thirds of it, a certificate has
	// two months left whenever an office goes off the line.
	DeviceLife = 180 * 24 * time.Hour
	SealLife   = 3 * 365 * 24 * time.Hour
	// Backdate moves the beginning of office certificates and invites back, for
	// machines whose clock is slow.
	Backdate = 24 * time.Hour
)

// Limits of RSA seal keys, in bits. Longer ones cost every verifier too much.
const (
	minRSA = 2048
	maxRSA = 4096
)

// maxRDN is the upper bound of names in certificates (RFC 5280,
// ub-common-name), in characters. Longer office names are cut there; cards
// have them in full.
const maxRDN = 64

// documentSigning is id-kp-documentSigning (RFC 9336).
var documentSigning = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 36}

// ErrRequest says that a certificate request cannot be granted.
var ErrRequest = errors.New("bad certificate request")

// issue completes template with what all certificates have in common and
// signs it. parent is nil for the root itself. A NotBefore that is not set is
// now less Backdate.
func issue(template, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer, now time.Time, life time.Duration) (*x509.Certificate, error) {
	serial := make([]byte, 16)
	if _, err := rand.Read(serial); err != nil {
		return nil, fmt.Errorf("issue certificate: %w", err)
	}
	serial[0] |= 0x40 // not zero, and of one length
	serial[0] &= 0x7f // positive within 16 bytes
	template.SerialNumber = new(big.Int).SetBytes(serial)
	if template.NotBefore.IsZero() {
		template.NotBefore = now.Add(-min(Backdate, life)) // Due counts from there
	}
	template.NotAfter = now.Add(life)
	template.BasicConstraintsValid = true
	if parent == nil {
		parent = template
	} else if template.NotAfter.After(parent.NotAfter) {
		template.NotAfter = parent.NotAfter
	}
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("issue certificate: %w", err)
	}
	id := sha256.Sum256(spki)
	template.SubjectKeyId = id[:20] // RFC 7093, method 1
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		return nil, fmt.Errorf("issue certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

// makeRoot makes the CA of that generation, see generation. from is when it
// becomes valid; zero is now less Backdate.
func (c *CA) makeRoot(key *ecdsa.PrivateKey, number int, from, now time.Time) (Pair, error) {
	name := "Tram CA " + c.Code
	if number > 1 {
		name += generationMark + strconv.Itoa(number)
	}
	cert, err := issue(&x509.Certificate{
		Subject:   pkix.Name{CommonName: name, Organization: []string{cutRDN(c.Name)}},
		NotBefore: from,
		KeyUsage:  x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, MaxPathLenZero: true,
	}, nil, &key.PublicKey, key, now, RootLife)
	return Pair{Key: key, Cert: cert}, err
}

// makeAuthority issues the certificate of the authority. Like all of the hub's
// own it is valid from the CA's beginning, so that an office with a slow clock
// accepts it; see identity.Now.
func (c *CA) makeAuthority(key *ecdsa.PrivateKey, now time.Time) (Pair, error) {
	cert, err := issue(&x509.Certificate{
		Subject:   c.subject("Tram authority "+c.Code, identity.UnitAuthority),
		NotBefore: c.Root.Cert.NotBefore, KeyUsage: x509.KeyUsageDigitalSignature,
		// An extended usage that no TLS stack and no mail program asks for.
		UnknownExtKeyUsage: []asn1.ObjectIdentifier{documentSigning},
	}, c.Root.Cert, &key.PublicKey, c.Root.Key, now, AuthorityLife)
	return Pair{Key: key, Cert: cert}, err
}

func (c *CA) makeHubDevice(key *ecdsa.PrivateKey, now time.Time) (Pair, error) {
	cert, err := issue(&x509.Certificate{
		Subject:   c.DeviceSubject(c.Code),
		NotBefore: c.Root.Cert.NotBefore, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, c.Root.Cert, &key.PublicKey, c.Root.Key, now, ServerLife)
	return Pair{Key: key, Cert: cert}, err
}

func (c *CA) makeServer(key *ecdsa.PrivateKey, now time.Time) (Pair, error) {
	template := &x509.Certificate{
		Subject:   c.subject("Tram server "+c.Code, identity.UnitServer),
		NotBefore: c.Root.Cert.NotBefore, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, h := range c.hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	cert, err := issue(template, c.Root.Cert, &key.PublicKey, c.Root.Key, now, ServerLife)
	return Pair{Key: key, Cert: cert}, err
}

// officeDevice issues an office's device certificate. Subject and extensions
// of the request are not looked at.
func (c *CA) officeDevice(code string, pub crypto.PublicKey, now time.Time) (*x509.Certificate, error) {
	return issue(&x509.Certificate{
		Subject:  c.DeviceSubject(code),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, c.Root.Cert, pub, c.Root.Key, now, c.Policy.deviceLife())
}

// officeSeal issues an office's seal certificate. The extended usage for mail
// keeps the certificate from passing as a TLS client or server; verifiers of
// CMS signatures, openssl among them, accept it.
func (c *CA) officeSeal(code, name string, pub crypto.PublicKey, now time.Time) (*x509.Certificate, error) {
	subject := c.subject(name, identity.UnitSeal)
	subject.SerialNumber = code
	return issue(&x509.Certificate{
		Subject:     subject,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
	}, c.Root.Cert, pub, c.Root.Key, now, c.Policy.sealLife())
}

// DeviceSubject is the subject of the device certificate of an office or the hub.
func (c *CA) DeviceSubject(code string) pkix.Name { return c.subject(code, identity.UnitDevice) }

func (c *CA) subject(cn, unit string) pkix.Name {
	return pkix.Name{CommonName: cutRDN(cn), Organization: []string{cutRDN(c.Name)}, OrganizationalUnit: []string{unit}}
}

func cutRDN(s string) string {
	if r := []rune(s); len(r) > maxRDN {
		return string(r[:maxRDN-1]) + "…"
	}
	return s
}

// hashes of signatures on requests that count as proof of possession.
var goodSignatures = []x509.SignatureAlgorithm{
	x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512,
	x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
	x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
}

// requestKey returns the public key of a certificate request after checking
// its kind, its size and that the requester holds the private key. Nothing
// else of the request is used.
func requestKey(der []byte, allowRSA bool) (crypto.PublicKey, error) {
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	switch key := csr.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return nil, fmt.Errorf("%w: ECDSA key is not on P-256", ErrRequest)
		}
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); !allowRSA || bits < minRSA || bits > maxRSA {
			return nil, fmt.Errorf("%w: RSA key of %d bits", ErrRequest, bits)
		}
	default:
		return nil, fmt.Errorf("%w: key type %T", ErrRequest, csr.PublicKey)
	}
	if !slices.Contains(goodSignatures, csr.SignatureAlgorithm) {
		return nil, fmt.Errorf("%w: signature algorithm %s", ErrRequest, csr.SignatureAlgorithm)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return csr.PublicKey, nil
}
