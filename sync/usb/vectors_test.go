package usb

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/sync/bundle"
)

// update rewrites the vectors. Signatures are randomised, so that every run
// gives other bytes: only for a new version of the format.
var update = flag.Bool("update", false, "rewrite testdata/vectors.json")

const vectorFile = "testdata/vectors.json"

type hexBytes []byte

func (h hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

type vectors struct {
	Note     string      `json:"note"`
	Letters  hexBytes    `json:"letters"`
	Empty    hexBytes    `json:"letters_empty"`
	Manifest hexBytes    `json:"manifest_payload"`
	Signed   hexBytes    `json:"manifest_signed"`
	Logged   hexBytes    `json:"manifest_log_payload"` // the same with a word about audit logs, which earlier versions leave out
	LogSaid  hexBytes    `json:"manifest_log_signed"`
	Files    []string    `json:"files"` // names of the package's files on the stick
	Refused  []refusedBy `json:"refused"`
}

type refusedBy struct {
	Why     string   `json:"why"`
	Kind    string   `json:"kind"` // "manifest" (payload) or "letters"
	Payload hexBytes `json:"payload"`
}

// deviceKey is the public device key of sync/README.md's vectors.
func deviceKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	d, ok := new(big.Int).SetString("f154c1d4f43e74dd5e1e9fc339e7ec51bbc33b71525d1e7cd208f145108891e1", 16)
	if !ok {
		t.Fatal("the scalar does not parse")
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d.FillBytes(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func exampleLetters() Letters {
	return Letters{
		Bundles:  []Letter{{Header: []byte("header"), Slip: []byte("slip")}, {Header: []byte("header of another")}},
		Receipts: [][]byte{[]byte("receipt")},
		Refusals: []Refusal{{ID: uuid.MustParse("0197c0de-0000-7000-8000-000000000003"), Code: 6, Text: "không có đơn vị này"}},
	}
}

func exampleManifest(t testing.TB) Manifest {
	t.Helper()
	letters, err := EncodeLetters(exampleLetters())
	if err != nil {
		t.Fatal(err)
	}
	return Manifest{
		ID: uuid.MustParse("0197c0de-0000-7000-8000-00000000000a"), From: "H01.12.34", To: "H01", Created: time.Unix(1782893400, 0).UTC(),
		Sequence: 3, Epoch: uuid.MustParse("5b0e0001-0000-4000-8000-000000000001"),
		Letters:  File{sha256.Sum256(letters), int64(len(letters))},
		Objects:  []File{{sha256.Sum256([]byte("0")), 2200}, {sha256.Sum256([]byte("1")), PartSize + 1}},
		Registry: 1782893400000, Card: []byte("card"),
	}
}

func TestP12_VectorsAreDocumented(t *testing.T) {
	if *update {
		writeVectors(t)
	}
	v := readVectors(t)
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.Join(strings.Fields(string(readme)), "")
	for name, h := range map[string]hexBytes{"letters": v.Letters, "empty letters": v.Empty, "manifest": v.Manifest, "signed manifest": v.Signed,
		"manifest with a log": v.Logged, "signed manifest with a log": v.LogSaid} {
		if len(h) == 0 || !strings.Contains(page, hex.EncodeToString(h)) {
			t.Errorf("sync/README.md does not show the vector %q", name)
		}
	}
	for name, value := range map[string]int{
		"MaxObjects": MaxObjects, "MaxBundles": MaxBundles, "MaxReplies": MaxReplies, "MaxLetters": MaxLetters, "MaxRefusal": MaxRefusal,
		"MaxCard": MaxCard, "MaxLog": MaxLog, "PartSize": PartSize, "MaxPackages": MaxPackages, "MaxFiles": MaxFiles,
	} {
		if !strings.Contains(string(readme), fmt.Sprintf("| `usb.%s` | %d |", name, value)) {
			t.Errorf("sync/README.md does not say that %s is %d", name, value)
		}
	}
	for _, name := range v.Files {
		if !strings.Contains(string(readme), name) {
			t.Errorf("sync/README.md does not show the file name %s", name)
		}
	}
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	data, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestP12_VectorsHold(t *testing.T) {
	v := readVectors(t)
	m, err := ParseManifest(v.Signed)
	if err != nil {
		t.Fatal(err)
	}
	if payload, err := m.encode(); err != nil || !bytes.Equal(payload, v.Manifest) {
		t.Errorf("the manifest encodes to %x (error %v)", payload, err)
	}
	if payload, err := exampleManifest(t).encode(); err != nil || !bytes.Equal(payload, v.Manifest) {
		t.Errorf("the example encodes to %x (error %v)", payload, err)
	}
	if _, err := bundle.VerifyCOSE(AAD, v.Signed, deviceKey(t).Public()); err != nil {
		t.Error(err)
	}
	if _, err := bundle.VerifyCOSE(bundle.AADHeader, v.Signed, deviceKey(t).Public()); !errors.Is(err, bundle.ErrSignature) {
		t.Errorf("a manifest passes for a header: %v", err)
	}
	logged, err := ParseManifest(v.LogSaid)
	if err != nil {
		t.Fatal(err)
	}
	if payload, err := logged.encode(); err != nil || !bytes.Equal(payload, v.Logged) || string(logged.Log) != "log" {
		t.Errorf("the manifest with a log encodes to %x, log %q (error %v)", payload, logged.Log, err)
	}
	if _, err := bundle.VerifyCOSE(AAD, v.LogSaid, deviceKey(t).Public()); err != nil {
		t.Error(err)
	}
	if raw, err := EncodeLetters(exampleLetters()); err != nil || !bytes.Equal(raw, v.Letters) {
		t.Errorf("the letters encode to %x (error %v)", raw, err)
	}
	for _, raw := range []hexBytes{v.Letters, v.Empty} {
		l, err := DecodeLetters(raw)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := EncodeLetters(l); err != nil || !bytes.Equal(again, raw) {
			t.Errorf("letters %x come back as %x (error %v)", raw, again, err)
		}
	}
	if names := packageFiles(t, m); !slices.Equal(names, v.Files) {
		t.Errorf("the files are %v, want %v", names, v.Files)
	}
	if len(v.Refused) < 10 {
		t.Errorf("only %d refused vectors", len(v.Refused))
	}
	for _, r := range v.Refused {
		var err error
		if r.Kind == "letters" {
			_, err = DecodeLetters(r.Payload)
		} else {
			_, err = decodeManifest(r.Payload)
		}
		if !errors.Is(err, bundle.ErrMalformed) && !errors.Is(err, bundle.ErrTooLarge) && !errors.Is(err, bundle.ErrVersion) {
			t.Errorf("%s with %s gives %v", r.Kind, r.Why, err)
		}
	}
}

func packageFiles(t testing.TB, m Manifest) []string {
	t.Helper()
	dir, err := folder(m.From, m.To)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{dir + "/" + manifestName(m.ID)}
	for _, f := range append([]File{m.Letters}, m.Objects...) {
		for _, p := range f.parts() {
			names = append(names, dir+"/"+p.name)
		}
	}
	return names
}

func writeVectors(t *testing.T) {
	t.Helper()
	m := exampleManifest(t)
	v := vectors{Note: "Device key: that of sync/README.md. Written by go test ./sync/usb -update", Files: packageFiles(t, m)}
	var errs [6]error
	v.Letters, errs[0] = EncodeLetters(exampleLetters())
	v.Empty, errs[1] = EncodeLetters(Letters{})
	v.Manifest, errs[2] = m.encode()
	v.Signed, errs[3] = SignManifest(m, deviceKey(t))
	m.Log = []byte("log")
	v.Logged, errs[4] = m.encode()
	v.LogSaid, errs[5] = SignManifest(m, deviceKey(t))
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	v.Refused = refused(t)
	data, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		err = os.WriteFile(vectorFile, append(data, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// refused makes payloads that differ from the good one in one thing.
func refused(t *testing.T) []refusedBy {
	t.Helper()
	var list []refusedBy
	add := func(kind, why string, v any) {
		raw, err := bundle.EncodeMap(v)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, refusedBy{why, kind, raw})
	}
	good, err := exampleManifest(t).encode()
	if err != nil {
		t.Fatal(err)
	}
	manifest := func(why string, change func(*manifestWire)) {
		var w manifestWire
		if err := bundle.DecodeMap("manifest", good, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, []uint64{11, 12}, &w); err != nil {
			t.Fatal(err)
		}
		change(&w)
		add("manifest", why, w)
	}
	manifest("version 2", func(w *manifestWire) { w.Version = 2 })
	manifest("a short id", func(w *manifestWire) { w.ID = w.ID[1:] })
	manifest("a zero id", func(w *manifestWire) { w.ID = make([]byte, 16) })
	manifest("an empty sender", func(w *manifestWire) { w.From = "" })
	manifest("a recipient that is a path", func(w *manifestWire) { w.To = "../H01" })
	manifest("sequence 0", func(w *manifestWire) { w.Sequence = 0 })
	manifest("no letters", func(w *manifestWire) { w.Letters.Size = 0 })
	manifest("letters over the limit", func(w *manifestWire) { w.Letters.Size = MaxLetters + 1 })
	manifest("a negative size", func(w *manifestWire) { w.Objects[0].Size = -1 })
	manifest("an object over the limit", func(w *manifestWire) { w.Objects[0].Size = bundle.MaxObject + 1 })
	manifest("an object twice", func(w *manifestWire) { w.Objects[1] = w.Objects[0] })
	manifest("a short digest", func(w *manifestWire) { w.Objects[0].SHA256 = w.Objects[0].SHA256[1:] })
	manifest("a card over the limit", func(w *manifestWire) { w.Card = make([]byte, MaxCard+1) })
	manifest("a word about logs over the limit", func(w *manifestWire) { w.Log = make([]byte, MaxLog+1) })
	manifest("null for a list", func(w *manifestWire) { w.Objects = nil })
	add("manifest", "missing keys", map[uint64]any{1: 1, 2: make([]byte, 16)})
	list = append(list, refusedBy{"a byte behind it", "manifest", append(slices.Clone(good), 0)})

	add("letters", "version 2", lettersWire{Version: 2, Bundles: []letterWire{}, Receipts: [][]byte{}, Refusals: []refusalWire{}})
	add("letters", "null for an array", lettersWire{Version: 1})
	add("letters", "a slip over the limit", lettersWire{Version: 1, Bundles: []letterWire{{Header: []byte{1}, Slip: make([]byte, bundle.MaxSlip+1)}}, Receipts: [][]byte{}, Refusals: []refusalWire{}})
	add("letters", "a refusal without its id", lettersWire{Version: 1, Bundles: []letterWire{}, Receipts: [][]byte{}, Refusals: []refusalWire{{ID: []byte{1}}}})
	return list
}

// FuzzParseManifest: whatever the bytes, no panic; a payload that decodes and
// has no unknown keys encodes to the same bytes.
func FuzzParseManifest(f *testing.F) {
	v := readVectors(f)
	f.Add([]byte(v.Manifest))
	f.Add([]byte(v.Logged))
	for _, r := range v.Refused {
		f.Add([]byte(r.Payload))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		m, err := decodeManifest(payload)
		if err != nil {
			return
		}
		again, err := m.encode()
		if err != nil || len(again) > len(payload) || len(again) == len(payload) && !bytes.Equal(again, payload) { // shorter: without keys unknown here
			t.Errorf("%x comes back as %x (error %v)", payload, again, err)
		}
		for _, name := range packageFiles(t, m) {
			if strings.Contains(name, "..") || strings.ContainsAny(name, `:\*?"<>|`) || strings.ToLower(name) != name {
				t.Errorf("a foreign manifest leads to the file %q", name)
			}
		}
	})
}

// FuzzDecodeLetters: the same for letters.
func FuzzDecodeLetters(f *testing.F) {
	v := readVectors(f)
	f.Add([]byte(v.Letters))
	f.Add([]byte(v.Empty))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := DecodeLetters(raw)
		if err != nil {
			return
		}
		again, err := EncodeLetters(l)
		if err != nil || len(again) > len(raw) || len(again) == len(raw) && !bytes.Equal(again, raw) {
			t.Errorf("%x comes back as %x (error %v)", raw, again, err)
		}
	})
}
