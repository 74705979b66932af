package books

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/register"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// MaxField bounds a value that is written by hand, in characters.
const MaxField = 500

// Entry is a line that a person writes.
type Entry struct {
	Key    string                    `json:"key"` // "" for a new one
	Day    time.Time                 `json:"day"` // of the entry: handed to the post, copy lent
	Fields map[register.Field]string `json:"fields"`
}

// Written are the columns of a book that a person fills in, but for its first,
// which is the day. The others are for ink.
func Written(kind register.Kind) []register.Field {
	switch kind {
	case register.Postal:
		return []register.Field{register.CodeOf, register.Destination, register.Envelopes, register.Remarks}
	case register.KeptCopies:
		return []register.Field{register.UserOf, register.CodeDate, register.TypeSubject, register.FileCode, register.ReturnDate, register.Permission, register.Remarks}
	}
	return nil
}

// needed are columns that must not be empty.
var needed = map[register.Field]bool{register.CodeOf: true, register.Destination: true, register.UserOf: true, register.CodeDate: true, register.Permission: true}

// dayField is the column of the day of an entry.
func dayField(kind register.Kind) register.Field {
	if kind == register.Postal {
		return register.HandoverDate
	}
	return register.DateOf
}

// Write adds an entry, or changes one that is on no page yet. Its day decides the
// year of the book; a change stays in the year.
func (b *Books) Write(ctx context.Context, kind register.Kind, e Entry, by string) (string, error) {
	if err := e.check(kind); err != nil {
		return "", err
	}
	fields, err := json.Marshal(e.Fields)
	if err != nil {
		return "", fmt.Errorf("write entry: %w", err)
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	year, key := e.Day.Year(), e.Key
	err = b.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		action := "books.entry"
		if e.Key == "" {
			res, err := tx.Exec(`INSERT INTO books_entries (kind, year, day, fields, at, actor) VALUES (?, ?, ?, ?, ?, ?)`,
				string(kind), year, e.Day, string(fields), tx.Now(), by)
			if err != nil {
				return err
			}
			seq, err := res.LastInsertId()
			if err != nil {
				return err
			}
			key = entryKey(seq)
		} else {
			action = "books.entry-changed"
			if err := changeEntry(tx, kind, e, string(fields)); err != nil {
				return err
			}
		}
		return audit.Append(tx, audit.Entry{Actor: by, Action: action, Subject: string(kind) + " " + key, Detail: map[string]string{"year": fmt.Sprint(year)}})
	})
	if err != nil {
		return "", fmt.Errorf("write entry: %w", err)
	}
	return key, nil
}

func entryKey(seq int64) string { return fmt.Sprintf("entry-%d", seq) }

func changeEntry(tx *sqlite.Tx, kind register.Kind, e Entry, fields string) error {
	var page int
	err := tx.QueryRow(`SELECT page FROM books_lines WHERE kind = ? AND key = ?`, string(kind), e.Key).Scan(&page)
	if err == nil {
		return problem.New(problem.Conflict, "books.printed", "", i18n.Args{"page": page})
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	var seq int64
	if _, err := fmt.Sscanf(e.Key, "entry-%d", &seq); err != nil {
		return errNoLine()
	}
	res, err := tx.Exec(`UPDATE books_entries SET day = ?, fields = ? WHERE seq = ? AND kind = ? AND year = ?`, e.Day, fields, seq, string(kind), e.Day.Year())
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, problem.New(problem.Usage, "books.entry-year", string(dayField(kind)), nil))
	}
	return nil
}

// check refuses what the book cannot hold, all faults at once.
func (e Entry) check(kind register.Kind) error {
	if !ByHand(kind) {
		return problem.New(problem.Conflict, "books.not-by-hand", "kind", nil)
	}
	var faults problem.List
	if e.Day.IsZero() {
		faults = append(faults, problem.New(problem.Usage, "books.no-day", string(dayField(kind)), nil))
	} else if err := checkYear(e.Day.Year()); err != nil {
		faults.Note(problem.New(problem.Usage, "books.year", string(dayField(kind)), i18n.Args{"year": e.Day.Year()}))
	}
	for _, f := range Written(kind) {
		e.Fields[f] = strings.TrimSpace(register.Clean(e.Fields[f]))
		column := i18n.Say("register.column." + string(f))
		switch {
		case e.Fields[f] == "" && needed[f]:
			faults = append(faults, problem.New(problem.Usage, "books.empty", string(f), i18n.Args{"column": column}))
		case utf8.RuneCountInString(e.Fields[f]) > MaxField:
			faults = append(faults, problem.New(problem.Usage, "books.long", string(f), i18n.Args{"column": column, "most": MaxField}))
		}
	}
	return faults.Err()
}

// Entry returns one that a person wrote, and the page on which it is printed, 0
// for none.
func (b *Books) Entry(ctx context.Context, kind register.Kind, key string) (e Entry, page int, err error) {
	err = b.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		var seq int64
		if _, err := fmt.Sscanf(key, "entry-%d", &seq); err != nil {
			return errNoLine()
		}
		var fields string
		err := tx.QueryRow(`SELECT day, fields, coalesce((SELECT page FROM books_lines l WHERE l.kind = e.kind AND l.year = e.year AND l.key = ?), 0)
			FROM books_entries e WHERE seq = ? AND kind = ?`, key, seq, string(kind)).Scan(sqlite.Timestamp(&e.Day), &fields, &page)
		if errors.Is(err, sql.ErrNoRows) {
			return errNoLine()
		}
		e.Key, e.Day = key, dayOf(e.Day)
		return errors.Join(err, json.Unmarshal([]byte(fields), &e.Fields))
	})
	if err != nil {
		return Entry{}, 0, fmt.Errorf("read entry: %w", err)
	}
	return e, page, nil
}

// written are the lines of a book that people write.
func (b *Books) written(ctx context.Context, kind register.Kind, year int) (lines []line, err error) {
	err = b.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		lines = nil
		return each(tx, `SELECT seq, day, fields FROM books_entries WHERE kind = ? AND year = ? ORDER BY seq`, []any{string(kind), year}, func(scan scanner) error {
			var seq int64
			var l line
			var fields string
			if err := scan(&seq, sqlite.Timestamp(&l.day), &fields); err != nil {
				return err
			}
			l.day, l.Key = dayOf(l.day), entryKey(seq)
			if err := json.Unmarshal([]byte(fields), &l.Values); err != nil {
				return err
			}
			l.Values[dayField(kind)] = register.Day(l.day)
			lines = append(lines, l)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	return lines, nil
}
