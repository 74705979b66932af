package lgsp

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"io"
	"strings"
)

// measure takes length and digest of what is written through it.
type measure struct {
	w    io.Writer
	hash hash.Hash
	size int64
	err  error // of w
}

func newMeasure(w io.Writer) *measure { return &measure{w: w, hash: sha256.New()} }

func (m *measure) Write(p []byte) (int, error) {
	n, err := m.w.Write(p)
	m.hash.Write(p[:n])
	m.size += int64(n)
	m.err = err
	return n, err
}

// fits holds the measure against what the axis says, where it says something.
func (m *measure) fits(said entry) error {
	if n, ok := said.length(); ok && n != m.size {
		return errDiffers("contentLength")
	}
	sum := m.hash.Sum(nil)
	switch want := string(said.SHA256); {
	case want == "", strings.EqualFold(want, hex.EncodeToString(sum)), want == base64.StdEncoding.EncodeToString(sum):
		return nil
	}
	return errDiffers("contentSha256")
}
