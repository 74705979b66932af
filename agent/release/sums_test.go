package release

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"
)

func line(name string) string { return fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(name)), name) }

func proofOf(t testing.TB, list []byte, authority, key *ecdsa.PrivateKey) Proof {
	t.Helper()
	warrant, err := SignWarrant(Warrant{Hub: "H40", Serial: 3, Key: &key.PublicKey}, authority)
	if err != nil {
		t.Fatal(err)
	}
	m := Manifest{Version: mustVersion("1.4.2"), Serial: 9, Channel: Stable, Created: time.Unix(1_790_000_000, 0), Files: []File{Sums(list)}}
	signed, err := Sign(m, key)
	if err != nil {
		t.Fatal(err)
	}
	return Proof{Warrant: warrant, Release: signed}
}

func TestASignedListIsReadAndNothingElse(t *testing.T) {
	authority, key, stranger := newKey(t), newKey(t), newKey(t)
	list := []byte(line("tram-linux-amd64") + line("packages/tram_1.4.2_amd64.deb"))
	proof := proofOf(t, list, authority, key)
	m, sums, err := proof.OpenSums(list, &authority.PublicKey)
	if err != nil || m.Version.String() != "1.4.2" || len(sums) != 2 || sums[1].Name != "packages/tram_1.4.2_amd64.deb" ||
		sums[0].SHA256 != sha256.Sum256([]byte("tram-linux-amd64")) {
		t.Errorf("%v, %v, %v", m.Version, sums, err)
	}
	if _, _, err := proof.OpenSums(append(bytes.Clone(list), line("added")...), &authority.PublicKey); !errors.Is(err, ErrProgram) {
		t.Errorf("a list that was added to: %v", err)
	}
	if _, _, err := proof.OpenSums(list, &stranger.PublicKey); !errors.Is(err, ErrSignature) {
		t.Errorf("another province's: %v", err)
	}
	other := proofOf(t, list, authority, stranger)
	if _, _, err := (Proof{Warrant: proof.Warrant, Release: other.Release}).OpenSums(list, &authority.PublicKey); !errors.Is(err, ErrSignature) {
		t.Errorf("signed with a key that has no warrant: %v", err)
	}
}

func TestASignedListIsNoProgram(t *testing.T) {
	m := Manifest{Version: mustVersion("9.0.0"), Serial: 9, Channel: Stable, Files: []File{Sums([]byte(line("x")))}}
	for _, here := range []Installed{{OS: "linux", Arch: "amd64"}, {OS: "windows", Arch: "386"}} {
		if no := m.Judge(here); no != NoProgram {
			t.Errorf("%v: %q", here, no)
		}
	}
}

func TestProofOfProgramsSignsNoList(t *testing.T) {
	authority, key := newKey(t), newKey(t)
	proof := proofOf(t, []byte("x"), authority, key)
	signed, err := Sign(sample(), key)
	if err != nil {
		t.Fatal(err)
	}
	proof.Release = signed
	if _, _, err := proof.OpenSums([]byte(line("x")), &authority.PublicKey); !errors.Is(err, ErrMalformed) {
		t.Errorf("got %v", err)
	}
}

func TestListsOfChecksums(t *testing.T) {
	good := line("tram")
	for name, list := range map[string]string{
		"empty": "", "no name": good[:66] + "\n", "short digest": good[2:], "no hexadecimal": "zz" + good[2:],
		"above": line("../tram"), "absolute": line("/etc/passwd"), "dot": line("."), "not clean": line("a//b"),
		"a drive": line("c:tram"), "a backslash": line(`a\..\..\b`), "a control": line("a\x01"), "twice": good + good, "one space": good[:64] + "  x"[1:],
	} {
		if sums, err := ParseSums([]byte(list)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, %v", name, sums, err)
		}
	}
	if sums, err := ParseSums([]byte(good[:65] + "*" + good[66:])); err != nil || sums[0].Name != "tram" {
		t.Errorf("binary mode: %v, %v", sums, err)
	}
	if _, err := ParseSums(bytes.Repeat([]byte(" "), MaxSums+1)); !errors.Is(err, ErrMalformed) {
		t.Errorf("too long: %v", err)
	}
}

func FuzzParseSums(f *testing.F) {
	f.Add([]byte(line("tram") + line("packages/tram.deb")))
	f.Add([]byte("x"))
	f.Fuzz(func(t *testing.T, list []byte) {
		sums, err := ParseSums(list)
		if err != nil {
			return
		}
		var out []byte
		for _, s := range sums {
			out = fmt.Appendf(out, "%x  %s\n", s.SHA256, s.Name)
		}
		again, err := ParseSums(out)
		if err != nil || len(again) != len(sums) {
			t.Fatalf("%q gave %q: %v", list, out, err)
		}
		for i := range sums {
			if sums[i] != again[i] {
				t.Fatalf("%v and %v", sums[i], again[i])
			}
		}
	})
}
