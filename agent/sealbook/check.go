package sealbook

import (
	"crypto"
	"crypto/x509"
	"errors"
	"io"
	"strings"
	"time"

	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/agent/seal"
	"tram/agent/sealkey"
)

// CheckCertificate says whether cert may seal for the office id with the key
// pub at a time: issued by the hub's CA, marked as this office's seal, of that
// key, and valid. Problems: seal.certificate-*.
func CheckCertificate(id *identity.Identity, name string, cert *x509.Certificate, pub crypto.PublicKey, now time.Time) error {
	args := i18n.Args{"name": name, "code": id.Code, "found": cert.Subject.SerialNumber, "issuer": cert.Issuer.CommonName,
		"from": cert.NotBefore.Local().Format("02/01/2006"), "to": cert.NotAfter.Local().Format("02/01/2006"), "hub": id.Trust.HubName}
	fault := func(code string, err error) error {
		return problem.New(problem.BadSeal, "seal.certificate-"+code, "certificate", args).Because(err)
	}
	switch err := cert.CheckSignatureFrom(identity.IssuerOf(cert, id.Trust.Issuers())); {
	case err != nil:
		return fault("issuer", err)
	case !seal.IsSealCert(cert):
		return fault("usage", nil)
	case !strings.EqualFold(cert.Subject.SerialNumber, id.Code):
		return fault("office", nil)
	case pub != nil && !sealkey.SamePublic(pub, cert.PublicKey):
		return fault("key", nil)
	case now.After(cert.NotAfter):
		return fault("expired", nil)
	case now.Before(cert.NotBefore):
		return fault("not-yet", nil)
	}
	return nil
}

// Explain turns an error of a seal's key into a problem for people.
func Explain(name string, err error) error {
	var known *problem.Problem
	if err == nil || errors.As(err, &known) {
		return err
	}
	args := i18n.Args{"name": name}
	var pin *sealkey.PINError
	if errors.As(err, &pin) {
		code := "seal.pin-" + string(pin.State)
		if pin.State == sealkey.PINWrong && (pin.Tries == "few" || pin.Tries == "last") {
			code += "-" + pin.Tries
		}
		if pin.State == sealkey.PINSpared && pin.Tries == "last" {
			code += "-last"
		}
		return problem.New(problem.Conflict, code, "pin", args).Because(err)
	}
	for _, k := range []struct {
		err   error
		class problem.Class
		code  string
	}{
		{sealkey.ErrAbsent, problem.Conflict, "seal.token-absent"},
		{sealkey.ErrNoKey, problem.NotFound, "seal.token-no-key"},
		{sealkey.ErrAmbiguous, problem.Usage, "seal.token-ambiguous"},
		{sealkey.ErrTimeout, problem.Busy, "seal.token-silent"},
		{sealkey.ErrHelper, problem.Failed, "seal.helper"},
		{sealkey.ErrUnsuited, problem.Usage, "seal.unsuited"},
		{sealkey.ErrPassword, problem.Denied, "seal.password"},
		{sealkey.ErrFormat, problem.Usage, "seal.format"},
		{sealkey.ErrSource, problem.Failed, "seal.secret"},
	} {
		if errors.Is(err, k.err) {
			return problem.New(k.class, k.code, "", args).Because(err)
		}
	}
	return problem.New(problem.Failed, "seal.broken", "", args).Because(err)
}

// Sign signs and words what goes wrong.
func (e explained) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	signature, err := e.Key.Sign(rand, digest, opts)
	return signature, Explain(e.name, err)
}
