package release

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"path"
	"strings"
)

// Names in a folder of packages, as it lies on a stick: the list of checksums as
// sha256sum writes it, and the proof of it.
const (
	SumsName  = "SHA256SUMS"
	ProofName = SumsName + ".sig"
)

// MaxSums bounds a list of checksums, in bytes, and maxSums its lines. Hard: what is
// over them is ErrMalformed.
const (
	MaxSums = 256 << 10
	maxSums = 2000
)

// The platform that a list of checksums has in a manifest. No machine is of it, so
// that no office ever takes a list for its program.
const (
	sumsOS   = "any"
	sumsArch = "sha256sums"
)

// Sums describes a list of checksums as the one file of a manifest.
func Sums(list []byte) File {
	return File{OS: sumsOS, Arch: sumsArch, Size: int64(len(list)), SHA256: sha256.Sum256(list)}
}

// Sum is a line of a list of checksums.
type Sum struct {
	Name   string // with slashes, below the folder of the list
	SHA256 [32]byte
}

// OpenSums checks the proof of a list of checksums with the key of the authority, and
// reads the list. ErrProgram says that the list is not the signed one.
func (p Proof) OpenSums(list []byte, authority crypto.PublicKey) (Manifest, []Sum, error) {
	m, _, err := p.Open(authority)
	if err != nil {
		return m, nil, err
	}
	f, ok := m.File(sumsOS, sumsArch)
	if !ok {
		return m, nil, malformed("it signs no list of checksums")
	}
	var same bytes.Buffer
	if err := f.Copy(&same, bytes.NewReader(list)); err != nil {
		return m, nil, err
	}
	sums, err := ParseSums(list)
	return m, sums, err
}

// ParseSums reads a list of checksums: lines of 64 hexadecimal digits, a space, a
// space or "*", and a name, each name once.
func ParseSums(list []byte) ([]Sum, error) {
	if len(list) > MaxSums {
		return nil, malformed("a list of more than %d bytes", MaxSums)
	}
	var sums []Sum
	seen := map[string]bool{}
	lines := bufio.NewScanner(bytes.NewReader(list))
	for lines.Scan() {
		line := lines.Text()
		if len(line) < 2*sha256.Size+3 || line[2*sha256.Size] != ' ' || line[2*sha256.Size+1] != ' ' && line[2*sha256.Size+1] != '*' {
			return nil, malformed("line %.80q of a list of checksums", line)
		}
		digest, err := hex.DecodeString(line[:2*sha256.Size])
		name := line[2*sha256.Size+2:]
		if err != nil || !safeName(name) || seen[name] || len(sums) == maxSums {
			return nil, malformed("line %.80q of a list of checksums", line)
		}
		seen[name] = true
		sums = append(sums, Sum{Name: name, SHA256: [32]byte(digest)})
	}
	if err := lines.Err(); err != nil {
		return nil, malformed("a list of checksums: %v", err)
	}
	if len(sums) == 0 {
		return nil, malformed("a list without checksums")
	}
	return sums, nil
}

// safeName tells whether a name can only mean a file below the folder, on each system.
func safeName(name string) bool {
	return fs.ValidPath(name) && name == path.Clean(name) && name != "." && !strings.ContainsAny(name, "\\:") &&
		!strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f })
}
