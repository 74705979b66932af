package register

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"tram/agent/i18n"
	"tram/agent/typeset"
)

// Table is all lines of a book without pages, for programs that set their own.
type Table struct {
	Book   Book
	Volume Volume
	Lines  []Line
	Made   time.Time // stands in the file's properties; zero for no date
}

// XLSX makes a spreadsheet with the columns of the book.
func (t Table) XLSX() ([]byte, error) {
	if err := check(t.Book, t.Lines); err != nil {
		return nil, err
	}
	s := typeset.Spreadsheet{
		Title: t.Book.Title(), Author: t.Volume.Office, Made: t.Made,
		Above:  [3]string{t.Volume.Office, t.Book.Title(), strings.Join(Cover{t.Book, t.Volume}.Lines(), " · ")},
		Heads:  make([]typeset.SheetHead, 2),
		Footer: word("page", i18n.Args{"page": "&P", "of": "&N"}),
		Rows:   t.rows,
	}
	s.Heads[1].Numbers = true
	for i, c := range t.Book.Columns {
		s.Columns = append(s.Columns, typeset.SheetColumn{Width: c.Width, Align: c.Align})
		s.Heads[0].Cells = append(s.Heads[0].Cells, c.Title())
		s.Heads[1].Cells = append(s.Heads[1].Cells, fmt.Sprintf("(%d)", i+1))
	}
	var out bytes.Buffer
	err := s.Write(&out)
	return out.Bytes(), err
}

// rows are the values of each line, by column.
func (t Table) rows(yield func([]string, error) bool) {
	values := make([]string, len(t.Book.Columns))
	for _, l := range t.Lines {
		for i, c := range t.Book.Columns {
			values[i] = l.value(c.Field)
		}
		if !yield(values, nil) {
			return
		}
	}
}
