package blob_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"tram/storage"
	"tram/storage/blob"
	"tram/storage/fsx"
	"tram/storage/storagetest"
)

func part(t *testing.T, s *blob.Store) *blob.Part {
	t.Helper()
	p, err := s.Part("part")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPartBecomesContent(t *testing.T) {
	for _, disk := range []fsx.Disk{fsx.OS, storagetest.NewDisk()} {
		for _, n := range []int{0, 1, blob.InlineMax, blob.InlineMax + 1, 300_000} {
			s := open(t, disk, blob.Options{})
			data := random(n)
			p := part(t, s)
			for off := 0; off < n; off += 7000 {
				if err := p.Append(int64(off), data[off:min(off+7000, n)]); err != nil {
					t.Fatal(err)
				}
				if off == 49_000 { // a new process goes on
					if err := errors.Join(p.Sync(), p.Close()); err != nil {
						t.Fatal(err)
					}
					p = part(t, s)
					if p.Len() != 56_000 {
						t.Fatalf("durable: %d", p.Len())
					}
				}
			}
			if p.Stored() != int64(n) {
				t.Fatalf("stored %d of %d", p.Stored(), n)
			}
			c, err := p.Finish(sha256.Sum256(data), int64(n))
			if err != nil {
				t.Fatal(err)
			}
			if (c.Inline != nil) != (n <= blob.InlineMax) || !bytes.Equal(contentBytes(t, s, c), data) {
				t.Fatalf("%d bytes: wrong content", n)
			}
			if parts, err := s.Parts(); err != nil || (len(parts) == 1) != (c.Inline != nil && n > 0) {
				t.Fatalf("%d bytes: parts %v, %v", n, parts, err)
			}
			if err := errors.Join(p.Remove(), p.Remove()); err != nil {
				t.Fatal(err)
			}
			if parts, err := s.Parts(); err != nil || len(parts) != 0 {
				t.Fatalf("parts %v, %v", parts, err)
			}
		}
	}
}

func TestPartOffsetsAndDigest(t *testing.T) {
	s := open(t, storagetest.NewDisk(), blob.Options{})
	data := random(40_000)
	p := part(t, s)
	for _, off := range []int64{-1, 1} {
		if err := p.Append(off, data); !errors.Is(err, storage.ErrOffset) {
			t.Fatalf("at %d: got %v", off, err)
		}
	}
	if err := p.Append(0, data[:30_000]); err != nil {
		t.Fatal(err)
	}
	if err := p.Append(10_000, data[10_000:35_000]); err != nil {
		t.Fatal(err)
	}
	if p.Stored() != 35_000 || p.Len() != 0 {
		t.Fatalf("stored %d, durable %d", p.Stored(), p.Len())
	}
	if _, err := p.Finish(sha256.Sum256(data), 40_000); !errors.Is(err, storage.ErrOffset) {
		t.Fatalf("finish of a part that lacks bytes: %v", err)
	}
	if _, err := p.Finish(sha256.Sum256(data), 35_000); !errors.Is(err, storage.ErrDigest) {
		t.Fatalf("finish with another digest: %v", err)
	}
	if p.Stored() != 0 {
		t.Fatal("bad bytes were kept")
	}
	if err := p.Append(0, data); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Finish(sha256.Sum256(data), 40_000); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", ".", "..", ".tmp-x", "a/b"} {
		if _, err := s.Part(name); err == nil {
			t.Errorf("name %q was taken", name)
		}
	}
}

func TestP4_PartKeepsItsDurablePrefix(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 3))
		var cut *rand.Rand // half of the time all that is not durable goes
		if seed%2 == 0 {
			cut = r
		}
		d := storagetest.NewDisk()
		s := open(t, d, blob.Options{})
		data := random(100_000)
		for off := int64(0); off < int64(len(data)); {
			p := part(t, s)
			if p.Len() < off {
				t.Fatalf("seed %d: %d bytes were durable, %d are left", seed, off, p.Len())
			}
			off = p.Len()
			if !bytes.Equal(partBytes(t, d, off), data[:off]) {
				t.Fatalf("seed %d: other bytes", seed)
			}
			for range 1 + r.IntN(5) {
				end := min(p.Stored()+int64(r.IntN(9000)), int64(len(data)))
				if err := p.Append(p.Stored(), data[p.Stored():end]); err != nil {
					t.Fatal(err)
				}
				if r.IntN(2) == 0 {
					if err := p.Sync(); err != nil {
						t.Fatal(err)
					}
				}
			}
			off = p.Len()
			d.Cut(cut)
		}
		c, err := part(t, s).Finish(sha256.Sum256(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		d.Cut(cut)
		if !bytes.Equal(contentBytes(t, s, c), data) {
			t.Fatalf("seed %d: content is lost", seed)
		}
	}
}

func partBytes(t *testing.T, d *storagetest.Disk, n int64) []byte {
	t.Helper()
	if n == 0 {
		return nil
	}
	f, err := d.OpenFile("/content/parts/part", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, n)
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

// A failing fsync must not be followed by one that says all is well.
func TestPartFaults(t *testing.T) {
	boom := errors.New("boom")
	data := random(50_000)
	for _, c := range []struct {
		op     storagetest.Op
		stored int64 // after the failure
	}{
		{storagetest.OpWrite, 20_000},
		{storagetest.OpSync, 10_000},
	} {
		t.Run(string(c.op), func(t *testing.T) {
			d := storagetest.NewDisk()
			s := open(t, d, blob.Options{})
			p := part(t, s)
			if err := errors.Join(p.Append(0, data[:10_000]), p.Sync(), p.Append(10_000, data[10_000:20_000])); err != nil {
				t.Fatal(err)
			}
			d.Fail(storagetest.FailNth(c.op, 1, "", boom))
			err := p.Append(20_000, data[20_000:30_000])
			if err == nil {
				err = p.Sync()
			}
			d.Fail(nil)
			if !errors.Is(err, boom) {
				t.Fatalf("got %v", err)
			}
			if p.Len() != 10_000 || p.Stored() != c.stored {
				t.Fatalf("durable %d, stored %d", p.Len(), p.Stored())
			}
			if err := p.Append(p.Stored(), data[p.Stored():]); err != nil {
				t.Fatal(err)
			}
			content, err := p.Finish(sha256.Sum256(data), int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			d.Cut(nil)
			contentBytes(t, s, content)
		})
	}
	// When the rename fails the bytes are still there for another try.
	d := storagetest.NewDisk()
	s := open(t, d, blob.Options{})
	p := part(t, s)
	if err := p.Append(0, data); err != nil {
		t.Fatal(err)
	}
	d.Fail(storagetest.FailNth(storagetest.OpRename, 1, "", storagetest.ErrNoSpace))
	if _, err := p.Finish(sha256.Sum256(data), int64(len(data))); !errors.Is(err, storage.ErrFull) {
		t.Fatalf("got %v", err)
	}
	if p = part(t, s); p.Len() != int64(len(data)) {
		t.Fatalf("durable: %d", p.Len())
	}
	if _, err := p.Finish(sha256.Sum256(data), int64(len(data))); err != nil {
		t.Fatal(err)
	}
}

// The life of content costs one write of it.
func TestBytesWritten(t *testing.T) {
	d := storagetest.NewDisk()
	s := open(t, d, blob.Options{})
	data := random(1 << 20)
	c, err := s.Stage(t.Context(), bytes.NewReader(data), 0)
	if err != nil {
		t.Fatal(err)
	}
	if d.Written() != int64(len(data)) {
		t.Fatalf("staging %d bytes wrote %d", len(data), d.Written())
	}
	other := storagetest.NewDisk()
	s = open(t, other, blob.Options{})
	p := part(t, s)
	if err := p.Append(0, data); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Finish(c.SHA256, c.Size); err != nil {
		t.Fatal(err)
	}
	if other.Written() != int64(len(data)) {
		t.Fatalf("receiving %d bytes wrote %d", len(data), other.Written())
	}
}

func TestPartIsReadWhileItGrows(t *testing.T) {
	p := part(t, open(t, fsx.OS, blob.Options{}))
	defer p.Close()
	for i, want := range []string{"", "một", "một hai"} {
		if i > 0 {
			if err := p.Append(p.Stored(), []byte(want[p.Stored():])); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := io.ReadAll(p.Reader()); err != nil || string(got) != want {
			t.Errorf("read %q, %v, want %q", got, err, want)
		}
	}
}
