// Package countersign has the audit log of each office countersigned by its hub
// at every contact.
//
// An audit chain alone is whole after somebody with the box's disk has written
// it anew. So the office says in its greeting where its log stands, the hub
// signs that and remembers it, and at the next contact the log must still
// contain what was signed: [Book] is the office's half, [Ledger] the hub's. The
// packages of a stick are contacts too, which may come late and in any order.
//
// It promises that a log which was edited, cut short or set back before what
// its hub has countersigned is found out at the next contact, by both sides,
// with the entry named; and that a finding stops no document. What happens to
// entries that no contact has covered yet is found by nobody else than
// [audit.Verify]. The log of a program that lies about its own log is found
// out by who verifies the log itself.
//
// The bytes are specified in agent/README.md.
package countersign

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/uuid"

	"tram/agent/hub/registry"
	"tram/storage/audit"
	"tram/sync/bundle"
	"tram/sync/wire"
)

// aad is what a countersignature is signed for.
const aad = "tram-log-1"

const version = 1

// ErrMalformed says that bytes are no countersignature, or no word about logs.
var ErrMalformed = errors.New("malformed countersignature")

// Signed is a countersignature that was read.
type Signed struct {
	Office  string // whose log
	Epoch   uuid.UUID
	Witness string // who signed
	Seq     int64
	Hash    [32]byte
	At      time.Time
	Raw     []byte
}

type signedWire struct {
	Version uint64 `cbor:"1,keyasint"`
	Office  string `cbor:"2,keyasint"`
	Epoch   []byte `cbor:"3,keyasint"`
	Witness string `cbor:"4,keyasint"`
	Seq     int64  `cbor:"5,keyasint"`
	Hash    []byte `cbor:"6,keyasint"`
	At      int64  `cbor:"7,keyasint"`
}

// word is what a greeting says about logs.
type word struct {
	Seq    int64  `cbor:"1,keyasint,omitempty"` // last entry of the speaker's log
	Head   []byte `cbor:"2,keyasint,omitempty"` // its hash
	Known  int64  `cbor:"3,keyasint,omitempty"` // entry of the listener's last countersignature that the speaker knows
	Same   []byte `cbor:"4,keyasint,omitempty"` // hash that this entry has now
	Broken int64  `cbor:"5,keyasint,omitempty"` // first entry of the speaker's log that does not hold
	Sealed []byte `cbor:"6,keyasint,omitempty"` // the speaker's last countersignature of the listener's log
}

var encoder, decoder = modes()

func modes() (cbor.EncMode, cbor.DecMode) {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err == nil {
		var dec cbor.DecMode
		dec, err = cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, MaxNestedLevels: 4}.DecMode()
		if err == nil {
			return enc, dec
		}
	}
	panic(err) // the options are constants
}

// sign makes a countersignature with a hub's device key.
func sign(s Signed, device crypto.Signer) ([]byte, error) {
	payload, err := encoder.Marshal(signedWire{
		Version: version, Office: s.Office, Epoch: s.Epoch[:], Witness: s.Witness, Seq: s.Seq, Hash: s.Hash[:], At: s.At.UnixMilli(),
	})
	if err != nil {
		return nil, fmt.Errorf("countersign: %w", err)
	}
	raw, err := bundle.SignCOSE(aad, payload, device)
	if err != nil {
		return nil, fmt.Errorf("countersign: %w", err)
	}
	return raw, nil
}

// Open reads a countersignature and checks it with the device key of the hub.
func Open(raw []byte, device crypto.PublicKey) (Signed, error) {
	if len(raw) > wire.MaxLog {
		return Signed{}, fmt.Errorf("open countersignature: %w: too large", ErrMalformed)
	}
	payload, err := bundle.VerifyCOSE(aad, raw, device)
	if err != nil {
		return Signed{}, fmt.Errorf("open countersignature: %w", err)
	}
	var w signedWire
	if err := decoder.Unmarshal(payload, &w); err != nil {
		return Signed{}, fmt.Errorf("open countersignature: %w: %w", ErrMalformed, err)
	}
	if w.Version != version || len(w.Epoch) != 16 || len(w.Hash) != sha256.Size || w.Seq < 1 {
		return Signed{}, fmt.Errorf("open countersignature: %w: version %d", ErrMalformed, w.Version)
	}
	return Signed{
		Office: w.Office, Epoch: uuid.UUID(w.Epoch), Witness: w.Witness, Seq: w.Seq, Hash: [32]byte(w.Hash),
		At: time.UnixMilli(w.At).UTC(), Raw: bytes.Clone(raw),
	}, nil
}

// Matches checks that a stored countersignature says what its row says; for
// [audit.VerifyCountersigned].
func (s Signed) Matches(c audit.Countersignature) error {
	if s.Seq != c.Seq || s.Hash != c.Hash || s.Witness != c.Witness {
		return fmt.Errorf("%w: it is of entry %d by %q", ErrMalformed, s.Seq, s.Witness)
	}
	return nil
}

func (w word) encode() ([]byte, error) {
	raw, err := encoder.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("encode word about logs: %w", err)
	}
	return raw, nil
}

func decodeWord(raw []byte) (word, error) {
	var w word
	if err := decoder.Unmarshal(raw, &w); err != nil {
		return word{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if w.Seq < 0 || w.Known < 0 || w.Broken < 0 || len(w.Head) > sha256.Size || len(w.Same) > sha256.Size || len(w.Sealed) > wire.MaxLog {
		return word{}, fmt.Errorf("%w: word about logs", ErrMalformed)
	}
	return w, nil
}

// Check checks a stored countersignature with the device key of its hub, for
// [audit.VerifyCountersigned]. One that names another key, which the hub may have
// had earlier, is [audit.ErrUnchecked].
func Check(c audit.Countersignature, device crypto.PublicKey) error {
	id, err := bundle.KeyID(device)
	if err != nil {
		return fmt.Errorf("check countersignature: %w", err)
	}
	if !bytes.Equal(bundle.KIDOf(c.Raw), id) {
		return fmt.Errorf("%w: %q has another key now", audit.ErrUnchecked, c.Witness)
	}
	s, err := Open(c.Raw, device)
	if err != nil {
		return err
	}
	return s.Matches(c)
}

// Cards is what Keys needs of the registry of offices.
type Cards interface {
	Lookup(code string) (registry.Card, error)
}

// Keys gives the device keys that stand on registry cards.
func Keys(cards Cards) func(code string) (crypto.PublicKey, bool) {
	return func(code string) (crypto.PublicKey, bool) {
		card, err := cards.Lookup(code)
		return card.Device, err == nil && card.Device != nil
	}
}

// Checker is [Check] with the keys of all hubs.
func Checker(key func(hub string) (crypto.PublicKey, bool)) func(audit.Countersignature) error {
	return func(c audit.Countersignature) error {
		device, known := key(c.Witness)
		if !known {
			return fmt.Errorf("%w: no key of %q is known", audit.ErrUnchecked, c.Witness)
		}
		return Check(c, device)
	}
}
