package xmldsig

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
)

// Check finds and checks all signatures in an XML document. Its error is one of
// [ErrMalformed], [ErrDoctype], [ErrEncoding] and [ErrLimit], wrapped; then
// nothing is known of the signatures. A document without any gives none.
func Check(data []byte) ([]Signature, error) {
	doc, err := parse(data)
	if err != nil {
		return nil, err
	}
	return checkDocument(doc, &meter{MaxCanonical}, nil)
}

func checkDocument(doc *node, m *meter, p *pack) ([]Signature, error) {
	found, err := findSignatures(doc)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	ids := indexIDs(doc)
	var all []Signature
	for _, el := range found {
		c := &check{doc: doc, ids: ids, meter: m, pack: p}
		c.result.ID = el.value("Id")
		if err := c.run(el); err != nil {
			return nil, err
		}
		c.result.Gaps = slices.Compact(slices.Sorted(slices.Values(c.result.Gaps)))
		all = append(all, c.result)
	}
	return all, nil
}

// check is the work on one signature.
type check struct {
	doc   *node
	ids   map[string][]*node
	meter *meter
	pack  *pack // in which the document lies, or nil

	sig    *sig
	covers []cover
	errs   []error
	result Signature
}

// run fills the result. An error is one of Check's.
func (c *check) run(el *node) error {
	var err error
	if c.sig, err = readSignature(el); err != nil {
		if err := c.note(err); err != nil {
			return err
		}
		return c.conclude()
	}
	c.result.Method = algorithmName(c.sig.method)
	for _, step := range []func() error{c.references, c.manifests, c.verify, c.properties} {
		if err := step(); err != nil {
			return err
		}
	}
	return c.conclude()
}

// note keeps a fault, and returns what is no fault but a limit.
func (c *check) note(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := faultOf(err); !ok {
		return err
	}
	c.errs = append(c.errs, err)
	return nil
}

// severity of faults, the one that says most first: what was changed is changed
// whatever else is wrong.
var severity = []Fault{FaultHash, FaultFormat, FaultSignature, FaultUnsupported, FaultMissing, FaultNoCertificate, FaultWeak}

// conclude sets fault and scope from what was found.
func (c *check) conclude() error {
	for _, f := range severity {
		for _, err := range c.errs {
			if fault, _ := faultOf(err); fault == f {
				c.result.Fault, c.result.Detail = f, clip(err.Error())
				return nil
			}
		}
	}
	var err error
	if c.result.Gaps, err = c.gaps(); err != nil {
		return err
	}
	if len(c.result.Gaps) == 0 {
		c.result.Scope = Whole
	}
	return nil
}

func clip(s string) string {
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "")
	}
	return s
}

// references digests what SignedInfo lists.
func (c *check) references() error { return c.digestAll(c.sig.refs) }

func (c *check) digestAll(refs []reference) error {
	for _, r := range refs {
		cov, weak, err := c.digest(r)
		if err != nil {
			if err := c.note(err); err != nil {
				return err
			}
			continue
		}
		if weak {
			c.errs = append(c.errs, c.weak("digest "+algorithmName(r.digest)))
		}
		c.covers = append(c.covers, cov)
		if name := cmpOr(r.uri, "/"); len(c.result.Covers) < 64 {
			c.result.Covers = append(c.result.Covers, clip(name))
		}
	}
	return nil
}

func cmpOr(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// manifests digests what the signed manifests within the signature list.
func (c *check) manifests() error {
	total := len(c.sig.refs)
	for _, object := range c.sig.objects {
		for _, m := range object.elements() {
			if !m.is(spaceDsig, "Manifest") || !c.covered(m) {
				continue
			}
			children, ok := strictChildren(m)
			if total += len(children); total > MaxReferences {
				return fmt.Errorf("%w: more than %d references", ErrLimit, MaxReferences)
			}
			refs, err := readReferences(children)
			if !ok {
				err = fmt.Errorf("%w: Manifest", errFormat)
			}
			if err != nil {
				return c.note(err)
			}
			if err := c.digestAll(refs); err != nil {
				return err
			}
		}
	}
	return nil
}

// verify checks the value over SignedInfo with each certificate in turn.
func (c *check) verify() error {
	value, err := readBase64(c.sig.value)
	if err != nil {
		return c.note(err)
	}
	c.result.Value = value
	if err := c.certificates(); err != nil {
		return err
	}
	alg, ok := algorithms[c.sig.method]
	switch {
	case !ok && isWeakMethod(c.sig.method):
		return c.note(c.weak(c.result.Method))
	case !ok:
		return c.note(fmt.Errorf("%w: method %s", errUnsupported, c.result.Method))
	case len(c.result.Certs) == 0:
		return c.note(fmt.Errorf("%w: none in KeyInfo", errNoCert))
	}
	d := digester{alg.hash.New(), c.meter}
	w := bufio.NewWriterSize(d, 16<<10)
	if err := canonical(w, c.sig.info, c.sig.c14n, nil); err != nil {
		return c.note(err)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	sum := d.Sum(nil)
	for _, cert := range c.result.Certs {
		if !alg.verify(cert.PublicKey, sum, value) {
			continue
		}
		c.result.Cert = cert
		if alg.weak(cert) {
			return c.note(c.weak(c.result.Method + weakKey(cert)))
		}
		return nil
	}
	c.result.Cert = c.result.Certs[0]
	return c.note(errSignature)
}

// weak is the fault of something that can be forged.
func (c *check) weak(what string) error {
	c.result.Weak = what
	return fmt.Errorf("%w: %s", errWeak, what)
}

// covered reports whether n was digested, as a node of the document.
func (c *check) covered(n *node) bool {
	return slices.ContainsFunc(c.covers, func(cov cover) bool {
		return cov.node != nil && n.within(cov.node) && (cov.skip == nil || !n.within(cov.skip))
	})
}
