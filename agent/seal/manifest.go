package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
)

// Names of the manifest's vocabulary.
const (
	nsASiC    = "http://uri.etsi.org/02918/v1.2.1#"
	nsDSig    = "http://www.w3.org/2000/09/xmldsig#"
	nsTram    = "urn:tram:asic:1"
	algSHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
)

// maxDepth bounds the nesting of elements in a manifest.
const maxDepth = 16

// manifest is what an ASiCManifest says: which signature covers which files.
type manifest struct {
	Signature string // entry name
	Files     []File // the root file first when there is one
}

// isStamp tells a manifest that a time stamp is on from one that a seal is on.
func (m manifest) isStamp() bool { return isStamp(m.Signature) }

func (m manifest) signatureType() string {
	if m.isStamp() {
		return stampType
	}
	return signatureType
}

// marshal writes the manifest in one fixed form.
func (m manifest) marshal() []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	fmt.Fprintf(&b, "<asic:ASiCManifest xmlns:asic=%q xmlns:ds=%q>\n", nsASiC, nsDSig)
	fmt.Fprintf(&b, "  <asic:SigReference URI=\"%s\" MimeType=\"%s\"/>\n", toURI(m.Signature), m.signatureType())
	for i, f := range m.Files {
		root := ""
		if i == 0 {
			root = ` Rootfile="true"`
		}
		fmt.Fprintf(&b, "  <asic:DataObjectReference URI=\"%s\" MimeType=\"%s\"%s>\n", toURI(f.Name), escape(f.MediaType), root)
		fmt.Fprintf(&b, "    <ds:DigestMethod Algorithm=\"%s\"/>\n", algSHA256)
		fmt.Fprintf(&b, "    <ds:DigestValue>%s</ds:DigestValue>\n", base64.StdEncoding.EncodeToString(f.SHA256[:]))
		fmt.Fprintf(&b, "    <asic:DataObjectReferenceExtensions><asic:Extension Critical=\"false\">"+
			"<t:Size xmlns:t=\"%s\">%d</t:Size></asic:Extension></asic:DataObjectReferenceExtensions>\n", nsTram, f.Size)
		b.WriteString("  </asic:DataObjectReference>\n")
	}
	b.WriteString("</asic:ASiCManifest>\n")
	return b.Bytes()
}

type manifestXML struct {
	XMLName       xml.Name         `xml:"http://uri.etsi.org/02918/v1.2.1# ASiCManifest"`
	SigReferences []referenceXML   `xml:"http://uri.etsi.org/02918/v1.2.1# SigReference"`
	Objects       []dataObjectXML  `xml:"http://uri.etsi.org/02918/v1.2.1# DataObjectReference"`
	Extensions    extensionListXML `xml:"http://uri.etsi.org/02918/v1.2.1# ASiCManifestExtensions"`
}

type referenceXML struct {
	URI string `xml:"URI,attr"`
}

type dataObjectXML struct {
	URI        string           `xml:"URI,attr"`
	MimeType   string           `xml:"MimeType,attr"`
	Rootfile   string           `xml:"Rootfile,attr"`
	Methods    []methodXML      `xml:"http://www.w3.org/2000/09/xmldsig# DigestMethod"`
	Values     []string         `xml:"http://www.w3.org/2000/09/xmldsig# DigestValue"`
	Extensions extensionListXML `xml:"http://uri.etsi.org/02918/v1.2.1# DataObjectReferenceExtensions"`
}

type methodXML struct {
	Algorithm string `xml:"Algorithm,attr"`
}

type extensionListXML struct {
	List []struct {
		Critical string   `xml:"Critical,attr"`
		Sizes    []string `xml:"urn:tram:asic:1 Size"`
	} `xml:"http://uri.etsi.org/02918/v1.2.1# Extension"`
}

// parseManifest reads a manifest. Document types, critical extensions, digests
// other than SHA-256 and names that do not fit a container are refused.
func parseManifest(raw []byte) (manifest, error) {
	if len(raw) > MaxManifest {
		return manifest{}, fmt.Errorf("%w: manifest", ErrTooLarge)
	}
	if err := checkXML(raw); err != nil {
		return manifest{}, fmt.Errorf("%w: manifest: %w", ErrMalformed, err)
	}
	var x manifestXML
	if err := xml.Unmarshal(raw, &x); err != nil {
		return manifest{}, fmt.Errorf("%w: manifest: %w", ErrMalformed, err)
	}
	if len(x.SigReferences) != 1 {
		return manifest{}, fmt.Errorf("%w: manifest has %d signature references", ErrMalformed, len(x.SigReferences))
	}
	if len(x.Objects) == 0 {
		return manifest{}, fmt.Errorf("%w: manifest covers nothing", ErrMalformed)
	}
	if len(x.Objects) > MaxFiles {
		return manifest{}, fmt.Errorf("%w: manifest covers %d files", ErrTooLarge, len(x.Objects))
	}
	signature, err := fromURI(x.SigReferences[0].URI)
	if err != nil || !isSignature(signature) && !isStamp(signature) {
		return manifest{}, fmt.Errorf("%w: manifest's signature reference", ErrMalformed)
	}
	if _, err := x.Extensions.size(); err != nil {
		return manifest{}, err
	}
	m := manifest{Signature: signature, Files: make([]File, 0, len(x.Objects))}
	seen := make(map[string]bool, len(x.Objects))
	for i := range x.Objects {
		f, err := x.Objects[i].file(m.isStamp())
		if err != nil {
			return manifest{}, err
		}
		if seen[f.Name] {
			return manifest{}, fmt.Errorf("%w: manifest names %q twice", ErrMalformed, f.Name)
		}
		seen[f.Name] = true
		m.Files = append(m.Files, f)
	}
	return m, nil
}

// file reads an entry. Under a time stamp it may be of the container's own
// folder, of which fromURI has checked the name.
func (o *dataObjectXML) file(stamped bool) (File, error) {
	name, err := fromURI(o.URI)
	if err == nil && !stamped {
		err = checkDataName(name)
	}
	if err != nil {
		return File{}, fmt.Errorf("%w: manifest: %w", ErrMalformed, err)
	}
	if len(o.Methods) != 1 || o.Methods[0].Algorithm != algSHA256 || len(o.Values) != 1 {
		return File{}, fmt.Errorf("%w: manifest has no SHA-256 for %q", ErrMalformed, name)
	}
	sum, err := base64.StdEncoding.Strict().DecodeString(strings.Join(strings.Fields(o.Values[0]), ""))
	if err != nil || len(sum) != sha256.Size {
		return File{}, fmt.Errorf("%w: manifest has no SHA-256 for %q", ErrMalformed, name)
	}
	size, err := o.Extensions.size()
	if err != nil {
		return File{}, err
	}
	return File{Name: name, MediaType: o.MimeType, SHA256: [32]byte(sum), Size: size}, nil
}

// size finds our size extension, -1 when there is none.
func (e extensionListXML) size() (int64, error) {
	size := int64(-1)
	for _, ext := range e.List {
		if ext.Critical != "false" && ext.Critical != "0" {
			return 0, fmt.Errorf("%w: manifest has a critical extension", ErrMalformed)
		}
		for _, text := range ext.Sizes {
			n, err := strconv.ParseUint(text, 10, 63)
			if err != nil || size >= 0 {
				return 0, fmt.Errorf("%w: manifest has a bad size", ErrMalformed)
			}
			size = int64(n)
		}
	}
	return size, nil
}

// checkXML walks the tokens once and refuses what a manifest never has.
func checkXML(raw []byte) error {
	d := xml.NewDecoder(bytes.NewReader(raw))
	depth, roots := 0, 0
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.Directive:
			return errors.New("document type declarations are refused")
		case xml.ProcInst:
			if t.Target != "xml" {
				return errors.New("processing instructions are refused")
			}
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			if depth++; depth > maxDepth {
				return errors.New("elements are nested too deeply")
			}
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 0 && len(bytes.TrimSpace(t)) > 0 {
				return errors.New("text outside the root element")
			}
		}
	}
	if roots != 1 || depth != 0 {
		return errors.New("not one root element")
	}
	return nil
}

// toURI percent-encodes an entry name, keeping the slashes.
func toURI(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return escape(strings.Join(parts, "/"))
}

func fromURI(uri string) (string, error) {
	name, err := url.PathUnescape(uri)
	if err != nil {
		return "", fmt.Errorf("%w: %q", ErrName, uri)
	}
	return name, checkName(name)
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder does not fail
	return b.String()
}
