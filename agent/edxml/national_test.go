package edxml

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tram/agent/problem"
)

// nationalSamples finds the third-party samples, which have no licence and so
// stay outside the repository, in shared/data/edxml beside its root.
func nationalSamples(t *testing.T) []string {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(filepath.Dir(root), "shared", "data", "edxml", "*.edxml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		t.Skip("the national samples have no licence and are not in the repository; put them in shared/data/edxml beside it to run this")
	}
	return names
}

func TestNationalSamples(t *testing.T) {
	for _, name := range nationalSamples(t) {
		base := filepath.Base(name)
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(base, "malformed") {
			for label, err := range map[string]error{"Decode": decodeError(data), "Read": readFailure(data)} {
				if !errors.Is(err, &problem.Problem{Code: "edxml.malformed"}) {
					t.Errorf("%s: %s: %v", base, label, err)
				}
			}
			continue
		}
		if err := decodeError(data); err != nil {
			t.Errorf("%s: Decode: %v", base, err)
		}
		f, stage := read(t, data)
		t.Logf("%s: %T, %d warnings, signed %v", base, f.Message, len(f.Warnings), f.Signed)
		for _, w := range f.Warnings {
			if w.Code == WarnUnknown || w.Code == WarnRepeated {
				t.Errorf("%s: the reader does not know %s", base, w.Field)
			}
		}
		carriedThrough(t, f, stage)
		var rebuilt bytes.Buffer
		if err := Rebuild(&rebuilt, f.Skeleton, stage.received()); err != nil || !bytes.Equal(rebuilt.Bytes(), data) {
			t.Errorf("%s: rebuilt in other bytes, %v", base, err)
		}
		nationalAgain(t, base, f, stage)
	}
}

func decodeError(data []byte) error {
	_, _, err := Decode(bytes.NewReader(data))
	return err
}

func readFailure(data []byte) error {
	_, err := Read(bytes.NewReader(data), ReadOptions{})
	return err
}

// nationalAgain writes a message strictly and reads it again.
func nationalAgain(t *testing.T, base string, f *Full, stage *staging) {
	t.Helper()
	var files [][]byte
	for _, a := range f.Attachments {
		file, plain := unwrapped(t, a, stage)
		if !file.Wrapped {
			t.Errorf("%s: %s is no wrapped file", base, a.Name)
		}
		files = append(files, plain)
	}
	if d, ok := f.Message.(*Document); ok && len(files) == 0 {
		t.Errorf("%s: no attachments found, manifest %v", base, d.Manifest)
	}
	written, err := write(f, files)
	if err != nil {
		t.Fatalf("%s: write again: %v", base, err)
	}
	again, stage2 := read(t, written)
	if !same(again.Message, f.Message) {
		t.Errorf("%s: read again as %+v", base, again.Message)
	}
	for i, a := range again.Attachments {
		if _, plain := unwrapped(t, a, stage2); !bytes.Equal(plain, files[i]) {
			t.Errorf("%s: %s changed", base, a.Name)
		}
	}
}
