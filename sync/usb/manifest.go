package usb

import (
	"crypto"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/google/uuid"

	"tram/sync/bundle"
)

// AAD is the purpose of a manifest's signature, see [bundle.SignCOSE].
const AAD = "tram-usb-1"

// version is that of manifests and letters, the only one read.
const version = 1

// Manifest says what is in a package.
type Manifest struct {
	ID       uuid.UUID // UUIDv7, never reused
	From     string    // office code
	To       string    // office code
	Created  time.Time // the writer's clock, whole seconds
	Sequence uint64    // counts the writer's packages to this neighbour, from 1
	Epoch    uuid.UUID // of the writer's store
	Letters  File
	Objects  []File // each once
	Registry uint64 // serial of the newest registry card that the writer holds
	Card     []byte // the writer's registry card, nil when it has none
	Log      []byte // about the audit logs of both, as in HELLO; nil when there is nothing to say
}

// File is one file's content.
type File struct {
	SHA256 [32]byte
	Size   int64 // bytes
}

type manifestWire struct {
	Version  uint64     `cbor:"1,keyasint"`
	ID       []byte     `cbor:"2,keyasint"`
	From     string     `cbor:"3,keyasint"`
	To       string     `cbor:"4,keyasint"`
	Created  int64      `cbor:"5,keyasint"`
	Sequence uint64     `cbor:"6,keyasint"`
	Epoch    []byte     `cbor:"7,keyasint"`
	Letters  fileWire   `cbor:"8,keyasint"`
	Objects  []fileWire `cbor:"9,keyasint"`
	Registry uint64     `cbor:"10,keyasint"`
	Card     []byte     `cbor:"11,keyasint,omitempty"`
	Log      []byte     `cbor:"12,keyasint,omitempty"`
}

type fileWire struct {
	_      struct{} `cbor:",toarray"`
	SHA256 []byte
	Size   int64
}

// SignManifest makes the bytes of a manifest with the device key of m.From.
func SignManifest(m Manifest, device crypto.Signer) ([]byte, error) {
	payload, err := m.encode()
	if err != nil {
		return nil, fmt.Errorf("sign manifest: %w", err)
	}
	raw, err := bundle.SignCOSE(AAD, payload, device)
	if err == nil && len(raw) > bundle.MaxHeader {
		err = tooLarge("manifest", int64(len(raw)), bundle.MaxHeader)
	}
	if err != nil {
		return nil, fmt.Errorf("sign manifest: %w", err)
	}
	return raw, nil
}

// ParseManifest reads a manifest and checks its form, no signature. Errors are
// [bundle.ErrMalformed], [bundle.ErrTooLarge] and [bundle.ErrVersion].
func ParseManifest(raw []byte) (Manifest, error) {
	payload, err := bundle.PayloadCOSE(raw)
	if err != nil {
		return Manifest{}, fmt.Errorf("parse manifest: %w", err)
	}
	m, err := decodeManifest(payload)
	if err != nil {
		return Manifest{}, fmt.Errorf("parse manifest: %w", err)
	}
	return m, nil
}

func decodeManifest(payload []byte) (Manifest, error) {
	var w manifestWire
	if err := bundle.DecodeMap("manifest", payload, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, []uint64{11, 12}, &w); err != nil {
		return Manifest{}, err
	}
	m := Manifest{
		From: w.From, To: w.To, Created: time.Unix(w.Created, 0).UTC(), Sequence: w.Sequence, Registry: w.Registry, Card: w.Card, Log: w.Log,
	}
	if w.Objects == nil {
		return m, malformed("null in place of a list")
	}
	if len(w.ID) != len(m.ID) || len(w.Epoch) != len(m.Epoch) {
		return m, malformed("id or epoch has not 16 bytes")
	}
	m.ID, m.Epoch = uuid.UUID(w.ID), uuid.UUID(w.Epoch)
	for _, f := range append([]fileWire{w.Letters}, w.Objects...) {
		if len(f.SHA256) != sha256.Size {
			return m, malformed("a digest has not 32 bytes")
		}
	}
	m.Letters = File{[32]byte(w.Letters.SHA256), w.Letters.Size}
	for _, f := range w.Objects {
		m.Objects = append(m.Objects, File{[32]byte(f.SHA256), f.Size})
	}
	return m, m.validate()
}

func (m Manifest) encode() ([]byte, error) {
	if err := m.validate(); err != nil {
		return nil, err
	}
	w := manifestWire{
		Version: version, ID: m.ID[:], From: m.From, To: m.To, Created: m.Created.Unix(), Sequence: m.Sequence, Epoch: m.Epoch[:],
		Letters: m.Letters.wire(), Objects: []fileWire{}, Registry: m.Registry, Card: m.Card, Log: m.Log,
	}
	for _, f := range m.Objects {
		w.Objects = append(w.Objects, f.wire())
	}
	return bundle.EncodeMap(w)
}

func (f File) wire() fileWire { return fileWire{SHA256: f.SHA256[:], Size: f.Size} }

// maxTime is the end of the year 9999 in Unix seconds.
const maxTime = 253402300799

func (m Manifest) validate() error {
	for _, code := range []string{m.From, m.To} {
		if err := bundle.CheckCode(code); err != nil {
			return err
		}
	}
	if _, err := folder(m.From, m.To); err != nil {
		return err
	}
	switch {
	case m.ID == uuid.Nil || m.Epoch == uuid.Nil:
		return malformed("id or epoch is zero")
	case m.Created.Unix() < 0 || m.Created.Unix() > maxTime:
		return malformed("created is out of range")
	case m.Sequence == 0:
		return malformed("sequence is zero")
	case m.Letters.Size < 1 || m.Letters.Size > MaxLetters:
		return tooLarge("letters", m.Letters.Size, MaxLetters)
	case len(m.Objects) > MaxObjects:
		return tooLarge("objects", int64(len(m.Objects)), MaxObjects)
	case len(m.Card) > MaxCard:
		return tooLarge("card", int64(len(m.Card)), MaxCard)
	case len(m.Log) > MaxLog:
		return tooLarge("log", int64(len(m.Log)), MaxLog)
	}
	seen := map[[32]byte]bool{m.Letters.SHA256: true}
	for _, f := range m.Objects {
		switch {
		case f.Size < 1 || f.Size > bundle.MaxObject:
			return tooLarge("object", f.Size, bundle.MaxObject)
		case seen[f.SHA256]:
			return malformed("an object is named twice")
		}
		seen[f.SHA256] = true
	}
	return nil
}

func malformed(why string) error { return fmt.Errorf("%w: %s", bundle.ErrMalformed, why) }

// FileOf describes content.
func FileOf(content []byte) File { return File{sha256.Sum256(content), int64(len(content))} }
