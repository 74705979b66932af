package sealkey

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tram/storage/keystore"
)

// Source gives a PIN or password each time it is asked. The caller wipes it.
type Source func() ([]byte, error)

// ErrSource says that a secret cannot be read where it should be.
var ErrSource = errors.New("secret cannot be read")

// CredentialFolder is the environment variable in which systemd names the
// folder of a service's credentials (LoadCredential=, LoadCredentialEncrypted=).
const CredentialFolder = "CREDENTIALS_DIRECTORY"

// maxSecret is the longest PIN or password, in bytes.
const maxSecret = 255

// FileSource reads the first line of a file that only its owner may read.
func FileSource(path string) Source {
	return func() ([]byte, error) {
		data, err := keystore.Load(path)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSource, err)
		}
		return line(data)
	}
}

// CredentialSource reads the systemd credential of that name. systemd keeps it
// in memory that is not swapped, and decrypts it with the TPM where there is
// one.
func CredentialSource(name string) Source {
	return func() ([]byte, error) {
		dir := os.Getenv(CredentialFolder)
		if dir == "" || name == "" || name != filepath.Base(name) || strings.HasPrefix(name, ".") {
			return nil, fmt.Errorf("%w: this process has no credential %q", ErrSource, name)
		}
		data, err := os.ReadFile(filepath.Join(dir, name)) // its folder is for this service alone
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSource, err)
		}
		return line(data)
	}
}

// line is the first line of data, which is wiped.
func line(data []byte) ([]byte, error) {
	defer clear(data)
	first, _, _ := bytes.Cut(data, []byte("\n"))
	first = bytes.TrimSuffix(first, []byte("\r"))
	if len(first) == 0 || len(first) > maxSecret {
		return nil, fmt.Errorf("%w: its first line has %d bytes", ErrSource, len(first))
	}
	return bytes.Clone(first), nil
}
