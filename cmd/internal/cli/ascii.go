package cli

import (
	"io"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// signs are the signs of our messages that have no base letter.
var signs = strings.NewReplacer(
	"đ", "d", "Đ", "D", "✓", "+", "✗", "x", "·", "-", "…", "...", "→", "->", "–", "-", "—", "-",
	"“", `"`, "”", `"`, "‘", "'", "’", "'", "≤", "<=", "≥", ">=", "≠", "!=", "×", "x", "\u00a0", " ",
)

// ascii writes s without diacritics for a console that has no Vietnamese
// letters: "Đã kết nối" becomes "Da ket noi". Letters of other scripts become
// question marks.
func ascii(s string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(signs.Replace(s)) {
		switch {
		case unicode.Is(unicode.Mn, r):
		case r > unicode.MaxASCII:
			b.WriteByte('?')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// foldWriter passes text on in ASCII. Each Write must hold whole characters,
// as those of fmt do.
type foldWriter struct{ w io.Writer }

func (f foldWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(f.w, ascii(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// unfolded returns the stream below a foldWriter: machine-readable output is
// never folded.
func unfolded(w io.Writer) io.Writer {
	if f, ok := w.(foldWriter); ok {
		return f.w
	}
	return w
}
