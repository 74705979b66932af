//go:build libreoffice

package register

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tram/agent/tooltest"
)

// TestLibreOfficeReadsTheFiles opens the files with soffice. It has a tag
// because LibreOffice is large and slow:
//
//	apt-get install libreoffice-calc libreoffice-writer poppler-utils
//	go test -tags libreoffice -run LibreOffice ./agent/register
func TestLibreOfficeReadsTheFiles(t *testing.T) {
	dir := t.TempDir()
	convert := func(name string, data []byte, to string) string {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("timeout", "180", tooltest.Find(t, "soffice", "the check of xlsx and docx"), "--headless", "-env:UserInstallation=file://"+dir+"/lo",
			"--convert-to", to, "--outdir", dir, filepath.Join(dir, name)).CombinedOutput()
		kind, _, _ := strings.Cut(to, ":")
		path := filepath.Join(dir, strings.TrimSuffix(name, filepath.Ext(name))+"."+kind)
		if _, stat := os.Stat(path); stat != nil {
			t.Fatalf("soffice: %v, %s", err, out)
		}
		return path
	}
	table := sampleTable(t, Incoming, 60)
	for i, v := range evil {
		table.Lines[i].Values[Remarks] = v
	}
	xlsx, err := table.XLSX()
	if err != nil {
		t.Fatal(err)
	}
	docx, err := table.DOCX()
	if err != nil {
		t.Fatal(err)
	}
	// 44: comma, 34: quotes, 76: UTF-8, from row 1, values as stored
	csv, err := os.ReadFile(convert("book.xlsx", xlsx, "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false"))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range evil {
		if want := `"` + strings.ReplaceAll(Clean(v), `"`, `""`); !strings.Contains(string(csv), want) && !strings.Contains(string(csv), ","+Clean(v)) {
			t.Errorf("%q does not come back as text:\n%s", v, csv)
		}
	}
	for name, path := range map[string]string{"xlsx": convert("book.xlsx", xlsx, "pdf"), "docx": convert("text.docx", docx, "pdf")} {
		if info := string(run(t, "pdfinfo", path)); !strings.Contains(info, "841.89 x 595.3") {
			t.Errorf("%s: not A4 landscape:\n%s", name, info)
		}
		pages := strings.Split(strings.TrimSuffix(string(run(t, "pdftotext", "-layout", path, "-")), "\f"), "\f")
		if len(pages) < 3 {
			t.Errorf("%s: %d pages", name, len(pages))
		}
		for i, page := range pages {
			for _, want := range []string{"Tác giả", "Ghi chú", "(1)", "(10)"} {
				if !strings.Contains(page, want) && strings.Contains(page, "2026") {
					t.Errorf("%s, page %d: the titles lack %q:\n%s", name, i+1, want, page)
				}
			}
		}
	}
}
