package edxml

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
		msg, warnings, err := Decode(bytes.NewReader(data))
		if strings.HasPrefix(base, "malformed") {
			if err == nil {
				t.Errorf("%s was read", base)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", base, err)
			continue
		}
		t.Logf("%s: %T, %d warnings", base, msg, len(warnings))
		for _, w := range warnings {
			if w.Code == WarnUnknown || w.Code == WarnRepeated {
				t.Errorf("%s: the reader does not know %s", base, w.Field)
			}
		}
		var out bytes.Buffer
		switch m := msg.(type) {
		case *Document:
			if len(m.Embedded) == 0 || len(m.Manifest) == 0 {
				t.Errorf("%s: no attachments found", base)
			}
			err = EncodeDocument(&out, m)
		case *Status:
			err = EncodeStatus(&out, m)
		}
		if err != nil {
			t.Errorf("%s: write again: %v", base, err)
		}
	}
}
