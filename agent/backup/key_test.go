package backup

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tram/agent/problem"
	"tram/agent/tooltest"
	"tram/storage/blob"
)

func newTestKey(t *testing.T) *Key {
	t.Helper()
	k, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestARecoveryCodeIsReadAsPeopleTypeIt(t *testing.T) {
	k := newTestKey(t)
	var sealed bytes.Buffer
	if err := k.seal(&sealed); err != nil {
		t.Fatal(err)
	}
	for _, typed := range []string{k.Code(), strings.ToUpper(k.Code()), strings.ReplaceAll(k.Code(), "-", " ") + "\n"} {
		code, err := ReadCode(typed)
		if err != nil {
			t.Fatalf("%q: %v", typed, err)
		}
		got, err := openKey(bytes.NewReader(sealed.Bytes()), code)
		if err != nil || got.ID() != k.ID() || got.Code() != k.Code() {
			t.Errorf("%q opens %v, %v", typed, got, err)
		}
	}
	if _, err := openKey(bytes.NewReader(sealed.Bytes()), newTestKey(t).Code()); !errors.Is(err, errOtherCode) {
		t.Errorf("another code: %v", err)
	}
	known := spell([codeBytes]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	for i := range known { // every slip of one letter is found
		if known[i] == '-' {
			continue
		}
		for _, letter := range "bdaiz" {
			typed := known[:i] + string(letter) + known[i+1:]
			if _, err := ReadCode(typed); typed != known && problem.From(err).Code != "backup.code" {
				t.Errorf("%q passes: %v", typed, err)
			}
		}
	}
}

func TestContentIsAsLongAsItsSizeSays(t *testing.T) {
	k := newTestKey(t)
	for _, n := range []int{0, 1, 65535, 65536, 65537, 200_000, 2 * 65536} {
		var sealed bytes.Buffer
		if err := encryptTo(&sealed, k.id.Recipient(), bytes.NewReader(make([]byte, n))); err != nil {
			t.Fatal(err)
		}
		if got := int64(sealed.Len()); got != sealedSize(int64(n)) {
			t.Errorf("%d bytes: %d, want %d", n, got, sealedSize(int64(n)))
		}
	}
}

// vectorCode is the recovery code of testdata/vector, as agent/README.md has it.
const vectorCode = "dabuf-jiduk-nofup-tuguv-bahog-hijol-mokor-suloz-zazut"

// vectorText is its document.
func vectorText() []byte { return bytes.Repeat([]byte("Trạm\n"), 40_000/7+1)[:40_000] }

// TestP12_VectorOfABackup holds the form to the one of agent/README.md.
func TestP12_VectorOfABackup(t *testing.T) {
	a := Access{Store: OpenFolder(filepath.Join("testdata", "vector")), Code: vectorCode}
	to := filepath.Join(t.TempDir(), "office")
	r, err := Restore(t.Context(), target(to), a, "")
	if err != nil || r.Code != code || r.Files != 1 || r.Bytes != 40_000 || r.Software != "tram 1.4.0" {
		t.Fatalf("restored: %+v, %v", r, err)
	}
	content := blob.OpenReadOnly(filepath.Join(to, "blobs"))
	got, err := content.Reader(blob.Content{SHA256: sha256.Sum256(vectorText()), Size: 40_000})
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(got)
	if err := errors.Join(err, got.Close()); err != nil || !bytes.Equal(text, vectorText()) {
		t.Errorf("the document is not what it was (error %v)", err)
	}
}

// TestP12_ABackupOpensWithoutOurSoftware: with age and zstd.
func TestP12_ABackupOpensWithoutOurSoftware(t *testing.T) {
	store := OpenFolder(filepath.Join("testdata", "vector"))
	r, err := find(t.Context(), store, vectorCode)
	if err != nil {
		t.Fatal(err)
	}
	identity := filepath.Join(t.TempDir(), "identity")
	if err := os.WriteFile(identity, []byte(r.key.id.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	program := tooltest.Find(t, "age", "the reading of a backup")
	names, err := r.names(t.Context())
	if err != nil || len(names) != 1 {
		t.Fatalf("backups %v (error %v)", names, err)
	}
	for name, begins := range map[string]string{
		r.at(indexFolder, names[0]): "tram-backup 1 ", r.at(dataFolder, names[0]+".db"): "\x28\xb5\x2f\xfd",
		r.at(dataFolder, names[0]+".tar"): "backup.key", r.at(contentFolder, r.key.content(sha256.Sum256(vectorText()))): "Trạm\nTrạm\n",
	} {
		plain, err := exec.Command(program, "-d", "-i", identity, filepath.Join(store.Place(), filepath.FromSlash(name))).Output()
		if err != nil || !strings.HasPrefix(string(plain), begins) {
			t.Errorf("%s: %v, begins %.20q", name, err, plain)
		}
	}
}
