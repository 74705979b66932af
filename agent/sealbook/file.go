package sealbook

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"

	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/agent/sealkey"
	"tram/storage/keystore"
)

// Kind says where a seal's key is.
type Kind string

// Kinds of seals.
const (
	KindEnrolled Kind = "enrolled" // key file of the enrolment; not in the book's file
	KindFile     Kind = "file"     // key file of Trạm's own
	KindPKCS12   Kind = "pkcs12"   // PKCS#12 file
	KindPKCS11   Kind = "pkcs11"   // token behind the helper program
)

// Action is what a seal is for.
type Action string

// Actions that a seal can be chosen for. Statuses are always sealed with the
// enrolment's key, for they go out when nobody is there.
const (
	ActionDocument Action = "document" // every outgoing document
	ActionCopy     Action = "copy"     // outgoing copies: SY, SL, TrS; else as document
)

// Actions are all of them.
var Actions = []Action{ActionDocument, ActionCopy}

// Secret says where the PIN or password of a seal is read without a person.
// Both empty: a person unlocks the seal after each start of the service.
type Secret struct {
	File       string `json:"file,omitempty"`       // path of a file for its owner alone
	Credential string `json:"credential,omitempty"` // name of a systemd credential
}

// source is nil when a person must come.
func (s Secret) source() sealkey.Source {
	switch {
	case s.File != "":
		return sealkey.FileSource(s.File)
	case s.Credential != "":
		return sealkey.CredentialSource(s.Credential)
	}
	return nil
}

// Seal is one seal of the office, as the book's file holds it. Role and person
// are in its certificate.
type Seal struct {
	Name    string   `json:"name"`
	Kind    Kind     `json:"kind"`
	Actions []Action `json:"actions,omitempty"`
	Secret  Secret   `json:"secret,omitzero"`
	Module  string   `json:"module,omitempty"` // of a token: the maker's library
	Token   string   `json:"token,omitempty"`  // its serial number or label
	Key     string   `json:"key,omitempty"`    // "id:" and CKA_ID in hex
}

// Limits of the book.
const (
	MaxSeals = 32 // seals beside the enrolment's
	maxPIN   = 255
)

// Enrolled is the name of the enrolment's seal.
const Enrolled = "dang-ky"

// Folder and file, in the key folder.
const (
	folderName = "seals"
	bookName   = "seals.json"
)

const bookVersion = 1

type bookFile struct {
	Version int    `json:"version"`
	Seals   []Seal `json:"seals"`
}

var goodName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// folder is where a data folder keeps its seals.
func folder(dir string) string { return filepath.Join(dir, identity.Folder, folderName) }

// Files of one seal.
func keyPath(dir string, s Seal) string {
	return filepath.Join(folder(dir), s.Name+map[Kind]string{KindFile: ".key", KindPKCS12: ".p12"}[s.Kind])
}
func certPath(dir, name string) string { return filepath.Join(folder(dir), name+".crt") }

// RequestPath is where the certificate request of a seal lies.
func RequestPath(dir, name string) string { return filepath.Join(folder(dir), name+".csr") }

var errBook = errors.New("bad book of seals")

// load reads the book's file; there may be none.
func load(dir string) ([]Seal, error) {
	data, err := keystore.Load(filepath.Join(folder(dir), bookName))
	if errors.Is(err, keystore.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read seals: %w", err)
	}
	seals, err := parseBook(data)
	if err != nil {
		return nil, fmt.Errorf("read seals: %w", err)
	}
	return seals, nil
}

// parseBook reads a book's file and checks it.
func parseBook(data []byte) ([]Seal, error) {
	var f bookFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("%w: %w", errBook, err)
	}
	if f.Version != bookVersion {
		return nil, fmt.Errorf("%w: version %d, this program reads %d", errBook, f.Version, bookVersion)
	}
	if len(f.Seals) > MaxSeals {
		return nil, fmt.Errorf("%w: %d seals", errBook, len(f.Seals))
	}
	used := map[string]bool{Enrolled: true}
	for _, s := range f.Seals {
		if !goodName.MatchString(s.Name) || used[s.Name] {
			return nil, fmt.Errorf("%w: name %q", errBook, s.Name)
		}
		used[s.Name] = true
		if !slices.Contains([]Kind{KindFile, KindPKCS12, KindPKCS11}, s.Kind) {
			return nil, fmt.Errorf("%w: kind %q", errBook, s.Kind)
		}
		for _, a := range s.Actions {
			if !slices.Contains(Actions, a) || used["for "+string(a)] {
				return nil, fmt.Errorf("%w: action %q", errBook, a)
			}
			used["for "+string(a)] = true
		}
	}
	return f.Seals, nil
}

// save writes the book's file.
func save(dir string, seals []Seal) error {
	data, err := json.MarshalIndent(bookFile{Version: bookVersion, Seals: seals}, "", "  ")
	if err != nil {
		return fmt.Errorf("write seals: %w", err)
	}
	if _, err := parseBook(data); err != nil {
		return fmt.Errorf("write seals: %w", err)
	}
	return keystore.Save(filepath.Join(folder(dir), bookName), append(data, '\n'))
}

// ReadCertificate reads the first certificate of a PEM or DER file. Problem
// seal.certificate-unreadable.
func ReadCertificate(path string) (*x509.Certificate, error) {
	data, err := readFile(path)
	if err == nil {
		var cert *x509.Certificate
		if cert, err = parseCertificate(data); err == nil {
			return cert, nil
		}
	}
	return nil, problem.New(problem.Usage, "seal.certificate-unreadable", "FILE", i18n.Args{"file": path}).Because(err)
}

func parseCertificate(data []byte) (*x509.Certificate, error) {
	if block, _ := pem.Decode(data); block != nil {
		data = block.Bytes
	}
	return x509.ParseCertificate(data)
}
