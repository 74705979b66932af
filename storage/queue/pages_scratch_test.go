package queue_test

import (
	"os"
	"path/filepath"
	"testing"

	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/queue"
	"tram/storage/sqlite"
)

func TestPagesScratch(t *testing.T) {
	dir := t.TempDir()
	p := filepath.Join(dir, "tram.db")
	db, _ := sqlite.Open(t.Context(), p, sqlite.Options{Schemas: []sqlite.Schema{queue.Schema, audit.Schema}})
	defer db.Close()
	blobs, _ := blob.Open(filepath.Join(dir, "content"), blob.Options{})
	q := queue.New(db, blobs, queue.Options{})
	put := func(name string, n int, f func(tx *sqlite.Tx)) {
		a, _ := os.Stat(p + "-wal")
		for range n {
			db.Update(t.Context(), func(tx *sqlite.Tx) error { f(tx); return nil })
		}
		b, _ := os.Stat(p + "-wal")
		t.Log(name, float64(b.Size()-a.Size()) / 4120 / float64(n))
	}
	both := func(tx *sqlite.Tx) {
		bundle, contents := small()
		q.Put(tx, bundle, contents, []queue.Target{{Peer: "H40", Hold: true}})
		audit.Append(tx, audit.Entry{Actor: "bench", Action: "document.send", Subject: "x"})
	}
	put("all", 50, both)
	put("all", 100, both)
	put("no objects", 50, func(tx *sqlite.Tx) {
		bundle, _ := small()
		bundle.Objects = nil
		q.Put(tx, bundle, nil, []queue.Target{{Peer: "H40", Hold: true}})
	})
	put("audit", 30, func(tx *sqlite.Tx) { audit.Append(tx, audit.Entry{Actor: "bench", Action: "document.send", Subject: "x"}) })
}
