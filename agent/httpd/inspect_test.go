package httpd

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func deflate(t *testing.T, s string) string {
	t.Helper()
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	if _, err := z.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// objectStream wraps content the way PDF 1.5 hides objects.
func objectStream(t *testing.T, dict, content string) string {
	data := deflate(t, content)
	return fmt.Sprintf("%%PDF-1.5\n7 0 obj\n<< /Type /ObjStm /N 1 /First 4 %s /Length %d >>\nstream\r\n%s\nendstream\nendobj\n", dict, len(data), data)
}

func TestInspectPDF(t *testing.T) {
	far := strings.Repeat("x", 3*window)
	cut := strings.Repeat("x", window-9-len("%PDF-1.4\n")) // the name stands across two windows
	for name, c := range map[string]struct {
		data string
		want Look
	}{
		"plain":                  {plainPDF, Inline},
		"not a pdf":              {"<html>%PDX", Download},
		"empty":                  {"", Download},
		"late magic":             {strings.Repeat(" ", 2000) + plainPDF, Download},
		"javascript":             {"%PDF-1.4 << /S /JavaScript /JS (x) >>", Active},
		"escaped name":           {"%PDF-1.4 << /S /J#61vaScr#69pt >>", Active},
		"launch":                 {"%PDF-1.4 << /S/Launch/F(cmd.exe) >>", Active},
		"embedded file":          {"%PDF-1.4 << /Type /EmbeddedFile >>", Active},
		"form that sends":        {"%PDF-1.4 << /S /SubmitForm >>", Active},
		"xfa":                    {"%PDF-1.4 << /AcroForm << /XFA [ (a) 5 0 R ] >> >>", Active},
		"xfa by chance":          {"%PDF-1.4 stream \x01/XFA\xff\x02 endstream", Inline},
		"longer name":            {"%PDF-1.4 << /LaunchPad 1 /JavaScripts 2 >>", Inline},
		"far inside":             {"%PDF-1.4\n" + far + "/JavaScript " + far, Active},
		"across windows":         {"%PDF-1.4\n" + cut + "/JavaScript x" + far, Active},
		"at the very end":        {"%PDF-1.4\n" + far + "/Launch", Active},
		"hidden in objects":      {objectStream(t, "/Filter /FlateDecode", "9 0 << /S /JavaScript /JS (x) >>"), Active},
		"harmless objects":       {objectStream(t, "/Filter /FlateDecode", "9 0 << /Type /Page >>"), Inline},
		"deflated twice":         {objectStream(t, "/Filter [/FlateDecode /FlateDecode]", deflate(t, "9 0 << /S /JavaScript >>")), Active},
		"objects without stream": {"%PDF-1.5 << /Type /ObjStm >> endobj", Active},
		"encrypted objects":      {"%PDF-1.5 << /Type /ObjStm >> stream\n\x00\x01\x02\x03 endstream", Active},
		"bomb":                   {objectStream(t, "", "9 0 "+strings.Repeat(" ", maxInflated+1)), Active},
	} {
		got, err := inspectPDF(strings.NewReader(c.data))
		if err != nil || got != c.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, c.want)
		}
	}
}

// TestScannedPagesAreShown: compressed pictures are random bytes in which
// short names turn up by chance.
func TestScannedPagesAreShown(t *testing.T) {
	noise := make([]byte, 20<<20)
	random := rand.NewChaCha8([32]byte{7})
	if _, err := random.Read(noise); err != nil {
		t.Fatal(err)
	}
	data := append([]byte("%PDF-1.4\n1 0 obj << /Length 1 >> stream\n"), noise...)
	if got, err := inspectPDF(bytes.NewReader(data)); err != nil || got != Inline {
		t.Errorf("20 MB of pictures: %s, %v", got, err)
	}
}

func FuzzInspectPDF(f *testing.F) {
	f.Add([]byte(plainPDF))
	f.Add([]byte("%PDF-1.5 << /Type /ObjStm >> stream\nx"))
	f.Add([]byte("%PDF-1.4 /J#61vaScript"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := inspectPDF(bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		if with, err := inspectPDF(bytes.NewReader(append(data, "\n/JavaScript "...))); err != nil || bytes.HasPrefix(data, []byte("%PDF-")) && with != Active {
			t.Fatalf("an action at the end gave %s, %v", with, err)
		}
	})
}

func BenchmarkInspectPDF(b *testing.B) {
	noise := make([]byte, 20<<20)
	random := rand.NewChaCha8([32]byte{7})
	if _, err := random.Read(noise); err != nil {
		b.Fatal(err)
	}
	copy(noise, "%PDF-1.4\n")
	b.SetBytes(int64(len(noise)))
	for b.Loop() {
		if _, err := inspectPDF(bytes.NewReader(noise)); err != nil {
			b.Fatal(err)
		}
	}
}
