package sealkey_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tram/agent/sealkey"
	"tram/agent/sealkey/tokentest"
)

var digest = sha256.Sum256([]byte("văn bản"))

func sign(key sealkey.Key) error {
	_, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	return err
}

// wantPIN checks that err is about the PIN and says how it stands.
func wantPIN(t *testing.T, what string, err error, state sealkey.PINState, tries string) {
	t.Helper()
	var pin *sealkey.PINError
	if !errors.As(err, &pin) || !errors.Is(err, sealkey.ErrPIN) || pin.State != state || pin.Tries != tries {
		t.Errorf("%s: %v, want PIN %s with tries %q", what, err, state, tries)
	}
}

func newToken(t *testing.T) (softHSM, pair) {
	h := newSoftHSM(t, "Con dau")
	p := newPair(t, keyKinds[2].make)
	h.put(t, p, "con-dau", "0a01")
	return h, p
}

func TestATokenWaitsForAPersonsPIN(t *testing.T) {
	h, p := newToken(t)
	var log bytes.Buffer
	key, err := openToken(t, h, func(o *sealkey.TokenOptions) {
		o.Public, o.Logger = p.key.Public(), slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	if err != nil {
		t.Fatal(err)
	}
	wantPIN(t, "before anybody came", sign(key), sealkey.PINNeeded, "")
	wantPIN(t, "asked before anybody came", key.Ready(t.Context()), sealkey.PINNeeded, "")
	wrong := key.Unlock(t.Context(), []byte("999999"), false)
	wantPIN(t, "a wrong PIN", wrong, sealkey.PINWrong, "few")
	if err := key.Unlock(t.Context(), []byte(userPIN), false); err != nil {
		t.Fatalf("the right PIN: %v", err)
	}
	if err := errors.Join(key.Ready(t.Context()), sign(key)); err != nil {
		t.Errorf("unlocked, it does not sign: %v", err)
	}
	wantPIN(t, "a wrong PIN while it is unlocked", key.Unlock(t.Context(), []byte("111111"), false), sealkey.PINWrong, "few")
	for _, text := range []string{log.String(), wrong.Error()} {
		if strings.Contains(text, userPIN) || strings.Contains(text, "999999") {
			t.Errorf("a PIN is in %q", text)
		}
	}
}

func TestAPINIsForgottenAfterItsTime(t *testing.T) {
	h, _ := newToken(t)
	key, err := openToken(t, h, func(o *sealkey.TokenOptions) { o.PINLife = 300 * time.Millisecond })
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(key.Unlock(t.Context(), []byte(userPIN), false), sign(key)); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for sign(key) == nil && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	wantPIN(t, "after its time", sign(key), sealkey.PINNeeded, "")
}

// An automatic source spends one try, and none once the token counts wrong
// ones: a service that restarts must not lock the token.
func TestAWrongPINFileNeverLocksTheToken(t *testing.T) {
	h, _ := newToken(t)
	asked := 0
	bad := func(o *sealkey.TokenOptions) {
		o.PIN = func() ([]byte, error) { asked++; return []byte("000000"), nil }
	}
	key, err := openToken(t, h, bad)
	if err != nil {
		t.Fatal(err)
	}
	wantPIN(t, "the first time", sign(key), sealkey.PINWrong, "few")
	wantPIN(t, "the second time", sign(key), sealkey.PINSpared, "few")
	if asked != 1 {
		t.Errorf("the source was asked %d times", asked)
	}
	for range 5 { // five restarts
		again, err := openToken(t, h, bad)
		if err != nil {
			t.Fatal(err)
		}
		wantPIN(t, "after a restart", again.Ready(t.Context()), sealkey.PINSpared, "few")
		wantPIN(t, "after a restart", sign(again), sealkey.PINSpared, "few")
		_ = again.Close()
	}
	if err := errors.Join(key.Unlock(t.Context(), []byte(userPIN), false), sign(key)); err != nil {
		t.Errorf("a person's PIN does not mend it: %v", err)
	}
}

func TestATokenThatIsTakenAwayAndPutBack(t *testing.T) {
	h, _ := newToken(t)
	key, err := openToken(t, h, func(o *sealkey.TokenOptions) { o.PIN = source(userPIN) })
	if err != nil {
		t.Fatal(err)
	}
	if err := sign(key); err != nil {
		t.Fatal(err)
	}
	away := h.tokens + ".away"
	if err := os.Rename(h.tokens, away); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(h.tokens, 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first one may only notice
		err = key.Ready(t.Context())
		if err == nil {
			err = sign(key)
		}
	}
	if !errors.Is(err, sealkey.ErrAbsent) && !errors.Is(err, sealkey.ErrHelper) {
		t.Errorf("without its token it says %v", err)
	}
	if err := errors.Join(os.Remove(h.tokens), os.Rename(away, h.tokens)); err != nil {
		t.Fatal(err)
	}
	if err = sign(key); err != nil {
		err = sign(key)
	}
	if err != nil {
		t.Errorf("with the token back it does not sign: %v", err)
	}
}

func TestWhatIsNotOnTheTokenIsNamed(t *testing.T) {
	h, _ := newToken(t)
	other := newPair(t, keyKinds[2].make)
	for name, tt := range map[string]struct {
		change func(*sealkey.TokenOptions)
		want   error
	}{
		"other token":    {func(o *sealkey.TokenOptions) { o.Token = "khác" }, sealkey.ErrAbsent},
		"other key":      {func(o *sealkey.TokenOptions) { o.Key = "khác" }, sealkey.ErrNoKey},
		"key changed":    {func(o *sealkey.TokenOptions) { o.Public = other.key.Public() }, sealkey.ErrNoKey},
		"no library":     {func(o *sealkey.TokenOptions) { o.Module = "/no/such/library.so" }, sealkey.ErrUnsuited},
		"no helper":      {func(o *sealkey.TokenOptions) { o.Helper = "/no/such/helper" }, sealkey.ErrHelper},
		"relative paths": {func(o *sealkey.TokenOptions) { o.Module = "lib.so" }, sealkey.ErrHelper},
	} {
		if _, err := openToken(t, h, tt.change); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	h.put(t, other, "chu-tich", "0b02")
	if _, err := openToken(t, h, nil); !errors.Is(err, sealkey.ErrAmbiguous) {
		t.Errorf("two keys: %v", err)
	}
	for _, name := range []string{"chu-tich", "id:0B02"} {
		key, err := openToken(t, h, func(o *sealkey.TokenOptions) { o.Key, o.PIN = name, source(userPIN) })
		if err != nil || !sealkey.SamePublic(key.Public(), other.key.Public()) || sign(key) != nil {
			t.Errorf("the key is not found as %s: %v", name, err)
		}
	}
	list, err := sealkey.ListTokens(t.Context(), sealkey.TokenOptions{Helper: tokentest.Program, Module: h.library})
	if err != nil || len(list) != 1 || len(list[0].Keys) != 2 || list[0].Label != h.label || list[0].Tries != "many" {
		t.Errorf("the list is %+v, %v", list, err)
	}
}

// script is a helper that misbehaves, written in shell.
func script(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "tram-token")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAHelperThatMisbehavesCostsOneCall(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want error
	}{
		"hangs":          {"exec sleep 60", sealkey.ErrTimeout},
		"dies":           {"exit 1", sealkey.ErrHelper},
		"talks nonsense": {"echo hello; exec cat >/dev/null", sealkey.ErrHelper},
		"floods":         {"exec cat /dev/zero", sealkey.ErrHelper},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := sealkey.OpenToken(t.Context(), sealkey.TokenOptions{
				Helper: script(t, tt.text), Module: "/lib.so", Timeout: 500 * time.Millisecond,
			})
			if !errors.Is(err, tt.want) {
				t.Errorf("it says %v, want %v", err, tt.want)
			}
		})
	}
}

// The PIN of a person outlives the helper; the next call starts a new one.
func TestTheHelperIsStartedAnew(t *testing.T) {
	h, _ := newToken(t)
	dir := t.TempDir()
	run := script(t, `echo run >>`+dir+`/runs
if [ -e `+dir+`/broken ]; then exit 1; fi
exec `+tokentest.Program+` "$@"`)
	key, err := openToken(t, h, func(o *sealkey.TokenOptions) { o.Helper = run })
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(key.Unlock(t.Context(), []byte(userPIN), false), sign(key)); err != nil {
		t.Fatal(err)
	}
	killed, cancel := context.WithCancel(t.Context())
	cancel()
	if err := key.Ready(killed); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled call ends with %v", err)
	}
	if err := sign(key); err != nil {
		t.Errorf("it does not sign after its helper ended: %v", err)
	}
	runs, err := os.ReadFile(filepath.Join(dir, "runs"))
	if err != nil || bytes.Count(runs, []byte("run")) != 2 {
		t.Errorf("the helper ran %q, %v", runs, err)
	}
}

func TestClosingEndsACallThatIsUnderWay(t *testing.T) {
	h, _ := newToken(t)
	flag := filepath.Join(t.TempDir(), "hang")
	run := script(t, `if [ -e `+flag+` ]; then exec sleep 60; fi
exec `+tokentest.Program+` "$@"`)
	key, err := openToken(t, h, func(o *sealkey.TokenOptions) { o.Helper, o.PIN = run, source(userPIN) })
	if err != nil {
		t.Fatal(err)
	}
	killed, cancel := context.WithCancel(t.Context())
	cancel()
	_ = key.Ready(killed) // ends the helper
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- sign(key) }()
	time.Sleep(100 * time.Millisecond)
	_ = key.Close()
	if err := <-done; !errors.Is(err, sealkey.ErrClosed) {
		t.Errorf("the call ended with %v", err)
	}
}
