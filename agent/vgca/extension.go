package vgca

import (
	"bytes"
	"crypto"
	_ "crypto/sha256" // digests of signatures
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"tram/agent/seal"
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

// byteRange is the entry of a signature (ISO 32000-1, 12.8.1).
var byteRange = regexp.MustCompile(`/ByteRange\s*\[\s*0\s+(\d{1,12})\s+(\d{1,12})\s+(\d{1,12})\s*\]`)

// Extension checks that now is old, byte for byte, with an incremental update
// at its end, and that this update holds a signature over everything but its
// own value. It gives the signer's certificate, which is not judged here.
// Errors: [ErrNotExtended], [ErrNotSigned], [ErrSignature], those of reading.
//
// What the update draws is the signer's own doing, and signed as such.
func Extension(old, now io.ReaderAt, oldSize, nowSize int64) (*x509.Certificate, error) {
	if nowSize <= oldSize || nowSize-oldSize > MaxUpdate {
		return nil, ErrNotExtended
	}
	if err := samePrefix(old, now, oldSize); err != nil {
		return nil, err
	}
	update := make([]byte, nowSize-oldSize)
	if _, err := io.ReadFull(io.NewSectionReader(now, oldSize, nowSize-oldSize), update); err != nil {
		return nil, fmt.Errorf("read update: %w", err)
	}
	from, to, err := gap(update, oldSize, nowSize)
	if err != nil {
		return nil, err
	}
	der, err := contents(update[from-oldSize : to-oldSize])
	if err != nil {
		return nil, err
	}
	cert, err := seal.DetachedSigner(der, func(h crypto.Hash) ([]byte, error) {
		sum := h.New()
		_, err := io.Copy(sum, io.MultiReader(io.NewSectionReader(now, 0, from), io.NewSectionReader(now, to, nowSize-to)))
		return sum.Sum(nil), err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return cert, nil
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

// gap finds the one signature value in the update around which all the rest of
// the file is signed, as offsets in the file, brackets included.
func gap(update []byte, oldSize, nowSize int64) (from, to int64, err error) {
	found := 0
	for _, m := range byteRange.FindAllSubmatch(update, -1) {
		var n [3]int64
		for i := range n {
			n[i], _ = strconv.ParseInt(string(m[i+1]), 10, 64) // at most twelve digits
		}
		if a, b := n[0], n[1]; b+n[2] == nowSize && a >= oldSize && a < b && b <= nowSize {
			from, to = a, b
			found++
		}
	}
	if found != 1 {
		return 0, 0, ErrNotSigned
	}
	before := bytes.TrimRight(update[:from-oldSize], "\x00\t\n\f\r ")
	if !bytes.HasSuffix(before, []byte("/Contents")) {
		return 0, 0, ErrNotSigned
	}
	return from, to, nil
}

// contents reads a hexadecimal string that holds DER and zeros behind it.
func contents(text []byte) ([]byte, error) {
	if len(text) < 2 || text[0] != '<' || text[len(text)-1] != '>' {
		return nil, ErrNotSigned
	}
	raw, err := hex.DecodeString(string(text[1 : len(text)-1]))
	if err != nil {
		return nil, ErrNotSigned
	}
	var v asn1.RawValue
	rest, err := asn1.Unmarshal(raw, &v)
	if err != nil || len(bytes.Trim(rest, "\x00")) > 0 {
		return nil, fmt.Errorf("%w: no single value", ErrSignature)
	}
	return v.FullBytes, nil
}
