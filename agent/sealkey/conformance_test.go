package sealkey_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"tram/agent/seal"
	"tram/agent/sealkey"
	"tram/agent/sealkey/tokentest"
)

// conform is the suite of the contract [sealkey.Key]. Each implementation
// passes it; open gives a key of p that can sign without a person.
func conform(t *testing.T, p pair, open func(t *testing.T) sealkey.Key) {
	key := open(t)
	t.Cleanup(func() { _ = key.Close() })
	digest := sha256.Sum256([]byte("văn bản"))

	if err := key.Ready(t.Context()); err != nil {
		t.Fatalf("it is not ready: %v", err)
	}
	if !sealkey.SamePublic(key.Public(), p.key.Public()) {
		t.Fatal("its public key is another one")
	}
	if certs := key.Certificates(); len(certs) > 0 && !certs[0].Equal(p.cert) {
		t.Errorf("its first certificate is of %s", certs[0].Subject)
	}
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			sig, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
			if err != nil || !verifies(p.key.Public(), digest[:], sig) {
				t.Errorf("a signature does not verify: %v", err)
			}
		})
	}
	wait.Wait()
	long := make([]byte, 64)
	for name, call := range map[string]func() ([]byte, error){
		"SHA-512":     func() ([]byte, error) { return key.Sign(rand.Reader, long, crypto.SHA512) },
		"long digest": func() ([]byte, error) { return key.Sign(rand.Reader, long, crypto.SHA256) },
		"no digest":   func() ([]byte, error) { return key.Sign(rand.Reader, nil, crypto.SHA256) },
		"no options":  func() ([]byte, error) { return key.Sign(rand.Reader, digest[:], nil) },
		"PSS": func() ([]byte, error) {
			return key.Sign(rand.Reader, digest[:], &rsa.PSSOptions{Hash: crypto.SHA256})
		},
	} {
		if sig, err := call(); sig != nil || !errors.Is(err, sealkey.ErrDigest) {
			t.Errorf("%s is signed or refused with %v", name, err)
		}
	}
	sealsForOpenSSL(t, p, key)

	for range 2 {
		if err := key.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	}
	if _, err := key.Sign(rand.Reader, digest[:], crypto.SHA256); !errors.Is(err, sealkey.ErrClosed) {
		t.Errorf("a closed key signs: %v", err)
	}
	if err := key.Ready(t.Context()); !errors.Is(err, sealkey.ErrClosed) {
		t.Errorf("a closed key is ready: %v", err)
	}
}

func verifies(pub crypto.PublicKey, digest, sig []byte) bool {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(k, crypto.SHA256, digest, sig) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, digest, sig)
	}
	return false
}

// sealsForOpenSSL seals a message and has openssl and Trạm itself check it.
func sealsForOpenSSL(t *testing.T, p pair, key sealkey.Key) {
	t.Helper()
	sealer := seal.Sealer{Key: key, Cert: p.cert}
	head, err := sealer.Seal(seal.Named{Name: seal.MessageName, Data: []byte("<edXML/>")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(p.ca)
	opened, err := seal.OpenHead(head, roots, time.Now())
	if err != nil || opened.Verdict.Result != seal.Passed {
		t.Fatalf("the seal is %s %s, %v", opened.Verdict.Result, opened.Verdict.Reason, err)
	}
	dir := t.TempDir()
	signature, manifest := filepath.Join(dir, "seal.p7s"), filepath.Join(dir, "manifest.xml")
	for path, data := range map[string][]byte{signature: opened.Signature, manifest: opened.Manifest} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tool(t, "openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", signature, "-content", manifest,
		"-CAfile", p.caFile, "-purpose", "any", "-out", os.DevNull)
}

// Every kind of key in every kind of place makes seals that openssl accepts.
func TestP12_EveryKindOfKeySeals(t *testing.T) {
	const password = "Mật khẩu con dấu 2026"
	for _, kind := range keyKinds {
		p := newPair(t, kind.make)
		t.Run(kind.name+"/key file", func(t *testing.T) {
			conform(t, p, func(t *testing.T) sealkey.Key { return must(sealkey.OpenFile(p.keyFile))(t) })
		})
		for name, flags := range map[string][]string{
			"PBES2 AES-256": nil,
			"PBES2 AES-128": {"-keypbe", "AES-128-CBC", "-certpbe", "AES-128-CBC"},
			"3DES and RC2":  {"-legacy"},
			"3DES alone":    {"-legacy", "-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"},
		} {
			t.Run(kind.name+"/PKCS#12 "+name, func(t *testing.T) {
				data := der(t, pkcs12File(t, p, password, flags...))
				conform(t, p, func(t *testing.T) sealkey.Key { return must(sealkey.ParsePKCS12(data, password))(t) })
			})
		}
		t.Run(kind.name+"/PKCS#12 opened when needed", func(t *testing.T) {
			data := der(t, pkcs12File(t, p, password))
			conform(t, p, func(*testing.T) sealkey.Key {
				return sealkey.LockedPKCS12(sealkey.FileOptions{Data: data, Public: p.key.Public(), Password: source(password)})
			})
		})
		t.Run(kind.name+"/token", func(t *testing.T) {
			h := newSoftHSM(t, "Con dau")
			h.put(t, p, "con-dau", "0a01")
			conform(t, p, func(t *testing.T) sealkey.Key {
				return must(openToken(t, h, func(o *sealkey.TokenOptions) { o.PIN = source(userPIN) }))(t)
			})
		})
	}
}

func must[K sealkey.Key](key K, err error) func(t *testing.T) sealkey.Key {
	return func(t *testing.T) sealkey.Key {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
}

func source(pin string) sealkey.Source { return func() ([]byte, error) { return []byte(pin), nil } }

func openToken(t *testing.T, h softHSM, change func(*sealkey.TokenOptions)) (sealkey.Unlocker, error) {
	o := sealkey.TokenOptions{Helper: tokentest.Program, Module: h.library, Token: h.label}
	if change != nil {
		change(&o)
	}
	key, err := sealkey.OpenToken(context.WithoutCancel(t.Context()), o)
	if err == nil {
		t.Cleanup(func() { _ = key.Close() })
	}
	return key, err
}
