package stick

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"tram/agent/problem"
	"tram/sync/usb"
)

// Limits of archives that browsers bring.
const (
	// maxFiles is how many files one may hold.
	maxFiles = usb.MaxFiles
	// maxDirectory bounds what is read to open one, in bytes.
	maxDirectory = 8 << 20
)

// errBound says that more was read than an archive may need.
var errBound = errors.New("the directory of the archive is too large")

// boundedAt bounds how much is read while left is not negative.
type boundedAt struct {
	r    io.ReaderAt
	left int64
	free bool
}

// ReadAt implements io.ReaderAt.
func (b *boundedAt) ReadAt(p []byte, off int64) (int, error) {
	if !b.free {
		if b.left -= int64(len(p)); b.left < 0 {
			return 0, errBound
		}
	}
	return b.r.ReadAt(p, off)
}

func notAnArchive(err error) error {
	return problem.New(problem.Usage, "usb.no-archive", "files", nil).Because(err)
}

// Unpack writes what an archive holds of packages into dir, at most limit
// bytes. Everything else in it is ignored; names in it are never used unless
// they are those of packages. Problems: usb.no-archive, usb.too-large.
func Unpack(r io.ReaderAt, size int64, dir string, limit int64) error {
	bounded := &boundedAt{r: r, left: maxDirectory}
	z, err := zip.NewReader(bounded, size)
	if err != nil {
		return notAnArchive(err)
	}
	if bounded.free = true; len(z.File) > maxFiles {
		return notAnArchive(errBound)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open folder for packages: %w", err)
	}
	defer root.Close()
	found := false
	for _, f := range z.File {
		name, ok := inPackage(f.Name)
		if !ok || !f.Mode().IsRegular() {
			continue
		}
		found = true
		n, err := unpack(root, name, f, limit)
		if err != nil {
			return err
		}
		limit -= n
	}
	if !found {
		return problem.New(problem.NotFound, "usb.nothing", "files", nil)
	}
	return nil
}

// inPackage finds the name of a file of a package, below whatever folder the
// whole was packed from.
func inPackage(name string) (string, bool) {
	name = strings.ReplaceAll(name, `\`, "/")
	if i := strings.LastIndex(name, usb.Root+"/"); i >= 0 && (i == 0 || name[i-1] == '/') {
		name = name[i:]
	}
	return name, usb.Belongs(name)
}

func unpack(root *os.Root, name string, f *zip.File, limit int64) (n int64, err error) {
	if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return 0, fmt.Errorf("make folder for packages: %w", err)
	}
	in, err := f.Open()
	if err != nil {
		return 0, notAnArchive(err)
	}
	defer in.Close()
	out, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return 0, notAnArchive(err) // twice in one archive
	}
	if err != nil {
		return 0, fmt.Errorf("keep package: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	n, err = io.Copy(out, io.LimitReader(in, limit+1))
	var disk *fs.PathError
	switch {
	case n > limit:
		return n, problem.New(problem.Full, "usb.too-large", "files", nil)
	case errors.As(err, &disk):
		return n, fmt.Errorf("keep package: %w", err)
	case err != nil:
		return n, notAnArchive(err)
	}
	return n, nil
}

// Pack writes an archive of the packages in dir that the office or hub with that
// code has made. Unpacked at the top of a stick they lie where they belong.
func Pack(w io.Writer, dir, code string, at time.Time) error {
	z := zip.NewWriter(w)
	err := filepath.WalkDir(dir, func(full string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(dir, full)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if !usb.Belongs(name) || !usb.MadeBy(name, code) {
			return nil
		}
		part, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store, Modified: at})
		if err != nil {
			return err
		}
		f, err := os.Open(full)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(part, f)
		return err
	})
	if err != nil {
		return fmt.Errorf("pack packages: %w", err)
	}
	return z.Close()
}
