package register

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"io"
	"strconv"
	"strings"
	"testing"
)

func sampleTable(t testing.TB, kind Kind, n int) Table {
	t.Helper()
	b, err := Find(kind)
	if err != nil {
		t.Fatal(err)
	}
	return Table{Book: b, Volume: sampleVolume(), Lines: sampleLines(b, n), Made: made}
}

// unzip gives the parts of an Office file, each well-formed XML.
func unzip(t *testing.T, data []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		textOf(t, text)
		parts[f.Name] = string(text)
	}
	return parts
}

// headRows are the rows above the lines.
const headRows = 6

// evil are values that a spreadsheet must not take for anything but text.
var evil = []string{"=1+1", "+84 909", "-2/QĐ", "@SUM(A1)", "=cmd|' /C calc'!A0", "001", "05/01/2026", "1e5", "_x0041_", "<b>&amp;</b>", "dòng một\ndòng hai", "\ttab", "a\x00b"}

// cellXML is a cell of the sheet as the file has it.
type cellXML struct {
	Ref    string `xml:"r,attr"`
	Type   string `xml:"t,attr"`
	Style  int    `xml:"s,attr"`
	Inline string `xml:"is>t"`
	Value  string `xml:"v"`
	Fn     string `xml:"f"`
}

func cellsOf(t *testing.T, sheet string) []cellXML {
	t.Helper()
	var ws struct {
		Rows []struct {
			Cells []cellXML `xml:"c"`
		} `xml:"sheetData>row"`
	}
	if err := xml.Unmarshal([]byte(sheet), &ws); err != nil {
		t.Fatal(err)
	}
	var all []cellXML
	for _, r := range ws.Rows {
		all = append(all, r.Cells...)
	}
	return all
}

func TestEveryCellOfASpreadsheetIsText(t *testing.T) {
	table := sampleTable(t, Outgoing, len(evil))
	for i, v := range evil {
		table.Lines[i].Values[CodeOf] = v
		table.Volume.Office = v
	}
	data, err := table.XLSX()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, c := range cellsOf(t, unzip(t, data)["xl/worksheets/sheet1.xml"]) {
		if c.Fn != "" || c.Value != "" || c.Inline != "" && c.Type != "inlineStr" {
			t.Errorf("%s is no text: %+v", c.Ref, c)
		}
		found[c.Ref] = c.Inline
	}
	for i, v := range evil {
		want := strings.ReplaceAll(Clean(v), "_x0041_", "_x005F_x0041_")
		if got := found["A"+strconv.Itoa(i+headRows+1)]; got != want {
			t.Errorf("%q is written %q", v, got)
		}
	}
}

func TestASpreadsheetHasTheColumnsOfTheBook(t *testing.T) {
	for _, want := range decree {
		data, err := sampleTable(t, want.kind, 3).XLSX()
		if err != nil {
			t.Fatal(err)
		}
		parts := unzip(t, data)
		sheet := parts["xl/worksheets/sheet1.xml"]
		var titles []string
		for _, c := range cellsOf(t, sheet) {
			if c.Ref[1:] == "5" {
				titles = append(titles, c.Inline)
			}
		}
		if strings.Join(titles, "|") != strings.Join(want.columns, "|") {
			t.Errorf("%s: titles are %q", want.kind, titles)
		}
		if !strings.Contains(sheet, `paperSize="9" orientation="landscape"`) || strings.Count(sheet, `customWidth="1"`) != len(want.columns) ||
			!strings.Contains(parts["xl/workbook.xml"], `<definedName name="_xlnm.Print_Titles" localSheetId="0">So!$5:$6</definedName>`) {
			t.Errorf("%s: paper, widths or repeated titles are missing", want.kind)
		}
	}
}

func TestATextDocumentHasTheColumnsOfTheBook(t *testing.T) {
	for _, want := range decree {
		table := sampleTable(t, want.kind, len(evil))
		for i, v := range evil {
			table.Lines[i].Values[Remarks] = v
		}
		data, err := table.DOCX()
		if err != nil {
			t.Fatal(err)
		}
		document := unzip(t, data)["word/document.xml"]
		text := textOf(t, []byte(document))
		at := 0
		for _, title := range want.columns {
			i := strings.Index(text[at:], title)
			if i < 0 {
				t.Fatalf("%s: %q is missing or out of order", want.kind, title)
			}
			at += i + len(title)
		}
		if strings.Count(document, "<w:tblHeader/>") != 2 || strings.Count(document, "<w:cantSplit/>") != len(table.Lines)+2 || !strings.Contains(document, `w:orient="landscape"`) {
			t.Errorf("%s: repeated titles, whole rows or paper are missing", want.kind)
		}
		if !strings.Contains(text, "<b>&amp;</b>") || !strings.Contains(document, "<w:br/>") {
			t.Errorf("%s: values are not kept as text", want.kind)
		}
	}
}
