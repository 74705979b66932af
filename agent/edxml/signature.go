package edxml

import (
	"crypto/x509"
	"encoding/base64"
	"strings"
)

// signed reports whether an element of the message is a signature whose value
// decodes and whose certificate can be read. Almost all are dummies with a cut
// certificate.
func signed(n *node) bool {
	if n.name.Local == "Signature" || n.name.Local == "DigitalSignature" {
		return holds(n, "SignatureValue", decodes) && holds(n, "X509Certificate", isCertificate)
	}
	for _, c := range n.children {
		if signed(c) {
			return true
		}
	}
	return false
}

// holds reports whether a descendant of that local name, in any namespace, has
// a text that ok takes.
func holds(n *node, local string, ok func([]byte) bool) bool {
	for _, c := range n.children {
		if c.name.Local == local {
			if data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(c.text), "")); err == nil && ok(data) {
				return true
			}
		}
		if holds(c, local, ok) {
			return true
		}
	}
	return false
}

func decodes(data []byte) bool { return len(data) > 0 }

func isCertificate(data []byte) bool {
	_, err := x509.ParseCertificate(data)
	return err == nil
}
