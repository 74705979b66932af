package release

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"tram/sync/bundle"
)

// update rewrites the vectors. Signatures are randomised, so new vectors are new in
// every byte that is signed.
var update = flag.Bool("update", false, "rewrite testdata/vectors.json")

const vectorFile = "testdata/vectors.json"

type vectors struct {
	Note      string `json:"note"`
	Authority []byte `json:"authority"` // SubjectPublicKeyInfo
	Warrant   []byte `json:"warrant"`
	Release   []byte `json:"release"`
	Proof     []byte `json:"proof"`
}

func mustVersion(s string) Version {
	v, err := ParseVersion(s)
	if err != nil {
		panic(err)
	}
	return v
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sample() Manifest {
	return Manifest{
		Version: mustVersion("1.5.0"), Serial: 12, Channel: Stable, After: mustVersion("1.2.0"),
		NotesVI: "Tìm kiếm nhanh hơn.", NotesEN: "Faster search.", Created: time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC),
		Files: []File{
			{OS: "linux", Arch: "amd64", Size: 3, SHA256: sha256.Sum256([]byte("abc"))},
			{OS: "linux", Arch: "arm64", Size: 5, SHA256: sha256.Sum256([]byte("defgh"))},
		},
	}
}

func prove(t testing.TB, m Manifest, authority, software *ecdsa.PrivateKey) Proof {
	t.Helper()
	w, err := SignWarrant(Warrant{Hub: "H01", Serial: 2, Key: &software.PublicKey}, authority)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := Sign(m, software)
	if err != nil {
		t.Fatal(err)
	}
	return Proof{Warrant: w, Release: raw}
}

func TestP7_OnlyTheProvincesKeySignsAReleaseThatCounts(t *testing.T) {
	authority, software, other := newKey(t), newKey(t), newKey(t)
	good := prove(t, sample(), authority, software)
	m, w, err := good.Open(&authority.PublicKey)
	if err != nil || !reflect.DeepEqual(m, sample()) || w.Hub != "H01" || w.Serial != 2 {
		t.Fatalf("%+v %+v %v", m, w, err)
	}
	if again, err := DecodeProof(good.Encode()); err != nil || !reflect.DeepEqual(again, good) {
		t.Fatalf("%v", err)
	}
	cases := map[string]Proof{
		"warrant of another authority":   {prove(t, sample(), other, software).Warrant, good.Release},
		"release signed by another key":  {good.Warrant, prove(t, sample(), authority, other).Release},
		"authority itself signs":         {good.Warrant, prove(t, sample(), authority, authority).Release},
		"a warrant in the release place": {good.Warrant, good.Warrant},
	}
	for name, p := range cases {
		if _, _, err := p.Open(&authority.PublicKey); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range good.Release {
		bad := bytes.Clone(good.Release)
		bad[i] ^= 1
		if _, _, err := (Proof{good.Warrant, bad}).Open(&authority.PublicKey); err == nil {
			t.Fatalf("byte %d altered and nobody noticed", i)
		}
	}
}

func TestManifestRefused(t *testing.T) {
	key := newKey(t)
	for name, spoil := range map[string]func(*Manifest){
		"no version":     func(m *Manifest) { m.Version = Version{} },
		"no serial":      func(m *Manifest) { m.Serial = 0 },
		"channel":        func(m *Manifest) { m.Channel = "nightly" },
		"notes":          func(m *Manifest) { m.NotesVI = strings.Repeat("x", MaxNotes+1) },
		"no UTF-8":       func(m *Manifest) { m.NotesEN = "\xff" },
		"time":           func(m *Manifest) { m.Created = time.Time{} },
		"no files":       func(m *Manifest) { m.Files = nil },
		"too many":       func(m *Manifest) { m.Files = make([]File, MaxFiles+1) },
		"twice":          func(m *Manifest) { m.Files = append(m.Files, m.Files[1]) },
		"order":          func(m *Manifest) { m.Files[0], m.Files[1] = m.Files[1], m.Files[0] },
		"path as system": func(m *Manifest) { m.Files[0].OS = "../x" },
		"size":           func(m *Manifest) { m.Files[0].Size = 0 },
		"large":          func(m *Manifest) { m.Files[0].Size = MaxProgram + 1 },
	} {
		m := sample()
		spoil(&m)
		if _, err := Sign(m, key); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVersions(t *testing.T) {
	order := []string{"0.9.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.2", "1.2.0", "1.10.0", "10.0.0"}
	for i, a := range order {
		if mustVersion(a).String() != a {
			t.Errorf("%s reads back as %s", a, mustVersion(a))
		}
		for j, b := range order {
			if got := mustVersion(a).Compare(mustVersion(b)); got != compare(i, j) {
				t.Errorf("%s against %s: %d", a, b, got)
			}
		}
	}
	for _, bad := range []string{"", "dev", "1", "1.2", "v1.2.3", "01.2.3", "1.2.3.4", "1.2.3-", "1.2.3-..", "1.2.3-a/b", "1.2.3+x", "../../x", "1.2.3-a\n", "0.0.0", "1234567.0.0", "1.2.3-" + strings.Repeat("a", 80)} {
		if v, err := ParseVersion(bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v %v", bad, v, err)
		}
	}
}

func compare(i, j int) int {
	switch {
	case i < j:
		return -1
	case i > j:
		return 1
	}
	return 0
}

func TestNothingFollowsButWhatIsNewer(t *testing.T) {
	here := Installed{Version: mustVersion("1.4.0"), Serial: 10, OS: "linux", Arch: "amd64"}
	for name, c := range map[string]struct {
		change func(*Manifest)
		here   func(*Installed)
		want   Refusal
	}{
		"newer":                        {},
		"lower":                        {change: func(m *Manifest) { m.Version = mustVersion("1.3.0") }, want: Older},
		"roll-back":                    {change: func(m *Manifest) { m.Version, m.RollBack = mustVersion("1.3.0"), true }},
		"roll-back of old":             {change: func(m *Manifest) { m.Version, m.RollBack, m.Serial = mustVersion("1.3.0"), true, 9 }, want: Replayed},
		"roll-back of the same serial": {change: func(m *Manifest) { m.Version, m.RollBack, m.Serial = mustVersion("1.3.0"), true, 10 }, want: Replayed},
		"higher with an old serial":    {change: func(m *Manifest) { m.Serial = 9 }, want: Replayed},
		"the same once more":           {change: func(m *Manifest) { m.Version, m.Serial = here.Version, 10 }},
		"too far":                      {change: func(m *Manifest) { m.After = mustVersion("1.4.1") }, want: TooFar},
		"other platform":               {here: func(i *Installed) { i.Arch = "386" }, want: NoProgram},
		"never updated":                {here: func(i *Installed) { i.Serial = 0 }},
	} {
		m, i := sample(), here
		if c.change != nil {
			c.change(&m)
		}
		if c.here != nil {
			c.here(&i)
		}
		if got := m.Judge(i); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestProgramsAreFoundAndChecked(t *testing.T) {
	m := sample()
	p := prove(t, m, newKey(t), newKey(t))
	whole := append(p.Encode(), "abcdefgh"...)
	f, _ := m.File("linux", "arm64")
	var out bytes.Buffer
	if err := f.Copy(&out, bytes.NewReader(whole[m.Offset(p, f):])); err != nil || out.String() != "defgh" {
		t.Fatalf("%q %v", out.String(), err)
	}
	for _, bad := range []string{"", "defg", "defgx", "defghi"} {
		if err := f.Copy(&out, strings.NewReader(bad)); !errors.Is(err, ErrProgram) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestP12_Vectors: the formats are those of the vectors, which stand in the README.
func TestP12_Vectors(t *testing.T) {
	if *update {
		authority := newKey(t)
		p := prove(t, sample(), authority, newKey(t))
		der, err := x509.MarshalPKIXPublicKey(&authority.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		out, err := json.MarshalIndent(vectors{"Made for these tests. The keys guard nothing.", der, p.Warrant, p.Release, p.Encode()}, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorFile, append(out, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	v := readVectors(t)
	authority, err := x509.ParsePKIXPublicKey(v.Authority)
	if err != nil {
		t.Fatal(err)
	}
	p, err := DecodeProof(v.Proof)
	if err != nil || !bytes.Equal(p.Warrant, v.Warrant) || !bytes.Equal(p.Release, v.Release) {
		t.Fatalf("%v", err)
	}
	m, w, err := p.Open(authority)
	if err != nil || !reflect.DeepEqual(m, sample()) || w.Hub != "H01" || w.Serial != 2 {
		t.Fatalf("%+v %+v %v", m, w, err)
	}
}

func readVectors(t testing.TB) (v vectors) {
	t.Helper()
	raw, err := os.ReadFile(vectorFile)
	if err == nil {
		err = json.Unmarshal(raw, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// FuzzProof: what parses has one encoding, and nothing panics.
func FuzzProof(f *testing.F) {
	v := readVectors(f)
	f.Add(v.Proof)
	f.Add([]byte(magic))
	key, err := x509.ParsePKIXPublicKey(v.Authority)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := DecodeProof(raw)
		if err != nil {
			return
		}
		if !bytes.Equal(p.Encode(), raw) {
			t.Fatal("two encodings of one proof")
		}
		_, _, _ = p.Open(key)
		if m, err := Peek(p.Release); err == nil {
			if err := m.validate(); err != nil {
				t.Fatalf("%+v parsed: %v", m, err)
			}
		}
	})
}

// FuzzManifest: a payload that parses makes a manifest that can be signed and read
// again as the same.
func FuzzManifest(f *testing.F) {
	key := newKey(f)
	seed, err := bundle.PayloadCOSE(readVectors(f).Release)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := parseManifest(seed); err != nil {
		f.Fatal("the seed does not parse:", err)
	}
	f.Add(seed)
	f.Add([]byte{0xa1, 1, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, _ = parseWarrant(raw)
		m, err := parseManifest(raw)
		if err != nil {
			return
		}
		signed, err := Sign(m, key)
		if err != nil {
			t.Fatalf("%+v: %v", m, err)
		}
		if again, err := Open(signed, &key.PublicKey); err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("%+v became %+v: %v", m, again, err)
		}
	})
}

func TestWhatIsToldReadsBack(t *testing.T) {
	told := Told{Format: 1, Version: "1.5.0", Serial: 7, OS: "linux", Arch: "amd64", Failed: []Failure{{"1.4.1", 6, "dies"}}, Stuck: &Failure{"1.5.0", 7, "no-line"}, Below: []Count{{Serial: 7, Ring: 1, Offices: 5, Done: 2, Failed: 1, Silent: 1}}}
	raw, err := told.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParseTold(raw); err != nil || !reflect.DeepEqual(again, told) {
		t.Fatalf("%+v %v", again, err)
	}
	plan := Plan{Format: 1, Serial: 7, Ring: 1, Named: []string{"H01.1"}, Percent: 10}
	if raw, err = plan.Encode(); err != nil {
		t.Fatal(err)
	}
	if again, err := ParsePlan(raw); err != nil || !reflect.DeepEqual(again, plan) {
		t.Fatalf("%+v %v", again, err)
	}
}

// FuzzTold: reports and plans come from outside.
func FuzzTold(f *testing.F) {
	f.Add([]byte(`{"v":1,"version":"1.5.0","serial":7,"os":"linux","arch":"amd64","below":[{"serial":7,"ring":3}]}`))
	f.Add([]byte(`{"v":1,"serial":7,"ring":1,"named":["H01.1"],"percent":10}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if told, err := ParseTold(raw); err == nil {
			again, err := told.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ParseTold(again); err != nil && len(again) <= MaxTold {
				t.Fatalf("%s: %v", again, err)
			}
		}
		if p, err := ParsePlan(raw); err == nil && (p.Ring > RingAll || len(p.Named) > MaxNamed) {
			t.Fatalf("%+v", p)
		}
	})
}
