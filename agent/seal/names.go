package seal

import (
	"crypto/sha256"
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Entry names of the container that are not data objects of a document.
const (
	mimetypeName   = "mimetype"
	metaFolder     = "META-INF/"
	manifestPrefix = metaFolder + "ASiCManifest"
	manifestSuffix = ".xml"
	sigPrefix      = metaFolder + "signature"
	sigSuffix      = ".p7s"
	receiptFolder  = "receipts/"
	custodySuffix  = ".cose"
	certSuffix     = ".cer"
	stampPrefix    = metaFolder + "timestamp-"
	stampSuffix    = ".tst"
)

// MessageName is the entry name of a document's message. The seal over a
// message of this name has the label 001.
const MessageName = "message.edxml"

// HeaderName is where an exported container keeps the signed bundle header, to
// which custody receipts refer.
const HeaderName = receiptFolder + "header.cose"

// documentLabel tells manifest and signature of a document from those of the
// receipts that join it in a container.
const documentLabel = "001"

// Bounds of [SafeName], in bytes of UTF-8.
const (
	maxSafeName  = 200
	maxExtension = 20
)

// StatusName is the entry name of the message of a status that answers a
// document. id tells the statuses of one office apart; the status's own
// identifier serves. Sealed under this name, a status keeps its own manifest
// and signature names when it joins the document's container.
func StatusName(office, id string) string {
	return receiptFolder + "status-" + label(office, maxCodeLabel) + "-" + label(id, maxCodeLabel) + ".edxml"
}

// CustodyName is the entry name of a custody receipt (COSE) of an office or
// hub.
func CustodyName(office string) string {
	return receiptFolder + "custody-" + label(office, maxCodeLabel) + custodySuffix
}

// CardName is the entry name of the signed registry card (COSE) of an office,
// which has the key that its bundle headers and custody receipts are signed
// with.
func CardName(office string) string {
	return receiptFolder + "card-" + label(office, maxCodeLabel) + custodySuffix
}

// AuthorityName is the entry name of the certificate (DER) of the authority of a
// hub, which signed the cards.
func AuthorityName(hub string) string {
	return receiptFolder + "authority-" + label(hub, maxCodeLabel) + certSuffix
}

// IsCustody, IsCard and IsAuthority tell the entry names of custody receipts,
// cards and certificates of authorities.
func IsCustody(name string) bool { return isOwn(name, "custody-", custodySuffix) }

// IsCard is described at [IsCustody].
func IsCard(name string) bool { return isOwn(name, "card-", custodySuffix) }

// IsAuthority is described at [IsCustody].
func IsAuthority(name string) bool { return isOwn(name, "authority-", certSuffix) }

func isOwn(name, prefix, suffix string) bool {
	return strings.HasPrefix(name, receiptFolder+prefix) && strings.HasSuffix(name, suffix)
}

// EvidenceName is the entry name of the evidence of a hub, or office, on what
// became of a document. id tells those of one witness apart.
func EvidenceName(witness, id string) string {
	return receiptFolder + "evidence-" + label(witness, maxCodeLabel) + "-" + label(id, maxCodeLabel) + ".json"
}

// StampName is the entry name of a time stamp token on the document's seal.
// authority tells those of different authorities apart.
func StampName(authority string) string {
	return stampPrefix + label(authority, maxCodeLabel) + stampSuffix
}

// Bounds of labels in entry names, in bytes.
const (
	maxCodeLabel = 64
	maxSealLabel = 160
)

// label writes s with the characters that are safe in every entry name and
// URI: ASCII letters, digits, dot, hyphen and underscore. Others become their
// code point in hex between tildes; what then exceeds limit becomes a digest.
// Different texts get different labels.
func label(s string, limit int) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case strings.ContainsRune(".-_", r) || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z':
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "~%x~", r)
		}
	}
	if b.Len() > limit {
		return fmt.Sprintf("~%x", sha256.Sum256([]byte(s)))[:min(limit, 33)]
	}
	return b.String()
}

// sealNames gives the entry names of manifest and signature that belong to a
// message. A receipt's are derived from its name, so that they do not clash
// with others in one container.
func sealNames(message string) (manifest, signature string) {
	l := documentLabel
	if base, ok := strings.CutPrefix(message, receiptFolder); ok {
		l = "-" + label(strings.TrimSuffix(base, path.Ext(base)), maxSealLabel)
	}
	return manifestPrefix + l + manifestSuffix, sigPrefix + l + sigSuffix
}

// isReceipt tells names that are kept for what joins a document later.
func isReceipt(name string) bool { return strings.HasPrefix(name, receiptFolder) }

func isManifest(name string) bool {
	return strings.HasPrefix(name, manifestPrefix) && strings.HasSuffix(name, manifestSuffix)
}

func isSignature(name string) bool {
	return strings.HasPrefix(name, sigPrefix) && strings.HasSuffix(name, sigSuffix)
}

func isStamp(name string) bool {
	return strings.HasPrefix(name, stampPrefix) && strings.HasSuffix(name, stampSuffix)
}

// stampManifest is the entry name of the manifest that a time stamp is on.
func stampManifest(stamp string) string {
	return manifestPrefix + "-" + strings.TrimSuffix(strings.TrimPrefix(stamp, metaFolder), stampSuffix) + manifestSuffix
}

// checkName refuses names that would be unsafe to unpack or ambiguous.
func checkName(name string) error {
	switch {
	case name == "" || len(name) > MaxName || !utf8.ValidString(name):
		return fmt.Errorf("%w: empty, too long or not UTF-8", ErrName)
	case !norm.NFC.IsNormalString(name):
		return fmt.Errorf("%w: %q is not in normal form C", ErrName, name)
	case strings.ContainsFunc(name, hidden):
		return fmt.Errorf("%w: %q has control characters", ErrName, name)
	case strings.ContainsAny(name, `\:`) || path.IsAbs(name) || path.Clean(name) != name || name == "." || name == ".." || strings.HasPrefix(name, "../"):
		return fmt.Errorf("%w: %q is not a plain relative path", ErrName, name)
	}
	return nil
}

// checkDataName is checkName for data objects: mimetype and META-INF are the
// container's own.
func checkDataName(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if folded := strings.ToLower(name); folded == mimetypeName || strings.HasPrefix(folded+"/", strings.ToLower(metaFolder)) {
		return fmt.Errorf("%w: %q is reserved", ErrName, name)
	}
	return nil
}

// hidden tells control and invisible formatting characters, which make a name
// look like another one.
func hidden(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }

// reserved names cannot be used on Windows, or are the container's own.
var reserved = map[string]bool{
	"con": true, "prn": true, "aux": true, "nul": true, "mimetype": true, "meta-inf": true, "receipts": true,
	"com1": true, "com2": true, "com3": true, "com4": true, "com5": true, "com6": true, "com7": true, "com8": true, "com9": true,
	"lpt1": true, "lpt2": true, "lpt3": true, "lpt4": true, "lpt5": true, "lpt6": true, "lpt7": true, "lpt8": true, "lpt9": true,
}

// SafeName makes an entry name from a foreign file name: the last path
// element, in Unicode normal form C, without characters that a file system
// refuses or that do not show, at most 200 bytes with the extension kept, and
// different from those in taken even where upper and lower case are the same.
// It adds its result, in lower case, to taken, which may be nil when there is
// only one file.
func SafeName(name string, taken map[string]bool) string {
	name = norm.NFC.String(strings.ToValidUTF8(name, "_"))
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		if hidden(r) || strings.ContainsRune(`:*?"<>|`, r) {
			return -1
		}
		return r
	}, name)
	name = norm.NFC.String(strings.Trim(name, " ."))
	stem, ext := splitExt(name)
	if stem == "" {
		stem = "file"
	}
	if reserved[strings.ToLower(stem)] {
		stem = "_" + stem
	}
	for n := 1; ; n++ {
		suffix := ext
		if n > 1 {
			suffix = fmt.Sprintf(" (%d)%s", n, ext)
		}
		safe := cut(stem, maxSafeName-len(suffix)) + suffix
		folded := strings.ToLower(safe)
		if taken[folded] {
			continue
		}
		if taken != nil {
			taken[folded] = true
		}
		return safe
	}
}

// splitExt splits off an extension short enough to be one.
func splitExt(name string) (stem, ext string) {
	ext = path.Ext(name)
	if len(ext) < 2 || len(ext) > maxExtension || strings.Contains(ext, " ") {
		return name, ""
	}
	return strings.TrimRight(strings.TrimSuffix(name, ext), " ."), ext
}

// cut shortens s to at most n bytes at a rune boundary that leaves no half of
// a composed letter and no space at the end.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	if i := norm.NFC.LastBoundary([]byte(s[:n])); i > 0 && !norm.NFC.PropertiesString(s[n:]).BoundaryBefore() {
		n = i
	}
	return strings.TrimRight(s[:n], " .")
}

// IsEvidence tells entry names of evidence of a witness; of any when it is "".
func IsEvidence(name, witness string) bool {
	prefix := receiptFolder + "evidence-"
	if witness != "" {
		prefix += label(witness, maxCodeLabel) + "-"
	}
	return strings.HasPrefix(name, prefix) && strings.HasSuffix(name, ".json")
}
