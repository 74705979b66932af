package v1

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// Kinds of cursors.
const (
	kindList     = 'd'
	kindRegister = 'r'
	kindDossiers = 'h'
)

// A cursor says where a page ends: version, kind, a mark of what was asked, and
// one or two places. It holds no secret: whoever makes one up gets a page of what
// he may see.
const (
	cursorVersion = 1
	markBytes     = 6
	// MaxCursor is longer than any cursor, characters.
	MaxCursor = 64
)

// filterMark stands for everything that a page depends on besides its place and
// length.
func (c *call) filterMark() []byte {
	var parts []string
	for name, values := range c.params {
		if name != "cursor" && name != "limit" {
			parts = append(parts, name+"="+strings.Join(slices.Sorted(slices.Values(values)), "\x00"))
		}
	}
	slices.Sort(parts)
	sum := sha256.Sum256([]byte(c.r.URL.Path + "\x00" + c.only() + "\x00" + strings.Join(parts, "\x00")))
	return sum[:markBytes]
}

func newCursor(kind byte, mark []byte, places ...int64) string {
	b := append([]byte{cursorVersion, kind}, mark...)
	for _, p := range places {
		b = binary.AppendUvarint(b, uint64(p))
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// readCursor is the inverse of newCursor for so many places.
func readCursor(text string, kind byte, mark []byte, count int) ([]int64, bool) {
	if len(text) > MaxCursor {
		return nil, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	head := append([]byte{cursorVersion, kind}, mark...)
	if err != nil || len(b) < len(head) || !slices.Equal(b[:len(head)], head) {
		return nil, false
	}
	b = b[len(head):]
	var places []int64
	for range count {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > 1<<62 {
			return nil, false
		}
		places, b = append(places, int64(v)), b[n:]
	}
	return places, len(b) == 0
}

// cursor reads the parameter of that name, 0 when there is none.
func (c *call) cursor(kind byte, mark []byte) (int64, error) {
	places, err := c.cursors(kind, mark, 1)
	return places[0], err
}

func (c *call) cursors(kind byte, mark []byte, count int) ([]int64, error) {
	text := c.params.Get("cursor")
	if !c.params.Has("cursor") {
		return make([]int64, count), nil
	}
	places, ok := readCursor(text, kind, mark, count)
	if !ok {
		return make([]int64, count), badCursor(text)
	}
	return places, nil
}

func badCursor(text string) error {
	return problem.New(problem.Usage, "api.cursor", "cursor", i18n.Args{"cursor": shown(text)})
}
