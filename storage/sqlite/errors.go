package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"tram/storage"
	"tram/storage/fsx"
)

// fullBelow is the free space, in bytes, below which an I/O error is taken for
// a full disk: SQLite reports a lack of space at fsync or in the shared-memory
// file as a plain I/O error.
const fullBelow = 1 << 20

// mapError adds the sentinels to an error of the driver.
func (db *DB) mapError(err error) error {
	code := code(err)
	switch code & 0xff {
	case lib.SQLITE_FULL:
		return fmt.Errorf("%w: %w", storage.ErrFull, err)
	case lib.SQLITE_IOERR, lib.SQLITE_CANTOPEN:
		if free, _, uerr := fsx.OS.Usage(filepath.Dir(db.path)); uerr == nil && free < fullBelow {
			return fmt.Errorf("%w: %w", storage.ErrFull, err)
		}
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// endsTransaction says whether SQLite may have rolled back on its own.
func endsTransaction(err error) bool {
	switch code(err) & 0xff {
	case lib.SQLITE_FULL, lib.SQLITE_IOERR, lib.SQLITE_NOMEM, lib.SQLITE_BUSY, lib.SQLITE_INTERRUPT,
		lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return true
	}
	return false
}

// IsUnique says whether err comes from a UNIQUE or PRIMARY KEY constraint.
func IsUnique(err error) bool {
	c := code(err)
	return c == lib.SQLITE_CONSTRAINT_UNIQUE || c == lib.SQLITE_CONSTRAINT_PRIMARYKEY || c == lib.SQLITE_CONSTRAINT_ROWID
}

func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}
