package extract

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// sniffed is how much of a text tells its encoding, in bytes.
const sniffed = 64 << 10

// decoded reads text in UTF-8, in UTF-16 with a mark, or else in the Vietnamese
// code page of Windows.
func decoded(r io.Reader) (*bufio.Reader, error) {
	in := bufio.NewReaderSize(r, sniffed)
	head, err := in.Peek(sniffed)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read file: %w", err)
	}
	if len(head) >= 2 && (head[0] == 0xff && head[1] == 0xfe || head[0] == 0xfe && head[1] == 0xff) {
		return bufio.NewReader(transform.NewReader(in, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder())), nil
	}
	cut := len(head)
	for cut > 0 && len(head)-cut < utf8.UTFMax && !utf8.RuneStart(head[cut-1]) {
		cut--
	}
	if cut > 0 && !utf8.FullRune(head[cut-1:]) {
		head = head[:cut-1] // the last letter goes on
	}
	if utf8.Valid(head) {
		return in, nil
	}
	return bufio.NewReader(transform.NewReader(in, charmap.Windows1258.NewDecoder())), nil
}

func plain(r io.Reader, out *sink) error {
	in, err := decoded(r)
	if err != nil {
		return err
	}
	for !out.full() {
		c, _, err := in.ReadRune()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read file: %w", err)
		}
		if c == '\n' {
			out.newline()
		}
		out.rune(c)
	}
	out.part = true
	return nil
}
