package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Size is how many bytes the database takes on disk, with what has not gone into its
// main file yet.
func (db *DB) Size() (n int64, err error) {
	for _, end := range []string{"", "-wal"} {
		info, err := os.Stat(db.path + end)
		if errors.Is(err, fs.ErrNotExist) && end != "" {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("measure database: %w", err)
		}
		n += info.Size()
	}
	return n, nil
}
