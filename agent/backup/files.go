package backup

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tram/storage/fsx"
	"tram/storage/keystore"
)

const (
	// maxFile bounds a file of the archive of keys, settings and drafts, in bytes.
	maxFile = 2 << 30
	// maxFiles bounds how many it holds.
	maxFiles = 1_000_000
	// endName is the last entry of the archive: without it something is missing.
	endName = ".end"
)

// What makes a backup and a restored box durable, beside the steps of other packages.
const (
	PointStored fsx.Point = "backup.stored" // a file of a backup in a folder gets its name
	PointPlain  fsx.Point = "backup.plain"  // the database as it was read back
	PointPlace  fsx.Point = "backup.place"  // what was restored gets its name
)

// leaves tells whether a file of the data folder is not saved: the database and its
// content are in other ways, and locks, sockets and what is unfinished belong to the
// machine.
func (s Source) leaves(name string) bool {
	top, _, _ := strings.Cut(name, "/")
	return slices.Contains(s.Leave, top) || top == s.Blobs || strings.HasPrefix(top, s.DB) || top == plainName || top == Unfinished || top == StateFile ||
		strings.HasPrefix(filepath.Base(name), ".tmp-") || strings.HasSuffix(top, ".lock") || top == keystore.LockName ||
		strings.HasSuffix(top, ".sock") || strings.HasSuffix(top, ".new") || strings.HasSuffix(top, ".pending")
}

// pack writes the archive of all other files of the data folder.
func (s Source) pack(ctx context.Context, w io.Writer) error {
	t := tar.NewWriter(w)
	err := filepath.WalkDir(s.Dir, func(full string, e fs.DirEntry, err error) error {
		if isMissing(err) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || full == s.Dir {
			return err
		}
		rel, err := filepath.Rel(s.Dir, full)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if s.leaves(name) {
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !e.Type().IsRegular() {
			return nil
		}
		return packOne(t, full, name)
	})
	if err == nil {
		err = t.WriteHeader(&tar.Header{Name: endName, Typeflag: tar.TypeReg, Format: tar.FormatPAX})
	}
	return errors.Join(err, t.Close())
}

func packOne(t *tar.Writer, full, name string) error {
	f, err := os.Open(full)
	if isMissing(err) {
		return nil // a draft that was sent meanwhile
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := min(info.Size(), maxFile)
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: int64(keystore.FileMode), Size: size, Typeflag: tar.TypeReg, Format: tar.FormatPAX}); err != nil {
		return err
	}
	n, err := io.Copy(t, io.LimitReader(f, size))
	if err == nil && n < size { // it became shorter: the rest is empty
		_, err = io.CopyN(t, zeros{}, size-n)
	}
	return err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// isMissing says that a file went while it was looked at.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// errArchive says that an archive is not one that pack wrote.
var errArchive = fmt.Errorf("%w: archive of files", errIndex)

// unpack writes the archive below dir, or only reads it when dir is "".
func unpack(r io.Reader, dir string) error {
	t := tar.NewReader(r)
	for n := 0; ; n++ {
		h, err := t.Next()
		if err == io.EOF {
			return fmt.Errorf("%w: its end is missing", errArchive)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errArchive, err)
		}
		if h.Name == endName {
			_, err := io.Copy(io.Discard, r)
			return err
		}
		local := filepath.FromSlash(h.Name)
		if h.Typeflag != tar.TypeReg || h.Size > maxFile || n == maxFiles || !filepath.IsLocal(local) || strings.ContainsAny(h.Name, `\:`) {
			return fmt.Errorf("%w: entry %q", errArchive, h.Name)
		}
		if dir == "" {
			if _, err := io.Copy(io.Discard, t); err != nil {
				return err
			}
			continue
		}
		if err := unpackOne(t, filepath.Join(dir, local)); err != nil {
			return err
		}
	}
}

func unpackOne(r io.Reader, path string) error {
	if err := fsx.MkdirAll(fsx.OS, filepath.Dir(path), keystore.FolderMode); err != nil {
		return err
	}
	t, err := fsx.Create(filepath.Dir(path))
	if err != nil {
		return err
	}
	if _, err := io.Copy(t, r); err != nil {
		return errors.Join(err, t.Abort())
	}
	return t.Commit(path)
}
