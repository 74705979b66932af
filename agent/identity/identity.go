// Package identity is who this office is: its two key pairs and certificates,
// its age key, its registry card and whom it trusts, as files in the folder
// "keys" of the data folder.
//
// It promises that an identity is there wholly or not at all: Save stages a
// folder and renames it. An identity that Load returns is consistent: keys fit
// certificates, both certificates come from the trusted CA and both carry the
// office's code. Whether they have expired is not judged here, for the clock
// of a small machine may be wrong; neighbours and Trạm's health checks judge.
package identity

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/fsx"
	"tram/storage/keystore"
)

// Organizational units that mark what a certificate of the hub's CA is for.
// The CA writes them itself; nothing of a request gets there.
const (
	UnitAuthority = "authority" // signs invites and registry cards
	UnitDevice    = "device"    // TLS client, headers, receipts
	UnitSeal      = "seal"      // seals documents
	UnitServer    = "server"    // TLS server of broker and enrolment
)

// Identity is one office, or the hub as an office. It is not changed after
// Load; a renewal makes a new one.
type Identity struct {
	Code, Name string
	Hub        string // code of the hub
	Device     crypto.Signer
	DeviceCert *x509.Certificate
	Seal       crypto.Signer     // nil for a hub, which seals nothing
	SealCert   *x509.Certificate // nil for a hub
	Age        *age.X25519Identity
	// FormerAge are keys that were Age before, the last one first: what was
	// encrypted for them is still read.
	FormerAge []*age.X25519Identity
	Card      []byte // own registry card
	Trust     Trust
}

// Why an identity is not consistent, where a person can do something about it.
var (
	ErrMismatch = errors.New("key does not fit the certificate")
	ErrIssuer   = errors.New("not issued by the trusted CA")
)

// Folder is the name of the key folder in a data folder.
const Folder = "keys"

// Files of a key folder.
const (
	DeviceKeyFile  = "device.key"
	DeviceCertFile = "device.crt"
	SealKeyFile    = "seal.key"
	SealCertFile   = "seal.crt"
	AgeFile        = "office.age"
	FormerAgeFile  = "former.age" // one key a line; may be missing
	TrustFile      = "trust.json"
	CardFile       = "card"
)

// Exists reports whether data folder dir holds an identity.
func Exists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, Folder, TrustFile))
	return err == nil
}

// stageFolder holds a key folder until it is complete. Its trust file is
// written last, so that one with a trust file is.
const stageFolder = Folder + ".new"

// The renames of [Replace], [Publish] and [Settle].
const (
	PointFormer  fsx.Point = "identity.former"  // the old folder steps aside
	PointPublish fsx.Point = "identity.publish" // the new one gets its name
)

// FormerFolders is how the folders of keys begin that Replace has put aside.
const FormerFolders = Folder + ".former-"

// maxFormer bounds FormerAge; the oldest are left to their folders.
const maxFormer = 16

// Extra is a further file that Save puts into the key folder.
type Extra struct {
	Name string
	Data []byte
}

// Save writes id and the extra files into data folder dir. Into a new folder
// it is all or nothing; over an existing identity each file is replaced as a
// whole, the certificates last.
func Save(dir string, id *Identity, extra ...Extra) error {
	if err := id.Check(); err != nil {
		return err
	}
	if Exists(dir) {
		return id.write(filepath.Join(dir, Folder), extra)
	}
	stage, err := id.stage(dir, extra)
	if err != nil {
		return err
	}
	return Publish(stage, filepath.Join(dir, Folder))
}

// Replace puts id with its new keys in the place of the identity of data folder
// dir, all or nothing: a cut at any instant leaves the one or the other, or the
// new one for Settle to put in its place. The
// former keys stay in a folder beside it, and what was encrypted for them can
// still be read. Folders in the key folder, such as the seals, belong to the office and
// not to its box: they go along, when it is the same office.
func Replace(dir string, id *Identity, extra ...Extra) error {
	old, err := Load(dir)
	if err != nil {
		return err
	}
	next := *id
	if next.Age.String() != old.Age.String() {
		next.FormerAge = append([]*age.X25519Identity{old.Age}, old.FormerAge...)
	} else {
		next.FormerAge = old.FormerAge
	}
	next.FormerAge = next.FormerAge[:min(len(next.FormerAge), maxFormer)]
	if err := next.Check(); err != nil {
		return err
	}
	stage, err := next.stage(dir, extra)
	if err != nil {
		return err
	}
	if strings.EqualFold(old.Code, next.Code) {
		if err := carry(filepath.Join(dir, Folder), stage); err != nil {
			return fmt.Errorf("replace identity: %w", err)
		}
	}
	former := ""
	for n := 1; ; n++ {
		former = filepath.Join(dir, fmt.Sprintf("%s%d", FormerFolders, n))
		if _, err := os.Lstat(former); errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err := PointFormer.Rename(fsx.OS, filepath.Join(dir, Folder), former); err != nil {
		return fmt.Errorf("replace identity: %w", err)
	}
	return Publish(stage, filepath.Join(dir, Folder))
}

// carry copies the folders in a key folder to another one.
func carry(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if err := keystore.CopyFolder(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// Settle finishes a Replace that was cut between its two renames. Nobody may be
// saving an identity in data folder dir at the same time.
func Settle(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, Folder)); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, stageFolder, TrustFile)); err != nil {
		return nil
	}
	return Publish(filepath.Join(dir, stageFolder), filepath.Join(dir, Folder))
}

// stage writes id into a folder that Publish then puts in its place.
func (id *Identity) stage(dir string, extra []Extra) (string, error) {
	stage := filepath.Join(dir, stageFolder)
	if err := os.RemoveAll(stage); err != nil {
		return "", fmt.Errorf("save identity: %w", err)
	}
	if err := keystore.MakeFolder(stage); err != nil {
		return "", fmt.Errorf("save identity: %w", err)
	}
	return stage, id.write(stage, extra)
}

// Publish turns a staged folder into the real one, durably. An empty folder of
// that name is replaced; another one makes it fail.
func Publish(stage, folder string) error {
	if err := os.Remove(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("publish key folder: %w", err)
	}
	if err := PointPublish.Rename(fsx.OS, stage, folder); err != nil {
		return fmt.Errorf("publish key folder: %w", err)
	}
	if err := fsx.SyncDir(filepath.Dir(folder)); err != nil {
		return fmt.Errorf("publish key folder: %w", err)
	}
	return nil
}

func (id *Identity) write(folder string, extra []Extra) error {
	trust, err := id.trustJSON()
	if err != nil {
		return err
	}
	for _, e := range extra {
		if err := keystore.Save(filepath.Join(folder, e.Name), e.Data); err != nil {
			return fmt.Errorf("save identity: %w", err)
		}
	}
	at := func(name string) string { return filepath.Join(folder, name) }
	if len(id.FormerAge) > 0 {
		var text strings.Builder
		for _, key := range id.FormerAge {
			text.WriteString(key.String() + "\n")
		}
		if err := keystore.Save(at(FormerAgeFile), []byte(text.String())); err != nil {
			return fmt.Errorf("save identity: %w", err)
		}
	}
	steps := []func() error{
		func() error { return keystore.SaveKey(at(DeviceKeyFile), id.Device) },
		func() error { return keystore.SaveKey(at(SealKeyFile), id.Seal) },
		func() error { return keystore.Save(at(AgeFile), []byte(id.Age.String()+"\n")) },
		func() error { return keystore.Save(at(CardFile), id.Card) },
		func() error { return keystore.SaveCert(at(SealCertFile), id.SealCert) },
		func() error { return keystore.SaveCert(at(DeviceCertFile), id.DeviceCert) },
		func() error { return keystore.Save(at(TrustFile), trust) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("save identity: %w", err)
		}
	}
	return nil
}

// Load reads the identity of data folder dir. Problems: identity.none when
// there is none, key.permissions, identity.damaged.
func Load(dir string) (*Identity, error) {
	if !Exists(dir) {
		return nil, None(dir)
	}
	id, err := load(filepath.Join(dir, Folder))
	if err != nil {
		return nil, Explain(err, filepath.Join(dir, Folder))
	}
	return id, nil
}

// None is the problem that data folder dir holds no identity.
func None(dir string) *problem.Problem {
	return problem.New(problem.NotEnrolled, "identity.none", "data", i18n.Args{"dir": dir})
}

// Explain turns an error of reading key folder into a problem for people.
func Explain(err error, folder string) *problem.Problem {
	args := i18n.Args{"dir": folder}
	switch {
	case errors.Is(err, keystore.ErrPermissions):
		return problem.New(problem.Denied, "key.permissions", "data", args).Because(err)
	case errors.Is(err, keystore.ErrLocked):
		return problem.New(problem.Busy, "data.locked", "data", args).Because(err)
	}
	return problem.New(problem.Failed, "identity.damaged", "data", args).Because(err)
}

func load(folder string) (*Identity, error) {
	at := func(name string) string { return filepath.Join(folder, name) }
	id := &Identity{}
	if err := id.loadTrust(at(TrustFile)); err != nil {
		return nil, err
	}
	var err error
	if id.Device, err = keystore.LoadKey(at(DeviceKeyFile)); err != nil {
		return nil, err
	}
	if id.DeviceCert, err = keystore.LoadCert(at(DeviceCertFile)); err != nil {
		return nil, err
	}
	if id.Seal, err = keystore.LoadKey(at(SealKeyFile)); err != nil {
		return nil, err
	}
	if id.SealCert, err = keystore.LoadCert(at(SealCertFile)); err != nil {
		return nil, err
	}
	if id.Age, err = LoadAge(at(AgeFile)); err != nil {
		return nil, err
	}
	if id.FormerAge, err = loadFormer(at(FormerAgeFile)); err != nil {
		return nil, err
	}
	if id.Card, err = keystore.Load(at(CardFile)); err != nil {
		return nil, err
	}
	return id, id.Check()
}

// LoadAge reads an age identity file with one key.
func LoadAge(path string) (*age.X25519Identity, error) {
	text, err := keystore.Load(path)
	if err != nil {
		return nil, err
	}
	key, err := age.ParseX25519Identity(strings.TrimSpace(string(text)))
	if err != nil {
		// The cause of the parser could repeat the secret.
		return nil, fmt.Errorf("load %s: %w: no age key", filepath.Base(path), keystore.ErrFormat)
	}
	return key, nil
}

func loadFormer(path string) ([]*age.X25519Identity, error) {
	text, err := keystore.Load(path)
	if errors.Is(err, keystore.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var keys []*age.X25519Identity
	for line := range strings.Lines(string(text)) {
		key, err := age.ParseX25519Identity(strings.TrimSpace(line))
		if err != nil {
			return nil, fmt.Errorf("load %s: %w: no age key", filepath.Base(path), keystore.ErrFormat)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// Check is the consistency that the package promises; Save and Load hold to it.
func (id *Identity) Check() error {
	if id.Trust.CA == nil || id.Device == nil || id.DeviceCert == nil || id.Seal == nil || id.SealCert == nil || id.Age == nil {
		return errors.New("check identity: a part is missing")
	}
	if err := CheckAuthority(id.Trust.CA, id.Trust.Authority); err != nil {
		return fmt.Errorf("check identity: %w", err)
	}
	issuers := id.Trust.Issuers()
	if err := checkLeaf(issuers, id.DeviceCert, id.Device, UnitDevice); err != nil {
		return fmt.Errorf("check identity: device certificate: %w", err)
	}
	if cn := id.DeviceCert.Subject.CommonName; cn != id.Code {
		return fmt.Errorf("check identity: device certificate is for %q, not %q", cn, id.Code)
	}
	if err := checkLeaf(issuers, id.SealCert, id.Seal, UnitSeal); err != nil {
		return fmt.Errorf("check identity: seal certificate: %w", err)
	}
	if sn := id.SealCert.Subject.SerialNumber; sn != id.Code {
		return fmt.Errorf("check identity: seal certificate is for %q, not %q", sn, id.Code)
	}
	return nil
}

func checkLeaf(issuers []*x509.Certificate, cert *x509.Certificate, key crypto.Signer, unit string) error {
	if err := checkIssued(IssuerOf(cert, issuers), cert, unit); err != nil {
		return err
	}
	if pub, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !pub.Equal(cert.PublicKey) {
		return ErrMismatch
	}
	return nil
}

func checkIssued(ca, cert *x509.Certificate, unit string) error {
	if err := cert.CheckSignatureFrom(ca); err != nil {
		return fmt.Errorf("%w: %w", ErrIssuer, err)
	}
	if cert.IsCA || !slices.Equal(cert.Subject.OrganizationalUnit, []string{unit}) {
		return fmt.Errorf("certificate is for %q, not %q", cert.Subject.OrganizationalUnit, unit)
	}
	return nil
}

// CheckAuthority says whether authority is the certificate of ca's hub for
// signing invites and cards. No other certificate of the CA passes, so no
// office can act as the authority.
func CheckAuthority(ca, authority *x509.Certificate) error {
	if ca == nil || authority == nil {
		return errors.New("check authority: certificate is missing")
	}
	if !ca.IsCA || !bytes.Equal(ca.RawIssuer, ca.RawSubject) {
		return errors.New("check authority: the root is no CA certificate")
	}
	if err := checkIssued(ca, authority, UnitAuthority); err != nil {
		return fmt.Errorf("check authority: %w", err)
	}
	if _, ok := authority.PublicKey.(*ecdsa.PublicKey); !ok {
		return errors.New("check authority: not an ECDSA key")
	}
	return nil
}

// DeviceCode returns the office code of a device certificate that the caller
// has already chained to the CA. Certificates of other purposes, such as a
// seal's, carry none.
func DeviceCode(cert *x509.Certificate) (string, error) {
	client := slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	if cert.IsCA || !client || !slices.Equal(cert.Subject.OrganizationalUnit, []string{UnitDevice}) {
		return "", errors.New("read office code: not a device certificate")
	}
	if cert.Subject.CommonName == "" {
		return "", errors.New("read office code: certificate names no office")
	}
	return cert.Subject.CommonName, nil
}
