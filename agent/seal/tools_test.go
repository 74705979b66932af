package seal

import (
	"archive/zip"
	"bytes"
	"io"
	"os/exec"
	"testing"

	"tram/agent/tooltest"
)

func tool(t *testing.T, name string) string {
	t.Helper()
	return tooltest.Find(t, name, "the check of our seal by a foreign program")
}

func run(t *testing.T, command string, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), command, args...).CombinedOutput()
	return string(out), err
}

// rezip rewrites a zip with entries changed; change gives nil to drop one.
func rezip(t testing.TB, in []byte, change func(name string, data []byte) (string, []byte)) []byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(in), int64(len(in)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range r.File {
		src, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(src)
		if err != nil {
			t.Fatal(err)
		}
		name, data := change(f.Name, data)
		if data == nil {
			continue
		}
		dst, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: f.Method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := dst.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func entry(t testing.TB, in []byte, name string) []byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(in), int64(len(in)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := r.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
