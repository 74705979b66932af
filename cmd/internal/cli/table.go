package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// columnGap separates the columns of a table.
const columnGap = "  "

// Table writes rows under heads, which are catalogue keys, with aligned
// columns. With --plain it writes one line per row with tabs and no head, for
// scripts. Control characters in cells are shown as spaces, so that foreign
// text cannot move the cursor.
func (c *Console) Table(w io.Writer, heads []string, rows [][]string) {
	clean := make([][]string, 0, len(rows)+1)
	if !c.Plain {
		head := make([]string, len(heads))
		for i, key := range heads {
			head[i] = strings.ToUpper(c.T(key))
		}
		clean = append(clean, head)
	}
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = OneLine(cell)
		}
		clean = append(clean, cells)
	}
	if c.Plain {
		for _, row := range clean {
			fmt.Fprintln(w, strings.Join(row, "\t"))
		}
		return
	}
	align(w, clean)
}

// align pads all cells but the last of each row to the widest of its column.
func align(w io.Writer, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)) + columnGap)
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}

// OneLine replaces control and direction-changing characters of s by spaces,
// for text from elsewhere that stands in a line of ours.
func OneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}

// Bytes writes n for people, such as "1.9MiB".
func Bytes(n int64) string {
	const step = 1024
	if n < step {
		return fmt.Sprintf("%dB", n)
	}
	value, unit := float64(n)/step, 0
	names := []string{"KiB", "MiB", "GiB", "TiB"}
	for value >= step && unit < len(names)-1 {
		value /= step
		unit++
	}
	return fmt.Sprintf("%.1f%s", value, names[unit])
}
