package stick

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/problem"
)

const (
	objectName = "tram/1/h40+h40_12/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	manifest   = "tram/1/h40+h40_12/0195d1a0000070008000000000000001.tram"
)

// zipped makes an archive of names and contents in turn.
func zipped(t testing.TB, files ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for i := 0; i+1 < len(files); i += 2 {
		w, err := z.CreateHeader(&zip.FileHeader{Name: files[i], Method: zip.Deflate})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// below lists the files in a folder.
func below(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestUnpackTakesPackagesAndNothingElse(t *testing.T) {
	for name, tt := range map[string]struct {
		data  []byte
		limit int64
		want  []string
		code  string
	}{
		"a stick":                {zipped(t, manifest, "m", objectName, "o", "autorun.inf", "x"), 100, []string{manifest, objectName}, ""},
		"packed from its folder": {zipped(t, "USB/"+manifest, "m"), 100, []string{manifest}, ""},
		"packed by Windows":      {zipped(t, strings.ReplaceAll(manifest, "/", `\`), "m"), 100, []string{manifest}, ""},
		"upwards":                {zipped(t, "../"+objectName+"/../../../x", "x", "../../etc/passwd", "x"), 100, nil, "usb.nothing"},
		"upwards to a package":   {zipped(t, "../../"+manifest, "m"), 100, []string{manifest}, ""},
		"absolute":               {zipped(t, "/tram/1/h40+h40_12/evil", "x"), 100, nil, "usb.nothing"},
		"other names":            {zipped(t, "tram/1/h40+h40_12/.tmp", "x", "tram/1/con/"+strings.Repeat("a", 64), "x", "tram/2/h40+h40_12/"+strings.Repeat("a", 64), "x"), 100, nil, "usb.nothing"},
		"twice the same":         {zipped(t, manifest, "m", manifest, "n"), 100, nil, "usb.no-archive"},
		"over the limit":         {zipped(t, objectName, strings.Repeat("x", 101)), 100, nil, "usb.too-large"},
		"over it together":       {zipped(t, objectName, strings.Repeat("x", 60), manifest, strings.Repeat("x", 60)), 100, nil, "usb.too-large"},
		"a bomb":                 {zipped(t, objectName, strings.Repeat("\x00", 64<<20)), 1 << 20, nil, "usb.too-large"},
		"no archive":             {[]byte("%PDF-1.4"), 100, nil, "usb.no-archive"},
		"empty":                  {nil, 100, nil, "usb.no-archive"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			err := Unpack(bytes.NewReader(tt.data), int64(len(tt.data)), dir, tt.limit)
			if tt.code != "" {
				if p := problem.From(err); err == nil || p.Code != tt.code {
					t.Fatalf("got %v, want %s", err, tt.code)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := below(t, dir)
			slices.Sort(got)
			slices.Sort(tt.want)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestPackHoldsWhatTheOfficeMade(t *testing.T) {
	dir := t.TempDir()
	data := zipped(t, manifest, "theirs", "tram/1/h40_12+h40/"+strings.Repeat("b", 64), "ours")
	if err := Unpack(bytes.NewReader(data), int64(len(data)), dir, 100); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tram", "1", "note.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Pack(&out, dir, "H40.12", time.Now()); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil || len(z.File) != 1 || z.File[0].Name != "tram/1/h40_12+h40/"+strings.Repeat("b", 64) {
		t.Errorf("got %v, %v", z.File, err)
	}
}

func TestMountedSticksAreFound(t *testing.T) {
	const info = `22 27 0:20 / /proc rw,nosuid shared:5 - proc proc rw
35 22 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
90 35 8:17 / /media/lan/USB\040CỦA rw,nosuid shared:40 - vfat /dev/sdb1 rw,uid=1000
91 35 8:33 / /run/media/tram/KINGSTON ro shared:41 master:2 - exfat /dev/sdc1 ro
92 35 0:50 / /mnt/share rw - nfs 10.1.2.3:/srv rw
93 35 8:49 / /mediation rw - ext4 /dev/sdd1 rw
short line
94 35
`
	want := []string{"/media/lan/USB CỦA", "/run/media/tram/KINGSTON"}
	if got := mounted(info); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	dir := t.TempDir()
	list := Places(dir)
	if !slices.ContainsFunc(list, func(p Place) bool { return p.Path == dir && p.Total > 0 }) {
		t.Errorf("the folder of the settings is not among %v", list)
	}
	if list := Places(filepath.Join(dir, "gone")); slices.ContainsFunc(list, func(p Place) bool { return strings.HasPrefix(p.Path, dir) }) {
		t.Errorf("a folder that is gone is offered: %v", list)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(zipped(f, manifest, "m", objectName, "o"))
	f.Add(zipped(f, "../../x", "x", `..\..\tram\1\h40+h40_12\`+strings.Repeat("a", 64), "x"))
	f.Add([]byte("PK\x05\x06"))
	outside := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := filepath.Join(outside, "in")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		_ = Unpack(bytes.NewReader(data), int64(len(data)), dir, 1<<16) // what matters is where it wrote
		for _, name := range below(t, outside) {
			rest, inside := strings.CutPrefix(name, "in/")
			if _, ok := inPackage(rest); !inside || !ok {
				t.Fatalf("it wrote %q", name)
			}
		}
	})
}
