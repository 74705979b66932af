// Package tokenwire is what tram and its helper program for PKCS#11 tokens say
// to each other over the helper's standard input and output.
//
// A frame is a length (4 bytes, big endian, 1 to [MaxFrame]) and as many bytes
// of JSON in UTF-8: a [Request] one way, a [Reply] the other, one reply to
// each request, in order. Both ends end the connection on a frame that they
// cannot read. The format is specified in agent/README.md.
//
// It promises that hostile bytes make the readers neither panic nor allocate
// beyond MaxFrame, and that no PIN or digest appears in an error. It is pure.
package tokenwire

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Version of the protocol. Both ends name theirs in hello.
const Version = 1

// Limits. What is beyond them is [ErrFrame].
const (
	// MaxFrame is the longest JSON text of a frame, in bytes.
	MaxFrame = 256 << 10
	// MaxPIN is the longest PIN, in bytes.
	MaxPIN = 255
	// MaxText is the longest name in a request, in bytes.
	MaxText = 1024
	// DigestSize is that of SHA-256, the one digest that is signed, in bytes.
	DigestSize = 32
)

// ErrFrame says that what came is no frame of this protocol.
var ErrFrame = errors.New("bad frame of the token helper")

// Do is what a request asks for.
type Do string

// Requests. Login holds until logout, the end of the helper or the removal of
// the token.
const (
	Hello  Do = "hello"  // Version; the answer names helper and library
	List   Do = "list"   // tokens and their keys; needs no PIN
	Open   Do = "open"   // choose Token and Key for the requests below
	State  Do = "state"  // is the token still there, and how many tries has it
	Login  Do = "login"  // PIN, Spend
	Logout Do = "logout" // forget the login
	Sign   Do = "sign"   // Digest; PIN as well when the key wants it each time
)

// Request is what tram asks.
type Request struct {
	ID      uint64 `json:"id"`
	Do      Do     `json:"do"`
	Version int    `json:"version,omitempty"`
	Token   string `json:"token,omitempty"` // serial number or label; "" for the only one
	Key     string `json:"key,omitempty"`   // label, or "id:" and CKA_ID in hex; "" for the only one
	// PIN is base64 in JSON, so that it can be wiped after use.
	PIN []byte `json:"pin,omitempty"`
	// Spend, of login and of sign with a PIN, is the worst state of the token in
	// which the PIN is still entered; "" is TriesMany.
	Spend  Tries  `json:"spend,omitempty"`
	Digest []byte `json:"digest,omitempty"` // SHA-256
}

// Code says what went wrong.
type Code string

// Codes of a [Reply].
const (
	PINWrong    Code = "pin-wrong"
	PINLocked   Code = "pin-locked"
	PINSpared   Code = "pin-spared" // not entered: the token has fewer tries left than Spend allows
	PINNeeded   Code = "pin-needed" // not logged in, or the login is gone
	Absent      Code = "absent"     // token not there, or taken away
	NoKey       Code = "no-key"     // no such key on the token
	Ambiguous   Code = "ambiguous"  // several tokens or keys fit
	Unsupported Code = "unsupported"
	Failed      Code = "failed" // Text tells the library's word
)

// Tries says how many wrong PINs the token still takes. PKCS#11 tells no number.
type Tries string

// Values of [Tries].
const (
	TriesMany Tries = "many"
	TriesFew  Tries = "few"  // a wrong one was entered since the last login
	TriesLast Tries = "last" // the next wrong one locks the token
	TriesNone Tries = "none" // locked
)

// Key is a private key on a token.
type Key struct {
	ID     string   `json:"id"` // CKA_ID in hex
	Label  string   `json:"label"`
	Type   string   `json:"type"`             // "rsa", "ec"
	Public []byte   `json:"public,omitempty"` // SubjectPublicKeyInfo, DER
	Certs  [][]byte `json:"certs,omitempty"`  // DER; those of the key alone
}

// Token is a token in a slot.
type Token struct {
	Label  string `json:"label"`
	Serial string `json:"serial"`
	Model  string `json:"model"`
	Tries  Tries  `json:"tries"`
	Keys   []Key  `json:"keys,omitempty"` // of list and open
}

// Reply is what the helper answers. Code is empty when all went well.
type Reply struct {
	ID        uint64  `json:"id"`
	Code      Code    `json:"code,omitempty"`
	Text      string  `json:"text,omitempty"` // for the log
	Tries     Tries   `json:"tries,omitempty"`
	Version   int     `json:"version,omitempty"`
	Library   string  `json:"library,omitempty"`
	Tokens    []Token `json:"tokens,omitempty"`    // of list; one of open
	Always    bool    `json:"always,omitempty"`    // of login: the key wants the PIN for each signature as well
	Signature []byte  `json:"signature,omitempty"` // RSA PKCS#1 v1.5, or ECDSA as r and s of equal length
}

// WriteRequest writes one request and wipes its bytes from memory afterwards.
func WriteRequest(w io.Writer, q Request) error {
	pin := q.PIN
	q.PIN = nil // encoding/json keeps the buffers that it writes into
	data, err := json.Marshal(q)
	if err != nil {
		return fmt.Errorf("write frame: %w", err)
	}
	if len(pin) > 0 {
		const before, after = `,"pin":"`, `"}`
		object := data[:len(data)-1]
		data = make([]byte, 0, len(object)+len(before)+base64.StdEncoding.EncodedLen(len(pin))+len(after))
		data = append(append(data, object...), before...)
		data = append(base64.StdEncoding.AppendEncode(data, pin), after...)
	}
	return writeFrame(w, data)
}

// WriteReply writes one reply.
func WriteReply(w io.Writer, p Reply) error {
	data, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("write frame: %w", err)
	}
	return writeFrame(w, data)
}

// writeFrame writes a frame in one piece, and wipes it and data.
func writeFrame(w io.Writer, data []byte) error {
	defer clear(data)
	if len(data) > MaxFrame {
		return fmt.Errorf("write frame: %w: %d bytes", ErrFrame, len(data))
	}
	frame := make([]byte, 4, 4+len(data))
	binary.BigEndian.PutUint32(frame, uint32(len(data)))
	frame = append(frame, data...)
	defer clear(frame)
	if _, err := w.Write(frame); err != nil {
		return fmt.Errorf("write frame: %w", err)
	}
	return nil
}

// ReadRequest reads one request and checks its form. io.EOF before its first
// byte says that there are no more.
func ReadRequest(r io.Reader) (Request, error) {
	var q Request
	if err := read(r, &q); err != nil {
		return Request{}, err
	}
	if err := q.check(); err != nil {
		clear(q.PIN)
		return Request{}, err
	}
	return q, nil
}

func (q Request) check() error {
	switch {
	case len(q.PIN) > MaxPIN:
		return fmt.Errorf("%w: PIN is too long", ErrFrame)
	case len(q.Token) > MaxText || len(q.Key) > MaxText:
		return fmt.Errorf("%w: name is too long", ErrFrame)
	case q.Do == Sign && len(q.Digest) != DigestSize, q.Do != Sign && len(q.Digest) > 0:
		return fmt.Errorf("%w: digest of %d bytes", ErrFrame, len(q.Digest))
	case q.Spend != "" && q.Spend != TriesMany && q.Spend != TriesFew && q.Spend != TriesLast:
		return fmt.Errorf("%w: spend", ErrFrame)
	case q.Do == Login && len(q.PIN) == 0:
		return fmt.Errorf("%w: login without PIN", ErrFrame)
	}
	switch q.Do {
	case Hello, List, Open, State, Login, Logout, Sign:
		return nil
	}
	return fmt.Errorf("%w: unknown request %q", ErrFrame, string(q.Do[:min(len(q.Do), 20)]))
}

// ReadReply reads one reply.
func ReadReply(r io.Reader) (Reply, error) {
	var p Reply
	return p, read(r, &p)
}

func read(r io.Reader, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err // io.EOF stays itself
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > MaxFrame {
		return fmt.Errorf("%w: length %d", ErrFrame, n)
	}
	data := make([]byte, n)
	defer clear(data)
	if _, err := io.ReadFull(r, data); err != nil {
		return fmt.Errorf("read frame: %w", io.ErrUnexpectedEOF)
	}
	if err := json.Unmarshal(data, v); err != nil {
		// The parser's words could repeat a secret.
		return fmt.Errorf("%w: not the JSON expected", ErrFrame)
	}
	return nil
}
