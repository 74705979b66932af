// Package sealkey gives an office's seal keys, wherever they are kept, one
// contract: a key file of Trạm's own, a PKCS#12 file as certificate authorities
// deliver it, and a PKCS#11 token behind the helper program tram-token.
//
// It promises that
//
//   - what a [Key] signs is a SHA-256 digest, with RSA PKCS#1 v1.5 or ECDSA
//     P-256, and is checked with the public key before it is given out, so
//     that a broken token or line never makes a bad seal;
//   - a PIN or password stands in no error, log, argument or environment
//     variable, and a PIN is in memory for a bounded time only;
//   - a wrong PIN is entered once: an automatic source is not asked again while
//     the token counts wrong ones, and the last try is only made on demand;
//   - a helper that hangs or dies, or a token that is taken away and put back,
//     costs one failed signature and no restart of the service.
package sealkey

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
)

// Key is a seal key. Its methods may be called from several goroutines.
//
// Sign takes a SHA-256 digest with opts.HashFunc() == crypto.SHA256; everything
// else is [ErrDigest]. It ignores its source of chance. It may take as long as
// the key's timeout. After an error it may be called again: each call stands
// for itself. Public never changes.
type Key interface {
	crypto.Signer
	// Certificates are those that are kept with the key: the key's own first,
	// then others in any order. There may be none.
	Certificates() []*x509.Certificate
	// Ready says whether a signature could be made now, without making one and
	// without spending a try of the PIN: nil, or the error that Sign would give.
	Ready(ctx context.Context) error
	// Close releases the key; twice is no error. A call that is under way ends
	// with [ErrClosed].
	Close() error
}

// Unlocker is a [Key] that may want a PIN from a person.
type Unlocker interface {
	Key
	// Unlock logs in with pin, which stays the caller's to wipe. last allows
	// the try after which a wrong PIN has locked the token. Errors: [PINError], [ErrAbsent] and
	// the others of Sign.
	Unlock(ctx context.Context, pin []byte, last bool) error
}

// What can be wrong with a key. Errors of this package wrap one of them.
var (
	// ErrDigest says that something else than a SHA-256 digest is to be signed.
	ErrDigest = errors.New("only SHA-256 digests are signed")
	// ErrUnsuited says that the key is neither RSA of 2048 to 4096 bits nor
	// ECDSA P-256, or that the token cannot use it.
	ErrUnsuited = errors.New("key cannot make a seal")
	// ErrPassword says that the password does not open the file.
	ErrPassword = errors.New("wrong password")
	// ErrFormat says that a file is not of its kind.
	ErrFormat = errors.New("not a key file")
	// ErrPIN says that the PIN is wrong, missing or locked; see [PINError].
	ErrPIN = errors.New("PIN")
	// ErrAbsent says that the token is not there. Putting it in mends it.
	ErrAbsent = errors.New("token is not there")
	// ErrNoKey says that the token has no such key.
	ErrNoKey = errors.New("no such key on the token")
	// ErrAmbiguous says that several tokens or keys fit the name.
	ErrAmbiguous = errors.New("several tokens or keys fit")
	// ErrHelper says that the helper program is missing, or failed.
	ErrHelper = errors.New("token helper failed")
	// ErrTimeout says that the token did not answer in time. The next call
	// starts the helper anew.
	ErrTimeout = errors.New("token does not answer")
	// ErrClosed says that the key was closed.
	ErrClosed = errors.New("seal key is closed")
	// ErrBroken says that a signature came out that the key's public half does
	// not verify. It was thrown away.
	ErrBroken = errors.New("signature does not fit the key")
)

// PINState says how a PIN stands.
type PINState string

// States of a PIN.
const (
	PINNeeded PINState = "needed" // nobody has entered it yet, or its time is over
	PINWrong  PINState = "wrong"
	PINSpared PINState = "spared" // not entered, to keep the tries that are left for a person
	PINLocked PINState = "locked"
)

// PINError is an [ErrPIN] with what the token tells about it. Tries is "many",
// "few", "last" or "none", "" when the token was not asked: PKCS#11 gives no
// number.
type PINError struct {
	State PINState
	Tries string
}

func (e *PINError) Error() string { return "PIN is " + string(e.State) + ", tries left: " + e.Tries }
func (e *PINError) Unwrap() error { return ErrPIN }

// Limits of RSA keys, in bits. Longer ones cost every verifier too much.
const (
	MinRSA = 2048
	MaxRSA = 4096
)

// CheckPublic says whether a key of this kind can make a seal.
func CheckPublic(pub crypto.PublicKey) error {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return nil
		}
		return fmt.Errorf("%w: ECDSA not on P-256", ErrUnsuited)
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < MinRSA || bits > MaxRSA {
			return fmt.Errorf("%w: RSA of %d bits", ErrUnsuited, bits)
		}
		return nil
	}
	return fmt.Errorf("%w: key type %T", ErrUnsuited, pub)
}

// SamePublic reports whether two public keys are one.
func SamePublic(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

func checkDigest(digest []byte, opts crypto.SignerOpts) error {
	if opts == nil || opts.HashFunc() != crypto.SHA256 || len(digest) != sha256.Size {
		return ErrDigest
	}
	if _, pss := opts.(*rsa.PSSOptions); pss {
		return fmt.Errorf("%w, without PSS", ErrDigest)
	}
	return nil
}

// verify checks a fresh signature.
func verify(pub crypto.PublicKey, digest, signature []byte) error {
	good := false
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		good = ecdsa.VerifyASN1(k, digest, signature)
	case *rsa.PublicKey:
		good = rsa.VerifyPKCS1v15(k, crypto.SHA256, digest, signature) == nil
	}
	if !good {
		return ErrBroken
	}
	return nil
}

// sortChain puts the certificate of pub first and drops it elsewhere.
func sortChain(pub crypto.PublicKey, certs []*x509.Certificate) []*x509.Certificate {
	var own, others []*x509.Certificate
	for _, c := range certs {
		if len(own) == 0 && SamePublic(pub, c.PublicKey) {
			own = append(own, c)
		} else {
			others = append(others, c)
		}
	}
	if len(own) == 0 {
		return nil
	}
	return append(own, others...)
}
