package keystore

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

func TestKeysComeBackAsTheyWere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "keys")
	if err := MakeFolder(dir); err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"ec.key": ec, "rsa.key": rsaKey} {
		path := filepath.Join(dir, name)
		if err := SaveKey(path, key); err != nil {
			t.Fatal(err)
		}
		got, err := LoadKey(path)
		if err != nil {
			t.Fatal(err)
		}
		if !got.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(key.Public()) {
			t.Errorf("%s: another key came back", name)
		}
	}
	checkModes(t, dir)
}

func checkModes(t *testing.T, dir string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		return // access lists, not modes
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := FileMode
		if d.IsDir() {
			want = FolderMode
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %04o, want %04o", path, info.Mode().Perm(), want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestMakeFolderNarrowsAnOpenFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := MakeFolder(dir); err != nil {
		t.Fatal(err)
	}
	checkModes(t, dir)
}

func TestCertsComeBackAsTheyWere(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "UBND xã Kỳ Sơn"},
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "c.crt")
	if err := SaveCert(path, cert); err != nil {
		t.Fatal(err)
	}
	got, err := LoadCert(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Raw, cert.Raw) {
		t.Error("another certificate came back")
	}
	if _, err := LoadKey(path); !errors.Is(err, ErrFormat) {
		t.Errorf("a certificate read as a key gave %v", err)
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask
			t.Fatal(err)
		}
		return path
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ed := filepath.Join(dir, "ed")
	if err := SaveKey(ed, edKey); err != nil {
		t.Fatal(err)
	}
	type test struct {
		name, path string
		want       error
	}
	tests := []test{
		{"missing", filepath.Join(dir, "none"), ErrNotFound},
		{"no PEM", write("text", []byte("hello"), 0o600), ErrFormat},
		{"PEM of garbage", write("pem", []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), 0o600), ErrFormat},
		{"too large", write("large", make([]byte, MaxFile+1), 0o600), ErrFormat},
		{"a folder", dir, ErrFormat},
		{"another key type", ed, ErrFormat},
	}
	if runtime.GOOS != "windows" {
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		tests = append(tests,
			test{"group may read", write("group", []byte("x"), 0o640), ErrPermissions},
			test{"others may read", write("others", []byte("x"), 0o604), ErrPermissions},
		)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := LoadKey(tt.path); !errors.Is(err, tt.want) {
				t.Errorf("LoadKey gave %v, want %v", err, tt.want)
			}
		})
	}
	if err := Save(filepath.Join(dir, "big"), make([]byte, MaxFile+1)); !errors.Is(err, ErrFormat) {
		t.Errorf("Save of too much gave %v", err)
	}
}

func TestLockIsForOne(t *testing.T) {
	dir := t.TempDir()
	unlock, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(dir); !errors.Is(err, ErrLocked) {
		t.Fatalf("second Lock gave %v, want ErrLocked", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	unlock, err = Lock(dir)
	if err != nil {
		t.Fatalf("Lock after unlock gave %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(filepath.Join(dir, "none")); err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("Lock of a missing folder gave %v", err)
	}
}
