package office

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"tram/storage"
	"tram/storage/sqlite"
)

// yearBatch is how many documents are filled at once.
const yearBatch = MaxPage

// Yearbook returns the whole register of a year as [Office.Register] does, all
// lines of one moment, for the books that are printed. The documents come without
// attachments, seals and verdicts, which no book shows.
func (o *Office) Yearbook(ctx context.Context, box Box, year int) (lines []Booking, err error) {
	err = o.db.View(ctx, func(tx *sqlite.Tx) error {
		list, more, err := bookedRows(tx, box, year)
		if err != nil {
			return err
		}
		lines = make([]Booking, len(list))
		for from := 0; from < len(list); from += yearBatch {
			part := list[from:min(from+yearBatch, len(list))]
			if err := errors.Join(fillRecipients(tx, part), fillRequests(tx, part), fillLinks(tx, part), fillPapers(tx, part)); err != nil {
				return err
			}
			for i, r := range part {
				line := Booking{Document: r.Document, Entered: r.Created, Series: more[from+i].series}
				if box == In {
					line.Entered = sqlite.Time(more[from+i].accepted)
				}
				lines[from+i] = line
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read register: %w", err)
	}
	return lines, nil
}

// booked is what a register says of a row besides the document.
type booked struct {
	series   string // of an outgoing one
	accepted int64  // of an incoming one, unix milliseconds
}

// bookedRows reads the rows of a register in its order.
func bookedRows(tx *sqlite.Tx, box Box, year int) (list []*row, more []booked, err error) {
	rows, err := tx.Query(`SELECT `+documentColumns+`, series, (SELECT min(at) FROM events WHERE document = documents.seq AND step = 'accepted')
		FROM documents INDEXED BY documents_register
		WHERE booked > 0 AND box = ? AND booked = ? ORDER BY arrival, seq`, string(box), year)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var b booked
		var at sql.NullInt64
		r, err := scanRow(behind{rows, []any{&b.series, &at}})
		if err != nil {
			return nil, nil, err
		}
		b.accepted = at.Int64
		list, more = append(list, &r), append(more, b)
	}
	return list, more, rows.Err()
}

// behind scans more columns than it is asked for.
type behind struct {
	rows *sql.Rows
	last []any
}

func (b behind) Scan(into ...any) error { return b.rows.Scan(append(into, b.last...)...) }

// BookYears lists the years in which a register has lines, the newest first.
func (o *Office) BookYears(ctx context.Context, box Box) (years []int, err error) {
	err = o.db.View(ctx, func(tx *sqlite.Tx) error {
		found, err := numbersOf(tx, `SELECT DISTINCT booked FROM documents INDEXED BY documents_register
			WHERE booked > 0 AND box = ? ORDER BY booked DESC`, string(box))
		years = nil
		for _, y := range found {
			years = append(years, int(y))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read years of the register: %w", err)
	}
	return years, nil
}

// Documents returns those of the documents that exist, as [Office.Yearbook]
// does, the newest first.
func (o *Office) Documents(ctx context.Context, ids []storage.ID) (docs []Document, err error) {
	err = o.db.View(ctx, func(tx *sqlite.Tx) error {
		docs = nil
		for from := 0; from < len(ids); from += yearBatch {
			part := ids[from:min(from+yearBatch, len(ids))]
			args := make([]any, len(part))
			for i, id := range part {
				args[i] = id
			}
			rows, err := tx.Query(`SELECT `+documentColumns+` FROM documents WHERE id IN (?`+strings.Repeat(`, ?`, len(part)-1)+`) ORDER BY seq DESC`, args...)
			if err != nil {
				return err
			}
			list, err := scanAll(rows)
			if err != nil {
				return err
			}
			if err := errors.Join(fillRecipients(tx, list), fillRequests(tx, list), fillLinks(tx, list), fillPapers(tx, list)); err != nil {
				return err
			}
			for _, r := range list {
				docs = append(docs, r.Document)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read documents: %w", err)
	}
	return docs, nil
}

func scanAll(rows *sql.Rows) (list []*row, err error) {
	defer rows.Close()
	for rows.Next() {
		r, err := scanRow(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, &r)
	}
	return list, rows.Err()
}
