package seal

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// FuzzOpenHead: hostile bytes give an error or a verdict, never a panic, and
// never passed for a seal that this test's CA did not stand behind.
func FuzzOpenHead(f *testing.F) {
	p := newPKI(f)
	heads := [][]byte{
		mustSeal(f, p.sealer(officeCert(), nil), message, pdf),
		mustSeal(f, newPKI(f).sealer(officeCert(), nil), Named{Name: StatusName("H01", "1"), Data: []byte("x")}),
	}
	for _, h := range heads {
		f.Add(h)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := OpenHead(b, p.roots(), at)
		if err != nil || h.Verdict.Result != Passed {
			return
		}
		if !bytes.Equal(h.Message, message.Data) {
			t.Errorf("passed with another message: %q", h.Message)
		}
	})
}

func FuzzVerifyContainer(f *testing.F) {
	p := newPKI(f)
	f.Add(fullContainer(f, p))
	f.Add(mustSeal(f, p.sealer(officeCert(), nil), message))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := VerifyContainerAt(bytes.NewReader(b), int64(len(b)), p.roots(), at)
		if err == nil && r.Result == Passed && len(r.Seals) == 0 {
			t.Error("passed without a seal")
		}
	})
}

// FuzzParseManifest: a manifest of our own form writes back to the same files.
func FuzzParseManifest(f *testing.F) {
	seed := manifest{Signature: "META-INF/signature001.p7s", Files: []File{
		{Name: MessageName, MediaType: MessageType, Size: 7}, {Name: "ghi chú & «hình».txt", MediaType: unknownType, Size: 1 << 30}}}
	f.Add(seed.marshal())
	f.Add([]byte("<!DOCTYPE x><x/>"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := parseManifest(raw)
		if err != nil {
			return
		}
		for i := range m.Files {
			if m.Files[i].Size < 0 { // of a foreign manifest; ours always tells
				m.Files[i].Size = 0
			}
		}
		again, err := parseManifest(m.marshal())
		if err != nil && !errors.Is(err, ErrTooLarge) {
			t.Fatalf("%q: %v", raw, err)
		}
		if err == nil && (again.Signature != m.Signature || !slices.Equal(again.Files, m.Files)) {
			t.Errorf("%+v became %+v", m, again)
		}
	})
}

// FuzzParseSignature: hostile CMS bytes give an error, never a panic.
func FuzzParseSignature(f *testing.F) {
	p := newPKI(f)
	for _, s := range []Sealer{p.sealer(officeCert(), nil), p.sealer(officeCert(), newRSA(f, 2048))} {
		raw, err := readHead(mustSeal(f, s, message))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw.signature)
	}
	signed := manifest{}.marshal()
	f.Fuzz(func(t *testing.T, der []byte) {
		if v := judge(signed, der, Trust{Roots: Only(p.roots()), Now: at}, at); v.Result == Passed {
			t.Error("passed over a manifest that was never sealed")
		}
	})
}
