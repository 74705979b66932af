package compose

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tram/storage/audit"
	"tram/storage/fsx"
	"tram/storage/killtest"
	"tram/storage/sqlite"
)

func TestMain(m *testing.M) {
	if code, child := killtest.Main(map[string]func(string) error{"scans": takeScans}); child {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// takeScans moves away what documents have taken.
func takeScans(dir string) (err error) {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, filepath.Join(dir, "office.db"), sqlite.Options{Schemas: []sqlite.Schema{audit.Schema, Schema}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	s, err := New(ctx, Options{DB: db, Dir: filepath.Join(dir, "drafts"), Scans: filepath.Join(dir, "scans")})
	if err != nil {
		return err
	}
	list, err := s.Scans()
	for _, scan := range list {
		err = errors.Join(err, s.ScanTaken(scan.ID))
	}
	return err
}

// TestP1_P2_KilledWhereAScanIsMoved: the page of paper is in one of the two folders,
// never in none.
func TestP1_P2_KilledWhereAScanIsMoved(t *testing.T) {
	killtest.Story{
		Name:   "scans",
		Points: []fsx.Point{PointTaken},
		Prepare: func(t *testing.T, dir string) {
			path := filepath.Join(dir, "scans", "quét.pdf")
			old := time.Now().Add(-time.Hour)
			if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("%PDF"), 0o600), os.Chtimes(path, old, old)); err != nil {
				t.Fatal(err)
			}
		},
		Check: func(t *testing.T, dir string, _ []string) {
			for name, want := range map[string]int{"scans/quét*.pdf": 0, "scans/" + SentFolder + "/quét*.pdf": 1} {
				if got, err := filepath.Glob(filepath.Join(dir, name)); err != nil || len(got) != want {
					t.Errorf("%s: %v, %v", name, got, err)
				}
			}
		},
	}.Run(t)
}
