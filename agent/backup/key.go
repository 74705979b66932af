package backup

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"tram/agent/enroll/invite"
	"tram/agent/problem"
	"tram/storage/keystore"
)

const (
	// KeyFile keeps an office's backup key in its data folder: the age identity and the
	// recovery code, a line each.
	KeyFile = "backup.key"
	// codeBytes are drawn for a recovery code; two more check it.
	codeBytes = 16
	// codeWork is the work factor of the scrypt recipient under the recovery code: that
	// has 128 bits, so nobody guesses it, and a small machine needs 4 MiB.
	codeWork = 12
	// maxKey bounds the file of a key in a store, in bytes.
	maxKey = 4 << 10
	// idBytes of the digest of its recipient name a key.
	idBytes = 4
)

// Key opens the backups of one office. What a store holds under it shows neither it nor
// the digests of documents.
type Key struct {
	id   *age.X25519Identity
	code string
	name []byte // of the names of content
}

// NewKey draws a key and its recovery code.
func NewKey() (*Key, error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fmt.Errorf("draw backup key: %w", err)
	}
	var drawn [codeBytes]byte
	if _, err := rand.Read(drawn[:]); err != nil {
		return nil, fmt.Errorf("draw backup key: %w", err)
	}
	return newKey(id, spell(drawn)), nil
}

func newKey(id *age.X25519Identity, code string) *Key {
	h := hmac.New(sha256.New, []byte(id.String()))
	h.Write([]byte("tram-backup names"))
	return &Key{id: id, code: code, name: h.Sum(nil)}
}

// Code is the recovery code: nine words, with which anybody opens the backups.
func (k *Key) Code() string { return k.code }

// ID names the key in a store.
func (k *Key) ID() string {
	sum := sha256.Sum256([]byte(k.id.Recipient().String()))
	return hex.EncodeToString(sum[:idBytes])
}

// content is the name of content in a store, below the folder of the key.
func (k *Key) content(sha [32]byte) string {
	name := hex.EncodeToString(k.mac(sha[:]))
	return name[:2] + "/" + name
}

func (k *Key) mac(data []byte) []byte {
	h := k.sum()
	h.Write(data)
	return h.Sum(nil)
}

func (k *Key) sum() hash.Hash { return hmac.New(sha256.New, k.name) }

// spell writes a recovery code.
func spell(drawn [codeBytes]byte) string {
	sum := sha256.Sum256(drawn[:])
	all := append(drawn[:], sum[:2]...)
	words := make([]string, 0, len(all)/2)
	for i := 0; i < len(all); i += 2 {
		words = append(words, invite.Word(uint16(all[i])<<8|uint16(all[i+1])))
	}
	return strings.Join(words, "-")
}

// ReadCode takes a recovery code as people type it. Problem: backup.code.
func ReadCode(typed string) (string, error) {
	letters := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, strings.ToLower(typed))
	fault := problem.New(problem.Denied, "backup.code", "key", nil)
	const long = 5 // letters of a word
	if len(letters) != (codeBytes/2+1)*long {
		return "", fault
	}
	var all []byte
	for i := 0; i < len(letters); i += long {
		n, ok := invite.ReadWord(letters[i : i+long])
		if !ok {
			return "", fault
		}
		all = append(all, byte(n>>8), byte(n))
	}
	code := spell([codeBytes]byte(all))
	if strings.ReplaceAll(code, "-", "") != letters {
		return "", fault
	}
	return code, nil
}

// LoadKey reads the key of a data folder; [keystore.ErrNotFound] when it has none.
func LoadKey(dir string) (*Key, error) {
	data, err := keystore.Load(filepath.Join(dir, KeyFile))
	if err != nil {
		return nil, err
	}
	return parseKey(data)
}

func parseKey(data []byte) (*Key, error) {
	identity, code, _ := strings.Cut(strings.TrimSpace(string(data)), "\n")
	id, err := age.ParseX25519Identity(identity)
	if err == nil {
		code, err = ReadCode(code)
	}
	if err != nil { // the cause could repeat the secret
		return nil, fmt.Errorf("read %s: %w", KeyFile, keystore.ErrFormat)
	}
	return newKey(id, code), nil
}

func (k *Key) text() []byte { return []byte(k.id.String() + "\n" + k.code + "\n") }

// EnsureKey reads the key of a data folder, or makes one.
func EnsureKey(dir string) (k *Key, made bool, err error) {
	k, err = LoadKey(dir)
	if !errors.Is(err, keystore.ErrNotFound) {
		return k, false, err
	}
	if k, err = NewKey(); err != nil {
		return nil, false, err
	}
	return k, true, keystore.Save(filepath.Join(dir, KeyFile), k.text())
}

// seal writes the key as it lies in a store: encrypted with its recovery code.
func (k *Key) seal(w io.Writer) error {
	r, err := age.NewScryptRecipient(k.code)
	if err != nil {
		return err
	}
	r.SetWorkFactor(codeWork)
	return encryptTo(w, r, bytes.NewReader(k.text()))
}

// errOtherCode says that a recovery code is another key's.
var errOtherCode = errors.New("the recovery code opens another key")

// openKey opens a key that seal wrote.
func openKey(r io.Reader, code string) (*Key, error) {
	id, err := age.NewScryptIdentity(code)
	if err != nil {
		return nil, err
	}
	id.SetMaxWorkFactor(codeWork)
	plain, err := age.Decrypt(io.LimitReader(r, maxKey), id)
	var wrong *age.NoIdentityMatchError
	if errors.As(err, &wrong) {
		return nil, errOtherCode
	}
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(plain)
	if err != nil {
		return nil, err
	}
	return parseKey(data)
}

// encryptTo writes what r reads, encrypted.
func encryptTo(w io.Writer, to age.Recipient, r io.Reader) error {
	sealed, err := age.Encrypt(w, to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(sealed, r); err != nil {
		return err
	}
	return sealed.Close()
}

// sealedSize is how long content of n bytes is when it is encrypted to one recipient.
func sealedSize(n int64) int64 {
	const header, nonce, chunk, tag = 168, 16, 64 << 10, 16
	return header + nonce + n + tag*max((n+chunk-1)/chunk, 1)
}
