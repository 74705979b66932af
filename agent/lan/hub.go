package lan

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/fsx"
)

// HubFile is where the certificate that the hub gave lies in the data folder:
// the box's own, its issuer, the root. It stands beside CertFile, so that a
// certificate that was installed by hand goes before it, and a cut between two
// files leaves one of both good.
const HubFile = "pages-hub.crt"

// hubChain is the number of certificates that the hub gives.
const hubChain = 3

// readChain reads a file of certificates for key, nil when it is missing or is
// none of that.
func (k *Keeper) readChain(name string, key crypto.Signer) ([]*x509.Certificate, error) {
	data, err := os.ReadFile(k.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the pages' certificate: %w", err)
	}
	chain, err := parseChain(data)
	if err != nil || !samePublic(chain[0].PublicKey, key.Public()) {
		k.o.Logger.Warn("a certificate of the pages is unreadable or for another key", "file", name, "error", err)
		return nil, nil
	}
	return chain, nil
}

// readHub takes the certificate that the hub gave into use when there is one for
// a name of today. Its dates are not looked at: the clock may be dead, and one
// that has run out is renewed.
func (k *Keeper) readHub(key crypto.Signer) (found bool, err error) {
	chain, err := k.readChain(HubFile, key)
	if err != nil || len(chain) != hubChain || len(missing(chain[0], k.o.Names)) == len(k.o.Names) {
		return false, err
	}
	k.use(chain, key, Hub)
	return true, nil
}

// Due reports whether the hub is to be asked for a certificate: there is none of
// it, two thirds of its life are over, or the box has other names. Never while
// one is in use that people look after, or when the box has no name that the
// hub may issue for.
func (k *Keeper) Due() bool {
	wanted := covered(k.o.Names)
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(wanted) == 0 || k.byHand() {
		return false
	}
	leaf := k.pair.Leaf
	return k.source == SelfMade || len(missing(leaf, wanted)) > 0 ||
		leaf.NotAfter.Sub(k.o.Now()) < leaf.NotAfter.Sub(leaf.NotBefore)/3
}

// byHand reports whether people look after the certificate. The caller holds mu.
func (k *Keeper) byHand() bool { return k.source == Issued || k.source == Files }

// HubRequest makes the request (PKCS #10, DER) for those of the box's names that
// the hub may issue for. left are the others.
func (k *Keeper) HubRequest() (request []byte, left []string, err error) {
	request, err = k.requestFor(covered(k.o.Names))
	return request, slices.DeleteFunc(slices.Clone(k.o.Names), Covered), err
}

// Take takes the certificate that the hub has given into use: the box's own, its
// issuer, the root. now is the hub's time. It changes nothing while one is in
// use that people look after.
func (k *Keeper) Take(chain []*x509.Certificate, now time.Time) error {
	k.change.Lock()
	defer k.change.Unlock()
	k.mu.Lock()
	byHand := k.byHand()
	k.mu.Unlock()
	if byHand {
		return nil
	}
	key, err := k.key()
	if err != nil {
		return err
	}
	if err := k.checkHub(chain, key, now); err != nil {
		return fmt.Errorf("check the certificate of the hub: %w", err)
	}
	if err := fsx.WriteFile(k.path(HubFile), encodeChain(chain), 0o600); err != nil {
		return fmt.Errorf("keep the pages' certificate: %w", err)
	}
	k.use(chain, key, Hub)
	k.o.Logger.Info("the pages have a new certificate of the hub", "until", chain[0].NotAfter, "fingerprint", fingerprint(chain[0]))
	return nil
}

// checkHub judges what the hub has given. The root is offered to people for
// their PCs, so one that is good for more than local networks is refused, even
// from the hub.
func (k *Keeper) checkHub(chain []*x509.Certificate, key crypto.Signer, now time.Time) error {
	if len(chain) != hubChain {
		return fmt.Errorf("%d certificates", len(chain))
	}
	leaf, issuer, root := chain[0], chain[1], chain[2]
	switch {
	case !samePublic(leaf.PublicKey, key.Public()):
		return errors.New("it is for another key")
	case leaf.IsCA || len(leaf.EmailAddresses) > 0 || len(leaf.URIs) > 0:
		return errors.New("it is for more than a server")
	case !Confined(issuer) || !issuer.MaxPathLenZero || !Confined(root):
		return errors.New("its authority is not confined to local networks")
	case root.CheckSignatureFrom(root) != nil:
		return errors.New("the root is none")
	case leaf.CheckSignatureFrom(issuer) != nil:
		return errors.New("another authority has issued it")
	}
	all := names(leaf)
	if len(all) == 0 || slices.ContainsFunc(all, func(n string) bool { return !slices.Contains(k.o.Names, n) }) {
		return fmt.Errorf("it is for the names %q", all)
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root)
	between.AddCert(issuer)
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return err
}

// Root is the root of the hub's certificate as PEM, for PCs that are to trust
// it. Problem lan.no-root while another certificate is in use.
func (k *Keeper) Root() ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.root == nil {
		return nil, problem.New(problem.NotFound, "lan.no-root", "", i18n.Args{"source": string(k.source)})
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: k.root.Raw}), nil
}
