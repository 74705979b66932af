package xmldsig

import (
	"slices"
	"strings"
)

// gaps lists what lies outside of the covers.
func (c *check) gaps() ([]Gap, error) {
	gaps, err := c.gapsAround()
	if err != nil {
		return nil, err
	}
	if !c.keyInfoIsPlain() || slices.ContainsFunc(c.sig.objects, func(o *node) bool { return !c.objectIsCovered(o) }) || !c.coversContent() {
		gaps = append(gaps, GapObject)
	}
	if slices.ContainsFunc(c.covers, func(cov cover) bool { return cov.splits }) {
		gaps = append(gaps, GapComment)
	}
	return gaps, nil
}

// gapsAround looks at what is not within the signature.
func (c *check) gapsAround() (gaps []Gap, err error) {
	if c.pack != nil {
		left, err := c.pack.uncovered(c.covers)
		if len(left) > 0 {
			c.result.Detail = clip("not signed: " + strings.Join(left, ", "))
			gaps = append(gaps, GapParts)
		}
		return gaps, err
	}
	root := c.doc.root()
	wholeDocument := slices.ContainsFunc(c.covers, func(cov cover) bool { return cov.node == c.doc })
	if root != c.sig.el && !c.covered(root) {
		gaps = append(gaps, GapElement)
	}
	if !wholeDocument && slices.ContainsFunc(c.doc.children, func(n *node) bool { return n.kind == instruction }) {
		gaps = append(gaps, GapInstruction)
	}
	return gaps, nil
}

// coversContent reports whether anything but the signature's own elements and
// properties was signed.
func (c *check) coversContent() bool {
	return slices.ContainsFunc(c.covers, func(cov cover) bool {
		switch {
		case cov.typ == typProperties || strings.HasPrefix(cov.typ, typSignedPrefix):
			return false
		case cov.node == nil || !cov.node.within(c.sig.el):
			return true
		}
		return !slices.Contains([]string{"SignatureProperties", "SignatureProperty"}, cov.node.local) && !isXAdES(cov.node.space) &&
			slices.ContainsFunc(c.sig.objects, func(o *node) bool { return cov.node.within(o) })
	})
}

// objectIsCovered reports whether an Object of the signature holds nothing that
// is not signed, but for XAdES properties, which are made after the signature.
func (c *check) objectIsCovered(object *node) bool {
	if c.covered(object) {
		return true
	}
	children, ok := strictChildren(object)
	return ok && !slices.ContainsFunc(children, func(n *node) bool {
		return !c.covered(n) && !c.isQualifying(n) && !c.isProperties(n)
	})
}

// isProperties reports whether n is SignatureProperties each of which is covered.
func (c *check) isProperties(n *node) bool {
	children, ok := strictChildren(n)
	return ok && n.is(spaceDsig, "SignatureProperties") && !slices.ContainsFunc(children, func(p *node) bool { return !c.covered(p) })
}

// isQualifying reports whether n is QualifyingProperties whose signed half is
// covered and whose unsigned half holds nothing foreign.
func (c *check) isQualifying(n *node) bool {
	if n.local != "QualifyingProperties" || !isXAdES(n.space) {
		return false
	}
	children, ok := strictChildren(n)
	return ok && !slices.ContainsFunc(children, func(half *node) bool {
		return !c.covered(half) && !(half.is(n.space, "UnsignedProperties") && isPlain(half, isXAdES))
	})
}

// keyInfoIsPlain reports whether KeyInfo holds only what belongs there.
func (c *check) keyInfoIsPlain() bool {
	return c.sig.keyInfo == nil || isPlain(c.sig.keyInfo, func(space string) bool {
		return space == "http://www.w3.org/2009/xmldsig11#"
	})
}

// isPlain reports whether all elements below n are of XMLDSig or of a space
// that also passes.
func isPlain(n *node, also func(space string) bool) bool {
	plain := true
	n.walk(func(n *node) bool {
		if n.kind == element && n.space != spaceDsig && !also(n.space) {
			plain = false
		}
		return plain
	})
	return plain
}
