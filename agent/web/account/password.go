package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// Parameters of argon2id.
type Parameters struct {
	Memory  uint32 // KiB
	Time    uint32 // passes
	Threads uint8
}

// DefaultParameters are the smallest set OWASP names, sized for a machine with
// 64 MiB of memory; one hash is made at a time.
var DefaultParameters = Parameters{Memory: 19 << 10, Time: 2, Threads: 1}

const (
	saltSize = 16
	keySize  = 32
	// What a stored hash may ask of this machine.
	maxMemory = 256 << 10 // KiB
	maxTime   = 16
)

// hash checks a new password and hashes it.
func (s *Store) hash(ctx context.Context, password string) (string, error) {
	if utf8.RuneCountInString(password) < MinPassword {
		return "", problem.New(problem.Usage, "account.password-short", "password", i18n.Args{"min": MinPassword})
	}
	if len(password) > MaxPassword {
		return "", problem.New(problem.Usage, "account.password-long", "password", i18n.Args{"max": MaxPassword})
	}
	if err := s.enter(ctx); err != nil {
		return "", err
	}
	defer s.leave()
	salt := make([]byte, saltSize)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("make salt: %w", err)
	}
	return encode(s.options.Hash, salt, derive(s.options.Hash, salt, password)), nil
}

// verify compares password with a stored hash. The caller has entered.
func verify(hash, password string) (bool, error) {
	p, salt, want, err := decode(hash)
	if err != nil {
		return false, err
	}
	if len(password) > MaxPassword {
		password = password[:MaxPassword] + "\x00too long"
	}
	return subtle.ConstantTimeCompare(derive(p, salt, password), want) == 1, nil
}

// enter waits for the one place to hash in, which bounds memory.
func (s *Store) enter(ctx context.Context) error {
	select {
	case s.hashing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) leave() { <-s.hashing }

// derive normalises first: the same password typed with another input method
// may arrive decomposed.
func derive(p Parameters, salt []byte, password string) []byte {
	return argon2.IDKey(norm.NFC.Bytes([]byte(password)), salt, p.Time, p.Memory, p.Threads, keySize)
}

func hashOfNobody(p Parameters) string {
	return encode(p, make([]byte, saltSize), make([]byte, keySize))
}

func encode(p Parameters, salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.Memory, p.Time, p.Threads,
		b64.EncodeToString(salt), b64.EncodeToString(key))
}

func decode(hash string) (p Parameters, salt, key []byte, err error) {
	part := strings.Split(hash, "$")
	if len(part) != 6 || part[1] != "argon2id" || part[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, nil, nil, fmt.Errorf("read password hash: not argon2id version %d", argon2.Version)
	}
	if _, err := fmt.Sscanf(part[3], "m=%d,t=%d,p=%d", &p.Memory, &p.Time, &p.Threads); err != nil {
		return p, nil, nil, fmt.Errorf("read password hash: %w", err)
	}
	if p.Memory > maxMemory || p.Time > maxTime || p.Time == 0 || p.Threads == 0 {
		return p, nil, nil, fmt.Errorf("read password hash: parameters out of range")
	}
	if salt, err = base64.RawStdEncoding.DecodeString(part[4]); err != nil {
		return p, nil, nil, fmt.Errorf("read password salt: %w", err)
	}
	if key, err = base64.RawStdEncoding.DecodeString(part[5]); err != nil || len(key) != keySize {
		return p, nil, nil, fmt.Errorf("read password key: %d bytes, %v", len(key), err)
	}
	return p, salt, key, nil
}
