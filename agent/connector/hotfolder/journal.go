package hotfolder

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"tram/storage/fsx"
)

const (
	journalName = "delivered.jsonl"
	// remembered is how many entries the journal keeps: many more than can be
	// handed over without the host knowing.
	remembered = 1000
	maxLine    = 16 << 10 // bytes
)

// written is an entry whose files are whole, with the names that they get.
type written struct {
	Cursor string    `json:"cursor"`
	Dir    string    `json:"dir"`
	Files  []renamed `json:"files"`
}

type renamed struct {
	Temp string `json:"temp"`
	Name string `json:"name"`
}

// journal remembers what was delivered, one line of JSON each. What [journal.add]
// has taken survives a power cut; a line that a crash cut off is none.
type journal struct {
	path string
	mu   sync.Mutex
	file *os.File
	list []written // oldest first
}

func openJournal(dir string) (*journal, error) {
	j := &journal{path: filepath.Join(dir, journalName)}
	data, err := os.ReadFile(j.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open journal of hot folder: %w", err)
	}
	j.list = readLines[written](data)
	return j, j.rewrite()
}

// readLines reads whole lines of JSON, up to the first that is none.
func readLines[T any](data []byte) (list []T) {
	data = data[:bytes.LastIndexByte(data, '\n')+1]
	scan := bufio.NewScanner(bytes.NewReader(data))
	scan.Buffer(nil, maxLine)
	for scan.Scan() {
		var v T
		if json.Unmarshal(scan.Bytes(), &v) != nil {
			break
		}
		list = append(list, v)
	}
	return list
}

// writeLines replaces a file of such lines.
func writeLines[T any](path string, list []T) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, v := range list {
		if err := enc.Encode(v); err != nil {
			return err
		}
	}
	return fsx.WriteFile(path, b.Bytes(), 0o600)
}

// rewrite makes the file as long as it has to be, and opens it. j.mu is held or j
// not yet known to others.
func (j *journal) rewrite() error {
	j.list = j.list[max(0, len(j.list)-remembered):]
	if err := j.close(); err != nil {
		return err
	}
	if err := writeLines(j.path, j.list); err != nil {
		return fmt.Errorf("write journal of hot folder: %w", err)
	}
	var err error
	if j.file, err = os.OpenFile(j.path, os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return fmt.Errorf("open journal of hot folder: %w", err)
	}
	return nil
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	err := j.file.Close()
	j.file = nil
	return err
}

// Close closes the file.
func (j *journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.close()
}

// add remembers an entry for good.
func (j *journal) add(w written) error {
	line, err := json.Marshal(w)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil || len(j.list) >= 2*remembered {
		if err := j.rewrite(); err != nil {
			return err
		}
	}
	_, err = j.file.Write(append(line, '\n'))
	if err == nil {
		err = pointJournal.Sync(j.file, j.path)
	}
	if err != nil {
		// What stands behind a half line would not be read.
		err = fmt.Errorf("write journal of hot folder: %w", fsx.MapError(err))
		return errors.Join(err, j.close())
	}
	j.list = append(j.list, w)
	return nil
}

func (j *journal) find(cursor string) (written, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := len(j.list) - 1; i >= 0; i-- {
		if j.list[i].Cursor == cursor {
			return j.list[i], true
		}
	}
	return written{}, false
}

// names reports whether a temporary file belongs to an entry.
func (j *journal) names(temp string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, w := range j.list {
		for _, r := range w.Files {
			if r.Temp == temp {
				return true
			}
		}
	}
	return false
}
