package hotfolder

import (
	"bytes"
	"encoding/xml"
	"io"
	"path"
	"slices"
	"strings"
)

// Of the ends of a file that are looked at, bytes.
const (
	endOfXML   = 4 << 10
	endOfPDF   = 1 << 10
	endOfZip   = 22 + 1<<16 // the record of the end with the longest comment
	endOfOther = 512
	headOfXML  = 4 << 10
)

// zipped are formats that are zip files.
var zipped = []string{".zip", ".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp", ".asice", ".sce"}

// isWhole reports whether the end of a file is there, as far as its format
// shows that: a copy that was cut off, or space that was set aside and not yet
// written, is not whole. An empty file never is.
func isWhole(name string, r io.ReaderAt, size int64) (bool, error) {
	if size == 0 {
		return false, nil
	}
	ext := strings.ToLower(path.Ext(name))
	most := int64(endOfOther)
	switch {
	case ext == messageExt:
		most = endOfXML
	case ext == ".pdf":
		most = endOfPDF
	case slices.Contains(zipped, ext):
		most = endOfZip
	}
	end, err := part(r, max(0, size-most), min(most, size))
	if err != nil {
		return false, err
	}
	last := end[max(0, len(end)-endOfOther):]
	if len(bytes.Trim(last, "\x00")) == 0 {
		return false, nil
	}
	switch {
	case ext == messageExt:
		head, err := part(r, 0, min(headOfXML, size))
		return err == nil && closed(head, end), err
	case ext == ".pdf":
		return bytes.Contains(end, []byte("%%EOF")), nil
	case slices.Contains(zipped, ext):
		return bytes.Contains(end, []byte("PK\x05\x06")), nil
	}
	return true, nil
}

func part(r io.ReaderAt, off, n int64) ([]byte, error) {
	p := make([]byte, n)
	got, err := r.ReadAt(p, off)
	if err == io.EOF {
		err = nil
	}
	return p[:got], err
}

// closed reports whether the element that a message begins with ends. What is no
// XML is for the office to refuse with the reason.
func closed(head, end []byte) bool {
	if bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) {
		return true // UTF-16
	}
	if bytes.HasPrefix(head, []byte{0}) {
		return false
	}
	d := xml.NewDecoder(bytes.NewReader(head))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	for {
		t, err := d.RawToken()
		if err != nil {
			return true
		}
		if start, ok := t.(xml.StartElement); ok {
			name := start.Name.Local
			if start.Name.Space != "" {
				name = start.Name.Space + ":" + name
			}
			i := bytes.LastIndex(end, []byte("</"+name))
			if i < 0 {
				return selfClosed(head, end)
			}
			rest := bytes.TrimLeft(end[i+2+len(name):], " \t\r\n")
			return bytes.HasPrefix(rest, []byte(">"))
		}
	}
}

// selfClosed reports whether a file is nothing but one empty element.
func selfClosed(head, end []byte) bool {
	return bytes.Equal(head, end) && bytes.HasSuffix(bytes.TrimSpace(end), []byte("/>"))
}
