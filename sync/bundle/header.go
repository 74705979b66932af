package bundle

import (
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"filippo.io/age"
	"github.com/google/uuid"

	"tram/storage"
)

// Header is the part of a bundle that everyone on the way can read.
type Header struct {
	ID        uuid.UUID // made by the sending office, UUIDv7, never reused
	From      string    // office code
	To        []string  // office codes, at least one, each once
	Kind      Kind
	Urgency   uint8     // 0 thường … 3 hỏa tốc
	Created   time.Time // whole seconds
	Expires   time.Time // whole seconds, after Created
	InReplyTo uuid.UUID // zero when it answers nothing
	Key       string    // age recipient of this bundle's key pair
	Objects   []Object  // in the order in which they are numbered from 0
	// Stamp is a SHA-256 that the first hub is asked to time-stamp as an
	// authority of last resort; zero: none. It says nothing about the content.
	Stamp [32]byte
}

// Object describes one object as it travels.
type Object struct {
	SHA256   [32]byte
	Size     int64 // bytes
	Role     Role
	Encoding Encoding
}

// Signed is a header together with the bytes that were signed. Raw is the
// truth; Header is what [Sign] or [Parse] found in it and is not to be changed.
type Signed struct {
	Header Header
	Raw    []byte // COSE_Sign1
}

type headerWire struct {
	Version   uint64       `cbor:"1,keyasint"`
	ID        []byte       `cbor:"2,keyasint"`
	From      string       `cbor:"3,keyasint"`
	To        []string     `cbor:"4,keyasint"`
	Kind      uint8        `cbor:"5,keyasint"`
	Urgency   uint8        `cbor:"6,keyasint"`
	Created   int64        `cbor:"7,keyasint"`
	Expires   int64        `cbor:"8,keyasint"`
	InReplyTo []byte       `cbor:"9,keyasint,omitempty"`
	Key       string       `cbor:"10,keyasint"`
	Objects   []objectWire `cbor:"11,keyasint"`
	Stamp     []byte       `cbor:"12,keyasint,omitempty"`
}

type objectWire struct {
	_        struct{} `cbor:",toarray"`
	SHA256   []byte
	Size     int64
	Role     uint8
	Encoding uint8
}

var headerFields = fields{
	1: {"version", true}, 2: {"id", true}, 3: {"from", true}, 4: {"to", true}, 5: {"kind", true},
	6: {"urgency", true}, 7: {"created", true}, 8: {"expires", true}, 9: {"in-reply-to", false},
	10: {"key", true}, 11: {"objects", true}, 12: {"stamp", false},
}

// Sign makes the signed header of a bundle with the office's device key, an
// ECDSA P-256 key. Times are cut to whole seconds. A header that breaks the
// format is refused with a [*FieldError].
func Sign(h Header, device crypto.Signer) (Signed, error) {
	h.Created, h.Expires = seconds(h.Created), seconds(h.Expires)
	payload, err := h.encode()
	if err != nil {
		return Signed{}, fmt.Errorf("sign header: %w", err)
	}
	raw, err := SignCOSE(AADHeader, payload, device)
	if err != nil {
		return Signed{}, fmt.Errorf("sign header: %w", err)
	}
	if len(raw) > MaxHeader {
		return Signed{}, fmt.Errorf("sign header: %w", tooLarge("header", int64(len(raw)), MaxHeader))
	}
	return Signed{Header: h, Raw: raw}, nil
}

// Parse reads a signed header. It checks the form of everything and no
// signature: call [Signed.Verify] with the sender's key before believing it.
// The result does not alias raw.
func Parse(raw []byte) (Signed, error) {
	if len(raw) > MaxHeader {
		return Signed{}, fmt.Errorf("parse header: %w", tooLarge("header", int64(len(raw)), MaxHeader))
	}
	raw = append([]byte(nil), raw...)
	payload, err := PayloadCOSE(raw)
	if err != nil {
		return Signed{}, fmt.Errorf("parse header: %w", err)
	}
	h, err := decodeHeader(payload)
	if err != nil {
		return Signed{}, fmt.Errorf("parse header: %w", err)
	}
	return Signed{Header: h, Raw: raw}, nil
}

// Verify checks that the header was signed by the device key of the office
// that Header.From names; the caller looks that key up. It answers
// [ErrSignature] when not.
func (s Signed) Verify(device crypto.PublicKey) error {
	if _, err := VerifyCOSE(AADHeader, s.Raw, device); err != nil {
		return fmt.Errorf("verify header: %w", err)
	}
	return nil
}

// Digest is the SHA-256 of the signed header's bytes, by which receipts refer
// to it.
func (s Signed) Digest() [32]byte { return sha256.Sum256(s.Raw) }

// Stored gives the bundle in the words of the stores. It shares slices with s.
func (s Signed) Stored() storage.Bundle {
	h := s.Header
	b := storage.Bundle{
		ID: h.ID, Kind: uint8(h.Kind), From: h.From, To: h.To, Urgency: h.Urgency,
		Created: h.Created, Expires: h.Expires, InReplyTo: h.InReplyTo, Header: s.Raw,
		Objects: make([]storage.Object, len(h.Objects)),
	}
	for i, o := range h.Objects {
		b.Objects[i] = storage.Object{SHA256: o.SHA256, Size: o.Size, Role: uint8(o.Role)}
	}
	return b
}

// Slips gives the index of the slips object, or -1 when there is none.
func (h Header) Slips() int {
	if n := len(h.Objects) - 1; n >= 0 && h.Objects[n].Role == RoleSlips {
		return n
	}
	return -1
}

// Validate checks every rule of the format. The error is a [*FieldError].
func (h Header) Validate() error {
	if h.ID == uuid.Nil {
		return malformed("id", "is zero")
	}
	if err := checkCode("from", h.From); err != nil {
		return err
	}
	if err := h.validateRecipients(); err != nil {
		return err
	}
	if h.Kind == 0 {
		return malformed("kind", "is zero")
	}
	if h.Urgency > MaxUrgency {
		return malformed("urgency", fmt.Sprintf("%d is not one of 0 to %d", h.Urgency, MaxUrgency))
	}
	if err := checkTime("created", h.Created); err != nil {
		return err
	}
	if err := checkTime("expires", h.Expires); err != nil {
		return err
	}
	if !h.Expires.After(h.Created) {
		return malformed("expires", "is not after created")
	}
	if _, err := age.ParseX25519Recipient(h.Key); err != nil {
		return malformed("key", "is not an age X25519 recipient")
	}
	return h.validateObjects()
}

func (h Header) validateRecipients() error {
	if len(h.To) == 0 {
		return malformed("to", "is empty")
	}
	if len(h.To) > MaxRecipients {
		return tooLarge("to", int64(len(h.To)), MaxRecipients)
	}
	seen := make(map[string]struct{}, len(h.To))
	for i, code := range h.To {
		field := "to[" + strconv.Itoa(i) + "]"
		if err := checkCode(field, code); err != nil {
			return err
		}
		folded := strings.ToLower(code)
		if _, twice := seen[folded]; twice {
			return malformed(field, "names an office twice")
		}
		seen[folded] = struct{}{}
	}
	return nil
}

func (h Header) validateObjects() error {
	if len(h.Objects) == 0 {
		return malformed("objects", "is empty")
	}
	if len(h.Objects) > MaxObjects {
		return tooLarge("objects", int64(len(h.Objects)), MaxObjects)
	}
	for i, o := range h.Objects {
		field := "objects[" + strconv.Itoa(i) + "]"
		switch {
		case o.Size <= 0:
			return malformed(field, "has no bytes")
		case o.Size > MaxObject:
			return tooLarge(field, o.Size, MaxObject)
		case o.Encoding > Zstd:
			return malformed(field, "has an unknown encoding")
		case o.Role == RoleHead && i != 0:
			return malformed(field, "is a head but not the first object")
		}
		if o.Role != RoleSlips {
			continue
		}
		switch {
		case i != len(h.Objects)-1:
			return malformed(field, "holds slips but is not the last object")
		case o.Encoding != Plain:
			return malformed(field, "holds slips that are not plain")
		case o.Size > MaxSlips:
			return tooLarge(field, o.Size, MaxSlips)
		}
	}
	return nil
}

// encode gives the payload: deterministic CBOR of the known fields.
func (h Header) encode() ([]byte, error) {
	if err := h.Validate(); err != nil {
		return nil, err
	}
	w := headerWire{
		Version: Version, ID: h.ID[:], From: h.From, To: h.To, Kind: uint8(h.Kind), Urgency: h.Urgency,
		Created: h.Created.Unix(), Expires: h.Expires.Unix(), Key: h.Key,
		Objects: make([]objectWire, len(h.Objects)),
	}
	if h.InReplyTo != uuid.Nil {
		w.InReplyTo = h.InReplyTo[:]
	}
	if h.Stamp != [32]byte{} {
		w.Stamp = h.Stamp[:]
	}
	for i := range h.Objects {
		o := &h.Objects[i]
		w.Objects[i] = objectWire{SHA256: o.SHA256[:], Size: o.Size, Role: uint8(o.Role), Encoding: uint8(o.Encoding)}
	}
	return encMode.Marshal(w)
}

func decodeHeader(payload []byte) (Header, error) {
	var w headerWire
	if err := headerFields.decode(payload, "header", &w); err != nil {
		return Header{}, err
	}
	h := Header{
		From: w.From, To: w.To, Kind: Kind(w.Kind), Urgency: w.Urgency,
		Created: time.Unix(w.Created, 0).UTC(), Expires: time.Unix(w.Expires, 0).UTC(), Key: w.Key,
	}
	if err := errors.Join(setUUID(&h.ID, w.ID, "id"), setReply(&h.InReplyTo, w.InReplyTo)); err != nil {
		return Header{}, err
	}
	if err := setStamp(&h.Stamp, w.Stamp); err != nil {
		return Header{}, err
	}
	if len(w.Objects) > MaxObjects {
		return Header{}, tooLarge("objects", int64(len(w.Objects)), MaxObjects)
	}
	h.Objects = make([]Object, len(w.Objects))
	for i, o := range w.Objects {
		if len(o.SHA256) != sha256.Size {
			return Header{}, malformed("objects["+strconv.Itoa(i)+"]", "has no SHA-256")
		}
		h.Objects[i] = Object{SHA256: [32]byte(o.SHA256), Size: o.Size, Role: Role(o.Role), Encoding: Encoding(o.Encoding)}
	}
	if err := h.Validate(); err != nil {
		return Header{}, err
	}
	return h, nil
}

func setReply(dst *uuid.UUID, b []byte) error {
	if b == nil {
		return nil
	}
	if err := setUUID(dst, b, "in-reply-to"); err != nil {
		return err
	}
	if *dst == uuid.Nil {
		return malformed("in-reply-to", "is zero")
	}
	return nil
}

func setStamp(dst *[32]byte, b []byte) error {
	if b == nil {
		return nil
	}
	if len(b) != len(dst) {
		return malformed("stamp", "is not a SHA-256")
	}
	copy(dst[:], b)
	if *dst == [32]byte{} {
		return malformed("stamp", "is zero")
	}
	return nil
}

func setUUID(dst *uuid.UUID, b []byte, field string) error {
	if len(b) != len(dst) {
		return malformed(field, "is not 16 bytes")
	}
	copy(dst[:], b)
	return nil
}

// CheckCode tells whether an office code can stand in a header: 1 to [MaxCode]
// bytes of UTF-8 without control characters.
func CheckCode(code string) error { return checkCode("code", code) }

func checkCode(field, code string) error {
	switch {
	case code == "":
		return malformed(field, "is empty")
	case len(code) > MaxCode:
		return tooLarge(field, int64(len(code)), MaxCode)
	case !utf8.ValidString(code):
		return malformed(field, "is not UTF-8")
	case strings.ContainsFunc(code, unicode.IsControl):
		return malformed(field, "has a control character")
	}
	return nil
}

// maxTime keeps times inside what every language's calendar can show: the end
// of the year 9999, in Unix seconds.
const maxTime = 253402300799

func checkTime(field string, t time.Time) error {
	if s := t.Unix(); s < 0 || s > maxTime {
		return malformed(field, "is not between the years 1970 and 9999")
	}
	return nil
}

func seconds(t time.Time) time.Time { return time.Unix(t.Unix(), 0).UTC() }
