package bundle

import (
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Receipt is what an office or hub signs when it has taken over custody of a
// bundle: every object of it is durable in its store.
type Receipt struct {
	ID     uuid.UUID // of the bundle
	Header [32]byte  // SHA-256 of the signed header's bytes
	Office string    // code of the one that took over
	At     time.Time // its clock, whole milliseconds
	Epoch  uuid.UUID // of its store; a new store has a new one
}

// SignedReceipt is a receipt together with the bytes that were signed.
type SignedReceipt struct {
	Receipt Receipt
	Raw     []byte // COSE_Sign1
}

type receiptWire struct {
	Version uint64 `cbor:"1,keyasint"`
	ID      []byte `cbor:"2,keyasint"`
	Header  []byte `cbor:"3,keyasint"`
	Office  string `cbor:"4,keyasint"`
	At      int64  `cbor:"5,keyasint"`
	Epoch   []byte `cbor:"6,keyasint"`
}

var receiptFields = fields{
	1: {"version", true}, 2: {"id", true}, 3: {"header", true},
	4: {"office", true}, 5: {"at", true}, 6: {"epoch", true},
}

// SignReceipt makes a custody receipt with the device key of r.Office. At is
// cut to whole milliseconds.
func SignReceipt(r Receipt, device crypto.Signer) ([]byte, error) {
	payload, err := r.encode()
	if err != nil {
		return nil, fmt.Errorf("sign receipt: %w", err)
	}
	raw, err := SignCOSE(AADReceipt, payload, device)
	if err != nil {
		return nil, fmt.Errorf("sign receipt: %w", err)
	}
	return raw, nil
}

// ParseReceipt reads a receipt and checks its form, no signature. The result
// does not alias raw.
func ParseReceipt(raw []byte) (SignedReceipt, error) {
	if len(raw) > MaxReceipt {
		return SignedReceipt{}, fmt.Errorf("parse receipt: %w", tooLarge("receipt", int64(len(raw)), MaxReceipt))
	}
	raw = append([]byte(nil), raw...)
	payload, err := PayloadCOSE(raw)
	if err != nil {
		return SignedReceipt{}, fmt.Errorf("parse receipt: %w", err)
	}
	r, err := decodeReceipt(payload)
	if err != nil {
		return SignedReceipt{}, fmt.Errorf("parse receipt: %w", err)
	}
	return SignedReceipt{Receipt: r, Raw: raw}, nil
}

// Verify checks that the receipt was signed by the device key of the office
// that it names; the caller looks that key up.
func (s SignedReceipt) Verify(device crypto.PublicKey) error {
	if _, err := VerifyCOSE(AADReceipt, s.Raw, device); err != nil {
		return fmt.Errorf("verify receipt: %w", err)
	}
	return nil
}

// Covers checks that the receipt is for this very bundle.
func (r Receipt) Covers(s Signed) error {
	if r.ID != s.Header.ID {
		return malformed("id", "is of another bundle")
	}
	if r.Header != s.Digest() {
		return malformed("header", "is of another header")
	}
	return nil
}

func (r Receipt) validate() error {
	switch {
	case r.ID == uuid.Nil:
		return malformed("id", "is zero")
	case r.Epoch == uuid.Nil:
		return malformed("epoch", "is zero")
	}
	return errors.Join(checkCode("office", r.Office), checkTime("at", r.At))
}

func (r Receipt) encode() ([]byte, error) {
	if err := r.validate(); err != nil {
		return nil, err
	}
	return encMode.Marshal(receiptWire{
		Version: Version, ID: r.ID[:], Header: r.Header[:], Office: r.Office, At: r.At.UnixMilli(), Epoch: r.Epoch[:],
	})
}

func decodeReceipt(payload []byte) (Receipt, error) {
	var w receiptWire
	if err := receiptFields.decode(payload, "receipt", &w); err != nil {
		return Receipt{}, err
	}
	r := Receipt{Office: w.Office, At: time.UnixMilli(w.At).UTC()}
	if err := errors.Join(setUUID(&r.ID, w.ID, "id"), setUUID(&r.Epoch, w.Epoch, "epoch")); err != nil {
		return Receipt{}, err
	}
	if len(w.Header) != sha256.Size {
		return Receipt{}, malformed("header", "is not a SHA-256")
	}
	r.Header = [32]byte(w.Header)
	if err := r.validate(); err != nil {
		return Receipt{}, err
	}
	return r, nil
}
