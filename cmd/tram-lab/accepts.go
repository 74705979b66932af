package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// accepts compares durable accepts of small bundles (bundle, content, outbox
// and audit entry in one transaction) with the disk's own fsync rate, measured
// in turns in the same run.
func (b *bench) accepts(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	db, err := sqlite.Open(ctx, filepath.Join(dir, "bench.db"), sqlite.Options{Schemas: []sqlite.Schema{queue.Schema, audit.Schema}})
	if err != nil {
		return err
	}
	defer db.Close()
	blobs, err := blob.Open(filepath.Join(dir, "blobs"), blob.Options{})
	if err != nil {
		return err
	}
	a := acceptor{db: db, queue: queue.New(db, blobs, queue.Options{})}
	if err := a.prepare(); err != nil {
		return err
	}
	rounds, each := b.size(6, 3), b.size(1000, 400)
	var disk, single, grouped []float64
	for range rounds {
		rate, err := fsyncRate(filepath.Join(dir, "raw"), each)
		if err != nil {
			return err
		}
		disk = append(disk, rate)
		if rate, err = a.rate(ctx, 1, each); err != nil {
			return err
		}
		single = append(single, rate/disk[len(disk)-1])
		if rate, err = a.rate(ctx, 64, 4*each); err != nil {
			return err
		}
		grouped = append(grouped, rate/disk[len(disk)-1])
	}
	fsync := median(disk)
	for _, f := range []struct {
		name  string
		value float64
		unit  string
		aim   string
	}{
		{"4 KiB write + fdatasync of this disk, preallocated", fsync, "1/s", ""},
		{"durable accepts, one caller, as a share of the fsync rate (median of rounds)", median(single), "", "≥ 0.6"},
		{"durable accepts, 64 callers, as a share of the fsync rate (median of rounds)", median(grouped), "", "> 1"},
	} {
		if err := b.figure(f.name, f.value, f.unit, f.aim, "fdatasync"); err != nil {
			return err
		}
	}
	return nil
}

// fsyncRate writes into a preallocated file, the fastest durable write there is.
func fsyncRate(path string, n int) (float64, error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	block := bytes.Repeat([]byte{7}, 4096)
	if _, err := f.Write(bytes.Repeat(block, n)); err != nil {
		return 0, err
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	begin := time.Now()
	for i := range n {
		if _, err := f.WriteAt(block, int64(i)*4096); err != nil {
			return 0, err
		}
		if err := fdatasync(f); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(begin).Seconds(), nil
}

type acceptor struct {
	db      *sqlite.DB
	queue   *queue.Queue
	key     *ecdsa.PrivateKey
	content blob.Content
	header  bundle.Header
	slip    []byte
}

// prepare makes what all bundles share; signing is not what is measured.
func (a *acceptor) prepare() (err error) {
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	key, err := bundle.NewKey()
	if err != nil {
		return err
	}
	sent, object, err := key.EncryptBytes(bytes.Repeat([]byte("trạm "), 200), bundle.RoleHead)
	if err != nil {
		return err
	}
	if a.slip, err = key.Slip(key.Recipient()); err != nil {
		return err
	}
	a.content = blob.Content{SHA256: object.SHA256, Size: object.Size, Inline: sent}
	now := time.Now()
	a.header = bundle.Header{
		From: "H40.12", To: []string{"H40.15"}, Kind: bundle.KindDocument, Created: now, Expires: now.Add(time.Hour),
		Key: key.Recipient(), Objects: []bundle.Object{object},
	}
	return nil
}

// rate accepts n bundles with several callers at once.
func (a *acceptor) rate(ctx context.Context, callers, n int) (float64, error) {
	signed := make([]bundle.Signed, n)
	for i := range signed {
		h := a.header
		var err error
		if h.ID, err = uuid.NewV7(); err != nil {
			return 0, err
		}
		if signed[i], err = bundle.Sign(h, a.key); err != nil {
			return 0, err
		}
	}
	begin := time.Now()
	err := parallel(callers, n, func(i int) error {
		return a.db.Update(ctx, func(tx *sqlite.Tx) error {
			err := a.queue.Put(tx, signed[i].Stored(), []blob.Content{a.content}, []queue.Target{{Peer: "H40", Slip: a.slip, Hold: true}})
			if err != nil {
				return err
			}
			return audit.Append(tx, audit.Entry{Actor: "bench", Action: "document.saved", Subject: signed[i].Header.ID.String()})
		})
	})
	return float64(n) / time.Since(begin).Seconds(), err
}

// parallel calls do for 0 … n-1 from several goroutines and returns the first
// error.
func parallel(callers, n int, do func(i int) error) error {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := do(i); err != nil {
					err = fmt.Errorf("call %d: %w", i, err)
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	group.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
