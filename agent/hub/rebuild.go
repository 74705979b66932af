package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tram/storage/fsx"
)

// rebuildFile says since when a restored hub has been gathering what it lost.
const rebuildFile = "restored-at"

// rebuilding tells until when this hub waits for offices that it does not
// know, zero when it was never restored. restored is true at the first start
// after a restore.
func rebuilding(dir string, restored bool) (time.Time, error) {
	path := filepath.Join(dir, rebuildFile)
	if restored {
		if err := fsx.WriteFile(path, []byte(time.Now().UTC().Format(time.RFC3339)+"\n"), 0o600); err != nil {
			return time.Time{}, fmt.Errorf("note restore: %w", err)
		}
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read time of restore: %w", err)
	}
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(string(data)))
	if err != nil {
		return time.Time{}, fmt.Errorf("read time of restore: %w", err)
	}
	return at.Add(rebuildFor), nil
}
