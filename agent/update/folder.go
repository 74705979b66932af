package update

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/release"
)

// ErrUnsigned says that a folder holds no proof of its list of checksums, or no list.
var ErrUnsigned = errors.New("folder is not signed")

// Signed is a folder of programs and packages, as it lies on a stick, whose list of
// checksums the province has signed.
type Signed struct {
	Dir     string
	Version string
	Serial  uint64
	Sums    []release.Sum
}

// OpenFolder checks the proof of a folder with the keys of the authorities, of which
// one must have given the warrant. ErrUnsigned: there is no proof. Problems:
// update.folder-signature, update.folder-unreadable.
func OpenFolder(dir string, authorities []crypto.PublicKey) (Signed, error) {
	list, err := readFile(filepath.Join(dir, release.SumsName), release.MaxSums)
	if err != nil {
		return Signed{}, unreadable(dir, err)
	}
	raw, err := readFile(filepath.Join(dir, release.ProofName), release.MaxProof)
	if err != nil {
		return Signed{}, unreadable(dir, err)
	}
	proof, err := release.DecodeProof(raw)
	err = errors.Join(err, release.ErrSignature) // of nobody, so far
	for _, authority := range authorities {
		m, sums, failed := proof.OpenSums(list, authority)
		if err = failed; err == nil {
			return Signed{Dir: dir, Version: m.Version.String(), Serial: m.Serial, Sums: sums}, nil
		}
	}
	return Signed{}, problem.New(problem.BadSeal, "update.folder-signature", "DIR", i18n.Args{"dir": dir}).Because(err)
}

func unreadable(dir string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return ErrUnsigned
	}
	return problem.New(problem.Usage, "update.folder-unreadable", "DIR", i18n.Args{"dir": dir}).Because(err)
}

func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = errors.New("file is too large")
	}
	return raw, err
}

// Holds tells whether a program, which may lie elsewhere by now, is one of the folder.
func (s Signed) Holds(program string) (bool, error) {
	digest, _, err := digestOf(context.Background(), program)
	if err != nil {
		return false, err
	}
	for _, sum := range s.Sums {
		if sum.SHA256 == digest {
			return true, nil
		}
	}
	return false, nil
}

// Check reads every file of the list, and says how many bytes they were. Problems:
// update.folder-changed, which names the first that is missing or another.
func (s Signed) Check(ctx context.Context) (read int64, err error) {
	return CheckSums(ctx, s.Dir, s.Sums)
}

// CheckSums reads the files of a list of checksums below dir; see [Signed.Check].
func CheckSums(ctx context.Context, dir string, sums []release.Sum) (read int64, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, unreadable(dir, err)
	}
	defer root.Close()
	for _, sum := range sums {
		f, err := root.Open(filepath.FromSlash(sum.Name))
		var digest [sha256.Size]byte
		var n int64
		if err == nil {
			digest, n, err = digestFile(ctx, f)
		}
		read += n
		if ctx.Err() != nil {
			return read, ctx.Err()
		}
		if err != nil || !bytes.Equal(digest[:], sum.SHA256[:]) {
			return read, problem.New(problem.BadSeal, "update.folder-changed", "DIR", i18n.Args{"dir": dir, "file": sum.Name}).Because(err)
		}
	}
	return read, nil
}

func digestOf(ctx context.Context, path string) ([sha256.Size]byte, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return [sha256.Size]byte{}, 0, err
	}
	return digestFile(ctx, f)
}

// digestFile reads a file to its end and closes it.
func digestFile(ctx context.Context, f *os.File) ([sha256.Size]byte, int64, error) {
	sum := sha256.New()
	n, err := io.Copy(sum, reading(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return f.Read(p)
	}))
	return [sha256.Size]byte(sum.Sum(nil)), n, errors.Join(err, f.Close())
}

// reading is a reader: of sticks, which are slow, so that it may end earlier.
type reading func(p []byte) (int, error)

func (r reading) Read(p []byte) (int, error) { return r(p) }
