package lgsp

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	maxNesting  = 32
	maxKey      = 1 << 10 // bytes of a name in JSON
	maxParts    = 32      // of a multipart answer
	extractSize = 64 << 10
	sniffed     = 64 // bytes by which base64 is told from a message
)

var errNoDocument = errors.New("answer holds no message")

// contentNames are the names under which answers hold a message.
var contentNames = map[string]bool{"edxml": true, "edoc": true, "edocfile": true, "content": true, "filecontent": true}

// extract copies the message out of the answer to a download, which is the
// message itself, a part of a multipart body, or a text in JSON, plain or in
// base64. What the answer says beside it is returned; without a message that is
// the axis's refusal.
func extract(r io.Reader, contentType string, w io.Writer) (a answer, e entry, err error) {
	in := bufio.NewReaderSize(r, extractSize)
	media, params, err := mime.ParseMediaType(contentType)
	if err == nil && strings.HasPrefix(media, "multipart/") {
		return answer{}, entry{}, extractPart(in, params["boundary"], w)
	}
	head, err := in.Peek(1)
	for err == nil && strings.ContainsRune(" \t\r\n", rune(head[0])) && strings.HasSuffix(media, "json") {
		_, _ = in.Discard(1) // it was peeked
		head, err = in.Peek(1)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return answer{}, entry{}, err
	}
	if len(head) == 0 || head[0] != '{' {
		_, err = io.Copy(w, in)
		return answer{}, entry{}, err
	}
	x := &extractor{in: in, w: w}
	if err := x.object(1); err != nil {
		return answer{}, entry{}, err
	}
	if !x.found {
		return x.a, x.e, errNoDocument
	}
	return x.a, x.e, nil
}

func extractPart(r io.Reader, boundary string, w io.Writer) error {
	if boundary == "" {
		return errNoDocument
	}
	parts := multipart.NewReader(r, boundary)
	for range maxParts {
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return errNoDocument
		}
		if err != nil {
			return err
		}
		media, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		if contentNames[strings.ToLower(p.FormName())] || strings.HasSuffix(media, "xml") || strings.HasSuffix(strings.ToLower(p.FileName()), ".edxml") {
			if _, err = io.Copy(w, p); err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, rest{parts}) // a cut behind the part is a cut
			return err
		}
	}
	return errNoDocument
}

// rest reads the parts that are left.
type rest struct{ r *multipart.Reader }

func (p rest) Read([]byte) (int, error) {
	part, err := p.r.NextPart()
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, part)
	return 0, err
}

// extractor walks through an answer in JSON without keeping it.
type extractor struct {
	in    *bufio.Reader
	w     io.Writer
	a     answer
	e     entry
	found bool
}

var errSyntax = errors.New("answer is no JSON")

// next is the next byte behind white space; it stays there.
func (x *extractor) next() (byte, error) {
	for {
		b, err := x.in.Peek(1)
		if err != nil {
			return 0, unexpected(err)
		}
		if !bytes.ContainsAny(b, " \t\r\n") {
			return b[0], nil
		}
		_, _ = x.in.Discard(1) // it was peeked
	}
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// take takes one byte, which must be that.
func (x *extractor) take(want byte) error {
	b, err := x.next()
	if err != nil {
		return err
	}
	if b != want {
		return errSyntax
	}
	_, _ = x.in.Discard(1) // it was peeked
	return nil
}

// object reads an object; level 1 is the answer, 2 its data.
func (x *extractor) object(level int) error {
	if err := x.take('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		b, err := x.next()
		if err != nil {
			return err
		}
		if b == '}' {
			return x.take('}')
		}
		if !first {
			if err := x.take(','); err != nil {
				return err
			}
		}
		var key bounded
		key.left = maxKey
		if err := x.text(&key); err != nil {
			return err
		}
		if err := x.take(':'); err != nil {
			return err
		}
		if err := x.member(level, key.b.String()); err != nil {
			return err
		}
	}
}

func (x *extractor) member(level int, key string) error {
	b, err := x.next()
	if err != nil {
		return err
	}
	switch {
	case level <= 2 && b == '"' && contentNames[strings.ToLower(key)]:
		if x.found {
			return fmt.Errorf("answer holds %q twice", key)
		}
		x.found = true
		c := &content{w: x.w}
		if err := x.text(c); err != nil {
			return err
		}
		return c.Close()
	case level == 1 && b == '{' && key == "data":
		return x.object(2)
	case level <= 2 && b != '{' && b != '[':
		v := bounded{left: maxField}
		if b == '"' {
			err = x.text(&v)
		} else {
			err = x.literal(&v)
		}
		x.keep(key, text(v.b.String()))
		return err
	}
	return x.skip(level)
}

// keep keeps a value that means something.
func (x *extractor) keep(key string, v text) {
	for name, to := range map[string]*text{
		"success": &x.a.Success, "code": &x.a.Code, "message": &x.a.Message, "errorCode": &x.a.ErrorCode, "errorDesc": &x.a.ErrorDesc,
		"status": &x.a.Status, "docId": &x.e.DocID, "contentSha256": &x.e.SHA256, "contentLength": &x.e.Length,
	} {
		if name == key && *to == "" && v != "null" {
			*to = v
		}
	}
}

// bounded keeps text up to a bound and drops what is beyond.
type bounded struct {
	b    strings.Builder
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	n := min(len(p), b.left)
	b.b.Write(p[:n])
	b.left -= n
	return len(p), nil
}

// skip passes over a value.
func (x *extractor) skip(level int) error {
	if level > maxNesting {
		return errors.New("answer is nested too deeply")
	}
	b, err := x.next()
	if err != nil {
		return err
	}
	switch b {
	case '"':
		return x.text(io.Discard)
	case '{':
		return x.object(max(level, 2) + 1)
	case '[':
		if err := x.take('['); err != nil {
			return err
		}
		for first := true; ; first = false {
			if b, err = x.next(); err != nil {
				return err
			}
			if b == ']' {
				return x.take(']')
			}
			if !first {
				if err := x.take(','); err != nil {
					return err
				}
			}
			if err := x.skip(max(level, 2) + 1); err != nil {
				return err
			}
		}
	}
	return x.literal(io.Discard)
}

// literal reads a number, true, false or null.
func (x *extractor) literal(w io.Writer) error {
	for n := 0; ; n++ {
		b, err := x.in.Peek(1)
		if err != nil {
			return unexpected(err)
		}
		if bytes.ContainsAny(b, ",}] \t\r\n") {
			if n == 0 {
				return errSyntax
			}
			return nil
		}
		if n > sniffed || !bytes.ContainsAny(b, "+-.0123456789eEtrufalsn") {
			return errSyntax
		}
		_, _ = w.Write(b)
		_, _ = x.in.Discard(1) // it was peeked
	}
}

// text reads a text, and writes it.
func (x *extractor) text(w io.Writer) error {
	if err := x.take('"'); err != nil {
		return err
	}
	for {
		if _, err := x.in.Peek(1); err != nil {
			return unexpected(err)
		}
		buf, _ := x.in.Peek(x.in.Buffered())
		n := bytes.IndexAny(buf, `"\`)
		if n < 0 {
			n = len(buf)
		}
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
			_, _ = x.in.Discard(n) // it was peeked
			continue
		}
		if buf[0] == '"' {
			_, _ = x.in.Discard(1) // it was peeked
			return nil
		}
		if err := x.escape(w); err != nil {
			return err
		}
	}
}

// escapes are those of one character.
var escapes = map[byte]string{'"': `"`, '\\': `\`, '/': "/", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t"}

func (x *extractor) escape(w io.Writer) error {
	head, err := x.in.Peek(2)
	if err != nil {
		return unexpected(err)
	}
	if s, ok := escapes[head[1]]; ok {
		_, _ = x.in.Discard(2) // it was peeked
		_, err := io.WriteString(w, s)
		return err
	}
	r, err := x.unit()
	if err != nil {
		return err
	}
	if utf16.IsSurrogate(r) {
		low, err := x.unit()
		if err != nil {
			return err
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return errSyntax
		}
	}
	_, err = io.WriteString(w, string(r))
	return err
}

// unit reads \uXXXX.
func (x *extractor) unit() (rune, error) {
	head, err := x.in.Peek(6)
	if err != nil {
		return 0, unexpected(err)
	}
	raw, err := hex.DecodeString(string(head[2:]))
	if err != nil || head[0] != '\\' || head[1] != 'u' {
		return 0, errSyntax
	}
	_, _ = x.in.Discard(6) // it was peeked
	return rune(raw[0])<<8 | rune(raw[1]), nil
}

// content writes a message on that is plain or in base64: its beginning tells.
type content struct {
	w       io.Writer
	head    []byte
	decided bool
	coded   bool
	rest    []byte // of a group of base64
	ended   bool   // padding has come
}

func (c *content) Write(p []byte) (int, error) {
	if c.decided {
		return len(p), c.pass(p)
	}
	c.head = append(c.head, p...)
	if len(bytes.TrimSpace(c.head)) < sniffed && len(c.head) < extractSize {
		return len(p), nil
	}
	return len(p), c.decide()
}

func (c *content) decide() error {
	c.decided = true
	start := bytes.TrimSpace(c.head)
	start = start[:min(len(start), sniffed)]
	c.coded = len(start) > 0 && bytes.IndexFunc(start, func(r rune) bool {
		return r != '\r' && r != '\n' && (r > 'z' || !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=", r))
	}) < 0
	head := c.head
	c.head = nil
	return c.pass(head)
}

func (c *content) pass(p []byte) error {
	if !c.coded {
		_, err := c.w.Write(p)
		return err
	}
	for len(p) > 0 {
		n := min(len(p), extractSize)
		for _, b := range p[:n] {
			if b != ' ' && b != '\t' && b != '\r' && b != '\n' {
				c.rest = append(c.rest, b)
			}
		}
		p = p[n:]
		if err := c.decode(len(c.rest) / 4 * 4); err != nil {
			return err
		}
	}
	return nil
}

func (c *content) decode(n int) error {
	if n == 0 {
		return nil
	}
	if c.ended {
		return base64.CorruptInputError(0)
	}
	c.ended = c.rest[n-1] == '='
	out := make([]byte, base64.StdEncoding.DecodedLen(n))
	m, err := base64.StdEncoding.Decode(out, c.rest[:n])
	if err != nil {
		return err
	}
	c.rest = append(c.rest[:0], c.rest[n:]...)
	_, err = c.w.Write(out[:m])
	return err
}

// Close ends the message.
func (c *content) Close() error {
	if !c.decided {
		if err := c.decide(); err != nil {
			return err
		}
	}
	if len(c.rest) > 0 {
		return io.ErrUnexpectedEOF
	}
	return nil
}
