package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tram/agent/backup"
	"tram/agent/backup/s3"
	"tram/agent/books"
	"tram/agent/dossier"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/register"
	"tram/agent/update"
	"tram/storage/audit"
	"tram/storage/keystore"
	"tram/storage/queue"
	"tram/storage/sqlite"
)

const (
	// BackupFolder is what backups lie in, on a stick or in a folder.
	BackupFolder = "tram-backup"
	// S3KeyFile of the data folder holds the access key of a store over the network.
	S3KeyFile = "backup-s3.key"
	// numbersSkipped has Restore work out how many numbers of the books to leave out.
	numbersSkipped = -1
)

// BackupForm is what a backup has to know of an office's database: whose content it
// refers to is what Tidy keeps.
func BackupForm() backup.Form {
	content := append([]string{queue.Content, books.Content}, office.Content...)
	return backup.Form{Schemas: Schemas(), Content: append(content, dossier.Content...)}
}

// Saving is an office that is backed up.
type Saving struct {
	Dir     string // data folder
	Version string
	Logger  *slog.Logger
	Now     func() time.Time // nil: time.Now
}

// source describes the office of the data folder.
func (s Saving) source() (backup.Source, error) {
	id, err := identity.Load(s.Dir)
	if err != nil {
		return backup.Source{}, err
	}
	return backup.Source{
		Dir: s.Dir, DB: DatabaseFile, Blobs: blobDir, Code: id.Code, Name: id.Name, Hub: id.Hub, Software: "tram " + s.Version, Form: BackupForm(),
		Leave: []string{uploadDir, stickDir, update.Folder, trendFile, "clock", "received.moi"}, Logger: s.Logger, Now: s.Now,
	}, nil
}

// BackUp saves the office into a place, beside the service or without it, and notes how
// it went.
func (s Saving) BackUp(ctx context.Context, place string) (backup.Made, error) {
	src, err := s.source()
	if err != nil {
		return backup.Made{}, err
	}
	store, err := OpenPlace(place, s.Dir)
	if err != nil {
		return backup.Made{}, err
	}
	made, err := backup.Make(ctx, src, store)
	if ctx.Err() != nil {
		return made, err
	}
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	return made, errors.Join(err, backup.Note(s.Dir, made, err, now()))
}

// Access comes to the backups in a place: by the key of the data folder, or by the
// recovery code when that is not "".
func (s Saving) Access(place, code string) (backup.Access, error) {
	store, err := OpenPlace(place, s.Dir)
	if err != nil {
		return backup.Access{}, err
	}
	if code != "" {
		code, err = backup.ReadCode(code)
		return backup.Access{Store: store, Code: code}, err
	}
	key, err := backup.LoadKey(s.Dir)
	if errors.Is(err, keystore.ErrNotFound) {
		return backup.Access{}, problem.New(problem.Usage, "backup.needs-code", "key", nil)
	}
	if err != nil {
		return backup.Access{}, err
	}
	return backup.Access{Store: store, Code: key.Code()}, nil
}

// OpenPlace opens a place of backups: a folder that is there, or a bucket.
func OpenPlace(place, dir string) (backup.Store, error) {
	if s3.Is(place) {
		return s3.Open(place, filepath.Join(dir, S3KeyFile), dir)
	}
	info, err := os.Stat(place)
	switch {
	case place == "":
		return nil, problem.New(problem.Usage, "backup.place", "", i18n.Args{"place": `""`})
	case errors.Is(err, fs.ErrNotExist):
		return nil, problem.New(problem.NotFound, "backup.no-folder", "", i18n.Args{"place": place}).Because(err)
	case err != nil:
		return nil, fmt.Errorf("open place of backups: %w", err)
	case !info.IsDir():
		return nil, problem.New(problem.Usage, "backup.place", "", i18n.Args{"place": place})
	}
	place, err = filepath.Abs(place)
	if err != nil {
		return nil, fmt.Errorf("open place of backups: %w", err)
	}
	if filepath.Base(place) != BackupFolder {
		place = filepath.Join(place, BackupFolder)
	}
	return backup.OpenFolder(place), nil
}

// Raised is what Restore has done.
type Raised struct {
	backup.Restored
	Skipped  []office.Skipped `json:"skipped"`  // numbers of the books
	Dossiers int              `json:"dossiers"` // codes of today that are left out
}

// Restore raises an office in the data folder; skip is how many numbers of each book are
// left out, below 0 for as many as may have been given since the backup.
func (s Saving) Restore(ctx context.Context, a backup.Access, at string, skip int) (r Raised, err error) {
	t := backup.Target{Dir: s.Dir, DB: DatabaseFile, Blobs: blobDir, Form: BackupForm(), Empty: holdsNothing}
	t.Settle = func(tx *sqlite.Tx, rep backup.Report) (err error) {
		now := tx.Now()
		if r.Skipped, err = office.Restored(tx, rep.At, now, max(skip, numbersSkipped)); err != nil {
			return err
		}
		if skip != 0 {
			if r.Dossiers, err = dossier.Restored(tx, now); err != nil {
				return err
			}
		}
		return audit.Append(tx, audit.Entry{Actor: commandLine, Action: "office.restored", Subject: rep.Backup, Detail: map[string]string{
			"made": rep.At.Format(time.RFC3339), "files": fmt.Sprint(rep.Files), "skipped": skippedText(r.Skipped), "dossiers": fmt.Sprint(r.Dossiers),
		}})
	}
	if r.Restored, err = backup.Restore(ctx, t, a, at); err != nil {
		return r, err
	}
	if r.Skipped == nil {
		r.Skipped = []office.Skipped{}
	}
	return r, nil
}

// skippedText is skipped numbers as they stand in the audit log.
func skippedText(list []office.Skipped) string {
	var words []string
	for _, s := range list {
		words = append(words, fmt.Sprintf("%s %d: %s", s.Kind, s.Year, register.Ranges([]register.Range{{First: s.First, Last: s.Last}})))
	}
	return strings.Join(words, "; ")
}

// holdsNothing tells whether a database may be replaced by a backup.
func holdsNothing(tx *sqlite.Tx) (empty bool, err error) {
	err = tx.QueryRow(`SELECT NOT EXISTS (SELECT 1 FROM documents) AND NOT EXISTS (SELECT 1 FROM dossiers) AND NOT EXISTS (SELECT 1 FROM compose_drafts)`).Scan(&empty)
	return empty, err
}
