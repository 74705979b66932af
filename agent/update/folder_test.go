package update

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tram/agent/problem"
	"tram/agent/release"
)

// stick is a folder of two files that a province has signed.
func stick(t *testing.T) (dir string, authority *ecdsa.PrivateKey) {
	t.Helper()
	dir = t.TempDir()
	put := func(name, text string) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	list := ""
	for _, name := range []string{"tram-linux-amd64", "packages/tram.deb"} {
		put(name, "the file "+name)
		list += fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte("the file "+name)), name)
	}
	put(release.SumsName, list)
	var keys [2]*ecdsa.PrivateKey
	for i := range keys {
		var err error
		if keys[i], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	warrant, err := release.SignWarrant(release.Warrant{Hub: "H40", Serial: 1, Key: &keys[1].PublicKey}, keys[0])
	if err != nil {
		t.Fatal(err)
	}
	m := release.Manifest{Version: release.Version{Major: 1, Minor: 4, Patch: 2}, Serial: 7, Channel: release.Stable, Created: time.Unix(1_790_000_000, 0), Files: []release.File{release.Sums([]byte(list))}}
	signed, err := release.Sign(m, keys[1])
	if err != nil {
		t.Fatal(err)
	}
	put(release.ProofName, string(release.Proof{Warrant: warrant, Release: signed}.Encode()))
	return dir, keys[0]
}

func code(err error) string {
	if err == nil {
		return ""
	}
	return problem.From(err).Code
}

func TestP6_AStickIsTheProvincesToTheLastFile(t *testing.T) {
	dir, authority := stick(t)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	open := func(keys ...crypto.PublicKey) (Signed, error) { return OpenFolder(dir, keys) }
	s, err := open(&stranger.PublicKey, &authority.PublicKey)
	if err != nil || s.Version != "1.4.2" || s.Serial != 7 {
		t.Fatalf("%+v, %v", s, err)
	}
	if n, err := s.Check(t.Context()); err != nil || n == 0 {
		t.Errorf("%d bytes, %v", n, err)
	}
	program := filepath.Join(t.TempDir(), "tram")
	for text, want := range map[string]bool{"the file tram-linux-amd64": true, "another": false} {
		if err := os.WriteFile(program, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		if has, err := s.Holds(program); err != nil || has != want {
			t.Errorf("%q: %v, %v", text, has, err)
		}
	}
	if _, err := open(&stranger.PublicKey); code(err) != "update.folder-signature" {
		t.Errorf("another province's: %v", err)
	}
	if _, err := open(); code(err) != "update.folder-signature" {
		t.Errorf("nobody's: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "packages", "tram.deb"), []byte("changed"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Check(t.Context()); code(err) != "update.folder-changed" {
		t.Errorf("a changed file: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "packages", "tram.deb")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Check(t.Context()); code(err) != "update.folder-changed" {
		t.Errorf("a missing file: %v", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, release.SumsName), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(f, "%x  more\n", sha256.Sum256(nil)); errors.Join(err, f.Close()) != nil {
		t.Fatal(err)
	}
	if _, err := open(&authority.PublicKey); code(err) != "update.folder-signature" {
		t.Errorf("a list that was added to: %v", err)
	}
}

func TestAFolderWithoutProofIsUnsigned(t *testing.T) {
	dir, authority := stick(t)
	for _, name := range []string{release.ProofName, release.SumsName} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenFolder(dir, []crypto.PublicKey{&authority.PublicKey}); !errors.Is(err, ErrUnsigned) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}
