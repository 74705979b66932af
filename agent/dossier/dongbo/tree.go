package dongbo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Bounds of what is read.
const (
	MaxDepth = 12      // levels of objects and lists
	maxNodes = 200_000 // values of one payload
	maxName  = 200     // bytes of a member's name
	// otherDepth is the deepest level at which an unknown member can stand.
	otherDepth = 6
)

// kind is the kind of a value.
type kind byte

const (
	null kind = iota
	boolean
	number
	text
	list
	object
)

// node is a value of JSON.
type node struct {
	kind  kind
	text  string // of a text, number or boolean
	names []string
	items []node // of a list, or of the members
}

// parser reads one value within bounds.
type parser struct {
	d    *json.Decoder
	left int
}

// parse reads the one value that raw holds, which stands at a level of depth.
func parse(raw []byte, depth int) (node, error) {
	if len(raw) > MaxPayload {
		return node{}, fmt.Errorf("more than %d bytes", MaxPayload)
	}
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(raw) {
		return node{}, errors.New("not UTF-8")
	}
	p := &parser{json.NewDecoder(bytes.NewReader(raw)), maxNodes}
	p.d.UseNumber()
	n, err := p.value(depth)
	if err != nil {
		return node{}, err
	}
	if _, err := p.d.Token(); !errors.Is(err, io.EOF) {
		return node{}, errors.New("something stands behind the value")
	}
	return n, nil
}

func (p *parser) value(depth int) (n node, err error) {
	t, err := p.d.Token()
	if err != nil {
		return n, err
	}
	if p.left--; p.left < 0 {
		return n, fmt.Errorf("more than %d values", maxNodes)
	}
	switch t := t.(type) {
	case string:
		return node{kind: text, text: t}, nil
	case json.Number:
		return node{kind: number, text: t.String()}, nil
	case bool:
		return node{kind: boolean, text: fmt.Sprint(t)}, nil
	case json.Delim:
		if depth >= MaxDepth {
			return n, fmt.Errorf("more than %d levels", MaxDepth)
		}
		n.kind = list
		if t == '{' {
			n.kind = object
		}
		err := p.within(&n, depth+1)
		return n, err
	}
	return n, nil // null
}

// within reads what an object or a list holds, and its end.
func (p *parser) within(n *node, depth int) error {
	for p.d.More() {
		if n.kind == object {
			t, err := p.d.Token()
			if err != nil {
				return err
			}
			name, _ := t.(string)
			if len(name) > maxName {
				return fmt.Errorf("a name has more than %d bytes", maxName)
			}
			n.names = append(n.names, name)
		}
		item, err := p.value(depth)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
	_, err := p.d.Token()
	return err
}

// write writes the value without space between its parts.
func (n node) write(buf *bytes.Buffer) {
	switch n.kind {
	case null:
		buf.WriteString("null")
	case text:
		writeText(buf, n.text)
	case list, object:
		open, end := byte('['), byte(']')
		if n.kind == object {
			open, end = '{', '}'
		}
		buf.WriteByte(open)
		for i, item := range n.items {
			if i > 0 {
				buf.WriteByte(',')
			}
			if n.kind == object {
				writeText(buf, n.names[i])
				buf.WriteByte(':')
			}
			item.write(buf)
		}
		buf.WriteByte(end)
	default:
		buf.WriteString(n.text)
	}
}
