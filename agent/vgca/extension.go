package vgca

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"tram/agent/docsign"
)

// What can be wrong with a file that comes back.
var (
	// ErrNotExtended says that the new file is not the old one with something
	// added at its end.
	ErrNotExtended = errors.New("the new file does not extend the old one")
	// ErrNotSigned says that what was added holds no signature over all of the
	// new file.
	ErrNotSigned = errors.New("no signature covers the new file")
	// ErrSignature says that there is such a signature and it is wrong.
	ErrSignature = errors.New("the signature is wrong")
)

// MaxUpdate is the longest part that signing may add, in bytes: a signature, a
// picture of it, and fonts.
const MaxUpdate = 16 << 20

// Extension checks that now is old, byte for byte, with an incremental update
// at its end, and that a signature in this update covers the whole file and is
// the work of the key that its certificate names. It gives the signer, whom others
// judge. Errors: [ErrNotExtended],
// [ErrNotSigned], [ErrSignature], those of reading.
//
// What the update draws is the signer's own doing, and signed as such.
func Extension(ctx context.Context, old, now io.ReaderAt, oldSize, nowSize int64) (docsign.Party, error) {
	if nowSize <= oldSize || nowSize-oldSize > MaxUpdate {
		return docsign.Party{}, ErrNotExtended
	}
	if err := samePrefix(old, now, oldSize); err != nil {
		return docsign.Party{}, err
	}
	report, err := docsign.Check(ctx, "signed.pdf", now, nowSize, docsign.Options{Now: time.Now()})
	if err != nil {
		return docsign.Party{}, fmt.Errorf("check signatures: %w", err)
	}
	for _, s := range report.Signatures {
		switch {
		case s.Scope.Kind != docsign.ScopeWhole || s.Scope.Length != nowSize || s.Kind == docsign.KindTimestamp:
		case !s.Intact || s.SubIndication == docsign.CryptoConstraintsFailure:
			return docsign.Party{}, fmt.Errorf("%w: %s: %s", ErrSignature, s.SubIndication, s.Reason.Detail)
		default:
			return s.Signer, nil
		}
	}
	return docsign.Party{}, ErrNotSigned
}

func samePrefix(old, now io.ReaderAt, size int64) error {
	a, b := make([]byte, 64<<10), make([]byte, 64<<10)
	for at := int64(0); at < size; at += int64(len(a)) {
		n := min(int64(len(a)), size-at)
		for r, p := range map[io.ReaderAt][]byte{old: a[:n], now: b[:n]} {
			if _, err := io.ReadFull(io.NewSectionReader(r, at, n), p); err != nil {
				return fmt.Errorf("compare files: %w", err)
			}
		}
		if !bytes.Equal(a[:n], b[:n]) {
			return ErrNotExtended
		}
	}
	return nil
}
