package docsign

import (
	"bytes"
	"encoding/json"
	"testing"
)

// seeds are signed files of each format, made without other programs.
func seeds(f *testing.F) (all map[string][]byte, o Options) {
	b := newBench(f)
	lib := b.library(nil)
	form := b.formDraft().sign(how{cms: lib, level: 2})
	form.update(map[int]string{12: textField("7")})
	two := newDraft(f).sign(how{cms: lib}).sign(how{cms: lib, filter: "ETSI.CAdES.detached"})
	note := newDraft(f).sign(how{cms: lib})
	note.note(overlay)
	return map[string][]byte{
		"one.pdf": newDraft(f).sign(how{cms: lib}).data, "two.pdf": two.data, "form.pdf": form.data, "note.pdf": note.data,
		"plain.pdf": newDraft(f).data, "none.pdf": newDraft(f).sign(how{value: "/ByteRange null /Contents <00>"}).data,
		"sig.p7s": lib([]byte("content")), "text.txt": []byte("plain"), "pem.p7s": pemOf("PKCS7", lib([]byte("x"))),
	}, b.opts
}

// FuzzCheck holds that no bytes make the dispatcher and the readers behind it
// panic, and that only bytes that were signed pass.
func FuzzCheck(f *testing.F) {
	all, o := seeds(f)
	signed := map[string]bool{}
	if len(all) < 8 {
		f.Fatal("seeds are missing")
	}
	for name, data := range all {
		f.Add(name, data)
		r, err := Check(f.Context(), name, bytes.NewReader(data), int64(len(data)), o)
		if err != nil {
			f.Fatal(err)
		}
		for _, s := range r.Signatures {
			signed[s.Signer.SHA256] = true
		}
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		if len(data) > 1<<20 {
			return
		}
		opts := o
		opts.Content, opts.ContentSize = bytes.NewReader([]byte("content")), 7
		r, err := Check(t.Context(), name, bytes.NewReader(data), int64(len(data)), opts)
		if err != nil {
			t.Fatalf("an error of reading from memory: %v", err)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Fatal(err)
		}
		if r.Indication == Passed && len(r.Signatures) == 0 {
			t.Fatal("passed without a signature")
		}
		for _, s := range r.Signatures {
			if s.Indication == Passed && (len(s.Chain) < 2 || !signed[s.Signer.SHA256]) {
				t.Fatalf("a signature of nobody passed: %+v", s)
			}
			if s.Indication == "" || (s.Indication != Passed && s.Reason.Code == "") {
				t.Fatalf("no outcome: %+v", s)
			}
		}
	})
}

// FuzzCMS holds that the reader of CMS does not panic, and that what it reads
// as DER stays as it is.
func FuzzCMS(f *testing.F) {
	all, _ := seeds(f)
	f.Add(all["sig.p7s"])
	f.Add([]byte{0x30, 0x80, 0x24, 0x80, 0x04, 0x01, 0x41, 0, 0, 0, 0})
	f.Add([]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		der, _, err := toDER(data)
		if err != nil {
			if _, err := parseCMS(data); err == nil {
				t.Fatal("read what is no BER")
			}
			return
		}
		again, rest, err := toDER(der)
		if err != nil || len(rest) > 0 || !bytes.Equal(der, again) {
			t.Fatalf("DER of DER differs: %x %x %v", der, again, err)
		}
		d, err := parseCMS(data)
		if err != nil {
			return
		}
		for _, s := range d.signers {
			d.signer(s, nil)
			s.signingTime()
			s.evidence()
		}
		readStampInfo(d.content)
	})
}
