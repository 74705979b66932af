package appkey

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"hash/crc32"
	"log/slog"
	"strings"
)

// A key is "tram_", its public ID, "_" and the secret with a checksum: letters
// and digits that a double click selects as one word.
const (
	prefix       = "tram"
	idBytes      = 5  // random bytes of an ID
	secretBytes  = 32 // random bytes of a secret
	idLength     = 8  // characters
	secretLength = 52 + sumLength
	sumLength    = 7
	// MaxKey is longer than any key, bytes. What is longer is not looked at.
	MaxKey = 128
)

var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Key is a whole key. It does not print itself into logs.
type Key string

// LogValue implements [slog.LogValuer].
func (k Key) LogValue() slog.Value {
	id, _ := Parse(string(k))
	return slog.StringValue(prefix + "_" + id + "_…")
}

func newKey() (k Key, id string) {
	random := make([]byte, idBytes+secretBytes)
	_, _ = rand.Read(random) // never fails
	id = letters.EncodeToString(random[:idBytes])
	body := prefix + "_" + id + "_" + letters.EncodeToString(random[idBytes:])
	return Key(body + checksum(body)), id
}

// checksum of the characters before it: typing errors, not attacks.
func checksum(body string) string {
	return letters.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(body))))
}

// Parse gives the public ID of a key that has the right form and checksum.
func Parse(key string) (id string, ok bool) {
	if len(key) > MaxKey {
		return "", false
	}
	part := strings.Split(key, "_")
	if len(part) != 3 || part[0] != prefix || len(part[1]) != idLength || len(part[2]) != secretLength {
		return "", false
	}
	for _, text := range part[1:] {
		if strings.ContainsFunc(text, func(c rune) bool { return (c < 'a' || c > 'z') && (c < '2' || c > '7') }) {
			return "", false
		}
	}
	body, sum := key[:len(key)-sumLength], key[len(key)-sumLength:]
	return part[1], sum == checksum(body)
}

func digest(key string) [32]byte { return sha256.Sum256([]byte(key)) }

// Bearer takes the key out of an Authorization header, "" when there is none.
func Bearer(header string) string {
	scheme, key, found := strings.Cut(header, " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(key)
}
