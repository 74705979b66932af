package fsx_test

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"tram/storage"
	"tram/storage/fsx"
	"tram/storage/storagetest"
)

func read(t *testing.T, d fsx.Disk, path string) (string, error) {
	t.Helper()
	f, err := d.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), nil
}

func TestWriteFileOnTheRealDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := fsx.MkdirAll(fsx.OS, dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "key")
	for _, content := range []string{"first", "", "second, longer"} {
		if err := fsx.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := read(t, fsx.OS, path); err != nil || got != content {
			t.Fatalf("got %q, %v, want %q", got, err, content)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Fatalf("permissions %v", info.Mode())
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("folder holds %v, %v", entries, err)
	}
	if free, total, err := fsx.OS.Usage(dir); err != nil || free <= 0 || total < free {
		t.Fatalf("usage: %d of %d, %v", free, total, err)
	}
}

// Every step may fail: the target stays as it was, nothing is left over, and a
// lack of space is called by its name.
func TestP1_WriteFileFailsAtEachStep(t *testing.T) {
	boom := errors.New("boom")
	for _, op := range []storagetest.Op{
		storagetest.OpOpen, storagetest.OpWrite, storagetest.OpSync, storagetest.OpClose, storagetest.OpRename, storagetest.OpSyncDir,
	} {
		for _, cause := range []error{storagetest.ErrNoSpace, boom} {
			t.Run(string(op)+" "+cause.Error(), func(t *testing.T) {
				d := storagetest.NewDisk()
				if err := fsx.WriteFileOn(d, "/file", []byte("old"), 0o600); err != nil {
					t.Fatal(err)
				}
				d.Fail(storagetest.FailNth(op, 1, "", cause))
				err := fsx.WriteFileOn(d, "/file", []byte("new content"), 0o600)
				d.Fail(nil)
				if !errors.Is(err, cause) {
					t.Fatalf("got error %v", err)
				}
				if full := cause == storagetest.ErrNoSpace; errors.Is(err, storage.ErrFull) != full {
					t.Fatalf("error %v: is ErrFull should be %v", err, full)
				}
				if files := d.Files(); len(files) != 1 {
					t.Fatalf("left over: %v", files)
				}
				got, err := read(t, d, "/file")
				want := "old"
				if op == storagetest.OpSyncDir {
					want = "new content" // renamed, not known to be durable
				}
				if err != nil || got != want {
					t.Fatalf("target holds %q, %v", got, err)
				}
			})
		}
	}
}

func TestP1_PowerCutLeavesOldOrNew(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		d := storagetest.NewDisk()
		if err := fsx.WriteFileOn(d, "/file", []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		// The power goes at the nth step of the second write.
		steps, cutAt := 0, r.IntN(8)
		dead := errors.New("dead")
		d.Fail(func(storagetest.Op, string) error {
			if steps++; steps > cutAt {
				return dead
			}
			return nil
		})
		werr := fsx.WriteFileOn(d, "/file", []byte("new content"), 0o600)
		d.Fail(nil)
		d.Cut(r)
		got, err := read(t, d, "/file")
		if err != nil || (got != "old" && got != "new content") || (werr == nil && got == "old") {
			t.Fatalf("seed %d: write said %v, then the file holds %q, %v", seed, werr, got, err)
		}
		if err := fsx.RemoveTemps(d, "/"); err != nil {
			t.Fatal(err)
		}
		if files := d.Files(); len(files) != 1 {
			t.Fatalf("seed %d: left over: %v", seed, files)
		}
	}
}

func TestTempMisuse(t *testing.T) {
	dir := t.TempDir()
	tmp, err := fsx.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tmp.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := tmp.Commit(filepath.Join(dir, "x")); err != nil {
		t.Fatal(err)
	}
	if err := tmp.Commit(filepath.Join(dir, "y")); !errors.Is(err, fs.ErrClosed) {
		t.Fatalf("second commit: %v", err)
	}
	if err := tmp.Abort(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "x")); err != nil {
		t.Fatal(err)
	}
	if _, err := fsx.Create(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("create in a missing folder: %v", err)
	}
}

func TestMkdirAll(t *testing.T) {
	d := storagetest.NewDisk()
	if err := fsx.MkdirAll(d, "/a/b/c", 0o700); err != nil {
		t.Fatal(err)
	}
	d.Cut(nil)
	if err := fsx.WriteFileOn(d, "/a/b/c/file", nil, 0o600); err != nil {
		t.Fatal("folders did not survive a power cut:", err)
	}
	if err := fsx.MkdirAll(d, "/a/b/c", 0o700); err != nil {
		t.Fatal(err)
	}
	d.Fail(storagetest.FailNth(storagetest.OpMkdir, 2, "", storagetest.ErrNoSpace))
	if err := fsx.MkdirAll(d, "/a/b/d", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := fsx.MkdirAll(d, "/a/b/e", 0o700); !errors.Is(err, storage.ErrFull) {
		t.Fatalf("got %v", err)
	}
}

func TestMapError(t *testing.T) {
	if fsx.MapError(nil) != nil {
		t.Fatal("nil became an error")
	}
	plain := errors.New("plain")
	if got := fsx.MapError(plain); got != plain {
		t.Fatalf("got %v", got)
	}
	full := fsx.MapError(&fs.PathError{Op: "write", Path: "p", Err: storagetest.ErrNoSpace})
	if !errors.Is(full, storage.ErrFull) || !errors.Is(full, storagetest.ErrNoSpace) || !strings.Contains(full.Error(), "write p") {
		t.Fatalf("got %v", full)
	}
	if again := fsx.MapError(full); again != full {
		t.Fatalf("mapped twice: %v", again)
	}
}
