package edxml

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"html"
	"io"

	"tram/agent/problem"
)

// contentPath leads from the root to the content of an attachment, by local
// names. Namespaces are judged by the parser.
var contentPath = [...]string{"edXML", "AttachmentEncoded", "Attachment", "ContentTransferEncoded"}

const splitBuffer = 64 << 10

// splitter copies a message without the contents of its attachments, which it
// decodes on the way. It only finds where tags, comments, instructions and
// character data begin and end: whether the copy, the skeleton, is well-formed
// is for the parser to say, which reads the same marks at the same bytes.
type splitter struct {
	in       *bufio.Reader
	limits   ReadOptions
	skeleton []byte
	depth    int
	matched  int // open elements that follow contentPath
	places   []*place
	open     *place // the content that is being read
	total    int64  // decoded bytes of all contents
	leaf     int    // where the text of the newest element begins
	name     string // AttachmentName of the open attachment, when it came already
}

// place is one place for a content, in the order of the message.
type place struct {
	content
	offset int    // in the skeleton, behind the start tag
	tag    string // the element's name with prefix, when its tag closes itself
}

// split reads a whole message. It fails at what needs no tree to be refused: a
// DOCTYPE and a limit that is exceeded. The splitter is returned in any case.
func split(r io.Reader, limits ReadOptions) (*splitter, error) {
	s := &splitter{in: bufio.NewReaderSize(r, splitBuffer), limits: limits.withDefaults()}
	err := s.run()
	if s.open != nil {
		err = errors.Join(err, s.finish())
	}
	return s, err
}

func (s *splitter) run() error {
	for {
		err := s.text()
		if err == nil {
			err = s.markup()
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil // the parser sees whether something is missing
		case err != nil:
			return err
		}
	}
}

// text takes everything up to the next "<", and that.
func (s *splitter) text() error {
	for {
		chunk, err := s.in.ReadSlice('<')
		if err == nil {
			chunk = chunk[:len(chunk)-1]
		}
		if s.inContent() {
			if e := s.take(chunk, false); e != nil {
				return e
			}
		} else if e := s.keep(chunk); e != nil {
			return e
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return readError(err)
		}
	}
}

func readError(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return fmt.Errorf("read edXML: %w", err)
}

func (s *splitter) inContent() bool { return s.open != nil && s.depth == len(contentPath) }

func (s *splitter) keep(chunk []byte) error {
	if len(s.skeleton)+len(chunk) > MaxMessage {
		return errTooLarge()
	}
	s.skeleton = append(s.skeleton, chunk...)
	return nil
}

// markup takes what follows "<".
func (s *splitter) markup() error {
	if s.open != nil {
		s.open.content.boundary()
	}
	head, _ := s.in.Peek(len("![CDATA[")) // an error comes again with the next read
	switch {
	case bytes.HasPrefix(head, []byte("!--")):
		return s.through("!--", "-->")
	case bytes.HasPrefix(head, []byte("![CDATA[")):
		if s.inContent() {
			return s.cdata()
		}
		return s.through("![CDATA[", "]]>")
	case bytes.HasPrefix(head, []byte("!")):
		return problem.New(problem.Usage, "edxml.doctype", "", nil)
	case bytes.HasPrefix(head, []byte("?")):
		return s.through("?", "?>")
	case bytes.HasPrefix(head, []byte("/")):
		return s.endTag()
	}
	return s.startTag()
}

// through keeps "<", opening and everything to the end of closing.
func (s *splitter) through(opening, closing string) error {
	if err := s.keep([]byte("<" + opening)); err != nil {
		return err
	}
	_, _ = s.in.Discard(len(opening)) // markup has seen it
	start := len(s.skeleton)
	for {
		chunk, err := s.in.ReadSlice('>')
		if e := s.keep(chunk); e != nil {
			return e
		}
		switch {
		case err == nil && bytes.HasSuffix(s.skeleton[start:], []byte(closing)):
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return readError(err)
		}
	}
}

// cdata takes a CDATA section of a content.
func (s *splitter) cdata() error {
	_, _ = s.in.Discard(len("![CDATA["))
	for {
		chunk, err := s.in.ReadSlice(']')
		if err == nil {
			chunk = chunk[:len(chunk)-1]
		}
		if e := s.take(chunk, true); e != nil {
			return e
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return readError(err)
		}
		if next, _ := s.in.Peek(2); string(next) == "]>" {
			_, _ = s.in.Discard(2)
			return nil
		}
		if e := s.take([]byte("]"), true); e != nil {
			return e
		}
	}
}

// tag keeps a tag, whose "<" was read, and returns it. A ">" between quotes
// does not end a start tag.
func (s *splitter) tag(quotes bool) ([]byte, error) {
	start := len(s.skeleton)
	if err := s.keep([]byte("<")); err != nil {
		return nil, err
	}
	var quote byte
	for {
		c, err := s.in.ReadByte()
		if err != nil {
			return nil, readError(err)
		}
		if len(s.skeleton) >= MaxMessage {
			return nil, errTooLarge()
		}
		s.skeleton = append(s.skeleton, c)
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case quotes && (c == '"' || c == '\''):
			quote = c
		case c == '>':
			return s.skeleton[start:], nil
		}
	}
}

// tagName returns the name in a tag, with and without its prefix.
func tagName(tag []byte) (full, local string) {
	name := bytes.TrimPrefix(tag[1:], []byte("/"))
	if end := bytes.IndexAny(name, " \t\r\n/>"); end >= 0 {
		name = name[:end]
	}
	return string(name), string(name[bytes.LastIndexByte(name, ':')+1:])
}

func (s *splitter) startTag() error {
	tag, err := s.tag(true)
	if err != nil {
		return err
	}
	full, local := tagName(tag)
	closed := tag[len(tag)-2] == '/'
	s.leaf = len(s.skeleton)
	on := s.depth == s.matched && s.matched < len(contentPath) && local == contentPath[s.matched]
	if on && s.matched == len(contentPath)-1 {
		if err := s.begin(full, closed); err != nil {
			return err
		}
	}
	if closed {
		return nil
	}
	s.depth++
	if on {
		s.matched++
		if s.matched == len(contentPath)-1 {
			s.name = ""
		}
	}
	return nil
}

func (s *splitter) endTag() error {
	text := s.skeleton[min(s.leaf, len(s.skeleton)):]
	tag, err := s.tag(false)
	if err != nil {
		return err
	}
	if s.inContent() {
		if err := s.finish(); err != nil {
			return err
		}
	}
	s.depth = max(0, s.depth-1)
	s.matched = min(s.matched, s.depth)
	const inAttachment = len(contentPath) - 1
	if s.depth == inAttachment && s.matched == inAttachment {
		if _, local := tagName(tag); local == "AttachmentName" {
			s.name = html.UnescapeString(string(bytes.TrimSpace(text)))
		}
	}
	return nil
}

// begin makes the place for a content and opens where it goes.
func (s *splitter) begin(tag string, closed bool) error {
	if len(s.places) >= s.limits.MaxAttachments {
		return errTooMany(s.limits.MaxAttachments)
	}
	p := &place{offset: len(s.skeleton)}
	if closed {
		p.tag = tag
	}
	if err := p.content.open(s.limits.Stage, len(s.places)); err != nil {
		return err
	}
	s.places = append(s.places, p)
	if s.open = p; closed {
		return s.finish()
	}
	return nil
}

func (s *splitter) finish() error {
	p := s.open
	s.open = nil
	p.content.flush()
	return p.content.close()
}

// take decodes a piece of the open content.
func (s *splitter) take(chunk []byte, literal bool) error {
	p := s.open
	for len(chunk) > 0 {
		n := min(len(chunk), contentPiece)
		if err := p.content.write(chunk[:n], literal); err != nil {
			return err
		}
		if err := s.room(p); err != nil {
			return err
		}
		chunk = chunk[n:]
	}
	return nil
}

// room counts what a content has grown by, against the limits.
func (s *splitter) room(p *place) error {
	s.total += p.content.grown()
	switch {
	case p.content.size > s.limits.MaxAttachment || p.content.raw > 2*s.limits.MaxAttachment+splitBuffer:
		return errAttachmentLarge(s.label(), s.limits.MaxAttachment)
	case s.total > s.limits.MaxTotal:
		return errTotalLarge(s.limits.MaxTotal)
	}
	return nil
}

// label names the attachment that is being read, for an error.
func (s *splitter) label() string { return label(s.name, len(s.places)) }

// breaks counts the line breaks that the skeleton lacks before an offset of it.
func (s *splitter) breaks(offset int64) int {
	lines := 0
	for _, p := range s.places {
		if int64(p.offset) <= offset {
			lines += p.content.breaks
		}
	}
	return lines
}
