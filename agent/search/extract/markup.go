package extract

import (
	"bufio"
	"errors"
	"fmt"
	"html"
	"io"
	"strings"
)

const (
	maxTag    = 4096 // bytes of a tag that are looked at
	maxEntity = 32   // bytes of a character's name
)

// scanner reads XML and HTML as they come: it needs no end tags and holds one
// tag at a time.
type scanner struct {
	in   *bufio.Reader
	text func(rune) error
	tag  func(name, attributes string) error // "/p" for an end
}

func (s *scanner) run() error {
	for {
		c, _, err := s.in.ReadRune()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUnreadable, err)
		}
		switch c {
		case '<':
			err = s.readTag()
		case '&':
			err = s.entity()
		default:
			err = s.text(c)
		}
		if err != nil {
			return err
		}
	}
}

// readTag reads a tag, a comment or a section behind its "<".
func (s *scanner) readTag() error {
	for _, special := range []struct{ open, close string }{{"!--", "-->"}, {"![CDATA[", "]]>"}} {
		if head, _ := s.in.Peek(len(special.open)); string(head) == special.open {
			_, _ = s.in.Discard(len(special.open)) // it was seen
			return s.until(special.close, special.open == "![CDATA[")
		}
	}
	var tag strings.Builder
	quote, value := byte(0), false
	for {
		c, err := s.in.ReadByte()
		if err != nil {
			return ended(err)
		}
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && c == '=':
			value = true
		case quote == 0 && value && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && c == '>':
			return s.tagged(strings.Map(oneSpace, tag.String()))
		}
		if tag.Len() < maxTag {
			tag.WriteByte(c)
		}
	}
}

// tagged tells of a tag; one that ends itself is told twice.
func (s *scanner) tagged(tag string) error {
	tag, single := strings.CutSuffix(tag, "/")
	name, attributes, _ := strings.Cut(tag, " ")
	err := s.tag(name, attributes)
	if err == nil && single {
		err = s.tag("/"+name, "")
	}
	return err
}

func oneSpace(r rune) rune {
	if r == '\n' || r == '\r' || r == '\t' {
		return ' '
	}
	return r
}

// ended turns the end of the input into the end of the text.
func ended(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrUnreadable, err)
}

// until skips or shows what stands before end.
func (s *scanner) until(end string, show bool) error {
	for {
		head, err := s.in.Peek(len(end))
		if string(head) == end {
			_, err = s.in.Discard(len(end))
			return ended(err)
		}
		if err != nil && len(head) == 0 {
			return ended(err)
		}
		c, _, err := s.in.ReadRune()
		if err != nil {
			return ended(err)
		}
		if show {
			if err := s.text(c); err != nil {
				return err
			}
		}
	}
}

// entity reads a character by name or number behind its "&".
func (s *scanner) entity() error {
	head, _ := s.in.Peek(maxEntity)
	if end := strings.IndexByte(string(head), ';'); end > 0 {
		name := "&" + string(head[:end+1])
		if text := html.UnescapeString(name); text != name {
			_, _ = s.in.Discard(end + 1) // it was seen
			for _, c := range text {
				if err := s.text(c); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return s.text('&')
}

// within are the tags of HTML that part no words.
var within = map[string]bool{
	"a": true, "abbr": true, "b": true, "bdi": true, "bdo": true, "cite": true, "code": true, "del": true, "dfn": true, "em": true, "font": true,
	"i": true, "ins": true, "kbd": true, "mark": true, "q": true, "s": true, "samp": true, "small": true, "span": true, "strike": true,
	"strong": true, "sub": true, "sup": true, "tt": true, "u": true, "var": true, "wbr": true,
}

// hidden are those whose content nobody sees.
var hidden = map[string]bool{"script": true, "style": true, "template": true}

// markup reads XML and HTML: all text, without what tags say.
func markup(r io.Reader, out *sink) error {
	in, err := decoded(r)
	if err != nil {
		return err
	}
	skip := ""
	s := &scanner{in: in,
		tag: func(name, _ string) error {
			name = strings.ToLower(name)
			switch {
			case skip != "":
				if name == "/"+skip {
					skip = ""
				}
			case hidden[name]:
				skip = name
			case !within[strings.TrimPrefix(name, "/")]:
				out.newline()
			}
			return nil
		},
		text: func(c rune) error {
			if skip == "" {
				out.rune(c)
			}
			return enough(out)
		},
	}
	return s.run()
}

func enough(out *sink) error {
	if out.full() {
		out.part = true
		return errEnough
	}
	return nil
}
