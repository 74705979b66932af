package usb

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	"tram/storage"
	"tram/storage/fsx"
	"tram/sync/bundle"
)

// Stick is a folder tree that others may have written. Only regular files of
// expected names are looked at; links and whatever else is there is ignored.
type Stick struct {
	disk  fsx.Disk
	base  string
	close func() error
}

// Open opens the stick that is mounted at dir, or any other folder. Nothing
// outside of it is reached through it.
func Open(dir string) (*Stick, error) {
	r, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStick, err)
	}
	return &Stick{disk: fsx.Rooted(r), base: ".", close: r.Close}, nil
}

// On is a stick on a given disk, for tests: base is its topmost folder.
func On(disk fsx.Disk, base string) *Stick {
	return &Stick{disk: disk, base: base, close: func() error { return nil }}
}

// Close lets the stick be removed.
func (s *Stick) Close() error { return s.close() }

func (s *Stick) path(dir, name string) string { return path.Join(s.base, dir, name) }

// fault adds ErrStick to an error of the file system, except when the stick is
// full or takes no writes, which are no fault.
func fault(err error) error {
	if err == nil || errors.Is(err, storage.ErrFull) || errors.Is(err, ErrStick) {
		return err
	}
	if err := fsx.MapError(err); errors.Is(err, storage.ErrFull) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrStick, err)
}

// folders lists the folders of packages on the stick, sorted.
func (s *Stick) folders() ([]string, error) {
	entries, err := s.disk.ReadDir(s.path(Root, ""))
	if errors.Is(err, fs.ErrNotExist) {
		// No packages, if the stick itself answers.
		_, err := s.disk.ReadDir(s.base)
		return nil, fault(err)
	}
	if err != nil {
		return nil, fault(err)
	}
	var list []string
	for _, e := range entries {
		if e.Type().IsDir() && folderName.MatchString(e.Name()) {
			list = append(list, path.Join(Root, e.Name()))
		}
	}
	slices.Sort(list)
	return list, nil
}

// files lists the regular files of a folder with their sizes in bytes; none
// when there is no such folder.
func (s *Stick) files(dir string) (map[string]int64, error) {
	entries, err := s.disk.ReadDir(s.path(dir, ""))
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]int64{}, nil
	}
	if err != nil {
		return nil, fault(err)
	}
	files := map[string]int64{}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fault(err)
		}
		files[e.Name()] = info.Size()
	}
	return files, nil
}

// has says whether all of f's parts are there with their sizes.
func has(files map[string]int64, f File) bool {
	for _, p := range f.parts() {
		if files[p.name] != p.size {
			return false
		}
	}
	return true
}

// read returns a small file whole. [bundle.ErrTooLarge]
func (s *Stick) read(dir, name string, most int64) ([]byte, error) {
	f, err := s.disk.OpenFile(s.path(dir, name), os.O_RDONLY, 0)
	if err != nil {
		return nil, fault(err)
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	err = errors.Join(err, f.Close())
	if err == nil && int64(len(data)) > most {
		return nil, tooLarge(name, int64(len(data)), most)
	}
	return data, fault(err)
}

// content reads f from an offset on, part after part.
type content struct {
	stick *Stick
	dir   string
	parts []part // not opened yet
	skip  int64  // bytes of the next part to pass over
	file  fsx.File
	left  int64 // bytes of file
}

func (s *Stick) content(dir string, f File, off int64) *content {
	c := &content{stick: s, dir: dir, parts: f.parts(), skip: off}
	for len(c.parts) > 0 && c.skip >= c.parts[0].size {
		c.skip -= c.parts[0].size
		c.parts = c.parts[1:]
	}
	return c
}

func (c *content) Read(p []byte) (int, error) {
	for c.left == 0 {
		if err := c.Close(); err != nil {
			return 0, fault(err)
		}
		if len(c.parts) == 0 {
			return 0, io.EOF
		}
		next := c.parts[0]
		f, err := c.stick.disk.OpenFile(c.stick.path(c.dir, next.name), os.O_RDONLY, 0)
		if err != nil {
			return 0, fault(err)
		}
		c.file = f
		if _, err := f.Seek(c.skip, io.SeekStart); err != nil {
			return 0, fault(err)
		}
		c.left, c.skip, c.parts = next.size-c.skip, 0, c.parts[1:]
	}
	n, err := c.file.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if n > 0 || err == nil {
		return n, nil
	}
	if errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("%w: a file is shorter than its name says", ErrDamaged)
	}
	return 0, fault(err)
}

func (c *content) Close() error {
	if c.file == nil {
		return nil
	}
	f := c.file
	c.file = nil
	return f.Close()
}

// check reads all of f and compares it with its digest. [ErrDamaged]
func (s *Stick) check(ctx context.Context, dir string, f File) error {
	c := s.content(dir, f, 0)
	defer c.Close()
	h := sha256.New()
	if err := copyWhile(ctx, h, c); err != nil {
		return err
	}
	if [32]byte(h.Sum(nil)) != f.SHA256 {
		return fmt.Errorf("%w: an object is not what its name says", ErrDamaged)
	}
	return nil
}

// opener opens the source of a file at an offset.
type opener func(off int64) (io.ReadCloser, error)

// put makes dir hold f, which open gives, and returns how many bytes it wrote.
// Parts that an earlier run left are read and kept when the whole is right.
func (s *Stick) put(ctx context.Context, dir string, f File, open opener) (written int64, err error) {
	files, err := s.files(dir)
	if err != nil {
		return 0, err
	}
	h, kept := sha256.New(), false
	for _, p := range f.parts() {
		if files[p.name] == p.size {
			kept = true
			c := s.content(dir, f, p.off)
			err = copyWhile(ctx, h, io.LimitReader(c, p.size))
			c.Close()
		} else {
			err = s.putPart(ctx, dir, p, h, open)
			written += p.size
		}
		if err != nil {
			return written, err
		}
	}
	if [32]byte(h.Sum(nil)) == f.SHA256 {
		return written, nil
	}
	for _, p := range f.parts() {
		if err := s.remove(dir, p.name); err != nil {
			return written, err
		}
	}
	if !kept {
		return written, fmt.Errorf("%w: an object changed while it was copied", storage.ErrDigest)
	}
	again, err := s.put(ctx, dir, f, open)
	return written + again, err
}

// putPart writes one part, whole or not at all, through h.
func (s *Stick) putPart(ctx context.Context, dir string, p part, h hash.Hash, open opener) error {
	src, err := open(p.off)
	if err != nil {
		return err
	}
	defer src.Close()
	t, err := fsx.CreateOn(s.disk, s.path(dir, ""), 0o644)
	if err != nil {
		return fault(err)
	}
	counted := &countWriter{}
	err = copyWhile(ctx, io.MultiWriter(faultWriter{t}, h, counted), io.LimitReader(src, p.size))
	if err == nil && counted.n != p.size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return errors.Join(err, t.Abort())
	}
	if s.taken(dir, p.name) {
		// Nothing is written over: on FAT a rename is not one step then.
		if err := s.remove(dir, p.name); err != nil {
			return errors.Join(err, t.Abort())
		}
	}
	return fault(t.Commit(s.path(dir, p.name)))
}

// taken says whether a name is in use, by whatever.
func (s *Stick) taken(dir, name string) bool {
	f, err := s.disk.OpenFile(s.path(dir, name), os.O_RDONLY, 0)
	if err == nil {
		f.Close()
	}
	return err == nil
}

// remove removes a file; one that is not there is as good.
func (s *Stick) remove(dir, name string) error {
	err := s.disk.Remove(s.path(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fault(err)
}

// prepare makes dir, and clears it of what an interrupted run left half.
func (s *Stick) prepare(dir string) error {
	if err := fsx.MkdirAll(s.disk, s.path(dir, ""), 0o755); err != nil {
		return fault(err)
	}
	return fault(fsx.RemoveTemps(s.disk, s.path(dir, "")))
}

// packages reads the packages in dir, oldest first. Files that are no manifest
// of ours by name or form are passed over; broken says how many of these had
// the name of one. Letters that are missing or too short are left empty.
func (s *Stick) packages(dir string, files map[string]int64) (list []onStick, broken int, err error) {
	var names []string
	for name := range files {
		if _, ok := manifestID(name); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names) // by time, as the ids are
	names = names[max(0, len(names)-MaxPackages):]
	for _, name := range names {
		p := onStick{dir: dir, name: name}
		p.Manifest, err = s.read(dir, name, bundle.MaxHeader)
		if err == nil {
			p.manifest, err = ParseManifest(p.Manifest)
		}
		if errors.Is(err, ErrStick) {
			return nil, broken, err
		}
		if id, _ := manifestID(name); err != nil || p.manifest.ID != id || !p.inPlace() {
			broken++
			continue
		}
		if has(files, p.manifest.Letters) {
			if p.Letters, err = io.ReadAll(s.content(dir, p.manifest.Letters, 0)); errors.Is(err, ErrStick) {
				return nil, broken, err
			}
		}
		list = append(list, p)
	}
	return list, broken, nil
}

// onStick is a package as it was found. Nothing of it is verified.
type onStick struct {
	Package
	dir      string
	name     string
	manifest Manifest
}

// inPlace says whether a manifest stands in the folder of its offices.
func (p onStick) inPlace() bool {
	dir, err := folder(p.manifest.From, p.manifest.To)
	return err == nil && dir == p.dir
}

// complete says whether every file of the package is there.
func (p onStick) complete(files map[string]int64) bool {
	return len(p.Letters) > 0 && !slices.ContainsFunc(p.manifest.Objects, func(f File) bool { return !has(files, f) })
}

// sweep removes manifests in gone, then every content file that nothing in keep
// refers to.
func (s *Stick) sweep(dir string, gone []string, keep []File) error {
	for _, name := range gone {
		if err := s.remove(dir, name); err != nil {
			return err
		}
	}
	if len(gone) > 0 {
		if err := fsx.PointFolderSync.SyncDir(s.disk, s.path(dir, "")); err != nil {
			return fault(err)
		}
	}
	used := map[string]bool{}
	for _, f := range keep {
		for _, p := range f.parts() {
			used[p.name] = true
		}
	}
	files, err := s.files(dir)
	if err != nil {
		return err
	}
	for name := range files {
		if contentName.MatchString(name) && !used[name] {
			if err := s.remove(dir, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyWhile copies until ctx ends.
func copyWhile(ctx context.Context, w io.Writer, r io.Reader) error {
	buf := make([]byte, writeSize)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

type countWriter struct{ n int64 }

func (c *countWriter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// faultWriter marks errors of the stick, so that they are not taken for those
// of the source.
type faultWriter struct{ w io.Writer }

func (f faultWriter) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	return n, fault(err)
}
