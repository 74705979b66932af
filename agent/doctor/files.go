package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/service"
	"tram/storage/keystore"
)

const (
	// maxEntries bounds how many files of the data folder are looked at.
	maxEntries = 20_000
	// leftAfter is how old a temporary file is that nobody writes any more.
	leftAfter = 24 * time.Hour
	// maxUnit bounds a systemd unit that is read, in bytes.
	maxUnit = 64 << 10
)

// missing reports whether there is no data folder.
func (e *exam) missing() bool {
	info, err := os.Stat(e.o.Dir)
	return err != nil && !errors.Is(err, fs.ErrPermission) || err == nil && !info.IsDir()
}

// folder looks at the data folder itself.
func (e *exam) folder(context.Context) {
	dir := e.o.Dir
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrPermission), err == nil && e.denied:
		e.unseen("data", unseenDenied, nil)
		return
	case e.missing():
		e.fail("data", DataMissing, nil).offer(func(context.Context) error { return keystore.MakeFolder(dir) })
		return
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		e.fail("data", DataOpen, i18n.Args{"mode": fmt.Sprintf("%04o", info.Mode().Perm())}).offer(func(context.Context) error {
			return os.Chmod(dir, keystore.FolderMode)
		})
	}
	units := e.units()
	if len(units) > 1 {
		e.fail("data", DataTwice, i18n.Args{"units": strings.Join(units, ", "), "other": units[1]})
	}
	if owner, known := ownerOf(info); known && len(units) > 0 {
		if u, err := user.Lookup(e.o.Service.Name); err == nil && u.Uid != strconv.Itoa(owner) {
			f := e.fail("data", DataForeign, i18n.Args{"user": u.Username, "owner": nameOf(owner)})
			if os.Geteuid() == 0 {
				f.offer(func(context.Context) error { return service.Give(dir, u.Username) })
			}
		}
	}
	if !e.has("data") {
		e.good("data", i18n.Args{"dir": dir})
	}
}

// units are the systemd units that run a service on the data folder, that of this
// program first.
func (e *exam) units() (names []string) {
	for _, folder := range []string{"etc/systemd/system", "lib/systemd/system", "usr/lib/systemd/system"} {
		entries, err := os.ReadDir(e.machine(folder))
		if err != nil {
			continue
		}
		for _, entry := range entries {
			name, isUnit := strings.CutSuffix(entry.Name(), ".service")
			info, err := entry.Info()
			if !isUnit || err != nil || !info.Mode().IsRegular() || info.Size() > maxUnit {
				continue
			}
			text, err := os.ReadFile(e.machine(filepath.Join(folder, entry.Name())))
			if err != nil || !runsOn(string(text), e.o.Dir) || slices.Contains(names, name) {
				continue
			}
			if name == e.o.Service.Name {
				names = append([]string{name}, names...)
			} else {
				names = append(names, name)
			}
		}
	}
	return names
}

// runsOn reports whether a unit runs a service on a data folder.
func runsOn(unit, dir string) bool {
	for line := range strings.Lines(unit) {
		command, found := strings.CutPrefix(strings.TrimSpace(line), "ExecStart=")
		if !found {
			continue
		}
		words := strings.Fields(strings.ReplaceAll(command, `"`, ""))
		for i, word := range words {
			value, joined := strings.CutPrefix(word, "--data=")
			if word == "--data" && i+1 < len(words) {
				value, joined = words[i+1], true
			}
			if joined && filepath.Clean(value) == filepath.Clean(dir) {
				return true
			}
		}
	}
	return false
}

// nameOf is the name of a user, or its number.
func nameOf(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

// findings of the walk through the data folder.
type walk struct {
	open, foreign, left []string // paths
	seen                int
	whole               bool
}

// files walks through the data folder: who may read what, whose it is, and what was
// left behind.
func (e *exam) files(ctx context.Context) {
	if e.missing() || e.denied {
		e.unlooked("files")
		return
	}
	w := e.walk(ctx)
	if len(w.open) > 0 {
		e.fail("files", KeyOpen, i18n.Args{"count": len(w.open), "file": e.short(w.open[0])}).offer(func(context.Context) error {
			var errs []error
			for _, path := range w.open {
				errs = append(errs, os.Chmod(path, keystore.FileMode))
			}
			return errors.Join(errs...)
		})
	}
	if len(w.foreign) > 0 {
		f := e.fail("files", FileForeign, i18n.Args{"count": len(w.foreign), "file": e.short(w.foreign[0])})
		if os.Geteuid() == 0 {
			f.offer(func(context.Context) error { return service.Adopt(e.o.Dir) })
		}
	}
	if len(w.left) > 0 {
		e.warn("files", Leftovers, i18n.Args{"count": len(w.left), "file": e.short(w.left[0])}).offer(func(context.Context) error {
			var errs []error
			for _, path := range w.left {
				errs = append(errs, os.Remove(path))
			}
			return errors.Join(errs...)
		})
	}
	if !w.whole {
		e.unseen("files", unseenTime, nil)
	}
	if !e.has("files") {
		e.good("files", i18n.Args{"count": w.seen})
	}
}

// unlooked tells that the data folder was not looked into; nothing when there is
// nothing to look at, which another finding tells.
func (e *exam) unlooked(check string) {
	if e.denied {
		e.unseen(check, unseenDenied, nil)
	}
}

// short is a path without the data folder.
func (e *exam) short(path string) string {
	if rel, err := filepath.Rel(e.o.Dir, path); err == nil {
		return rel
	}
	return path
}

func (e *exam) walk(ctx context.Context) (w walk) {
	root, err := os.Stat(e.o.Dir)
	if err != nil {
		return w
	}
	owner, known := ownerOf(root)
	old := e.o.Now().Add(-leftAfter)
	w.whole = true
	_ = filepath.WalkDir(e.o.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d == nil {
			return nil // it went away, or is somebody else's: its folder tells
		}
		if w.seen++; w.seen > maxEntries || ctx.Err() != nil {
			w.whole = false
			return fs.SkipAll
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		if uid, ok := ownerOf(info); ok && known && uid != owner {
			w.foreign = append(w.foreign, path)
		}
		if !info.Mode().IsRegular() {
			return nil
		}
		rel := e.short(path)
		if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 && e.isSecret(rel) {
			w.open = append(w.open, path)
		}
		// With one link only: a file with a second name may stand elsewhere.
		if isLeft(rel) && info.ModTime().Before(old) {
			w.left = append(w.left, path)
		}
		return nil
	})
	return w
}

// isSecret tells the files that nobody but the service may read: keys, and the
// database with its companions.
func (e *exam) isSecret(rel string) bool {
	first, _, inside := strings.Cut(filepath.ToSlash(rel), "/")
	base := filepath.Base(rel)
	return inside && (first == identity.Folder || strings.HasPrefix(first, identity.Folder+".")) && filepath.Ext(base) != ".crt" ||
		strings.HasSuffix(base, ".key") || strings.HasPrefix(rel, e.o.Database) || strings.HasSuffix(base, ".moi")
}

// isLeft tells files that are there for moments only.
func isLeft(rel string) bool {
	base := filepath.Base(rel)
	return strings.HasPrefix(base, ".tmp-") || rel == "received.moi"
}
