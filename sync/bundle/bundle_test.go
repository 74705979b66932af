package bundle

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/veraison/go-cose"
)

func newDevice(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newKey(t testing.TB) Key {
	t.Helper()
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sampleHeader(t testing.TB) Header {
	t.Helper()
	created := time.Date(2026, 7, 1, 8, 30, 0, 0, time.UTC)
	return Header{
		ID: uuid.MustParse("0197c0de-0000-7000-8000-000000000001"), From: "H01.12", To: []string{"H01", "G09.1"},
		Kind: KindDocument, Urgency: 3, Created: created, Expires: created.Add(30 * 24 * time.Hour),
		InReplyTo: uuid.MustParse("0197c0de-0000-7000-8000-000000000002"), Key: newKey(t).Recipient(),
		Objects: []Object{
			Describe([]byte("head"), RoleHead, Plain),
			Describe([]byte("attachment"), RoleAttachment, Zstd),
			Describe([]byte("slips"), RoleSlips, Plain),
		},
	}
}

func TestHeaderRoundTrip(t *testing.T) {
	device, h := newDevice(t), sampleHeader(t)
	h.Created = h.Created.Add(123 * time.Millisecond) // cut to seconds
	signed, err := Sign(h, device)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := Parse(signed.Raw)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(parsed.Header) != fmt.Sprint(signed.Header) {
		t.Errorf("parsed %v, signed %v", parsed.Header, signed.Header)
	}
	if err := parsed.Verify(device.Public()); err != nil {
		t.Error(err)
	}
	if kid, _ := KeyID(device.Public()); !bytes.Equal(KIDOf(signed.Raw), kid) {
		t.Errorf("key id in message %x, of key %x", KIDOf(signed.Raw), kid)
	}
	if got := parsed.Header.Slips(); got != 2 {
		t.Errorf("slips object is %d, want 2", got)
	}
	stored := parsed.Stored()
	if stored.ID != h.ID || !bytes.Equal(stored.Header, signed.Raw) || len(stored.Objects) != 3 || stored.Objects[2].Role != uint8(RoleSlips) {
		t.Errorf("stored form is %+v", stored)
	}
}

func TestParseDoesNotAliasItsInput(t *testing.T) {
	signed, err := Sign(sampleHeader(t), newDevice(t))
	if err != nil {
		t.Fatal(err)
	}
	raw := bytes.Clone(signed.Raw)
	parsed, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	clear(raw)
	if !bytes.Equal(parsed.Raw, signed.Raw) {
		t.Error("parsed header changed with its input")
	}
}

// TestP6_AlteredHeaderIsRefused flips every bit of a signed header.
func TestP6_AlteredHeaderIsRefused(t *testing.T) {
	device := newDevice(t)
	signed, err := Sign(sampleHeader(t), device)
	if err != nil {
		t.Fatal(err)
	}
	for i := range signed.Raw {
		raw := bytes.Clone(signed.Raw)
		raw[i] ^= 1 << (i % 8)
		parsed, err := Parse(raw)
		if err == nil {
			err = parsed.Verify(device.Public())
		}
		if err == nil {
			t.Fatalf("header with bit %d of byte %d flipped verifies", i%8, i)
		}
	}
}

func TestP7_SignatureIsBoundToKeyAndPurpose(t *testing.T) {
	device, other := newDevice(t), newDevice(t)
	payload := []byte("payload")
	raw, err := SignCOSE(AADHeader, payload, device)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := VerifyCOSE(AADHeader, raw, device.Public()); err != nil || !bytes.Equal(got, payload) {
		t.Fatalf("verify: %q, %v", got, err)
	}
	if _, err := VerifyCOSE(AADHeader, raw, other.Public()); !errors.Is(err, ErrSignature) {
		t.Errorf("another key: %v", err)
	}
	for _, aad := range []string{AADReceipt, AADCard, AADInvite, ""} {
		if _, err := VerifyCOSE(aad, raw, device.Public()); !errors.Is(err, ErrSignature) {
			t.Errorf("as %q: %v", aad, err)
		}
	}
}

func TestUnusableSigningKeys(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := SignCOSE(AADHeader, nil, p384); !errors.Is(err, ErrKey) {
		t.Errorf("P-384: %v", err)
	}
	if _, err := SignCOSE(AADHeader, nil, rsaKey); !errors.Is(err, ErrKey) {
		t.Errorf("RSA: %v", err)
	}
	raw, err := SignCOSE(AADHeader, []byte("x"), newDevice(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyCOSE(AADHeader, raw, rsaKey.Public()); !errors.Is(err, ErrKey) {
		t.Errorf("verify with RSA: %v", err)
	}
	if _, err := VerifyCOSE(AADHeader, raw, nil); !errors.Is(err, ErrKey) {
		t.Errorf("verify with nothing: %v", err)
	}
}

func TestCOSEFormIsStrict(t *testing.T) {
	device := newDevice(t)
	signer, err := cose.NewSigner(cose.AlgorithmES256, device)
	if err != nil {
		t.Fatal(err)
	}
	make := func(p cose.ProtectedHeader, u cose.UnprotectedHeader) []byte {
		raw, err := cose.Sign1(rand.Reader, signer, cose.Headers{Protected: p, Unprotected: u}, []byte("x"), []byte(AADHeader))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	alg := cose.HeaderLabelAlgorithm
	if _, err := VerifyCOSE(AADHeader, make(cose.ProtectedHeader{alg: cose.AlgorithmES256}, nil), device.Public()); err != nil {
		t.Errorf("without a key id: %v", err)
	}
	for name, raw := range map[string][]byte{
		"unprotected": make(cose.ProtectedHeader{alg: cose.AlgorithmES256}, cose.UnprotectedHeader{int64(99): "x"}),
		"critical":    make(cose.ProtectedHeader{alg: cose.AlgorithmES256, cose.HeaderLabelCritical: []any{int64(99)}, int64(99): 1}, nil),
		"no alg":      make(cose.ProtectedHeader{}, nil),
		"empty":       nil,
		"not tagged":  make(cose.ProtectedHeader{alg: cose.AlgorithmES256}, nil)[1:],
	} {
		if _, err := VerifyCOSE(AADHeader, raw, device.Public()); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidateNamesTheField(t *testing.T) {
	cases := []struct {
		field string
		want  error
		spoil func(*Header)
	}{
		{"id", ErrMalformed, func(h *Header) { h.ID = uuid.Nil }},
		{"from", ErrMalformed, func(h *Header) { h.From = "" }},
		{"from", ErrTooLarge, func(h *Header) { h.From = strings.Repeat("x", MaxCode+1) }},
		{"from", ErrMalformed, func(h *Header) { h.From = "H01\n" }},
		{"from", ErrMalformed, func(h *Header) { h.From = "H\xff" }},
		{"to", ErrMalformed, func(h *Header) { h.To = nil }},
		{"to", ErrTooLarge, func(h *Header) { h.To = make([]string, MaxRecipients+1) }},
		{"to[1]", ErrMalformed, func(h *Header) { h.To[1] = "" }},
		{"to[1]", ErrMalformed, func(h *Header) { h.To[1] = "h01" }},
		{"kind", ErrMalformed, func(h *Header) { h.Kind = 0 }},
		{"urgency", ErrMalformed, func(h *Header) { h.Urgency = MaxUrgency + 1 }},
		{"created", ErrMalformed, func(h *Header) { h.Created = time.Time{} }},
		{"expires", ErrMalformed, func(h *Header) { h.Expires = time.Unix(maxTime+1, 0) }},
		{"expires", ErrMalformed, func(h *Header) { h.Expires = h.Created }},
		{"key", ErrMalformed, func(h *Header) { h.Key = "age1" }},
		{"objects", ErrMalformed, func(h *Header) { h.Objects = nil }},
		{"objects", ErrTooLarge, func(h *Header) { h.Objects = make([]Object, MaxObjects+1) }},
		{"objects[1]", ErrMalformed, func(h *Header) { h.Objects[1].Size = 0 }},
		{"objects[1]", ErrTooLarge, func(h *Header) { h.Objects[1].Size = MaxObject + 1 }},
		{"objects[1]", ErrMalformed, func(h *Header) { h.Objects[1].Encoding = Zstd + 1 }},
		{"objects[1]", ErrMalformed, func(h *Header) { h.Objects[1].Role = RoleHead }},
		{"objects[0]", ErrMalformed, func(h *Header) { h.Objects[0].Role = RoleSlips }},
		{"objects[2]", ErrMalformed, func(h *Header) { h.Objects[2].Encoding = Zstd }},
		{"objects[2]", ErrTooLarge, func(h *Header) { h.Objects[2].Size = MaxSlips + 1 }},
	}
	for _, c := range cases {
		h := sampleHeader(t)
		c.spoil(&h)
		var field *FieldError
		if err := h.Validate(); !errors.As(err, &field) || field.Field != c.field || !errors.Is(err, c.want) {
			t.Errorf("field %s: %v", c.field, err)
		}
		if _, err := Sign(h, newDevice(t)); err == nil {
			t.Errorf("field %s: bad header was signed", c.field)
		}
	}
}

func TestP9_LargestHeaderFitsAndOneMoreDoesNot(t *testing.T) {
	h := sampleHeader(t)
	h.To = nil
	for i := range MaxRecipients {
		h.To = append(h.To, fmt.Sprintf("H%02d.%02d.%02d", i/1000, i/100%10, i%100))
	}
	device := newDevice(t)
	signed, err := Sign(h, device)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("header for %d offices: %d bytes", len(h.To), len(signed.Raw))
	if parsed, err := Parse(signed.Raw); err != nil || len(parsed.Header.To) != MaxRecipients {
		t.Errorf("parse: %v", err)
	}
	for i := range h.To {
		h.To[i] += strings.Repeat("x", 55)
	}
	if _, err := Sign(h, device); !errors.Is(err, ErrTooLarge) {
		t.Errorf("header over the limit: %v", err)
	}
	if _, err := Parse(make([]byte, MaxHeader+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("parse over the limit: %v", err)
	}
}

// reSign signs a header map after change, as a later or careless writer might.
func reSign(t *testing.T, change func(m map[any]any)) []byte {
	t.Helper()
	payload, err := sampleHeader(t).encode()
	if err != nil {
		t.Fatal(err)
	}
	m := map[any]any{}
	if err := decMode.Unmarshal(payload, &m); err != nil {
		t.Fatal(err)
	}
	change(m)
	if payload, err = encMode.Marshal(m); err != nil {
		t.Fatal(err)
	}
	raw, err := SignCOSE(AADHeader, payload, newDevice(t))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestReaderRules(t *testing.T) {
	cases := map[string]struct {
		change func(m map[any]any)
		want   error
		text   string
	}{
		"unknown field":      {func(m map[any]any) { m[uint64(40)] = []any{"later", map[any]any{"a": 1}} }, nil, ""},
		"unknown kind":       {func(m map[any]any) { m[uint64(5)] = 200 }, nil, ""},
		"unknown role":       {func(m map[any]any) { m[uint64(11)].([]any)[1].([]any)[2] = 99 }, nil, ""},
		"no reply":           {func(m map[any]any) { delete(m, uint64(9)) }, nil, ""},
		"version 2":          {func(m map[any]any) { m[uint64(1)] = 2 }, ErrVersion, "version 2"},
		"version 2, no rest": {func(m map[any]any) { clear(m); m[uint64(1)] = 2 }, ErrVersion, "version 2"},
		"no version":         {func(m map[any]any) { delete(m, uint64(1)) }, ErrMalformed, "version"},
		"text version":       {func(m map[any]any) { m[uint64(1)] = "1" }, ErrMalformed, "version"},
		"no sender":          {func(m map[any]any) { delete(m, uint64(3)) }, ErrMalformed, "from"},
		"null sender":        {func(m map[any]any) { m[uint64(3)] = nil }, ErrMalformed, ""},
		"zero reply":         {func(m map[any]any) { m[uint64(9)] = make([]byte, 16) }, ErrMalformed, "in-reply-to"},
		"empty reply":        {func(m map[any]any) { m[uint64(9)] = []byte{} }, ErrMalformed, ""},
		"short id":           {func(m map[any]any) { m[uint64(2)] = []byte{1} }, ErrMalformed, "id"},
		"id as array":        {func(m map[any]any) { m[uint64(2)] = []any{1, 2} }, ErrMalformed, ""},
		"short digest":       {func(m map[any]any) { m[uint64(11)].([]any)[0].([]any)[0] = []byte{1} }, ErrMalformed, "objects[0]"},
		"longer object":      {func(m map[any]any) { m[uint64(11)] = []any{[]any{make([]byte, 32), 1, 0, 0, 0}} }, ErrMalformed, ""},
		"negative size":      {func(m map[any]any) { m[uint64(11)].([]any)[0].([]any)[1] = -1 }, ErrMalformed, "objects[0]"},
		"float urgency":      {func(m map[any]any) { m[uint64(6)] = 1.5 }, ErrMalformed, ""},
		"text key":           {func(m map[any]any) { m["x"] = 1 }, ErrMalformed, ""},
		"deep field":         {func(m map[any]any) { m[uint64(40)] = nested(maxNesting + 1) }, ErrMalformed, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(reSign(t, c.change))
			if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want %v naming %q", err, c.want, c.text)
			}
		})
	}
}

func nested(levels int) any {
	if levels == 0 {
		return 1
	}
	return []any{nested(levels - 1)}
}

func TestOnlyDeterministicCBORIsRead(t *testing.T) {
	payload, err := sampleHeader(t).encode()
	if err != nil {
		t.Fatal(err)
	}
	long := append([]byte{payload[0], payload[1], 0x18, payload[2]}, payload[3:]...) // version 1 in two bytes
	twice := append([]byte{payload[0] + 1}, payload[1:]...)
	twice = append(twice, 0x0b, 0x80) // objects again
	for name, bad := range map[string][]byte{"long form": long, "key twice": twice, "trailing byte": append(bytes.Clone(payload), 0)} {
		raw, err := SignCOSE(AADHeader, bad, newDevice(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(raw); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReceiptRoundTrip(t *testing.T) {
	device := newDevice(t)
	signed, err := Sign(sampleHeader(t), newDevice(t))
	if err != nil {
		t.Fatal(err)
	}
	r := Receipt{ID: signed.Header.ID, Header: signed.Digest(), Office: "H01",
		At: time.Date(2026, 7, 1, 9, 0, 0, 5e6, time.UTC), Epoch: uuid.MustParse("5b0e0001-0000-4000-8000-000000000001")}
	raw, err := SignReceipt(r, device)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseReceipt(raw)
	if err != nil {
		t.Fatal(err)
	}
	if got.Receipt != r {
		t.Errorf("got %+v, want %+v", got.Receipt, r)
	}
	if err := got.Verify(device.Public()); err != nil {
		t.Error(err)
	}
	if err := got.Verify(newDevice(t).Public()); !errors.Is(err, ErrSignature) {
		t.Errorf("another key: %v", err)
	}
	if err := r.Covers(signed); err != nil {
		t.Error(err)
	}
	r.Header[0]++
	if err := r.Covers(signed); err == nil {
		t.Error("receipt of another header covers this one")
	}
	t.Logf("receipt: %d bytes", len(raw))
}

func TestReceiptRefusals(t *testing.T) {
	device := newDevice(t)
	good := Receipt{ID: uuid.New(), Office: "H01", At: time.Unix(1, 0), Epoch: uuid.New()}
	for name, spoil := range map[string]func(*Receipt){
		"id":     func(r *Receipt) { r.ID = uuid.Nil },
		"epoch":  func(r *Receipt) { r.Epoch = uuid.Nil },
		"office": func(r *Receipt) { r.Office = "" },
		"at":     func(r *Receipt) { r.At = time.Time{} },
	} {
		r := good
		spoil(&r)
		if _, err := SignReceipt(r, device); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	header, err := Sign(sampleHeader(t), device)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseReceipt(header.Raw); !errors.Is(err, ErrMalformed) {
		t.Errorf("a header read as a receipt: %v", err)
	}
	if _, err := ParseReceipt(make([]byte, MaxReceipt+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("over the limit: %v", err)
	}
}

func TestAHeaderMayAskForATimeStamp(t *testing.T) {
	h := sampleHeader(t)
	h.Stamp = [32]byte{1, 2, 3}
	signed, err := Sign(h, newDevice(t))
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(signed.Raw)
	if err != nil || again.Header.Stamp != h.Stamp {
		t.Errorf("got %x, %v", again.Header.Stamp, err)
	}
	payload, err := PayloadCOSE(signed.Raw)
	if want := append([]byte{0x0c, 0x58, 0x20}, h.Stamp[:]...); err != nil || !bytes.HasSuffix(payload, want) {
		t.Errorf("payload %x does not end in %x", payload, want)
	}
	for _, bad := range [][]byte{make([]byte, 32), {1}, {}} {
		var stamp [32]byte
		if err := setStamp(&stamp, bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("stamp %x: %v", bad, err)
		}
	}
}
