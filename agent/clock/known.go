package clock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"tram/storage/fsx"
)

// Released is a time before which no copy of this program existed.
var Released = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// ReadKnown reads the last known time from a file of a data folder; zero when there is
// none that can be read as a time.
func ReadKnown(path string) (time.Time, error) {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, fmt.Errorf("read last known time: %w", err)
	}
	t, err := time.Parse(time.RFC3339, strings.TrimSpace(string(data)))
	if err != nil {
		return time.Time{}, nil
	}
	return t, nil
}

// KeepKnown writes it down durably.
func KeepKnown(path string, t time.Time) error {
	if err := fsx.WriteFile(path, []byte(t.UTC().Format(time.RFC3339)+"\n"), 0o600); err != nil {
		return fmt.Errorf("keep last known time: %w", err)
	}
	return nil
}
