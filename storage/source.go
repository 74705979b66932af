package storage

import (
	"errors"
	"io"
)

// Source is a reader that remembers why reading failed. Whoever hands it to code
// that may fail for reasons of its own, such as a full disk, can tell the two
// apart. The end of what is read is no failure.
type Source struct {
	R   io.Reader
	Err error // the failure, nil while there is none
}

// Read implements [io.Reader].
func (s *Source) Read(p []byte) (int, error) {
	n, err := s.R.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.Err = err
	}
	return n, err
}
