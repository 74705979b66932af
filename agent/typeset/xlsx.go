package typeset

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"regexp"
	"strconv"
	"time"
)

// Spreadsheet is a table as a file for spreadsheet programs: A4 landscape, the
// titles again on each printed page. Every value is text, also one that looks
// like a number, a date or a formula.
type Spreadsheet struct {
	Title, Author string
	Made          time.Time // stands in the file's properties; zero for no date
	Above         [3]string // the lines above: whose, what, which
	Columns       []SheetColumn
	Heads         []SheetHead
	Merges        []string // ranges of heads that are one cell, such as "A5:A6"
	Footer        string   // &P and &N are page and number of pages
	Rows          iter.Seq2[[]string, error]
}

// SheetColumn is a column of a spreadsheet.
type SheetColumn struct {
	Width int // in millimetres
	Align Align
}

// SheetHead is a row of titles, or of the numbers of columns.
type SheetHead struct {
	Cells   []string
	Numbers bool
}

// FirstHead is the row of the first head: behind the lines above and an empty one.
const FirstHead = 5

// Write writes the file as its rows come.
func (s Spreadsheet) Write(w io.Writer) error {
	const main = "application/vnd.openxmlformats-officedocument.spreadsheetml."
	return OPC(w, []OPCPart{
		{Name: "[Content_Types].xml", Text: ContentTypes([2]string{"/xl/workbook.xml", main + "sheet.main+xml"}, [2]string{"/xl/worksheets/sheet1.xml", main + "worksheet+xml"},
			[2]string{"/xl/styles.xml", main + "styles+xml"}, [2]string{"/docProps/core.xml", TypeCore})},
		{Name: "_rels/.rels", Text: Relationships([2]string{RelOffice, "xl/workbook.xml"}, [2]string{RelCore, "docProps/core.xml"})},
		{Name: "docProps/core.xml", Text: CoreProperties(s.Title, s.Author, s.Made)},
		{Name: "xl/workbook.xml", Text: s.workbook()},
		{Name: "xl/_rels/workbook.xml.rels", Text: Relationships([2]string{RelWorksheet, "worksheets/sheet1.xml"}, [2]string{RelStyles, "styles.xml"})},
		{Name: "xl/styles.xml", Text: xlsxStyles},
		{Name: "xl/worksheets/sheet1.xml", Body: s.worksheet},
	})
}

// sheetName is the name of the one sheet; spreadsheets allow 31 characters.
const sheetName = "So"

// lastHead is the row of the last head.
func (s Spreadsheet) lastHead() int { return FirstHead + len(s.Heads) - 1 }

func (s Spreadsheet) workbook() string {
	return fmt.Sprintf(`<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">`+
		`<sheets><sheet name="%s" sheetId="1" r:id="rId1"/></sheets>`+
		`<definedNames><definedName name="_xlnm.Print_Titles" localSheetId="0">%s!$%d:$%d</definedName></definedNames></workbook>`,
		sheetName, sheetName, FirstHead, s.lastHead())
}

// Styles of cells, by index in xlsxStyles.
const (
	styleText = iota
	styleCode
	styleTitle
	styleBook
	stylePlain
)

// xlsxStyles has quotePrefix wherever a value stands, so that it stays text
// when somebody edits the cell.
const xlsxStyles = `<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">` +
	`<fonts count="3"><font><sz val="10"/><name val="Times New Roman"/></font><font><b/><sz val="10"/><name val="Times New Roman"/></font><font><b/><sz val="14"/><name val="Times New Roman"/></font></fonts>` +
	`<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>` +
	`<borders count="2"><border/><border><left style="thin"/><right style="thin"/><top style="thin"/><bottom style="thin"/></border></borders>` +
	`<cellStyleXfs count="1"><xf fontId="0"/></cellStyleXfs><cellXfs count="5">` +
	`<xf numFmtId="49" fontId="0" fillId="0" borderId="1" xfId="0" quotePrefix="1" applyNumberFormat="1" applyFont="1" applyBorder="1" applyAlignment="1"><alignment vertical="top" wrapText="1"/></xf>` +
	`<xf numFmtId="49" fontId="0" fillId="0" borderId="1" xfId="0" quotePrefix="1" applyNumberFormat="1" applyFont="1" applyBorder="1" applyAlignment="1"><alignment horizontal="center" vertical="top" wrapText="1"/></xf>` +
	`<xf numFmtId="49" fontId="1" fillId="0" borderId="1" xfId="0" applyNumberFormat="1" applyFont="1" applyBorder="1" applyAlignment="1"><alignment horizontal="center" vertical="center" wrapText="1"/></xf>` +
	`<xf numFmtId="49" fontId="2" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1" applyAlignment="1"><alignment horizontal="center"/></xf>` +
	`<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" quotePrefix="1" applyNumberFormat="1" applyFont="1"/>` +
	`</cellXfs></styleSheet>`

func (s Spreadsheet) worksheet(w io.Writer) error {
	b := bufio.NewWriter(w)
	last := ColumnName(len(s.Columns) - 1)
	b.WriteString(`<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetPr><pageSetUpPr fitToPage="1"/></sheetPr>`)
	fmt.Fprintf(b, `<sheetViews><sheetView workbookViewId="0"><pane ySplit="%d" topLeftCell="A%d" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>`, s.lastHead(), s.lastHead()+1)
	b.WriteString(`<cols>`)
	for i, c := range s.Columns {
		fmt.Fprintf(b, `<col min="%d" max="%d" width="%.1f" customWidth="1"/>`, i+1, i+1, xlsxWidth(c.Width))
	}
	b.WriteString(`</cols><sheetData>`)
	for i, high := range []float64{16, 22, 16} {
		style := stylePlain
		if i == 1 {
			style = styleBook
		}
		xlsxRow(b, 1+i, high, s.Above[i:i+1], func(int) int { return style })
	}
	for i, h := range s.Heads {
		high, style := float64(15), styleCode
		if !h.Numbers {
			high, style = s.height(h.Cells, Bold), styleTitle
		}
		xlsxRow(b, FirstHead+i, high, h.Cells, func(int) int { return style })
	}
	n := s.lastHead()
	for values, err := range s.Rows {
		if err != nil {
			return err
		}
		n++
		xlsxRow(b, n, s.height(values, Regular), values, func(i int) int {
			if s.Columns[i].Align == Center {
				return styleCode
			}
			return styleText
		})
	}
	merges := append([]string{"A2:" + last + "2"}, s.Merges...)
	fmt.Fprintf(b, `</sheetData><mergeCells count="%d">`, len(merges))
	for _, m := range merges {
		fmt.Fprintf(b, `<mergeCell ref="%s"/>`, m)
	}
	b.WriteString(`</mergeCells><pageMargins left="0.98" right="0.59" top="0.6" bottom="0.6" header="0.3" footer="0.3"/>` +
		`<pageSetup paperSize="9" orientation="landscape" fitToWidth="1" fitToHeight="0"/>` +
		`<headerFooter><oddFooter>&amp;C` + Escape(s.Footer) + `</oddFooter></headerFooter></worksheet>`)
	return b.Flush()
}

// xlsxWidth is a width on paper in characters, as spreadsheets count them: 7
// points of a screen of 96 to the inch each, and somewhat more: programs set
// text wider than paper, and the sheet is made to fit its width when printed.
func xlsxWidth(mm int) float64 { return float64(mm)*96/25.4/7 + 0.8 }

// Heights of rows in points: spreadsheets do not work them out when they open a
// file. They set lines less tightly than we do, hence the room.
const (
	xlsxLine           = 13.5
	xlsxPad            = 3
	xlsxHighest        = 409 // a row cannot be higher
	xlsxSize    Length = 10_000
)

// height is how high the row of a line must be.
func (s Spreadsheet) height(values []string, f Face) float64 {
	most := 1
	for i, v := range values {
		v = Printable(Clean(v))
		if runes := []rune(v); len(runes) > MaxSet {
			v = string(runes[:MaxSet])
		}
		most = max(most, len(Wrap(v, f, xlsxSize, MM(s.Columns[i].Width*10)*95/100)))
	}
	return min(float64(most)*xlsxLine+xlsxPad, xlsxHighest)
}

// xlsxEscape is what a spreadsheet would read as an escaped character.
var xlsxEscape = regexp.MustCompile(`_x([0-9A-Fa-f]{4}_)`)

func xlsxRow(b *bufio.Writer, n int, high float64, values []string, style func(i int) int) {
	fmt.Fprintf(b, `<row r="%d" ht="%.1f" customHeight="1">`, n, high)
	for i, v := range values {
		ref := ColumnName(i) + strconv.Itoa(n)
		if v = Escape(v); v == "" {
			fmt.Fprintf(b, `<c r="%s" s="%d"/>`, ref, style(i))
			continue
		}
		fmt.Fprintf(b, `<c r="%s" s="%d" t="inlineStr"><is><t xml:space="preserve">%s</t></is></c>`, ref, style(i), xlsxEscape.ReplaceAllString(v, "_x005F_x$1"))
	}
	b.WriteString(`</row>`)
}

// ColumnName is A, B, …; no table has more than 26 columns.
func ColumnName(i int) string { return string(rune('A' + i)) }
