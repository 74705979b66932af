package seal

import (
	"archive/zip"
	"bytes"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// opener serves the files' content by name.
func opener(files ...content) func(File) (io.ReadCloser, error) {
	return func(f File) (io.ReadCloser, error) {
		for _, c := range files {
			if c.name == f.Name {
				return io.NopCloser(strings.NewReader(c.data)), nil
			}
		}
		return nil, errors.New("no such file")
	}
}

// fullContainer is a document with two files, two sealed statuses of other
// offices, a custody receipt and the bundle header.
func fullContainer(t testing.TB, p *pki) []byte {
	t.Helper()
	head := mustSeal(t, p.sealer(officeCert(), nil), message, pdf, text)
	extra := []Extra{
		{Name: HeaderName, Data: []byte("header")},
		{Name: CustodyName("H01"), Data: []byte("custody")},
	}
	for _, office := range []string{"G09.1", "H01"} {
		template := officeCert()
		template.Subject.SerialNumber = office
		status := Named{Name: StatusName(office, "0197c0de-0001"), Data: []byte("<status/>")}
		extra = append(extra, Extra{Data: mustSeal(t, p.sealer(template, nil), status)})
	}
	var out bytes.Buffer
	if err := WriteContainer(&out, head, opener(pdf, text), extra); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func verify(t testing.TB, p *pki, b []byte) (Report, error) {
	t.Helper()
	return VerifyContainerAt(bytes.NewReader(b), int64(len(b)), p.roots(), at)
}

func TestContainerRoundTrip(t *testing.T) {
	p := newPKI(t)
	b := fullContainer(t, p)
	r, err := verify(t, p, b)
	if err != nil {
		t.Fatal(err)
	}
	if r.Result != Passed || r.Reason != "" || len(r.Unsealed) != 0 {
		t.Errorf("report %+v", r)
	}
	var codes []string
	for _, s := range r.Seals {
		codes = append(codes, s.Verdict.Code)
		for _, f := range s.Files {
			if !f.OK || !f.Present {
				t.Errorf("%s: file %+v", s.Manifest, f)
			}
		}
	}
	if !slices.Equal(codes, []string{"H01.12.34", "G09.1", "H01"}) {
		t.Errorf("signers %v", codes)
	}
	if len(r.Seals[0].Files) != 3 || string(entry(t, b, pdf.name)) != pdf.data || string(entry(t, b, text.name)) != text.data {
		t.Error("files are missing")
	}
	var receipts []string
	for _, e := range r.Receipts {
		receipts = append(receipts, e.Name+"="+string(e.Data))
	}
	if !slices.Equal(receipts, []string{HeaderName + "=header", CustodyName("H01") + "=custody"}) {
		t.Errorf("receipts %v", receipts)
	}
}

// TestP12_OpensslAcceptsEverySealOfAContainer verifies document and statuses
// after they were merged.
func TestP12_OpensslAcceptsEverySealOfAContainer(t *testing.T) {
	openssl := tool(t, "openssl")
	p := newPKI(t)
	b, dir := fullContainer(t, p), t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, p.pem(), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := verify(t, p, b)
	if err != nil || len(r.Seals) != 3 {
		t.Fatal(len(r.Seals), err)
	}
	for i, s := range r.Seals {
		signed, sig := filepath.Join(dir, fmt.Sprint(i, ".xml")), filepath.Join(dir, fmt.Sprint(i, ".p7s"))
		for path, name := range map[string]string{signed: s.Manifest, sig: s.Signature} {
			if err := os.WriteFile(path, entry(t, b, name), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out, err := run(t, openssl, "cms", "-verify", "-binary", "-inform", "DER", "-in", sig, "-content", signed, "-CAfile", ca,
			"-purpose", "any", "-attime", fmt.Sprint(at.Unix()), "-out", os.DevNull)
		if err != nil {
			t.Errorf("%s: %v\n%s", s.Signature, err, out)
		}
	}
}

func TestTamperedContainer(t *testing.T) {
	p := newPKI(t)
	b := fullContainer(t, p)
	statusManifest, statusSignature := sealNames(StatusName("H01", "0197c0de-0001"))
	replace := func(name string, data []byte) func(string, []byte) (string, []byte) {
		return func(n string, d []byte) (string, []byte) {
			if n == name {
				d = data
			}
			return n, d
		}
	}
	rename := func(from, to string) func(string, []byte) (string, []byte) {
		return func(n string, d []byte) (string, []byte) {
			if n == from {
				n = to
			}
			return n, d
		}
	}
	cases := map[string]struct {
		change func(string, []byte) (string, []byte)
		result Result
		reason Reason
	}{
		"nothing":             {rename("", ""), Passed, ""},
		"attachment":          {replace(pdf.name, []byte("other")), Failed, ReasonHash},
		"attachment missing":  {replace(pdf.name, nil), Failed, ReasonHash},
		"message":             {replace(MessageName, []byte("other")), Failed, ReasonHash},
		"status":              {replace(StatusName("H01", "0197c0de-0001"), []byte("other")), Failed, ReasonHash},
		"status signature":    {flipLast(statusSignature), Failed, ReasonSignature},
		"no status signature": {replace(statusSignature, nil), Failed, ReasonSignature},
		"status manifest":     {replace(statusManifest, []byte("<x/>")), Failed, ReasonSignature},
		"attachment renamed":  {rename(pdf.name, "other.pdf"), Failed, ReasonHash},
		"status seal removed": {replace(statusManifest, nil), Indeterminate, ReasonUnsealed},
		"receipt renamed":     {rename(CustodyName("H01"), "loose.txt"), Indeterminate, ReasonUnsealed},
		"hidden in META-INF":  {rename(CustodyName("H01"), "META-INF/loose.txt"), Indeterminate, ReasonUnsealed},
	}
	for name, c := range cases {
		r, err := verify(t, p, rezip(t, b, c.change))
		if err != nil || r.Result != c.result || r.Reason != c.reason {
			t.Errorf("%s: %s %s, %v; want %s %s", name, r.Result, r.Reason, err, c.result, c.reason)
		}
	}
}

// TestDamagedContainerNeverPasses flips every third byte of the file.
func TestDamagedContainerNeverPasses(t *testing.T) {
	p := newPKI(t)
	head := mustSeal(t, p.sealer(officeCert(), nil), message, pdf)
	var out bytes.Buffer
	if err := WriteContainer(&out, head, opener(pdf), nil); err != nil {
		t.Fatal(err)
	}
	want, err := verify(t, p, out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < out.Len(); i += 3 {
		b := bytes.Clone(out.Bytes())
		b[i] ^= 0x10
		r, err := verify(t, p, b)
		if err != nil || r.Result != Passed {
			continue
		}
		// Bytes that say nothing of the content (dates, versions) may change.
		if fmt.Sprint(r.Seals[0].Files) != fmt.Sprint(want.Seals[0].Files) || !r.Seals[0].Verdict.Cert.Equal(want.Seals[0].Verdict.Cert) {
			t.Fatalf("byte %d: passed with %+v", i, r)
		}
	}
}

func TestWriteContainerRefuses(t *testing.T) {
	p := newPKI(t)
	s := p.sealer(officeCert(), nil)
	head := mustSeal(t, s, message, pdf)
	changed := pdf
	changed.data += "!"
	status := mustSeal(t, s, Named{Name: StatusName("H01", "1"), Data: []byte("x")})
	withFile := mustSeal(t, s, Named{Name: StatusName("H01", "2"), Data: []byte("x")}, text)
	ofDocument := mustSeal(t, s, Named{Name: StatusName("H01", "3"), Data: []byte("x")}, pdf)
	custody := Extra{Name: CustodyName("H01"), Data: []byte("x")}
	cases := map[string]struct {
		head  []byte
		file  content
		extra []Extra
		want  error
	}{
		"good":                    {head, pdf, []Extra{{Data: status}, {Data: ofDocument}, custody}, nil},
		"garbage":                 {[]byte("x"), pdf, nil, ErrMalformed},
		"changed file":            {head, changed, nil, ErrHash},
		"status twice":            {head, pdf, []Extra{{Data: status}, {Data: status}}, ErrName},
		"custody twice":           {head, pdf, []Extra{custody, custody}, ErrName},
		"status seals other file": {head, pdf, []Extra{{Data: withFile}}, ErrMalformed},
		"document as receipt":     {head, pdf, []Extra{{Data: head}}, ErrName},
		"bad zip as receipt":      {head, pdf, []Extra{{Data: []byte("PK\x03\x04")}}, ErrMalformed},
		"receipt elsewhere":       {head, pdf, []Extra{{Name: "x.cose", Data: []byte("x")}}, ErrName},
		"receipt leaves":          {head, pdf, []Extra{{Name: "receipts/../../x.cose", Data: []byte("x")}}, ErrName},
		"large receipt":           {head, pdf, []Extra{{Name: "receipts/x.cose", Data: make([]byte, MaxReceipt+1)}}, ErrTooLarge},
	}
	for name, c := range cases {
		if err := WriteContainer(io.Discard, c.head, opener(c.file), c.extra); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := WriteContainer(io.Discard, head, opener(), nil); err == nil {
		t.Error("a file that cannot be opened is no error")
	}
}

func TestVerifyContainerRefuses(t *testing.T) {
	p := newPKI(t)
	make := func(f func(w *zip.Writer)) []byte {
		var b bytes.Buffer
		w, err := newWriter(&b, at)
		if err != nil {
			t.Fatal(err)
		}
		f(w.zip)
		if err := w.zip.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	cases := map[string]struct {
		data []byte
		want error
	}{
		"no seal": {make(func(*zip.Writer) {}), ErrMalformed},
		"many entries": {make(func(w *zip.Writer) {
			for i := range MaxEntries {
				_, _ = w.Create(fmt.Sprint(i))
			}
		}), ErrTooLarge},
		"large directory": {make(func(w *zip.Writer) {
			for i := range 300 {
				_, _ = w.CreateHeader(&zip.FileHeader{Name: fmt.Sprint(i), Comment: strings.Repeat("x", 60<<10)})
			}
		}), ErrTooLarge},
	}
	for name, c := range cases {
		if _, err := verify(t, p, c.data); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	broken := errors.New("disk on fire")
	b := fullContainer(t, p)
	_, err := VerifyContainerAt(brokenAt{bytes.NewReader(b), 2000, broken}, int64(len(b)), p.roots(), at)
	if !errors.Is(err, broken) || errors.Is(err, ErrMalformed) {
		t.Errorf("broken disk: %v", err)
	}
}

// brokenAt fails to read one place in the middle of a file.
type brokenAt struct {
	io.ReaderAt
	at  int64
	err error
}

func (b brokenAt) ReadAt(p []byte, off int64) (int, error) {
	if off <= b.at && b.at < off+int64(len(p)) {
		return 0, b.err
	}
	return b.ReaderAt.ReadAt(p, off)
}

func TestReadmeShowsTheLimits(t *testing.T) {
	raw, err := os.ReadFile("../../sync/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]int64{
		"MaxHead": MaxHead, "MaxMessage": MaxMessage, "MaxManifest": MaxManifest, "MaxSignature": MaxSignature, "MaxFiles": MaxFiles,
		"MaxFile": MaxFile, "MaxName": MaxName, "MaxEntries": MaxEntries, "MaxReceipt": MaxReceipt, "MaxReceipts": MaxReceipts,
	} {
		if row := fmt.Sprintf("| `seal.%s` | %d |", name, value); !strings.Contains(string(raw), row) {
			t.Errorf("sync/README.md lacks %s", row)
		}
	}
	for _, reason := range []Reason{
		ReasonHash, ReasonSignature, ReasonChain, ReasonExpired, ReasonNotSeal, ReasonClock, ReasonExpiredSince, ReasonNoRoots, ReasonUnsealed,
		ReasonUnknownCA, ReasonSelfSigned, ReasonRevoked, ReasonNotYet, ReasonStamp,
	} {
		if !strings.Contains(string(raw), "| `"+string(reason)+"` |") {
			t.Errorf("sync/README.md lacks reason %s", reason)
		}
	}
}

// update rewrites the example. Signatures are randomised, so that every run
// gives other bytes: only for a new version of the layout.
var update = flag.Bool("update", false, "rewrite testdata")

// TestP12_ExampleStaysValid reads a container that was made once and checked
// in: a change that breaks it breaks the documents in every archive.
func TestP12_ExampleStaysValid(t *testing.T) {
	const example, root = "testdata/example.asice", "testdata/ca.pem"
	if *update {
		p := newPKI(t)
		for path, data := range map[string][]byte{example: fullContainer(t, p), root: p.pem()} {
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	ca, err := os.ReadFile(root)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("no root")
	}
	b, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	r, err := VerifyContainerAt(bytes.NewReader(b), int64(len(b)), roots, at)
	if err != nil || r.Result != Passed || len(r.Seals) != 3 || len(r.Receipts) != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	if openssl := tool(t, "openssl"); openssl != "" {
		dir := t.TempDir()
		for _, name := range []string{"ASiCManifest001.xml", "signature001.p7s"} {
			if err := os.WriteFile(filepath.Join(dir, name), entry(t, b, metaFolder+name), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out, err := run(t, openssl, "cms", "-verify", "-binary", "-inform", "DER", "-in", filepath.Join(dir, "signature001.p7s"),
			"-content", filepath.Join(dir, "ASiCManifest001.xml"), "-CAfile", root, "-purpose", "any", "-attime", fmt.Sprint(at.Unix()), "-out", os.DevNull)
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// TestVerifyContainerByOffice gives each office of a container a CA of its own.
func TestVerifyContainerByOffice(t *testing.T) {
	p, other := newPKI(t), newPKI(t)
	b := fullContainer(t, p)
	by := func(foreign string) Report {
		r, err := VerifyContainerBy(bytes.NewReader(b), int64(len(b)), func(code string) *x509.CertPool {
			if code == foreign {
				return other.roots()
			}
			return p.roots()
		}, at)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := by(""); r.Result != Passed {
		t.Errorf("report %+v", r)
	}
	for _, s := range by("G09.1").Seals {
		if failed := s.Verdict.Reason == ReasonChain; failed != (s.Verdict.Code == "G09.1") {
			t.Errorf("seal of %s: %s %s", s.Verdict.Code, s.Verdict.Result, s.Verdict.Reason)
		}
	}
}
