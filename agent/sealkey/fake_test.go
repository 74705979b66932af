package sealkey_test

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"os"
	"testing"

	"tram/agent/sealkey"
	"tram/agent/sealkey/tokenwire"
)

// fakeHelper is the test's own binary as a helper program: a token in a state
// that SoftHSM never has. The name of its library says which.
func fakeHelper(state string) {
	key, err := keyKinds[2].make()
	if err != nil {
		os.Exit(1)
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		os.Exit(1)
	}
	for {
		q, err := tokenwire.ReadRequest(os.Stdin)
		if err != nil {
			return
		}
		p := tokenwire.Reply{ID: q.ID, Version: tokenwire.Version, Tries: tokenwire.Tries(state)}
		switch q.Do {
		case tokenwire.Open:
			p.Tokens = []tokenwire.Token{{Label: "fake", Keys: []tokenwire.Key{{ID: "01", Type: "ec", Public: spki}}}}
		case tokenwire.Login:
			switch {
			case state == "none":
				p.Code = tokenwire.PINLocked
			case state == "last" && q.Spend != tokenwire.TriesLast:
				p.Code = tokenwire.PINSpared
			case state == "each":
				p.Always = true
			}
		case tokenwire.Sign:
			if state == "each" && string(q.PIN) != userPIN {
				p.Code = tokenwire.PINNeeded
				break
			}
			p.Signature = []byte{1, 2}
			if state == "each" {
				p.Signature = rawSignature(key, q.Digest)
			}
		}
		if tokenwire.Write(os.Stdout, p) != nil {
			return
		}
	}
}

func openFake(t *testing.T, state string, pin sealkey.Source) sealkey.Unlocker {
	t.Helper()
	key, err := sealkey.OpenToken(t.Context(), sealkey.TokenOptions{Helper: os.Args[0], Module: "/fake/" + state, PIN: pin})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = key.Close() })
	return key
}

func TestTheLastTryIsMadeOnDemandOnly(t *testing.T) {
	last := openFake(t, "last", source(userPIN))
	wantPIN(t, "the source", last.Ready(t.Context()), sealkey.PINSpared, "last")
	wantPIN(t, "the source", sign(last), sealkey.PINSpared, "last")
	wantPIN(t, "a person", last.Unlock(t.Context(), []byte(userPIN), false), sealkey.PINSpared, "last")
	if err := last.Unlock(t.Context(), []byte(userPIN), true); err != nil {
		t.Errorf("on demand: %v", err)
	}
	locked := openFake(t, "none", source(userPIN))
	wantPIN(t, "locked", locked.Ready(t.Context()), sealkey.PINLocked, "none")
	wantPIN(t, "locked", sign(locked), sealkey.PINLocked, "none")
	wantPIN(t, "locked", locked.Unlock(t.Context(), []byte(userPIN), true), sealkey.PINLocked, "none")
}

func TestAKeyThatWantsItsPINEachTime(t *testing.T) {
	key := openFake(t, "each", source(userPIN))
	for range 2 {
		if err := errors.Join(sign(key), key.Ready(t.Context())); err != nil {
			t.Error(err)
		}
	}
}

func TestATokensBadSignatureIsNeverGivenOut(t *testing.T) {
	if err := sign(openFake(t, "many", source(userPIN))); !errors.Is(err, sealkey.ErrBroken) {
		t.Errorf("it says %v", err)
	}
}

// rawSignature is what tokens give for ECDSA: r and s side by side.
func rawSignature(key crypto.Signer, digest []byte) []byte {
	der, err := key.Sign(nil, digest, crypto.SHA256)
	if err != nil || len(digest) != sha256.Size {
		return nil
	}
	return sealkey.RawOf(der)
}
