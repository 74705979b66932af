package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"filippo.io/age"
)

// Key is the key pair of one bundle. Its objects are encrypted to it, and each
// recipient gets its secret in a slip. The zero Key is no key; its methods
// answer [ErrKey].
//
// Formatting and logging a Key shows its public half only; [Key.Secret] is the
// one way to the secret.
type Key struct{ id *age.X25519Identity }

// NewKey makes a key pair for a new bundle.
func NewKey() (Key, error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return Key{}, fmt.Errorf("make bundle key: %w", err)
	}
	return Key{id}, nil
}

// ParseKey reads what [Key.Secret] gave. The error never repeats the text.
func ParseKey(secret string) (Key, error) {
	id, err := age.ParseX25519Identity(strings.TrimSpace(secret))
	if err != nil {
		return Key{}, fmt.Errorf("parse bundle key: %w: not an AGE-SECRET-KEY-1 text", ErrKey)
	}
	return Key{id}, nil
}

// Secret gives the AGE-SECRET-KEY-1 text of the pair, for storing.
func (k Key) Secret() string {
	if k.id == nil {
		return ""
	}
	return k.id.String()
}

// Recipient gives the public half, which stands in the header.
func (k Key) Recipient() string {
	if k.id == nil {
		return ""
	}
	return k.id.Recipient().String()
}

// String gives the public half, marked as such.
func (k Key) String() string { return "key(" + k.Recipient() + ")" }

// GoString keeps %#v from showing the secret.
func (k Key) GoString() string { return k.String() }

// LogValue keeps logs from showing the secret.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// Opens checks that this is the key pair of the bundle with this header. A
// slip travels beside the signature, so its key is checked before use.
func (k Key) Opens(h Header) error {
	if k.id == nil || k.Recipient() != h.Key {
		return fmt.Errorf("%w: slip holds the key of another bundle", ErrKey)
	}
	return nil
}

// CheckRecipient tells whether text is a public key that slips can be made
// for: an age X25519 recipient.
func CheckRecipient(text string) error {
	if _, err := age.ParseX25519Recipient(text); err != nil {
		return fmt.Errorf("%w: not an age X25519 recipient", ErrKey)
	}
	return nil
}

// Slip encrypts the secret to one office's age recipient: an age file that
// holds the AGE-SECRET-KEY-1 text and a line end.
func (k Key) Slip(recipient string) ([]byte, error) {
	if k.id == nil {
		return nil, fmt.Errorf("make slip: %w: no bundle key", ErrKey)
	}
	to, err := age.ParseX25519Recipient(recipient)
	if err != nil {
		return nil, fmt.Errorf("make slip: %w: not an age X25519 recipient", ErrKey)
	}
	var slip bytes.Buffer
	w, err := age.Encrypt(&slip, to)
	if err != nil {
		return nil, fmt.Errorf("make slip: %w", err)
	}
	if _, err := io.WriteString(w, k.id.String()+"\n"); err != nil {
		return nil, fmt.Errorf("make slip: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("make slip: %w", err)
	}
	return slip.Bytes(), nil
}

// OpenSlip gives the bundle key in a slip made for id. [ErrKey] says that the
// slip is for someone else.
func OpenSlip(slip []byte, id age.Identity) (Key, error) {
	if len(slip) > MaxSlip {
		return Key{}, fmt.Errorf("open slip: %w", tooLarge("slip", int64(len(slip)), MaxSlip))
	}
	r, err := age.Decrypt(bytes.NewReader(slip), id)
	if err != nil {
		return Key{}, fmt.Errorf("open slip: %w", ageError(err))
	}
	text, err := io.ReadAll(io.LimitReader(r, MaxSlip))
	if err != nil {
		return Key{}, fmt.Errorf("open slip: %w", ageError(err))
	}
	key, err := ParseKey(string(text))
	if err != nil {
		return Key{}, fmt.Errorf("open slip: %w", err)
	}
	return key, nil
}

// EncodeSlips gives the slips object: a deterministic CBOR map from office
// code to slip.
func EncodeSlips(slips map[string][]byte) ([]byte, error) {
	if err := checkSlips(slips); err != nil {
		return nil, fmt.Errorf("encode slips: %w", err)
	}
	raw, err := encMode.Marshal(slips)
	if err != nil {
		return nil, fmt.Errorf("encode slips: %w", err)
	}
	if len(raw) > MaxSlips {
		return nil, fmt.Errorf("encode slips: %w", tooLarge("slips", int64(len(raw)), MaxSlips))
	}
	return raw, nil
}

// DecodeSlips reads a slips object. It opens none of the slips. The result
// does not alias raw.
func DecodeSlips(raw []byte) (map[string][]byte, error) {
	if len(raw) > MaxSlips {
		return nil, fmt.Errorf("decode slips: %w", tooLarge("slips", int64(len(raw)), MaxSlips))
	}
	var slips map[string][]byte
	if err := decMode.Unmarshal(raw, &slips); err != nil {
		return nil, fmt.Errorf("decode slips: %w: %w", ErrMalformed, err)
	}
	if err := checkSlips(slips); err != nil {
		return nil, fmt.Errorf("decode slips: %w", err)
	}
	if again, err := encMode.Marshal(slips); err != nil || !bytes.Equal(again, raw) {
		return nil, fmt.Errorf("decode slips: %w: not deterministic CBOR", ErrMalformed)
	}
	return slips, nil
}

func checkSlips(slips map[string][]byte) error {
	if len(slips) == 0 {
		return malformed("slips", "is empty")
	}
	if len(slips) > MaxRecipients {
		return tooLarge("slips", int64(len(slips)), MaxRecipients)
	}
	for code, slip := range slips {
		if err := checkCode("slips key", code); err != nil {
			return err
		}
		if len(slip) == 0 {
			return malformed("slips", "has an empty slip for "+code)
		}
		if len(slip) > MaxSlip {
			return tooLarge("slip", int64(len(slip)), MaxSlip)
		}
	}
	return nil
}

// ageError sorts an error of the age library: the wrong key, or bad bytes.
func ageError(err error) error {
	var noMatch *age.NoIdentityMatchError
	if errors.As(err, &noMatch) {
		return fmt.Errorf("%w: %w", ErrKey, err)
	}
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}
