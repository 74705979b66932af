package register

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"tram/agent/i18n"
)

// Table is all lines of a book without pages, for programs that set their own.
type Table struct {
	Book   Book
	Volume Volume
	Lines  []Line
	Made   time.Time // stands in the file's properties; zero for no date
}

// XLSX makes a spreadsheet: A4 landscape, the columns of the book, their titles
// again on each printed page. Every value is text, also one that looks like a
// number, a date or a formula.
func (t Table) XLSX() ([]byte, error) {
	if err := check(t.Book, t.Lines); err != nil {
		return nil, err
	}
	const main = "application/vnd.openxmlformats-officedocument.spreadsheetml."
	return opc([]opcPart{
		{"[Content_Types].xml", contentTypes([2]string{"/xl/workbook.xml", main + "sheet.main+xml"}, [2]string{"/xl/worksheets/sheet1.xml", main + "worksheet+xml"},
			[2]string{"/xl/styles.xml", main + "styles+xml"}, [2]string{"/docProps/core.xml", typeCore})},
		{"_rels/.rels", relationships([2]string{relOffice, "xl/workbook.xml"}, [2]string{relCore, "docProps/core.xml"})},
		{"docProps/core.xml", coreProperties(t.Book.Title(), t.Volume.Office, t.Made)},
		{"xl/workbook.xml", t.workbook()},
		{"xl/_rels/workbook.xml.rels", relationships([2]string{relWorksheet, "worksheets/sheet1.xml"}, [2]string{relStyles, "styles.xml"})},
		{"xl/styles.xml", xlsxStyles},
		{"xl/worksheets/sheet1.xml", t.worksheet()},
	})
}

// Rows above the lines: office, title, year and days, titles, numbers.
const (
	xlsxTitles  = 5
	xlsxNumbers = 6
)

// sheetName is the name of the one sheet; spreadsheets allow 31 characters.
const sheetName = "So"

func (t Table) workbook() string {
	return fmt.Sprintf(`<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">`+
		`<sheets><sheet name="%s" sheetId="1" r:id="rId1"/></sheets>`+
		`<definedNames><definedName name="_xlnm.Print_Titles" localSheetId="0">%s!$%d:$%d</definedName></definedNames></workbook>`,
		sheetName, sheetName, xlsxTitles, xlsxNumbers)
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

func (t Table) worksheet() string {
	var b strings.Builder
	last := columnName(len(t.Book.Columns) - 1)
	b.WriteString(`<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetPr><pageSetUpPr fitToPage="1"/></sheetPr>`)
	fmt.Fprintf(&b, `<sheetViews><sheetView workbookViewId="0"><pane ySplit="%d" topLeftCell="A%d" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>`, xlsxNumbers, xlsxNumbers+1)
	b.WriteString(`<cols>`)
	for i, c := range t.Book.Columns {
		fmt.Fprintf(&b, `<col min="%d" max="%d" width="%.1f" customWidth="1"/>`, i+1, i+1, xlsxWidth(c.Width))
	}
	b.WriteString(`</cols><sheetData>`)
	xlsxRow(&b, 1, 16, []string{t.Volume.Office}, func(int) int { return stylePlain })
	xlsxRow(&b, 2, 22, []string{t.Book.Title()}, func(int) int { return styleBook })
	xlsxRow(&b, 3, 16, []string{strings.Join(Cover{t.Book, t.Volume}.Lines(), " · ")}, func(int) int { return stylePlain })
	titles, numbers := make([]string, len(t.Book.Columns)), make([]string, len(t.Book.Columns))
	for i, c := range t.Book.Columns {
		titles[i], numbers[i] = c.Title(), fmt.Sprintf("(%d)", i+1)
	}
	xlsxRow(&b, xlsxTitles, t.xlsxHeight(titles, bold), titles, func(int) int { return styleTitle })
	xlsxRow(&b, xlsxNumbers, 15, numbers, func(int) int { return styleCode })
	values := make([]string, len(t.Book.Columns))
	for n, l := range t.Lines {
		for i, c := range t.Book.Columns {
			values[i] = l.value(c.Field)
		}
		xlsxRow(&b, xlsxNumbers+1+n, t.xlsxHeight(values, regular), values, func(i int) int {
			if t.Book.Columns[i].Align == Center {
				return styleCode
			}
			return styleText
		})
	}
	fmt.Fprintf(&b, `</sheetData><mergeCells count="1"><mergeCell ref="A2:%s2"/></mergeCells>`, last)
	b.WriteString(`<pageMargins left="0.98" right="0.59" top="0.6" bottom="0.6" header="0.3" footer="0.3"/>` +
		`<pageSetup paperSize="9" orientation="landscape" fitToWidth="1" fitToHeight="0"/>` +
		`<headerFooter><oddFooter>&amp;C` + escape(word("page", i18n.Args{"page": "&P", "of": "&N"})) + `</oddFooter></headerFooter></worksheet>`)
	return b.String()
}

// xlsxWidth is a width on paper in characters, as spreadsheets count them: 7
// points of a screen of 96 to the inch each, and somewhat more: programs set
// text wider than paper, and the sheet is made to fit its width when printed.
func xlsxWidth(mm int) float64 { return float64(mm)*96/25.4/7 + 0.8 }

// Heights of rows in points: spreadsheets do not work them out when they open a
// file. They set lines less tightly than we do, hence the room.
const (
	xlsxLine        = 13.5
	xlsxPad         = 3
	xlsxHighest     = 409 // a row cannot be higher
	xlsxSize    mpt = 10_000
)

// xlsxHeight is how high the row of a line must be.
func (t Table) xlsxHeight(values []string, f face) float64 {
	most := 1
	for i, v := range values {
		v = printable(Clean(v))
		if runes := []rune(v); len(runes) > maxOnSheet {
			v = string(runes[:maxOnSheet])
		}
		most = max(most, len(wrap(v, f, xlsxSize, mm(t.Book.Columns[i].Width*10)*95/100)))
	}
	return min(float64(most)*xlsxLine+xlsxPad, xlsxHighest)
}

// xlsxEscape is what a spreadsheet would read as an escaped character.
var xlsxEscape = regexp.MustCompile(`_x([0-9A-Fa-f]{4}_)`)

func xlsxRow(b *strings.Builder, n int, high float64, values []string, style func(i int) int) {
	fmt.Fprintf(b, `<row r="%d" ht="%.1f" customHeight="1">`, n, high)
	for i, v := range values {
		ref := columnName(i) + strconv.Itoa(n)
		if v = escape(v); v == "" {
			fmt.Fprintf(b, `<c r="%s" s="%d"/>`, ref, style(i))
			continue
		}
		fmt.Fprintf(b, `<c r="%s" s="%d" t="inlineStr"><is><t xml:space="preserve">%s</t></is></c>`, ref, style(i), xlsxEscape.ReplaceAllString(v, "_x005F_x$1"))
	}
	b.WriteString(`</row>`)
}

// columnName is A, B, …; no book has more than 26 columns.
func columnName(i int) string { return string(rune('A' + i)) }
