package books

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/register"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

// JobState says how a print went.
type JobState string

// The states of a print.
const (
	Printing JobState = "printing" // nobody has said yet
	Printed  JobState = "printed"
	Failed   JobState = "failed" // its sheets were thrown away
)

// Job is one print: pages that went to the printer together.
type Job struct {
	ID     int64         `json:"id"`
	Kind   register.Kind `json:"kind"`
	Year   int           `json:"year"`
	Volume int           `json:"volume"`
	First  int           `json:"first"` // pages
	Last   int           `json:"last"`
	Lines  int           `json:"lines"`
	State  JobState      `json:"state"`
	Made   time.Time     `json:"made"`
	By     string        `json:"by"`
	Ended  time.Time     `json:"ended,omitzero"`
	EndBy  string        `json:"ended_by,omitempty"`
}

// maxPDF bounds a file of a print, in bytes.
const maxPDF = 256 << 20

// Print makes a print of every line that is on no page, at most as many as one
// file holds. books.nothing-new when there is none, books.print-open while the
// last one is not confirmed.
func (b *Books) Print(ctx context.Context, kind register.Kind, year int, by string) (Job, error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	l, err := b.ledger(ctx, kind, year)
	if err != nil {
		return Job{}, err
	}
	if l.state.Open != nil {
		return Job{}, problem.New(problem.Conflict, "books.print-open", "", i18n.Args{"first": l.state.Open.First, "last": l.state.Open.Last})
	}
	if len(l.pending) == 0 {
		return Job{}, problem.New(problem.Conflict, "books.nothing-new", "", nil)
	}
	sheets, err := b.layOut(&l)
	if err != nil {
		return Job{}, err
	}
	data, err := register.Print{Sheets: sheets, Made: b.now()}.PDF()
	if err != nil {
		return Job{}, fmt.Errorf("make print: %w", err)
	}
	content, err := b.o.Blobs.Stage(ctx, bytes.NewReader(data), maxPDF)
	if err != nil {
		return Job{}, fmt.Errorf("keep print: %w", err)
	}
	job := Job{Kind: kind, Year: year, Volume: l.state.Volume, First: sheets[0].Page, Last: sheets[len(sheets)-1].Page, Lines: len(l.pending), State: Printing, By: by}
	err = b.o.DB.Update(ctx, func(tx *sqlite.Tx) error { return keep(tx, &job, l, sheets, content) })
	if err != nil {
		return Job{}, fmt.Errorf("keep print: %w", err)
	}
	return job, nil
}

// layOut sets the pending lines on new sheets, and leaves those pending that one
// file has no room for.
func (b *Books) layOut(l *ledger) ([]register.Sheet, error) {
	for {
		sheets, err := register.Paginate(l.book, b.volume(l), plain(l.pending), register.Printed{Page: l.state.Pages})
		if err != nil || len(sheets) <= register.MaxPages {
			return sheets, err
		}
		fit := 0
		for _, s := range sheets[:register.MaxPages-1] {
			fit += len(s.Rows)
		}
		l.pending = l.pending[:fit]
	}
}

// volume is what stands on new sheets of a book.
func (b *Books) volume(l *ledger) register.Volume {
	h := b.o.Heading()
	return register.Volume{Superior: h.Superior, Office: h.Office, Place: h.Place, Year: l.state.Year, Number: l.state.Volume}
}

func plain(lines []line) []register.Line {
	out := make([]register.Line, len(lines))
	for i, l := range lines {
		out[i] = l.Line
	}
	return out
}

// keep writes a print, its pages and their lines.
func keep(tx *sqlite.Tx, job *Job, l ledger, sheets []register.Sheet, c blob.Content) error {
	now := ledger{book: l.book, state: State{Kind: job.Kind, Year: job.Year}, printed: map[string]printedLine{}, notes: map[string][]note{}}
	if err := now.read(tx); err != nil {
		return err
	}
	if now.state.Volume != job.Volume || now.state.Pages != l.state.Pages || now.lines != l.lines || now.state.Open != nil {
		return errMoved
	}
	heading, err := json.Marshal(sheets[0].Volume)
	if err != nil {
		return err
	}
	var inline any
	if c.Inline != nil {
		inline = c.Inline
	}
	job.Made = tx.Now()
	res, err := tx.Exec(`INSERT INTO books_prints (kind, year, volume, first, last, lines, state, made, actor, heading, size, sha256, inline)
		VALUES (?, ?, ?, ?, ?, ?, 'printing', ?, ?, ?, ?, ?, ?)`,
		string(job.Kind), job.Year, job.Volume, job.First, job.Last, job.Lines, job.Made, job.By, string(heading), c.Size, c.SHA256, inline)
	if err != nil {
		return err
	}
	if job.ID, err = res.LastInsertId(); err != nil {
		return err
	}
	if err := keepSheets(tx, *job, l, sheets); err != nil {
		return err
	}
	return audit.Append(tx, job.entry(job.By, "books.print"))
}

// entry is the audit entry of what was done to a print.
func (j Job) entry(by, action string) audit.Entry {
	return audit.Entry{Actor: by, Action: action, Subject: fmt.Sprintf("%s %d", j.Kind, j.Year), Detail: map[string]string{
		"print": fmt.Sprint(j.ID), "volume": fmt.Sprint(j.Volume), "pages": fmt.Sprintf("%d-%d", j.First, j.Last), "lines": fmt.Sprint(j.Lines)}}
}

func keepSheets(tx *sqlite.Tx, job Job, l ledger, sheets []register.Sheet) error {
	pos := 0
	for _, s := range sheets {
		mark, err := json.Marshal(s.Mark())
		if err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO books_sheets (kind, year, volume, page, print, mark) VALUES (?, ?, ?, ?, ?, ?)`,
			string(job.Kind), job.Year, job.Volume, s.Page, job.ID, string(mark))
		if err != nil {
			return err
		}
		for range s.Rows {
			e := l.pending[pos]
			text, err := json.Marshal(e.Line)
			if err != nil {
				return err
			}
			_, err = tx.Exec(`INSERT INTO books_lines (kind, year, volume, pos, key, page, print, day, notes, line) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
				string(job.Kind), job.Year, job.Volume, l.lines+pos, e.Key, s.Page, job.ID, e.day, e.notes, string(text))
			if err != nil {
				return err
			}
			pos++
		}
	}
	return nil
}

// Confirm says that the sheets of a print are there. Saying it again changes
// nothing.
func (b *Books) Confirm(ctx context.Context, id int64, by string) (Job, error) {
	return b.end(ctx, id, by, Printed)
}

// Discard says that the sheets of a print were thrown away: its lines are on no
// page again. Of one that was confirmed it is books.print-over.
func (b *Books) Discard(ctx context.Context, id int64, by string) (Job, error) {
	return b.end(ctx, id, by, Failed)
}

func (b *Books) end(ctx context.Context, id int64, by string, state JobState) (job Job, err error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	err = b.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		if job, err = readJob(tx, id); err != nil || job.State == state {
			return err
		}
		if job.State != Printing {
			return problem.New(problem.Conflict, "books.print-over", "", i18n.Args{"first": job.First, "last": job.Last})
		}
		action := "books.printed"
		if state == Failed {
			action = "books.print-failed"
			for _, table := range []string{"books_lines", "books_sheets"} {
				if _, err := tx.Exec(`DELETE FROM `+table+` WHERE print = ? AND kind = ? AND year = ?`, id, string(job.Kind), job.Year); err != nil {
					return err
				}
			}
		}
		job.State, job.Ended, job.EndBy = state, tx.Now(), by
		if _, err := tx.Exec(`UPDATE books_prints SET state = ?, ended = ?, ended_by = ? WHERE seq = ?`, string(state), job.Ended, by, id); err != nil {
			return err
		}
		return audit.Append(tx, job.entry(by, action))
	})
	if err != nil {
		return Job{}, fmt.Errorf("end print: %w", err)
	}
	return job, nil
}

func readJob(tx *sqlite.Tx, id int64) (Job, error) {
	jobs, err := readJobs(tx, `seq = ?`, id)
	if err == nil && len(jobs) == 0 {
		err = problem.New(problem.NotFound, "books.no-print", "", nil)
	}
	if err != nil {
		return Job{}, err
	}
	return jobs[0], nil
}

// readJobs lists prints, the newest first.
func readJobs(tx *sqlite.Tx, where string, args ...any) (jobs []Job, err error) {
	err = each(tx, `SELECT seq, kind, year, volume, first, last, lines, state, made, actor, ended, ended_by FROM books_prints WHERE `+where+` ORDER BY seq DESC`, args, func(scan scanner) error {
		var j Job
		var ended int64
		err := scan(&j.ID, &j.Kind, &j.Year, &j.Volume, &j.First, &j.Last, &j.Lines, &j.State, sqlite.Timestamp(&j.Made), &j.By, &ended, &j.EndBy)
		if ended > 0 {
			j.Ended = sqlite.Time(ended)
		}
		jobs = append(jobs, j)
		return err
	})
	return jobs, err
}

// Jobs lists the prints of a book, the newest first.
func (b *Books) Jobs(ctx context.Context, kind register.Kind, year int) (jobs []Job, err error) {
	err = b.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		jobs, err = readJobs(tx, `kind = ? AND year = ?`, string(kind), year)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list prints: %w", err)
	}
	return jobs, nil
}

// PDF opens the file of a print, as it was made.
func (b *Books) PDF(ctx context.Context, id int64) (job Job, body io.ReadSeekCloser, err error) {
	var c blob.Content
	err = b.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		if job, err = readJob(tx, id); err != nil {
			return err
		}
		return tx.QueryRow(`SELECT size, sha256, inline FROM books_prints WHERE seq = ?`, id).Scan(&c.Size, sqlite.Digest(&c.SHA256), &c.Inline)
	})
	if err == nil {
		body, err = b.o.Blobs.Reader(c)
	}
	if err != nil {
		return Job{}, nil, fmt.Errorf("open print: %w", err)
	}
	return job, body, nil
}

// NewVolume closes the open volume of a book: the next page is page 1 of the next
// one.
func (b *Books) NewVolume(ctx context.Context, kind register.Kind, year int, by string) (number int, err error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	book, err := bound(kind, year)
	if err != nil {
		return 0, err
	}
	err = b.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		l := ledger{book: book, state: State{Kind: kind, Year: year}, printed: map[string]printedLine{}, notes: map[string][]note{}}
		if err := l.read(tx); err != nil {
			return err
		}
		if l.state.Open != nil {
			return problem.New(problem.Conflict, "books.print-open", "", i18n.Args{"first": l.state.Open.First, "last": l.state.Open.Last})
		}
		if l.state.Pages == 0 {
			return problem.New(problem.Conflict, "books.volume-empty", "", i18n.Args{"volume": l.state.Volume})
		}
		number = l.state.Volume + 1
		if _, err := tx.Exec(`INSERT INTO books_volumes (kind, year, number, closed) VALUES (?, ?, ?, ?)`, string(kind), year, l.state.Volume, tx.Now()); err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{Actor: by, Action: "books.volume", Subject: fmt.Sprintf("%s %d", kind, year), Detail: map[string]string{"closed": fmt.Sprint(l.state.Volume)}})
	})
	if err != nil {
		return 0, fmt.Errorf("close volume: %w", err)
	}
	return number, nil
}
