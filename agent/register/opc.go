package register

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
	"time"
)

// opcPart is one part of an Office Open XML file.
type opcPart struct{ name, text string }

// opcTime is when the parts of every file say they were made, so that the same
// content gives the same bytes.
var opcTime = time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC)

const xmlHead = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"

// opc packs parts into a file. Times, order and names are fixed.
func opc(parts []opcPart) ([]byte, error) {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, p := range parts {
		w, err := z.CreateHeader(&zip.FileHeader{Name: p.name, Method: zip.Deflate, Modified: opcTime})
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", p.name, err)
		}
		if _, err := w.Write([]byte(xmlHead + p.text)); err != nil {
			return nil, fmt.Errorf("write %s: %w", p.name, err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("close file: %w", err)
	}
	return out.Bytes(), nil
}

// coreProperties are title, author and time of an Office file.
func coreProperties(title, author string, made time.Time) string {
	var b strings.Builder
	b.WriteString(`<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">`)
	b.WriteString(`<dc:title>` + escape(title) + `</dc:title><dc:creator>` + escape(author) + `</dc:creator><dc:language>vi-VN</dc:language>`)
	if !made.IsZero() {
		b.WriteString(`<dcterms:created xsi:type="dcterms:W3CDTF">` + made.UTC().Format(time.RFC3339) + `</dcterms:created>`)
	}
	b.WriteString(`</cp:coreProperties>`)
	return b.String()
}

// relationships of a part, in order rId1, rId2, …
func relationships(links ...[2]string) string {
	var b strings.Builder
	b.WriteString(`<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">`)
	for i, l := range links {
		fmt.Fprintf(&b, `<Relationship Id="rId%d" Type="%s" Target="%s"/>`, i+1, l[0], l[1])
	}
	b.WriteString(`</Relationships>`)
	return b.String()
}

// contentTypes names the type of each part.
func contentTypes(parts ...[2]string) string {
	var b strings.Builder
	b.WriteString(`<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
		`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
		`<Default Extension="xml" ContentType="application/xml"/>`)
	for _, p := range parts {
		fmt.Fprintf(&b, `<Override PartName="%s" ContentType="%s"/>`, p[0], p[1])
	}
	b.WriteString(`</Types>`)
	return b.String()
}

// Types of relationships and parts.
const (
	relOffice    = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
	relCore      = "http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties"
	relStyles    = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles"
	relWorksheet = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"
	relFooter    = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footer"
	typeCore     = "application/vnd.openxmlformats-package.core-properties+xml"
)

// escape writes cleaned text as XML.
func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(Clean(text))) // a Builder takes everything
	return strings.ReplaceAll(b.String(), "&#xA;", "\n")
}
