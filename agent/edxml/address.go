package edxml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ErrNobody says that a message would be left without a recipient.
var ErrNobody = errors.New("message has none of the recipients")

// Addressed is a document's message, with or without the contents of its
// attachments, without those recipients that keep does not want. Everything
// else stays byte for byte. The message is one that [Decode] or [Read] takes.
func Addressed(skeleton []byte, keep func(code string) bool) ([]byte, error) {
	r := bytes.NewReader(skeleton)
	mark := len(skeleton) - len(bytes.TrimPrefix(skeleton, []byte(byteOrderMark)))
	_, _ = r.Seek(int64(mark), io.SeekStart) // within it
	d := xml.NewDecoder(r)
	d.Strict = true
	var out []byte
	var path []string
	done, from, left := 0, 0, 0
	var code strings.Builder
	for {
		start := mark + int(d.InputOffset())
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read edXML: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if path = append(path, t.Name.Local); isTo(path) && len(path) == len(toPath) {
				from = start
				code.Reset()
			}
		case xml.CharData:
			if isTo(path) && len(path) == len(toPath)+1 && path[len(toPath)] == "OrganId" {
				code.Write(t)
			}
		case xml.EndElement:
			if isTo(path) && len(path) == len(toPath) {
				if keep(strings.TrimSpace(code.String())) {
					left++
				} else {
					out = append(out, skeleton[done:from]...)
					done = mark + int(d.InputOffset())
				}
			}
			path = path[:max(len(path)-1, 0)]
		}
	}
	if left == 0 {
		return nil, ErrNobody
	}
	return append(out, skeleton[done:]...), nil
}

// toPath leads to the recipients, by local names.
var toPath = []string{"edXML", "edXMLEnvelope", "edXMLHeader", "MessageHeader", "To"}

func isTo(path []string) bool {
	return len(path) >= len(toPath) && slices.Equal(path[:len(toPath)], toPath)
}
