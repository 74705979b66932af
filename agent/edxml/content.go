package edxml

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"io"
	"strconv"
)

// contentPiece is how much of a content is decoded at once.
const contentPiece = 16 << 10

// content decodes the text of one ContentTransferEncoded element: base64 in
// which white space and byte order marks mean nothing.
type content struct {
	out    io.WriteCloser // nil: only counted and hashed
	digest hash.Hash
	size   int64 // decoded bytes
	told   int64 // of which grown has spoken
	raw    int64 // characters of the message
	breaks int   // line breaks among them
	bad    bool  // no base64
	ended  bool  // padding was read, nothing may follow
	marked int   // bytes read of a byte order mark
	inRef  bool  // inside a character reference
	ref    []byte
	quads  []byte // base64 characters not yet decoded
	plain  []byte
}

func (c *content) open(stage Stage, n int) error {
	c.digest = sha256.New()
	if stage == nil {
		return nil
	}
	w, err := stage.Create(n)
	if err != nil {
		return fmt.Errorf("stage attachment %d: %w", n+1, err)
	}
	c.out = w
	return nil
}

const byteOrderMark = "\xEF\xBB\xBF"

// write takes a piece of text. In a literal one, of a CDATA section, "&" is
// only a character. Once the text is no base64 it is counted and dropped.
func (c *content) write(text []byte, literal bool) error {
	c.raw += int64(len(text))
	if c.quads == nil {
		c.quads, c.plain = make([]byte, 0, contentPiece+4), make([]byte, contentPiece+4)
	}
	if literal {
		c.boundary()
	}
	for _, b := range text {
		if c.marked != 0 && b != byteOrderMark[c.marked] {
			c.bad, c.marked = true, 0
		}
		switch {
		case c.inRef:
			c.reference(b)
		case b == ' ' || b == '\t' || b == '\r':
		case b == '\n':
			c.breaks++
		case b == byteOrderMark[c.marked]:
			c.marked = (c.marked + 1) % len(byteOrderMark)
		case b == '&' && !literal:
			c.inRef, c.ref = true, c.ref[:0]
		default:
			c.quads = append(c.quads, b)
		}
	}
	return c.decode()
}

// boundary says that the run of text ends here: what is more than one byte
// must be whole.
func (c *content) boundary() {
	c.bad = c.bad || c.inRef || c.marked != 0
	c.inRef, c.marked = false, 0
}

// reference takes the next byte of a character reference. Producers write
// "&#13;" for a carriage return; anything else is decoded for what it stands for.
func (c *content) reference(b byte) {
	if b != ';' {
		if c.ref = append(c.ref, b); len(c.ref) > len("#x10FFFF") {
			c.bad, c.inRef = true, false
		}
		return
	}
	c.inRef = false
	r, ok := numericReference(string(c.ref))
	switch {
	case !ok || r > 127:
		c.bad = true
	case r == ' ' || r == '\t' || r == '\r' || r == '\n':
	default:
		c.quads = append(c.quads, byte(r))
	}
}

func numericReference(ref string) (uint64, bool) {
	base := 10
	if len(ref) < 2 || ref[0] != '#' {
		return 0, false
	}
	ref = ref[1:]
	if ref[0] == 'x' {
		base, ref = 16, ref[1:]
	}
	r, err := strconv.ParseUint(ref, base, 32)
	return r, err == nil
}

// decode passes on all whole groups of four characters.
func (c *content) decode() error {
	whole := len(c.quads) / 4 * 4
	if c.bad || c.ended && len(c.quads) > 0 {
		c.bad, c.quads = true, c.quads[:0]
		return nil
	}
	if whole == 0 {
		return nil
	}
	n, err := base64.StdEncoding.Decode(c.plain, c.quads[:whole])
	if err != nil {
		c.bad = true
		return nil
	}
	c.ended = c.quads[whole-1] == '='
	c.quads = append(c.quads[:0], c.quads[whole:]...)
	c.size += int64(n)
	c.digest.Write(c.plain[:n])
	if c.out == nil {
		return nil
	}
	if _, err := c.out.Write(c.plain[:n]); err != nil {
		return fmt.Errorf("stage attachment: %w", err)
	}
	return nil
}

// flush judges the end of the text: nothing may be left over.
func (c *content) flush() {
	c.boundary()
	c.bad = c.bad || len(c.quads) > 0
	c.quads, c.plain = nil, nil
}

func (c *content) close() error {
	if c.out == nil {
		return nil
	}
	w := c.out
	c.out = nil
	if err := w.Close(); err != nil {
		return fmt.Errorf("stage attachment: %w", err)
	}
	return nil
}

// grown returns the bytes decoded since it was last asked.
func (c *content) grown() int64 {
	n := c.size - c.told
	c.told = c.size
	return n
}

func (c *content) sum() (sum [sha256.Size]byte) {
	c.digest.Sum(sum[:0])
	return sum
}
