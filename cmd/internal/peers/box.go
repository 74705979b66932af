package peers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// box holds the folders of a peer that moves files: out at the sender, in at
// the receiver.
type box struct {
	out, in string

	mu    sync.Mutex
	sizes map[string]int64 // of what was handed over
}

func (b *box) open(dir string) error {
	b.out, b.in, b.sizes = filepath.Join(dir, "out"), filepath.Join(dir, "in"), map[string]int64{}
	return errors.Join(os.MkdirAll(b.out, 0o700), os.MkdirAll(b.in, 0o700))
}

// put writes documents so that each appears whole.
func (b *box) put(documents []Document) error {
	for _, d := range documents {
		if err := write(b.out, d.Name, d.Data); err != nil {
			return err
		}
		b.expect(d)
	}
	return nil
}

func (b *box) expect(d Document) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sizes[d.Name] = int64(len(d.Data))
}

// write makes dir/name appear whole. The file in the making stands beside dir,
// so that nobody who watches dir sees it.
func write(dir, name string, data []byte) error {
	temp := filepath.Join(filepath.Dir(dir), "making-"+filepath.Base(dir)+"-"+name)
	if err := os.WriteFile(temp, data, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return os.Rename(temp, filepath.Join(dir, name))
}

// Arrived implements [Peer].
func (b *box) Arrived(context.Context) ([]string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var names []string
	for name, size := range b.sizes {
		info, err := os.Stat(filepath.Join(b.in, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		case info.Size() == size:
			names = append(names, name)
		}
	}
	return names, nil
}

// Read implements [Peer].
func (b *box) Read(_ context.Context, name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(b.in, name))
}
