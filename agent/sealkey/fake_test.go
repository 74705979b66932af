package sealkey_test

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
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
	chosen := false
	for {
		q, err := tokenwire.ReadRequest(os.Stdin)
		if err != nil {
			return
		}
		p := tokenwire.Reply{ID: q.ID, Version: tokenwire.Version, Tries: tokenwire.Tries(state)}
		switch q.Do {
		case tokenwire.Hello:
			if state == "later" {
				p.Version++
			}
		case tokenwire.Open:
			if _, err := os.Stat(q.Token); q.Token != "" && err == nil { // another token is in its place
				p.Code = tokenwire.NoKey
				break
			}
			chosen = true
			p.Tokens = []tokenwire.Token{{Label: "fake", Keys: []tokenwire.Key{{ID: "01", Type: "ec", Public: spki}}}}
		case tokenwire.Login:
			switch {
			case !chosen:
				p.Code = tokenwire.Unsupported
			case state == "none":
				p.Code = tokenwire.PINLocked
			case state == "last" && q.Spend != tokenwire.TriesLast:
				p.Code = tokenwire.PINSpared
			case state == "each", state == "other":
				p.Always = true
			}
		case tokenwire.Sign:
			if state == "each" && string(q.PIN) != userPIN {
				p.Code = tokenwire.PINNeeded
				break
			}
			if state == "other" { // it wants another PIN for each signature, and counts nothing
				p.Code, p.Tries = tokenwire.PINWrong, tokenwire.TriesMany
				break
			}
			p.Signature = []byte{1, 2}
			if state == "each" {
				p.Signature = rawSignature(key, q.Digest)
			}
		}
		if tokenwire.WriteReply(os.Stdout, p) != nil {
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

// TestAWrongPINForASignatureIsEnteredOnce: the token takes the PIN at login, and
// wants another one for each signature.
func TestAWrongPINForASignatureIsEnteredOnce(t *testing.T) {
	asked := 0
	key := openFake(t, "other", func() ([]byte, error) { asked++; return []byte(userPIN), nil })
	wantPIN(t, "the first time", sign(key), sealkey.PINWrong, "many")
	wantPIN(t, "the second time", sign(key), sealkey.PINSpared, "few")
	wantPIN(t, "asked", key.Ready(t.Context()), sealkey.PINSpared, "few")
	if asked != 1 {
		t.Errorf("the source was asked %d times", asked)
	}
	person := openFake(t, "other", nil)
	if err := person.Unlock(t.Context(), []byte(userPIN), false); err != nil {
		t.Fatal(err)
	}
	wantPIN(t, "a person's", sign(person), sealkey.PINWrong, "many")
	wantPIN(t, "a person's afterwards", sign(person), sealkey.PINNeeded, "")
}

// TestAnotherTokenInItsPlaceIsNamedEachTime, not only the first.
func TestAnotherTokenInItsPlaceIsNamedEachTime(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other")
	key, err := sealkey.OpenToken(t.Context(), sealkey.TokenOptions{Helper: os.Args[0], Module: "/fake/many", Token: other, PIN: source(userPIN)})
	if err != nil {
		t.Fatal(err)
	}
	defer key.Close()
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_ = key.Ready(ended) // ends the helper
	for range 3 {
		if err := sign(key); !errors.Is(err, sealkey.ErrNoKey) {
			t.Errorf("it says %v", err)
		}
	}
}

func TestAHelperOfAnotherVersionIsNamed(t *testing.T) {
	o := sealkey.TokenOptions{Helper: os.Args[0], Module: "/fake/later"}
	_, opened := sealkey.OpenToken(t.Context(), o)
	_, listed := sealkey.ListTokens(t.Context(), o)
	for _, err := range []error{opened, listed} {
		if !errors.Is(err, sealkey.ErrHelper) || !strings.Contains(err.Error(), "version 2") {
			t.Errorf("it says %v", err)
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
