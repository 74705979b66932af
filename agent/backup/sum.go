package backup

import (
	"crypto/sha256"
	"hash"
	"io"
)

// summing counts and digests what it passes on.
type summing struct {
	w   io.Writer
	sum hash.Hash
	n   int64
}

func newSumming(w io.Writer) *summing { return &summing{w: w, sum: sha256.New()} }

func (s *summing) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.sum.Write(p[:n])
	s.n += int64(n)
	return n, err
}

func (s *summing) stored() stored { return stored{hexOf(s.sum.Sum(nil)), s.n} }
