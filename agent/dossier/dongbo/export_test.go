package dongbo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tram/agent/dossier/code"
	"tram/agent/dossier/dongbo"
	"tram/agent/dossier/dongbo/dongbotest"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/fsx"
	"tram/storage/storagetest"
)

const folder = "/xuat"

// content is what the folder holds, by name.
func content(t *testing.T, d *storagetest.Disk) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, path := range d.Files() {
		f, err := d.OpenFile(path, os.O_RDONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		all[filepath.Base(path)] = string(raw)
	}
	return all
}

func filled(n int) *dongbotest.Source {
	src := dongbotest.New()
	for i := range n {
		id := src.Add(i + 1)
		if i%3 == 0 {
			src.Step(id, code.Processing)
		}
	}
	return src
}

func export(t *testing.T, d fsx.Disk, src dongbo.Source) dongbo.Result {
	t.Helper()
	res, err := dongbo.Export(t.Context(), d, folder, src)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestASecondExportWritesNothing(t *testing.T) {
	d, src := storagetest.NewDisk(), filled(7)
	if res := export(t, d, src); res.Written != 7 || len(res.Refused) > 0 {
		t.Fatalf("%+v", res)
	}
	first, written := content(t, d), d.Written()
	if len(first) != 8 || !strings.Contains(first["H40.12-261126-0001.r000002.json"], `"TrangThaiHoSo":"4"`) {
		t.Fatalf("%v", slices.Collect(func(yield func(string) bool) {
			for name := range first {
				yield(name)
			}
		}))
	}
	if res := export(t, d, src); res.Written != 0 || res.Kept != 7 || d.Written() != written {
		t.Errorf("the second run wrote %d bytes: %+v", d.Written()-written, res)
	}
	other := storagetest.NewDisk()
	export(t, other, src)
	if fmt.Sprint(content(t, other)) != fmt.Sprint(first) {
		t.Error("another folder got other bytes")
	}
	id := src.Add(8)
	src.Step(id, code.Returned)
	if res := export(t, d, src); res.Written != 1 || len(content(t, d)) != 9 {
		t.Errorf("%+v", res)
	}
	src.Step(id, code.Returned)
	if res := export(t, d, src); res.Written != 1 || len(content(t, d)) != 10 || !strings.Contains(content(t, d)[dongbo.ManifestName], "0008.r000002") {
		t.Errorf("a new revision takes the earlier one away: %+v", res)
	}
}

func TestWhatAnExportHasWrittenIsWhatTheCodecReads(t *testing.T) {
	d, src := storagetest.NewDisk(), filled(1)
	export(t, d, src)
	raw := content(t, d)["H40.12-261126-0001.r000002.json"]
	want := `{"format":"tram-dongbo/1","revision":2,"occurred_at":"2026-11-26T02:01:00Z","DongBoHoSoMC":[`
	if !strings.HasPrefix(raw, want) {
		t.Fatalf("it begins %s", raw)
	}
	payload, rest, _ := strings.Cut(strings.TrimPrefix(raw, want[:len(want)-1]), `,"CapNhatTienDoHoSoMC":`)
	if all, warnings, err := dongbo.Decode([]byte(payload)); err != nil || len(all) != 1 || len(warnings) > 0 {
		t.Errorf("%v, %v", warnings, err)
	}
	if steps, _, err := dongbo.DecodeProgress([]byte(strings.TrimSuffix(rest, "}\n"))); err != nil || len(steps) != 2 {
		t.Errorf("%+v, %v", steps, err)
	}
}

func TestOneDossierThatCannotBeWrittenKeepsNoOther(t *testing.T) {
	d, src := storagetest.NewDisk(), filled(3)
	src.Edit(src.Add(4), func(i *dongbo.Item) { i.HoSo.MaTTHC = "TTHC" })
	src.Drop(src.Add(5))
	src.Add(6)
	for range 2 {
		res := export(t, d, src)
		if res.Written+res.Kept != 4 || len(res.Refused) != 1 || res.Refused[0].Code != "H40.12-261126-0004" {
			t.Fatalf("%+v", res)
		}
		if p := problem.From(res.Refused[0].Err); p.Field != "MaTTHC" {
			t.Errorf("the reason is %v", res.Refused[0].Err)
		}
	}
}

func TestFilesThatWereSpoiltAreWrittenAgain(t *testing.T) {
	d, src := storagetest.NewDisk(), filled(3)
	export(t, d, src)
	want := content(t, d)
	for name := range want {
		for _, spoilt := range []string{"", want[name][:len(want[name])/2], strings.Repeat("x", len(want[name])), `{"format":"tram-dongbo-manifest/9"}`} {
			if err := fsx.WriteFileOn(d, filepath.Join(folder, name), []byte(spoilt), 0o600); err != nil {
				t.Fatal(err)
			}
			export(t, d, src)
			if fmt.Sprint(content(t, d)) != fmt.Sprint(want) {
				t.Errorf("%s stays spoilt as %.20q", name, spoilt)
			}
		}
		if err := d.Remove(filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
		export(t, d, src)
		if fmt.Sprint(content(t, d)) != fmt.Sprint(want) {
			t.Errorf("%s stays away", name)
		}
	}
	bad := `{"format":"tram-dongbo-manifest/1","files":[{"name":"../../x","MaHoSo":"H40.12-261126-0001","revision":1,"size":0,"sha256":""}]}`
	if err := fsx.WriteFileOn(d, filepath.Join(folder, dongbo.ManifestName), []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	export(t, d, src)
	if fmt.Sprint(content(t, d)) != fmt.Sprint(want) {
		t.Error("a manifest of others was believed")
	}
}

// Every step may be the last one before the power goes: what is under a name is
// whole, and the next run makes the rest, with the same bytes.
func TestP1_AnExportIsCutAtEachStep(t *testing.T) {
	src := filled(4)
	whole := storagetest.NewDisk()
	export(t, whole, src)
	want := content(t, whole)
	off := errors.New("power off")
	for step := 1; ; step++ {
		for seed := range uint64(3) {
			d := storagetest.NewDisk()
			n := 0
			d.Fail(func(storagetest.Op, string) error {
				if n++; n >= step {
					return off
				}
				return nil
			})
			_, err := dongbo.Export(t.Context(), d, folder, src)
			d.Fail(nil)
			if err == nil {
				if n >= step {
					t.Fatalf("step %d failed and nobody was told", step)
				}
				if step < 30 {
					t.Fatalf("only %d steps were seen", step)
				}
				return
			}
			if !errors.Is(err, off) {
				t.Fatalf("step %d: %v", step, err)
			}
			if seed == 0 {
				d.Cut(nil)
			} else {
				d.Cut(rand.New(rand.NewPCG(seed, uint64(step))))
			}
			for name, got := range content(t, d) {
				if !strings.HasPrefix(name, ".tmp-") && name != dongbo.ManifestName && got != want[name] {
					t.Fatalf("step %d: %s is there in part", step, name)
				}
			}
			export(t, d, src)
			if fmt.Sprint(content(t, d)) != fmt.Sprint(want) {
				t.Fatalf("step %d: the next run left another folder", step)
			}
		}
	}
}

func TestAFullDiskIsNamedAndLosesNothing(t *testing.T) {
	d, src := storagetest.NewDisk(), filled(4)
	d.SetCapacity(2500)
	if _, err := dongbo.Export(t.Context(), d, folder, src); !errors.Is(err, storage.ErrFull) {
		t.Fatalf("%v", err)
	}
	d.SetCapacity(1 << 20)
	if export(t, d, src); len(content(t, d)) != 5 {
		t.Errorf("%v", content(t, d))
	}
}

func TestAnExportOnTheRealDiskEndsWithItsContext(t *testing.T) {
	dir, src := filepath.Join(t.TempDir(), "a", "b"), filled(2)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := dongbo.Export(ctx, fsx.OS, dir, src); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if res, err := dongbo.Export(t.Context(), fsx.OS, dir, src); err != nil || res.Written != 2 {
		t.Fatalf("%+v, %v", res, err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, dongbo.ManifestName))
	if err != nil || bytes.Count(raw, []byte(`"sha256"`)) != 2 {
		t.Errorf("%s, %v", raw, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "H40.12-261126-0002.r000001.json")); errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
