package docsign

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// draft is a PDF that grows by incremental updates. Objects: 1 catalog,
// 2 page tree, 3 page, 4 its text, 5 font, 6 info; those of signatures from 20.
type draft struct {
	t      testing.TB
	data   []byte
	fields []string
	annots []string
	extra  string // keys of the catalog
	next   int
	top    int // highest object number
}

const blank = "BT /F1 18 Tf 72 700 Td (Cong van 12/UBND) Tj ET"

func newDraft(t testing.TB) *draft {
	d := &draft{t: t, next: 20}
	d.data = []byte("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	d.update(map[int]string{
		1: d.catalog(), 2: "<< /Type /Pages /Kids [3 0 R] /Count 1 >>", 3: d.page(),
		4: stream("", blank), 5: "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>", 6: "<< /Title (Cong van) >>",
	})
	return d
}

func stream(dict, data string) string {
	return fmt.Sprintf("<< %s /Length %d >>\nstream\n%s\nendstream", dict, len(data), data)
}

func (d *draft) catalog() string {
	form := ""
	if len(d.fields) > 0 {
		form = fmt.Sprintf(" /AcroForm << /Fields [%s] /SigFlags 3 >>", strings.Join(d.fields, " "))
	}
	return "<< /Type /Catalog /Pages 2 0 R" + form + " " + d.extra + " >>"
}

func (d *draft) page() string {
	return fmt.Sprintf("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> /Annots [%s] >>",
		strings.Join(d.annots, " "))
}

// add makes an object number.
func (d *draft) add() (int, string) {
	d.next++
	return d.next - 1, fmt.Sprintf("%d 0 R", d.next-1)
}

// update appends objects with a table, and trailer keys besides the usual.
func (d *draft) update(objects map[int]string, trailer ...string) {
	prev := lastXRef(d.data)
	offsets := map[int]int{}
	var nums []int
	for num := range objects {
		nums = append(nums, num)
	}
	slices.Sort(nums)
	out := bytes.NewBuffer(d.data)
	for _, num := range nums {
		if objects[num] == "" {
			continue // freed
		}
		offsets[num] = out.Len()
		d.top = max(d.top, num)
		fmt.Fprintf(out, "%d 0 obj\n%s\nendobj\n", num, objects[num])
	}
	at := out.Len()
	out.WriteString("xref\n")
	if prev < 0 {
		out.WriteString("0 1\n0000000000 65535 f \n")
	}
	for _, num := range nums {
		if objects[num] == "" {
			fmt.Fprintf(out, "%d 1\n0000000000 00001 f \n", num)
		} else {
			fmt.Fprintf(out, "%d 1\n%010d 00000 n \n", num, offsets[num])
		}
	}
	back := ""
	if prev >= 0 {
		back = fmt.Sprintf(" /Prev %d", prev)
	}
	root := "/Root 1 0 R"
	if len(trailer) > 0 {
		root = trailer[0]
	}
	fmt.Fprintf(out, "trailer\n<< /Size %d %s /Info 6 0 R%s >>\nstartxref\n%d\n%%%%EOF\n", d.top+1, root, back, at)
	d.data = out.Bytes()
}

func lastXRef(data []byte) int {
	i := bytes.LastIndex(data, []byte("startxref\n"))
	if i < 0 {
		return -1
	}
	var at int
	fmt.Sscan(string(data[i+len("startxref\n"):]), &at)
	return at
}

// how tells how to sign.
type how struct {
	filter string // SubFilter, "" for adbe.pkcs7.detached
	level  int    // of certification, 0 for none
	rect   string // of the widget, "" for invisible
	cms    func(content []byte) []byte
	dict   string // more keys of the signature dictionary
	last   string // keys behind Contents
	value  string // in place of the signature dictionary's ByteRange and Contents
}

const room = 12000 // hexadecimal digits of Contents

// sign adds a signature as an incremental update.
func (d *draft) sign(h how) *draft {
	d.t.Helper()
	if h.filter == "" {
		h.filter = "adbe.pkcs7.detached"
	}
	if h.rect == "" {
		h.rect = "0 0 0 0"
	}
	sig, sigRef := d.add()
	field, fieldRef := d.add()
	d.fields, d.annots = append(d.fields, fieldRef), append(d.annots, fieldRef)
	keys := ""
	if h.level > 0 {
		keys = fmt.Sprintf(" /Reference [<< /Type /SigRef /TransformMethod /DocMDP /TransformParams << /Type /TransformParams /V /1.2 /P %d >> >>]", h.level)
		d.extra += fmt.Sprintf(" /Perms << /DocMDP %s >>", sigRef)
	}
	value := h.value
	if value == "" {
		value = "/ByteRange [0 1111111111 2222222222 3333333333] /Contents <" + strings.Repeat("0", room) + ">" + h.last
	}
	kind := "/Sig"
	if h.filter == "ETSI.RFC3161" {
		kind = "/DocTimeStamp"
	}
	d.update(map[int]string{
		1: d.catalog(), 3: d.page(),
		sig: fmt.Sprintf("<< /Type %s /Filter /Adobe.PPKLite /SubFilter /%s /M (D:%s) %s %s %s >>",
			kind, h.filter, time.Now().UTC().Format("20060102150405Z"), h.dict, keys, value),
		field: fmt.Sprintf("<< /Type /Annot /Subtype /Widget /FT /Sig /T (Signature%d) /V %s /F 132 /P 3 0 R /Rect [%s] >>", field, sigRef, h.rect),
	})
	if h.value == "" {
		d.fill(h.cms)
	}
	return d
}

// fill writes the byte range and signature of the last placeholder.
func (d *draft) fill(cms func([]byte) []byte) {
	d.t.Helper()
	open := bytes.LastIndex(d.data, []byte("/Contents <000")) + len("/Contents ")
	end := open + room + 2
	d.data = bytes.Replace(d.data, []byte("[0 1111111111 2222222222 3333333333]"),
		[]byte(fmt.Sprintf("%-36s", fmt.Sprintf("[0 %d %d %d]", open, end, len(d.data)-end))), 1)
	der := cms(append(bytes.Clone(d.data[:open]), d.data[end:]...))
	if 2*len(der) > room {
		d.t.Fatalf("signature has %d bytes", len(der))
	}
	hex.Encode(d.data[open+1:], der)
}

// copy is a draft of its own with the same content.
func (d *draft) copy() *draft {
	c := *d
	c.data, c.fields, c.annots = bytes.Clone(d.data), slices.Clone(d.fields), slices.Clone(d.annots)
	return &c
}

// replace changes bytes in place without moving others.
func (d *draft) replace(from, to string) *draft {
	d.t.Helper()
	if len(from) != len(to) || !bytes.Contains(d.data, []byte(from)) {
		d.t.Fatalf("cannot replace %q by %q", from, to)
	}
	d.data = bytes.Replace(d.data, []byte(from), []byte(to), 1)
	return d
}
