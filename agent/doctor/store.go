package doctor

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"tram/agent/health"
	"tram/agent/i18n"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/keystore"
	"tram/storage/sqlite"
)

const (
	// walLarge is a write-ahead log that nobody has copied into the database for
	// long, in bytes.
	walLarge = 64 << 20
	// contentSample is how many contents are looked for, the newest first, and
	// contentBytes how much of them is read.
	contentSample = 200
	contentBytes  = 8 << 20
)

// database opens and checks it.
func (e *exam) database(ctx context.Context) {
	path := e.path(e.o.Database)
	info, err := os.Stat(path)
	switch {
	case e.denied, errors.Is(err, fs.ErrPermission):
		e.unseen("database", unseenDenied, nil)
		return
	case errors.Is(err, fs.ErrNotExist) && e.ran():
		e.fail("database", DatabaseMissing, i18n.Args{"file": e.o.Database})
		return
	case err != nil:
		return // a new box has none
	}
	if !e.openDatabase(ctx, path) {
		return
	}
	check, cancel := context.WithTimeout(ctx, storeLimit)
	defer cancel()
	switch err := e.db.Check(check); {
	case errors.Is(err, sqlite.ErrCorrupt):
		e.fail("database", DatabaseDamaged, i18n.Args{"why": cause(err)})
	case check.Err() != nil:
		e.unseen("database", unseenTime, nil)
	case err != nil:
		e.fail("database", DatabaseClosed, i18n.Args{"why": cause(err)})
	}
	if wal, err := os.Stat(path + "-wal"); err == nil && wal.Size() > walLarge {
		f := e.warn("database", WALLarge, i18n.Args{"size": wal.Size() >> 20})
		if e.status == nil && !e.o.Inside {
			f.offer(e.checkpoint)
		}
	}
	if !e.has("database") {
		e.good("database", i18n.Args{"size": info.Size() >> 20})
	}
}

// ran reports whether the service has worked in this data folder before.
func (e *exam) ran() bool {
	info, err := os.Stat(e.path(e.o.Blobs))
	return err == nil && info.IsDir()
}

// openDatabase opens it to read; false when it told why not.
func (e *exam) openDatabase(ctx context.Context, path string) bool {
	if e.o.DB != nil {
		e.db = e.o.DB
		return true
	}
	db, err := sqlite.Open(ctx, path, sqlite.Options{Schemas: e.o.Schemas, ReadOnly: true})
	if err == nil {
		e.db = db
		return true
	}
	args := i18n.Args{"file": e.o.Database, "why": cause(err)}
	switch {
	case errors.Is(err, sqlite.ErrNewer):
		e.fail("database", DatabaseNewer, args)
	case errors.Is(err, sqlite.ErrForeign), errors.Is(err, sqlite.ErrChanged):
		e.fail("database", DatabaseForeign, args)
	case errors.Is(err, sqlite.ErrOutdated):
		e.warn("database", DatabaseOld, args)
	case errors.Is(err, sqlite.ErrCorrupt):
		e.fail("database", DatabaseDamaged, args)
	case errors.Is(err, fs.ErrPermission):
		e.unseen("database", unseenDenied, nil)
	default:
		e.fail("database", DatabaseClosed, args)
	}
	return false
}

// checkpoint opens the database for writing and closes it, which copies its log
// into it. Nobody may have it open.
func (e *exam) checkpoint(ctx context.Context) (err error) {
	unlock, err := keystore.Lock(e.o.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if e.db != nil {
		if err := e.db.Close(); err != nil { // else it is not the last to close it
			return err
		}
		e.db = nil
	}
	db, err := sqlite.Open(ctx, e.path(e.o.Database), sqlite.Options{Schemas: e.o.Schemas})
	if err != nil {
		return err
	}
	return db.Close()
}

// audit checks the chain of the audit log as far as there is time.
func (e *exam) audit(ctx context.Context) {
	if e.db == nil {
		e.unlooked("audit")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, auditLimit)
	defer cancel()
	report, err := audit.Verify(ctx, e.db)
	var broken *audit.BrokenError
	switch {
	case errors.As(err, &broken):
		c := health.Log(broken.Seq)
		e.fail("audit", c.Code, c.Args)
	case ctx.Err() != nil:
		e.unseen("audit", unseenTime, nil)
	case err != nil: // the database's finding tells
	default:
		e.good("audit", i18n.Args{"entries": report.Entries})
	}
}

// content is a file that the database refers to.
type content struct {
	sha  [32]byte
	size int64
}

// contents looks for what the newest documents refer to, and reads some of it.
func (e *exam) contents(ctx context.Context) {
	if e.db == nil {
		e.unlooked("content")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, contentLimit)
	defer cancel()
	list, err := e.sample(ctx)
	if err != nil {
		e.unseen("content", unseenTime, nil)
		return
	}
	store := blob.OpenReadOnly(e.path(e.o.Blobs))
	var gone, damaged []string
	left := int64(contentBytes)
	for _, c := range list {
		name := hex.EncodeToString(c.sha[:4])
		if !store.Has(c.sha, c.size) {
			gone = append(gone, name)
			continue
		}
		if left -= c.size; left < 0 || ctx.Err() != nil {
			continue
		}
		if err := store.Check(ctx, blob.Content{SHA256: c.sha, Size: c.size}); err != nil && ctx.Err() == nil {
			damaged = append(damaged, name)
		}
	}
	if len(gone) > 0 {
		e.fail("content", ContentMissing, i18n.Args{"count": len(gone), "of": len(list), "first": gone[0]})
	}
	if len(damaged) > 0 {
		e.fail("content", ContentDamaged, i18n.Args{"count": len(damaged), "of": len(list), "first": damaged[0]})
	}
	if !e.has("content") {
		e.good("content", i18n.Args{"count": len(list)})
	}
}

// sample lists the newest contents that are in files.
func (e *exam) sample(ctx context.Context) (list []content, err error) {
	err = e.db.View(ctx, func(tx *sqlite.Tx) error {
		for _, table := range []string{"attachments", "heads", "originals"} {
			rows, err := tx.Query(fmt.Sprintf(`SELECT sha256, size FROM %s WHERE inline IS NULL AND sha256 IS NOT NULL
				ORDER BY document DESC LIMIT %d`, table, contentSample))
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var c content
				if err := rows.Scan(sqlite.Digest(&c.sha), &c.size); err != nil {
					return err
				}
				list = append(list, c)
			}
			if err := rows.Err(); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

// hotFolders are the folders of connectors that are not paused.
func (e *exam) hotFolders(ctx context.Context) (list []struct{ what, dir string }) {
	if e.db == nil {
		return nil
	}
	_ = e.db.View(ctx, func(tx *sqlite.Tx) error { // the database's finding tells
		rows, err := tx.Query(`SELECT name, settings FROM connectors WHERE kind = 'hotfolder' AND paused = 0 ORDER BY name`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name, text string
			if err := rows.Scan(&name, &text); err != nil {
				return err
			}
			var settings struct {
				Dir string `json:"dir"`
			}
			if err := json.Unmarshal([]byte(text), &settings); err == nil {
				list = append(list, struct{ what, dir string }{name, settings.Dir})
			}
		}
		return rows.Err()
	})
	return list
}
