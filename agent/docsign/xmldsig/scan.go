package xmldsig

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Errors of a document that cannot be checked. They say nothing of its
// signatures.
var (
	// ErrMalformed is a document that is not well-formed XML with namespaces,
	// or a package that is no ZIP archive of distinct names.
	ErrMalformed = errors.New("not well-formed")
	// ErrDoctype is a document type declaration, which could define entities,
	// defaults and ids.
	ErrDoctype = errors.New("document type declaration")
	// ErrEncoding is another encoding than UTF-8.
	ErrEncoding = errors.New("not UTF-8")
	// ErrLimit is an input beyond one of the limits.
	ErrLimit = errors.New("beyond a limit")
)

var utf8BOM = []byte("\xef\xbb\xbf")

// normalise returns a copy of data as an XML processor hands it on: line ends
// as LF (XML 1.0, 2.11) and white space in attribute values as spaces (3.3.3).
// encoding/xml does neither for attributes. It refuses what has a DOCTYPE.
func normalise(data []byte) ([]byte, error) {
	if len(data) > MaxXML {
		return nil, fmt.Errorf("%w: XML of more than %d bytes", ErrLimit, MaxXML)
	}
	data = bytes.TrimPrefix(data, utf8BOM)
	if !utf8.Valid(data) {
		return nil, ErrEncoding
	}
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	for i, c := range data {
		if c == '\r' {
			data[i] = '\n'
		}
	}
	for at := 0; ; {
		open := bytes.IndexByte(data[at:], '<')
		if open < 0 {
			return data, nil
		}
		end, err := skipMarkup(data[at+open:])
		if err != nil {
			return nil, err
		}
		at += open + end
	}
}

// skipMarkup returns the length of the markup at the start of data.
func skipMarkup(data []byte) (int, error) {
	for _, m := range []struct{ start, end string }{
		{"<!--", "-->"}, {"<![CDATA[", "]]>"}, {"<?", "?>"},
	} {
		if !bytes.HasPrefix(data, []byte(m.start)) {
			continue
		}
		end := bytes.Index(data[len(m.start):], []byte(m.end))
		if end < 0 {
			return 0, fmt.Errorf("%w: %s without end", ErrMalformed, m.start)
		}
		return len(m.start) + end + len(m.end), nil
	}
	if bytes.HasPrefix(data, []byte("<!")) {
		return 0, ErrDoctype
	}
	var quote byte
	for i, c := range data {
		switch {
		case quote == 0 && c == '>':
			return i + 1, nil
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0 && (c == '\n' || c == '\t'):
			data[i] = ' '
		}
	}
	return 0, fmt.Errorf("%w: tag without end", ErrMalformed)
}
