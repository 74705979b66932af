package pdf

import (
	"bytes"
	"errors"
	"strconv"
)

// errShort says that a value goes on behind the bytes at hand.
var errShort = errors.New("value is cut")

// parser reads values from bytes that stand at base in the file; base is -1
// for bytes of an object stream.
type parser struct {
	in   []byte
	pos  int
	base int64
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == 0
}

func isDelimiter(c byte) bool { return bytes.IndexByte([]byte("()<>[]{}/%"), c) >= 0 }

// space skips white space and comments.
func (p *parser) space() {
	for p.pos < len(p.in) {
		c := p.in[p.pos]
		if c == '%' {
			for p.pos < len(p.in) && p.in[p.pos] != '\n' && p.in[p.pos] != '\r' {
				p.pos++
			}
			continue
		}
		if !isSpace(c) {
			return
		}
		p.pos++
	}
}

// word reads a run of regular characters.
func (p *parser) word() string {
	p.space()
	start := p.pos
	for p.pos < len(p.in) && !isSpace(p.in[p.pos]) && !isDelimiter(p.in[p.pos]) {
		p.pos++
	}
	return string(p.in[start:p.pos])
}

// keyword reads exactly the word given.
func (p *parser) keyword(want string) bool {
	start := p.pos
	if p.word() == want {
		return true
	}
	p.pos = start
	return false
}

// integer reads a whole number without sign.
func (p *parser) integer() (int64, bool) {
	start := p.pos
	w := p.word()
	if n, err := strconv.ParseUint(w, 10, 62); err == nil && len(w) > 0 && w[0] != '+' {
		return int64(n), true
	}
	p.pos = start
	return 0, false
}

// value reads the next value. With the end of the input inside of it, the
// error is errShort.
func (p *parser) value(depth int) (Object, error) {
	if depth > MaxDepth {
		return nil, ErrLimit
	}
	p.space()
	if p.pos >= len(p.in) {
		return nil, errShort
	}
	switch c := p.in[p.pos]; {
	case c == '/':
		return p.name()
	case c == '(':
		return p.literal()
	case c == '[':
		p.pos++
		return p.array(depth)
	case c == '<':
		if p.pos+1 >= len(p.in) {
			return nil, errShort
		}
		if p.in[p.pos+1] == '<' {
			p.pos += 2
			return p.dict(depth)
		}
		return p.hex()
	}
	return p.atom()
}

// atom reads a number, a reference, true, false or null.
func (p *parser) atom() (Object, error) {
	start := p.pos
	w := p.word()
	if p.pos == len(p.in) {
		return nil, errShort // the word may go on
	}
	switch w {
	case "true", "false":
		return w == "true", nil
	case "null":
		return nil, nil
	case "":
		return nil, ErrMalformed
	}
	if n, err := strconv.ParseInt(w, 10, 62); err == nil {
		return p.reference(n, start, len(w))
	}
	for _, c := range []byte(w) {
		if (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' {
			return nil, ErrMalformed
		}
	}
	f, err := strconv.ParseFloat(w, 64)
	if err != nil {
		return nil, ErrMalformed
	}
	return f, nil
}

// reference reads "gen R" behind a number, and gives the number alone when
// something else follows.
func (p *parser) reference(n int64, start, width int) (Object, error) {
	after := start + width
	gen, ok := p.integer()
	if p.pos >= len(p.in) {
		return nil, errShort
	}
	if !ok || !p.keyword("R") {
		if p.pos >= len(p.in) {
			return nil, errShort
		}
		p.pos = after
		return n, nil
	}
	if n < 0 || n > MaxNumber || gen > 65535 {
		return nil, ErrMalformed
	}
	return Ref{int(n), int(gen)}, nil
}

func (p *parser) name() (Object, error) {
	p.pos++
	var out []byte
	for p.pos < len(p.in) {
		c := p.in[p.pos]
		if isSpace(c) || isDelimiter(c) {
			return Name(out), nil
		}
		p.pos++
		if c == '#' {
			if p.pos+2 > len(p.in) {
				return nil, errShort
			}
			v, err := strconv.ParseUint(string(p.in[p.pos:p.pos+2]), 16, 8)
			if err != nil || v == 0 {
				return nil, ErrMalformed
			}
			c = byte(v)
			p.pos += 2
		}
		out = append(out, c)
	}
	return nil, errShort
}

func (p *parser) at(pos int) int64 {
	if p.base < 0 {
		return -1
	}
	return p.base + int64(pos)
}

func (p *parser) hex() (Object, error) {
	start := p.pos
	end := bytes.IndexByte(p.in[start:], '>')
	if end < 0 {
		return nil, errShort
	}
	p.pos = start + end + 1
	digits := make([]byte, 0, end)
	for _, c := range p.in[start+1 : start+end] {
		switch {
		case isSpace(c):
			continue
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return nil, ErrMalformed
		}
		digits = append(digits, c)
	}
	if len(digits)%2 == 1 {
		digits = append(digits, 0)
	}
	out := digits[:0]
	for i := 0; i < len(digits); i += 2 {
		out = append(out, digits[i]<<4|digits[i+1])
	}
	return String{Bytes: out, Hex: true, Start: p.at(start), End: p.at(p.pos)}, nil
}

// literal reads a string in parentheses. Escapes are undone as far as the
// content may matter; an escaped line end stays, which nothing here compares.
func (p *parser) literal() (Object, error) {
	start, depth := p.pos, 0
	var out []byte
	for ; p.pos < len(p.in); p.pos++ {
		c := p.in[p.pos]
		switch c {
		case '\\':
			p.pos++
			if p.pos >= len(p.in) {
				return nil, errShort
			}
			out = append(out, p.escape()...)
			continue
		case '(':
			depth++
			if depth == 1 {
				continue
			}
		case ')':
			depth--
			if depth == 0 {
				p.pos++
				return String{Bytes: out, Start: p.at(start), End: p.at(p.pos)}, nil
			}
		}
		out = append(out, c)
	}
	return nil, errShort
}

// escape reads what follows a backslash and stays on its last character.
func (p *parser) escape() []byte {
	c := p.in[p.pos]
	if i := bytes.IndexByte([]byte("nrtbf"), c); i >= 0 {
		return []byte{"\n\r\t\b\f"[i]}
	}
	if c < '0' || c > '7' {
		return []byte{c}
	}
	v := 0
	for n := 0; n < 3 && p.pos < len(p.in) && p.in[p.pos] >= '0' && p.in[p.pos] <= '7'; n++ {
		v = v*8 + int(p.in[p.pos]-'0')
		p.pos++
	}
	p.pos--
	return []byte{byte(v)}
}

func (p *parser) array(depth int) (Object, error) {
	out := Array{}
	for {
		p.space()
		if p.pos >= len(p.in) {
			return nil, errShort
		}
		if p.in[p.pos] == ']' {
			p.pos++
			return out, nil
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
}

func (p *parser) dict(depth int) (Object, error) {
	out := Dict{}
	for {
		p.space()
		if p.pos+1 >= len(p.in) {
			return nil, errShort
		}
		if p.in[p.pos] == '>' && p.in[p.pos+1] == '>' {
			p.pos += 2
			return out, nil
		}
		if p.in[p.pos] != '/' {
			return nil, ErrMalformed
		}
		key, err := p.name()
		if err != nil {
			return nil, err
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if _, twice := out[key.(Name)]; twice {
			out[ambiguous] = true
		}
		out[key.(Name)] = v
	}
}
