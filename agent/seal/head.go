package seal

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"time"
)

// Head is what [OpenHead] found in a head.
type Head struct {
	Message     []byte
	MessageName string
	Files       []File // the sealed files, without the message
	Manifest    []byte // the bytes that are signed
	Signature   []byte // CMS, DER
	Verdict     Verdict
}

// Seal seals a message together with files that are given by digest, and gives
// the head: a zip with the entries mimetype, the message, its manifest and its
// signature. Entry names depend on the message's name, see [StatusName].
// Errors: [ErrName], [ErrTooLarge], [ErrKey].
func (s Sealer) Seal(message Named, files []File) ([]byte, error) {
	if len(message.Data) > MaxMessage {
		return nil, fmt.Errorf("seal: %w: message", ErrTooLarge)
	}
	if len(files)+1 > MaxFiles {
		return nil, fmt.Errorf("seal: %w: %d files", ErrTooLarge, len(files))
	}
	manifestName, signatureName := sealNames(message.Name)
	m := manifest{Signature: signatureName, Files: make([]File, 0, len(files)+1)}
	m.Files = append(m.Files, File{
		Name: message.Name, MediaType: orType(message.MediaType, MessageType),
		SHA256: sha256.Sum256(message.Data), Size: int64(len(message.Data)),
	})
	for _, f := range files {
		f.MediaType = orType(f.MediaType, unknownType)
		m.Files = append(m.Files, f)
	}
	if err := m.checkNew(); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	signed := m.marshal()
	if len(signed) > MaxManifest {
		return nil, fmt.Errorf("seal: %w: manifest", ErrTooLarge)
	}
	sig, err := s.sign(signed)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	var head bytes.Buffer
	w, err := newWriter(&head, s.now())
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	for _, e := range []Named{
		{Name: message.Name, Data: message.Data}, {Name: manifestName, Data: signed}, {Name: signatureName, Data: sig},
	} {
		if err := w.add(e.Name, e.Data); err != nil {
			return nil, fmt.Errorf("seal: %w", err)
		}
	}
	if err := w.zip.Close(); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	if head.Len() > MaxHead {
		return nil, fmt.Errorf("seal: %w: head", ErrTooLarge)
	}
	return head.Bytes(), nil
}

func orType(t, other string) string {
	if t == "" {
		return other
	}
	return t
}

// checkNew refuses a manifest that a reader would refuse. The first file is
// the message.
func (m manifest) checkNew() error {
	seen := make(map[string]bool, len(m.Files))
	for i, f := range m.Files {
		if err := checkDataName(f.Name); err != nil {
			return err
		}
		if i > 0 && isReceipt(f.Name) {
			return fmt.Errorf("%w: %q is a receipt's name", ErrName, f.Name)
		}
		if seen[f.Name] {
			return fmt.Errorf("%w: %q stands there twice", ErrName, f.Name)
		}
		seen[f.Name] = true
		if f.Size < 0 || f.Size > MaxFile {
			return fmt.Errorf("%w: file %q", ErrTooLarge, f.Name)
		}
	}
	return nil
}

// OpenHead reads a head and checks its seal against the roots, usually the
// hub's CA, at the time now of the reader's clock. The error is [ErrMalformed]
// or [ErrTooLarge] when there is nothing to judge; a bad seal is no error but
// a verdict. Whether Verdict.Code is the office that sent the head is for the
// caller to compare, as are the digests of the files.
func OpenHead(head []byte, roots *x509.CertPool, now time.Time) (Head, error) {
	raw, err := readHead(head)
	if err != nil {
		return Head{}, fmt.Errorf("open head: %w", err)
	}
	h := Head{
		Message: raw.message, MessageName: raw.messageName, Manifest: raw.manifest, Signature: raw.signature,
	}
	for _, f := range raw.parsed.Files {
		if f.Name != raw.messageName {
			h.Files = append(h.Files, f)
		}
	}
	h.Verdict = judge(raw.manifest, raw.signature, Trust{Roots: Only(roots), Now: now}, time.Time{})
	if sha256.Sum256(raw.message) != raw.covered.SHA256 {
		h.Verdict.Result, h.Verdict.Reason = Failed, ReasonHash
	}
	return h, nil
}

// judge gives the verdict on a signature over a manifest.
func judge(signed, der []byte, t Trust, stamped time.Time) Verdict {
	sig, err := parseSignature(der)
	if err != nil {
		return Verdict{Result: Failed, Reason: ReasonSignature}
	}
	v := Verdict{
		Code: sig.Cert.Subject.SerialNumber, Name: sig.Cert.Subject.CommonName, SignedAt: sig.SignedAt.UTC(),
		Issuer: sig.Cert.Issuer.String(), Serial: sig.Cert.SerialNumber.Text(16), Cert: sig.Cert, Stamped: stamped,
	}
	v.Role, v.Person = SignerOf(sig.Cert)
	v.Result, v.Reason = sig.check(signed, t, stamped)
	return v
}

// rawHead is a head taken apart, with nothing verified.
type rawHead struct {
	message, manifest, signature             []byte
	messageName, manifestName, signatureName string
	parsed                                   manifest
	covered                                  File // the manifest's entry for the message
}

// readHead takes a head apart. Besides mimetype it must hold a message, a
// manifest that covers it and the signature that the manifest names, and
// nothing else.
func readHead(head []byte) (rawHead, error) {
	if len(head) > MaxHead {
		return rawHead{}, fmt.Errorf("%w: head", ErrTooLarge)
	}
	z, err := openZip(bytes.NewReader(head), int64(len(head)))
	if err != nil {
		return rawHead{}, err
	}
	if len(z.files) != 4 {
		return rawHead{}, fmt.Errorf("%w: head has %d entries", ErrMalformed, len(z.files))
	}
	var raw rawHead
	for _, f := range z.files[1:] {
		switch {
		case isManifest(f.Name):
			raw.manifestName = f.Name
			raw.manifest, err = z.read(f.Name, MaxManifest)
		case isSignature(f.Name):
			raw.signatureName = f.Name
			raw.signature, err = z.read(f.Name, MaxSignature)
		default:
			raw.messageName = f.Name
			raw.message, err = z.read(f.Name, MaxMessage)
		}
		if err != nil {
			return rawHead{}, err
		}
	}
	if raw.manifestName == "" || raw.signatureName == "" || raw.messageName == "" {
		return rawHead{}, fmt.Errorf("%w: head lacks message, manifest or signature", ErrMalformed)
	}
	if raw.parsed, err = parseManifest(raw.manifest); err != nil {
		return rawHead{}, err
	}
	if raw.parsed.isStamp() {
		return rawHead{}, fmt.Errorf("%w: head has a time stamp for a seal", ErrMalformed)
	}
	wantManifest, wantSignature := sealNames(raw.messageName)
	if raw.manifestName != wantManifest || raw.signatureName != wantSignature || raw.parsed.Signature != wantSignature {
		return rawHead{}, fmt.Errorf("%w: manifest or signature does not belong to the message", ErrMalformed)
	}
	covered := false
	for _, f := range raw.parsed.Files {
		if f.Name == raw.messageName {
			raw.covered, covered = f, true
		} else if isReceipt(f.Name) {
			return rawHead{}, fmt.Errorf("%w: %q is a receipt's name", ErrMalformed, f.Name)
		}
	}
	if !covered {
		return rawHead{}, fmt.Errorf("%w: manifest does not cover the message", ErrMalformed)
	}
	return raw, nil
}
