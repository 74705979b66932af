package vgcatest

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// PDF makes a file of one page that says text. Its catalog is object 1, its
// page object 3.
func PDF(text string) []byte {
	content := "BT /F1 18 Tf 72 720 Td (" + text + ") Tj ET"
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(content), content),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	}
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	at := make([]int, len(objects))
	for i, o := range objects {
		at[i] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, offset := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, start)
	return b.Bytes()
}

// room is the space for a signature's value, in bytes.
const room = 8192

var (
	lastStart = regexp.MustCompile(`startxref\s+(\d+)\s+%%EOF\s*$`)
	sizeEntry = regexp.MustCompile(`/Size (\d+)`)
	fields    = regexp.MustCompile(`/Fields \[([^\]]*)\]`)
)

// SignPDF adds a signature to a file that [PDF] made, as an incremental update
// in the way signing programs do it. sign makes the CMS value over the bytes
// that it is given.
func SignPDF(file []byte, sign func(content []byte) ([]byte, error)) ([]byte, error) {
	start := lastStart.FindSubmatch(file)
	sizes := sizeEntry.FindAllSubmatch(file, -1)
	if start == nil || sizes == nil {
		return nil, errors.New("not a file of PDF")
	}
	size, err := strconv.Atoi(string(sizes[len(sizes)-1][1]))
	if err != nil {
		return nil, err
	}
	before := ""
	if all := fields.FindAllSubmatch(file, -1); all != nil {
		before = string(all[len(all)-1][1]) + " "
	}
	value, field := size, size+1
	blank := "/ByteRange [0 0000000000 0000000000 0000000000]"
	objects := []struct {
		number int
		text   string
	}{
		{1, fmt.Sprintf("<< /Type /Catalog /Pages 2 0 R /AcroForm << /SigFlags 3 /Fields [%s%d 0 R] >> >>", before, field)},
		{3, fmt.Sprintf("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> /Annots [%s%d 0 R] >>", before, field)},
		{value, "<< /Type /Sig /Filter /Adobe.PPKLite /SubFilter /adbe.pkcs7.detached " + blank + " /Contents <" + strings.Repeat("0", 2*room) + "> >>"},
		{field, fmt.Sprintf("<< /Type /Annot /Subtype /Widget /FT /Sig /T (Signature%d) /V %d 0 R /P 3 0 R /Rect [0 0 0 0] /F 132 >>", field, value)},
	}
	b := bytes.NewBuffer(bytes.Clone(file))
	table := ""
	for _, o := range objects {
		table += fmt.Sprintf("%d 1\n%010d 00000 n \n", o.number, b.Len())
		fmt.Fprintf(b, "%d 0 obj\n%s\nendobj\n", o.number, o.text)
	}
	fmt.Fprintf(b, "xref\n%strailer\n<< /Size %d /Root 1 0 R /Prev %s >>\nstartxref\n%d\n%%%%EOF\n", table, size+2, start[1], b.Len())
	out := b.Bytes()
	from := len(file) + bytes.Index(out[len(file):], []byte("/Contents <")) + len("/Contents ")
	to := from + 2*room + 2
	real := fmt.Sprintf("/ByteRange [0 %010d %010d %010d]", from, to, len(out)-to)
	copy(out[len(file)+bytes.Index(out[len(file):], []byte(blank)):], real)
	cms, err := sign(append(bytes.Clone(out[:from]), out[to:]...))
	if err != nil {
		return nil, err
	}
	if len(cms) > room {
		return nil, errors.New("no room for the signature")
	}
	copy(out[from+1:], hex.EncodeToString(cms))
	return out, nil
}
