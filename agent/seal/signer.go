package seal

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
)

// Role says what a seal stands for. The hub's CA writes it into the seal's
// certificate, so that no office gives itself one.
type Role string

// Roles of seals.
const (
	RoleAgency Role = "agency" // con dấu cơ quan
	RoleLeader Role = "leader" // a leader's own signature
	RoleCopy   Role = "copy"   // copies: sao y, sao lục, trích sao
)

// Roles are all of them, in the order in which people list them.
var Roles = []Role{RoleAgency, RoleLeader, RoleCopy}

// Attributes of a seal certificate's subject (X.520).
var (
	oidTitle  = asn1.ObjectIdentifier{2, 5, 4, 12} // the role
	oidPerson = asn1.ObjectIdentifier{2, 5, 4, 41} // name: the person who seals
)

// SubjectOf gives the attributes by which a seal certificate tells role and
// person, for the CA that issues it. person is empty for a seal of the office
// as such.
func SubjectOf(role Role, person string) []pkix.AttributeTypeAndValue {
	names := []pkix.AttributeTypeAndValue{{Type: oidTitle, Value: string(role)}}
	if person != "" {
		names = append(names, pkix.AttributeTypeAndValue{Type: oidPerson, Value: person})
	}
	return names
}

// SignerOf reads role and person from a seal's certificate. One that names no
// role, or one that this program does not know, is the agency's.
func SignerOf(cert *x509.Certificate) (role Role, person string) {
	role = RoleAgency
	for _, n := range cert.Subject.Names {
		text, ok := n.Value.(string)
		switch {
		case !ok:
		case n.Type.Equal(oidTitle) && slices.Contains(Roles, Role(text)):
			role = Role(text)
		case n.Type.Equal(oidPerson):
			person = text
		}
	}
	return role, person
}

// HeadSigner reads role and person from the signature in a head, without
// judging it.
func HeadSigner(head []byte) (role Role, person string, err error) {
	raw, err := readHead(head)
	if err != nil {
		return "", "", err
	}
	sig, err := parseSignature(raw.signature)
	if err != nil {
		return "", "", err
	}
	role, person = SignerOf(sig.Cert)
	return role, person, nil
}

// IsSealCert reports whether a certificate may seal: it is marked as an
// office's seal, names the office and is for signatures.
func IsSealCert(c *x509.Certificate) bool { return isSealCert(c) }
