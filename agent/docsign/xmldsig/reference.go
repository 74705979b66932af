package xmldsig

import (
	"bufio"
	"bytes"
	"crypto"
	"fmt"
	"hash"
	"io"
	"net/url"
	"strings"
)

const (
	algEnveloped    = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
	typManifest     = "http://www.w3.org/2000/09/xmldsig#Manifest"
	typProperties   = "http://www.w3.org/2000/09/xmldsig#SignatureProperties"
	typSignedPrefix = "http://uri.etsi.org/01903" // any version of XAdES SignedProperties
)

// meter bounds the work for one document or package.
type meter struct{ left int64 }

func (m *meter) take(n int) error {
	if m.left -= int64(n); m.left < 0 {
		return fmt.Errorf("%w: too much to read and digest", ErrLimit)
	}
	return nil
}

// costOfNode is what looking at a node counts, beside what it writes.
const costOfNode = 16

// digester digests within a meter.
type digester struct {
	hash.Hash
	meter *meter
}

func (d digester) Write(p []byte) (int, error) {
	if err := d.meter.take(len(p)); err != nil {
		return 0, err
	}
	return d.Hash.Write(p)
}

// cover is what one reference has digested: a branch of the signature's own
// document, or a part.
type cover struct {
	node *node // document or element; nil for a part
	skip *node // the signature that was left out, or nil
	uri  string
	typ  string
	// relations are those that a relationship transform kept; nil without one.
	relations []relation
	splits    bool // comments that split text were dropped from it
}

// digest works one reference out. weak tells of a digest that can be forged.
func (c *check) digest(r reference) (cov cover, weak bool, err error) {
	h, ok := digests[r.digest]
	if !ok {
		if isWeakMethod(r.digest) {
			return cov, true, c.weak("digest " + algorithmName(r.digest))
		}
		return cov, false, fmt.Errorf("%w: digest %s", errUnsupported, algorithmName(r.digest))
	}
	if len(r.transforms) > 3 {
		return cov, false, fmt.Errorf("%w: more than three transforms", errUnsupported)
	}
	cov, sum, err := c.sum(r, h.New(), false)
	if err == nil && !bytes.Equal(sum, r.value) && len(cov.relations) > 0 {
		cov, sum, err = c.sum(r, h.New(), true)
	}
	if err == nil && !bytes.Equal(sum, r.value) {
		err = fmt.Errorf("%w: reference %q", errHash, r.uri)
	}
	return cov, h == crypto.SHA1, err
}

// sum gives the digest of what a reference names; texts is of [filterRelations].
func (c *check) sum(r reference, h hash.Hash, texts bool) (cov cover, sum []byte, err error) {
	cov = cover{uri: r.uri, typ: r.typ}
	w := bufio.NewWriterSize(digester{h, c.meter}, 16<<10)
	if r.hasURI && (r.uri == "" || strings.HasPrefix(r.uri, "#")) {
		err = c.digestNodes(w, r, &cov)
	} else {
		err = c.digestOctets(w, r, texts, &cov)
	}
	if err == nil {
		err = w.Flush()
	}
	return cov, h.Sum(nil), err
}

// digestNodes digests a branch of the signature's own document. References of
// this kind never take comments (XMLDSig 4.4.3.3).
func (c *check) digestNodes(w *bufio.Writer, r reference, cov *cover) error {
	n, err := c.target(r.uri)
	if err != nil {
		return err
	}
	cov.node = n
	if err := c.meter.take(costOfNode * n.size()); err != nil {
		return err
	}
	m := method{} // without canonicalisation it is the inclusive one
	for i, t := range r.transforms {
		alg := t.value("Algorithm")
		if alg == algEnveloped && len(t.elements()) == 0 {
			if n.within(c.sig.el) {
				return fmt.Errorf("%w: the transforms leave nothing", errFormat)
			}
			if c.sig.el.within(n) {
				cov.skip = c.sig.el
			}
			continue
		}
		var ok bool
		if m, ok = readMethod(t); !ok || i != len(r.transforms)-1 {
			return fmt.Errorf("%w: transform %s", errUnsupported, algorithmName(alg))
		}
	}
	m.comments = false
	cov.splits = splitsText(n, cov.skip)
	return canonical(w, n, m, cov.skip)
}

// digestOctets digests what lies outside of the signature's document.
func (c *check) digestOctets(w *bufio.Writer, r reference, texts bool, cov *cover) error {
	if c.pack == nil || !r.hasURI {
		return fmt.Errorf("%w: reference %q", errMissing, r.uri)
	}
	content, err := c.pack.open(r.uri)
	if err != nil {
		return err
	}
	defer content.Close()
	if len(r.transforms) == 0 {
		_, err := io.Copy(w, content)
		return zipError(err)
	}
	doc, err := readXML(content)
	if err != nil {
		return fmt.Errorf("part %q: %w", r.uri, zipError(err))
	}
	transforms := r.transforms
	if transforms[0].value("Algorithm") == algRelationship {
		if doc, cov.relations, err = filterRelations(doc, transforms[0], texts); err != nil {
			return err
		}
		transforms = transforms[1:]
	}
	m := method{}
	if len(transforms) > 0 {
		var ok bool
		if m, ok = readMethod(transforms[0]); !ok || len(transforms) > 1 {
			return fmt.Errorf("%w: transform %s", errUnsupported, algorithmName(transforms[0].value("Algorithm")))
		}
	}
	cov.splits = !m.comments && splitsText(doc, nil)
	return canonical(w, doc, m, nil)
}

// target finds what a same-document reference names. An id that stands twice
// names nothing: two readers could follow it to two places.
func (c *check) target(uri string) (*node, error) {
	if uri == "" {
		return c.doc, nil
	}
	id := uri[1:]
	if strings.ContainsAny(id, "()") {
		return nil, fmt.Errorf("%w: XPointer", errUnsupported)
	}
	if plain, err := url.PathUnescape(id); err == nil {
		id = plain
	}
	found := c.ids[id]
	switch {
	case id == "":
		return nil, fmt.Errorf("%w: empty fragment", errFormat)
	case len(found) == 0:
		return nil, fmt.Errorf("%w: nothing has the id %q", errMissing, id)
	case len(found) > 1:
		return nil, fmt.Errorf("%w: id %q stands twice", errFormat, id)
	}
	return found[0], nil
}

// indexIDs maps ids to elements. Without a DTD nothing says which attribute is
// the id: whatever is called so counts, in any case and namespace.
func indexIDs(doc *node) map[string][]*node {
	ids := map[string][]*node{}
	doc.walk(func(n *node) bool {
		for _, a := range n.attrs {
			if strings.EqualFold(a.local, "id") {
				ids[a.value] = append(ids[a.value], n)
			}
		}
		return true
	})
	return ids
}

// splitsText reports whether text below n comes after a comment, or after the
// signature that is left out: what is digested joins the text, what some readers
// see ends there. Both can be moved under the signature.
func splitsText(n, skip *node) bool {
	found := false
	n.walk(func(n *node) bool {
		if n == skip || found {
			return false
		}
		split := false
		for _, c := range n.children {
			split = split || c.kind == comment || c == skip && skip != nil
			found = found || split && c.kind == text && !isBlank(c.data)
		}
		return true
	})
	return found
}
