package queue_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"

	"tram/storage"
	"tram/storage/blob"
	"tram/storage/fsx"
	"tram/storage/killtest"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/storage/storagetest"
)

// ours and theirs are the bundles of the story.
var (
	ours   = sampleOf(uuid.MustParse("0195d1a0-0000-7000-8000-000000000001"))
	theirs = sampleOf(uuid.MustParse("0195d1a0-0000-7000-8000-000000000002"))
)

// live makes a store, saves a bundle, receives one in pieces, copies the database,
// writes it anew, gives the copy another epoch, and closes. What is done already it
// finds done.
func live(dir string) (err error) {
	ctx := context.Background()
	db, blobs, q, err := openStore(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, _, err := q.OpenObject(ctx, ours.ID, 0); errors.Is(err, storage.ErrNotFound) {
		if err := save(ctx, db, blobs, q, ours); err != nil {
			return err
		}
	}
	fmt.Println("saved")
	a, err := q.Admit(ctx, "hub", theirs.Incoming())
	if err != nil {
		return err
	}
	if a.Receipt == nil {
		for i, data := range theirs.Contents {
			for half := range 2 {
				off := max(a.Durable[i], int64(half*len(data)/2))
				end := int64((half + 1) * len(data) / 2)
				if off >= end {
					continue
				}
				if _, err := q.Write(ctx, theirs.ID, i, off, data[off:end], true); err != nil {
					return err
				}
			}
		}
		if err := q.Complete(ctx, "hub", theirs.ID, []byte("receipt")); err != nil {
			return err
		}
	}
	fmt.Println("received")
	return keepCopy(ctx, dir, db)
}

func keepCopy(ctx context.Context, dir string, db *sqlite.DB) error {
	target := filepath.Join(dir, "copy.db")
	for _, suffix := range []string{"", "-journal", "-wal", "-shm"} {
		if err := os.Remove(target + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := sqlite.Snapshot(ctx, db.Path(), target); err != nil {
		return err
	}
	if err := sqlite.Renew(ctx, target); err != nil {
		return err
	}
	return db.Rewrite(ctx)
}

// TestP1_P2_KilledAtEachPointOfTheStores: what was said to be saved or received is there
// whole and once, whatever step the process was killed at, and the copy of the database
// can be read.
func TestP1_P2_KilledAtEachPointOfTheStores(t *testing.T) {
	killtest.Story{
		Name: "storage",
		Points: []fsx.Point{
			fsx.PointFileSync, fsx.PointFolderSync, fsx.PointFolderMade, fsx.PointWrittenSync,
			blob.PointShelf, blob.PointName, blob.PointFolder, blob.PointPart, blob.PointPartName,
			sqlite.PointClaim, sqlite.PointMigrate, sqlite.PointBoot, sqlite.PointCommit, sqlite.PointRewrite, sqlite.PointCut,
			sqlite.PointClose, sqlite.PointSnapshot, sqlite.PointRenew,
		},
		Prepare: func(*testing.T, string) {},
		Check:   checkStore,
	}.Run(t)
}

func checkStore(t *testing.T, dir string, _ []string) {
	t.Helper()
	db, _, q, err := openStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, s := range []storagetest.Sample{ours, theirs} {
		for i, want := range s.Contents {
			r, _, err := q.OpenObject(t.Context(), s.ID, i)
			if err != nil {
				t.Fatalf("object %d of %s: %v", i, s.ID, err)
			}
			got, err := io.ReadAll(r)
			r.Close()
			if err != nil || string(got) != string(want) {
				t.Fatalf("object %d of %s has other bytes, %v", i, s.ID, err)
			}
		}
	}
	inbox, err := q.Inbox(t.Context(), 10)
	if err != nil || len(inbox) != 1 || inbox[0].ID != theirs.ID {
		t.Fatalf("inbox %v, %v", inbox, err)
	}
	copied, err := sqlite.Open(t.Context(), filepath.Join(dir, "copy.db"), sqlite.Options{Schemas: []sqlite.Schema{queue.Schema}, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	if copied.Epoch() == db.Epoch() {
		t.Error("the copy has the epoch of what it was copied from")
	}
}
