package queue_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"tram/storage"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/storage/storagetest"
)

func TestLimits(t *testing.T) {
	q := openSubject(&subject{t: t, options: queue.Options{Limits: queue.Limits{PeerBundles: 3, PeerBytes: 100_000, StoredBytes: 500_000}}})
	ctx := t.Context()
	admit := func(peer string, urgency uint8, size int) error {
		_, err := q.Admit(ctx, peer, storagetest.NewSample(uint64(size), urgency, size).Incoming())
		return err
	}
	huge := storagetest.NewSample(1, 0, 150_000)
	_, err := q.Admit(ctx, "a", huge.Incoming())
	must(t, err) // a single one may be larger than PeerBytes
	if err := admit("a", 0, 10); !errors.Is(err, storage.ErrFull) {
		t.Fatalf("over PeerBytes: %v", err)
	}
	must(t, admit("a", 2, 90_000)) // bulk does not keep it out
	must(t, admit("b", 0, 90_000))
	must(t, q.Forget(ctx, "a", huge.ID))
	_, err = q.Admit(ctx, "a", huge.Incoming())
	if !errors.Is(err, storage.ErrFull) {
		t.Fatalf("urgent bytes count for bulk: %v", err)
	}
	for range 2 {
		must(t, admit("c", 1, 10))
	}
	last := storagetest.NewSample(5, 1, 20)
	_, err = q.Admit(ctx, "c", last.Incoming())
	must(t, err)
	if err := admit("c", 1, 10); !errors.Is(err, storage.ErrFull) {
		t.Fatalf("over PeerBundles: %v", err)
	}
	_, err = q.Admit(ctx, "c", last.Incoming()) // offered again
	must(t, err)
	slip := last.Incoming()
	slip.Slip = []byte("another slip")
	_, err = q.Admit(ctx, "c", slip)
	must(t, err)

	stats, err := q.Stats(ctx)
	must(t, err)
	put := func(size int64) error {
		s := storagetest.NewSample(7, 0, int(size))
		return q.Put(ctx, s.Bundle, s.Contents, storagetest.Target{Peer: "x"})
	}
	if err := put(500_001 - stats.Bytes); !errors.Is(err, storage.ErrFull) {
		t.Fatalf("over StoredBytes: %v", err)
	}
	must(t, put(500_000-stats.Bytes))
	if err := put(1); !errors.Is(err, storage.ErrFull) {
		t.Fatalf("over StoredBytes: %v", err)
	}
	for _, o := range []storage.ID{last.ID} {
		must(t, q.Forget(ctx, "c", o))
	}
	must(t, put(1))
}

func TestDiskFull(t *testing.T) {
	d := storagetest.NewDisk()
	q := openSubject(&subject{t: t, disk: d})
	ctx := t.Context()
	s := storagetest.NewSample(1, 0, 100_000)
	d.SetCapacity(60_000)
	if _, err := q.Admit(ctx, "hub", s.Incoming()); !errors.Is(err, storage.ErrFull) {
		t.Fatalf("admitted what does not fit: %v", err)
	}
	d.SetCapacity(200_000)
	_, err := q.Admit(ctx, "hub", s.Incoming())
	must(t, err)
	durable, err := q.Write(ctx, s.ID, 0, 0, s.Contents[0][:30_000], true)
	must(t, err)
	d.SetCapacity(40_000) // others took the space
	if _, err := q.Write(ctx, s.ID, 0, durable, s.Contents[0][durable:], true); !errors.Is(err, storage.ErrFull) {
		t.Fatalf("got %v", err)
	}
	d.SetCapacity(0)
	if err := q.Put(ctx, storagetest.NewSample(2, 0).Bundle, nil, storagetest.Target{Peer: "x"}); !errors.Is(err, storage.ErrFull) {
		t.Fatalf("got %v", err)
	}
	d.SetCapacity(200_000)
	must(t, q.receive("hub", s.Incoming(), s.Contents))
	got, err := q.Object(ctx, s.ID, 0)
	if err != nil || string(got) != string(s.Contents[0]) {
		t.Fatalf("other bytes, %v", err)
	}
}

// Each step of taking a bundle over may fail, and the next try succeeds.
func TestCompleteFailsAtEachStep(t *testing.T) {
	boom := errors.New("boom")
	for _, op := range []storagetest.Op{
		storagetest.OpRead, storagetest.OpSync, storagetest.OpClose, storagetest.OpMkdir, storagetest.OpRename, storagetest.OpSyncDir,
	} {
		t.Run(string(op), func(t *testing.T) {
			d := storagetest.NewDisk()
			q := openSubject(&subject{t: t, disk: d})
			ctx := t.Context()
			s := storagetest.NewSample(1, 0, 5000, 100_000, 60_000)
			_, err := q.Admit(ctx, "hub", s.Incoming())
			must(t, err)
			for i, data := range s.Contents {
				_, err := q.Write(ctx, s.ID, i, 0, data, false)
				must(t, err)
			}
			failed := 0
			for nth := 1; ; nth++ {
				d.Fail(storagetest.FailNth(op, nth, "", boom))
				err := q.Complete(ctx, "hub", s.ID, []byte("r"))
				d.Fail(nil)
				if err == nil {
					break
				}
				if !errors.Is(err, boom) {
					t.Fatal(err)
				}
				failed++
				// As the engine does: admit again, fetch what is missing.
				a, err := q.Admit(ctx, "hub", s.Incoming())
				must(t, err)
				for i, data := range s.Contents {
					if a.Durable[i] < int64(len(data)) {
						_, err := q.Write(ctx, s.ID, i, a.Durable[i], data[a.Durable[i]:], false)
						must(t, err)
					}
				}
			}
			if failed == 0 {
				t.Fatal("the step never failed")
			}
			if files := d.Files(); len(files) != 2 {
				t.Fatalf("files: %v", files)
			}
			d.Cut(nil)
			for i, want := range s.Contents {
				got, err := q.Object(ctx, s.ID, i)
				if err != nil || string(got) != string(want) {
					t.Fatalf("object %d: %v", i, err)
				}
			}
		})
	}
}

// Power cuts of the content's disk in the middle of transfers: what was
// reported durable never comes back shorter.
func TestP4_PowerCutKeepsWhatWasAcknowledged(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 4))
		d := storagetest.NewDisk()
		q := openSubject(&subject{t: t, disk: d})
		ctx := t.Context()
		s := storagetest.NewSample(seed, 0, 20_000, 150_000)
		acked := make([]int64, len(s.Contents))
		done := false
		for cuts := 0; !done; cuts++ {
			a, err := q.Admit(ctx, "hub", s.Incoming())
			must(t, err)
			budget := r.IntN(60_000) + 1000
			done = true
			for i, data := range s.Contents {
				if a.Durable[i] < acked[i] {
					t.Fatalf("seed %d: object %d: %d bytes were acknowledged, %d are left", seed, i, acked[i], a.Durable[i])
				}
				off := a.Durable[i]
				for off < int64(len(data)) && budget > 0 {
					end := min(off+int64(r.IntN(16_000)+1), int64(len(data)))
					n, err := q.Write(ctx, s.ID, i, off, data[off:end], r.IntN(2) == 0)
					must(t, err)
					acked[i], budget, off = n, budget-int(end-off), end
				}
				done = done && off == int64(len(data))
			}
			if !done {
				d.Cut(r)
				q.Crash()
			}
		}
		must(t, q.Complete(ctx, "hub", s.ID, []byte("r")))
		d.Cut(nil)
		for i, want := range s.Contents {
			got, err := q.Object(ctx, s.ID, i)
			if err != nil || string(got) != string(want) {
				t.Fatalf("seed %d: object %d: %v", seed, i, err)
			}
		}
	}
}

func TestLeftOverPartsAreRemoved(t *testing.T) {
	d := storagetest.NewDisk()
	q := openSubject(&subject{t: t, disk: d})
	ctx := t.Context()
	gone, kept := storagetest.NewSample(1, 0, 50_000), storagetest.NewSample(2, 0, 50_000)
	for _, s := range []storagetest.Sample{gone, kept} {
		_, err := q.Admit(ctx, "hub", s.Incoming())
		must(t, err)
		_, err = q.Write(ctx, s.ID, 0, 0, s.Contents[0][:100], true)
		must(t, err)
	}
	// The process dies between the transaction and the removal of the file.
	d.Fail(storagetest.FailNth(storagetest.OpRemove, 1, "", errors.New("dead")))
	_ = q.Forget(ctx, "hub", gone.ID)
	d.Fail(nil)
	q.Crash()
	a, err := q.Admit(ctx, "hub", kept.Incoming())
	must(t, err)
	if parts, err := q.blobs.Parts(); err != nil || len(parts) != 1 || a.Durable[0] != 100 {
		t.Fatalf("parts %v, %v; durable %v", parts, err, a.Durable)
	}
}

func TestManyTransfersAtOnce(t *testing.T) {
	q := openSubject(&subject{t: t, disk: storagetest.NewDisk()})
	ctx := t.Context()
	var samples []storagetest.Sample
	for i := range 100 {
		s := storagetest.NewSample(uint64(i), 0, 100, 35_000)
		samples = append(samples, s)
		_, err := q.Admit(ctx, "hub", s.Incoming())
		must(t, err)
	}
	for part := range 2 { // round after round over more files than stay open
		for _, s := range samples {
			for i, data := range s.Contents {
				half := len(data) / 2
				n, err := q.Write(ctx, s.ID, i, int64(part*half), data[part*half:(part+1)*half], false)
				if err != nil || n > int64((part+1)*half) {
					t.Fatalf("durable %d, %v", n, err)
				}
			}
		}
	}
	for _, s := range samples {
		must(t, q.receive("hub", s.Incoming(), s.Contents))
	}
	if stats, err := q.Stats(ctx); err != nil || stats.Inbox != 100 || stats.Incoming != 0 {
		t.Fatalf("got %+v, %v", stats, err)
	}
	must(t, q.Queue.Close())
}

// The same content in two bundles travels once and is stored once.
func TestKnownContentIsNotFetchedAgain(t *testing.T) {
	d := storagetest.NewDisk()
	q := openSubject(&subject{t: t, disk: d})
	first, second := storagetest.NewSample(1, 0, 100_000), storagetest.NewSample(1, 0, 100_000)
	must(t, q.receive("hub", first.Incoming(), first.Contents))
	a, err := q.Admit(t.Context(), "hub", second.Incoming())
	must(t, err)
	if a.Durable[0] != 100_000 {
		t.Fatalf("durable %d", a.Durable[0])
	}
	must(t, q.Complete(t.Context(), "hub", second.ID, []byte("r")))
	if files := d.Files(); len(files) != 1 {
		t.Fatalf("files: %v", files)
	}
}

func TestOfferOutOfBounds(t *testing.T) {
	q := newSubject(t)
	for name, change := range map[string]func(*storage.Incoming){
		"need beyond the objects": func(in *storage.Incoming) { in.Need = []int{1} },
		"negative need":           func(in *storage.Incoming) { in.Need = []int{-1} },
		"negative size":           func(in *storage.Incoming) { in.Objects[0].Size = -1 },
		"too many objects":        func(in *storage.Incoming) { in.Objects = make([]storage.Object, queue.MaxObjects+1) },
	} {
		in := storagetest.NewSample(1, 0, 10).Incoming()
		change(&in)
		if _, err := q.Admit(t.Context(), "hub", in); err == nil {
			t.Errorf("%s: admitted", name)
		}
	}
}

// A large document must not cost more than 2.5 times its size in writes, from
// the first chunk to the hand-over, database included.
func TestBytesWritten(t *testing.T) {
	d := storagetest.NewDisk()
	q := openSubject(&subject{t: t, disk: d})
	ctx := t.Context()
	s := storagetest.NewSample(1, 0, 4000, 4<<20)
	var size int64
	for _, o := range s.Objects {
		size += o.Size
	}
	_, err := q.Admit(ctx, "hub", s.Incoming())
	must(t, err)
	for i, data := range s.Contents {
		for off := 0; off < len(data); off += 16 << 10 {
			end := min(off+16<<10, len(data))
			_, err := q.Write(ctx, s.ID, i, int64(off), data[off:end], true)
			must(t, err)
		}
	}
	must(t, q.Complete(ctx, "hub", s.ID, []byte("r")))
	must(t, q.update(func(tx *sqlite.Tx) error { return q.Forward(tx, s.ID, []queue.Target{{Peer: "next"}}) }))
	must(t, q.Handled(ctx, s.ID))
	must(t, q.Settle(ctx, "next", s.ID, storage.Outcome{Receipt: []byte("r")}))
	// The log is copied into the database once more.
	var log int64
	if info, err := os.Stat(filepath.Join(q.dir, "tram.db-wal")); err == nil {
		log = 2 * info.Size()
	}
	written := d.Written() + log
	t.Logf("%d bytes of content, %d of files and %d of database written: %.2f", size, d.Written(), log, float64(written)/float64(size))
	if float64(written) > 2.5*float64(size) {
		t.Fatalf("wrote %d bytes for %d", written, size)
	}
}
