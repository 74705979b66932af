package release

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"fmt"

	"tram/sync/bundle"
)

// Warrant is a hub's word to those below it on whose releases are to be believed:
// the software key of the province. Of two the one with the higher serial counts,
// so that a key that was lost ends with the next.
type Warrant struct {
	Hub    string // code of the hub that says so
	Serial uint64
	Key    *ecdsa.PublicKey
}

type warrantWire struct {
	Format uint64 `cbor:"1,keyasint"`
	Hub    string `cbor:"2,keyasint"`
	Serial uint64 `cbor:"3,keyasint"`
	Key    []byte `cbor:"4,keyasint"`
}

// SignWarrant signs a warrant with a hub's authority key, which its cards are
// signed with too.
func SignWarrant(w Warrant, authority crypto.Signer) ([]byte, error) {
	if err := w.validate(); err != nil {
		return nil, fmt.Errorf("sign warrant: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(w.Key)
	if err != nil {
		return nil, fmt.Errorf("sign warrant: %w", err)
	}
	payload, err := bundle.EncodeMap(warrantWire{Format: formatVersion, Hub: w.Hub, Serial: w.Serial, Key: der})
	if err != nil {
		return nil, fmt.Errorf("sign warrant: %w", err)
	}
	raw, err := bundle.SignCOSE(aadWarrant, payload, authority)
	if err != nil {
		return nil, fmt.Errorf("sign warrant: %w", err)
	}
	return raw, nil
}

// OpenWarrant reads a warrant, which must be signed by the authority key.
func OpenWarrant(raw []byte, authority crypto.PublicKey) (Warrant, error) {
	if len(raw) > MaxWarrant {
		return Warrant{}, fmt.Errorf("open warrant: %w: more than %d bytes", ErrMalformed, MaxWarrant)
	}
	payload, err := bundle.VerifyCOSE(aadWarrant, raw, authority)
	if err != nil {
		return Warrant{}, fmt.Errorf("open warrant: %w", signature(err))
	}
	return parseWarrant(payload)
}

func parseWarrant(payload []byte) (Warrant, error) {
	var w warrantWire
	if err := bundle.DecodeMap("warrant", payload, []uint64{1, 2, 3, 4}, nil, &w); err != nil {
		return Warrant{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	key, err := x509.ParsePKIXPublicKey(w.Key)
	if err != nil {
		return Warrant{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	ec, _ := key.(*ecdsa.PublicKey)
	out := Warrant{Hub: w.Hub, Serial: w.Serial, Key: ec}
	if err := out.validate(); err != nil {
		return Warrant{}, err
	}
	if der, err := x509.MarshalPKIXPublicKey(ec); err != nil || string(der) != string(w.Key) {
		return Warrant{}, malformed("key has another encoding")
	}
	return out, nil
}

func (w Warrant) validate() error {
	if err := bundle.CheckCode(w.Hub); err != nil {
		return malformed("hub: %v", err)
	}
	if w.Serial == 0 {
		return malformed("no serial")
	}
	if w.Key == nil {
		return malformed("no ECDSA key")
	}
	if _, err := bundle.KeyID(w.Key); err != nil {
		return malformed("key: %v", err)
	}
	return nil
}
