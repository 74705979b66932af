package queue_test

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/storage"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/queue"
	"tram/storage/sqlite"
)

// fsyncRate measures the disk under dir: 4 KiB writes into a file that is
// already there, each followed by an fsync, per second.
func fsyncRate(b *testing.B, dir string, n int) float64 {
	b.Helper()
	const block, blocks = 4 << 10, 256
	f, err := os.Create(filepath.Join(dir, "raw"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, block)
	for i := range blocks {
		if _, err := f.WriteAt(page, int64(i*block)); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	for i := range n {
		page[0] = byte(i)
		if _, err := f.WriteAt(page, int64(i%blocks*block)); err != nil {
			b.Fatal(err)
		}
		if err := datasync(f); err != nil {
			b.Fatal(err)
		}
	}
	return float64(n) / time.Since(start).Seconds()
}

// BenchmarkAccept times the durable accept of a bundle with two small objects
// (5 kB in all) and its audit entry, beside the disk's own fsync rate taken in
// slices between, because both drift.
func BenchmarkAccept(b *testing.B) {
	for _, producers := range []int{1, 4, 16, 64} {
		b.Run(strconv.Itoa(producers)+"producers", func(b *testing.B) {
			dir := b.TempDir()
			db, err := sqlite.Open(b.Context(), filepath.Join(dir, "tram.db"), sqlite.Options{Schemas: []sqlite.Schema{queue.Schema, audit.Schema}})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			blobs, err := blob.Open(filepath.Join(dir, "content"), blob.Options{})
			if err != nil {
				b.Fatal(err)
			}
			q := queue.New(db, blobs, queue.Options{})
			accept := func() error {
				bundle, contents := small()
				return db.Update(b.Context(), func(tx *sqlite.Tx) error {
					if err := q.Put(tx, bundle, contents, []queue.Target{{Peer: "H40", Hold: true}}); err != nil {
						return err
					}
					return audit.Append(tx, audit.Entry{Actor: "bench", Action: "document.send", Subject: bundle.ID.String()})
				})
			}
			for range 500 { // the log reaches the length at which it is overwritten
				if err := accept(); err != nil {
					b.Fatal(err)
				}
			}
			const slice = 100
			var rates, raws []float64
			for done := 0; done < b.N; done += slice {
				b.StopTimer()
				raws = append(raws, fsyncRate(b, dir, slice))
				b.StartTimer()
				start := time.Now()
				n := min(slice, b.N-done)
				run(b, producers, n, accept)
				rates = append(rates, float64(n)/time.Since(start).Seconds())
			}
			b.ReportMetric(median(rates), "accepts/s")
			b.ReportMetric(median(raws), "fsyncs/s")
			b.ReportMetric(median(rates)/median(raws), "ratio")
		})
	}
}

func run(b *testing.B, producers, n int, accept func() error) {
	work := make(chan struct{}, n)
	for range n {
		work <- struct{}{}
	}
	close(work)
	var group sync.WaitGroup
	for range producers {
		group.Go(func() {
			for range work {
				if err := accept(); err != nil {
					b.Error(err)
				}
			}
		})
	}
	group.Wait()
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

func small() (storage.Bundle, []blob.Content) {
	now := time.Now()
	bundle := storage.Bundle{
		ID: uuid.Must(uuid.NewV7()), Kind: 1, From: "000.01.01.H40", To: []string{"000.02.01.H40"},
		Created: now, Expires: now.Add(30 * 24 * time.Hour), Header: make([]byte, 450),
	}
	copy(bundle.Header, bundle.ID[:])
	var contents []blob.Content
	for _, size := range []int{4000, 1000} {
		data := make([]byte, size)
		copy(data, bundle.ID[:])
		c := blob.Content{SHA256: sha256.Sum256(data), Size: int64(size), Inline: data}
		contents = append(contents, c)
		bundle.Objects = append(bundle.Objects, storage.Object{SHA256: c.SHA256, Size: c.Size})
	}
	return bundle, contents
}

// BenchmarkReadObject times the read of one chunk of an object with a file.
func BenchmarkReadObject(b *testing.B) {
	dir := b.TempDir()
	db, blobs, q, err := openStore(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	s := sampleOf(uuid.Must(uuid.NewV7()))
	if err := save(b.Context(), db, blobs, q, s); err != nil {
		b.Fatal(err)
	}
	p := make([]byte, 32<<10)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		if _, err := q.ReadObject(b.Context(), s.ID, 1, p, 0); err != nil {
			b.Fatal(err)
		}
	}
}
