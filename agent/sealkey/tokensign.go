package sealkey

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"time"

	"tram/agent/sealkey/tokenwire"
)

func (t *token) Public() crypto.PublicKey          { return t.public }
func (t *token) Certificates() []*x509.Certificate { return t.certs }

func (t *token) over() bool {
	select {
	case <-t.closed:
		return true
	default:
		return false
	}
}

func (t *token) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if err := checkDigest(digest, opts); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	pin, spend, err := t.enter(context.Background())
	defer clear(pin)
	if err != nil {
		return nil, err
	}
	q := tokenwire.Request{Do: tokenwire.Sign, Digest: digest}
	if t.always {
		q.PIN, q.Spend = pin, spend
	}
	reply, err := t.ask(context.Background(), q)
	if err != nil {
		t.rejected(err, spend)
		return nil, err
	}
	signature := reply.Signature
	if _, isRSA := t.public.(*rsa.PublicKey); !isRSA {
		if signature, err = derOf(signature); err != nil {
			return nil, err
		}
	}
	if err := verify(t.public, digest, signature); err != nil {
		return nil, err
	}
	return signature, nil
}

// derOf turns r and s, each half of raw, into the form of X.509.
func derOf(raw []byte) ([]byte, error) {
	if len(raw) == 0 || len(raw)%2 != 0 {
		return nil, ErrBroken
	}
	half := len(raw) / 2
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:half]), new(big.Int).SetBytes(raw[half:])})
}

// enter makes sure of a login. It gives a copy of the PIN, for a key that wants
// it for each signature, and how far it may be spent. Under mu.
func (t *token) enter(ctx context.Context) (pin []byte, spend tokenwire.Tries, err error) {
	if err := t.connect(ctx); err != nil {
		return nil, "", err
	}
	if t.logged && !t.always {
		return nil, "", nil
	}
	if pin, spend, err = t.secret(); err != nil || t.logged {
		return pin, spend, err
	}
	return pin, spend, t.login(ctx, pin, spend)
}

// secret is the PIN that a person left here or that the source gives, with the
// worst state in which it may be entered. Under mu.
func (t *token) secret() (pin []byte, spend tokenwire.Tries, err error) {
	switch {
	case len(t.pin) > 0:
		return bytes.Clone(t.pin), tokenwire.TriesFew, nil
	case t.o.PIN == nil:
		return nil, "", &PINError{State: PINNeeded}
	case t.spent:
		return nil, "", &PINError{State: PINSpared, Tries: string(tokenwire.TriesFew)}
	}
	pin, err = t.o.PIN()
	return pin, tokenwire.TriesMany, err
}

// login enters a PIN. A wrong one is forgotten, and an automatic source that
// gave it is not asked again. Under mu.
func (t *token) login(ctx context.Context, pin []byte, spend tokenwire.Tries) error {
	reply, err := t.ask(ctx, tokenwire.Request{Do: tokenwire.Login, PIN: pin, Spend: spend})
	if err != nil {
		t.rejected(err, spend)
		return err
	}
	t.logged, t.always = true, reply.Always
	return nil
}

// rejected forgets a PIN that the token did not take. Under mu.
func (t *token) rejected(err error, spend tokenwire.Tries) {
	var wrong *PINError
	if errors.As(err, &wrong) {
		t.spent = t.spent || spend == tokenwire.TriesMany && wrong.State == PINWrong
		t.forget()
	}
}

// Unlock logs in with a person's PIN and keeps it for PINLife.
func (t *token) Unlock(ctx context.Context, pin []byte, last bool) error {
	if len(pin) == 0 || len(pin) > tokenwire.MaxPIN {
		return &PINError{State: PINWrong}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.connect(ctx); err != nil {
		return err
	}
	if t.logged { // by the source, or by another PIN: this one is to be proven
		t.logged = false
		if _, err := t.ask(ctx, tokenwire.Request{Do: tokenwire.Logout}); err != nil {
			return err
		}
	}
	spend := tokenwire.TriesFew
	if last {
		spend = tokenwire.TriesLast
	}
	if err := t.login(ctx, pin, spend); err != nil {
		return err
	}
	t.forget()
	t.pin, t.spent = bytes.Clone(pin), false
	t.entered++
	entered := t.entered
	t.expiry = time.AfterFunc(t.o.PINLife, func() { t.expire(entered) })
	return nil
}

// forget wipes the PIN of a person. Under mu.
func (t *token) forget() {
	clear(t.pin)
	t.pin = nil
	if t.expiry != nil {
		t.expiry.Stop()
		t.expiry = nil
	}
}

// expire ends the login of the PIN that was the entered-th, unless it is over or
// another one was entered since.
func (t *token) expire(entered int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.expiry != nil && t.entered == entered {
		t.forget()
		t.drop()
	}
}

func (t *token) Ready(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.connect(ctx); err != nil {
		return err
	}
	reply, err := t.ask(ctx, tokenwire.Request{Do: tokenwire.State})
	if err != nil {
		return err
	}
	if t.logged && !t.always {
		return nil
	}
	pin, spend, err := t.secret()
	clear(pin)
	switch {
	case err != nil:
		return err
	case t.logged:
		return nil
	case reply.Tries == tokenwire.TriesNone:
		return &PINError{State: PINLocked, Tries: string(reply.Tries)}
	case reply.Tries == tokenwire.TriesLast, reply.Tries == tokenwire.TriesFew && spend == tokenwire.TriesMany:
		return &PINError{State: PINSpared, Tries: string(reply.Tries)}
	}
	return nil
}

func (t *token) Close() error {
	t.closing.Do(func() { close(t.closed) })
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget()
	t.drop()
	return nil
}
