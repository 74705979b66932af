// Package backup saves a whole hub and raises it again: keys, settings, registry,
// database, and the content in custody. The form is in agent/README.md, "Backup of a
// hub".
//
// It promises that
//
//   - a backup is made beside a running hub, as of one moment, and is there whole or
//     not at all; content that an earlier one has is not copied again;
//   - keys and database are encrypted with the passphrase; content in custody is, as
//     it always was, to its recipients (P6);
//   - what is restored was verified to the byte, and the hub has another epoch then, so
//     that offices offer what it took over after the backup again: nothing is lost and
//     nothing is read twice (P2, P3). Invites that were open are not any more.
package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"filippo.io/age"

	shared "tram/agent/backup"
	"tram/agent/hub/ca"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/fsx"
	"tram/storage/keystore"
	"tram/storage/queue"
	"tram/storage/sqlite"
)

// Names in a backup folder and in a snapshot.
const (
	blobFolder   = "blobs"
	keysFile     = "hub.age"
	databaseFile = "hub.db.age"
	listFile     = "content"
	stageFolder  = ".new"
	nameForm     = "20060102T150405Z"
	recordFile   = "snapshot.json" // inside keysFile
	recordForm   = 1
)

const (
	// DefaultKeep is how many snapshots stay; older ones go, with the content that
	// they alone need.
	DefaultKeep = 7
	// tries is how often a snapshot is begun anew because content had left the hub
	// before it could be copied.
	tries = 3
	// copies is how many files are copied at the same time.
	copies = 8
	// maxRecord bounds recordFile, in bytes.
	maxRecord = 64 << 10
)

// record is what a snapshot says of itself, under the passphrase.
type record struct {
	Version  int       `json:"version"`
	Made     time.Time `json:"made"`
	Database sealed    `json:"database"`
	Key      string    `json:"key"` // age identity that opens the database
	Content  sealed    `json:"content"`
}

// sealed describes a file.
type sealed struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// Source is the hub that is saved.
type Source struct {
	Dir      string // data folder
	DB       string // its database file
	Blobs    string // its folder of content
	CA       *ca.CA
	Registry *registry.Registry
	Form
}

// InQueue is the query of the content of the queue.
const InQueue = queue.Content

// What makes a snapshot and a restored hub durable, beside the steps of other packages.
const (
	PointDatabase fsx.Point = "hubbackup.database" // the encrypted database
	PointKeys     fsx.Point = "hubbackup.keys"     // the keys that complete a snapshot
	PointSnapshot fsx.Point = "hubbackup.snapshot" // it gets its name
	PointPlain    fsx.Point = "hubbackup.plain"    // the database as it was read back
	PointPlace    fsx.Point = "hubbackup.place"    // content and database get their names
)

// Made is what Make has done, or what Verify has found.
type Made struct {
	Snapshot string    `json:"snapshot"` // its name
	Code     string    `json:"code"`     // of the hub
	At       time.Time `json:"at"`       // as of when
	Database int64     `json:"database"` // bytes
	Files    int       `json:"files"`    // of content
	Bytes    int64     `json:"bytes"`    // of these
	Copied   int       `json:"copied"`   // of the files, those that were not there
	Removed  int       `json:"removed"`  // older snapshots
}

// Make saves a hub into a backup folder. Problems: backup.passphrase-short,
// backup.busy, backup.moving, those of a full disk.
func Make(ctx context.Context, src Source, into, passphrase string, keep int) (m Made, err error) {
	if err := fsx.MkdirAll(fsx.OS, into, keystore.FolderMode); err != nil {
		return m, explain(err, into)
	}
	unlock, err := keystore.Lock(into)
	if errors.Is(err, keystore.ErrLocked) {
		return m, problem.New(problem.Busy, "backup.busy", "DIR", i18n.Args{"dir": into})
	}
	if err != nil {
		return m, explain(err, into)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	stage := filepath.Join(into, stageFolder)
	if err := errors.Join(os.RemoveAll(stage), os.MkdirAll(stage, keystore.FolderMode)); err != nil {
		return m, explain(err, into)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(stage)) }()
	kept, err := blob.Open(filepath.Join(into, blobFolder), blob.Options{MinFree: -1})
	if err != nil {
		return m, explain(err, into)
	}
	m.Code = src.CA.Code
	if err := take(ctx, src, stage, kept, &m); err != nil {
		return m, explain(err, into)
	}
	for m.Snapshot = m.At.Format(nameForm); exists(filepath.Join(into, m.Snapshot)); m.Snapshot = m.At.Format(nameForm) {
		m.At = m.At.Add(time.Second) // two in one second
	}
	if err := seal(ctx, src, stage, passphrase, &m); err != nil {
		return m, explain(err, into)
	}
	if err := errors.Join(fsx.SyncDir(stage), PointSnapshot.Rename(fsx.OS, stage, filepath.Join(into, m.Snapshot)), fsx.SyncDir(into)); err != nil {
		return m, explain(err, into)
	}
	m.Removed, err = tidy(ctx, into, kept, keep)
	return m, explain(err, into)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// explain tells people what they can do about an error of a backup folder.
func explain(err error, dir string) error {
	var p *problem.Problem
	switch {
	case err == nil || errors.As(err, &p):
		return err
	case errors.Is(err, storage.ErrFull):
		return problem.New(problem.Full, "backup.full", "DIR", i18n.Args{"dir": dir}).Because(err)
	}
	return fmt.Errorf("back up hub: %w", err)
}

// plainFile is the copy of the database before it is encrypted: in the hub's own
// folder, where it is in the clear anyway.
func (s Source) plainFile() string { return filepath.Join(s.Dir, "backup.db.tmp") }

// take copies database and content, as of one moment.
func take(ctx context.Context, src Source, stage string, kept *blob.Store, m *Made) error {
	from := blob.OpenReadOnly(src.Blobs)
	for try := 1; ; try++ {
		m.At = time.Now().UTC().Truncate(time.Second)
		if err := shared.Discard(src.plainFile()); err != nil {
			return err
		}
		if err := sqlite.Snapshot(ctx, src.DB, src.plainFile()); err != nil {
			return errors.Join(err, shared.Discard(src.plainFile()))
		}
		list, err := shared.Contents(ctx, src.plainFile(), src.Content, sqlite.Options{Schemas: src.Schemas, ReadOnly: true})
		if err == nil {
			m.Copied, err = carry(ctx, from, kept, list)
		}
		if errors.Is(err, storage.ErrNotFound) && try < tries {
			continue // it was delivered between the two
		}
		if errors.Is(err, storage.ErrNotFound) {
			err = problem.New(problem.Conflict, "backup.moving", "DIR", nil).Because(err)
		}
		if err != nil {
			return errors.Join(err, shared.Discard(src.plainFile()))
		}
		m.Files, m.Bytes = len(list), shared.Total(list)
		return fsx.WriteFile(filepath.Join(stage, listFile), shared.EncodeList(list), keystore.FileMode)
	}
}

// seal encrypts the database and writes the keys, which complete a snapshot.
func seal(ctx context.Context, src Source, stage, passphrase string, m *Made) (err error) {
	defer func() { err = errors.Join(err, shared.Discard(src.plainFile())) }()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	rec := record{Version: recordForm, Made: m.At, Key: key.String()}
	if rec.Database, m.Database, err = encrypt(src.plainFile(), filepath.Join(stage, databaseFile), key.Recipient()); err != nil {
		return err
	}
	list, err := os.ReadFile(filepath.Join(stage, listFile))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(list)
	rec.Content = sealed{hex.EncodeToString(sum[:]), int64(len(list))}
	data, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(stage, keysFile), os.O_CREATE|os.O_EXCL|os.O_WRONLY, keystore.FileMode)
	if err != nil {
		return err
	}
	err = src.CA.BackupWith(ctx, f, passphrase, src.Registry, map[string][]byte{recordFile: data})
	return fsx.MapError(errors.Join(err, PointKeys.Sync(f, f.Name()), f.Close()))
}

// encrypt writes a file encrypted, and describes it as it was written.
func encrypt(from, to string, recipient age.Recipient) (s sealed, plain int64, err error) {
	in, err := os.Open(from)
	if err != nil {
		return s, 0, err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, keystore.FileMode)
	if err != nil {
		return s, 0, err
	}
	defer func() { err = fsx.MapError(errors.Join(err, PointDatabase.Sync(out, to), out.Close())) }()
	sum := sha256.New()
	count := &counter{w: io.MultiWriter(out, sum)}
	w, err := age.Encrypt(count, recipient)
	if err != nil {
		return s, 0, err
	}
	if plain, err = io.Copy(w, in); err != nil {
		return s, 0, err
	}
	err = w.Close()
	return sealed{hex.EncodeToString(sum.Sum(nil)), count.n}, plain, err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// Snapshots lists those of a backup folder, the oldest first.
func Snapshots(into string) (names []string, err error) {
	entries, err := os.ReadDir(into)
	if err != nil {
		return nil, problem.New(problem.NotFound, "backup.none", "DIR", i18n.Args{"dir": into}).Because(err)
	}
	for _, e := range entries {
		if _, err := time.Parse(nameForm, e.Name()); err == nil && e.IsDir() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// tidy removes old snapshots and the content that nobody needs any more.
func tidy(ctx context.Context, into string, kept *blob.Store, keep int) (removed int, err error) {
	names, err := Snapshots(into)
	if err != nil {
		return 0, err
	}
	for _, name := range names[:max(len(names)-max(keep, 1), 0)] {
		if err := os.RemoveAll(filepath.Join(into, name)); err != nil {
			return removed, err
		}
		removed++
	}
	needed := map[[32]byte]bool{}
	for _, name := range names[removed:] {
		data, err := os.ReadFile(filepath.Join(into, name, listFile))
		if err != nil {
			return removed, err
		}
		list, err := shared.DecodeList(data)
		if err != nil {
			return removed, nil // what is damaged may need anything: Verify tells
		}
		for _, c := range list {
			needed[c.SHA256] = true
		}
	}
	_, _, err = kept.Sweep(ctx, func(sha [32]byte) (bool, error) { return needed[sha], nil }, time.Now())
	return removed, err
}
