package hotfolder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
)

const (
	keptName   = "kept.jsonl"
	cleanEvery = time.Hour
	day        = 24 * time.Hour
)

// kept is what lies in the folder of what is handed over, for the setting "keep".
type kept struct {
	Document storage.ID `json:"document"`
	At       time.Time  `json:"at"`
	Files    []keptFile `json:"files"`
}

type keptFile struct {
	Name string    `json:"name"`
	Size int64     `json:"size"`
	Mod  time.Time `json:"mod"`
}

// noteKept remembers what may be deleted later. A status is about somebody else's
// document and stays.
func (c *conn) noteKept(f *tree, h *handover, n int) error {
	if c.set.Keep == 0 || h.doc == (storage.ID{}) {
		return nil
	}
	k := kept{Document: h.doc, At: c.env.Now()}
	for _, name := range h.names {
		info, err := f.root.Lstat(h.dir + "/" + name)
		if err != nil {
			return err
		}
		k.Files = append(k.Files, keptFile{numbered(name, n, 0), info.Size(), info.ModTime()})
	}
	line, err := json.Marshal(k)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(c.env.Dir, keptName), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("note handed over file: %w", err)
	}
	_, err = file.Write(append(line, '\n'))
	return errors.Join(err, file.Close())
}

// clean deletes what was handed over long enough ago and has reached everybody.
// What was changed since, or is not known to have arrived, stays.
func (c *conn) clean(ctx context.Context, f *tree) error {
	now := c.clock()
	if c.set.Keep == 0 || c.tidy != 0 && now < c.tidy {
		return nil
	}
	c.tidy = now + cleanEvery
	path := filepath.Join(c.env.Dir, keptName)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	list := readLines[kept](data)
	var left []kept
	for _, k := range list {
		stays, err := c.stays(ctx, k)
		if err != nil {
			return err
		}
		if stays {
			left = append(left, k)
			continue
		}
		for _, file := range k.Files {
			if err := removeSame(f, file); err != nil {
				return err
			}
		}
	}
	if len(left) == len(list) {
		return nil
	}
	return writeLines(path, left)
}

func (c *conn) stays(ctx context.Context, k kept) (bool, error) {
	if c.env.Now().Sub(k.At) < time.Duration(c.set.Keep)*day {
		return true, nil
	}
	doc, err := c.env.Desk.Get(ctx, k.Document)
	var p *problem.Problem
	if errors.As(err, &p) && p.Class == problem.NotFound {
		return true, nil
	}
	if err != nil || doc.Box != office.Out {
		return true, err
	}
	for _, r := range doc.To {
		switch r.State {
		case office.Delivered, office.Accepted, office.Returned, office.Recalled:
		default:
			return true, nil
		}
	}
	return len(doc.To) == 0, nil
}

func removeSame(f *tree, file keptFile) error {
	info, err := f.root.Lstat(doneDir + "/" + file.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Size() != file.Size || !info.ModTime().Equal(file.Mod) {
		return nil
	}
	return gone(f.root.Remove(doneDir + "/" + file.Name))
}
