package ca

import (
	"archive/tar"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/storage/fsx"
	"tram/storage/keystore"
)

// A backup is a tar archive inside an age file encrypted with a passphrase, so
// that `age -d FILE | tar t` opens it:
//
//	tram-hub-backup.json   {"version": 1, "code", "name", "made"}, first
//	keys/…                 the key folder
//	upstream/…             the keys by which a hub above knows this one, if there is one
//	settings/NAME          settings files of the data folder
//	cards/NNNNN.cards      CBOR lists of registry cards
//	snapshot/…             what a backup of the whole hub needs besides, see package backup
//	end                    empty, last: the archive is whole
//
// It holds no invites: after a restore those still open are unknown and must
// be made again, because the backup cannot know which have been used since.
const (
	backupHead     = "tram-hub-backup.json"
	backupEnd      = "end"
	backupVersion  = 1
	cardsFolder    = "cards"
	cardsExtension = ".cards"
	settingsFolder = "settings"
	snapshotFolder = "snapshot"
)

// Limits of a backup, hard.
const (
	MinPassphrase    = 8         // characters
	maxBackupFile    = 64 << 20  // bytes of one entry
	maxBackupTotal   = 512 << 20 // bytes of all entries
	maxSettingsFile  = 1 << 20   // larger files of the data folder are no settings
	backupCards      = 512       // cards of one entry, more when they share a serial
	scryptWorkFactor = 18        // log2 of rounds: about a second on a server
)

// settingsPatterns name the files of the data folder that Backup takes along.
var settingsPatterns = []string{"*.toml", "*.yaml", "*.yml", "*.pem"}

type backupInfo struct {
	Version int       `json:"version"`
	Code    string    `json:"code"`
	Name    string    `json:"name"`
	Made    time.Time `json:"made"`
}

// Backup writes what it takes to raise this hub again on another machine:
// keys, settings and registry. Custody content is not in it; senders keep
// theirs until the recipients' receipts.
func (c *CA) Backup(ctx context.Context, w io.Writer, passphrase string, reg *registry.Registry) error {
	return c.BackupWith(ctx, w, passphrase, reg, nil)
}

// BackupWith is Backup with further files, by name, which RestoreWith gives back.
func (c *CA) BackupWith(ctx context.Context, w io.Writer, passphrase string, reg *registry.Registry, more map[string][]byte) error {
	if err := checkPassphrase(passphrase); err != nil {
		return err
	}
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return fmt.Errorf("back up hub: %w", err)
	}
	recipient.SetWorkFactor(cmp.Or(c.WorkFactor, scryptWorkFactor))
	sealed, err := age.Encrypt(w, recipient)
	if err != nil {
		return fmt.Errorf("back up hub: %w", err)
	}
	if err := c.writeBackup(ctx, tar.NewWriter(sealed), reg, more); err != nil {
		return fmt.Errorf("back up hub: %w", err)
	}
	if err := sealed.Close(); err != nil {
		return fmt.Errorf("back up hub: %w", err)
	}
	return nil
}

func checkPassphrase(p string) error {
	if len([]rune(p)) < MinPassphrase {
		return problem.New(problem.Usage, "backup.passphrase-short", "passphrase", i18n.Args{"min": MinPassphrase})
	}
	return nil
}

func (c *CA) writeBackup(ctx context.Context, t *tar.Writer, reg *registry.Registry, more map[string][]byte) error {
	head, err := json.Marshal(backupInfo{Version: backupVersion, Code: c.Code, Name: c.Name, Made: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	if err := addFile(t, backupHead, head); err != nil {
		return err
	}
	if err := addFolder(t, identity.Folder, c.folder, []string{"*"}); err != nil {
		return err
	}
	above := filepath.Join(UpstreamFolder(filepath.Dir(c.folder)), identity.Folder)
	if _, err := os.Stat(above); err == nil {
		if err := addFolder(t, upstreamName, above, []string{"*"}); err != nil {
			return err
		}
	}
	if err := addFolder(t, settingsFolder, filepath.Dir(c.folder), settingsPatterns); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(more)) {
		if err := addFile(t, path.Join(snapshotFolder, name), more[name]); err != nil {
			return err
		}
	}
	if err := addCards(ctx, t, reg); err != nil {
		return err
	}
	if err := addFile(t, backupEnd, nil); err != nil {
		return err
	}
	return t.Close()
}

func addCards(ctx context.Context, t *tar.Writer, reg *registry.Registry) error {
	after := uint64(0)
	for n := 0; ; n++ {
		cards, err := reg.Since(ctx, after, backupCards)
		if err != nil {
			return err
		}
		if len(cards) == 0 {
			return nil
		}
		data, err := registry.EncodeCards(cards)
		if err != nil {
			return err
		}
		if err := addFile(t, path.Join(cardsFolder, fmt.Sprintf("%05d%s", n, cardsExtension)), data); err != nil {
			return err
		}
		last, err := registry.ParseCard(cards[len(cards)-1], reg.Authority())
		if err != nil {
			return err
		}
		after = last.Serial
	}
}

func addFile(t *tar.Writer, name string, data []byte) error {
	err := t.WriteHeader(&tar.Header{Name: name, Mode: int64(keystore.FileMode), Size: int64(len(data)), Typeflag: tar.TypeReg, Format: tar.FormatPAX})
	if err != nil {
		return err
	}
	_, err = t.Write(data)
	return err
}

// addFolder adds the regular files directly in dir that fit a pattern.
func addFolder(t *tar.Writer, name, dir string, patterns []string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		fits := slices.ContainsFunc(patterns, func(p string) bool { ok, _ := path.Match(p, e.Name()); return ok })
		info, err := e.Info()
		if err != nil {
			return err
		}
		if !fits || !info.Mode().IsRegular() || info.Size() > maxSettingsFile || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		if err := addFile(t, path.Join(name, e.Name()), data); err != nil {
			return err
		}
	}
	return nil
}

// Restore raises the hub of a backup in data folder dir, all or nothing: dir
// must be missing or empty. The hub is the same as before, with a new store;
// its cards enter that store at the first Register. Problems: backup.not-empty,
// backup.passphrase, backup.damaged.
func Restore(dir string, r io.Reader, passphrase string) error {
	return RestoreWith(dir, r, passphrase, nil)
}

// Unfinished is a folder that RestoreWith lets its caller fill, in the data folder.
// One that an interrupted restore left there is no hub yet.
const Unfinished = "restore.new"

// RestoreWith is Restore; before the hub is there, it calls fill with the further
// files of the backup. An error of fill ends it. Its own names are those that fill makes
// in the data folder: of a restore that was interrupted, fill makes them anew.
func RestoreWith(dir string, r io.Reader, passphrase string, fill func(more map[string][]byte) error, own ...string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("restore hub: %w", err)
	}
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return !ofRestore(entries, e.Name(), own) }) {
		return problem.New(problem.Conflict, "backup.not-empty", "data", i18n.Args{"dir": dir})
	}
	plain, err := decrypt(r, passphrase)
	if err != nil {
		return err
	}
	return restore(dir, plain, fill)
}

// ofRestore says whether what has that name in a data folder was left there by an
// interrupted Restore and is no hub yet: the keys come last, from a folder that is there
// from its beginning.
func ofRestore(entries []fs.DirEntry, name string, own []string) bool {
	staged := slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == identity.Folder+".new" })
	switch {
	case name == identity.Folder+".new", name == Unfinished:
		return true
	case !staged || name == identity.Folder:
		return false
	}
	return slices.Contains(own, name) || slices.ContainsFunc(settingsPatterns, func(p string) bool { fits, _ := path.Match(p, name); return fits })
}

// Inspect reads a backup whole without restoring it, and returns the code of its hub
// and its further files. Problems: backup.passphrase, backup.damaged, backup.version.
func Inspect(r io.Reader, passphrase string) (code string, more map[string][]byte, err error) {
	plain, err := decrypt(r, passphrase)
	if err != nil {
		return "", nil, err
	}
	more = map[string][]byte{}
	info, err := readArchive(plain, func(name string, data []byte) error {
		if folder, base := path.Split(name); folder == snapshotFolder+"/" {
			more[base] = data
		}
		return nil
	})
	return info.Code, more, err
}

func decrypt(r io.Reader, passphrase string) (io.Reader, error) {
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, problem.New(problem.Denied, "backup.passphrase", "passphrase", nil).Because(err)
	}
	id.SetMaxWorkFactor(scryptWorkFactor + 2)
	plain, err := age.Decrypt(r, id)
	var wrong *age.NoIdentityMatchError
	if errors.As(err, &wrong) {
		return nil, problem.New(problem.Denied, "backup.passphrase", "passphrase", nil).Because(err)
	}
	if err != nil {
		return nil, damaged(err)
	}
	return plain, nil
}

func damaged(err error) error {
	return problem.New(problem.BadSeal, "backup.damaged", "file", nil).Because(err)
}

func restore(dir string, plain io.Reader, fill func(map[string][]byte) error) error {
	stage := filepath.Join(dir, identity.Folder+".new")
	if err := os.RemoveAll(stage); err != nil {
		return fmt.Errorf("restore hub: %w", err)
	}
	if err := keystore.MakeFolder(filepath.Join(stage, restoredDir)); err != nil {
		return fmt.Errorf("restore hub: %w", err)
	}
	if err := os.Chmod(stage, keystore.FolderMode); err != nil {
		return fmt.Errorf("restore hub: %w", err)
	}
	settings, more, err := unpack(stage, plain)
	if err != nil {
		return errors.Join(err, os.RemoveAll(stage))
	}
	c := &CA{folder: stage}
	if err := c.load(); err != nil {
		return errors.Join(damaged(err), os.RemoveAll(stage))
	}
	if fill != nil {
		if err := fill(more); err != nil {
			return errors.Join(err, os.RemoveAll(stage))
		}
	}
	for name, data := range settings {
		if err := fsx.WriteFile(filepath.Join(dir, name), data, keystore.FileMode); err != nil {
			return fmt.Errorf("restore hub: %w", err)
		}
	}
	return identity.Publish(stage, filepath.Join(dir, identity.Folder))
}

// unpack writes keys and cards into stage and returns the settings files, and further
// ones.
func unpack(stage string, plain io.Reader) (settings, more map[string][]byte, err error) {
	settings, more = map[string][]byte{}, map[string][]byte{}
	_, err = readArchive(plain, func(name string, data []byte) error {
		if folder, base := path.Split(name); folder == snapshotFolder+"/" {
			more[base] = data
			return nil
		}
		return unpackFile(stage, name, data, settings)
	})
	return settings, more, err
}

// readArchive reads a whole archive and hands each file to each.
func readArchive(plain io.Reader, each func(name string, data []byte) error) (info backupInfo, err error) {
	t := tar.NewReader(plain)
	total := int64(0)
	for first := true; ; first = false {
		h, err := t.Next()
		if err != nil {
			return info, damaged(fmt.Errorf("read archive: %w", err)) // also io.EOF: the end entry is missing
		}
		if total += h.Size; h.Size > maxBackupFile || total > maxBackupTotal || h.Typeflag != tar.TypeReg {
			return info, damaged(fmt.Errorf("entry %q is not allowed", h.Name))
		}
		data, err := io.ReadAll(t)
		if err != nil {
			return info, damaged(fmt.Errorf("read archive: %w", err))
		}
		if first {
			if info, err = checkHead(h.Name, data); err != nil {
				return info, err
			}
			continue
		}
		if h.Name == backupEnd {
			// Read on: only at its end does age know that nothing was cut off.
			if _, err := io.Copy(io.Discard, plain); err != nil {
				return info, damaged(err)
			}
			return info, nil
		}
		if err := each(h.Name, data); err != nil {
			return info, err
		}
	}
}

func checkHead(name string, data []byte) (info backupInfo, err error) {
	if name != backupHead {
		return info, damaged(fmt.Errorf("archive begins with %q", name))
	}
	if err := json.Unmarshal(data, &info); err != nil {
		return info, damaged(err)
	}
	if info.Version != backupVersion {
		return info, problem.New(problem.BadSeal, "backup.version", "file", i18n.Args{"version": info.Version, "known": backupVersion})
	}
	return info, nil
}

func unpackFile(stage, name string, data []byte, settings map[string][]byte) error {
	folder, base := path.Split(name)
	if base == "" || !filepath.IsLocal(base) || strings.ContainsAny(base, `/\:`) || strings.HasPrefix(base, ".") {
		return damaged(fmt.Errorf("entry %q is not allowed", name))
	}
	switch folder {
	case identity.Folder + "/":
		return keystore.Save(filepath.Join(stage, base), data)
	case upstreamName + "/":
		into := filepath.Join(stage, upstreamName, identity.Folder)
		if err := errors.Join(keystore.MakeFolder(filepath.Dir(into)), keystore.MakeFolder(into)); err != nil {
			return err
		}
		return keystore.Save(filepath.Join(into, base), data)
	case cardsFolder + "/":
		return fsx.WriteFile(filepath.Join(stage, restoredDir, base), data, keystore.FileMode)
	case settingsFolder + "/":
		settings[base] = data
		return nil
	}
	return nil // of a later version
}
