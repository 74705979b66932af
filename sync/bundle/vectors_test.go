package bundle

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/uuid"
)

// update rewrites the vectors. Signatures and age files are randomised, so
// that every run gives other bytes: only for a new version of the format.
var update = flag.Bool("update", false, "rewrite testdata/vectors.json")

const (
	vectorFile = "testdata/vectors.json"
	readmeFile = "../README.md"
)

// hexBytes is a byte string that JSON shows in hex.
type hexBytes []byte

func (h hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

type vectors struct {
	Note   string `json:"note"`
	Device struct {
		Private hexBytes `json:"private_scalar"`
		SPKI    hexBytes `json:"spki"`
		KeyID   hexBytes `json:"kid"`
	} `json:"device"`
	BundleKey keyVector     `json:"bundle_key"`
	OfficeKey keyVector     `json:"office_key"`
	Header    signedVector  `json:"header"`
	Minimal   signedVector  `json:"header_without_reply"`
	Later     signedVector  `json:"header_with_unknown_field"`
	Receipt   signedVector  `json:"receipt"`
	Slip      hexBytes      `json:"slip"`
	Slips     hexBytes      `json:"slips_object"` // offices H01 and G09.1, slips 0102 and 03
	Objects   []objVector   `json:"objects"`
	Refused   []refusedCase `json:"refused_headers"`
}

type keyVector struct {
	Secret    string `json:"secret"`
	Recipient string `json:"recipient"`
}

type signedVector struct {
	Payload hexBytes `json:"payload"`
	COSE    hexBytes `json:"cose"`
	SHA256  hexBytes `json:"sha256"`
}

type objVector struct {
	Content  string   `json:"content"`
	Encoding Encoding `json:"encoding"`
	Sent     hexBytes `json:"sent"`
	SHA256   hexBytes `json:"sha256"`
}

type refusedCase struct {
	Why   string   `json:"why"`
	Error string   `json:"error"` // "version", "malformed" or "signature"
	COSE  hexBytes `json:"cose"`
}

func vectorHeader(key string) Header {
	return Header{
		ID:   uuid.MustParse("0197c0de-0000-7000-8000-000000000001"),
		From: "H01.12.34", To: []string{"H01.12", "G09.1"}, Kind: KindDocument, Urgency: 2,
		Created: time.Unix(1782893400, 0).UTC(), Expires: time.Unix(1785485400, 0).UTC(),
		InReplyTo: uuid.MustParse("0197c0de-0000-7000-8000-000000000002"), Key: key,
		Objects: []Object{
			{SHA256: sha256.Sum256([]byte("0")), Size: 2200, Role: RoleHead, Encoding: Plain},
			{SHA256: sha256.Sum256([]byte("1")), Size: 1 << 20, Role: RoleAttachment, Encoding: Zstd},
			{SHA256: sha256.Sum256([]byte("2")), Size: 570, Role: RoleSlips, Encoding: Plain},
		},
	}
}

func vectorReceipt(header []byte) Receipt {
	return Receipt{
		ID: uuid.MustParse("0197c0de-0000-7000-8000-000000000001"), Header: sha256.Sum256(header),
		Office: "H01", At: time.UnixMilli(1782893460789).UTC(), Epoch: uuid.MustParse("5b0e0001-0000-4000-8000-000000000001"),
	}
}

var vectorSlips = map[string][]byte{"H01": {1, 2}, "G09.1": {3}}

func loadVectors(t testing.TB) vectors {
	t.Helper()
	raw, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v vectors) device(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), v.Device.Private)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestVectorsOfKeys(t *testing.T) {
	v := loadVectors(t)
	device := v.device(t)
	if spki, err := x509.MarshalPKIXPublicKey(device.Public()); err != nil || !bytes.Equal(spki, v.Device.SPKI) {
		t.Errorf("spki %x, %v", spki, err)
	}
	if kid, err := KeyID(device.Public()); err != nil || !bytes.Equal(kid, v.Device.KeyID) {
		t.Errorf("kid %x, %v", kid, err)
	}
	for _, k := range []keyVector{v.BundleKey, v.OfficeKey} {
		if key, err := ParseKey(k.Secret); err != nil || key.Recipient() != k.Recipient {
			t.Errorf("key %s: %v", k.Recipient, err)
		}
	}
}

func TestVectorsOfHeaders(t *testing.T) {
	v := loadVectors(t)
	device, want := v.device(t), vectorHeader(v.BundleKey.Recipient)
	check := func(name string, s signedVector, h Header, known bool) {
		parsed, err := Parse(s.COSE)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if err := parsed.Verify(device.Public()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if sum := parsed.Digest(); !bytes.Equal(sum[:], s.SHA256) {
			t.Errorf("%s: digest %x", name, sum)
		}
		payload, err := parsed.Header.encode()
		if err != nil || known && !bytes.Equal(payload, s.Payload) {
			t.Errorf("%s: payload %x, %v", name, payload, err)
		}
		if expected, err := h.encode(); err != nil || !bytes.Equal(payload, expected) {
			t.Errorf("%s: fields %+v, %v", name, parsed.Header, err)
		}
	}
	check("header", v.Header, want, true)
	check("unknown field", v.Later, want, false)
	want.InReplyTo = uuid.Nil
	check("without reply", v.Minimal, want, true)
}

func TestVectorsOfRefusedHeaders(t *testing.T) {
	v := loadVectors(t)
	if len(v.Refused) < 4 {
		t.Fatalf("only %d cases", len(v.Refused))
	}
	sentinels := map[string]error{"version": ErrVersion, "malformed": ErrMalformed, "signature": ErrSignature}
	for _, c := range v.Refused {
		s, err := Parse(c.COSE)
		if err == nil {
			err = s.Verify(v.device(t).Public())
		}
		if want := sentinels[c.Error]; want == nil || !errors.Is(err, want) {
			t.Errorf("%s: %v, want %s", c.Why, err, c.Error)
		}
	}
}

func TestVectorsOfReceipt(t *testing.T) {
	v := loadVectors(t)
	r, err := ParseReceipt(v.Receipt.COSE)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Verify(v.device(t).Public()); err != nil {
		t.Error(err)
	}
	if r.Receipt != vectorReceipt(v.Header.COSE) {
		t.Errorf("fields %+v", r.Receipt)
	}
	if payload, err := r.Receipt.encode(); err != nil || !bytes.Equal(payload, v.Receipt.Payload) {
		t.Errorf("payload %x, %v", payload, err)
	}
}

func TestVectorsOfSlipsAndObjects(t *testing.T) {
	v := loadVectors(t)
	office, err := age.ParseX25519Identity(v.OfficeKey.Secret)
	if err != nil {
		t.Fatal(err)
	}
	key, err := OpenSlip(v.Slip, office)
	if err != nil || key.Secret() != v.BundleKey.Secret {
		t.Fatalf("slip: %v", err)
	}
	if raw, err := EncodeSlips(vectorSlips); err != nil || !bytes.Equal(raw, v.Slips) {
		t.Errorf("slips object %x, %v", raw, err)
	}
	if len(v.Objects) != 2 {
		t.Fatalf("%d objects", len(v.Objects))
	}
	for i, o := range v.Objects {
		if o.Encoding != Encoding(i) {
			t.Errorf("object %d is %v", i, o.Encoding)
		}
		if sum := sha256.Sum256(o.Sent); !bytes.Equal(sum[:], o.SHA256) {
			t.Errorf("object %d: digest %x", i, sum)
		}
		plain, err := key.DecryptBytes(o.Sent, Describe(o.Sent, RoleAttachment, o.Encoding), 1<<20)
		if err != nil || string(plain) != o.Content {
			t.Errorf("object %d: %q, %v", i, plain, err)
		}
	}
}

// TestP12_ReadmeShowsTheVectors keeps the specification and the vectors that
// it prints in step with testdata.
func TestP12_ReadmeShowsTheVectors(t *testing.T) {
	v := loadVectors(t)
	raw, err := os.ReadFile(readmeFile)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(raw)), "")
	for name, want := range map[string]string{
		"device private scalar": hex.EncodeToString(v.Device.Private),
		"device spki":           hex.EncodeToString(v.Device.SPKI),
		"device kid":            hex.EncodeToString(v.Device.KeyID),
		"bundle key secret":     v.BundleKey.Secret,
		"bundle key":            v.BundleKey.Recipient,
		"office key secret":     v.OfficeKey.Secret,
		"office key":            v.OfficeKey.Recipient,
		"header payload":        hex.EncodeToString(v.Header.Payload),
		"header cose":           hex.EncodeToString(v.Header.COSE),
		"header digest":         hex.EncodeToString(v.Header.SHA256),
		"receipt payload":       hex.EncodeToString(v.Receipt.Payload),
		"receipt cose":          hex.EncodeToString(v.Receipt.COSE),
		"slips object":          hex.EncodeToString(v.Slips),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in %s", name, filepath.Base(readmeFile))
		}
	}
}

func TestReadmeShowsTheLimits(t *testing.T) {
	raw, err := os.ReadFile(readmeFile)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]int64{
		"MaxHeader": MaxHeader, "MaxObjects": MaxObjects, "MaxObject": MaxObject, "MaxRecipients": MaxRecipients,
		"MaxCode": MaxCode, "MaxReceipt": MaxReceipt, "MaxSlip": MaxSlip, "MaxSlips": MaxSlips,
	} {
		if row := fmt.Sprintf("| `bundle.%s` | %d |", name, value); !strings.Contains(string(raw), row) {
			t.Errorf("%s lacks %s", filepath.Base(readmeFile), row)
		}
	}
	for _, aad := range []string{AADHeader, AADReceipt, AADCard, AADInvite} {
		if !strings.Contains(string(raw), "| `"+aad+"` |") {
			t.Errorf("%s lacks %s", filepath.Base(readmeFile), aad)
		}
	}
}

func TestUpdateVectors(t *testing.T) {
	if !*update {
		return // only by hand
	}
	scalar := sha256.Sum256([]byte("tram test device"))
	v := vectors{Note: "Made for these tests. The keys are public and guard nothing."}
	v.Device.Private = scalar[:]
	device := v.device(t)
	spki, err := x509.MarshalPKIXPublicKey(device.Public())
	if err != nil {
		t.Fatal(err)
	}
	v.Device.SPKI = spki
	v.Device.KeyID, _ = KeyID(device.Public())
	key, office := newKey(t), newKey(t)
	v.BundleKey = keyVector{key.Secret(), key.Recipient()}
	v.OfficeKey = keyVector{office.Secret(), office.Recipient()}
	sign := func(aad string, payload []byte) signedVector {
		raw, err := SignCOSE(aad, payload, device)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(raw)
		return signedVector{payload, raw, sum[:]}
	}
	h := vectorHeader(key.Recipient())
	payload := mustEncode(t, h)
	v.Header = sign(AADHeader, payload)
	change := func(f func(m map[any]any)) []byte {
		m := map[any]any{}
		if err := decMode.Unmarshal(payload, &m); err != nil {
			t.Fatal(err)
		}
		f(m)
		out, err := encMode.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	v.Later = sign(AADHeader, change(func(m map[any]any) { m[uint64(99)] = "later" }))
	v.Minimal = sign(AADHeader, change(func(m map[any]any) { delete(m, uint64(9)) }))
	receipt, err := vectorReceipt(v.Header.COSE).encode()
	if err != nil {
		t.Fatal(err)
	}
	v.Receipt = sign(AADReceipt, receipt)
	refuse := func(why, class string, s signedVector) {
		v.Refused = append(v.Refused, refusedCase{why, class, s.COSE})
	}
	refuse("version 2", "version", sign(AADHeader, change(func(m map[any]any) { m[uint64(1)] = 2 })))
	refuse("no sender", "malformed", sign(AADHeader, change(func(m map[any]any) { delete(m, uint64(3)) })))
	refuse("recipient twice", "malformed", sign(AADHeader, change(func(m map[any]any) { m[uint64(4)] = []string{"H01", "h01"} })))
	refuse("version in two bytes", "malformed", sign(AADHeader, append([]byte{payload[0], payload[1], 0x18, payload[2]}, payload[3:]...)))
	refuse("signed as a receipt", "signature", sign(AADReceipt, payload))
	if v.Slip, err = key.Slip(office.Recipient()); err != nil {
		t.Fatal(err)
	}
	if v.Slips, err = EncodeSlips(vectorSlips); err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"Trạm", strings.Repeat("Kính gửi. ", 40)} {
		sent, o, err := key.EncryptBytes([]byte(content), RoleAttachment)
		if err != nil {
			t.Fatal(err)
		}
		v.Objects = append(v.Objects, objVector{content, o.Encoding, sent, o.SHA256[:]})
	}
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vectorFile, append(out, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func mustEncode(t testing.TB, h Header) []byte {
	t.Helper()
	payload, err := h.encode()
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// seeds gives valid messages to a fuzz target and fails when there are none.
func seeds(f *testing.F, of func(v vectors) []hexBytes) {
	f.Helper()
	all := of(loadVectors(f))
	if len(all) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range all {
		if len(s) == 0 {
			f.Fatal("empty seed")
		}
		f.Add([]byte(s))
	}
}

// FuzzParse: a header that parses and has no unknown fields re-encodes to the
// same payload.
func FuzzParse(f *testing.F) {
	seeds(f, func(v vectors) []hexBytes {
		all := []hexBytes{v.Header.COSE, v.Minimal.COSE, v.Later.COSE, v.Header.Payload, v.Later.Payload}
		for _, c := range v.Refused {
			all = append(all, c.COSE)
		}
		return all
	})
	f.Fuzz(func(t *testing.T, raw []byte) {
		payload := raw // try the bytes as a payload too, which needs no signature to get deep
		if s, err := Parse(raw); err == nil {
			payload, err = PayloadCOSE(raw)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(s.Raw, raw) {
				t.Fatal("raw bytes changed")
			}
		}
		h, err := decodeHeader(payload)
		if err != nil {
			return
		}
		if again := mustEncode(t, h); !bytes.Equal(again, payload) && !hasUnknown(t, payload, headerFields) {
			t.Errorf("%x became %x", payload, again)
		}
	})
}

// FuzzParseReceipt: the same for receipts.
func FuzzParseReceipt(f *testing.F) {
	seeds(f, func(v vectors) []hexBytes { return []hexBytes{v.Receipt.COSE, v.Receipt.Payload, v.Header.COSE} })
	f.Fuzz(func(t *testing.T, raw []byte) {
		payload := raw
		if _, err := ParseReceipt(raw); err == nil {
			if payload, err = PayloadCOSE(raw); err != nil {
				t.Fatal(err)
			}
		}
		r, err := decodeReceipt(payload)
		if err != nil {
			return
		}
		if again, err := r.encode(); err != nil || !bytes.Equal(again, payload) && !hasUnknown(t, payload, receiptFields) {
			t.Errorf("%x became %x, %v", payload, again, err)
		}
	})
}

// FuzzDecodeSlips: slips that decode encode to the same bytes.
func FuzzDecodeSlips(f *testing.F) {
	seeds(f, func(v vectors) []hexBytes { return []hexBytes{v.Slips} })
	f.Fuzz(func(t *testing.T, raw []byte) {
		slips, err := DecodeSlips(raw)
		if err != nil {
			return
		}
		if again, err := EncodeSlips(slips); err != nil || !bytes.Equal(again, raw) {
			t.Errorf("%x became %x, %v", raw, again, err)
		}
	})
}

func hasUnknown(t *testing.T, payload []byte, known fields) bool {
	t.Helper()
	m := map[uint64]any{}
	if err := decMode.Unmarshal(payload, &m); err != nil {
		t.Fatal(err)
	}
	for key := range m {
		if _, ok := known[key]; !ok {
			return true
		}
	}
	return false
}
