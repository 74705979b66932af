package books

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/register"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// Bounds of work files, in characters as Phụ lục VI of NĐ 30/2020 has them, and
// in documents.
const (
	MaxFileCode  = 20
	MaxFileTitle = 500
	MaxFileText  = 100 // retention, keeper, sheets
	MaxFiled     = 5000
	MaxFiles     = 5000 // of a year
)

// File is a work file (hồ sơ công việc): documents of one matter.
type File struct {
	ID        int64
	Year      int
	Code      string // số và ký hiệu hồ sơ
	Title     string
	Retention string // thời hạn bảo quản
	Keeper    string // người lập hồ sơ
	Sheets    string // số tờ
	Note      string
	Documents int // how many are in it
}

func (f *File) check() error {
	var faults problem.List
	if err := checkYear(f.Year); err != nil {
		faults.Note(err)
	}
	for _, v := range []struct {
		field string
		text  *string
		most  int
		need  bool
	}{
		{"code", &f.Code, MaxFileCode, true}, {"title", &f.Title, MaxFileTitle, true}, {"retention", &f.Retention, MaxFileText, true},
		{"keeper", &f.Keeper, MaxFileText, true}, {"sheets", &f.Sheets, MaxFileText, false}, {"note", &f.Note, MaxNote, false},
	} {
		*v.text = strings.TrimSpace(register.Clean(*v.text))
		switch n := utf8.RuneCountInString(*v.text); {
		case n == 0 && v.need:
			faults = append(faults, problem.New(problem.Usage, "books.file-empty."+v.field, v.field, nil))
		case n > v.most:
			faults = append(faults, problem.New(problem.Usage, "books.file-long", v.field, i18n.Args{"most": v.most}))
		}
	}
	return faults.Err()
}

// codeKey is a code without regard to case, spaces and the form of its accents.
func codeKey(code string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return unicode.ToUpper(r)
	}, norm.NFC.String(code))
}

// SaveFile makes a work file, or changes the one that ID names.
func (b *Books) SaveFile(ctx context.Context, f File, by string) (int64, error) {
	if err := f.check(); err != nil {
		return 0, err
	}
	err := b.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		var count int
		if err := tx.QueryRow(`SELECT count(*) FROM books_files WHERE year = ?`, f.Year).Scan(&count); err != nil {
			return err
		}
		if count >= MaxFiles {
			return problem.New(problem.Full, "books.files-full", "year", i18n.Args{"most": MaxFiles})
		}
		action := "books.file"
		values := []any{f.Year, f.Code, codeKey(f.Code), f.Title, f.Retention, f.Keeper, f.Sheets, f.Note}
		var res sql.Result
		var err error
		if f.ID == 0 {
			res, err = tx.Exec(`INSERT INTO books_files (year, code, code_key, title, retention, keeper, sheets, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, values...)
		} else {
			action = "books.file-changed"
			res, err = tx.Exec(`UPDATE books_files SET year = ?, code = ?, code_key = ?, title = ?, retention = ?, keeper = ?, sheets = ?, note = ? WHERE seq = ?`, append(values, f.ID)...)
		}
		if sqlite.IsUnique(err) {
			return problem.New(problem.Conflict, "books.file-taken", "code", i18n.Args{"code": f.Code, "year": f.Year})
		}
		if err != nil {
			return err
		}
		if f.ID == 0 {
			f.ID, err = res.LastInsertId()
		} else if n, _ := res.RowsAffected(); n == 0 {
			err = errNoFile()
		}
		if err != nil {
			return err
		}
		return audit.Append(tx, f.entry(by, action))
	})
	if err != nil {
		return 0, fmt.Errorf("save file: %w", err)
	}
	return f.ID, nil
}

func (f File) entry(by, action string) audit.Entry {
	return audit.Entry{Actor: by, Action: action, Subject: fmt.Sprintf("%s %d", f.Code, f.Year), Detail: map[string]string{"file": fmt.Sprint(f.ID)}}
}

func errNoFile() error { return problem.New(problem.NotFound, "books.no-file", "file", nil) }

const fileColumns = `SELECT seq, year, code, title, retention, keeper, sheets, note, (SELECT count(*) FROM books_filed WHERE file = seq) FROM books_files `

func readFiles(tx *sqlite.Tx, rest string, args ...any) (files []File, err error) {
	err = each(tx, fileColumns+rest, args, func(scan scanner) error {
		var f File
		err := scan(&f.ID, &f.Year, &f.Code, &f.Title, &f.Retention, &f.Keeper, &f.Sheets, &f.Note, &f.Documents)
		files = append(files, f)
		return err
	})
	return files, err
}

func readFile(tx *sqlite.Tx, id int64) (File, error) {
	files, err := readFiles(tx, `WHERE seq = ?`, id)
	if err == nil && len(files) == 0 {
		err = errNoFile()
	}
	if err != nil {
		return File{}, err
	}
	return files[0], nil
}

// Files lists the work files of a year by their codes.
func (b *Books) Files(ctx context.Context, year int) (files []File, err error) {
	err = b.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		files, err = readFiles(tx, `WHERE year = ? ORDER BY code_key`, year)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	return files, nil
}

// Filed is a document in a work file.
type Filed struct {
	Document office.Document
	Ordinal  int    // by the order in which documents were put in, from 1 without a gap
	Sheet    string // tờ số
}

// File returns a work file with its documents.
func (b *Books) File(ctx context.Context, id int64) (f File, list []Filed, err error) {
	var ids []storage.ID
	sheets := map[storage.ID]string{}
	err = b.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		ids = nil
		if f, err = readFile(tx, id); err != nil {
			return err
		}
		return each(tx, `SELECT document, sheet FROM books_filed WHERE file = ? ORDER BY place`, []any{id}, func(scan scanner) error {
			var doc storage.ID
			var sheet string
			err := scan(&doc, &sheet)
			ids, sheets[doc] = append(ids, doc), sheet
			return err
		})
	})
	if err != nil {
		return File{}, nil, fmt.Errorf("read file: %w", err)
	}
	docs, err := b.o.Source.Documents(ctx, ids)
	if err != nil {
		return File{}, nil, fmt.Errorf("read file: %w", err)
	}
	for _, d := range docs {
		list = append(list, Filed{d, slices.Index(ids, d.ID) + 1, sheets[d.ID]})
	}
	slices.SortFunc(list, func(x, y Filed) int { return x.Ordinal - y.Ordinal })
	return f, list, nil
}

// PutIn puts a document into a work file, at its end, or writes anew on which
// sheet it is. One document may be in several.
func (b *Books) PutIn(ctx context.Context, id int64, document storage.ID, sheet, by string) error {
	sheet = strings.TrimSpace(register.Clean(sheet))
	if utf8.RuneCountInString(sheet) > MaxFileText {
		return problem.New(problem.Usage, "books.file-long", "sheet", i18n.Args{"most": MaxFileText})
	}
	docs, err := b.o.Source.Documents(ctx, []storage.ID{document})
	if err == nil && len(docs) == 0 {
		err = problem.New(problem.NotFound, "document.not-found", "id", map[string]any{"id": document.String()})
	}
	if err != nil {
		return err
	}
	err = b.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		f, err := readFile(tx, id)
		if err != nil {
			return err
		}
		if f.Documents >= MaxFiled {
			return problem.New(problem.Full, "books.file-full", "file", i18n.Args{"most": MaxFiled})
		}
		_, err = tx.Exec(`INSERT INTO books_filed (file, document, place, sheet) VALUES (?1, ?2, (SELECT coalesce(max(place), 0) + 1 FROM books_filed WHERE file = ?1), ?3)
			ON CONFLICT (file, document) DO UPDATE SET sheet = excluded.sheet`, id, document, sheet)
		if err != nil {
			return err
		}
		e := f.entry(by, "books.filed")
		e.Detail["document"] = document.String()
		return audit.Append(tx, e)
	})
	if err != nil {
		return fmt.Errorf("put into file: %w", err)
	}
	return nil
}

// TakeOut takes a document out of a work file.
func (b *Books) TakeOut(ctx context.Context, id int64, document storage.ID, by string) error {
	err := b.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		f, err := readFile(tx, id)
		if err != nil {
			return err
		}
		res, err := tx.Exec(`DELETE FROM books_filed WHERE file = ? AND document = ?`, id, document)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		e := f.entry(by, "books.unfiled")
		e.Detail["document"] = document.String()
		return audit.Append(tx, e)
	})
	if err != nil {
		return fmt.Errorf("take out of file: %w", err)
	}
	return nil
}

// FilesOf lists the work files in which a document is.
func (b *Books) FilesOf(ctx context.Context, document storage.ID) (files []File, err error) {
	err = b.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		files, err = readFiles(tx, `WHERE seq IN (SELECT file FROM books_filed WHERE document = ?) ORDER BY year, code_key`, document)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list files of a document: %w", err)
	}
	return files, nil
}

// Contents is the list of the documents in a work file.
func (b *Books) Contents(ctx context.Context, id int64) (File, register.Table, error) {
	f, list, err := b.File(ctx, id)
	if err != nil {
		return File{}, register.Table{}, err
	}
	book, err := register.Find(register.FileContents)
	if err != nil {
		return File{}, register.Table{}, err
	}
	h := b.o.Heading()
	t := register.Table{Book: book, Made: b.now(), Volume: register.Volume{Superior: h.Superior, Office: h.Office, Place: h.Place, Year: f.Year}}
	for _, d := range list {
		t.Lines = append(t.Lines, register.Line{Key: d.Document.ID.String(), Values: map[register.Field]string{
			register.Ordinal: register.Number(d.Ordinal), register.CodeOf: symbol(d.Document), register.FullDate: documentDay(d.Document.Date),
			register.TypeSubject: typeSubject(d.Document), register.DocAuthor: d.Document.From.Name, register.SheetNo: d.Sheet,
		}})
	}
	return f, t, nil
}

// ExportContents makes a file of the list of the documents in a work file.
func (b *Books) ExportContents(ctx context.Context, id int64, format Format) ([]byte, error) {
	_, t, err := b.Contents(ctx, id)
	if err != nil {
		return nil, err
	}
	if format != PDF {
		return tableFile(t, format)
	}
	sheets, err := register.Paginate(t.Book, t.Volume, t.Lines, register.Printed{})
	if err != nil {
		return nil, err
	}
	return register.Print{Cover: &register.Cover{Book: t.Book, Volume: t.Volume}, Sheets: sheets, Made: b.now()}.PDF()
}

// fileList are the lines of the list of work files of a year.
func (b *Books) fileList(ctx context.Context, year int) ([]line, error) {
	files, err := b.Files(ctx, year)
	if err != nil {
		return nil, err
	}
	spans, err := b.spans(ctx, year)
	if err != nil {
		return nil, err
	}
	var lines []line
	for i, f := range files {
		lines = append(lines, line{Line: register.Line{Key: fmt.Sprintf("file-%d", f.ID), Values: map[register.Field]string{
			register.Serial: register.Number(i + 1), register.FileNotation: f.Code, register.FileTitle: f.Title,
			register.Period: spans[f.ID].String(), register.Retention: f.Retention, register.SheetCount: f.Sheets, register.Remarks: f.Note,
		}}})
	}
	return lines, nil
}

// span is from the first to the last date of documents.
type span struct{ first, last time.Time }

func (s span) String() string {
	if s.first.Equal(s.last) {
		return register.Day(s.first)
	}
	return register.Day(s.first) + " – " + register.Day(s.last)
}

// spans are those of the work files of a year.
func (b *Books) spans(ctx context.Context, year int) (map[int64]span, error) {
	in := map[storage.ID][]int64{}
	var ids []storage.ID
	err := b.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		clear(in)
		ids = nil
		return each(tx, `SELECT file, document FROM books_filed JOIN books_files ON seq = file WHERE year = ?`, []any{year}, func(scan scanner) error {
			var file int64
			var doc storage.ID
			err := scan(&file, &doc)
			if in[doc] == nil {
				ids = append(ids, doc)
			}
			in[doc] = append(in[doc], file)
			return err
		})
	})
	docs, asked := b.o.Source.Documents(ctx, ids)
	if err := errors.Join(err, asked); err != nil {
		return nil, fmt.Errorf("read files: %w", err)
	}
	spans := map[int64]span{}
	for _, d := range docs {
		t, err := time.Parse(time.DateOnly, d.Date)
		if err != nil {
			continue // not every office writes a date
		}
		for _, file := range in[d.ID] {
			s, ok := spans[file]
			if !ok || t.Before(s.first) {
				s.first = t
			}
			if t.After(s.last) {
				s.last = t
			}
			spans[file] = s
		}
	}
	return spans, nil
}
