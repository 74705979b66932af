package dossier

import (
	"context"
	"fmt"
	"io"
	"slices"

	"tram/agent/problem"
	"tram/storage"
)

// Open gives the content of a file of a dossier; the caller closes it. That somebody
// looks is for the caller to note, see [Store.Opened].
func (s *Store) Open(ctx context.Context, id storage.ID, file int64) (File, io.ReadSeekCloser, error) {
	d, err := s.Get(ctx, id)
	if err != nil {
		return File{}, nil, err
	}
	at := slices.IndexFunc(d.Files, func(f File) bool { return f.ID == file })
	if at < 0 {
		return File{}, nil, problem.New(problem.NotFound, "dossier.no-file", "", nil)
	}
	f := d.Files[at]
	r, err := s.blobs.Reader(f.Content)
	if err != nil {
		return f, nil, fmt.Errorf("open file of dossier: %w", err)
	}
	return f, r, nil
}
