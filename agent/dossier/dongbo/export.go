package dongbo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tram/agent/dossier/code"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/fsx"
)

const (
	// ManifestName is the file that lists the others.
	ManifestName = "manifest.json"
	// maxManifest bounds the manifest that is read, in bytes.
	maxManifest = 256 << 20
	// maxFile bounds a dossier's file that is read, in bytes.
	maxFile = MaxPayload + MaxDossier + 4096
	// batch is how many changes are read at a time.
	batch = 500

	fileFormat     = "tram-dongbo/1"
	manifestFormat = "tram-dongbo-manifest/1"
)

// file is one file of an export.
type file struct {
	Format   string          `json:"format"`
	Revision int64           `json:"revision"`
	At       time.Time       `json:"occurred_at"`
	HoSo     json.RawMessage `json:"DongBoHoSoMC"`
	TienDo   json.RawMessage `json:"CapNhatTienDoHoSoMC"`
}

// Entry is a file of the manifest.
type Entry struct {
	Name     string `json:"name"`
	MaHoSo   string `json:"MaHoSo"`
	Revision int64  `json:"revision"`
	Size     int64  `json:"size"`
	SHA256   string `json:"sha256"`
}

// manifest lists the files of an export by name.
type manifest struct {
	Format string  `json:"format"`
	Files  []Entry `json:"files"`
}

// Refused is a dossier that could not be written.
type Refused struct {
	Change
	Err error // a problem, or a problem.List
}

// Result is what an export has done.
type Result struct {
	Written int // files
	Kept    int // files that were there
	Refused []Refused
}

// Export writes each dossier of a source into a folder, a file for its revision,
// and a manifest. What is there whole is not written again, so it can be
// repeated at any time, also after a crash. Files of earlier revisions stay. A
// dossier that the format cannot hold is in the result, and the others go on.
func Export(ctx context.Context, disk fsx.Disk, dir string, src Source) (Result, error) {
	e := &exporter{disk: disk, dir: dir, src: src, there: map[string]Entry{}}
	if err := e.open(); err != nil {
		return Result{}, fmt.Errorf("export dossiers: %w", err)
	}
	for after := ""; ; {
		changes, next, err := src.Changed(ctx, after, batch)
		if err == nil {
			err = e.take(ctx, changes)
		}
		if err != nil {
			return e.result, fmt.Errorf("export dossiers: %w", err)
		}
		if next == after {
			if err := e.list(); err != nil {
				return e.result, fmt.Errorf("export dossiers: %w", err)
			}
			return e.result, nil
		}
		after = next
	}
}

type exporter struct {
	disk   fsx.Disk
	dir    string
	src    Source
	there  map[string]Entry // by name, known to be whole
	listed []byte           // the manifest as it is on the disk
	done   map[storage.ID]bool
	news   int // files since the manifest was written
	result Result
}

// open makes the folder, and finds out which files of the manifest are whole.
func (e *exporter) open() error {
	e.done = map[storage.ID]bool{}
	if err := fsx.MkdirAll(e.disk, e.dir, 0o700); err != nil {
		return err
	}
	if err := fsx.RemoveTemps(e.disk, e.dir); err != nil {
		return err
	}
	raw, err := e.read(ManifestName, maxManifest)
	if err != nil {
		return err
	}
	var m manifest
	if json.Unmarshal(raw, &m) != nil || m.Format != manifestFormat {
		return nil // it is made anew
	}
	e.listed = raw
	for _, entry := range m.Files {
		if entry.Name != nameOf(entry.MaHoSo, entry.Revision) {
			continue
		}
		raw, err := e.read(entry.Name, maxFile)
		if err != nil {
			return err
		}
		if entryOf(entry.MaHoSo, entry.Revision, raw) == entry {
			e.there[entry.Name] = entry
		}
	}
	return nil
}

// read reads a file of the folder; nothing for one that is not there or larger.
func (e *exporter) read(name string, most int64) ([]byte, error) {
	f, err := e.disk.OpenFile(filepath.Join(e.dir, name), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil || int64(len(raw)) > most {
		return nil, err
	}
	return raw, nil
}

// nameOf is the file of a revision, "" for a code of another form.
func nameOf(dossier string, revision int64) string {
	d, err := code.ParseDossier(dossier)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s.r%06d.json", d.Key(), revision)
}

func entryOf(dossier string, revision int64, raw []byte) Entry {
	sum := sha256.Sum256(raw)
	return Entry{nameOf(dossier, revision), dossier, revision, int64(len(raw)), hex.EncodeToString(sum[:])}
}

// take writes what some changes are about, and from time to time the manifest.
func (e *exporter) take(ctx context.Context, changes []Change) error {
	for _, c := range changes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if e.done[c.ID] {
			continue
		}
		if entry, ok := e.there[nameOf(c.Code, c.Revision)]; ok && entry.MaHoSo == c.Code {
			e.result.Kept++
			continue
		}
		item, err := e.src.Dossier(ctx, c.ID)
		if err != nil && problem.From(err).Class == problem.NotFound {
			continue // it is gone
		}
		if err == nil {
			e.done[c.ID] = true
			err = e.write(item)
		}
		if err != nil {
			return err
		}
	}
	if e.news < max(batch, len(e.there)/4) {
		return nil
	}
	return e.list()
}

func (e *exporter) write(item Item) error {
	raw, err := item.file()
	if err != nil {
		e.result.Refused = append(e.result.Refused, Refused{item.Change, err})
		return nil
	}
	entry := entryOf(item.HoSo.MaHoSo, item.Revision, raw)
	old, err := e.read(entry.Name, maxFile)
	if err != nil {
		return err
	}
	e.result.Kept++
	if !bytes.Equal(old, raw) {
		if err := fsx.WriteFileOn(e.disk, filepath.Join(e.dir, entry.Name), raw, 0o600); err != nil {
			return err
		}
		e.result.Kept--
		e.result.Written++
		e.news++
	}
	e.there[entry.Name] = entry
	return nil
}

// file is the content of an item's file.
func (i Item) file() ([]byte, error) {
	var faults problem.List
	dossier, err := i.HoSo.Encode()
	faults.Note(err)
	steps, err := EncodeProgress(i.TienDo)
	faults.Note(err)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	list := slices.Concat([]byte{'['}, dossier, []byte{']'})
	if err := enc.Encode(file{fileFormat, i.Revision, i.At.UTC().Truncate(time.Second), list, steps}); err != nil {
		return nil, fmt.Errorf("write dossier: %w", err)
	}
	return buf.Bytes(), nil
}

// list writes the manifest when it is another one.
func (e *exporter) list() error {
	m := manifest{Format: manifestFormat, Files: []Entry{}}
	for _, name := range slices.Sorted(maps.Keys(e.there)) {
		m.Files = append(m.Files, e.there[name])
	}
	raw, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	raw = append(raw, '\n')
	if bytes.Equal(raw, e.listed) {
		return nil
	}
	if err := fsx.WriteFileOn(e.disk, filepath.Join(e.dir, ManifestName), raw, 0o600); err != nil {
		return err
	}
	e.listed, e.news = raw, 0
	return nil
}
