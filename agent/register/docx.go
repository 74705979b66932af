package register

import (
	"bytes"
	"fmt"
	"strings"

	"tram/agent/i18n"
	"tram/agent/typeset"
)

// DOCX makes a text document: A4 landscape, the titles again on each page, no
// line split over two pages. Pages are the word processor's own; the book that
// is bound is the PDF.
func (t Table) DOCX() ([]byte, error) {
	if err := check(t.Book, t.Lines); err != nil {
		return nil, err
	}
	const main = "application/vnd.openxmlformats-officedocument.wordprocessingml."
	var out bytes.Buffer
	err := typeset.OPC(&out, []typeset.OPCPart{
		{Name: "[Content_Types].xml", Text: typeset.ContentTypes([2]string{"/word/document.xml", main + "document.main+xml"}, [2]string{"/word/styles.xml", main + "styles+xml"},
			[2]string{"/word/footer1.xml", main + "footer+xml"}, [2]string{"/docProps/core.xml", typeset.TypeCore})},
		{Name: "_rels/.rels", Text: typeset.Relationships([2]string{typeset.RelOffice, "word/document.xml"}, [2]string{typeset.RelCore, "docProps/core.xml"})},
		{Name: "docProps/core.xml", Text: typeset.CoreProperties(t.Book.Title(), t.Volume.Office, t.Made)},
		{Name: "word/document.xml", Text: t.document()},
		{Name: "word/_rels/document.xml.rels", Text: typeset.Relationships([2]string{typeset.RelStyles, "styles.xml"}, [2]string{typeset.RelFooter, "footer1.xml"})},
		{Name: "word/styles.xml", Text: docxStyles},
		{Name: "word/footer1.xml", Text: docxFooter()},
	})
	return out.Bytes(), err
}

const wordNS = `xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"`

const docxStyles = `<w:styles ` + wordNS + `><w:docDefaults><w:rPrDefault><w:rPr><w:rFonts w:ascii="Times New Roman" w:hAnsi="Times New Roman" w:eastAsia="Times New Roman" w:cs="Times New Roman"/>` +
	`<w:sz w:val="20"/><w:szCs w:val="20"/><w:lang w:val="vi-VN"/></w:rPr></w:rPrDefault></w:docDefaults>` +
	`<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/></w:style></w:styles>`

// dxa is millimetres in twentieths of a point.
func dxa(mm int) int { return mm * 14400 / 254 }

func (t Table) document() string {
	var b strings.Builder
	b.WriteString(`<w:document ` + wordNS + `><w:body>`)
	if t.Volume.Superior != "" {
		docxParagraph(&b, strings.ToUpper(t.Volume.Superior), Left, 22, false)
	}
	docxParagraph(&b, strings.ToUpper(t.Volume.Office), Left, 22, true)
	docxParagraph(&b, t.Book.Title(), Center, 28, true)
	docxParagraph(&b, strings.Join(Cover{t.Book, t.Volume}.Lines(), " · "), Center, 22, false)
	b.WriteString(`<w:tbl><w:tblPr><w:tblW w:w="` + fmt.Sprint(dxa(BodyWidth)) + `" w:type="dxa"/><w:tblBorders>`)
	for _, side := range []string{"top", "left", "bottom", "right", "insideH", "insideV"} {
		b.WriteString(`<w:` + side + ` w:val="single" w:sz="4" w:space="0" w:color="000000"/>`)
	}
	b.WriteString(`</w:tblBorders><w:tblLayout w:type="fixed"/><w:tblCellMar><w:left w:w="57" w:type="dxa"/><w:right w:w="57" w:type="dxa"/></w:tblCellMar></w:tblPr><w:tblGrid>`)
	for _, c := range t.Book.Columns {
		fmt.Fprintf(&b, `<w:gridCol w:w="%d"/>`, dxa(c.Width))
	}
	b.WriteString(`</w:tblGrid>`)
	t.docxRow(&b, true, true, func(i int) string { return t.Book.Columns[i].Title() })
	t.docxRow(&b, true, false, func(i int) string { return fmt.Sprintf("(%d)", i+1) })
	for _, l := range t.Lines {
		t.docxRow(&b, false, false, func(i int) string { return l.value(t.Book.Columns[i].Field) })
	}
	b.WriteString(`</w:tbl><w:p/>`)
	fmt.Fprintf(&b, `<w:sectPr><w:footerReference w:type="default" r:id="rId2"/><w:pgSz w:w="16838" w:h="11906" w:orient="landscape"/>`+
		`<w:pgMar w:top="%d" w:right="%d" w:bottom="%d" w:left="%d" w:header="400" w:footer="400" w:gutter="0"/></w:sectPr></w:body></w:document>`, dxa(12), dxa(15), dxa(15), dxa(25))
	return b.String()
}

func (t Table) docxRow(b *strings.Builder, header, strong bool, text func(i int) string) {
	b.WriteString(`<w:tr><w:trPr><w:cantSplit/>`)
	if header {
		b.WriteString(`<w:tblHeader/>`)
	}
	b.WriteString(`</w:trPr>`)
	for i, c := range t.Book.Columns {
		align, upright := c.Align, "top"
		if header {
			align, upright = Center, "center"
		}
		fmt.Fprintf(b, `<w:tc><w:tcPr><w:tcW w:w="%d" w:type="dxa"/><w:vAlign w:val="%s"/></w:tcPr>`, dxa(c.Width), upright)
		docxParagraph(b, text(i), align, 20, strong)
		b.WriteString(`</w:tc>`)
	}
	b.WriteString(`</w:tr>`)
}

// docxParagraph writes one paragraph; size is in half points.
func docxParagraph(b *strings.Builder, text string, align Align, size int, strong bool) {
	b.WriteString(`<w:p><w:pPr>`)
	if align == Center {
		b.WriteString(`<w:jc w:val="center"/>`)
	}
	b.WriteString(`</w:pPr>`)
	for i, line := range strings.Split(typeset.Escape(text), "\n") {
		b.WriteString(`<w:r><w:rPr>`)
		if strong {
			b.WriteString(`<w:b/>`)
		}
		fmt.Fprintf(b, `<w:sz w:val="%d"/></w:rPr>`, size)
		if i > 0 {
			b.WriteString(`<w:br/>`)
		}
		b.WriteString(`<w:t xml:space="preserve">` + line + `</w:t></w:r>`)
	}
	b.WriteString(`</w:p>`)
}

// docxFooter counts the pages: Trang 1/3.
func docxFooter() string {
	text := word("page", i18n.Args{"page": docxField("PAGE"), "of": docxField("NUMPAGES")})
	return `<w:ftr ` + wordNS + `><w:p><w:pPr><w:jc w:val="center"/></w:pPr><w:r><w:t xml:space="preserve">` + text + `</w:t></w:r></w:p></w:ftr>`
}

// docxField is a field in the middle of a run of text.
func docxField(name string) string {
	return `</w:t></w:r><w:fldSimple w:instr="` + name + `"><w:r><w:t>1</w:t></w:r></w:fldSimple><w:r><w:t xml:space="preserve">`
}
