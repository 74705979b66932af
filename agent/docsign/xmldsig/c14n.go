package xmldsig

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// method is a canonicalisation.
type method struct {
	exclusive, comments bool
	xml11               bool     // Canonical XML 1.1: xml:id and xml:base are not inherited
	prefixes            []string // InclusiveNamespaces of the exclusive form
}

var methods = map[string]method{
	"http://www.w3.org/TR/2001/REC-xml-c14n-20010315":              {},
	"http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments": {comments: true},
	"http://www.w3.org/2006/12/xml-c14n11":                         {xml11: true},
	"http://www.w3.org/2006/12/xml-c14n11#WithComments":            {xml11: true, comments: true},
	"http://www.w3.org/2001/10/xml-exc-c14n#":                      {exclusive: true},
	"http://www.w3.org/2001/10/xml-exc-c14n#WithComments":          {exclusive: true, comments: true},
}

const spaceExclusive = "http://www.w3.org/2001/10/xml-exc-c14n#"

// readMethod reads a CanonicalizationMethod or Transform. ok is false for what
// is no canonicalisation, or one with parameters that it should not have.
func readMethod(el *node) (m method, ok bool) {
	m, ok = methods[el.value("Algorithm")]
	if !ok {
		return m, false
	}
	for _, c := range el.children {
		switch {
		case c.kind == text && isBlank(c.data):
		case m.exclusive && m.prefixes == nil && c.is(spaceExclusive, "InclusiveNamespaces"):
			m.prefixes = strings.Fields(c.value("PrefixList"))
		default:
			return m, false
		}
	}
	return m, true
}

// canonical writes the canonical form of n, a document or an element with its
// context, without the branch skip.
func canonical(w io.Writer, n *node, m method, skip *node) error {
	c := &canon{w: w, method: m, skip: skip}
	switch n.kind {
	case document:
		c.document(n)
	case element:
		c.element(n, true)
	default:
		return fmt.Errorf("%w: neither document nor element", ErrMalformed)
	}
	return c.err
}

type canon struct {
	method
	w        io.Writer
	skip     *node
	rendered []binding // in force in the output, innermost last
	err      error
}

func (c *canon) put(parts ...string) {
	for _, s := range parts {
		if c.err == nil {
			_, c.err = io.WriteString(c.w, s)
		}
	}
}

func (c *canon) document(n *node) {
	after := false
	for _, child := range n.children {
		switch {
		case child.kind == element:
			c.element(child, true)
			after = true
		case child.kind == comment && !c.comments:
		case after:
			c.put("\n")
			c.node(child)
		default:
			c.node(child)
			c.put("\n")
		}
	}
}

func (c *canon) node(n *node) {
	switch n.kind {
	case element:
		c.element(n, false)
	case text:
		c.put(escapeText.Replace(n.data))
	case comment:
		if c.comments {
			c.put("<!--", n.data, "-->")
		}
	case instruction:
		c.put("<?", n.local)
		if n.data != "" {
			c.put(" ", n.data)
		}
		c.put("?>")
	}
}

func (c *canon) element(n *node, apex bool) {
	if n == c.skip || c.err != nil {
		return
	}
	depth := len(c.rendered)
	name := n.local
	if n.prefix != "" {
		name = n.prefix + ":" + n.local
	}
	c.put("<", name)
	c.declare(c.bindings(n, apex))
	for _, a := range c.attributes(n, apex) {
		c.put(" ")
		if a.prefix != "" {
			c.put(a.prefix, ":")
		}
		c.put(a.local, `="`, escapeAttr.Replace(a.value), `"`)
	}
	c.put(">")
	for _, child := range n.children {
		c.node(child)
	}
	c.put("</", name, ">")
	c.rendered = c.rendered[:depth]
}

// bindings are the namespaces that n may have to declare.
func (c *canon) bindings(n *node, apex bool) []binding {
	own := n.decls
	if apex {
		own = inScope(n)
	}
	if !c.exclusive {
		return own
	}
	var used []string
	use := func(prefix string) {
		if !slices.Contains(used, prefix) {
			used = append(used, prefix)
		}
	}
	use(n.prefix)
	for _, a := range n.attrs {
		if a.prefix != "" {
			use(a.prefix)
		}
	}
	for _, d := range own {
		listed := d.prefix
		if listed == "" {
			listed = "#default"
		}
		if slices.Contains(c.prefixes, listed) {
			use(d.prefix)
		}
	}
	all := make([]binding, len(used))
	for i, prefix := range used {
		space, _ := n.lookup(prefix)
		all[i] = binding{prefix, space}
	}
	return all
}

// inScope lists what is bound at n, each prefix once.
func inScope(n *node) []binding {
	var all []binding
	seen := map[string]bool{}
	for ; n != nil; n = n.parent {
		for _, d := range n.decls {
			if !seen[d.prefix] {
				seen[d.prefix] = true
				all = append(all, d)
			}
		}
	}
	return all
}

// declare writes those of the bindings that are not in force yet.
func (c *canon) declare(all []binding) {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b binding) int { return strings.Compare(a.prefix, b.prefix) })
	for _, d := range all {
		if d.prefix == "xml" || c.inForce(d.prefix) == d.space {
			continue
		}
		c.rendered = append(c.rendered, d)
		if d.prefix == "" {
			c.put(` xmlns="`)
		} else {
			c.put(" xmlns:", d.prefix, `="`)
		}
		c.put(escapeAttr.Replace(d.space), `"`)
	}
}

// inForce is what prefix means in the output so far; nothing is the empty
// namespace, which only the default can be set back to.
func (c *canon) inForce(prefix string) string {
	for i := len(c.rendered) - 1; i >= 0; i-- {
		if c.rendered[i].prefix == prefix {
			return c.rendered[i].space
		}
	}
	return ""
}

// attributes are those of n in canonical order; at the apex of an inclusive
// form with what is inherited in the xml namespace.
func (c *canon) attributes(n *node, apex bool) []attr {
	all := slices.Clone(n.attrs)
	if apex && !c.exclusive {
		for up := n.parent; up != nil; up = up.parent {
			for _, a := range up.attrs {
				if a.space != spaceXML || slices.ContainsFunc(all, func(b attr) bool { return b.space == spaceXML && b.local == a.local }) {
					continue
				}
				if c.xml11 && a.local == "base" && c.err == nil {
					c.err = fmt.Errorf("%w: xml:base above the signed element", errUnsupported)
				}
				if !c.xml11 || a.local == "lang" || a.local == "space" {
					all = append(all, a)
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b attr) int {
		if by := strings.Compare(a.space, b.space); by != 0 {
			return by
		}
		return strings.Compare(a.local, b.local)
	})
	return all
}

var (
	escapeText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#xD;")
	escapeAttr = strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;", "\t", "&#x9;", "\n", "&#xA;", "\r", "&#xD;")
)
