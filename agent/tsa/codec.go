package tsa

import (
	"bytes"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	tag0      = der.Tag(0).ContextSpecific()
	tag0Group = tag0.Constructed()
	tag1      = der.Tag(1).ContextSpecific()
	tag1Group = tag1.Constructed()
)

func malformed(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }

// Policy identifiers are kept as the content of their DER, since arcs of a
// UUID do not fit the integers of encoding/asn1.

// readPolicy reads an OBJECT IDENTIFIER as it stands.
func readPolicy(s *cryptobyte.String) (policy string, ok bool) {
	var content cryptobyte.String
	if !s.ReadASN1(&content, der.OBJECT_IDENTIFIER) {
		return "", false
	}
	oid, err := parseOID(content)
	if err != nil {
		return "", false
	}
	return oid.String(), true
}

func addPolicy(b *cryptobyte.Builder, policy string) {
	raw, err := marshalOID(policy)
	if err != nil {
		b.SetError(err)
		return
	}
	b.AddASN1(der.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes(raw) })
}

// readInteger reads an INTEGER of at most maxNonce bytes.
func readInteger(s *cryptobyte.String) (*big.Int, bool) {
	var content cryptobyte.String
	peek := *s
	if !peek.ReadASN1(&content, der.INTEGER) || len(content) > maxNonce {
		return nil, false
	}
	n := new(big.Int)
	if !s.ReadASN1Integer(n) {
		return nil, false
	}
	return n, true
}

// readAlgorithm reads an AlgorithmIdentifier. Parameters may be absent or NULL.
func readAlgorithm(s *cryptobyte.String) (oid asn1.ObjectIdentifier, ok bool) {
	var seq cryptobyte.String
	if !s.ReadASN1(&seq, der.SEQUENCE) || !seq.ReadASN1ObjectIdentifier(&oid) {
		return nil, false
	}
	var null cryptobyte.String
	if !seq.Empty() && (!seq.ReadASN1(&null, der.NULL) || !null.Empty()) {
		return nil, false
	}
	return oid, seq.Empty()
}

func addAlgorithm(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, null bool) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if null {
			b.AddASN1NULL()
		}
	})
}

func readImprint(s *cryptobyte.String) (Imprint, error) {
	var seq, sum cryptobyte.String
	if !s.ReadASN1(&seq, der.SEQUENCE) {
		return Imprint{}, malformed("imprint")
	}
	oid, ok := readAlgorithm(&seq)
	if !ok || !seq.ReadASN1(&sum, der.OCTET_STRING) || !seq.Empty() {
		return Imprint{}, malformed("imprint")
	}
	hash := hashOf(oid)
	if hash == 0 {
		return Imprint{}, errAlgorithm
	}
	if len(sum) != hash.Size() {
		return Imprint{}, malformed("imprint has another length")
	}
	return Imprint{Hash: hash, Sum: append([]byte(nil), sum...)}, nil
}

func addImprint(b *cryptobyte.Builder, i Imprint) {
	oid := oidOf(i.Hash)
	if oid == nil || len(i.Sum) != i.Hash.Size() {
		b.SetError(malformed("imprint is no SHA-2 digest"))
		return
	}
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		addAlgorithm(b, oid, true)
		b.AddASN1OctetString(i.Sum)
	})
}

// timeForm is DER's GeneralizedTime: UTC, a fraction only where it is not zero
// and without trailing zeros.
const timeForm = "20060102150405.999999999Z"

func readTime(s *cryptobyte.String) (time.Time, bool) {
	var content cryptobyte.String
	if !s.ReadASN1(&content, der.GeneralizedTime) {
		return time.Time{}, false
	}
	t, err := time.Parse(timeForm, string(content))
	if err != nil || t.Format(timeForm) != string(content) {
		return time.Time{}, false
	}
	return t, true
}

// readAccuracy reads the sum of seconds, milliseconds and microseconds.
func readAccuracy(s *cryptobyte.String) (time.Duration, bool) {
	var seq cryptobyte.String
	if !s.ReadASN1(&seq, der.SEQUENCE) {
		return 0, false
	}
	var seconds, millis, micros int64
	if seq.PeekASN1Tag(der.INTEGER) && !seq.ReadASN1Integer(&seconds) ||
		seq.PeekASN1Tag(tag0) && !seq.ReadASN1Int64WithTag(&millis, tag0) ||
		seq.PeekASN1Tag(tag1) && !seq.ReadASN1Int64WithTag(&micros, tag1) {
		return 0, false
	}
	const most = 1 << 31 // seconds
	if !seq.Empty() || seconds < 0 || seconds > most || millis < 0 || millis > 999 || micros < 0 || micros > 999 {
		return 0, false
	}
	return time.Duration(seconds)*time.Second + time.Duration(millis)*time.Millisecond + time.Duration(micros)*time.Microsecond, true
}

func addAccuracy(b *cryptobyte.Builder, d time.Duration) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		if s := int64(d / time.Second); s > 0 {
			b.AddASN1Int64(s)
		}
		if ms := int64(d % time.Second / time.Millisecond); ms > 0 {
			b.AddASN1Int64WithTag(ms, tag0)
		}
		if us := int64(d % time.Millisecond / time.Microsecond); us > 0 {
			b.AddASN1Int64WithTag(us, tag1)
		}
	})
}

// joinSorted is the content of a DER SET OF.
func joinSorted(list [][]byte) []byte {
	slices.SortFunc(list, bytes.Compare)
	return bytes.Join(list, nil)
}

// wrapSet is the SET OF attributes that is signed, from its content: in a
// token it stands under another tag (RFC 5652, 5.4).
func wrapSet(content []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(der.SET, func(b *cryptobyte.Builder) { b.AddBytes(content) })
	return b.BytesOrPanic() // cannot fail: the length is bounded
}
