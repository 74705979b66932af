package xmldsig

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

const spaceDsig = "http://www.w3.org/2000/09/xmldsig#"

// sig is a ds:Signature element, its shape checked.
type sig struct {
	el, info, value *node
	keyInfo         *node // may be nil
	objects         []*node
	c14n            method
	method          string
	refs            []reference
}

type reference struct {
	uri, typ   string
	hasURI     bool
	transforms []*node
	digest     string
	value      []byte
}

// findSignatures lists the signatures of a document in its order. Those within
// the unsigned part of another one (countersignatures) are left out.
func findSignatures(doc *node) ([]*node, error) {
	var found []*node
	doc.walk(func(n *node) bool {
		if n.kind == element && n.local == "UnsignedProperties" && isXAdES(n.space) {
			return false
		}
		if n.is(spaceDsig, "Signature") {
			found = append(found, n)
		}
		return n.kind == element || n.kind == document
	})
	if len(found) > MaxSignatures {
		return nil, fmt.Errorf("%w: more than %d signatures", ErrLimit, MaxSignatures)
	}
	return found, nil
}

func readSignature(el *node) (*sig, error) {
	s := &sig{el: el}
	children, ok := strictChildren(el)
	if !ok || len(children) < 2 || !children[0].is(spaceDsig, "SignedInfo") || !children[1].is(spaceDsig, "SignatureValue") {
		return nil, fmt.Errorf("%w: Signature", errFormat)
	}
	s.info, s.value, children = children[0], children[1], children[2:]
	if len(children) > 0 && children[0].is(spaceDsig, "KeyInfo") {
		s.keyInfo, children = children[0], children[1:]
	}
	for _, c := range children {
		if !c.is(spaceDsig, "Object") {
			return nil, fmt.Errorf("%w: %s in Signature", errFormat, c.local)
		}
	}
	s.objects = children
	return s, s.readInfo()
}

func (s *sig) readInfo() error {
	children, ok := strictChildren(s.info)
	if !ok || len(children) < 3 || !children[0].is(spaceDsig, "CanonicalizationMethod") || !children[1].is(spaceDsig, "SignatureMethod") {
		return fmt.Errorf("%w: SignedInfo", errFormat)
	}
	if s.c14n, ok = readMethod(children[0]); !ok {
		return fmt.Errorf("%w: canonicalisation %s", errUnsupported, children[0].value("Algorithm"))
	}
	s.method = children[1].value("Algorithm")
	if len(children[1].elements()) > 0 {
		return fmt.Errorf("%w: parameters of the signature method", errUnsupported)
	}
	if len(children)-2 > MaxReferences {
		return fmt.Errorf("%w: more than %d references", ErrLimit, MaxReferences)
	}
	var err error
	s.refs, err = readReferences(children[2:])
	return err
}

func readReferences(els []*node) ([]reference, error) {
	refs := make([]reference, 0, len(els))
	for _, el := range els {
		if !el.is(spaceDsig, "Reference") {
			return nil, fmt.Errorf("%w: %s among references", errFormat, el.local)
		}
		r, err := readReference(el)
		if err != nil {
			return nil, err
		}
		refs = append(refs, r)
	}
	return refs, nil
}

func readReference(el *node) (reference, error) {
	r := reference{uri: el.value("URI"), typ: el.value("Type")}
	r.hasURI = slices.ContainsFunc(el.attrs, func(a attr) bool { return a.space == "" && a.local == "URI" })
	children, ok := strictChildren(el)
	if ok && len(children) > 0 && children[0].is(spaceDsig, "Transforms") {
		r.transforms, ok = strictChildren(children[0])
		children = children[1:]
	}
	if !ok || len(children) != 2 || !children[0].is(spaceDsig, "DigestMethod") || !children[1].is(spaceDsig, "DigestValue") {
		return r, fmt.Errorf("%w: Reference", errFormat)
	}
	r.digest = children[0].value("Algorithm")
	var err error
	r.value, err = readBase64(children[1])
	return r, err
}

// strictChildren returns the elements of an element that has no text between.
func strictChildren(el *node) ([]*node, bool) {
	for _, c := range el.children {
		if c.kind == text && !isBlank(c.data) || c.kind == instruction {
			return nil, false
		}
	}
	return el.elements(), true
}

func readBase64(el *node) ([]byte, error) {
	s, ok := el.leaf()
	if !ok {
		return nil, fmt.Errorf("%w: %s holds more than text", errFormat, el.local)
	}
	data, err := base64.StdEncoding.Strict().DecodeString(stripBlank(s))
	if err != nil || len(data) == 0 {
		return nil, fmt.Errorf("%w: %s is not base64", errFormat, el.local)
	}
	return data, nil
}

func stripBlank(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\n\r", r) {
			return -1
		}
		return r
	}, s)
}

// algorithmName shortens an algorithm's URI for people.
func algorithmName(uri string) string {
	if i := strings.LastIndexAny(uri, "#/"); i >= 0 {
		uri = uri[i+1:]
	}
	if len(uri) > 40 {
		uri = uri[:40]
	}
	return uri
}
