package compose

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"tram/agent/problem"
	"tram/storage/fsx"
)

// PointTaken is the rename of a scan that a document has taken.
const PointTaken fsx.Point = "scan.taken"

// Of the scanner's folder.
const (
	// SentFolder is where scans go that a document has taken, inside the folder.
	SentFolder = "da-gui"
	// MaxScans is how many files are shown, the newest ones.
	MaxScans = 100
	// maxEntries is how much of the folder is looked at.
	maxEntries = 10_000
	// scanRest is how long a file must be as it is: the scanner may be writing it.
	scanRest = 3 * time.Second
)

// scanTypes are what scanners write.
var scanTypes = []string{".pdf", ".tif", ".tiff", ".jpg", ".jpeg", ".png"}

// Scan is a file in the scanner's folder. ID changes with the file.
type Scan struct {
	ID       string
	Name     string
	Size     int64
	Modified time.Time
}

// Scans lists what the scanner has written, the newest first; nothing when there
// is no folder.
func (s *Store) Scans() ([]Scan, error) {
	if s.scans == "" {
		return nil, nil
	}
	root, err := s.scanner()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	dir, err := root.Open(".")
	if err != nil {
		return nil, fmt.Errorf("read folder of the scanner: %w", err)
	}
	defer dir.Close()
	entries, err := dir.ReadDir(maxEntries)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read folder of the scanner: %w", err)
	}
	var list []Scan
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || info.Size() == 0 || s.now().Sub(info.ModTime()) < scanRest && info.ModTime().Before(s.now()) {
			continue
		}
		if slices.Contains(scanTypes, strings.ToLower(path.Ext(e.Name()))) {
			list = append(list, scanOf(info))
		}
	}
	slices.SortFunc(list, func(a, b Scan) int { return b.Modified.Compare(a.Modified) })
	return list[:min(len(list), MaxScans)], nil
}

// scanner opens the folder; nothing below leads out of it.
func (s *Store) scanner() (*os.Root, error) {
	root, err := os.OpenRoot(s.scans)
	if err != nil {
		return nil, problem.New(problem.Conflict, "compose.scans-folder", "files", nil).Because(err)
	}
	return root, nil
}

func scanOf(info fs.FileInfo) Scan {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%d", info.Name(), info.Size(), info.ModTime().UnixNano()))
	return Scan{ID: hex.EncodeToString(sum[:12]), Name: info.Name(), Size: info.Size(), Modified: info.ModTime()}
}

// OpenScan opens a file as it was listed. The caller closes it.
func (s *Store) OpenScan(id string) (Scan, io.ReadCloser, error) {
	scan, root, err := s.findScan(id)
	if err != nil {
		return Scan{}, nil, err
	}
	defer root.Close()
	f, err := root.Open(scan.Name)
	if err != nil {
		return Scan{}, nil, noScan(err)
	}
	info, err := f.Stat()
	if err != nil || scanOf(info) != scan {
		return Scan{}, nil, errors.Join(noScan(err), f.Close())
	}
	return scan, f, nil
}

func noScan(err error) error {
	return problem.New(problem.Conflict, "compose.no-scan", "files", nil).Because(err)
}

func (s *Store) findScan(id string) (Scan, *os.Root, error) {
	list, err := s.Scans()
	if err != nil {
		return Scan{}, nil, err
	}
	at := slices.IndexFunc(list, func(c Scan) bool { return c.ID == id })
	if at < 0 {
		return Scan{}, nil, noScan(nil)
	}
	root, err := s.scanner()
	return list[at], root, err
}

// ScanTaken moves a file that a saved document has taken into [SentFolder]. One
// that changed meanwhile, or is gone, is left alone.
func (s *Store) ScanTaken(id string) error {
	scan, root, err := s.findScan(id)
	var p *problem.Problem
	if errors.As(err, &p) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.Mkdir(SentFolder, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make folder of taken scans: %w", err)
	}
	ext := path.Ext(scan.Name)
	for n := range maxEntries {
		name := scan.Name
		if n > 0 {
			name = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(scan.Name, ext), n+1, ext)
		}
		if _, err := root.Lstat(path.Join(SentFolder, name)); err == nil {
			continue
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("move taken scan: %w", err)
		}
		if err := PointTaken.Rename(fsx.Rooted(root), scan.Name, path.Join(SentFolder, name)); err != nil {
			return fmt.Errorf("move taken scan: %w", err)
		}
		return nil
	}
	return fmt.Errorf("move taken scan %s: too many of that name", scan.ID)
}
