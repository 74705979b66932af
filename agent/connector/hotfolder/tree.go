package hotfolder

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/fsx"
)

const (
	markName  = ".tram-hotfolder.json" // in the tree
	knownName = "folder.json"          // in Env.Dir
	maxMark   = 4 << 10                // bytes
)

// mark tells one tree from another, and from the empty folder that is left where
// a share was.
type mark struct {
	ID        string `json:"id"`
	Office    string `json:"office"`
	Connector string `json:"connector"`
}

// tree is the open folder tree. Names in it are relative.
type tree struct {
	root *os.Root
	disk fsx.Disk
}

func (f *tree) Close() { _ = f.root.Close() } // it was only read through

// told makes what a person reads of an error of the folder.
func (f *tree) told(err error) error {
	var p *problem.Problem
	if err == nil || errors.As(err, &p) {
		return err
	}
	var path *fs.PathError
	var link *os.LinkError
	if !errors.As(err, &path) && !errors.As(err, &link) {
		return err
	}
	return problem.New(problem.Failed, "hotfolder.folder", "dir", i18n.Args{"dir": f.root.Name(), "why": err.Error()}).Because(err)
}

// enter opens the tree and makes sure that it is the one. The first time it
// marks it, and makes the folders.
func (c *conn) enter() (*tree, error) {
	gone := problem.New(problem.Failed, "hotfolder.gone", "dir", i18n.Args{"dir": c.set.Dir})
	root, err := os.OpenRoot(c.set.Dir)
	if err != nil {
		return nil, gone.Because(err)
	}
	f := &tree{root, fsx.Rooted(root)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.prove(f, gone); err != nil {
		f.Close()
		return nil, f.told(err)
	}
	if !c.laid {
		if err := c.lay(f); err != nil {
			f.Close()
			return nil, f.told(err)
		}
		c.laid = true
	}
	return f, nil
}

// leave has the folders looked at again the next time.
func (c *conn) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.laid = false
}

func (c *conn) prove(f *tree, gone *problem.Problem) error {
	m, err := readMark(f)
	switch {
	case errors.Is(err, fs.ErrNotExist) && c.known == "":
		m = mark{ID: uuid.NewString(), Office: c.env.Office.Code, Connector: c.env.Name}
		data, err := json.Marshal(m)
		if err != nil {
			return err
		}
		if err := fsx.WriteFileOn(f.disk, markName, data, 0o644); err != nil {
			return err
		}
		c.step("marked")
	case errors.Is(err, fs.ErrNotExist):
		return gone.Because(err)
	case err != nil:
		return err
	}
	switch {
	case c.known == m.ID:
		return nil
	case c.known != "":
		return gone.Because(fmt.Errorf("the tree is %s, this one is %s", c.known, m.ID))
	case m.Office != c.env.Office.Code || m.Connector != c.env.Name:
		return problem.New(problem.Failed, "hotfolder.taken", "dir", i18n.Args{"dir": c.set.Dir, "office": m.Office, "connector": m.Connector})
	}
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := fsx.WriteFile(filepath.Join(c.env.Dir, knownName), data, 0o600); err != nil {
		return err
	}
	c.known = m.ID
	return nil
}

func readMark(f *tree) (mark, error) {
	file, err := f.root.Open(markName)
	if err != nil {
		return mark{}, err
	}
	defer file.Close()
	return decodeMark(file)
}

func decodeMark(r io.Reader) (m mark, err error) {
	data, err := io.ReadAll(io.LimitReader(r, maxMark))
	if err != nil {
		return mark{}, err
	}
	if err := json.Unmarshal(data, &m); err != nil || m.ID == "" {
		return mark{}, fmt.Errorf("read %s: it is damaged: %w", markName, err)
	}
	return m, nil
}

func readKnown(dir string) (string, error) {
	file, err := os.Open(filepath.Join(dir, knownName))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("open hot folder: %w", err)
	}
	defer file.Close()
	m, err := decodeMark(file)
	if err != nil {
		return "", fmt.Errorf("open hot folder: %w", err)
	}
	return m.ID, nil
}

// lay makes the folders and what people read about them.
func (c *conn) lay(f *tree) error {
	for _, name := range []string{dropDir, claimDir, doneDir, rejectDir, inDir, statusDir} {
		if err := f.root.Mkdir(name, 0o775); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := fsx.PointFolderSync.SyncDir(f.disk, "."); err != nil {
		return err
	}
	for _, dir := range []string{inDir, statusDir} {
		if err := c.removeLeft(f, dir); err != nil {
			return err
		}
	}
	return writeGuide(f)
}

// list returns the names in a folder, at most MaxListed: the others come when
// these are gone.
func (f *tree) list(dir string) ([]string, error) {
	file, err := f.root.Open(dir)
	if err != nil {
		return nil, err
	}
	names, err := file.Readdirnames(MaxListed)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return names, errors.Join(err, file.Close())
}

// MaxListed is how many names of a folder are looked at in one round.
const MaxListed = 20_000

// free finds the lowest number with which none of the names is taken in a
// folder.
func (f *tree) free(dir string, name func(n int) []string) (int, error) {
	for n := 1; ; n++ {
		taken := false
		for _, name := range name(n) {
			_, err := f.root.Lstat(dir + "/" + name)
			if err == nil {
				taken = true
				break
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return 0, err
			}
		}
		if !taken {
			return n, nil
		}
	}
}

// removeEmpty removes a folder, unless another program has put something of its
// own there, as file managers do.
func (f *tree) removeEmpty(dir string) error {
	err := f.root.Remove(dir)
	if err == nil {
		return nil
	}
	names, failed := f.list(dir)
	if failed != nil {
		return gone(failed)
	}
	if len(names) > 0 {
		return nil
	}
	return err
}
