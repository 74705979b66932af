package ca

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/agent/seal"
	"tram/storage/sqlite"
)

// SealRequest asks for the certificate of a further seal of an office, beside
// the one of its enrolment.
type SealRequest struct {
	Code    string    // of the office
	Request []byte    // PKCS#10, PEM or DER; only its key is taken
	Role    seal.Role // what the seal stands for
	Person  string    // who seals; "" for the office as such
	By      string    // who asks, for the audit log
}

// Limits of a [SealRequest].
const (
	MaxPerson      = 64       // characters of a person's name
	MaxSealRequest = 16 << 10 // bytes of a PKCS#10 request
)

// IssueSeal issues the certificate of a further seal. The operator vouches for
// role and person. Asking again with the same key issues another certificate.
// Problems: hub.no-office, hub.seal-*, enroll.request, enroll.shared-key.
func (c *CA) IssueSeal(tx *sqlite.Tx, reg *registry.Registry, q SealRequest) (*x509.Certificate, error) {
	if !slices.Contains(seal.Roles, q.Role) {
		return nil, problem.New(problem.Usage, "hub.seal-role", "role", i18n.Args{"role": string(q.Role)})
	}
	person := strings.TrimSpace(q.Person)
	if utf8.RuneCountInString(person) > MaxPerson || !utf8.ValidString(person) || strings.ContainsFunc(person, unicode.IsControl) {
		return nil, problem.New(problem.Usage, "hub.seal-person", "person", i18n.Args{"most": MaxPerson})
	}
	if q.Role == seal.RoleLeader && person == "" {
		return nil, problem.New(problem.Usage, "hub.seal-no-person", "person", nil)
	}
	card, err := reg.LookupTx(tx, q.Code)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, problem.New(problem.NotFound, "hub.no-office", "CODE", i18n.Args{"code": q.Code})
	}
	if err != nil {
		return nil, err
	}
	if !card.Enrolled() || card.Hub != "" || card.IsHub() {
		return nil, problem.New(problem.Conflict, "hub.seal-not-ours", "code", i18n.Args{"code": card.Code, "name": card.Name})
	}
	request := q.Request
	if block, _ := pem.Decode(request); block != nil {
		request = block.Bytes
	}
	if len(request) > MaxSealRequest {
		return nil, problem.New(problem.BadInvite, "enroll.request", "seal_csr", nil)
	}
	pub, err := requestKey(request, true)
	if err != nil {
		return nil, problem.New(problem.BadInvite, "enroll.request", "seal_csr", nil).Because(err)
	}
	owner, err := keyOwner(tx, card.Code, pub)
	if err != nil {
		return nil, err
	}
	if owner != "" || c.isOwnKey(pub) {
		return nil, problem.New(problem.BadInvite, "enroll.shared-key", "", i18n.Args{"code": card.Code, "owner": owner})
	}
	if gone, err := c.keyRevoked(pub); err != nil {
		return nil, err
	} else if gone {
		return nil, refusal("enroll.key-revoked", card.Code)
	}
	subject := c.subject(card.Name, identity.UnitSeal)
	subject.SerialNumber = card.Code
	subject.ExtraNames = seal.SubjectOf(q.Role, person)
	cert, err := issue(&x509.Certificate{
		Subject:     subject,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
	}, c.Root.Cert, pub, c.Root.Key, tx.Now(), c.Policy.sealLife())
	if err != nil {
		return nil, err
	}
	return cert, record(tx, card.Code, identity.UnitSeal, cert, nil, q.By)
}
