package sealkey_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tram/agent/sealkey"
	"tram/storage/keystore"
)

func TestPKCS12SaysWhatIsWrong(t *testing.T) {
	p := newPair(t, keyKinds[2].make)
	good := der(t, pkcs12File(t, p, "đúng"))
	costly := der(t, pkcs12File(t, p, "đúng", "-iter", "20000000", "-nomaciter", "-keypbe", "NONE"))
	for name, tt := range map[string]struct {
		data     []byte
		password string
		want     error
	}{
		"wrong password":      {good, "sai", sealkey.ErrPassword},
		"no password":         {good, "", sealkey.ErrPassword},
		"no PKCS#12":          {[]byte("hello"), "đúng", sealkey.ErrFormat},
		"cut":                 {good[:len(good)/2], "đúng", sealkey.ErrFormat},
		"too large":           {make([]byte, keystore.MaxFile+1), "đúng", sealkey.ErrFormat},
		"too many iterations": {costly, "đúng", sealkey.ErrFormat},
	} {
		key, err := sealkey.ParsePKCS12(tt.data, tt.password)
		if !errors.Is(err, tt.want) || key != nil {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
		if err != nil && tt.password != "" && strings.Contains(err.Error(), tt.password) {
			t.Errorf("%s: the password is in %q", name, err)
		}
	}
}

func TestUnsuitedKeysAreRefused(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	for name, make := range map[string]func() (crypto.Signer, error){
		"RSA-1024": func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 1024) },
		"P-384":    func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P384(), rand.Reader) },
		"Ed25519":  func() (crypto.Signer, error) { _, k, err := ed25519.GenerateKey(rand.Reader); return k, err },
	} {
		key, err := make()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sealkey.FromSigner(key); !errors.Is(err, sealkey.ErrUnsuited) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// faulty signs something else.
type faulty struct{ crypto.Signer }

func (f faulty) Sign(r io.Reader, _ []byte, opts crypto.SignerOpts) ([]byte, error) {
	return f.Signer.Sign(r, make([]byte, 32), opts)
}

func TestABrokenSignatureIsNeverGivenOut(t *testing.T) {
	for _, kind := range keyKinds {
		k, err := kind.make()
		if err != nil {
			t.Fatal(err)
		}
		key, err := sealkey.FromSigner(faulty{k})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := key.Sign(rand.Reader, digest[:], crypto.SHA256); !errors.Is(err, sealkey.ErrBroken) || got != nil {
			t.Errorf("%s: %x, %v", kind.name, got, err)
		}
	}
}

// TestAWrongPasswordOfAFileIsMended by whoever mends its source, at once.
func TestAWrongPasswordOfAFileIsMended(t *testing.T) {
	p := newPair(t, keyKinds[2].make)
	password := "sai"
	key := sealkey.LockedPKCS12(sealkey.FileOptions{
		Data: der(t, pkcs12File(t, p, "đúng", "-iter", "1000")), Public: p.key.Public(),
		Password: func() ([]byte, error) { return []byte(password), nil },
	})
	defer key.Close()
	for range 2 {
		wantPIN(t, "the wrong one", sign(key), sealkey.PINWrong, "")
		wantPIN(t, "asked with the wrong one", key.Ready(t.Context()), sealkey.PINWrong, "")
	}
	password = "cũng sai"
	wantPIN(t, "another wrong one", sign(key), sealkey.PINWrong, "")
	password = "đúng"
	if err := errors.Join(key.Ready(t.Context()), sign(key)); err != nil {
		t.Errorf("mended, it says %v", err)
	}
}

func TestSecretsComeFromFilesOfTheOwner(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pin")
	t.Setenv(sealkey.CredentialFolder, dir)
	for name, tt := range map[string]struct {
		data string
		mode os.FileMode
		want string
	}{
		"plain":      {"1234", 0o600, "1234"},
		"a line":     {"12 34\r\nnext", 0o600, "12 34"},
		"empty":      {"\n1234", 0o600, ""},
		"long":       {strings.Repeat("1", 300), 0o600, ""},
		"for others": {"1234", 0o644, ""},
	} {
		_ = os.Remove(path)
		if err := os.WriteFile(path, []byte(tt.data), tt.mode); err != nil {
			t.Fatal(err)
		}
		got, err := sealkey.FileSource(path)()
		if string(got) != tt.want || (err == nil) != (tt.want != "") || err != nil && !errors.Is(err, sealkey.ErrSource) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if name == "for others" {
			continue // the folder of credentials is the service's alone
		}
		if got, _ := sealkey.CredentialSource("pin")(); string(got) != tt.want {
			t.Errorf("%s as a credential: %q", name, got)
		}
	}
	for _, name := range []string{"", "..", "../pin", "none", ".pin"} {
		if _, err := sealkey.CredentialSource(name)(); !errors.Is(err, sealkey.ErrSource) {
			t.Errorf("credential %q: %v", name, err)
		}
	}
}

func FuzzParsePKCS12(f *testing.F) {
	p := newPair(f, keyKinds[2].make)
	f.Add(der(f, pkcs12File(f, p, "1", "-iter", "1")))
	f.Add(der(f, pkcs12File(f, p, "1", "-iter", "1", "-legacy")))
	f.Add([]byte{0x30, 0x00})
	f.Fuzz(func(t *testing.T, data []byte) {
		if key, err := sealkey.ParsePKCS12(data, "1"); err == nil && sign(key) != nil {
			t.Error("a key that opens does not sign")
		}
	})
}
