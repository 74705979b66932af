package hub

import (
	"context"
	"path/filepath"

	"tram/agent/hub/backup"
	"tram/agent/hub/ca"
	"tram/agent/hub/registry"
	"tram/storage/sqlite"
)

// form is what a backup has to know of this hub's database: whose content it refers to
// is what Tidy keeps.
func form() backup.Form {
	return backup.Form{Schemas: Schemas(), Content: []string{
		backup.InQueue,
		`SELECT f.sha256, f.size FROM software_files f JOIN software_releases r USING (serial) WHERE r.withdrawn = 0 AND f.inline IS NULL`,
	}}
}

// BackupWhole saves the hub in a data folder, running or not, into a backup folder; db
// is its database, opened to read.
func BackupWhole(ctx context.Context, dir string, db *sqlite.DB, into, passphrase string, keep int) (backup.Made, error) {
	authority, err := ca.Load(dir)
	if err != nil {
		return backup.Made{}, err
	}
	offices, err := registry.New(db, authority.Authority.Cert.PublicKey, registry.Options{})
	if err != nil {
		return backup.Made{}, err
	}
	return backup.Make(ctx, backup.Source{
		Dir: dir, DB: filepath.Join(dir, databaseFile), Blobs: filepath.Join(dir, blobDir), CA: authority, Registry: offices, Form: form(),
	}, into, passphrase, keep)
}

// VerifyWhole reads a backup whole; at names the snapshot, "" for the newest.
func VerifyWhole(ctx context.Context, from, at, passphrase string) (backup.Made, error) {
	return backup.Verify(ctx, from, at, passphrase, form())
}

// RestoreWhole raises the hub of a backup in a data folder that is missing or empty.
func RestoreWhole(ctx context.Context, dir, from, at, passphrase string) (backup.Restored, error) {
	return backup.Restore(ctx, backup.Target{Dir: dir, DB: databaseFile, Blobs: blobDir, Form: form()}, from, at, passphrase)
}
