package search

import (
	"bytes"
	"compress/flate"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"tram/agent/problem"
	"tram/agent/search/extract"
	"tram/storage"
	"tram/storage/sqlite"
)

// found tells a missing row from an error.
func found(err error) (bool, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// saveFiles notes which files a document has.
func (r record) saveFiles(tx *sqlite.Tx, seq int64) error {
	if err := forgetFiles(tx, seq, r.cancelled()); err != nil {
		return err
	}
	if r.cancelled() {
		return nil
	}
	for _, a := range r.doc.Attachments {
		sha, err := hex.DecodeString(a.SHA256)
		if err != nil {
			return fmt.Errorf("read digest: %w", err)
		}
		if _, err := tx.Exec(`INSERT INTO search_files (document, idx, kind, sha256) VALUES (?, ?, ?, ?)`, seq, a.Index, extract.Kind(a.Name), sha); err != nil {
			return err
		}
	}
	return nil
}

// forgetFiles takes the files of a document out, and with texts those of them
// that no other document has.
func forgetFiles(tx *sqlite.Tx, seq int64, texts bool) error {
	gone := map[[32]byte]kept{}
	if texts {
		rows, err := tx.Query(`SELECT sha256 FROM search_files WHERE document = ?`, seq)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var sha [32]byte
			if err := rows.Scan(sqlite.Digest(&sha)); err != nil {
				return err
			}
			gone[sha] = kept{}
		}
		if err := rows.Err(); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(`DELETE FROM search_files WHERE document = ?`, seq); err != nil {
		return err
	}
	return dropTexts(tx, gone)
}

// dropTexts removes those texts that no document has.
func dropTexts(tx *sqlite.Tx, texts map[[32]byte]kept) error {
	for sha := range texts {
		if _, err := tx.Exec(`DELETE FROM search_texts WHERE sha256 = ?1 AND NOT EXISTS (SELECT 1 FROM search_files WHERE sha256 = ?1)`, sha); err != nil {
			return err
		}
	}
	return nil
}

// fileWords is the text of the files of a document that are read, and how many
// have text, and how many were not read yet.
func fileWords(tx *sqlite.Tx, seq int64) (words string, texts, waiting int, err error) {
	rows, err := tx.Query(`SELECT t.state IS NULL, coalesce(t.text, x'') FROM search_files f LEFT JOIN search_texts t ON t.sha256 = f.sha256
		WHERE f.document = ? AND f.kind <> '' ORDER BY f.idx`, seq)
	if err != nil {
		return "", 0, 0, err
	}
	defer rows.Close()
	var b strings.Builder
	for rows.Next() {
		var unknown bool
		var packed []byte
		if err := rows.Scan(&unknown, &packed); err != nil {
			return "", 0, 0, err
		}
		if unknown {
			waiting++
			continue
		}
		if len(packed) == 0 {
			continue
		}
		texts++
		t, err := unpack(packed, MaxDocumentText-b.Len())
		if err != nil {
			return "", 0, 0, err
		}
		b.WriteString(t + "\n")
	}
	return b.String(), texts, waiting, rows.Err()
}

func pack(text string) ([]byte, error) {
	if text == "" {
		return []byte{}, nil
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	_, err = io.WriteString(w, text)
	err = errors.Join(err, w.Close())
	return b.Bytes(), err
}

func unpack(packed []byte, limit int) (string, error) {
	r := flate.NewReader(bytes.NewReader(packed))
	defer r.Close()
	var b strings.Builder
	if _, err := io.Copy(&b, io.LimitReader(r, int64(max(0, limit)))); err != nil {
		return "", fmt.Errorf("read kept text: %w", err)
	}
	return b.String(), nil
}

// readFiles reads the files of documents until ctx ends, the newest first.
func (x *Index) readFiles(ctx context.Context) {
	if x.reader == nil {
		return
	}
	for ctx.Err() == nil {
		more, err := x.readNext(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			x.log.Error("files not read", "error", err)
			if !rest(ctx, retry) {
				return
			}
		case !more:
			select {
			case x.settled <- struct{}{}:
			default:
			}
			select {
			case <-ctx.Done():
				return
			case <-x.files:
			case <-time.After(retry): // what was put off
			}
		}
	}
}

// unread is a file that was not read yet.
type unread struct {
	idx  int
	kind string
	sha  [32]byte
}

// readNext reads the files of one document.
func (x *Index) readNext(ctx context.Context) (more bool, err error) {
	var seq int64
	var id storage.ID
	var files []unread
	err = x.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		more, err = found(tx.QueryRow(`SELECT seq, id FROM search_documents WHERE waiting > 0 AND due <= ? ORDER BY seq DESC LIMIT 1`, tx.Now()).Scan(&seq, &id))
		if err != nil || !more {
			return err
		}
		files, err = unreadFiles(tx, seq)
		return err
	})
	if err != nil || !more {
		return false, err
	}
	texts := map[[32]byte]kept{}
	for _, f := range files {
		if _, known := texts[f.sha]; known {
			continue
		}
		if texts[f.sha], err = x.readFile(ctx, id, f); err != nil {
			if ctx.Err() == nil {
				x.log.Error("file not read", "document", id, "file", f.idx, "error", err)
			}
			return true, errors.Join(ctx.Err(), x.postpone(ctx, seq))
		}
	}
	return true, x.keep(ctx, seq, texts)
}

// kept is what is kept of a file.
type kept struct {
	state  string
	packed []byte
}

// readFile reads one file. An error is of this machine, and the file is tried
// again.
func (x *Index) readFile(ctx context.Context, id storage.ID, f unread) (kept, error) {
	_, body, err := x.source.Open(ctx, id, f.idx)
	if p := (*problem.Problem)(nil); errors.As(err, &p) || errors.Is(err, storage.ErrNotFound) {
		return kept{"unreadable", []byte{}}, nil // it was cancelled, or is missing: trying again gives nothing
	}
	if err != nil {
		return kept{}, err
	}
	defer body.Close()
	t, err := x.reader.Read(ctx, f.kind, body)
	switch {
	case errors.Is(err, extract.ErrNoText):
		return kept{"none", []byte{}}, nil
	case errors.Is(err, extract.ErrUnreadable):
		x.log.Info("file has no readable text", "document", id, "file", f.idx, "error", err)
		return kept{"unreadable", []byte{}}, nil
	case err != nil:
		return kept{}, err
	}
	packed, err := pack(t.Text)
	state := "whole"
	if t.Part {
		state = "part"
	}
	return kept{state, packed}, err
}

// keep writes the texts of files of a document, and its words anew.
func (x *Index) keep(ctx context.Context, seq int64, texts map[[32]byte]kept) error {
	err := x.db.Update(ctx, func(tx *sqlite.Tx) error {
		for sha, k := range texts {
			if _, err := tx.Exec(`INSERT INTO search_texts (sha256, state, text) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, sha, k.state, k.packed); err != nil {
				return err
			}
		}
		r, err := load(tx, seq)
		if errors.Is(err, errGone) {
			return dropTexts(tx, texts)
		}
		if err != nil {
			return err
		}
		if err := r.index(tx, seq); err != nil {
			return err
		}
		return dropTexts(tx, texts) // of a document that was cancelled meanwhile
	})
	if err != nil {
		return fmt.Errorf("write text of files: %w", err)
	}
	return nil
}

func (x *Index) postpone(ctx context.Context, seq int64) error {
	return x.db.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`UPDATE search_documents SET due = ? WHERE seq = ?`, tx.Now().Add(retry), seq)
		return err
	})
}

func unreadFiles(tx *sqlite.Tx, seq int64) (files []unread, err error) {
	rows, err := tx.Query(`SELECT f.idx, f.kind, f.sha256 FROM search_files f WHERE f.document = ? AND f.kind <> ''
		AND NOT EXISTS (SELECT 1 FROM search_texts t WHERE t.sha256 = f.sha256) ORDER BY f.idx`, seq)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var f unread
		if err := rows.Scan(&f.idx, &f.kind, sqlite.Digest(&f.sha)); err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, rows.Err()
}
