package extract_test

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"testing"
	"unicode/utf8"

	"tram/agent/search/extract"
)

// checked reads data and holds the answer to what Read promises.
func checked(t *testing.T, kind string, data []byte) {
	got, err := extract.Read(kind, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		if !errors.Is(err, extract.ErrUnreadable) || got.Text != "" {
			t.Fatalf("%q: %v", got.Text, err)
		}
		return
	}
	if len(got.Text) > extract.MaxText || !utf8.ValidString(got.Text) || bytes.ContainsRune([]byte(got.Text), 0) {
		t.Fatalf("a text of %d bytes: %.100q", len(got.Text), got.Text)
	}
}

func FuzzPDF(f *testing.F) {
	data, err := os.ReadFile("testdata/libreoffice.pdf")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(document("BT /F1 10 Tf 12 TL 1 0 0 1 9 9 Tm [(a)-400(b)] TJ T* (c) ' ET /X1 Do", plainFont, "<< >>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		checked(t, ".pdf", append([]byte("%PDF-"), bytes.TrimPrefix(data, []byte("%PDF-"))...))
	})
}

// FuzzContent fuzzes what a page draws and what a font maps, where the structure
// of the file is good.
func FuzzContent(f *testing.F) {
	f.Add("BT /F1 10 Tf 1 0 0 1 9 9 Tm <0001> Tj ET /X1 Do", "1 beginbfrange <00> <FF> <0041> endbfrange")
	f.Fuzz(func(t *testing.T, content, cmap string) {
		font := "<< /Type /Font /Subtype /Type0 /DescendantFonts [<< /W [1 [600]] >>] /ToUnicode 6 0 R >>"
		if len(cmap)%2 == 0 {
			font = "<< /Type /Font /Subtype /Type1 /Encoding << /Differences [1 /a /b] >> /ToUnicode 6 0 R >>"
		}
		checked(t, ".pdf", document(content, font, "<< /Subtype /Form /Length "+strconv.Itoa(len(cmap))+" >>\nstream\n"+cmap+"\nendstream"))
	})
}

func FuzzOffice(f *testing.F) {
	for _, name := range []string{"testdata/libreoffice.docx", "testdata/libreoffice.ods"} {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		checked(t, ".docx", append([]byte("PK\x03\x04"), bytes.TrimPrefix(data, []byte("PK\x03\x04"))...))
	})
}

// FuzzPart fuzzes the XML inside of office files.
func FuzzPart(f *testing.F) {
	f.Add(uint8(0), `<w:p><w:r><w:rFonts w:ascii=".VnTime"/><w:t>a&amp;</w:t></w:r></w:p>`)
	f.Add(uint8(1), `<row><c t="s"><v>0</v></c></row>`)
	f.Add(uint8(3), `<office:body><text:p>a<text:s/></text:p></office:body>`)
	names := [][]string{{"word/document.xml"}, {"xl/workbook.xml", "", "xl/sharedStrings.xml"}, {"ppt/presentation.xml", "", "ppt/slides/slide1.xml"}, {"content.xml"}}
	f.Fuzz(func(t *testing.T, which uint8, xml string) {
		checked(t, ".docx", pack(t, append(append([]string{}, names[int(which)%len(names)]...), xml)...))
	})
}

func FuzzPlain(f *testing.F) {
	f.Add(true, []byte("Giấy khai\nsinh"))
	f.Add(false, []byte("<p>a&nbsp;<!-- b --><![CDATA[c]]><script>"))
	f.Fuzz(func(t *testing.T, plain bool, data []byte) {
		kind := ".html"
		if plain {
			kind = ".txt"
		}
		if bytes.HasPrefix(data, []byte("PK\x03\x04")) || bytes.Contains(data[:min(len(data), 1024)], []byte("%PDF-")) {
			return
		}
		checked(t, kind, data)
	})
}
