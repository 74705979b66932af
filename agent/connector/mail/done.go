package mail

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tram/storage/fsx"
)

// Records of who has a mail lie in the connector's folder, a file for each.
const (
	recordEnd = ".json"
	// keepDone is how many records of mails that everybody has are kept. The host
	// can repeat only what was under way when it crashed, so it is more than enough.
	keepDone = 64
	// keepPart is how long others are kept: their entry is a dead letter.
	keepPart = 400 * 24 * time.Hour
)

// record says who has a mail.
type record struct {
	Version int      `json:"version"`
	Done    []string `json:"done"`
	All     bool     `json:"all"` // everybody
}

const recordVersion = 1

func (m *mailer) record(key string) string { return filepath.Join(m.env.Dir, key+recordEnd) }

// had lists who has a mail.
func (m *mailer) had(key string) ([]string, error) {
	r, err := readRecord(m.record(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return r.Done, err
}

func readRecord(path string) (record, error) {
	var r record
	raw, err := os.ReadFile(path)
	if err != nil {
		return r, fmt.Errorf("read who has a mail: %w", err)
	}
	if err := json.Unmarshal(raw, &r); err != nil || r.Version != recordVersion {
		return r, fmt.Errorf("record %s of version %d: %w", filepath.Base(path), r.Version, errors.Join(err, fs.ErrInvalid))
	}
	return r, nil
}

// has keeps who has a mail, and forgets records that nobody needs.
func (m *mailer) has(key string, done []string) error {
	everybody := !slices.ContainsFunc(m.to, func(r string) bool { return !slices.Contains(done, r) })
	raw, err := json.Marshal(record{recordVersion, done, everybody})
	if err != nil {
		return err
	}
	if err := fsx.WriteFile(m.record(key), raw, 0o600); err != nil {
		return fmt.Errorf("keep who has a mail: %w", err)
	}
	if err := m.forget(); err != nil {
		m.env.Logger.Warn("records not tidied", "error", err)
	}
	return nil
}

func (m *mailer) forget() error {
	entries, err := os.ReadDir(m.env.Dir)
	if err != nil {
		return err
	}
	type old struct {
		path string
		at   time.Time
	}
	var list []old
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !strings.HasSuffix(e.Name(), recordEnd) {
			continue // another delivery has removed it
		}
		list = append(list, old{filepath.Join(m.env.Dir, e.Name()), info.ModTime()})
	}
	if len(list) <= keepDone {
		return nil
	}
	slices.SortFunc(list, func(a, b old) int { return b.at.Compare(a.at) })
	for _, o := range list[keepDone:] {
		if r, err := readRecord(o.path); err == nil && !r.All && m.env.Now().Sub(o.at) < keepPart {
			continue
		}
		if err := os.Remove(o.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
