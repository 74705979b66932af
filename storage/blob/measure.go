package blob

import (
	"fmt"
	"path/filepath"
)

// Measure counts the content files and their bytes, and the bytes of partial
// contents. It looks at every file's size.
func (s *Store) Measure() (bytes int64, files int, partial int64, err error) {
	const digits = "0123456789abcdef"
	add := func(dir string, size *int64, count *int) error {
		entries, err := s.readDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil || !e.Type().IsRegular() {
				continue // it went meanwhile, or it is none of ours
			}
			*size += info.Size()
			*count++
		}
		return nil
	}
	for i := range stripes {
		outer := filepath.Join(s.dir, digits[i:i+1])
		leafs, err := s.readDir(outer)
		for _, leaf := range leafs {
			if err == nil {
				err = add(filepath.Join(outer, leaf.Name()), &bytes, &files)
			}
		}
		if err != nil {
			return 0, 0, 0, fmt.Errorf("measure content: %w", err)
		}
	}
	var parts int
	if err := add(filepath.Join(s.dir, partsDir), &partial, &parts); err != nil {
		return 0, 0, 0, fmt.Errorf("measure content: %w", err)
	}
	return bytes, files, partial, nil
}
