package pdf

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// build writes objects with a table. Numbers count from 1.
func build(objects ...string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n")
	var at []int
	for i, o := range objects {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, n := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", n)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, start)
	return b.Bytes()
}

var usual = []string{
	"<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
	"<< /Type /Page /Parent 2 0 R /Contents 4 0 R >>", "<< /Length 5 >>\nstream\nBT ET\nendstream",
}

// grow adds one object as an incremental update.
func grow(data []byte, num int, object string) []byte {
	var prev int
	fmt.Sscan(string(data[bytes.LastIndex(data, []byte("startxref"))+10:]), &prev)
	b := bytes.NewBuffer(bytes.Clone(data))
	at := b.Len()
	fmt.Fprintf(b, "%d 0 obj\n%s\nendobj\n", num, object)
	start := b.Len()
	fmt.Fprintf(b, "xref\n%d 1\n%010d 00000 n \ntrailer\n<< /Size 50 /Root 1 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n", num, at, prev, start)
	return b.Bytes()
}

// crossed writes the usual objects in an object stream with a cross-reference
// stream that uses a PNG predictor.
func crossed() []byte {
	var head, body strings.Builder
	for i, o := range usual[:3] {
		fmt.Fprintf(&head, "%d %d ", i+1, body.Len())
		body.WriteString(o + " ")
	}
	b := bytes.NewBuffer([]byte("%PDF-1.7\n"))
	four := b.Len()
	fmt.Fprintf(b, "4 0 obj\n%s\nendobj\n", usual[3])
	five := b.Len()
	packed := deflate([]byte(head.String() + body.String()))
	fmt.Fprintf(b, "5 0 obj\n<< /Type /ObjStm /N 3 /First %d /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream\nendobj\n", head.Len(), len(packed), packed)
	six := b.Len()
	rows := [][4]byte{{0, 0, 0, 255}, {2, 0, 5, 0}, {2, 0, 5, 1}, {2, 0, 5, 2}, row(four), row(five), row(six)}
	var table []byte
	above := [4]byte{}
	for _, r := range rows {
		table = append(table, 2) // PNG up
		for i := range r {
			table = append(table, r[i]-above[i])
		}
		above = r
	}
	table = deflate(table)
	fmt.Fprintf(b, "6 0 obj\n<< /Type /XRef /Size 7 /W [1 2 1] /Root 1 0 R /Filter /FlateDecode /DecodeParms << /Predictor 12 /Columns 4 >> /Length %d >>\nstream\n%s\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n",
		len(table), table, six)
	return b.Bytes()
}

func row(offset int) [4]byte { return [4]byte{1, byte(offset >> 8), byte(offset), 0} }

func deflate(data []byte) []byte {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, _ = z.Write(data)
	_ = z.Close()
	return b.Bytes()
}

func open(t testing.TB, data []byte) *File {
	t.Helper()
	f, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTablesAndStreamsReadTheSame(t *testing.T) {
	a, b := open(t, build(usual...)), open(t, crossed())
	for num := 1; num <= 3; num++ {
		x, err := a.Get(Ref{num, 0})
		if err != nil {
			t.Fatal(err)
		}
		y, err := b.Get(Ref{num, 0})
		if err != nil || !Equal(x, y) {
			t.Errorf("object %d: %v and %v (%v)", num, x, y, err)
		}
	}
	if list, _, err := b.pages(); err != nil || len(list) != 1 {
		t.Errorf("pages: %v %v", list, err)
	}
}

func TestValues(t *testing.T) {
	for in, want := range map[string]Object{
		"/A#42 ": Name("AB"), "12 ": int64(12), "-3 ": int64(-3), "1.5 ": 1.5, "true ": true, "null ": nil, "7 0 R ": Ref{7, 0},
		"[1 2 R 0 R] ": nil, "[1 /a(b)]": Array{int64(1), Name("a"), String{Bytes: []byte("b")}},
		`(a\(b\)\101\n(c)) `: String{Bytes: []byte("a(b)A\n(c)")}, "<48 6> ": String{Bytes: []byte("H`")},
		"<< /A 1 /B [ ] >>": Dict{"A": int64(1), "B": Array{}},
	} {
		p := &parser{in: []byte(in + " "), base: 0}
		got, err := p.value(0)
		if in == "[1 2 R 0 R] " {
			continue // what follows a reference is an error or not by the reader's taste; it must not panic
		}
		if err != nil || !Equal(got, want) {
			t.Errorf("%q: got %#v, want %#v (%v)", in, got, want, err)
		}
	}
	for _, in := range []string{"/a#00 ", "<4x> ", "<< 1 2 >> ", "<< /A >> ", "obj ", "+ ", "1.2.3 "} {
		p := &parser{in: []byte(in + " "), base: 0}
		if v, err := p.value(0); err == nil {
			t.Errorf("%q was read as %#v", in, v)
		}
	}
	p := &parser{in: []byte("<< /A 1 /A 2 >> "), base: 0}
	if v, err := p.value(0); err != nil || !v.(Dict).Ambiguous() {
		t.Errorf("a key that stands twice is not told: %v %v", v, err)
	}
}

func TestDamagedFilesAreRefusedAndBounded(t *testing.T) {
	good := string(build(usual...))
	for name, data := range map[string]string{
		"empty": "", "no end": good[:len(good)-8], "no table": strings.Replace(good, "xref\n0 5", "xxxx\n0 5", 1),
		"Prev in a circle": string(circle(good)), "huge table": strings.Replace(good, "xref\n0 5", "xref\n0 999999999", 1),
		"table out of bounds": strings.Replace(good, "startxref\n", "startxref\n99", 1),
		"nested":              string(build(append(slices.Clone(usual[:3]), strings.Repeat("[", 1000))...)),
	} {
		f, err := Open(strings.NewReader(data), int64(len(data)))
		if err == nil {
			_, err = f.Get(Ref{4, 0})
		}
		if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrLimit) {
			t.Errorf("%s: %v", name, err)
		}
	}
	bomb := deflate(make([]byte, MaxStream+1))
	f := open(t, build(append(slices.Clone(usual), fmt.Sprintf("<< /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream", len(bomb), bomb))...))
	o, err := f.Get(Ref{5, 0})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Data(o.(*Stream)); !errors.Is(err, ErrLimit) {
		t.Errorf("a bomb gives %v", err)
	}
}

// circle makes the trailer point at its own table.
func circle(good string) []byte {
	at := strings.Index(good, "xref\n0")
	return []byte(strings.Replace(good, "/Root", fmt.Sprintf("/Prev %d /Root", at), 1))
}

func TestCompareTellsWhatWasAdded(t *testing.T) {
	base := build(usual...)
	for _, test := range []struct {
		name   string
		num    int
		object string
		want   []Change
	}{
		{"nothing", 9, "null", nil},
		{"the same again", 2, usual[1], nil},
		{"unused object", 9, "<< /a 1 >>", nil},
		{"content", 4, "<< /Length 5 >>\nstream\nET BT\nendstream", []Change{Content}},
		{"page's size", 3, "<< /Type /Page /Parent 2 0 R /Contents 4 0 R /MediaBox [0 0 1 1] >>", []Change{Content}},
		{"inherited size", 2, "<< /Type /Pages /Kids [3 0 R] /Count 1 /MediaBox [0 0 1 1] >>", []Change{Content}},
		{"note", 3, "<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Annots [<< /Subtype /Text >>] >>", []Change{Annotation}},
		{"script", 1, "<< /Type /Catalog /Pages 2 0 R /OpenAction << /S /JavaScript >> >>", []Change{Content}},
		{"proof", 1, "<< /Type /Catalog /Pages 2 0 R /DSS << >> >>", []Change{Proof}},
		{"field", 1, "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [] /NeedAppearances true >> >>", []Change{Form}},
	} {
		got, err := Compare(open(t, base), open(t, grow(base, test.num, test.object)))
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v (%v)", test.name, got, test.want, err)
		}
	}
	fonts := slices.Clone(usual)
	fonts[2] = "<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font 5 0 R >> /MediaBox [0 0 595.3039370078 842] >>"
	shared := build(append(fonts, "<< /F1 6 0 R >>", "<< /Type /Font >>")...)
	for object, want := range map[string][]Change{
		"<< /F1 6 0 R /F2 6 0 R >>": {Form}, "<< /F1 << /Type /Font >> >>": {Content}, "<< /F1 6 0 R /F2 4 0 R >>": {Content}, "<< >>": {Content},
	} {
		if got, err := Compare(open(t, shared), open(t, grow(shared, 5, object))); err != nil || !slices.Equal(got, want) {
			t.Errorf("fonts become %s: %v, want %v (%v)", object, got, want, err)
		}
	}
	rounded := strings.Replace(fonts[2], "595.3039370078", "595.30393701", 1)
	if got, err := Compare(open(t, shared), open(t, grow(shared, 3, rounded))); err != nil || len(got) > 0 {
		t.Errorf("a rounded number: %v %v", got, err)
	}
	// A resource may be called like a key that is left aside elsewhere.
	odd := slices.Clone(usual)
	odd[2] = "<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /XObject << /Annots 5 0 R /Metadata 5 0 R >> >> >>"
	base = build(append(odd, "<< /Length 1 >>\nstream\nx\nendstream")...)
	if got, err := Compare(open(t, base), open(t, grow(base, 5, "<< /Length 1 >>\nstream\ny\nendstream"))); err != nil || !slices.Equal(got, []Change{Content}) {
		t.Errorf("picture with an odd name: %v %v", got, err)
	}
}

func FuzzOpen(f *testing.F) {
	base := build(usual...)
	f.Add(base)
	f.Add(crossed())
	f.Add(grow(base, 4, "<< /Length 5 >>\nstream\nET BT\nendstream"))
	f.Add(grow(base, 1, "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [9 0 R] >> >>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrLimit) {
				t.Fatalf("an error of reading from memory: %v", err)
			}
			return
		}
		_, _ = file.Fields()
		for num, e := range file.Entries() {
			o, _ := file.Get(Ref{num, e.Gen})
			if s, ok := o.(*Stream); ok {
				_, _ = file.Data(s)
			}
			Refs(o, func(Ref) {})
		}
		if got, err := Compare(file, file); err == nil && slices.Contains(got, Content) {
			t.Fatalf("a file differs from itself: %v", got)
		}
		_, _ = Compare(open(t, base), file)
	})
}
