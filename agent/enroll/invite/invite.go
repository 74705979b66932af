// Package invite holds what office and hub say to each other at enrolment: the
// invite file (.moi), the request and the answer.
//
// It promises that nothing here is believed by itself: an invite is signed by
// the hub's authority key whose certificate it carries, and whether that
// authority is the right one is decided by the hash of the CA certificate; a
// request is proven by a MAC over all of it with the invite's secret, which
// itself never travels; an answer is signed by the authority and names the
// request it answers.
//
// An invite is a COSE_Sign1 (external_aad "tram-invite-1") over deterministic
// CBOR with these keys:
//
//	 1 version      uint, 1
//	 2 id           16 bytes
//	 3 secret       16 bytes
//	 4 code         office code
//	 5 name         office name
//	 6 parent       code of the office above, may be empty
//	 7 kind         word of the province, may be empty
//	 8 hub          code of the hub
//	 9 hub name
//	10 enroll       [host:port]
//	11 mqtt         [host:port]
//	12 ca           SHA-256 of the CA certificate, DER
//	13 not before   unix seconds
//	14 not after    unix seconds
//	15 authority    certificate, DER
package invite

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"tram/agent/hub/registry"
	"tram/sync/bundle"
)

// Errors of reading. All mean that the thing must not be used.
var (
	// ErrMalformed says that bytes are not what they should be; the text names
	// the field.
	ErrMalformed = errors.New("malformed")
	// ErrVersion says that a newer program is needed.
	ErrVersion = errors.New("unknown version")
	// ErrSignature says that the authority did not sign this.
	ErrSignature = errors.New("signature does not verify")
)

// Limits, hard: what is over them is ErrMalformed.
const (
	MaxInvite    = 16 << 10 // bytes of an invite file
	MaxEndpoints = 8        // of each kind
	MaxEndpoint  = 261      // bytes of host:port
	MaxCert      = 4 << 10  // bytes of a certificate
)

// Late is how long after its end an invite may still bring its box before a
// person at the hub. Later it is of no use.
const Late = 7 * 24 * time.Hour

// Extension of invite files.
const Extension = ".moi"

const version = 1

// ID names an invite.
type ID [16]byte

// String is the ID in hex.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Secret is what proves a request. It must not be logged; its String says
// nothing.
type Secret [16]byte

// String hides the secret.
func (Secret) String() string { return "(secret)" }

// GoString hides the secret.
func (Secret) GoString() string { return "(secret)" }

// Invite is the content of an invite file.
type Invite struct {
	ID        ID
	Secret    Secret
	Code      string // of the office invited
	Name      string
	Parent    string
	Kind      string
	Hub       string // code of the hub
	HubName   string
	Enroll    []string // host:port of the hub's enrolment, in the order to try
	MQTT      []string // host:port of the broker, in the order to try
	CA        [sha256.Size]byte
	NotBefore time.Time // whole seconds, UTC
	NotAfter  time.Time
	Authority *x509.Certificate
}

type payload struct {
	Version   uint64   `cbor:"1,keyasint"`
	ID        []byte   `cbor:"2,keyasint"`
	Secret    []byte   `cbor:"3,keyasint"`
	Code      string   `cbor:"4,keyasint"`
	Name      string   `cbor:"5,keyasint"`
	Parent    string   `cbor:"6,keyasint"`
	Kind      string   `cbor:"7,keyasint"`
	Hub       string   `cbor:"8,keyasint"`
	HubName   string   `cbor:"9,keyasint"`
	Enroll    []string `cbor:"10,keyasint"`
	MQTT      []string `cbor:"11,keyasint"`
	CA        []byte   `cbor:"12,keyasint"`
	NotBefore int64    `cbor:"13,keyasint"`
	NotAfter  int64    `cbor:"14,keyasint"`
	Authority []byte   `cbor:"15,keyasint"`
}

// Sign makes the bytes of an invite file. The same invite gives the same
// bytes, so that making it again makes no second file: the signature takes no
// randomness (RFC 6979).
func Sign(inv *Invite, authority *ecdsa.PrivateKey) ([]byte, error) {
	p := payload{
		Version: version, ID: inv.ID[:], Secret: inv.Secret[:], Code: inv.Code, Name: inv.Name, Parent: inv.Parent, Kind: inv.Kind,
		Hub: inv.Hub, HubName: inv.HubName, Enroll: inv.Enroll, MQTT: inv.MQTT, CA: inv.CA[:],
		NotBefore: inv.NotBefore.Unix(), NotAfter: inv.NotAfter.Unix(), Authority: inv.Authority.Raw,
	}
	if _, err := p.invite(); err != nil {
		return nil, fmt.Errorf("sign invite: %w", err)
	}
	data, err := encoding.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("sign invite: %w", err)
	}
	raw, err := bundle.SignCOSE(bundle.AADInvite, data, repeatable{authority})
	if err != nil {
		return nil, fmt.Errorf("sign invite: %w", err)
	}
	return raw, nil
}

// repeatable signs without randomness.
type repeatable struct{ *ecdsa.PrivateKey }

func (r repeatable) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return r.PrivateKey.Sign(nil, digest, opts)
}

// Parse reads an invite and verifies its signature with the authority
// certificate inside. That this authority belongs to the CA of field 12 can
// only be checked once the hub has shown that CA.
func Parse(raw []byte) (*Invite, error) {
	if len(raw) > MaxInvite {
		return nil, fmt.Errorf("%w: file has more than %d bytes", ErrMalformed, MaxInvite)
	}
	data, err := bundle.PayloadCOSE(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	var p payload
	if err := decode(data, &p); err != nil {
		return nil, err
	}
	inv, err := p.invite()
	if err != nil {
		return nil, err
	}
	if _, err := bundle.VerifyCOSE(bundle.AADInvite, raw, inv.Authority.PublicKey); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return inv, nil
}

func (p payload) invite() (*Invite, error) {
	inv := &Invite{
		Code: p.Code, Name: p.Name, Parent: p.Parent, Kind: p.Kind, Hub: p.Hub, HubName: p.HubName,
		Enroll: p.Enroll, MQTT: p.MQTT,
		NotBefore: time.Unix(p.NotBefore, 0).UTC(), NotAfter: time.Unix(p.NotAfter, 0).UTC(),
	}
	cert, certErr := parseCert(p.Authority)
	inv.Authority = cert
	checks := []struct {
		field string
		err   error
	}{
		{"id", fill(inv.ID[:], p.ID)},
		{"secret", fill(inv.Secret[:], p.Secret)},
		{"ca", fill(inv.CA[:], p.CA)},
		{"code", registry.CheckCode(p.Code)},
		{"name", registry.CheckName(p.Name)},
		{"parent", optional(p.Parent, registry.CheckCode)},
		{"kind", optional(p.Kind, registry.CheckKind)},
		{"hub", registry.CheckCode(p.Hub)},
		{"hub name", registry.CheckName(p.HubName)},
		{"enroll", checkEndpoints(p.Enroll)},
		{"mqtt", checkEndpoints(p.MQTT)},
		{"validity", checkValidity(p.NotBefore, p.NotAfter)},
		{"authority", certErr},
	}
	for _, c := range checks {
		if c.err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrMalformed, c.field, c.err)
		}
	}
	return inv, nil
}

// CheckEndpoint says whether s is host:port.
func CheckEndpoint(s string) error {
	if len(s) > MaxEndpoint {
		return fmt.Errorf("more than %d bytes", MaxEndpoint)
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return err
	}
	if host == "" || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r == '/' || r == 0x7f }) {
		return fmt.Errorf("host of %q", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("port of %q", s)
	}
	return nil
}

func checkEndpoints(list []string) error {
	if len(list) == 0 {
		return errors.New("no endpoint")
	}
	if len(list) > MaxEndpoints {
		return fmt.Errorf("more than %d endpoints", MaxEndpoints)
	}
	for _, s := range list {
		if err := CheckEndpoint(s); err != nil {
			return err
		}
	}
	return nil
}

// maxTime is the end of year 9999, the last that certificates can name.
const maxTime = 253402300799

func checkValidity(from, to int64) error {
	if from < 0 || to < from || to > maxTime {
		return errors.New("not a period of time")
	}
	return nil
}

func optional(s string, check func(string) error) error {
	if s == "" {
		return nil
	}
	return check(s)
}

func fill(dst, src []byte) error {
	if len(src) != len(dst) {
		return fmt.Errorf("has %d bytes, want %d", len(src), len(dst))
	}
	copy(dst, src)
	return nil
}

func parseCert(der []byte) (*x509.Certificate, error) {
	if len(der) > MaxCert {
		return nil, fmt.Errorf("more than %d bytes", MaxCert)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if key, ok := cert.PublicKey.(*ecdsa.PublicKey); ok && key.Curve != elliptic.P256() {
		return nil, errors.New("key is not on P-256")
	}
	return cert, nil
}

// Fingerprint is the first half of a SHA-256 in groups that two people can
// compare on the telephone.
func Fingerprint(sum [sha256.Size]byte) string {
	text := hex.EncodeToString(sum[:sha256.Size/2])
	var groups []string
	for i := 0; i < len(text); i += 4 {
		groups = append(groups, text[i:i+4])
	}
	return strings.Join(groups, " ")
}

var (
	encoding = must(cbor.CoreDetEncOptions().EncMode())
	decoding = must(cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden,
		TagsMd: cbor.TagsForbidden, MaxNestedLevels: 4, MaxArrayElements: registry.MaxCards, MaxMapPairs: 64,
	}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // constant options; a test run shows it
	}
	return v
}

// decode reads a map whose key 1 is its version. Unknown keys are ignored; the
// signature covers them.
func decode(data []byte, out any) error {
	var head struct {
		Version uint64 `cbor:"1,keyasint"`
	}
	if err := decoding.Unmarshal(data, &head); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if head.Version != version {
		return fmt.Errorf("%w %d, this program reads %d", ErrVersion, head.Version, version)
	}
	if err := decoding.Unmarshal(data, out); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}
