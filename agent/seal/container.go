package seal

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
)

// Extra is a receipt that joins a document's container: either the sealed head
// of a status, whose entries keep their names, or any other bytes under Name,
// such as a custody receipt under [CustodyName], the bundle's signed header
// under [HeaderName], what those are to be checked with under [CardName] and
// [AuthorityName], or a time stamp token on the document's seal under
// [StampName].
type Extra struct {
	Name string // not used for a sealed head
	Data []byte
}

// WriteContainer writes the whole .asice file of a document: its head, its
// files as open gives them, and the receipts in extra. Each file is compared
// with the manifest while it is copied; on [ErrHash] and every other error
// what was written is to be thrown away. Signatures are copied, not judged.
func WriteContainer(w io.Writer, head []byte, open func(File) (io.ReadCloser, error), extra []Extra) error {
	raw, err := readHead(head)
	if err != nil {
		return fmt.Errorf("write container: %w", err)
	}
	var at time.Time
	if sig, err := parseSignature(raw.signature); err == nil {
		at = sig.SignedAt
	}
	zw, err := newWriter(w, at)
	if err != nil {
		return fmt.Errorf("write container: %w", err)
	}
	c := &container{zipWriter: zw, sums: map[string][32]byte{}}
	if err := c.addHead(raw); err != nil {
		return fmt.Errorf("write container: %w", err)
	}
	for _, f := range raw.parsed.Files {
		if f.Name == raw.messageName {
			continue
		}
		if err := c.addFile(f, open); err != nil {
			return fmt.Errorf("write container: %w", err)
		}
	}
	for _, e := range extra {
		add := c.addExtra
		if isStamp(e.Name) {
			add = func(e Extra) error { return c.addStamp(raw, e) }
		}
		if err := add(e); err != nil {
			return fmt.Errorf("write container: %w", err)
		}
	}
	if err := zw.zip.Close(); err != nil {
		return fmt.Errorf("write container: %w", err)
	}
	return nil
}

// container is a container being written.
type container struct {
	*zipWriter
	sums map[string][32]byte // of each entry written, to keep names unique
}

func (c *container) addBytes(name string, data []byte) error {
	if _, twice := c.sums[name]; twice {
		return fmt.Errorf("%w: %q stands there twice", ErrName, name)
	}
	c.sums[name] = sha256.Sum256(data)
	return c.add(name, data)
}

func (c *container) addHead(raw rawHead) error {
	for _, e := range []Named{
		{Name: raw.messageName, Data: raw.message},
		{Name: raw.manifestName, Data: raw.manifest},
		{Name: raw.signatureName, Data: raw.signature},
	} {
		if err := c.addBytes(e.Name, e.Data); err != nil {
			return err
		}
	}
	return nil
}

func (c *container) addFile(f File, open func(File) (io.ReadCloser, error)) error {
	if _, twice := c.sums[f.Name]; twice {
		return fmt.Errorf("%w: %q stands there twice", ErrName, f.Name)
	}
	c.sums[f.Name] = f.SHA256
	src, err := open(f)
	if err != nil {
		return fmt.Errorf("file %q: %w", f.Name, err)
	}
	defer src.Close()
	dst, err := c.create(f.Name, method(f.Name))
	if err != nil {
		return err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(dst, sum), io.LimitReader(src, MaxFile+1))
	if err != nil {
		return fmt.Errorf("file %q: %w", f.Name, err)
	}
	if n > MaxFile {
		return fmt.Errorf("%w: file %q", ErrTooLarge, f.Name)
	}
	if [32]byte(sum.Sum(nil)) != f.SHA256 {
		return fmt.Errorf("%w: file %q", ErrHash, f.Name)
	}
	return nil
}

func (c *container) addExtra(e Extra) error {
	if bytes.HasPrefix(e.Data, []byte("PK\x03\x04")) {
		raw, err := readHead(e.Data)
		if err != nil {
			return fmt.Errorf("receipt: %w", err)
		}
		if !isReceipt(raw.messageName) {
			return fmt.Errorf("receipt: %w: %q is not under %s", ErrName, raw.messageName, receiptFolder)
		}
		for _, f := range raw.parsed.Files {
			if f.Name != raw.messageName && c.sums[f.Name] != f.SHA256 {
				return fmt.Errorf("receipt: %w: %q seals a file that is not here", ErrMalformed, raw.messageName)
			}
		}
		return c.addHead(raw)
	}
	if err := checkDataName(e.Name); err != nil {
		return fmt.Errorf("receipt: %w", err)
	}
	if !isReceipt(e.Name) {
		return fmt.Errorf("receipt: %w: %q is not under %s", ErrName, e.Name, receiptFolder)
	}
	if len(e.Data) > MaxReceipt {
		return fmt.Errorf("receipt: %w: %q", ErrTooLarge, e.Name)
	}
	return c.addBytes(e.Name, e.Data)
}

// packed are extensions of formats that are compressed already.
var packed = map[string]bool{
	".pdf": true, ".docx": true, ".xlsx": true, ".pptx": true, ".odt": true, ".ods": true, ".zip": true, ".rar": true,
	".7z": true, ".gz": true, ".zst": true, ".jpg": true, ".jpeg": true, ".png": true, ".mp4": true, ".asice": true,
}

func method(name string) uint16 {
	if packed[strings.ToLower(path.Ext(name))] {
		return zip.Store
	}
	return zip.Deflate
}

// Report is what [VerifyContainer] found.
type Report struct {
	// Result is passed when every seal passed and covers every file. Otherwise
	// it is the worst of the seals', with the reason of the first such.
	Result   Result
	Reason   Reason
	Seals    []SealReport // in the order of the container, the document's first
	Stamps   []StampReport
	Receipts []Receipt // entries under receipts/ that no seal covers
	Unsealed []string  // other entries that no seal covers
}

// SealReport is the verdict on one seal of a container and on its files.
type SealReport struct {
	Manifest  string // entry name
	Signature string // entry name, "" when the manifest is unreadable
	Verdict   Verdict
	Files     []FileReport
}

// FileReport says whether a sealed file is in the container as it was sealed.
type FileReport struct {
	File
	Present bool
	OK      bool // present and its digest matches
}

// Receipt is an entry that carries its own signature, such as a custody
// receipt. It is not judged here.
type Receipt struct {
	Name string
	Data []byte
}

// VerifyContainer checks an ASiC-E container as of now: every seal in it
// against the roots, and every sealed file against its digest. The error is
// [ErrMalformed] or [ErrTooLarge] when it is no such container, or a failure
// to read r.
func VerifyContainer(r io.ReaderAt, size int64, roots *x509.CertPool) (Report, error) {
	return VerifyContainerAt(r, size, roots, time.Now())
}

// VerifyContainerAt is [VerifyContainer] at a given time of the reader's clock.
func VerifyContainerAt(r io.ReaderAt, size int64, roots *x509.CertPool, now time.Time) (Report, error) {
	return VerifyContainerBy(r, size, Only(roots), now)
}

// VerifyContainerBy is [VerifyContainerAt] where offices of several hubs each
// have a CA of their own.
func VerifyContainerBy(r io.ReaderAt, size int64, roots Roots, now time.Time) (Report, error) {
	return VerifyContainerWith(r, size, Trust{Roots: roots, Now: now})
}

// VerifyContainerWith is [VerifyContainer] with everything that a reader may
// believe. A time stamp that fails makes the container fail; one of an unknown
// authority is as if it were not there, but for its line in the report.
func VerifyContainerWith(r io.ReaderAt, size int64, t Trust) (Report, error) {
	z, err := openZip(r, size)
	if err != nil {
		return Report{}, fmt.Errorf("verify container: %w", err)
	}
	v := &verifier{
		zip: z, trust: t, sums: map[string][32]byte{}, covered: map[string]bool{mimetypeName: true}, stamped: map[string]time.Time{},
	}
	if err := v.all(); err != nil {
		return Report{}, fmt.Errorf("verify container: %w", err)
	}
	return v.report, nil
}

// Roots gives the trusted roots for the seal of the office that a certificate
// names; nil: none are known.
type Roots func(code string) *x509.CertPool

// Only trusts the same roots for every office.
func Only(roots *x509.CertPool) Roots {
	return func(string) *x509.CertPool { return roots }
}

type verifier struct {
	zip     *zipReader
	trust   Trust
	sums    map[string][32]byte  // digests computed so far
	covered map[string]bool      // entries that a seal or the format accounts for
	stamped map[string]time.Time // signatures that a time stamp proves to have existed
	report  Report
}

// all judges time stamps first, for a seal may rest on one.
func (v *verifier) all() error {
	seals := map[string]manifest{}
	var order []string
	for _, f := range v.zip.files {
		if !isManifest(f.Name) {
			continue
		}
		v.covered[f.Name] = true
		raw, err := v.zip.read(f.Name, MaxManifest)
		if err != nil {
			return err
		}
		m, err := parseManifest(raw)
		if err == nil && m.isStamp() {
			if err := v.stamp(f.Name, raw, m); err != nil {
				return err
			}
			continue
		}
		seals[f.Name], order = m, append(order, f.Name) // an unreadable one is empty
	}
	for _, name := range order {
		if err := v.seal(name, seals[name]); err != nil {
			return err
		}
	}
	if len(order) == 0 {
		return fmt.Errorf("%w: no seal", ErrMalformed)
	}
	if err := v.leftOver(); err != nil {
		return err
	}
	v.sum()
	return nil
}

// seal judges one manifest. A manifest or signature that cannot be read is a
// failed verdict; exceeding a limit is an error.
func (v *verifier) seal(name string, m manifest) error {
	s := SealReport{Manifest: name, Signature: m.Signature, Verdict: Verdict{Result: Failed, Reason: ReasonSignature}}
	defer func() { v.report.Seals = append(v.report.Seals, s) }()
	if v.zip.byName[m.Signature] != nil {
		v.covered[m.Signature] = true
		der, err := v.zip.read(m.Signature, MaxSignature)
		if err != nil {
			return err
		}
		raw, err := v.zip.read(name, MaxManifest)
		if err != nil {
			return err
		}
		s.Verdict = judge(raw, der, v.trust, v.stamped[m.Signature])
	}
	for _, f := range m.Files {
		report, err := v.file(f)
		if err != nil {
			return err
		}
		s.Files = append(s.Files, report)
		if !report.OK {
			s.Verdict.Result, s.Verdict.Reason = Failed, ReasonHash
		}
	}
	return nil
}

func (v *verifier) file(f File) (FileReport, error) {
	entry := v.zip.byName[f.Name]
	if entry == nil {
		return FileReport{File: f}, nil
	}
	v.covered[f.Name] = true
	sum, known := v.sums[f.Name]
	if !known {
		var err error
		sum, err = digest(entry)
		if errors.Is(err, ErrMalformed) {
			return FileReport{File: f, Present: true}, nil // damaged inside the zip
		}
		if err != nil {
			return FileReport{}, err
		}
		v.sums[f.Name] = sum
	}
	return FileReport{File: f, Present: true, OK: sum == f.SHA256}, nil
}

func digest(f *zip.File) (sum [32]byte, err error) {
	r, err := f.Open()
	if err != nil {
		return sum, fmt.Errorf("%w: %q: %w", ErrMalformed, f.Name, err)
	}
	defer r.Close()
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(r, MaxFile+1))
	if err != nil {
		return sum, fmt.Errorf("%w: %q: %w", unpackError(err), f.Name, err)
	}
	if n > MaxFile {
		return sum, fmt.Errorf("%w: %q", ErrTooLarge, f.Name)
	}
	return [32]byte(h.Sum(nil)), nil
}

// leftOver sorts the entries that no seal covers.
func (v *verifier) leftOver() (err error) {
	for _, f := range v.zip.files {
		if !v.covered[f.Name] && !carriesSignature(f.Name) {
			v.report.Unsealed = append(v.report.Unsealed, f.Name)
		}
	}
	v.report.Receipts, err = v.zip.receipts(func(name string) bool { return !v.covered[name] })
	return err
}

// carriesSignature tells names of entries that need no seal.
func carriesSignature(name string) bool {
	return isReceipt(name) && path.Ext(name) == custodySuffix || IsAuthority(name)
}

// ReadReceipts gives the entries of a container that carry a signature of their
// own, before anything is judged: a reader may need to look at them to know whom
// to believe. Errors are those of [VerifyContainer].
func ReadReceipts(r io.ReaderAt, size int64) ([]Receipt, error) {
	z, err := openZip(r, size)
	if err != nil {
		return nil, fmt.Errorf("read container: %w", err)
	}
	list, err := z.receipts(func(string) bool { return true })
	if err != nil {
		return nil, fmt.Errorf("read container: %w", err)
	}
	return list, nil
}

// receipts reads those entries that carry a signature of their own.
func (z *zipReader) receipts(wanted func(name string) bool) (list []Receipt, err error) {
	left := MaxReceipts
	for _, f := range z.files {
		if !wanted(f.Name) || !carriesSignature(f.Name) {
			continue
		}
		data, err := z.read(f.Name, MaxReceipt)
		if err != nil {
			return nil, err
		}
		if left -= len(data); left < 0 {
			return nil, fmt.Errorf("%w: receipts of more than %d bytes", ErrTooLarge, MaxReceipts)
		}
		list = append(list, Receipt{Name: f.Name, Data: data})
	}
	return list, nil
}

// sum draws the overall result.
func (v *verifier) sum() {
	r := &v.report
	r.Result = Passed
	if len(r.Unsealed) > 0 {
		r.Result, r.Reason = Indeterminate, ReasonUnsealed
	}
	for _, s := range r.Seals {
		if worse(s.Verdict.Result, r.Result) {
			r.Result, r.Reason = s.Verdict.Result, s.Verdict.Reason
		}
	}
	for _, s := range r.Stamps {
		if s.Result == Failed && worse(s.Result, r.Result) {
			r.Result, r.Reason = s.Result, ReasonStamp
		}
	}
}

func worse(a, b Result) bool {
	rank := map[Result]int{Passed: 0, Indeterminate: 1, Failed: 2}
	return rank[a] > rank[b]
}
