//go:build libreoffice

package docsign

import (
	"os"
	"strings"
	"testing"
)

// TestLibreOfficeSignaturesPass exports a signed PDF with soffice. It has a tag
// of its own, because that program is larger than all others that the tests
// need together:
//
//	apt-get install libreoffice-writer; go test -tags libreoffice -run LibreOffice ./agent/docsign
func TestLibreOfficeSignaturesPass(t *testing.T) {
	b := newBench(t)
	b.nss()
	b.write("doc.txt", []byte("Công văn 12/UBND\n"))
	t.Setenv("MOZILLA_CERTIFICATE_FOLDER", "sql:"+b.path("nss"))
	t.Setenv("HOME", b.dir)
	filter := `pdf:writer_pdf_Export:{"SignPDF":{"type":"boolean","value":"true"},"SignCertificateSubjectName":{"type":"string","value":"CN=Nguyen Van A,O=UBND xã An Bình"}}`
	b.must("timeout", "120", "soffice", "--headless", "-env:UserInstallation=file://"+b.path("lo"), "--convert-to", filter, "doc.txt")
	data, err := os.ReadFile(b.path("doc.pdf"))
	if err != nil {
		t.Fatal(err)
	}
	r := checkBytes(t, "doc.pdf", data, b.opts)
	poppler := b.pdfsig(data)
	t.Logf("LibreOffice: %s | pdfsig: %s", verdict(r), poppler)
	if r.Verdict() != VerdictPassed || !strings.Contains(poppler, "Signature is Valid") {
		t.Errorf("got %+v\n%+v", r.Outcome, r.Signatures)
	}
}
