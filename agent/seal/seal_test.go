package seal

import (
	"archive/zip"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	message = Named{Name: MessageName, Data: []byte("<edXML>Kính gửi</edXML>")}
	pdf     = content{"Quyết định số 12 & phụ lục.pdf", "application/pdf", "%PDF-1.7 ..."}
	text    = content{"ghi chú (2).txt", "", strings.Repeat("chữ ", 5000)}
)

type content struct{ name, media, data string }

func (c content) file() File {
	return File{Name: c.name, MediaType: c.media, SHA256: sha256.Sum256([]byte(c.data)), Size: int64(len(c.data))}
}

func mustSeal(t testing.TB, s Sealer, m Named, files ...content) []byte {
	t.Helper()
	var list []File
	for _, f := range files {
		list = append(list, f.file())
	}
	head, err := s.Seal(m, list)
	if err != nil {
		t.Fatal(err)
	}
	return head
}

func TestSealRoundTrip(t *testing.T) {
	p := newPKI(t)
	head := mustSeal(t, p.sealer(officeCert(), nil), message, pdf, text)
	t.Logf("head: %d bytes", len(head))
	h, err := OpenHead(head, p.roots(), at.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	v := h.Verdict
	if v.Result != Passed || v.Reason != "" || v.Code != "H01.12.34" || v.Name != "UBND xã Bình Minh" ||
		!v.SignedAt.Equal(at) || v.Issuer != "CN=Hub CA" || v.Serial != "abc123" || v.Cert == nil {
		t.Errorf("verdict %+v", v)
	}
	if !bytes.Equal(h.Message, message.Data) || h.MessageName != MessageName {
		t.Errorf("message %q %q", h.MessageName, h.Message)
	}
	want := []File{pdf.file(), text.file()}
	want[1].MediaType = unknownType
	if !slices.Equal(h.Files, want) {
		t.Errorf("files %+v, want %+v", h.Files, want)
	}
}

func TestKeysThatSeal(t *testing.T) {
	p := newPKI(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]Sealer{
		"P-256":          p.sealer(officeCert(), ec),
		"P-256 on token": p.sealer(officeCert(), token{ec}),
		"RSA":            p.sealer(officeCert(), newRSA(t, 2048)),
		"RSA on token":   p.sealer(officeCert(), token{newRSA(t, 3072)}),
	} {
		h, err := OpenHead(mustSeal(t, s, message), p.roots(), at)
		if err != nil || h.Verdict.Result != Passed {
			t.Errorf("%s: %+v, %v", name, h.Verdict, err)
		}
		s.Chain = nil
		if h, err = OpenHead(mustSeal(t, s, message), p.roots(), at); err != nil || h.Verdict.Result != Passed {
			t.Errorf("%s without chain: %+v, %v", name, h.Verdict, err)
		}
		s.Chain = []*x509.Certificate{s.Cert, p.cert}
		if h, err = OpenHead(mustSeal(t, s, message), p.roots(), at); err != nil || h.Verdict.Result != Passed {
			t.Errorf("%s with itself in the chain: %+v, %v", name, h.Verdict, err)
		}
	}
}

func TestKeysThatDoNotSeal(t *testing.T) {
	p := newPKI(t)
	good := p.sealer(officeCert(), nil)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]Sealer{
		"none":        {},
		"P-384":       p.sealer(officeCert(), p384),
		"short RSA":   p.sealer(officeCert(), newRSA(t, 1024)),
		"another key": {Key: newRSA(t, 2048), Cert: good.Cert},
		"other chain": {Key: good.Key, Cert: good.Cert, Chain: []*x509.Certificate{newPKI(t).cert}},
	} {
		if _, err := s.Seal(message, nil); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSealRefusesBadNamesAndSizes(t *testing.T) {
	s := newPKI(t).sealer(officeCert(), nil)
	for _, name := range []string{
		"", "../x", "/x", "a/../b", `a\b`, "c:x", "a\x00", "mimetype", "META-INF/x", "meta-inf", "Mimetype", "a//b",
		"tie\u0302\u0301ng.pdf", "x\u202egpj.exe", strings.Repeat("x", MaxName+1), "\xff", MessageName, ".", "..", "receipts/x.cose",
	} {
		if _, err := s.Seal(message, []File{{Name: name}}); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for what, err := range map[string]error{
		"large file":    sealErr(s, message, File{Name: "x", Size: MaxFile + 1}),
		"negative file": sealErr(s, message, File{Name: "x", Size: -1}),
		"message":       sealErr(s, Named{Name: "m", Data: make([]byte, MaxMessage+1)}),
		"many files":    sealErr(s, message, make([]File, MaxFiles)...),
	} {
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func sealErr(s Sealer, m Named, files ...File) error {
	_, err := s.Seal(m, files)
	return err
}

func TestP9_MostFilesFit(t *testing.T) {
	p := newPKI(t)
	taken := map[string]bool{}
	var files []File
	for range MaxFiles - 1 {
		name := SafeName(strings.Repeat("ế", 100)+".pdf", taken)
		files = append(files, File{Name: name, MediaType: "application/pdf", SHA256: sha256.Sum256([]byte(name)), Size: MaxFile})
	}
	head, err := p.sealer(officeCert(), nil).Seal(message, files)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("head over %d files: %d bytes", len(files), len(head))
	if h, err := OpenHead(head, p.roots(), at); err != nil || h.Verdict.Result != Passed || len(h.Files) != len(files) {
		t.Errorf("%d files, %+v, %v", len(h.Files), h.Verdict, err)
	}
}

// TestP6_TamperedPartIsNamed alters each part of a head.
func TestP6_TamperedPartIsNamed(t *testing.T) {
	p := newPKI(t)
	s := p.sealer(officeCert(), nil)
	head := mustSeal(t, s, message, pdf)
	manifestName, signatureName := sealNames(MessageName)
	other := mustSeal(t, p.sealer(officeCert(), nil), message, pdf)
	swap := func(name string, old, new string) func(string, []byte) (string, []byte) {
		return func(n string, data []byte) (string, []byte) {
			if n == name {
				changed := bytes.Replace(data, []byte(old), []byte(new), 1)
				if bytes.Equal(changed, data) {
					t.Fatalf("%s has no %q", name, old)
				}
				data = changed
			}
			return n, data
		}
	}
	cases := map[string]struct {
		change func(string, []byte) (string, []byte)
		want   Reason
	}{
		"message":               {swap(MessageName, "edXML", "edXMl"), ReasonHash},
		"file name in manifest": {swap(manifestName, ".pdf", ".exe"), ReasonHash},
		"digest in manifest":    {swap(manifestName, "<ds:DigestValue>", "<ds:DigestValue> "), ReasonHash},
		"size in manifest":      {swap(manifestName, ">12<", ">13<"), ReasonHash},
		"signature value":       {flipLast(signatureName), ReasonSignature},
		"signature is garbage": {func(n string, d []byte) (string, []byte) {
			if n == signatureName {
				d = []byte("garbage")
			}
			return n, d
		}, ReasonSignature},
		"office name in certificate": {swap(signatureName, "H01.12.34", "H01.12.35"), ReasonSignature},
		"signature of another head": {func(n string, d []byte) (string, []byte) {
			if n == signatureName {
				d = entry(t, other, signatureName)
			}
			return n, d
		}, ""}, // same manifest: a good seal of another key of the office
	}
	for name, c := range cases {
		h, err := OpenHead(rezip(t, head, c.change), p.roots(), at)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if h.Verdict.Reason != c.want || (h.Verdict.Result == Passed) != (c.want == "") {
			t.Errorf("%s: %s %s, want %s", name, h.Verdict.Result, h.Verdict.Reason, c.want)
		}
	}
}

func flipLast(name string) func(string, []byte) (string, []byte) {
	return func(n string, d []byte) (string, []byte) {
		if n == name {
			d = bytes.Clone(d)
			d[len(d)-1] ^= 1
		}
		return n, d
	}
}

// TestP6_EveryBitOfTheSignatureCounts flips bits of the CMS bytes one at a
// time. Some bytes of a CMS message are not signed (such as its version, or
// the certificates beside the signer's); altering those may leave the seal
// valid but must never change who signed what.
func TestP6_EveryBitOfTheSignatureCounts(t *testing.T) {
	p := newPKI(t)
	s := p.sealer(officeCert(), nil)
	head, err := readHead(mustSeal(t, s, message, pdf))
	if err != nil {
		t.Fatal(err)
	}
	still := 0
	for i := range head.signature {
		der := bytes.Clone(head.signature)
		der[i] ^= 1 << (i % 8)
		v := judge(head.manifest, der, Trust{Roots: Only(p.roots()), Now: at}, time.Time{})
		if v.Result != Passed {
			continue
		}
		still++
		if !v.Cert.Equal(s.Cert) || !v.SignedAt.Equal(at) {
			t.Fatalf("byte %d: passed as %s at %v", i, v.Code, v.SignedAt)
		}
	}
	t.Logf("%d of %d altered signatures still passed, all with the same signer and time", still, len(head.signature))
}

func TestMalformedHeads(t *testing.T) {
	p := newPKI(t)
	head := mustSeal(t, p.sealer(officeCert(), nil), message, pdf)
	manifestName, signatureName := sealNames(MessageName)
	drop := func(name string) []byte {
		return rezip(t, head, func(n string, d []byte) (string, []byte) {
			if n == name {
				d = nil
			}
			return n, d
		})
	}
	rename := func(from, to string) []byte {
		return rezip(t, head, func(n string, d []byte) (string, []byte) {
			if n == from {
				n = to
			}
			return n, d
		})
	}
	edit := func(old, new string) []byte {
		return rezip(t, head, func(n string, d []byte) (string, []byte) {
			if n == manifestName {
				d = bytes.Replace(d, []byte(old), []byte(new), 1)
			}
			return n, d
		})
	}
	raw := func(f func(w *zip.Writer)) []byte {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		f(w)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	cases := map[string][]byte{
		"nothing": nil, "garbage": []byte("PK\x03\x04garbage"), "cut": head[:len(head)-30],
		"no mimetype": drop(mimetypeName), "no message": drop(MessageName), "no manifest": drop(manifestName), "no signature": drop(signatureName),
		"message renamed": rename(MessageName, "x.edxml"), "signature renamed": rename(signatureName, "META-INF/signature002.p7s"),
		"manifest renamed": rename(manifestName, "META-INF/ASiCManifest002.xml"), "message leaves": rename(MessageName, "../x"),
		"two manifests": rename(MessageName, "META-INF/ASiCManifest002.xml"),
		"other mimetype": rezip(t, head, func(n string, d []byte) (string, []byte) {
			if n == mimetypeName {
				d = []byte("application/zip")
			}
			return n, d
		}),
		"document type": edit("<asic:ASiCManifest", `<!DOCTYPE x [<!ENTITY a "b">]><asic:ASiCManifest`),
		"instruction":   edit("<asic:ASiCManifest", `<?run x?><asic:ASiCManifest`), "wrong namespace": edit("02918", "02919"),
		"weak digest": edit("xmlenc#sha256", "xmldsig#sha1"), "file twice": edit(toURI(pdf.name), MessageName),
		"file leaves": edit(toURI(pdf.name), "..%2fx"), "critical extension": edit(`Critical="false"`, `Critical="true"`),
		"bad size": edit(">12<", ">-12<"), "two signatures": edit("<asic:SigReference", `<asic:SigReference URI="x"/><asic:SigReference`),
		"not covered": edit(`URI="`+MessageName, `URI="x`), "not closed": edit("</asic:ASiCManifest>", ""), "text after": edit("</asic:ASiCManifest>", "</asic:ASiCManifest>x"),
		"deep": edit("</asic:ASiCManifest>", strings.Repeat("<a>", 20)+strings.Repeat("</a>", 20)+"</asic:ASiCManifest>"),
		"entry twice": raw(func(w *zip.Writer) {
			for _, n := range []string{mimetypeName, "x", "x"} {
				e, _ := w.CreateHeader(&zip.FileHeader{Name: n})
				_, _ = io.WriteString(e, ContainerType)
			}
		}),
		"mimetype packed": raw(func(w *zip.Writer) {
			e, _ := w.Create(mimetypeName)
			_, _ = io.WriteString(e, ContainerType)
		}),
	}
	for name, b := range cases {
		if _, err := OpenHead(b, p.roots(), at); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := OpenHead(make([]byte, MaxHead+1), p.roots(), at); !errors.Is(err, ErrTooLarge) {
		t.Errorf("large head: %v", err)
	}
	bomb := rezip(t, head, func(n string, d []byte) (string, []byte) {
		if n == MessageName {
			d = make([]byte, MaxMessage+1)
		}
		return n, d
	})
	if _, err := OpenHead(bomb, p.roots(), at); !errors.Is(err, ErrTooLarge) {
		t.Errorf("message that unpacks to too much (%d bytes packed): %v", len(bomb), err)
	}
}

func TestVerdicts(t *testing.T) {
	p, stranger := newPKI(t), newPKI(t)
	with := func(f func(c *x509.Certificate)) Sealer {
		c := officeCert()
		f(c)
		return p.sealer(c, nil)
	}
	later := func(s Sealer, at time.Time) Sealer { s.Now = func() time.Time { return at }; return s }
	good := p.sealer(officeCert(), nil)
	cases := map[string]struct {
		sealer Sealer
		now    time.Time
		roots  *x509.CertPool
		result Result
		reason Reason
	}{
		"good":                        {good, at, p.roots(), Passed, ""},
		"foreign CA of the same name": {stranger.sealer(officeCert(), nil), at, p.roots(), Failed, ReasonChain},
		"device certificate":          {with(func(c *x509.Certificate) { c.Subject.OrganizationalUnit = []string{"device"} }), at, p.roots(), Failed, ReasonNotSeal},
		"no office code":              {with(func(c *x509.Certificate) { c.Subject.SerialNumber = "" }), at, p.roots(), Failed, ReasonNotSeal},
		"wrong key usage":             {with(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }), at, p.roots(), Failed, ReasonNotSeal},
		"expired at signing":          {later(good, at.AddDate(3, 0, 0)), at.AddDate(3, 0, 0), p.roots(), Failed, ReasonExpired},
		"expired since":               {good, at.AddDate(3, 0, 0), p.roots(), Indeterminate, ReasonExpiredSince},
		"signer's dead clock":         {later(good, time.Unix(1000, 0)), at, p.roots(), Indeterminate, ReasonClock},
		"reader's dead clock":         {good, time.Unix(1000, 0), p.roots(), Indeterminate, ReasonNotYet},
		"not yet valid":               {with(func(c *x509.Certificate) { c.NotBefore = at.Add(24 * time.Hour) }), at, p.roots(), Indeterminate, ReasonNotYet},
		"within tolerance":            {later(good, at.Add(ClockTolerance)), at, p.roots(), Passed, ""},
		"no roots":                    {good, at, nil, Indeterminate, ReasonNoRoots},
		"empty roots":                 {good, at, x509.NewCertPool(), Failed, ReasonUnknownCA},
	}
	for name, c := range cases {
		h, err := OpenHead(mustSeal(t, c.sealer, message), c.roots, c.now)
		if err != nil || h.Verdict.Result != c.result || h.Verdict.Reason != c.reason {
			t.Errorf("%s: %s %s, %v; want %s %s", name, h.Verdict.Result, h.Verdict.Reason, err, c.result, c.reason)
		}
	}
}

// TestP7_CertificateCannotBeExchanged puts another certificate for the same
// key into the signature: the signed attributes name the first one.
func TestP7_CertificateCannotBeExchanged(t *testing.T) {
	p := newPKI(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := p.sealer(officeCert(), key)
	template := officeCert()
	template.Subject.SerialNumber = "H01.12.99"
	b := p.sealer(template, key)
	for len(a.Cert.Raw) != len(b.Cert.Raw) { // the length of an ECDSA value varies
		b = p.sealer(template, key)
	}
	head, err := readHead(mustSeal(t, a, message))
	if err != nil {
		t.Fatal(err)
	}
	der := bytes.Replace(head.signature, a.Cert.Raw, b.Cert.Raw, 1)
	if v := judge(head.manifest, der, Trust{Roots: Only(p.roots()), Now: at}, time.Time{}); v.Result != Failed || v.Reason != ReasonSignature {
		t.Errorf("%+v", v)
	}
}

// TestP12_OpensslAcceptsOurSeal is the check that an outsider would make.
func TestP12_OpensslAcceptsOurSeal(t *testing.T) {
	openssl := tool(t, "openssl")
	p := newPKI(t)
	for name, s := range map[string]Sealer{"ecdsa": p.sealer(officeCert(), nil), "rsa": p.sealer(officeCert(), newRSA(t, 2048))} {
		head := mustSeal(t, s, message, pdf)
		dir := t.TempDir()
		write := func(file string, data []byte) string {
			path := filepath.Join(dir, file)
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
		manifestName, signatureName := sealNames(MessageName)
		ca, sig := write("ca.pem", p.pem()), write("signature001.p7s", entry(t, head, signatureName))
		signed := entry(t, head, manifestName)
		args := func(content string) []string {
			return []string{"cms", "-verify", "-binary", "-inform", "DER", "-cades", "-in", sig, "-content", content, "-CAfile", ca,
				"-purpose", "any", "-attime", fmt.Sprint(at.Unix()), "-out", filepath.Join(dir, "out")}
		}
		if out, err := run(t, openssl, args(write("ASiCManifest001.xml", signed))...); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if out, err := run(t, openssl, args(write("altered.xml", append(signed, ' ')))...); err == nil {
			t.Errorf("%s: openssl accepts an altered manifest: %s", name, out)
		}
	}
}

func TestP12_ManifestIsWellFormed(t *testing.T) {
	xmllint := tool(t, "xmllint")
	head := mustSeal(t, newPKI(t).sealer(officeCert(), nil), message, pdf, text)
	manifestName, _ := sealNames(MessageName)
	path := filepath.Join(t.TempDir(), "manifest.xml")
	if err := os.WriteFile(path, entry(t, head, manifestName), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := run(t, xmllint, "--noout", "--nonet", path); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestMimetypeStandsAtItsFixedPlace is what tools that tell file types look at.
func TestMimetypeStandsAtItsFixedPlace(t *testing.T) {
	head := mustSeal(t, newPKI(t).sealer(officeCert(), nil), message)
	if !bytes.HasPrefix(head, []byte("PK\x03\x04")) || !bytes.HasPrefix(head[30:], []byte(mimetypeName+ContainerType)) {
		t.Errorf("head begins with %q", head[:100])
	}
	if flags := head[6]; flags&8 != 0 {
		t.Error("size of mimetype is not in its local header")
	}
	if extra := head[28:30]; extra[0] != 0 || extra[1] != 0 {
		t.Error("mimetype has an extra field")
	}
}
