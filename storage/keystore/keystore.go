// Package keystore keeps private keys, certificates and small secrets as files
// in a folder that only their owner may read.
//
// It promises that a file it wrote is whole and durable when the call returns
// (all writes go through fsx), that folders it makes have mode 0700 and files
// 0600, and that on Unix it refuses to read a secret that group or others
// could have read. On Windows the folder's access list, set at installation,
// takes the place of the modes.
//
// Formats are the common ones, so that openssl reads them: PKCS#8 PEM for
// keys, X.509 PEM for certificates.
package keystore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"tram/storage"
	"tram/storage/fsx"
)

var (
	// ErrNotFound says that there is no such file.
	ErrNotFound = storage.ErrNotFound
	// ErrPermissions says that group or others may read a secret. Nothing was
	// read. The secret may have leaked; the owner decides whether to narrow
	// the mode or to make a new key.
	ErrPermissions = errors.New("secret is readable by other accounts")
	// ErrFormat says that a file is not what its name says.
	ErrFormat = errors.New("unexpected file content")
	// ErrLocked says that another process holds the lock.
	ErrLocked = errors.New("locked by another process")
)

// Modes of what this package makes.
const (
	FolderMode fs.FileMode = 0o700
	FileMode   fs.FileMode = 0o600
)

// MaxFile is the largest file this package reads, in bytes. A larger one is
// ErrFormat.
const MaxFile = 64 << 10

// Names of PEM blocks.
const (
	pemKey  = "PRIVATE KEY"
	pemCert = "CERTIFICATE"
)

// MakeFolder makes dir and its parents with FolderMode. An existing folder is
// narrowed to FolderMode.
func MakeFolder(dir string) error {
	if err := fsx.MkdirAll(fsx.OS, dir, FolderMode); err != nil {
		return err
	}
	if err := os.Chmod(dir, FolderMode); err != nil {
		return fmt.Errorf("make key folder: %w", err)
	}
	return nil
}

// CopyFolder copies a key folder with the folders in it: what is no regular file is left
// out.
func CopyFolder(from, to string) error {
	if err := MakeFolder(to); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		source, target := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		switch {
		case e.IsDir():
			err = CopyFolder(source, target)
		case e.Type().IsRegular():
			var data []byte
			if data, err = os.ReadFile(source); err == nil {
				err = fsx.WriteFile(target, data, FileMode)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Save writes a small secret durably, replacing what path held. The folder
// must exist.
func Save(path string, data []byte) error {
	if len(data) > MaxFile {
		return fmt.Errorf("save %s: %w: more than %d bytes", filepath.Base(path), ErrFormat, MaxFile)
	}
	if err := fsx.WriteFile(path, data, FileMode); err != nil {
		return fmt.Errorf("save %s: %w", filepath.Base(path), err)
	}
	return nil
}

// Load reads a small secret. ErrNotFound, ErrPermissions, ErrFormat.
func Load(path string) ([]byte, error) {
	data, err := read(path, true)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", filepath.Base(path), err)
	}
	return data, nil
}

func read(path string, secret bool) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: not a regular file", ErrFormat)
	}
	if secret {
		if err := checkMode(info.Mode()); err != nil {
			return nil, err
		}
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxFile {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrFormat, MaxFile)
	}
	return data, nil
}

// SaveKey writes a private key (ECDSA or RSA) as PKCS#8 PEM, durably,
// replacing what path held.
func SaveKey(path string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("save %s: %w", filepath.Base(path), err)
	}
	return Save(path, pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der}))
}

// LoadKey reads a private key that is ECDSA or RSA. ErrNotFound,
// ErrPermissions, ErrFormat.
func LoadKey(path string) (crypto.Signer, error) {
	data, err := Load(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != pemKey {
		return nil, fmt.Errorf("load %s: %w: no PKCS#8 PEM key", filepath.Base(path), ErrFormat)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w: %w", filepath.Base(path), ErrFormat, err)
	}
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		return key, nil
	case *rsa.PrivateKey:
		return key, nil
	}
	return nil, fmt.Errorf("load %s: %w: key type %T", filepath.Base(path), ErrFormat, key)
}

// SaveCert writes a certificate as PEM, durably, replacing what path held.
func SaveCert(path string, cert *x509.Certificate) error {
	return Save(path, pem.EncodeToMemory(&pem.Block{Type: pemCert, Bytes: cert.Raw}))
}

// LoadCert reads a certificate; its file mode does not matter. ErrNotFound,
// ErrFormat.
func LoadCert(path string) (*x509.Certificate, error) {
	data, err := read(path, false)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", filepath.Base(path), err)
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != pemCert {
		return nil, fmt.Errorf("load %s: %w: no PEM certificate", filepath.Base(path), ErrFormat)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w: %w", filepath.Base(path), ErrFormat, err)
	}
	return cert, nil
}

// LockName is the file in a folder that Lock holds.
const LockName = "lock"

// Lock takes a data folder for this process alone until unlock is called or
// the process ends. ErrLocked when another process has it. The lock file stays
// behind; it means nothing by itself.
func Lock(dir string) (unlock func() error, err error) {
	return LockFile(filepath.Join(dir, LockName))
}

// LockFile is Lock on a file of any name.
func LockFile(path string) (unlock func() error, err error) {
	l := flock.New(path, flock.SetPermissions(FileMode))
	got, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, fsx.MapError(err))
	}
	if !got {
		return nil, fmt.Errorf("lock %s: %w", path, ErrLocked)
	}
	return l.Unlock, nil
}
