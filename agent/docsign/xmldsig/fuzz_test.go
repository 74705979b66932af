package xmldsig

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"slices"
	"strings"
	"testing"
)

// visible is what a reader takes for the content of a document: all names,
// attributes and texts but those of the signature's own elements. Where an
// enveloped signature stands does not matter; what it holds comes last.
func visible(doc *node) string {
	var b, last strings.Builder
	var visit func(n *node)
	visit = func(n *node) {
		switch {
		case n.kind == comment, isXAdES(n.space), n.space == spaceDsig && n.local != "Object" && n.local != "Signature":
			return
		case n.kind == text:
			b.WriteString(n.data)
			return
		case n.is(spaceDsig, "Signature") && n.parent.kind == element:
			last.WriteString(visible(&node{kind: document, children: n.children}))
			return
		}
		if n.space != spaceDsig { // an Object around what is signed shows nothing
			b.WriteString("\x00" + n.space + "\x01" + n.local + "\x02" + n.data)
			for _, a := range slices.SortedFunc(slices.Values(n.attrs), func(a, b attr) int { return strings.Compare(a.space+a.local, b.space+b.local) }) {
				b.WriteString("\x03" + a.space + "\x01" + a.local + "\x02" + a.value)
			}
		}
		for _, c := range n.children {
			visit(c)
		}
		if n.space != spaceDsig {
			b.WriteString("\x04")
		}
	}
	visit(doc)
	return b.String() + last.String()
}

// fixedSigner has the same key in every process: the one that makes the seeds
// is not the one that runs them.
func fixedSigner(f *testing.F) signer {
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{7}, 32))
	if err != nil {
		f.Fatal(err)
	}
	return newSigner(f, key, "UBND xa An Binh")
}

// made reports whether a signature verified with the key of s.
func (s signer) made(sig Signature) bool {
	key, ok := sig.Cert.PublicKey.(*ecdsa.PublicKey)
	return ok && key.Equal(s.key.Public())
}

// FuzzCheck: hostile bytes give an error, a fault or a part, never a panic, and
// never hold for the whole with other content than was signed.
func FuzzCheck(f *testing.F) {
	key := fixedSigner(f)
	signed := map[string]bool{}
	for _, s := range goodSamples(f, key, key) {
		f.Add([]byte(s.doc))
		if s.scope == Whole {
			signed[visible(mustParse(f, s.doc))] = true
		}
	}
	for _, s := range hostileSamples(f, key, key) {
		f.Add([]byte(s.doc))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := Check(data)
		if err != nil {
			return
		}
		for _, s := range all {
			if s.Fault != "" || s.Scope != Whole || !key.made(s) {
				continue
			}
			if !signed[visible(mustParse(t, string(data)))] {
				t.Errorf("holds for content that nobody signed:\n%s", data)
			}
		}
	})
}

// FuzzWrapping takes signed documents apart and puts them together in other
// ways: three bytes are an operation and the two nodes that it is about.
func FuzzWrapping(f *testing.F) {
	key := fixedSigner(f)
	samples := goodSamples(f, key, key)
	signed := map[string]bool{}
	for i, s := range samples {
		if s.scope == Whole {
			signed[visible(mustParse(f, s.doc))] = true
		}
		for op := range byte(6) {
			f.Add(byte(i), []byte{op, 2, 5, op + 1, 7, 1})
		}
	}
	f.Fuzz(func(t *testing.T, sample byte, ops []byte) {
		doc := mustParse(t, samples[int(sample)%len(samples)].doc)
		for ; len(ops) >= 3; ops = ops[3:] {
			rearrange(doc, ops[0]%6, ops[1], ops[2])
			if doc.size() > 500 {
				return
			}
		}
		data := canonicalString(t, doc, method{comments: true}, nil)
		all, err := Check([]byte(data))
		if err != nil {
			return
		}
		for _, s := range all {
			if s.Fault == "" && s.Scope == Whole && key.made(s) && !signed[visible(mustParse(t, data))] {
				t.Errorf("holds for content that nobody signed:\n%s", data)
			}
		}
	})
}

// rearrange does one operation: 0 removes a, 1 copies a into b, 2 moves a into
// b, 3 puts a comment into a, 4 wraps a in a new element or an Object, 5 gives a
// the id of b.
func rearrange(doc *node, op, a, b byte) {
	var els []*node
	doc.walk(func(n *node) bool {
		if n.kind == element {
			els = append(els, n)
		}
		return true
	})
	if len(els) == 0 {
		return
	}
	x, y := els[int(a)%len(els)], els[int(b)%len(els)]
	switch {
	case op == 0 && x.parent != doc:
		x.detach()
	case op == 1 && y != x:
		y.adopt(x.copy(), b)
	case op == 2 && !y.within(x):
		x.detach()
		y.adopt(x, b)
	case op == 3:
		x.adopt(&node{kind: comment, data: "c"}, b)
	case op == 4:
		wrap := &node{kind: element, local: "An"}
		if b%2 == 0 {
			wrap = &node{kind: element, local: "Object", prefix: "ds", space: spaceDsig, decls: []binding{{"ds", spaceDsig}}}
		}
		up := x.parent
		up.children[slices.Index(up.children, x)], wrap.parent = wrap, up
		wrap.adopt(x, 0)
	case op == 5:
		x.attrs = append(slices.DeleteFunc(x.attrs, func(a attr) bool { return a.local == "Id" }), attr{local: "Id", value: y.value("Id")})
	}
}

func (n *node) detach() {
	n.parent.children = slices.DeleteFunc(n.parent.children, func(c *node) bool { return c == n })
}

func (n *node) adopt(c *node, at byte) {
	c.parent = n
	n.children = slices.Insert(n.children, int(at)%(len(n.children)+1), c)
}

func (n *node) copy() *node {
	c := *n
	c.children, c.attrs = nil, slices.Clone(n.attrs)
	for _, child := range n.children {
		child = child.copy()
		child.parent = &c
		c.children = append(c.children, child)
	}
	return &c
}

// FuzzCanonical: the canonical form of what parses is its own canonical form.
func FuzzCanonical(f *testing.F) {
	for _, doc := range tricky {
		f.Add([]byte(doc))
	}
	f.Add([]byte(docx()[4].data))
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := parse(data)
		if err != nil {
			return
		}
		for _, m := range []method{{comments: true}, {exclusive: true, comments: true}, {xml11: true}, {exclusive: true, prefixes: []string{"p", "#default"}}} {
			out := digester{&sink{}, &meter{1 << 22}}
			if err := canonical(out, doc, m, nil); err != nil {
				continue // longer than this test looks at
			}
			once := out.Hash.(*sink).String()
			if twice := canonicalString(t, mustParse(t, once), m, nil); twice != once {
				t.Errorf("%+v: %q becomes %q", m, once, twice)
			}
		}
	})
}

// sink keeps what it would digest.
type sink struct{ bytes.Buffer }

func (s *sink) Sum(b []byte) []byte { return append(b, s.Bytes()...) }
func (s *sink) Size() int           { return s.Len() }
func (s *sink) BlockSize() int      { return 1 }

// FuzzCheckPackage: the same for archives.
func FuzzCheckPackage(f *testing.F) {
	s := fixedSigner(f)
	d, o := s.docx(f), s.odt(f)
	content := map[string]string{"word/document.xml": docx()[3].data, "content.xml": odt()[1].data}
	for _, members := range [][]member{d, o, docx(), odt(), {{"a", "b"}}, append(slices.Clone(d), member{"word/an.xml", "<a/>"}),
		edited(f, d, "word/document.xml", "100", "900"), without(o, "mimetype")} {
		f.Add(zipped(f, members))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, all, err := CheckPackage(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		for _, sig := range all {
			if sig.Fault != "" || sig.Scope != Whole || !s.made(sig) {
				continue
			}
			p, err := openPack(bytes.NewReader(data), int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			name := map[Packaging]string{OOXML: "word/document.xml", ODF: "content.xml"}[p.kind]
			got, err := p.xml(p.find(name))
			if err != nil {
				t.Fatalf("holds without %s: %v", name, err)
			}
			if visible(got) != visible(mustParse(t, content[name])) {
				t.Errorf("holds with another %s", name)
			}
		}
	})
}
