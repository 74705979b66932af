package ca

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/storage/sqlite"
)

// Judge says why a device certificate does not count at this hub at a time,
// nil when it does. grace is how long after its end it still counts. Whether
// the office has another key by now is checkHolder's. Problems: cert.usage,
// cert.self-signed, cert.broken-chain, cert.unknown-ca, cert.revoked,
// cert.replaced, cert.not-yet, cert.expired.
func (c *CA) Judge(cert *x509.Certificate, now time.Time, grace time.Duration) *problem.Problem {
	no := func(code string, args i18n.Args) *problem.Problem {
		all := i18n.Args{"code": cert.Subject.CommonName, "serial": fmt.Sprintf("%x", cert.SerialNumber), "hub": c.Name}
		for k, v := range args {
			all[k] = v
		}
		return problem.New(problem.Denied, code, "", all)
	}
	if code := c.chain(cert); code != "" {
		return no(code, i18n.Args{"issuer": cert.Issuer.CommonName})
	}
	if _, err := identity.DeviceCode(cert); err != nil {
		return no("cert.usage", i18n.Args{"unit": fmt.Sprint(cert.Subject.OrganizationalUnit)}).Because(err)
	}
	if r, revoked := c.Revoked(cert); revoked {
		return no(r.Reason.problem(), i18n.Args{"at": r.At.Format(time.DateOnly)})
	}
	switch {
	case now.Before(cert.NotBefore):
		return no("cert.not-yet", i18n.Args{"from": cert.NotBefore.Format(time.DateOnly), "now": now.Format(time.DateOnly)})
	case now.After(cert.NotAfter.Add(grace)):
		return no("cert.expired", i18n.Args{"to": cert.NotAfter.Format(time.DateOnly), "now": now.Format(time.DateOnly)})
	}
	return nil
}

// chain returns what is wrong with the issuer of a certificate, "" for nothing.
func (c *CA) chain(cert *x509.Certificate) string {
	named := false
	for _, root := range c.Roots() {
		if cert.CheckSignatureFrom(root) == nil {
			return ""
		}
		named = named || bytes.Equal(cert.RawIssuer, root.RawSubject)
	}
	switch {
	case bytes.Equal(cert.RawIssuer, cert.RawSubject):
		return "cert.self-signed"
	case named:
		return "cert.broken-chain" // it says it is of this CA, which has not signed it
	}
	return "cert.unknown-ca"
}

// checkHolder says whether the key of a certificate, which Judge has let pass,
// is still that of the office it names. Problems: cert.other-key,
// cert.other-office, and cert.unsettled while a restored hub has not heard from
// the office.
func (c *CA) checkHolder(tx *sqlite.Tx, reg *registry.Registry, cert *x509.Certificate) (registry.Card, error) {
	code := cert.Subject.CommonName
	args := i18n.Args{"code": code, "hub": c.Name}
	holder, err := reg.ByDevice(tx, cert.PublicKey)
	switch {
	case err == nil && registry.Key(holder.Code) != registry.Key(code):
		return holder, problem.New(problem.Denied, "cert.other-office", "", i18n.Args{"code": code, "owner": holder.Code})
	case err == nil:
		return holder, nil
	case !errors.Is(err, registry.ErrNotFound):
		return holder, err
	}
	card, err := reg.LookupTx(tx, code)
	if errors.Is(err, registry.ErrNotFound) || err == nil && card.Device == nil {
		return card, problem.New(problem.Busy, "cert.unsettled", "", args)
	}
	if err != nil {
		return card, err
	}
	return card, problem.New(problem.Denied, "cert.other-key", "", args)
}

// keyIn reports whether key is one of list.
func keyIn(list []crypto.PublicKey, key crypto.PublicKey) bool {
	return slices.ContainsFunc(list, func(k crypto.PublicKey) bool {
		return k.(interface{ Equal(crypto.PublicKey) bool }).Equal(key)
	})
}
