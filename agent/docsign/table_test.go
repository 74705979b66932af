package docsign

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func verdict(r Report) string {
	s := string(r.Indication)
	if r.SubIndication != "" {
		s += " " + string(r.SubIndication)
	}
	if r.Additions {
		s += " + additions"
	}
	return s
}

// TestPDFVerdictsBesideThoseOfPoppler prints the table of verdicts. Each good
// file must pass, each hostile one must not.
func TestPDFVerdictsBesideThoseOfPoppler(t *testing.T) {
	b := newBench(t)
	b.nss()
	row := func(kind, name string, r Report, data []byte) {
		code := r.Reason.Code
		t.Logf("%-8s %-48s %-52s %-20s | pdfsig: %s", kind, name, verdict(r), code, b.pdfsig(data))
	}
	for _, good := range b.goodFiles() {
		r := checkBytes(t, good.name+".pdf", good.data, b.opts)
		row("good", good.name, r, good.data)
		if verdict(r) != good.want {
			t.Errorf("%s: got %s, want %s\n%+v", good.name, verdict(r), good.want, r.Signatures)
		}
	}
	hostile := b.hostileFiles()
	if len(hostile) < 12 {
		t.Fatalf("only %d hostile files", len(hostile))
	}
	for _, bad := range hostile {
		r := checkBytes(t, bad.name+".pdf", bad.data, b.opts)
		row("hostile", bad.name, r, bad.data)
		if r.Indication == Passed || (bad.want != "" && verdict(r) != bad.want) {
			t.Errorf("%s: got %s, want %q\n%+v", bad.name, verdict(r), bad.want, r.Signatures)
		}
	}
}

type sample struct {
	name string
	data []byte
	want string // verdict
}

func (b *bench) goodFiles() []sample {
	t := b.files.t
	pass := string(Passed)
	ssl, lib := b.openssl(""), b.library(nil)
	two := newDraft(t).sign(how{cms: ssl}).sign(how{cms: lib, filter: "ETSI.CAdES.detached"})
	stamped := newDraft(t).sign(how{cms: ssl}).sign(how{cms: b.stamper(), filter: "ETSI.RFC3161"})
	proof := stamped.copy()
	proof.extra += " /DSS << /Certs [60 0 R] >>"
	proof.update(map[int]string{1: proof.catalog(), 60: stream("", string(b.ca.cert.Raw))})
	filled := b.formDraft().sign(how{cms: ssl, level: 2})
	filled.update(map[int]string{12: textField("42")})
	noted := newDraft(t).sign(how{cms: ssl})
	noted.note("/Subtype /Text /Rect [10 10 30 30] /Contents (but phe)")
	noted.sign(how{cms: lib})
	info := newDraft(t).sign(how{cms: ssl})
	info.update(map[int]string{6: "<< /Title (Cong van) /ModDate (D:20261122) >>"})
	objects := b.qpdf(newDraft(t), "--object-streams=generate", "--compress-streams=y")
	return []sample{
		{"openssl cms, adbe.pkcs7.detached", newDraft(t).sign(how{cms: ssl}).data, pass},
		{"openssl cms -cades, ETSI.CAdES.detached", newDraft(t).sign(how{cms: b.openssl("-cades"), filter: "ETSI.CAdES.detached"}).data, pass},
		{"Go library smallstep/pkcs7", newDraft(t).sign(how{cms: lib, filter: "ETSI.CAdES.detached"}).data, pass},
		{"Go library with time stamp of openssl ts", newDraft(t).sign(how{cms: b.library(b.stamper()), filter: "ETSI.CAdES.detached"}).data, pass},
		{"poppler pdfsig with NSS", b.poppler(newDraft(t), "One").data, pass},
		{"poppler over object streams of qpdf", b.poppler(objects, "One").data, pass},
		{"poppler twice", b.poppler(b.poppler(newDraft(t), "One"), "Two").data, pass},
		{"two signatures", two.data, pass},
		{"document time stamp after a signature", stamped.data, pass},
		{"proof (DSS) after a time stamp", proof.data, pass},
		{"certified, level 1", newDraft(t).sign(how{cms: ssl, level: 1}).data, pass},
		{"certified level 2, field filled in", filled.data, pass + " + additions"},
		{"note, then signed by a second person", noted.data, pass + " + additions"},
		{"metadata changed after signing", info.data, pass},
	}
}

// qpdf rewrites a draft; it can be signed by other tools only.
func (b *bench) qpdf(d *draft, args ...string) *draft {
	b.write("in.pdf", d.data)
	b.must("qpdf", append(args, "in.pdf", "out.pdf")...)
	c := d.copy()
	c.data = b.files.read("out.pdf")
	return c
}

func textField(value string) string {
	return "<< /Type /Annot /Subtype /Widget /FT /Tx /T (amount) /V (" + value + ") /Rect [72 600 200 620] /P 3 0 R >>"
}

// formDraft has a text field.
func (b *bench) formDraft() *draft {
	d := newDraft(b.files.t)
	d.fields, d.annots = []string{"12 0 R"}, []string{"12 0 R"}
	d.update(map[int]string{1: d.catalog(), 3: d.page(), 12: textField("1")})
	return d
}

// note adds an annotation to the page.
func (d *draft) note(keys string) {
	num, ref := d.add()
	d.annots = append(d.annots, ref)
	d.update(map[int]string{3: d.page(), num: "<< /Type /Annot " + keys + " >>"})
}

const overlay = "/Subtype /FreeText /Rect [0 0 595 842] /DA (/Helv 20 Tf) /Contents (So tien: 900)"

func (b *bench) hostileFiles() []sample {
	t := b.files.t
	ssl := b.openssl("")
	signed := newDraft(t).sign(how{cms: ssl})
	var all []sample
	add := func(name, want string, change func(d *draft)) {
		d := signed.copy()
		change(d)
		all = append(all, sample{name, d.data, want})
	}
	add("byte of the page changed", "FAILED HASH_FAILURE", func(d *draft) { d.replace("12/UBND", "13/UBND") })
	add("time of signing changed", "FAILED HASH_FAILURE", func(d *draft) { d.replace("/M (D:20", "/M (D:19") })
	add("incremental saving: page content replaced", "FAILED FORMAT_FAILURE", func(d *draft) {
		d.update(map[int]string{4: stream("", "BT /F1 18 Tf 72 700 Td (Cong van 99) Tj ET")})
	})
	add("incremental saving: page points to other content", "FAILED FORMAT_FAILURE", func(d *draft) {
		d.update(map[int]string{3: strings.Replace(d.page(), "4 0 R", "70 0 R", 1), 70: stream("", "BT ET")})
	})
	add("incremental saving: font replaced", "FAILED FORMAT_FAILURE", func(d *draft) {
		d.update(map[int]string{5: "<< /Type /Font /Subtype /Type3 /FontBBox [0 0 1 1] >>"})
	})
	add("incremental saving: new catalog", "FAILED FORMAT_FAILURE", func(d *draft) {
		d.update(map[int]string{70: "<< /Type /Catalog /Pages 71 0 R " + form(d) + " >>", 71: "<< /Type /Pages /Kids [] /Count 0 >>"}, "/Root 70 0 R")
	})
	add("incremental saving: page removed", "FAILED FORMAT_FAILURE", func(d *draft) {
		d.update(map[int]string{2: "<< /Type /Pages /Kids [] /Count 0 >>"})
	})
	add("incremental saving: page added", "INDETERMINATE SIG_CONSTRAINTS_FAILURE", func(d *draft) {
		d.update(map[int]string{2: "<< /Type /Pages /Kids [3 0 R 70 0 R] /Count 2 >>", 70: "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"})
	})
	add("incremental saving without cross-reference", "FAILED FORMAT_FAILURE", func(d *draft) {
		at := lastXRef(d.data)
		d.data = append(d.data, fmt.Sprintf("4 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n", stream("", "BT ET"), at)...)
	})
	add("incremental saving with a wrong startxref", "FAILED FORMAT_FAILURE", func(d *draft) {
		d.data = append(d.data, "4 0 obj\n<< >>\nendobj\nstartxref\n7\n%%EOF\n"...)
	})
	add("rubbish behind the end", "FAILED FORMAT_FAILURE", func(d *draft) { d.data = append(d.data, "<script>"...) })
	add("rubbish before the header", "FAILED FORMAT_FAILURE", func(d *draft) { d.data = append([]byte("GIF89a\n"), d.data...) })
	add("history cut off: no Prev", "FAILED FORMAT_FAILURE", func(d *draft) { cutPrev(d) })
	all = append(all, b.universal()...)
	all = append(all, b.wrapped(signed)...)
	all = append(all, b.shadows()...)
	all = append(all, b.permissions()...)
	return append(all, b.signers()...)
}

func form(d *draft) string {
	return fmt.Sprintf("/AcroForm << /Fields [%s] /SigFlags 3 >>", strings.Join(d.fields, " "))
}

// cutPrev rewrites all objects with one table that knows no earlier state.
func cutPrev(d *draft) {
	objects := regexp.MustCompile(`(?m)^(\d+) 0 obj`).FindAllSubmatchIndex(d.data, -1)
	at := len(d.data)
	table := "xref\n0 1\n0000000000 65535 f \n"
	last := map[int]int{}
	for _, m := range objects {
		num, _ := strconv.Atoi(string(d.data[m[2]:m[3]]))
		last[num] = m[0]
	}
	for num, offset := range last {
		table += fmt.Sprintf("%d 1\n%010d 00000 n \n", num, offset)
	}
	d.data = append(d.data, fmt.Sprintf("%strailer\n<< /Size 100 /Root 1 0 R /Info 6 0 R >>\nstartxref\n%d\n%%%%EOF\n", table, at)...)
}

// universal are universal signature forgeries: nothing to check against.
func (b *bench) universal() []sample {
	t := b.files.t
	zero := " /Contents <" + strings.Repeat("00", 64) + ">"
	var all []sample
	for name, value := range map[string]string{
		"no ByteRange": zero, "ByteRange null": "/ByteRange null" + zero, "ByteRange empty": "/ByteRange []" + zero,
		"ByteRange of zeros": "/ByteRange [0 0 0 0]" + zero, "ByteRange negative": "/ByteRange [0 -1 -1 99]" + zero,
		"ByteRange huge":              "/ByteRange [0 9223372036854775807 9223372036854775807 9223372036854775807]" + zero,
		"ByteRange of the whole file": "/ByteRange [0 100 100 100]" + zero,
		"Contents null":               "/ByteRange [0 100 200 300] /Contents null", "Contents empty": "/ByteRange [0 100 200 300] /Contents <>",
		"no Contents": "/ByteRange [0 100 200 300]", "Contents a name": "/ByteRange [0 100 200 300] /Contents /x",
		"Contents behind a reference": "/ByteRange [0 100 200 300] /Contents 5 0 R",
	} {
		all = append(all, sample{"forgery: " + name, newDraft(t).sign(how{value: value}).data, "FAILED FORMAT_FAILURE"})
	}
	return all
}

// wrapped move the signed bytes, or hide things in the gap.
func (b *bench) wrapped(signed *draft) []sample {
	t := b.files.t
	const bad = "FAILED FORMAT_FAILURE"
	var all []sample
	change := func(name, want string, f func(d *draft)) {
		d := signed.copy()
		f(d)
		all = append(all, sample{"wrapping: " + name, d.data, want})
	}
	change("second range moved behind new objects", bad, wrapSecond)
	change("signature dictionary copied behind the end", bad, func(d *draft) {
		m := regexp.MustCompile(`(?s)20 0 obj\n(.*?)\nendobj`).FindSubmatch(d.data)
		d.update(map[int]string{20: string(m[1])})
	})
	change("field points to another dictionary", bad, func(d *draft) {
		m := regexp.MustCompile(`(?s)20 0 obj\n(.*?)\nendobj`).FindSubmatch(d.data)
		d.update(map[int]string{70: string(m[1]), 21: strings.Replace(fieldOf(d), "20 0 R", "70 0 R", 1)})
	})
	change("signature field removed", "INDETERMINATE SIG_CONSTRAINTS_FAILURE", func(d *draft) {
		d.fields, d.annots = nil, nil
		d.update(map[int]string{1: d.catalog(), 3: d.page()})
	})
	change("something behind the CMS in Contents", bad, func(d *draft) {
		i := bytes.LastIndex(d.data, []byte("0000>"))
		copy(d.data[i:], "4142")
	})
	change("object hidden in the gap", bad, func(d *draft) {
		i := bytes.Index(d.data, []byte("/Contents <30")) + len("/Contents ") + room - 400
		d.data = append(d.data, fmt.Sprintf("xref\n70 1\n%010d 00000 n \ntrailer\n<< /Size 100 /Root 1 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n",
			i, lastXRef(d.data), len(d.data))...)
	})
	twice := newDraft(t).sign(how{cms: b.openssl(""), last: " /Contents <3000>"})
	all = append(all, sample{"wrapping: Contents twice", twice.data, bad})
	twice = newDraft(t).sign(how{cms: b.openssl(""), dict: "/ByteRange [0 10 20 30]"})
	all = append(all, sample{"wrapping: ByteRange twice", twice.data, bad})
	overlap := newDraft(t)
	overlap.sign(how{cms: b.openssl("")})
	m := regexp.MustCompile(`/ByteRange \[0 (\d+) (\d+) (\d+)\]`).FindSubmatch(overlap.data)
	overlap.replace(string(m[0]), fmt.Sprintf("%-*s", len(m[0]), fmt.Sprintf("/ByteRange [0 %s %s %d]", m[1], m[1], 10)))
	return append(all, sample{"wrapping: ranges overlap", overlap.data, bad})
}

func fieldOf(d *draft) string {
	m := regexp.MustCompile(`(?s)21 0 obj\n(.*?)\nendobj`).FindSubmatch(d.data)
	return string(m[1])
}

// wrapSecond is the classical signature wrapping: the second signed range goes
// to the end, new objects and a new table stand in the widened gap.
func wrapSecond(d *draft) {
	m := regexp.MustCompile(`\[0 (\d+) (\d+) (\d+)\] *`).FindSubmatchIndex(d.data)
	first, _ := strconv.Atoi(string(d.data[m[2]:m[3]]))
	second, _ := strconv.Atoi(string(d.data[m[4]:m[5]]))
	head, gap, tail := bytes.Clone(d.data[:first]), bytes.Clone(d.data[first:second]), bytes.Clone(d.data[second:])
	out := &draft{data: append(head, gap...)}
	out.data = append(out.data, " >>\nendobj\n4 0 obj\n<< /Length 5 >>\nstream\nBT ET\nendstream\nendobj\n"...)
	at := len(out.data)
	length, _ := strconv.Atoi(string(d.data[m[6]:m[7]]))
	out.data = append(out.data, tail...)
	copy(out.data[m[0]:], fmt.Sprintf("%-*s", m[1]-m[0], fmt.Sprintf("[0 %d %d %d]", first, at, length)))
	d.data = out.data
}

// shadows are prepared by someone before signing and played out after it.
func (b *bench) shadows() []sample {
	t := b.files.t
	ssl := b.openssl("")
	const bad = "FAILED FORMAT_FAILURE"
	hide := newDraft(t)
	hide.update(map[int]string{
		3:  strings.Replace(hide.page(), "/Font", "/XObject << /Annots 30 0 R >> /Font", 1),
		30: stream("/Type /XObject /Subtype /Form /BBox [0 0 595 842]", "1 g 0 0 595 842 re f"),
		4:  stream("", blank+" /Annots Do"),
	})
	page := strings.Replace(hide.page(), "/Font", "/XObject << /Annots 30 0 R >> /Font", 1)
	hide.update(map[int]string{3: page})
	hide = signKeeping(hide, ssl)
	freed := hide.copy()
	freed.update(map[int]string{30: ""})
	dangling := newDraft(t)
	dangling.update(map[int]string{4: stream("", blank), 3: strings.Replace(dangling.page(), "4 0 R", "[4 0 R 31 0 R]", 1)})
	dangling = signKeeping(dangling, ssl)
	dangling.update(map[int]string{31: stream("", "1 g 0 0 595 842 re f")})
	field := b.formDraft().sign(how{cms: ssl})
	filled := field.copy()
	filled.update(map[int]string{12: textField("900000")})
	layers := newDraft(t)
	layers.extra = "/OCProperties << /OCGs [40 0 R] /D 41 0 R >>"
	layers.update(map[int]string{1: layers.catalog(), 40: "<< /Type /OCG /Name (a) >>", 41: "<< /ON [40 0 R] >>"})
	layers.sign(how{cms: ssl})
	layers.update(map[int]string{41: "<< /OFF [40 0 R] >>"})
	note := newDraft(t).sign(how{cms: ssl})
	note.note(overlay)
	place := newDraft(t).sign(how{cms: ssl})
	place.annots, place.fields = append(place.annots, "50 0 R"), append(place.fields, "50 0 R")
	place.update(map[int]string{1: place.catalog(), 3: place.page(), 50: "<< /Type /Annot /Subtype /Widget /FT /Sig /T (x) /Rect [0 0 595 842] /AP << /N 51 0 R >> >>", 51: stream("/Subtype /Form", "1 g")})
	stamp := newDraft(t).sign(how{cms: ssl}).sign(how{cms: b.stamper(), filter: "ETSI.RFC3161", rect: "0 0 595 842"})
	return []sample{
		{"shadow: hiding object freed", freed.data, bad},
		{"shadow: missing object supplied", dangling.data, bad},
		{"shadow: field's value replaced", filled.data, "INDETERMINATE SIG_CONSTRAINTS_FAILURE"},
		{"shadow: layer switched", layers.data, bad},
		{"evil annotation over the page", note.data, "INDETERMINATE SIG_CONSTRAINTS_FAILURE"},
		{"unsigned signature field over the page", place.data, "INDETERMINATE SIG_CONSTRAINTS_FAILURE"},
		{"time stamp with a picture over the page", stamp.data, "INDETERMINATE SIG_CONSTRAINTS_FAILURE"},
	}
}

// signKeeping signs without a widget on the page, whose object it leaves alone.
func signKeeping(d *draft, cms func([]byte) []byte) *draft {
	m := regexp.MustCompile(`(?s)\n3 0 obj\n(.*?)\nendobj`).FindAllSubmatch(d.data, -1)
	page := string(m[len(m)-1][1])
	c := d.copy()
	sig, sigRef := c.add()
	field, fieldRef := c.add()
	c.fields = append(c.fields, fieldRef)
	c.update(map[int]string{
		1: c.catalog(), 3: page,
		sig:   "<< /Type /Sig /Filter /Adobe.PPKLite /SubFilter /adbe.pkcs7.detached /ByteRange [0 1111111111 2222222222 3333333333] /Contents <" + strings.Repeat("0", room) + "> >>",
		field: "<< /FT /Sig /T (Hidden) /V " + sigRef + " /Kids [] >>",
	})
	c.fill(cms)
	return c
}

// permissions are changes that a certification forbids.
func (b *bench) permissions() []sample {
	t := b.files.t
	ssl := b.openssl("")
	const bad = "FAILED FORMAT_FAILURE"
	var all []sample
	for level := 1; level <= 3; level++ {
		d := newDraft(t).sign(how{cms: ssl, level: level})
		d.update(map[int]string{2: "<< /Type /Pages /Kids [3 0 R 70 0 R] /Count 2 >>", 70: "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"})
		all = append(all, sample{fmt.Sprintf("certified level %d, page added", level), d.data, bad})
	}
	two := newDraft(t).sign(how{cms: ssl, level: 2})
	two.note(overlay)
	one := b.formDraft().sign(how{cms: ssl, level: 1})
	one.update(map[int]string{12: textField("9")})
	signed := newDraft(t).sign(how{cms: ssl, level: 1}).sign(how{cms: ssl})
	return append(all,
		sample{"certified level 2, note added", two.data, bad},
		sample{"certified level 1, field filled in", one.data, bad},
		sample{"certified level 1, signed again", signed.data, bad})
}

// signers are right in form and made by somebody who may not.
func (b *bench) signers() []sample {
	t := b.files.t
	fake := newPKI(t)
	root := fake.issue(node{}, "Root", asCA, around)
	ca := fake.issue(root, "CA", asCA, around)
	b.node("fake", fake.issueFor(ca, "Nguyen Van A", testRSA(), around))
	b.node("self", b.issueFor(node{}, "Nguyen Van A", testRSA(), around))
	b.node("short", b.issueFor(b.ca, "short", shortRSA(t), around))
	make := func(more string) []byte { return newDraft(t).sign(how{cms: b.openssl(more)}).data }
	return []sample{
		{"same names under a foreign root", make("-signer fake.crt -inkey fake.key"), "INDETERMINATE NO_CERTIFICATE_CHAIN_FOUND"},
		{"self-signed with the signer's name", make("-signer self.crt -inkey self.key"), "INDETERMINATE NO_CERTIFICATE_CHAIN_FOUND"},
		{"MD5", make("-md md5"), "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE"},
		{"SHA-1", make("-md sha1"), "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE"},
		{"RSA 1024", make("-signer short.crt -inkey short.key"), "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE"},
		{"CMS of another document", newDraft(t).sign(how{cms: func([]byte) []byte { return b.openssl("")([]byte("other")) }}).data, "FAILED HASH_FAILURE"},
		{"CMS with content of its own", newDraft(t).sign(how{cms: func([]byte) []byte { return b.openssl("-nodetach")([]byte("other")) }}).data, "FAILED FORMAT_FAILURE"},
		{"certificate left out", make("-nocerts"), "INDETERMINATE NO_SIGNING_CERTIFICATE_FOUND"},
		{"time stamp of another document", newDraft(t).sign(how{cms: func([]byte) []byte { return b.stampToken([]byte("x"), "sha256") }, filter: "ETSI.RFC3161"}).data, "FAILED HASH_FAILURE"},
		{"unknown SubFilter", newDraft(t).sign(how{cms: b.openssl(""), filter: "my.own"}).data, "INDETERMINATE GENERIC"},
	}
}
