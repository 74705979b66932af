package typeset

import (
	"archive/zip"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// OPCPart is one part of an Office Open XML file.
type OPCPart struct {
	Name string
	Text string
	Body func(io.Writer) error // written behind Text when it is not nil
}

// opcTime is when the parts of every file say they were made, so that the same
// content gives the same bytes.
var opcTime = time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC)

const xmlHead = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"

// OPC packs parts into an Office file as they come. Times, order and names are fixed.
func OPC(w io.Writer, parts []OPCPart) error {
	z := zip.NewWriter(w)
	for _, p := range parts {
		part, err := z.CreateHeader(&zip.FileHeader{Name: p.Name, Method: zip.Deflate, Modified: opcTime})
		if err != nil {
			return fmt.Errorf("write %s: %w", p.Name, err)
		}
		if _, err := io.WriteString(part, xmlHead+p.Text); err != nil {
			return fmt.Errorf("write %s: %w", p.Name, err)
		}
		if p.Body == nil {
			continue
		}
		if err := p.Body(part); err != nil {
			return fmt.Errorf("write %s: %w", p.Name, err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("close file: %w", err)
	}
	return nil
}

// CoreProperties are title, author and time of an Office file.
func CoreProperties(title, author string, made time.Time) string {
	var b strings.Builder
	b.WriteString(`<cp:CoreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">`)
	b.WriteString(`<dc:title>` + Escape(title) + `</dc:title><dc:creator>` + Escape(author) + `</dc:creator><dc:language>vi-VN</dc:language>`)
	if !made.IsZero() {
		b.WriteString(`<dcterms:created xsi:type="dcterms:W3CDTF">` + made.UTC().Format(time.RFC3339) + `</dcterms:created>`)
	}
	b.WriteString(`</cp:CoreProperties>`)
	return b.String()
}

// Relationships of a part, in order rId1, rId2, …
func Relationships(links ...[2]string) string {
	var b strings.Builder
	b.WriteString(`<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/Relationships">`)
	for i, l := range links {
		fmt.Fprintf(&b, `<Relationship Id="rId%d" Type="%s" Target="%s"/>`, i+1, l[0], l[1])
	}
	b.WriteString(`</Relationships>`)
	return b.String()
}

// ContentTypes names the type of each part.
func ContentTypes(parts ...[2]string) string {
	var b strings.Builder
	b.WriteString(`<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
		`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.Relationships+xml"/>` +
		`<Default Extension="xml" ContentType="application/xml"/>`)
	for _, p := range parts {
		fmt.Fprintf(&b, `<Override PartName="%s" ContentType="%s"/>`, p[0], p[1])
	}
	b.WriteString(`</Types>`)
	return b.String()
}

// Types of relationships and parts.
const (
	RelOffice    = "http://schemas.openxmlformats.org/officeDocument/2006/Relationships/officeDocument"
	RelCore      = "http://schemas.openxmlformats.org/package/2006/Relationships/metadata/core-properties"
	RelStyles    = "http://schemas.openxmlformats.org/officeDocument/2006/Relationships/styles"
	RelWorksheet = "http://schemas.openxmlformats.org/officeDocument/2006/Relationships/worksheet"
	RelFooter    = "http://schemas.openxmlformats.org/officeDocument/2006/Relationships/footer"
	TypeCore     = "application/vnd.openxmlformats-package.core-properties+xml"
)

// Escape writes cleaned text as XML.
func Escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(Clean(text))) // a Builder takes everything
	return strings.ReplaceAll(b.String(), "&#xA;", "\n")
}
