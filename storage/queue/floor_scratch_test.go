package queue_test

import (
	"path/filepath"
	"testing"
	"time"
	"testing/fstest"

	"tram/storage/sqlite"
)

func BenchmarkFloor(b *testing.B) {
	dir := b.TempDir()
	s := sqlite.Schema{Name: "t", Files: fstest.MapFS{"0001_t.sql": {Data: []byte("CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB NOT NULL) STRICT")}}}
	db, err := sqlite.Open(b.Context(), filepath.Join(dir, "x.db"), sqlite.Options{Schemas: []sqlite.Schema{s}})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	row := make([]byte, 1000)
	accept := func() error {
		return db.Update(b.Context(), func(tx *sqlite.Tx) error {
			_, err := tx.Exec("INSERT INTO t (b) VALUES (?)", row)
			return err
		})
	}
	for range 3000 {
		accept()
	}
	var rates, raws []float64
	for done := 0; done < b.N; done += 100 {
		raws = append(raws, fsyncRate(b, dir, 100))
		start := time.Now()
		run(b, 1, 100, accept)
		rates = append(rates, 100/time.Since(start).Seconds())
	}
	b.ReportMetric(median(rates), "accepts/s")
	b.ReportMetric(median(raws), "fsyncs/s")
	b.ReportMetric(median(rates)/median(raws), "ratio")
}
