package edxml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// node is an element. text is its character data without that of children.
type node struct {
	name       xml.Name
	attrs      []xml.Attr
	children   []*node
	text       string
	seen       bool // the mapping has read it
	start, end int64
}

// parse reads the whole message into a tree, within the limits.
func parse(data []byte) (*node, error) { return parseSkeleton(data, nil) }

// parseSkeleton reads a message from which contents were taken out. breaks
// tells the line breaks that are missing before an offset, nil that none is.
func parseSkeleton(data []byte, breaks func(offset int64) int) (*node, error) {
	p := &parser{dec: xml.NewDecoder(bytes.NewReader(data)), breaks: breaks}
	for {
		start := p.dec.InputOffset()
		tok, err := p.dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, p.syntax(err)
		}
		if err := p.token(tok, start); err != nil {
			return nil, err
		}
	}
	if p.root == nil {
		return nil, p.syntax(errors.New("no element"))
	}
	return p.root, nil
}

type parser struct {
	dec      *xml.Decoder
	breaks   func(offset int64) int
	root     *node
	stack    []*node
	spaces   []map[string]bool // namespaces bound by prefix, per open element
	texts    [][]byte          // character data per open element
	elements int
}

func (p *parser) token(tok xml.Token, start int64) error {
	switch t := tok.(type) {
	case xml.StartElement:
		return p.startElement(t, start)
	case xml.EndElement:
		last := len(p.stack) - 1
		n := p.stack[last]
		n.text, n.end = strings.TrimSpace(string(p.texts[last])), p.dec.InputOffset()
		p.stack, p.texts, p.spaces = p.stack[:last], p.texts[:last], p.spaces[:last]
	case xml.CharData:
		if len(p.stack) == 0 {
			if len(bytes.TrimSpace(t)) > 0 {
				return p.syntax(errors.New("text outside the root element"))
			}
			return nil
		}
		if !p.skipsText() {
			last := len(p.texts) - 1
			p.texts[last] = append(p.texts[last], t...)
		}
	case xml.Directive:
		return problem.New(problem.Usage, "edxml.doctype", "", nil)
	case xml.ProcInst:
		if t.Target == "xml" && start != 0 {
			return p.syntax(errors.New("XML declaration not at the start"))
		}
	}
	return nil
}

func (p *parser) startElement(t xml.StartElement, start int64) error {
	switch {
	case len(p.stack) == 0 && p.root != nil:
		return p.syntax(errors.New("second root element"))
	case len(p.stack) >= MaxDepth:
		return problem.New(problem.Usage, "edxml.too-deep", "", i18n.Args{"limit": MaxDepth})
	}
	if p.elements++; p.elements > MaxElements {
		return problem.New(problem.Usage, "edxml.too-many", "", i18n.Args{"limit": MaxElements})
	}
	var bound map[string]bool
	for _, a := range t.Attr {
		if a.Name.Space == "xmlns" || a.Name == (xml.Name{Local: "xmlns"}) {
			if bound == nil {
				bound = map[string]bool{}
			}
			bound[a.Value] = true
		}
	}
	p.spaces = append(p.spaces, bound)
	if !p.isBound(t.Name.Space) {
		return p.syntax(errors.New("prefix " + t.Name.Space + " is not bound"))
	}
	if err := p.attributes(t.Attr); err != nil {
		return p.syntax(err)
	}
	n := &node{name: t.Name, attrs: t.Attr, start: start}
	if len(p.stack) == 0 {
		p.root = n
	} else {
		parent := p.stack[len(p.stack)-1]
		parent.children = append(parent.children, n)
	}
	p.stack = append(p.stack, n)
	p.texts = append(p.texts, nil)
	return nil
}

const xmlNamespace = "http://www.w3.org/XML/1998/namespace"

// attributes checks what the decoder lets pass: prefixes that are not bound
// and an attribute that stands twice.
func (p *parser) attributes(list []xml.Attr) error {
	for i, a := range list {
		if space := a.Name.Space; space != "xmlns" && space != xmlNamespace && !p.isBound(space) {
			return errors.New("prefix " + space + " is not bound")
		}
		if i >= maxAttributes {
			return errors.New("too many attributes")
		}
		for _, before := range list[:i] {
			if before.Name == a.Name {
				return errors.New("attribute " + a.Name.Local + " stands twice")
			}
		}
	}
	return nil
}

// maxAttributes bounds the attributes of one element; the national message
// needs five.
const maxAttributes = 64

// isBound reports whether space was declared: the decoder leaves an undeclared
// prefix standing where the namespace should be.
func (p *parser) isBound(space string) bool {
	if space == "" {
		return true
	}
	for _, bound := range p.spaces {
		if bound[space] {
			return true
		}
	}
	return false
}

// skipsText reports whether the open element holds embedded content.
func (p *parser) skipsText() bool {
	return p.stack[len(p.stack)-1].name.Local == "ContentTransferEncoded"
}

// syntax says that the message is not well-formed, and where.
func (p *parser) syntax(err error) error {
	line, _ := p.dec.InputPos()
	if p.breaks != nil {
		line += p.breaks(p.dec.InputOffset())
	}
	return problem.New(problem.Usage, "edxml.malformed", "", i18n.Args{"line": line}).Because(err)
}

// is reports whether n is the element local of the current dialect.
func (n *node) is(local string) bool {
	return n.name.Space == Namespace && n.name.Local == local
}

// child returns the first child of any of the names and marks it as read.
func (n *node) child(names ...string) *node {
	if all := n.all(names...); len(all) > 0 {
		all[0].seen = true
		return all[0]
	}
	return nil
}

// all returns the children of any of the names, unmarked. A nil node has none.
func (n *node) all(names ...string) []*node {
	if n == nil {
		return nil
	}
	var found []*node
	for _, c := range n.children {
		for _, name := range names {
			if c.is(name) {
				found = append(found, c)
				break
			}
		}
	}
	return found
}
