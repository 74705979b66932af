package linklab

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"tram/cmd/internal/peers"
)

// maxFigure bounds a line of output that is read, in bytes.
const maxFigure = 64 << 10

// The table stands between these lines of a file.
const (
	tableBegin = "<!-- tram-lab link: begin -->"
	tableEnd   = "<!-- tram-lab link: end -->"
)

// Read reads the output of Run. Lines of several runs may stand together; of
// the same figure of the same peer the last one counts.
func Read(r io.Reader) ([]Figure, error) {
	var figures []Figure
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxFigure)
	for n := 1; lines.Scan(); n++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var f Figure
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			return nil, fmt.Errorf("read line %d: %w", n, err)
		}
		figures = append(figures, f)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read figures: %w", err)
	}
	return figures, nil
}

// Table renders figures as Markdown: a row a figure, a column a peer.
func Table(figures []Figure) string {
	cells := map[string]map[string]Figure{}
	var rows, columns, commands []string
	for _, f := range figures {
		if cells[f.Figure] == nil {
			cells[f.Figure] = map[string]Figure{}
			rows = append(rows, f.Figure)
		}
		cells[f.Figure][f.Peer] = f
		if ran := "`" + f.Command + "`, " + f.At[:min(10, len(f.At))]; !slices.Contains(commands, ran) {
			commands = append(commands, ran)
		}
	}
	slices.SortStableFunc(rows, func(a, b string) int { return place(a) - place(b) })
	for _, name := range peers.Names() {
		if slices.ContainsFunc(figures, func(f Figure) bool { return f.Peer == name }) {
			columns = append(columns, name)
		}
	}
	var b, notes strings.Builder
	fmt.Fprintf(&b, "| figure | aim | %s |\n| --- | --- |%s\n", strings.Join(columns, " | "), strings.Repeat(" --- |", len(columns)))
	n := 0
	for _, row := range rows {
		fmt.Fprintf(&b, "| %s | %s |", row, cells[row][us].Aim)
		for _, column := range columns {
			f, ok := cells[row][column]
			switch {
			case !ok:
				b.WriteString("  |")
			case f.Value == nil:
				n++
				fmt.Fprintf(&b, " – (%d) |", n)
				fmt.Fprintf(&notes, "(%d) %s: %s\n\n", n, column, f.Reason)
			default:
				fmt.Fprintf(&b, " %s |", strings.TrimSpace(strconv.FormatFloat(*f.Value, 'f', -1, 64)+" "+f.Unit))
			}
		}
		b.WriteString("\n")
	}
	return b.String() + "\n" + notes.String() + "Measured with " + strings.Join(commands, "; ") + ".\n"
}

// place is the order of a figure's scenario.
func place(figure string) int {
	return slices.IndexFunc(scenarios, func(s scenario) bool {
		return strings.HasPrefix(figure, s.about) || strings.HasPrefix(figure, s.name+": ")
	})
}

// Into puts a table into a file between its two marks.
func Into(file, table string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	before, rest, ok1 := strings.Cut(string(data), tableBegin+"\n")
	_, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok1 || !ok2 {
		return errors.New(file + " has no place for the table: it lacks " + tableBegin + " or " + tableEnd)
	}
	return os.WriteFile(file, []byte(before+tableBegin+"\n"+table+tableEnd+after), 0o644)
}
