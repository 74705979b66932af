package xmldsig

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	spaceXML   = "http://www.w3.org/XML/1998/namespace"
	spaceXMLNS = "http://www.w3.org/2000/xmlns/"
)

type kind uint8

const (
	document kind = iota
	element
	text
	comment
	instruction
)

// node is a node of a document. prefix, local and space are of an element;
// local is the target of an instruction; data is the rest.
type node struct {
	kind                 kind
	prefix, local, space string
	attrs                []attr // without declarations of namespaces
	decls                []binding
	data                 string
	parent               *node
	children             []*node
}

type attr struct{ prefix, local, space, value string }

// binding of a prefix, the empty one included, to a namespace.
type binding struct{ prefix, space string }

// parse reads a document within the limits. The result is of kind document and
// has exactly one element.
func parse(data []byte) (*node, error) {
	data, err := normalise(data)
	if err != nil {
		return nil, err
	}
	b := &builder{dec: xml.NewDecoder(bytes.NewReader(data)), doc: &node{kind: document}}
	b.top = b.doc
	for {
		start := b.dec.InputOffset()
		tok, err := b.dec.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		if err := b.token(tok, start); err != nil {
			return nil, err
		}
	}
	if b.top != b.doc || b.doc.root() == nil {
		return nil, fmt.Errorf("%w: no complete root element", ErrMalformed)
	}
	return b.doc, nil
}

type builder struct {
	dec      *xml.Decoder
	doc, top *node
	depth    int
	nodes    int
	bindings int // in scope at top
}

func (b *builder) token(tok xml.Token, start int64) error {
	switch t := tok.(type) {
	case xml.StartElement:
		return b.start(t)
	case xml.EndElement:
		if b.top == b.doc || t.Name.Space != b.top.prefix || t.Name.Local != b.top.local {
			return fmt.Errorf("%w: unexpected end tag", ErrMalformed)
		}
		b.bindings -= len(b.top.decls)
		b.top = b.top.parent
		b.depth--
	case xml.CharData:
		if b.top != b.doc {
			return b.add(&node{kind: text, data: string(t)})
		}
		if !isBlank(string(t)) {
			return fmt.Errorf("%w: text outside of the root element", ErrMalformed)
		}
	case xml.Comment:
		return b.add(&node{kind: comment, data: string(t)})
	case xml.ProcInst:
		if strings.EqualFold(t.Target, "xml") {
			if start != 0 {
				return fmt.Errorf("%w: XML declaration is not at the start", ErrMalformed)
			}
			return nil
		}
		return b.add(&node{kind: instruction, local: t.Target, data: string(t.Inst)})
	default:
		return ErrDoctype
	}
	return nil
}

func (b *builder) add(n *node) error {
	if b.nodes++; b.nodes > MaxNodes {
		return fmt.Errorf("%w: more than %d nodes", ErrLimit, MaxNodes)
	}
	n.parent = b.top
	b.top.children = append(b.top.children, n)
	return nil
}

func (b *builder) start(t xml.StartElement) error {
	switch {
	case b.top == b.doc && b.doc.root() != nil:
		return fmt.Errorf("%w: second root element", ErrMalformed)
	case b.depth >= MaxDepth:
		return fmt.Errorf("%w: more than %d levels", ErrLimit, MaxDepth)
	case len(t.Attr) > MaxAttributes:
		return fmt.Errorf("%w: more than %d attributes", ErrLimit, MaxAttributes)
	}
	n := &node{kind: element, prefix: t.Name.Space, local: t.Name.Local}
	if err := b.add(n); err != nil {
		return err
	}
	if err := n.setAttributes(t.Attr); err != nil {
		return err
	}
	if b.bindings += len(n.decls); b.bindings > MaxBindings {
		return fmt.Errorf("%w: more than %d namespaces in scope", ErrLimit, MaxBindings)
	}
	b.top = n
	b.depth++
	return n.resolve()
}

func (n *node) setAttributes(attrs []xml.Attr) error {
	for _, a := range attrs {
		switch {
		case a.Name.Space == "" && a.Name.Local == "xmlns":
			n.decls = append(n.decls, binding{"", a.Value})
		case a.Name.Space == "xmlns":
			if a.Value == "" || a.Name.Local == "xmlns" {
				return fmt.Errorf("%w: declaration of prefix %s", ErrMalformed, a.Name.Local)
			}
			n.decls = append(n.decls, binding{a.Name.Local, a.Value})
		default:
			n.attrs = append(n.attrs, attr{prefix: a.Name.Space, local: a.Name.Local, value: a.Value})
		}
	}
	for i, d := range n.decls {
		if d.space == spaceXMLNS || (d.prefix == "xml") != (d.space == spaceXML) {
			return fmt.Errorf("%w: reserved namespace", ErrMalformed)
		}
		for _, other := range n.decls[:i] {
			if other.prefix == d.prefix {
				return fmt.Errorf("%w: prefix declared twice", ErrMalformed)
			}
		}
	}
	return nil
}

// resolve finds the namespaces of an element and its attributes.
func (n *node) resolve() error {
	var ok bool
	if n.space, ok = n.lookup(n.prefix); !ok && n.prefix != "" || strings.Contains(n.local, ":") {
		return fmt.Errorf("%w: prefix of %s is not bound", ErrMalformed, n.local)
	}
	for i := range n.attrs {
		a := &n.attrs[i]
		if strings.Contains(a.local, ":") {
			return fmt.Errorf("%w: name of an attribute", ErrMalformed)
		}
		if a.prefix != "" {
			if a.space, ok = n.lookup(a.prefix); !ok {
				return fmt.Errorf("%w: prefix of %s is not bound", ErrMalformed, a.local)
			}
		}
		for _, other := range n.attrs[:i] {
			if other.local == a.local && other.space == a.space {
				return fmt.Errorf("%w: attribute %s twice", ErrMalformed, a.local)
			}
		}
	}
	return nil
}

// lookup returns what prefix is bound to at n.
func (n *node) lookup(prefix string) (space string, ok bool) {
	if prefix == "xml" {
		return spaceXML, true
	}
	for ; n != nil; n = n.parent {
		for _, d := range n.decls {
			if d.prefix == prefix {
				return d.space, true
			}
		}
	}
	return "", false
}

// root is the one element of a document.
func (n *node) root() *node {
	for _, c := range n.children {
		if c.kind == element {
			return c
		}
	}
	return nil
}

func (n *node) is(space, local string) bool {
	return n.kind == element && n.space == space && n.local == local
}

// elements returns the children that are elements.
func (n *node) elements() []*node {
	var found []*node
	for _, c := range n.children {
		if c.kind == element {
			found = append(found, c)
		}
	}
	return found
}

// child returns the only child of that name, or nil when there are none or several.
func (n *node) child(space, local string) *node {
	var found *node
	for _, c := range n.children {
		if !c.is(space, local) {
			continue
		}
		if found != nil {
			return nil
		}
		found = c
	}
	return found
}

// value is an attribute without namespace.
func (n *node) value(local string) string {
	for _, a := range n.attrs {
		if a.space == "" && a.local == local {
			return a.value
		}
	}
	return ""
}

// leaf returns the text of an element that holds nothing else: a comment would
// let two readers see two values.
func (n *node) leaf() (string, bool) {
	var s strings.Builder
	for _, c := range n.children {
		if c.kind != text {
			return "", false
		}
		s.WriteString(c.data)
	}
	return s.String(), true
}

// within reports whether n is top or lies below it.
func (n *node) within(top *node) bool {
	for ; n != nil; n = n.parent {
		if n == top {
			return true
		}
	}
	return false
}

// walk calls f for n and everything below until f returns false for a branch.
func (n *node) walk(f func(*node) bool) {
	if !f(n) {
		return
	}
	for _, c := range n.children {
		c.walk(f)
	}
}

// size counts n and everything below.
func (n *node) size() (count int) {
	n.walk(func(*node) bool { count++; return true })
	return count
}

func isBlank(s string) bool { return strings.Trim(s, " \t\n\r") == "" }
