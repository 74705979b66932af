// Package support makes the archive that an office gives to those who help it:
// what is needed to understand a box from afar, and nothing about what the
// office works on.
//
// It promises:
//
//   - No content of a document, no subject, no name of a person or file, no
//     reason, no password, PIN, key or other secret is in it. What is not known
//     to be harmless is left out: of settings the text, of log lines every text
//     attribute, of errors all but their kinds, of the audit log everything but
//     actions, times, identifiers and numbers.
//   - What it holds can be looked at, file by file, before it is written.
//   - It is bounded, see [MaxFile], and the same state gives the same bytes
//     but for the times in it.
//   - It can be made of a box whose service does not run.
package support

import (
	"archive/zip"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"tram/agent/i18n"
)

// MaxFile is how much of one file is kept, in bytes. What is longer is cut and
// says so.
const MaxFile = 1 << 20

// Path is where the archive's files are read over the local socket.
const Path = "/v1/support"

// File is one file of the archive.
type File struct {
	Name string `json:"name"`
	Data []byte `json:"data"`
}

// About says in words what the file holds.
func (f File) About(lang i18n.Lang) string {
	name, _, _ := strings.Cut(f.Name, ".")
	return i18n.T(lang, "support.file."+strings.ToLower(name))
}

// Name is what an archive of that time is called.
func Name(at time.Time) string { return "tram-ho-tro-" + at.Format("20060102-1504") + ".zip" }

// Write writes the archive of files, made at a time.
func Write(w io.Writer, files []File, at time.Time) error {
	sorted := slices.SortedFunc(slices.Values(files), func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	z := zip.NewWriter(w)
	for _, f := range sorted {
		part, err := z.CreateHeader(&zip.FileHeader{Name: f.Name, Method: zip.Deflate, Modified: at.UTC().Truncate(time.Second)})
		if err != nil {
			return fmt.Errorf("write support archive: %w", err)
		}
		if _, err := part.Write(f.Data); err != nil {
			return fmt.Errorf("write support archive: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("write support archive: %w", err)
	}
	return nil
}

// bounded cuts what is too long for one file.
func bounded(data []byte) []byte {
	if len(data) <= MaxFile {
		return data
	}
	const cut = "\n… cut\n"
	return append(slices.Clone(data[:MaxFile-len(cut)]), cut...)
}
