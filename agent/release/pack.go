package release

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Proof is what shows that a release is the province's: the warrant of a hub, and
// the manifest that the key in it has signed.
type Proof struct {
	Warrant, Release []byte
}

// Open checks a proof with the key of the hub's authority.
func (p Proof) Open(authority crypto.PublicKey) (Manifest, Warrant, error) {
	w, err := OpenWarrant(p.Warrant, authority)
	if err != nil {
		return Manifest{}, w, err
	}
	m, err := Open(p.Release, w.Key)
	return m, w, err
}

// magic begins a file with a release, and a proof in a bundle.
const magic = "TRAMREL1"

// MaxProof is the largest encoded proof, in bytes.
const MaxProof = int64(len(magic) + 8 + MaxWarrant + MaxSigned)

// Encode gives the bytes that [ReadProof] reads.
func (p Proof) Encode() []byte {
	out := []byte(magic)
	for _, part := range [][]byte{p.Warrant, p.Release} {
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(part))), part...)
	}
	return out
}

// ReadProof reads the proof at the beginning of r and nothing behind it. It judges
// no signature.
func ReadProof(r io.Reader) (Proof, error) {
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(r, head); err != nil || string(head) != magic {
		return Proof{}, readError(err, "it does not begin with "+magic)
	}
	var p Proof
	for _, part := range []struct {
		to  *[]byte
		max uint32
	}{{&p.Warrant, MaxWarrant}, {&p.Release, MaxSigned}} {
		var size [4]byte
		if _, err := io.ReadFull(r, size[:]); err != nil {
			return Proof{}, readError(err, "it is cut off")
		}
		n := binary.BigEndian.Uint32(size[:])
		if n == 0 || n > part.max {
			return Proof{}, malformed("a part of %d bytes", n)
		}
		*part.to = make([]byte, n)
		if _, err := io.ReadFull(r, *part.to); err != nil {
			return Proof{}, readError(err, "it is cut off")
		}
	}
	return p, nil
}

// readError tells bytes that end too early from a file that cannot be read.
func readError(err error, why string) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return malformed("%s", why)
	}
	return fmt.Errorf("read release: %w", err)
}

// DecodeProof reads the proof in a bundle.
func DecodeProof(raw []byte) (Proof, error) {
	r := bytes.NewReader(raw)
	p, err := ReadProof(r)
	if err == nil && r.Len() > 0 {
		return Proof{}, malformed("%d bytes too many", r.Len())
	}
	return p, err
}

// Offset is where in a file with a release the program of a platform begins: the
// programs follow the proof in the order of the manifest.
func (m Manifest) Offset(p Proof, f File) int64 {
	at := int64(len(p.Encode()))
	for _, other := range m.Files {
		if other.OS == f.OS && other.Arch == f.Arch {
			break
		}
		at += other.Size
	}
	return at
}

// ErrProgram says that a program is not the one of the manifest.
var ErrProgram = errors.New("program is not the one that was signed")

// Copy copies the program f from src to dst and checks size and digest. On
// [ErrProgram] dst holds what must not be used.
func (f File) Copy(dst io.Writer, src io.Reader) error {
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(dst, sum), io.LimitReader(src, f.Size+1))
	if err != nil {
		return err
	}
	if n != f.Size || [32]byte(sum.Sum(nil)) != f.SHA256 {
		return fmt.Errorf("%w: %s/%s", ErrProgram, f.OS, f.Arch)
	}
	return nil
}
