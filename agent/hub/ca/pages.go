package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tram/agent/enroll/invite"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/lan"
	"tram/agent/problem"
	"tram/storage/keystore"
	"tram/storage/sqlite"
)

// Names of the authority for pages in the key folder: the pair that issues, and
// the root, of which there is a certificate alone.
const (
	pagesName     = "pages"
	pagesRootName = "pages-root"
)

// Units of certificates for pages, and of those two.
const (
	unitPages   = "pages"
	unitPagesCA = "pages-ca"
)

// PagesLife is how long a certificate of pages lives. With Backdate it stays
// below the 398 days that browsers accept.
const PagesLife = 396 * 24 * time.Hour

// maxPagesADay bounds the certificates that an office gets within a day, hard:
// each stays in the store.
const maxPagesADay = 12

// PagesCA issues certificates for offices' pages on their local networks. It is
// apart from the hub's CA: nobody who trusts the one trusts the other. What it
// issues is good for names and addresses of local networks alone, by
// lan.Confine, so that a PC that trusts its root can be misled about nothing on
// the internet. The key of the root is thrown away once it has signed the
// certificate of the one that issues.
type PagesCA struct {
	Root   *x509.Certificate
	issuer Pair
}

// Pages loads the authority for pages, which is made when there is none, or
// when it ends before what it would issue. Call it at start. Problems:
// key.permissions, identity.damaged.
func (c *CA) Pages(now time.Time) (*PagesCA, error) {
	p, err := c.loadPages()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, identity.Explain(fmt.Errorf("open authority for pages: %w", err), c.folder)
	}
	if err == nil && p.issuer.Cert.NotAfter.Sub(now) >= PagesLife {
		return p, nil
	}
	if p, err = c.makePages(now); err != nil {
		return nil, fmt.Errorf("make authority for pages: %w", err)
	}
	return p, nil
}

// loadPages reads what makePages has made; fs.ErrNotExist when that is not there
// as a whole. The certificate of the one that issues was written last.
func (c *CA) loadPages() (*PagesCA, error) {
	if _, err := os.Stat(filepath.Join(c.folder, pagesName+".crt")); err != nil {
		return nil, err
	}
	pair, err := loadPair(c.folder, pagesName)
	if err != nil {
		return nil, err
	}
	root, err := keystore.LoadCert(filepath.Join(c.folder, pagesRootName+".crt"))
	if err != nil {
		return nil, err
	}
	if err := pair.Cert.CheckSignatureFrom(root); err != nil {
		return nil, fmt.Errorf("check %s.crt: %w", pagesName, err)
	}
	if !lan.Confined(pair.Cert) || !lan.Confined(root) {
		return nil, fmt.Errorf("check %s.crt: not confined to local networks", pagesName)
	}
	return &PagesCA{root, pair}, nil
}

func (c *CA) makePages(now time.Time) (*PagesCA, error) {
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // never stored
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	root, err := issue(c.pagesAuthority("Tram pages root "+c.Code, 1), nil, &rootKey.PublicKey, rootKey, now, RootLife)
	if err != nil {
		return nil, err
	}
	cert, err := issue(c.pagesAuthority("Tram pages CA "+c.Code, 0), root, &key.PublicKey, rootKey, now, RootLife)
	if err != nil {
		return nil, err
	}
	p := &PagesCA{root, Pair{key, cert}}
	// A cut leaves no certificate of the one that issues, so that all is made anew.
	if err := os.Remove(filepath.Join(c.folder, pagesName+".crt")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := keystore.SaveCert(filepath.Join(c.folder, pagesRootName+".crt"), root); err != nil {
		return nil, err
	}
	return p, p.issuer.save(c.folder, pagesName) // key, then certificate
}

// pagesAuthority is the template of the two authorities for pages. The root is
// confined as well, for programs that hold roots to it.
func (c *CA) pagesAuthority(name string, below int) *x509.Certificate {
	template := &x509.Certificate{
		Subject:  pkix.Name{CommonName: name, Organization: []string{cutRDN(c.Name)}},
		KeyUsage: x509.KeyUsageCertSign, IsCA: true, MaxPathLen: below, MaxPathLenZero: below == 0,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	lan.Confine(template)
	return template
}

// Register makes the store know the authority for pages. It changes nothing the
// second time.
func (p *PagesCA) Register(tx *sqlite.Tx, c *CA) error {
	return errors.Join(record(tx, c.Code, unitPagesCA, p.Root, nil, actorHub), record(tx, c.Code, unitPagesCA, p.issuer.Cert, nil, actorHub))
}

// IssuePages gives an office the certificate of its pages, on the word of its
// device certificate, which must not have run out: in its grace it buys nothing
// but its own renewal. The same key and names get the same one again within an
// hour. Problems: those of Judge and checkHolder, enroll.request,
// enroll.shared-key, enroll.key-revoked, pages.names, pages.often.
func (c *CA) IssuePages(tx *sqlite.Tx, reg *registry.Registry, p *PagesCA, req *invite.Pages) (*invite.PagesIssued, error) {
	if wrong := c.Judge(req.Certificate, tx.Now(), 0); wrong != nil {
		return nil, wrong
	}
	card, err := c.checkHolder(tx, reg, req.Certificate)
	if err != nil {
		return nil, err
	}
	pub, err := c.pagesKey(tx, reg, card, req)
	if err != nil {
		return nil, err
	}
	template, err := pagesTemplate(req.Request)
	if err != nil {
		return nil, err
	}
	answer := func(cert *x509.Certificate) *invite.PagesIssued {
		return &invite.PagesIssued{Transcript: req.Transcript(), Chain: []*x509.Certificate{cert, p.issuer.Cert, p.Root}, Time: tx.Now()}
	}
	last, err := latest(tx, card.Code, unitPages, nil, false)
	if err != nil {
		return nil, err
	}
	if last != nil && tx.Now().Sub(last.issued) < renewAgain && keyIn([]crypto.PublicKey{pub}, last.cert.PublicKey) &&
		slices.Equal(namesOf(last.cert), namesOf(template)) && last.cert.CheckSignatureFrom(p.issuer.Cert) == nil {
		return answer(last.cert), nil
	}
	if err := notTooOften(tx, card); err != nil {
		return nil, err
	}
	cert, err := c.issuePages(card.Code, template, p, pub, tx.Now())
	if err != nil {
		return nil, err
	}
	return answer(cert), record(tx, card.Code, unitPages, cert, nil, actorEnrolment)
}

// IssueConsole gives the hub's own pages a certificate for a PKCS#10 request, as
// IssuePages does for an office's.
func (c *CA) IssueConsole(tx *sqlite.Tx, p *PagesCA, request []byte) ([]*x509.Certificate, error) {
	pub, err := requestKey(request, false)
	if err != nil {
		return nil, fmt.Errorf("issue the console's certificate: %w", err)
	}
	template, err := pagesTemplate(request)
	if err != nil {
		return nil, err
	}
	cert, err := c.issuePages(c.Code, template, p, pub, tx.Now())
	if err != nil {
		return nil, err
	}
	return []*x509.Certificate{cert, p.issuer.Cert, p.Root}, record(tx, c.Code, unitPages, cert, nil, actorHub)
}

// issuePages completes and signs the certificate of an office's pages.
func (c *CA) issuePages(code string, template *x509.Certificate, p *PagesCA, pub crypto.PublicKey, now time.Time) (*x509.Certificate, error) {
	template.Subject = c.subject("Tram "+code, unitPages) // with a space: no verifier takes it for a host
	template.Subject.SerialNumber = code
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	return issue(template, p.issuer.Cert, pub, p.issuer.Key, now, PagesLife)
}

// pagesKey is the key of a request. It must be the office's own, and for its
// pages alone.
func (c *CA) pagesKey(tx *sqlite.Tx, reg *registry.Registry, card registry.Card, req *invite.Pages) (crypto.PublicKey, error) {
	pub, err := requestKey(req.Request, false)
	if err != nil {
		return nil, problem.New(problem.BadInvite, "enroll.request", "request", nil).Because(err)
	}
	if gone, err := c.keyRevoked(pub); err != nil {
		return nil, err
	} else if gone {
		return nil, refusal("enroll.key-revoked", card.Code)
	}
	holder, err := reg.ByDevice(tx, pub)
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("look up key: %w", err)
	}
	owner := holder.Code
	err = tx.QueryRow(`SELECT code_key FROM certificates WHERE spki_sha256 = ? AND (code_key <> ? OR unit <> ?) LIMIT 1`,
		sha256.Sum256(der), registry.Key(card.Code), unitPages).Scan(&owner)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("look up key: %w", err)
	}
	if owner != "" || c.isOwnKey(pub) {
		return nil, problem.New(problem.BadInvite, "enroll.shared-key", "", i18n.Args{"code": card.Code, "owner": nonEmpty(owner, c.Code)})
	}
	return pub, nil
}

// pagesTemplate takes the names out of a PKCS#10 request. All must be such as the
// authority may issue for; the office has left out the others.
func pagesTemplate(request []byte) (*x509.Certificate, error) {
	csr, err := x509.ParseCertificateRequest(request)
	if err != nil {
		return nil, problem.New(problem.BadInvite, "enroll.request", "request", nil).Because(err)
	}
	template := &x509.Certificate{DNSNames: csr.DNSNames, IPAddresses: csr.IPAddresses}
	all := namesOf(template)
	bad := slices.DeleteFunc(slices.Clone(all), lan.Covered)
	bad = append(bad, csr.EmailAddresses...)
	for _, u := range csr.URIs {
		bad = append(bad, u.String())
	}
	if len(bad) > 0 || len(all) == 0 || len(all) > lan.MaxNames {
		return nil, problem.New(problem.Denied, "pages.names", "names", i18n.Args{
			"names": strings.Join(bad[:min(len(bad), lan.MaxNames)], ", "), "count": len(all), "most": lan.MaxNames})
	}
	return template, nil
}

// notTooOften bounds what an office adds to the store.
func notTooOften(tx *sqlite.Tx, card registry.Card) error {
	var n int
	err := tx.QueryRow(`SELECT COUNT(*) FROM certificates WHERE code_key = ? AND unit = ? AND issued_at > ?`,
		registry.Key(card.Code), unitPages, tx.Now().Add(-24*time.Hour)).Scan(&n)
	if err != nil {
		return fmt.Errorf("count certificates: %w", err)
	}
	if n >= maxPagesADay {
		return problem.New(problem.Busy, "pages.often", "", i18n.Args{"code": card.Code, "most": maxPagesADay})
	}
	return nil
}

// namesOf lists the hosts and addresses of a certificate.
func namesOf(cert *x509.Certificate) []string {
	all := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		all = append(all, ip.String())
	}
	return all
}
