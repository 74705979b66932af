package software

import (
	"context"
	"fmt"
	"io"

	"tram/agent/release"
	"tram/storage/blob"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// Write writes the file in which a release comes by stick: the proof, and its programs
// as they are.
func (s *Software) Write(ctx context.Context, version string, w io.Writer) error {
	var r row
	var warrant []byte
	var objects []bundle.Object
	var contents []blob.Content
	err := s.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		releases, err := rows(tx)
		if err != nil {
			return err
		}
		for _, r = range releases {
			if r.version == version && !r.withdrawn {
				break
			}
		}
		if r.version != version || r.withdrawn {
			return unknown(version)
		}
		if warrant, err = lastWarrant(tx); err != nil {
			return err
		}
		for n := range r.manifest.Files {
			o, c, err := program(tx, r.serial, n)
			if err != nil {
				return err
			}
			objects, contents = append(objects, o), append(contents, c)
		}
		return nil
	})
	if err != nil {
		return err
	}
	key, err := bundle.ParseKey(r.key)
	if err != nil {
		return err
	}
	if _, err := w.Write(release.Proof{Warrant: warrant, Release: r.signed}.Encode()); err != nil {
		return err
	}
	for n, f := range r.manifest.Files {
		if err := s.writeOne(w, key, f, objects[n], contents[n]); err != nil {
			return fmt.Errorf("write program %s/%s: %w", f.OS, f.Arch, err)
		}
	}
	return nil
}

func (s *Software) writeOne(w io.Writer, key bundle.Key, f release.File, o bundle.Object, c blob.Content) error {
	body, err := s.o.Blobs.Reader(c)
	if err != nil {
		return err
	}
	defer body.Close()
	plain, err := key.Decrypt(body, o, f.Size)
	if err != nil {
		return err
	}
	return f.Copy(w, plain)
}
