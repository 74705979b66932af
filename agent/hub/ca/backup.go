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
	if err := checkPassphrase(passphrase); err != nil {
		return err
	}
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return fmt.Errorf("back up hub: %w", err)
	}
	recipient.SetWorkFactor(cmp.Or(c.workFactor, scryptWorkFactor))
	sealed, err := age.Encrypt(w, recipient)
	if err != nil {
		return fmt.Errorf("back up hub: %w", err)
	}
	if err := c.writeBackup(ctx, tar.NewWriter(sealed), reg); err != nil {
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

func (c *CA) writeBackup(ctx context.Context, t *tar.Writer, reg *registry.Registry) error {
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
	after := uint64(0)
	for n := 0; ; n++ {
		cards, err := reg.Since(ctx, after, backupCards)
		if err != nil {
			return err
		}
		if len(cards) == 0 {
			break
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
	if err := addFile(t, backupEnd, nil); err != nil {
		return err
	}
	return t.Close()
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
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("restore hub: %w", err)
	}
	// What an interrupted Restore left is no hub yet.
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.Name() == identity.Folder+".new" })
	if len(entries) > 0 {
		return problem.New(problem.Conflict, "backup.not-empty", "data", i18n.Args{"dir": dir})
	}
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return problem.New(problem.Denied, "backup.passphrase", "passphrase", nil).Because(err)
	}
	id.SetMaxWorkFactor(scryptWorkFactor + 2)
	plain, err := age.Decrypt(r, id)
	var wrong *age.NoIdentityMatchError
	if errors.As(err, &wrong) {
		return problem.New(problem.Denied, "backup.passphrase", "passphrase", nil).Because(err)
	}
	if err != nil {
		return damaged(err)
	}
	return restore(dir, plain)
}

func damaged(err error) error {
	return problem.New(problem.BadSeal, "backup.damaged", "file", nil).Because(err)
}

func restore(dir string, plain io.Reader) error {
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
	settings, err := unpack(stage, plain)
	if err != nil {
		return errors.Join(err, os.RemoveAll(stage))
	}
	c := &CA{folder: stage}
	if err := c.load(); err != nil {
		return errors.Join(damaged(err), os.RemoveAll(stage))
	}
	for name, data := range settings {
		if err := fsx.WriteFile(filepath.Join(dir, name), data, keystore.FileMode); err != nil {
			return fmt.Errorf("restore hub: %w", err)
		}
	}
	return identity.Publish(stage, filepath.Join(dir, identity.Folder))
}

// unpack writes keys and cards into stage and returns the settings files.
func unpack(stage string, plain io.Reader) (settings map[string][]byte, err error) {
	settings = map[string][]byte{}
	t := tar.NewReader(plain)
	total := int64(0)
	for first := true; ; first = false {
		h, err := t.Next()
		if err != nil {
			return nil, damaged(fmt.Errorf("read archive: %w", err)) // also io.EOF: the end entry is missing
		}
		if total += h.Size; h.Size > maxBackupFile || total > maxBackupTotal || h.Typeflag != tar.TypeReg {
			return nil, damaged(fmt.Errorf("entry %q is not allowed", h.Name))
		}
		data, err := io.ReadAll(t)
		if err != nil {
			return nil, damaged(fmt.Errorf("read archive: %w", err))
		}
		if first {
			if err := checkHead(h.Name, data); err != nil {
				return nil, err
			}
			continue
		}
		if h.Name == backupEnd {
			// Read on: only at its end does age know that nothing was cut off.
			if _, err := io.Copy(io.Discard, plain); err != nil {
				return nil, damaged(err)
			}
			return settings, nil
		}
		if err := unpackFile(stage, h.Name, data, settings); err != nil {
			return nil, err
		}
	}
}

func checkHead(name string, data []byte) error {
	var info backupInfo
	if name != backupHead {
		return damaged(fmt.Errorf("archive begins with %q", name))
	}
	if err := json.Unmarshal(data, &info); err != nil {
		return damaged(err)
	}
	if info.Version != backupVersion {
		return problem.New(problem.BadSeal, "backup.version", "file", i18n.Args{"version": info.Version, "known": backupVersion})
	}
	return nil
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
