package xmldsig

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"time"
)

// isXAdES knows the namespaces of ETSI's properties.
func isXAdES(space string) bool {
	return slices.Contains([]string{
		"http://uri.etsi.org/01903/v1.1.1#", "http://uri.etsi.org/01903/v1.2.2#",
		"http://uri.etsi.org/01903/v1.3.2#", "http://uri.etsi.org/01903/v1.4.1#",
	}, space)
}

// maxStamps of one signature that are handed on.
const maxStamps = 4

// maxRevocations is how many lists, and how many answers, of one signature are
// handed on.
const maxRevocations = 16

// certificates reads X509Data of KeyInfo. Other kinds of keys prove nobody and
// are not read.
func (c *check) certificates() error {
	if c.sig.keyInfo == nil {
		return nil
	}
	for _, data := range c.sig.keyInfo.elements() {
		if !data.is(spaceDsig, "X509Data") {
			continue
		}
		for _, el := range data.elements() {
			if !el.is(spaceDsig, "X509Certificate") {
				continue
			}
			if len(c.result.Certs) == MaxCertificates {
				return fmt.Errorf("%w: more than %d certificates", ErrLimit, MaxCertificates)
			}
			der, err := readBase64(el)
			if err != nil {
				return c.note(err)
			}
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				continue // one that cannot be read cannot have signed
			}
			c.result.Certs = append(c.result.Certs, cert)
		}
	}
	return nil
}

// properties reads what of XAdES is used: of the signed half, only where the
// signature covers it, SigningTime and SigningCertificate or its second
// version; of the unsigned half SignatureTimeStamp, CertificateValues and
// RevocationValues. Office packages have their
// own signing time beside it.
func (c *check) properties() error {
	for _, object := range c.sig.objects {
		for _, q := range object.elements() {
			var err error
			switch {
			case q.local == "QualifyingProperties" && isXAdES(q.space):
				err = c.qualifying(q)
			case q.is(spaceDsig, "SignatureProperties") && c.covered(q):
				c.officeTime(q)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *check) qualifying(q *node) error {
	if signed := q.child(q.space, "SignedProperties"); signed != nil && c.covered(signed) {
		if props := signed.child(q.space, "SignedSignatureProperties"); props != nil {
			c.signingTime(props.child(q.space, "SigningTime"))
			if err := c.note(c.signingCertificate(props)); err != nil {
				return err
			}
		}
	}
	if unsigned := q.child(q.space, "UnsignedProperties"); unsigned != nil {
		if props := unsigned.child(q.space, "UnsignedSignatureProperties"); props != nil {
			c.along(props)
			return c.stamps(props)
		}
	}
	return nil
}

// along collects certificates and revocation data of the unsigned half. They
// prove themselves by their own signatures.
func (c *check) along(props *node) {
	for _, m := range []struct {
		path []string
		take func(der []byte)
	}{
		{[]string{"CertificateValues", "EncapsulatedX509Certificate"}, func(der []byte) {
			if cert, err := x509.ParseCertificate(der); err == nil && len(c.result.Certs) < MaxCertificates {
				c.result.Certs = append(c.result.Certs, cert)
			}
		}},
		{[]string{"RevocationValues", "CRLValues", "EncapsulatedCRLValue"}, func(der []byte) {
			if len(c.result.CRLs) < maxRevocations {
				c.result.CRLs = append(c.result.CRLs, der)
			}
		}},
		{[]string{"RevocationValues", "OCSPValues", "EncapsulatedOCSPValue"}, func(der []byte) {
			if len(c.result.OCSPs) < maxRevocations {
				c.result.OCSPs = append(c.result.OCSPs, der)
			}
		}},
	} {
		up := props
		for _, name := range m.path[:len(m.path)-1] {
			if up = up.child(props.space, name); up == nil {
				break
			}
		}
		if up == nil {
			continue
		}
		for _, el := range up.elements() {
			if der, err := readBase64(el); err == nil && el.is(props.space, m.path[len(m.path)-1]) {
				m.take(der)
			}
		}
	}
}

func (c *check) signingTime(el *node) {
	if el == nil {
		return
	}
	s, _ := el.leaf()
	if t, err := time.Parse(time.RFC3339, stripBlank(s)); err == nil {
		c.result.SignedAt = t
		return
	}
	// LibreOffice writes the time of its machine without a zone in odt files.
	if t, err := time.ParseInLocation("2006-01-02T15:04:05", stripBlank(s), vietnam); err == nil {
		c.result.SignedAt = t
	}
}

var vietnam = time.FixedZone("+07", 7*60*60)

// officeTime reads the SignatureTime of a package signature (ISO/IEC 29500-2,
// 13.2.4.20), in full precision.
func (c *check) officeTime(q *node) {
	q.walk(func(n *node) bool {
		if n.is(spacePackage, "SignatureTime") && c.result.SignedAt.IsZero() {
			c.signingTime(n.child(spacePackage, "Value"))
		}
		return true
	})
}

// signingCertificate checks that the certificate which verified is the one that
// the signer signed along. Without the property the certificate is not bound.
func (c *check) signingCertificate(props *node) error {
	for _, name := range []string{"SigningCertificate", "SigningCertificateV2"} {
		el := props.child(props.space, name)
		if el == nil {
			continue
		}
		certs := el.elements()
		if len(certs) == 0 || !certs[0].is(props.space, "Cert") || c.result.Cert == nil {
			return fmt.Errorf("%w: %s is empty", errNoCert, name)
		}
		match, err := matchesDigest(certs[0].child(props.space, "CertDigest"), c.result.Cert.Raw)
		if err != nil {
			return err
		}
		if !match {
			return fmt.Errorf("%w: %s names another one", errNoCert, name)
		}
		c.result.CertBound = true
	}
	return nil
}

func matchesDigest(el *node, data []byte) (bool, error) {
	if el == nil {
		return false, nil
	}
	alg, value := el.child(spaceDsig, "DigestMethod"), el.child(spaceDsig, "DigestValue")
	if alg == nil || value == nil {
		return false, nil
	}
	h, ok := digests[alg.value("Algorithm")]
	if !ok {
		return false, fmt.Errorf("%w: digest of the signing certificate", errUnsupported)
	}
	want, err := readBase64(value)
	if err != nil {
		return false, err
	}
	sum := h.New()
	sum.Write(data)
	return bytes.Equal(sum.Sum(nil), want), nil
}

// stamps collects time stamps over the signature's value.
func (c *check) stamps(props *node) error {
	if c.result.Value == nil {
		return nil
	}
	for _, ts := range props.elements() {
		if !ts.is(props.space, "SignatureTimeStamp") || len(c.result.Stamps) == maxStamps {
			continue
		}
		m := method{}
		if el := ts.child(spaceDsig, "CanonicalizationMethod"); el != nil {
			var ok bool
			if m, ok = readMethod(el); !ok {
				continue
			}
		}
		token := ts.child(props.space, "EncapsulatedTimeStamp")
		if token == nil {
			continue
		}
		s, _ := token.leaf()
		der, err := base64.StdEncoding.DecodeString(stripBlank(s))
		if err != nil {
			continue
		}
		var over bytes.Buffer
		if err := canonical(&over, c.sig.value, m, nil); err != nil {
			continue
		}
		c.result.Stamps = append(c.result.Stamps, Stamp{Token: der, Data: over.Bytes()})
	}
	return nil
}
