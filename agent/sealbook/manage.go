package sealbook

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/agent/seal"
	"tram/agent/sealkey"
	"tram/storage/fsx"
	"tram/storage/keystore"
)

// NewSeal says what seal is to be added. Its key is made new (KindFile), or is
// in a PKCS#12 file, or on a token.
type NewSeal struct {
	Seal
	RSA  bool   // make an RSA key of 3072 bits instead of ECDSA P-256
	File string // the PKCS#12 file; it is copied
	// Ask gives the password or PIN from a person; nil when Secret has it. The
	// answer is wiped.
	Ask func() ([]byte, error)
}

// Added is a seal that was added.
type Added struct {
	Seal
	Request string            // path of the certificate request for the hub
	Cert    *x509.Certificate // nil until the hub has issued one
}

// Add puts a seal into the book and writes a request for its certificate. When
// the key comes with a certificate of the hub's, that one is taken. Nothing is
// added when something is wrong. Problems: seal.*.
func (b *Book) Add(ctx context.Context, n NewSeal) (Added, error) {
	done, seals, err := b.change()
	if err != nil {
		return Added{}, err
	}
	defer done()
	switch {
	case !goodName.MatchString(n.Name):
		return Added{}, problem.New(problem.Usage, "seal.name", "name", i18n.Args{"name": n.Name})
	case n.Name == Enrolled || slices.ContainsFunc(seals, func(s Seal) bool { return s.Name == n.Name }):
		return Added{}, problem.New(problem.Conflict, "seal.exists", "name", i18n.Args{"name": n.Name})
	case len(seals) >= MaxSeals:
		return Added{}, problem.New(problem.Full, "seal.too-many", "", i18n.Args{"most": MaxSeals})
	}
	key, file, err := b.first(ctx, &n)
	if err != nil {
		return Added{}, Explain(n.Name, err)
	}
	defer key.Close()
	request, err := makeRequest(key, b.o.Identity.Get())
	if err != nil {
		return Added{}, Explain(n.Name, err)
	}
	added := Added{Seal: n.Seal, Request: RequestPath(b.o.Dir, n.Name)}
	if file != nil {
		if err := keystore.Save(keyPath(b.o.Dir, n.Seal), file); err != nil {
			return Added{}, err
		}
	}
	if err := keystore.Save(added.Request, request); err != nil {
		return Added{}, err
	}
	if certs := key.Certificates(); len(certs) > 0 && CheckCertificate(b.o.Identity.Get(), n.Name, certs[0], key.Public(), b.o.Now()) == nil {
		added.Cert = certs[0]
		if err := keystore.SaveCert(certPath(b.o.Dir, n.Name), certs[0]); err != nil {
			return Added{}, err
		}
	}
	return added, save(b.o.Dir, withActions(append(seals, n.Seal), n.Name, n.Actions))
}

// first opens the key of a new seal, logged in, and gives the key file to keep.
func (b *Book) first(ctx context.Context, n *NewSeal) (sealkey.Key, []byte, error) {
	ask := n.Ask
	if source := n.Secret.source(); source != nil {
		ask = source
	}
	switch n.Kind {
	case KindFile:
		return makeKey(n.RSA)
	case KindPKCS12:
		data, err := readFile(n.File)
		if err != nil {
			return nil, nil, problem.New(problem.NotFound, "seal.file", "file", i18n.Args{"file": n.File}).Because(err)
		}
		password, err := ask()
		if err != nil {
			return nil, nil, err
		}
		defer clear(password)
		key, err := sealkey.ParsePKCS12(data, string(password))
		return key, data, err
	case KindPKCS11:
		key, err := sealkey.OpenToken(ctx, sealkey.TokenOptions{Helper: b.o.Helper, Module: n.Module, Token: n.Token, Key: n.Key, Logger: b.o.Logger})
		if err != nil {
			return nil, nil, err
		}
		pin, err := ask()
		if err == nil {
			err = key.Unlock(ctx, pin, false)
			clear(pin)
		}
		if err != nil {
			return nil, nil, errors.Join(err, key.Close())
		}
		return key, nil, nil
	}
	return nil, nil, problem.New(problem.Usage, "seal.kind", "", nil)
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > keystore.MaxFile {
		return nil, sealkey.ErrFormat
	}
	return os.ReadFile(path)
}

// rsaBits is the size of new RSA keys.
const rsaBits = 3072

func makeKey(useRSA bool) (sealkey.Key, []byte, error) {
	var made crypto.Signer
	var err error
	if useRSA {
		made, err = rsa.GenerateKey(rand.Reader, rsaBits)
	} else {
		made, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(made)
	if err != nil {
		return nil, nil, err
	}
	key, err := sealkey.FromSigner(made)
	return key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

// makeRequest is a PKCS#10 request in PEM. The hub takes the key from it and
// nothing else; the names are for the people who carry it.
func makeRequest(key sealkey.Key, id *identity.Identity) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: id.Name, SerialNumber: id.Code, OrganizationalUnit: []string{identity.UnitSeal}},
	}, key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}

// Certify takes the certificate that the hub issued for a seal.
func (b *Book) Certify(name string, cert *x509.Certificate) error {
	done, seals, err := b.change()
	if err != nil {
		return err
	}
	defer done()
	if !slices.ContainsFunc(seals, func(s Seal) bool { return s.Name == name }) {
		return unknown(name)
	}
	data, err := keystore.Load(RequestPath(b.o.Dir, name))
	if err != nil {
		return err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return keystore.ErrFormat
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return err
	}
	if err := CheckCertificate(b.o.Identity.Get(), name, cert, request.PublicKey, b.o.Now()); err != nil {
		return err
	}
	return keystore.SaveCert(certPath(b.o.Dir, name), cert)
}

// Use makes a seal the one for some actions, and for no others. The
// enrolment's takes actions away from the others.
func (b *Book) Use(name string, actions []Action) error {
	done, seals, err := b.change()
	if err != nil {
		return err
	}
	defer done()
	if name != Enrolled && !slices.ContainsFunc(seals, func(s Seal) bool { return s.Name == name }) {
		return unknown(name)
	}
	return save(b.o.Dir, withActions(seals, name, actions))
}

func withActions(seals []Seal, name string, actions []Action) []Seal {
	for i := range seals {
		if s := &seals[i]; s.Name == name {
			s.Actions = actions
		} else {
			s.Actions = slices.DeleteFunc(slices.Clone(s.Actions), func(a Action) bool { return slices.Contains(actions, a) })
		}
	}
	return seals
}

// Remove takes a seal out of the book and deletes its files. What is on a
// token stays there.
func (b *Book) Remove(name string) error {
	done, seals, err := b.change()
	if err != nil {
		return err
	}
	defer done()
	i := slices.IndexFunc(seals, func(s Seal) bool { return s.Name == name })
	if i < 0 {
		return unknown(name)
	}
	s := seals[i]
	if err := save(b.o.Dir, slices.Delete(seals, i, i+1)); err != nil {
		return err
	}
	files := []string{certPath(b.o.Dir, name), RequestPath(b.o.Dir, name)}
	if s.Kind != KindPKCS11 {
		files = append(files, keyPath(b.o.Dir, s))
	}
	for _, path := range files {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return fsx.SyncDir(folder(b.o.Dir))
}

// change locks the book against other commands and reads it.
func (b *Book) change() (done func(), seals []Seal, err error) {
	if err := keystore.MakeFolder(folder(b.o.Dir)); err != nil {
		return nil, nil, err
	}
	unlock, err := keystore.LockFile(filepath.Join(folder(b.o.Dir), keystore.LockName))
	if errors.Is(err, keystore.ErrLocked) {
		return nil, nil, problem.New(problem.Busy, "seal.busy", "", nil).Because(err)
	}
	if err != nil {
		return nil, nil, err
	}
	done = func() { _ = unlock() }
	if seals, err = load(b.o.Dir); err != nil {
		done()
		return nil, nil, problem.New(problem.Failed, "seal.book", "", nil).Because(err)
	}
	return done, seals, nil
}

// Tested is what [Book.Test] found.
type Tested struct {
	Name string
	Took time.Duration // of one seal, check included
}

// Test makes a seal over a test message and checks it as a receiver would. ask
// gives the PIN when the seal wants one from a person; nil gives none.
func (b *Book) Test(ctx context.Context, name string, ask func() ([]byte, error)) (Tested, error) {
	entries, err := b.List()
	if err != nil {
		return Tested{}, err
	}
	i := slices.IndexFunc(entries, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		return Tested{}, unknown(name)
	}
	e := entries[i]
	if e.Fault != nil {
		return Tested{}, e.Fault
	}
	key, err := b.tested(ctx, e.Seal, ask)
	if err != nil {
		return Tested{}, err
	}
	begin := time.Now()
	head, err := seal.Sealer{Key: key, Cert: e.Cert, Now: b.o.Now}.Seal(seal.Named{Name: seal.MessageName, Data: []byte("<test/>")}, nil)
	if err != nil {
		return Tested{}, Explain(name, err)
	}
	opened, err := seal.OpenHead(head, identity.Pool(b.o.Identity.Get().Trust.Issuers()), b.o.Now())
	if err != nil {
		return Tested{}, err
	}
	if v := opened.Verdict; v.Result != seal.Passed {
		return Tested{}, problem.New(problem.BadSeal, "seal.test", "", i18n.Args{"name": name, "result": strings.TrimSpace(string(v.Result) + " " + string(v.Reason))})
	}
	return Tested{Name: name, Took: time.Since(begin)}, nil
}

func (b *Book) tested(ctx context.Context, s Seal, ask func() ([]byte, error)) (crypto.Signer, error) {
	if s.Kind == KindEnrolled {
		return b.o.Identity.Get().Seal, nil
	}
	k, err := b.take(ctx, s)
	if err != nil {
		return nil, Explain(s.Name, err)
	}
	lock, ok := k.key.(sealkey.Unlocker)
	if err := k.key.Ready(ctx); errors.Is(err, sealkey.ErrPIN) && ok && ask != nil {
		secret, err := ask()
		if err != nil {
			return nil, err
		}
		defer clear(secret)
		return k.key, Explain(s.Name, lock.Unlock(ctx, secret, false))
	} else if err != nil {
		return nil, Explain(s.Name, err)
	}
	return k.key, nil
}
