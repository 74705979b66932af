package office

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"tram/agent/edxml"
	"tram/storage"
)

// foreign is the message of another maker's software: values and elements that
// are not known here, and its own dates and codes. files are name and content
// in turn; the content is base64 as that software wrote it.
func foreign(from, to, id string, files ...string) string {
	var refs, attached strings.Builder
	for i := 0; i+1 < len(files); i += 2 {
		fmt.Fprintf(&refs, `<e:Reference><e:ContentId>cid:tep-%d</e:ContentId><e:ContentType>application/pdf</e:ContentType><e:AttachmentName>%s</e:AttachmentName><e:Hash alg="x">9f</e:Hash></e:Reference>`, i, files[i])
		fmt.Fprintf(&attached, `<e:Attachment><e:ContentId>tep-%d</e:ContentId><e:AttachmentName>%s</e:AttachmentName><e:ContentTransferEncoded>%s</e:ContentTransferEncoded></e:Attachment>`, i, files[i], files[i+1])
	}
	return `<?xml version="1.0"?>
<e:edXML xmlns:e="` + edxml.Namespace + `"><!-- phần mềm khác --><e:edXMLEnvelope><e:edXMLHeader><e:MessageHeader>
<e:SteeringType>2</e:SteeringType><e:Subject>Kế hoạch tưới tiêu</e:Subject><e:Content>Kế hoạch vụ đông</e:Content>
<e:From><e:OrganId>` + from + `</e:OrganId><e:OrganName>Cơ quan soạn</e:OrganName></e:From>` + to + `
<e:DocumentId>` + id + `</e:DocumentId><e:Code><e:CodeNumber>45</e:CodeNumber><e:CodeNotation>KH-UBND</e:CodeNotation></e:Code>
<e:PromulgationInfo><e:Place>An Bình</e:Place><e:PromulgationDate>20/11/2026</e:PromulgationDate></e:PromulgationInfo>
<e:DocumentType><e:Type>77</e:Type><e:TypeName>Kế hoạch</e:TypeName></e:DocumentType>
<e:SignerInfo><e:FullName>Lê Văn Mẫu</e:FullName></e:SignerInfo>
<e:OtherInfo><e:Priority>2</e:Priority><e:Direction>có</e:Direction><e:Maker xmlns="urn:khac"><Build a="1">7.2</Build></e:Maker></e:OtherInfo>
</e:MessageHeader><e:TraceHeaderList><e:TraceHeader><e:OrganId>` + from + `</e:OrganId><e:Timestamp>2026/11/20 08:00:00</e:Timestamp></e:TraceHeader>
<e:Bussiness><e:BussinessDocType>44</e:BussinessDocType><e:Paper>3</e:Paper></e:Bussiness></e:TraceHeaderList>SIGNATURE</e:edXMLHeader>
<e:edXMLBody><e:edXMLManifest version="1.0">` + refs.String() + `</e:edXMLManifest></e:edXMLBody></e:edXMLEnvelope>
<e:AttachmentEncoded>` + attached.String() + `</e:AttachmentEncoded></e:edXML>
`
}

// organs are To elements.
func organs(codes ...string) string {
	var b strings.Builder
	for _, c := range codes {
		fmt.Fprintf(&b, `<e:To><e:OrganId>%s</e:OrganId></e:To>`, c)
	}
	return b.String()
}

func plainly(m string) string { return strings.Replace(m, "SIGNATURE", "", 1) }

// signedBy puts a signature with a real certificate into a message.
func (w *world) signedBy(m string) string {
	cert := base64.StdEncoding.EncodeToString(w.ca.cert.Raw)
	return strings.Replace(m, "SIGNATURE", `<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignatureValue>c2lnbmVk</SignatureValue>`+
		`<KeyInfo><X509Data><X509Certificate>`+cert+`</X509Certificate></X509Data></KeyInfo></Signature>`, 1)
}

func encoded(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// wrapped is a file in a zip of its own, as most software sends it.
func wrapped(entry string, data []byte) string {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	if _, err := must(z.Create(entry)).Write(data); err != nil {
		panic(err)
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return encoded(b.Bytes())
}

func (n *node) importing(message string) (Imported, error) {
	return n.Import(n.w.t.Context(), Handover{Body: iotest.OneByteReader(strings.NewReader(message)), Name: "vb.edxml", By: "vanthu"})
}

func (n *node) imported(message string) Document {
	n.w.t.Helper()
	done, err := n.importing(message)
	if err != nil {
		n.w.t.Fatal(err)
	}
	if !done.Changed || done.Document.ID == (storage.ID{}) {
		n.w.t.Fatalf("imported %+v", done)
	}
	return done.Document
}

func (n *node) exported(id storage.ID) []byte {
	n.w.t.Helper()
	var b bytes.Buffer
	if err := n.ExportEdXML(n.w.t.Context(), id, &b); err != nil {
		n.w.t.Fatal(err)
	}
	return b.Bytes()
}

// memory is a Stage that keeps contents for a test.
type memory struct{ list []*bytes.Buffer }

func (m *memory) Create(int) (io.WriteCloser, error) {
	m.list = append(m.list, &bytes.Buffer{})
	return unclosed{m.list[len(m.list)-1]}, nil
}

// unpacked reads a full message and returns its skeleton and its files.
func unpacked(t *testing.T, message []byte) (string, []string) {
	t.Helper()
	m := &memory{}
	full, err := edxml.Read(bytes.NewReader(message), edxml.ReadOptions{Stage: m})
	if err != nil {
		t.Fatalf("%v in\n%s", err, message)
	}
	var files []string
	for _, ref := range must(edxml.Carried(full.Skeleton)) {
		data := m.list[len(files)].Bytes()
		f := must(edxml.Unwrap(bytes.NewReader(data), int64(len(data)), ref.Name, 0))
		files = append(files, string(must(io.ReadAll(must(f.Open())))))
	}
	return string(full.Skeleton), files
}

func (n *node) content(id storage.ID, index int) string {
	n.w.t.Helper()
	_, body, err := n.Open(n.w.t.Context(), id, index)
	if err != nil {
		n.w.t.Fatal(err)
	}
	defer body.Close()
	return string(must(io.ReadAll(body)))
}
