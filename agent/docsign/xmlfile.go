package docsign

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"tram/agent/docsign/xmldsig"
)

// dsigSpace is the namespace of ds:Signature.
const dsigSpace = "http://www.w3.org/2000/09/xmldsig#"

// isXML reports whether a file is XML: by its declaration, or by its name or a
// signature near its start when it has none.
func (f file) isXML() bool {
	head := bytes.TrimLeft(bytes.TrimPrefix(f.head, []byte("\xef\xbb\xbf")), " \t\r\n")
	if f.hasExtension(".xml", ".edxml", ".xades", ".xsig") && (f.startsWith("\xff\xfe") || f.startsWith("\xfe\xff")) {
		return true
	}
	return bytes.HasPrefix(head, []byte("<?xml")) || bytes.HasPrefix(head, []byte("<")) &&
		(f.hasExtension(".xml", ".edxml", ".xades", ".xsig") || bytes.Contains(head, []byte(dsigSpace)))
}

// checkXML reads a file that is XML. Of the signature that edXML has in its own
// header nothing is said: it is not of XMLDSig, and programs write dummies.
func (k *checker) checkXML(ctx context.Context, f file, report *Report) error {
	report.Format = FormatXML
	if f.size > xmldsig.MaxXML {
		return f.unreadable(ctx, report, xmldsig.ErrLimit, dsigSpace)
	}
	raw := make([]byte, f.size)
	if _, err := io.ReadFull(io.NewSectionReader(f.r, 0, f.size), raw); err != nil {
		return err
	}
	found, err := xmldsig.Check(raw)
	if err != nil {
		return f.unreadable(ctx, report, err, dsigSpace)
	}
	return k.judgeXML(ctx, report, found)
}

// Office files, whose faults are told even where no signature was reached.
var officeEndings = []string{
	".docx", ".docm", ".dotx", ".xlsx", ".xlsm", ".xltx", ".pptx", ".pptm", ".ppsx", ".odt", ".ott", ".ods", ".ots", ".odp", ".odg",
}

// checkPackage reads a ZIP archive that may be an office file.
func (k *checker) checkPackage(ctx context.Context, f file, report *Report) error {
	kind, found, err := xmldsig.CheckPackage(untilAt(ctx, f.r), f.size)
	switch {
	case kind == xmldsig.OOXML || kind == xmldsig.ODF:
		report.Format = Format(kind)
	case err == nil || isXMLFault(err) && !f.hasExtension(officeEndings...):
		return nil // an archive of another kind
	}
	if err != nil {
		return f.unreadable(ctx, report, err, "_xmlsignatures/", "META-INF/documentsignatures.xml")
	}
	return k.judgeXML(ctx, report, found)
}

// isXMLFault tells faults of a file from those of reading it.
func isXMLFault(err error) bool {
	return errors.Is(err, xmldsig.ErrMalformed) || errors.Is(err, xmldsig.ErrLimit) || errors.Is(err, xmldsig.ErrDoctype) || errors.Is(err, xmldsig.ErrEncoding)
}

// readerAtFunc is a function as an [io.ReaderAt].
type readerAtFunc func(p []byte, off int64) (int, error)

func (f readerAtFunc) ReadAt(p []byte, off int64) (int, error) { return f(p, off) }

// untilAt reads from r as long as ctx lasts.
func untilAt(ctx context.Context, r io.ReaderAt) io.ReaderAt {
	return readerAtFunc(func(p []byte, off int64) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.ReadAt(p, off)
	})
}

// unreadable gives the outcome for a file of which err says why its signatures
// could not be read. Without a trace of one there is nothing to say.
func (f file) unreadable(ctx context.Context, report *Report, err error, traces ...string) error {
	var o Outcome
	switch {
	case errors.Is(err, xmldsig.ErrLimit):
		o = outcome(Indeterminate, Generic, "too-large", err.Error())
	case errors.Is(err, xmldsig.ErrEncoding):
		report.Outcome = outcome(Indeterminate, SigConstraintsFailure, "xml-unsupported", err.Error())
		return nil
	case errors.Is(err, xmldsig.ErrDoctype):
		o = outcome(Indeterminate, SigConstraintsFailure, "xml-unsupported", err.Error())
	case errors.Is(err, xmldsig.ErrMalformed):
		o = outcome(Failed, FormatFailure, "format", err.Error())
	default:
		return err
	}
	found, err := f.contains(ctx, traces...)
	if found {
		report.Outcome = o
	}
	return err
}

// judgeXML judges what was found. A file is PASSED, or may become so later, only
// when one of its signatures is over the whole of it.
func (k *checker) judgeXML(ctx context.Context, report *Report, found []xmldsig.Signature) error {
	whole := false
	part := Outcome{}
	for _, x := range found {
		if err := ctx.Err(); err != nil {
			return err
		}
		s := k.xmlSignature(ctx, x)
		whole = whole || s.Scope.Kind == ScopeWhole
		if part.Indication == "" && len(x.Gaps) > 0 {
			part = xmlGap(x)
		}
		report.Signatures = append(report.Signatures, s)
	}
	report.summarize()
	if !whole {
		report.Outcome = worse(report.Outcome, part)
	}
	return nil
}

func (k *checker) xmlSignature(ctx context.Context, x xmldsig.Signature) Signature {
	s := Signature{
		Kind: KindSignature, Field: clip(x.ID), Claimed: x.SignedAt, Digest: digestName(x.Method),
		Scope: Scope{Kind: ScopeUnknown}, Outcome: xmlFault(x),
	}
	if x.Cert != nil {
		s.Signer, s.Algorithm = party(x.Cert), keyName(x.Cert.PublicKey)
	}
	if s.Indication != Passed {
		return s
	}
	s.Scope.Kind = ScopeWhole
	if x.Scope != xmldsig.Whole {
		s.Scope.Kind = ScopePart
		for _, name := range x.Covers {
			s.Scope.Parts = append(s.Scope.Parts, clip(name))
		}
	}
	c := claim{cert: x.Cert, others: x.Certs, claimed: x.SignedAt, purpose: forDocuments, evidence: xmlEvidence(x)}
	for _, stamp := range x.Stamps {
		s.Stamps = append(s.Stamps, k.stamp(ctx, stamp.Token, over(stamp.Data), c.others, c.evidence))
	}
	k.judge(ctx, &s, c)
	return s
}

// xmlFault is the outcome of the arithmetic.
func xmlFault(x xmldsig.Signature) Outcome {
	switch x.Fault {
	case "":
		return passed()
	case xmldsig.FaultHash:
		return outcome(Failed, HashFailure, "hash", x.Detail)
	case xmldsig.FaultSignature:
		return outcome(Failed, SigCryptoFailure, "signature", x.Detail)
	case xmldsig.FaultFormat:
		return outcome(Failed, FormatFailure, "format", x.Detail)
	case xmldsig.FaultWeak:
		return Outcome{Indeterminate, CryptoConstraintsFailure, Reason{Code: "weak-digest", Args: map[string]string{"name": x.Weak}, Detail: x.Detail}}
	case xmldsig.FaultNoCertificate:
		if len(x.Certs) > 0 {
			return outcome(Indeterminate, NoSigningCertificate, "other-certificate", x.Detail)
		}
		return outcome(Indeterminate, NoSigningCertificate, "no-certificate", x.Detail)
	case xmldsig.FaultMissing:
		return outcome(Indeterminate, SignedDataNotFound, "content-missing", x.Detail)
	}
	return outcome(Indeterminate, SigConstraintsFailure, "xml-unsupported", x.Detail)
}

// xmlGap says why a signature that holds does not stand for the whole file.
func xmlGap(x xmldsig.Signature) Outcome {
	switch x.Gaps[0] {
	case xmldsig.GapComment:
		return outcome(Indeterminate, SigConstraintsFailure, "gap-comment", x.Detail)
	case xmldsig.GapInstruction:
		return outcome(Indeterminate, SigConstraintsFailure, "gap-instruction", x.Detail)
	case xmldsig.GapObject:
		return outcome(Indeterminate, SigConstraintsFailure, "gap-object", x.Detail)
	case xmldsig.GapParts:
		return outcome(Indeterminate, SigConstraintsFailure, "gap-parts", x.Detail)
	}
	return outcome(Indeterminate, SigConstraintsFailure, "gap-element", x.Detail)
}

func xmlEvidence(x xmldsig.Signature) []Evidence {
	var all []Evidence
	for _, der := range x.CRLs {
		if list, err := ParseCRL(der); err == nil {
			all = append(all, Evidence{CRL: list, Origin: OriginDocument})
		}
	}
	for _, der := range x.OCSPs {
		all = append(all, Evidence{OCSP: der, Origin: OriginDocument})
	}
	return all
}

// digestName reads the digest from the name of a signature algorithm, such as
// "rsa-sha256" or "sha256-rsa-MGF1".
func digestName(method string) string {
	for _, size := range []string{"256", "384", "512", "1"} {
		if strings.Contains(method, "sha"+size) {
			return "SHA-" + size
		}
	}
	return ""
}
