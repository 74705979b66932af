package release

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const sumsVectorFile = "testdata/sums.json"

// sumsVector is a signed list of checksums, as a stick has it.
type sumsVector struct {
	Note      string `json:"note"`
	Authority []byte `json:"authority"` // SubjectPublicKeyInfo
	List      string `json:"list"`      // the file SHA256SUMS
	Proof     []byte `json:"proof"`     // the file SHA256SUMS.sig
}

// writeSumsVector makes the vector anew, with other keys.
func writeSumsVector(t *testing.T) {
	t.Helper()
	authority := newKey(t)
	list := line("install.sh") + line("packages/tram_1.4.2_amd64.deb") + line("tram-linux-amd64")
	der, err := x509.MarshalPKIXPublicKey(&authority.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	v := sumsVector{"Made for these tests. The keys guard nothing; each file holds its own name.", der, list, proofOf(t, []byte(list), authority, newKey(t)).Encode()}
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(sumsVectorFile, append(out, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestP12_VectorOfASignedList: the list and its signature are those of the vector,
// which stands in the README; one byte of either that is another is told.
func TestP12_VectorOfASignedList(t *testing.T) {
	if *update {
		writeSumsVector(t)
	}
	raw, err := os.ReadFile(sumsVectorFile)
	var v sumsVector
	if err != nil || json.Unmarshal(raw, &v) != nil {
		t.Fatalf("read the vector: %v", err)
	}
	public, err := x509.ParsePKIXPublicKey(v.Authority)
	if err != nil {
		t.Fatal(err)
	}
	authority := public.(*ecdsa.PublicKey)
	p, err := DecodeProof(v.Proof)
	if err != nil {
		t.Fatal(err)
	}
	m, sums, err := p.OpenSums([]byte(v.List), authority)
	if err != nil || m.Version.String() != "1.4.2" || len(m.Files) != 1 || m.Files[0].OS != "any" || m.Files[0].Arch != "sha256sums" || len(sums) != 3 {
		t.Fatalf("%+v, %v, %v", m, sums, err)
	}
	for _, s := range sums {
		if s.SHA256 != sha256.Sum256([]byte(s.Name)) {
			t.Errorf("%s is another file", s.Name)
		}
	}
	for at := range v.List {
		list := []byte(v.List)
		list[at] ^= 1
		if _, _, err := p.OpenSums(list, authority); !errors.Is(err, ErrProgram) {
			t.Fatalf("byte %d of the list changed: %v", at, err)
		}
	}
	for at := range v.Proof {
		changed := bytes.Clone(v.Proof)
		changed[at] ^= 1
		p, err := DecodeProof(changed)
		if err == nil {
			_, _, err = p.OpenSums([]byte(v.List), authority)
		}
		if err == nil {
			t.Fatalf("byte %d of the signature changed and it still holds", at)
		}
	}
	checkInReadme(t, v)
}

// checkInReadme looks for the vector where makers of other software read it.
func checkInReadme(t *testing.T, v sumsVector) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(raw), "\n", "")
	for _, want := range []string{strings.ReplaceAll(v.List, "\n", ""), base64.StdEncoding.EncodeToString(v.Authority), base64.StdEncoding.EncodeToString(v.Proof)} {
		if !strings.Contains(text, want) {
			t.Errorf("README lacks %.60s…", want)
		}
	}
}
