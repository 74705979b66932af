package web

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tram/agent/books"
	"tram/agent/edxml"
	"tram/agent/office"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

// booksOver keeps real books over the documents of a fake office.
func booksOver(t *testing.T, db *sqlite.DB, f *fakeOffice, now func() time.Time) *books.Books {
	t.Helper()
	blobs, err := blob.Open(filepath.Join(t.TempDir(), "blobs"), blob.Options{MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	return books.New(books.Options{DB: db, Blobs: blobs, Source: bookSource{f}, Now: now,
		Heading: func() books.Heading {
			return books.Heading{Superior: "UBND tỉnh Cao Bằng", Office: us.Name, Place: "Trùng Khánh"}
		}})
}

// bookSource gives what the fake office has registered.
type bookSource struct{ *fakeOffice }

func (f bookSource) Yearbook(_ context.Context, box office.Box, year int) (lines []office.Booking, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken != nil {
		return nil, f.broken
	}
	for _, d := range f.docs {
		if d.Box == box && (box == office.Out || d.Arrival > 0) && d.Created.Year() == year {
			lines = append(lines, office.Booking{Document: d, Entered: d.Created})
		}
	}
	slices.SortStableFunc(lines, func(x, y office.Booking) int { return cmp.Compare(x.Arrival, y.Arrival) })
	return lines, nil
}

func (f bookSource) BookYears(context.Context, office.Box) ([]int, error) { return []int{2026}, nil }

func (f bookSource) Message(context.Context, storage.ID) (*edxml.Document, error) {
	return &edxml.Document{Signer: edxml.Signer{FullName: "Lê Hoàng Phượng"}}, nil
}
