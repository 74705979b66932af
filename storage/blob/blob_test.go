package blob_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"tram/storage"
	"tram/storage/blob"
	"tram/storage/fsx"
	"tram/storage/storagetest"
)

func open(t *testing.T, d fsx.Disk, o blob.Options) *blob.Store {
	t.Helper()
	dir := "/content"
	if d == fsx.OS {
		dir = t.TempDir()
	}
	if o.MinFree == 0 {
		o.MinFree = -1
	}
	o.Disk = d
	s, err := blob.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func random(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1, byte(n)})
	_, _ = r.Read(b)
	return b
}

func contentBytes(t *testing.T, s *blob.Store, c blob.Content) []byte {
	t.Helper()
	r, err := s.Reader(c)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestStageSizes(t *testing.T) {
	for _, disk := range []fsx.Disk{fsx.OS, storagetest.NewDisk()} {
		s := open(t, disk, blob.Options{})
		for _, n := range []int{0, 1, blob.InlineMax - 1, blob.InlineMax, blob.InlineMax + 1, 3 << 20} {
			data := random(n)
			c, err := s.Stage(t.Context(), bytes.NewReader(data), int64(n))
			if err != nil {
				t.Fatal(err)
			}
			if c.Size != int64(n) || c.SHA256 != sha256.Sum256(data) || (c.Inline != nil) != (n <= blob.InlineMax) {
				t.Fatalf("%d bytes: content %d bytes, inline %v", n, c.Size, c.Inline != nil)
			}
			if !bytes.Equal(contentBytes(t, s, c), data) {
				t.Fatalf("%d bytes: other bytes came back", n)
			}
			p := make([]byte, 10)
			got, err := s.ReadAt(c, p, int64(n/2))
			if want := copy(make([]byte, 10), data[n/2:]); got != want || (err != nil && err != io.EOF) {
				t.Fatalf("%d bytes: read %d in the middle, %v", n, got, err)
			}
			if s.Has(c.SHA256, c.Size) != (n > blob.InlineMax) {
				t.Fatalf("%d bytes: wrong answer whether there is a file", n)
			}
		}
		parts, err := s.Parts()
		if err != nil || len(parts) != 0 {
			t.Fatalf("left over: %v, %v", parts, err)
		}
	}
}

func TestStageErrors(t *testing.T) {
	d := storagetest.NewDisk()
	s := open(t, d, blob.Options{})
	boom := errors.New("boom")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
		r    io.Reader
		want error
	}{
		{"too large", t.Context(), bytes.NewReader(random(100_001)), blob.ErrTooLarge},
		{"reader fails", t.Context(), io.MultiReader(bytes.NewReader(random(50_000)), iotest.ErrReader(boom)), boom},
		{"canceled", canceled, bytes.NewReader(random(10)), context.Canceled},
	} {
		if _, err := s.Stage(c.ctx, c.r, 100_000); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	if files := d.Files(); len(files) != 0 {
		t.Fatalf("left over: %v", files)
	}
}

func TestWriterIsReadBeforeItEnds(t *testing.T) {
	s := open(t, storagetest.NewDisk(), blob.Options{})
	for _, n := range []int{100, 100_000} {
		w, err := s.Create()
		if err != nil {
			t.Fatal(err)
		}
		want := random(n)
		if _, err := w.Write(want); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, n+1)
		if m, err := w.ReadAt(got, 10); m != n-10 || err != io.EOF || !bytes.Equal(got[:m], want[10:]) {
			t.Errorf("%d bytes: read %d, %v", n, m, err)
		}
		if _, err := w.Write([]byte("y")); err != nil {
			t.Fatal(err)
		}
		if m, err := w.ReadAt(got[:1], int64(n)); m != 1 || err != nil || got[0] != 'y' {
			t.Errorf("%d bytes: behind them %q, %v", n, got[:m], err)
		}
		w.Abort()
		if _, err := w.ReadAt(got, 0); err == nil {
			t.Error("read after abort")
		}
	}
}

func TestWriterEnds(t *testing.T) {
	d := storagetest.NewDisk()
	s := open(t, d, blob.Options{})
	for _, n := range []int{100, 100_000} {
		w, err := s.Create()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(random(n)); err != nil {
			t.Fatal(err)
		}
		w.Abort()
		if _, err := w.Commit(); err == nil {
			t.Fatal("committed after abort")
		}
		if _, err := w.Write([]byte("x")); err == nil {
			t.Fatal("written after abort")
		}
	}
	if files := d.Files(); len(files) != 0 {
		t.Fatalf("left over: %v", files)
	}
	w, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(random(100_000)); err != nil {
		t.Fatal(err)
	}
	first, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	w.Abort()
	again, err := w.Commit()
	if err != nil || again.SHA256 != first.SHA256 {
		t.Fatalf("second commit: %v", err)
	}
	if err := errors.Join(w.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	contentBytes(t, s, first)
}

func TestP1_ContentSurvivesPowerCut(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 2))
		d := storagetest.NewDisk()
		s := open(t, d, blob.Options{})
		dead, steps, cutAt := errors.New("dead"), 0, r.IntN(40)
		d.Fail(func(storagetest.Op, string) error {
			if steps++; steps > cutAt {
				return dead
			}
			return nil
		})
		var stored []blob.Content
		var bytesOf [][]byte
		for n := 40_000; n < 40_010; n++ {
			c, err := s.Stage(t.Context(), bytes.NewReader(random(n)), 0)
			if err != nil {
				break
			}
			stored, bytesOf = append(stored, c), append(bytesOf, random(n))
		}
		d.Fail(nil)
		d.Cut(r)
		s = open(t, d, blob.Options{})
		for i, c := range stored {
			if !bytes.Equal(contentBytes(t, s, c), bytesOf[i]) {
				t.Fatalf("seed %d: content %d is lost", seed, i)
			}
		}
		for _, f := range d.Files() {
			if strings.Contains(f, ".tmp-") {
				t.Fatalf("seed %d: left over: %s", seed, f)
			}
		}
	}
}

func TestFaultsAtEachStep(t *testing.T) {
	for _, op := range []storagetest.Op{
		storagetest.OpOpen, storagetest.OpWrite, storagetest.OpSync, storagetest.OpClose,
		storagetest.OpMkdir, storagetest.OpRename, storagetest.OpSyncDir,
	} {
		t.Run(string(op), func(t *testing.T) {
			d := storagetest.NewDisk()
			s := open(t, d, blob.Options{})
			d.Fail(storagetest.FailNth(op, 1, "", storagetest.ErrNoSpace))
			_, err := s.Stage(t.Context(), bytes.NewReader(random(100_000)), 0)
			if !errors.Is(err, storage.ErrFull) {
				t.Fatalf("got %v", err)
			}
			if files := d.Files(); len(files) != 0 {
				t.Fatalf("left over: %v", files)
			}
			c, err := s.Stage(t.Context(), bytes.NewReader(random(100_000)), 0) // there is room again
			if err != nil {
				t.Fatal(err)
			}
			d.Cut(nil)
			contentBytes(t, s, c)
		})
	}
}

func TestSameContentIsKeptOnce(t *testing.T) {
	d := storagetest.NewDisk()
	s := open(t, d, blob.Options{})
	data := random(100_000)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := s.Stage(t.Context(), bytes.NewReader(data), 0); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if files := d.Files(); len(files) != 1 {
		t.Fatalf("files: %v", files)
	}
}

func TestReaderOfMissingOrShortFile(t *testing.T) {
	d := storagetest.NewDisk()
	s := open(t, d, blob.Options{})
	c, err := s.Stage(t.Context(), bytes.NewReader(random(50_000)), 0)
	if err != nil {
		t.Fatal(err)
	}
	f, err := d.OpenFile(d.Files()[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(49_999), f.Close()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []blob.Content{c, {Size: 50_000}} {
		if _, err := s.Reader(c); !errors.Is(err, storage.ErrNotFound) {
			t.Fatalf("got %v", err)
		}
		if s.Has(c.SHA256, c.Size) {
			t.Fatal("has it")
		}
	}
}

func TestReserve(t *testing.T) {
	d := storagetest.NewDisk()
	d.SetCapacity(10 << 20)
	s := open(t, d, blob.Options{MinFree: 4 << 20})
	if free, err := s.Free(); err != nil || free != 6<<20 {
		t.Fatalf("free: %d, %v", free, err)
	}
	if _, err := s.Stage(t.Context(), bytes.NewReader(random(7<<20)), 0); !errors.Is(err, storage.ErrFull) {
		t.Fatalf("got %v", err)
	}
	if _, err := s.Stage(t.Context(), bytes.NewReader(random(4<<20)), 0); err != nil {
		t.Fatal(err)
	}
	p, err := s.Part("x")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Append(0, random(3<<20)); !errors.Is(err, storage.ErrFull) {
		t.Fatalf("got %v", err)
	}
	d.SetCapacity(6 << 20)
	if _, err := s.Stage(t.Context(), bytes.NewReader(random(1<<20)), 0); !errors.Is(err, storage.ErrFull) {
		t.Fatalf("got %v", err)
	}
	// What keeps others going may use most of the reserve, and not its last part.
	if err := errors.Join(s.VitalRoom(500_000), p.Append(0, random(20_000))); err != nil {
		t.Errorf("a receipt has no room in the reserve: %v", err)
	}
	if s.Room(1) == nil || s.VitalRoom(1500<<10) == nil {
		t.Error("the reserve is used up")
	}
	// By default the smaller of the two bounds counts.
	small := storagetest.NewDisk()
	small.SetCapacity(100 << 20)
	def, err := blob.Open("/x", blob.Options{Disk: small})
	if err != nil {
		t.Fatal(err)
	}
	if free, err := def.Free(); err != nil || free < 94<<20 || free > 96<<20 {
		t.Fatalf("free: %d, %v", free, err)
	}
}

func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := storagetest.NewDisk()
		s := open(t, d, blob.Options{})
		var all []blob.Content
		for n := range 3 {
			c, err := s.Stage(t.Context(), bytes.NewReader(random(40_000+n)), 0)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, c)
		}
		used := all[0].SHA256
		inUse := func(sha [32]byte) (bool, error) { return sha == used, nil }
		sweep := func(want int) {
			t.Helper()
			files, size, err := s.Sweep(t.Context(), inUse, time.Now())
			if err != nil || files != want || (want > 0) != (size > 0) {
				t.Fatalf("swept %d files, %d bytes, %v; want %d files", files, size, err, want)
			}
		}
		time.Sleep(time.Minute)
		sweep(0) // all are new
		time.Sleep(2 * blob.Grace)
		// One is staged again, one is confirmed: both may be referred to now.
		if _, err := s.Stage(t.Context(), bytes.NewReader(random(40_001)), 0); err != nil {
			t.Fatal(err)
		}
		if !s.Has(all[2].SHA256, all[2].Size) {
			t.Fatal("lost")
		}
		sweep(0)
		time.Sleep(2 * blob.Grace)
		boom := errors.New("boom")
		if _, _, err := s.Sweep(t.Context(), func([32]byte) (bool, error) { return false, boom }, time.Now()); !errors.Is(err, boom) {
			t.Fatalf("got %v", err)
		}
		if n, _, err := s.Sweep(t.Context(), inUse, time.Now().Add(-9*blob.Grace)); n != 0 || err != nil {
			t.Fatalf("swept %d young files, %v", n, err)
		}
		sweep(2)
		contentBytes(t, s, all[0])
		s = open(t, d, blob.Options{}) // a new process
		used = [32]byte{}
		sweep(1)
	})
}
