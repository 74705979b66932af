package search

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tram/agent/edxml"
	"tram/agent/fold"
	"tram/agent/office"
	"tram/storage"
	"tram/storage/sqlite"
)

// Field is a part of a document that is searched.
type Field string

// The fields, in the order in which they are shown.
const (
	FieldCode       Field = "code" // số/ký hiệu
	FieldSubject    Field = "subject"
	FieldSender     Field = "sender"
	FieldRecipients Field = "recipients"
	FieldSummary    Field = "summary"
	FieldSigner     Field = "signer"
	FieldType       Field = "type"
	FieldArrival    Field = "arrival" // số đến
	FieldFiles      Field = "files"   // their names
	FieldID         Field = "edxml_id"
)

// text is one field with what it says.
type text struct {
	Field Field  `json:"f"`
	Text  string `json:"t"`
}

// record is what the index knows of a document.
type record struct {
	doc    office.Document
	fields []text
}

// cancelled reports whether the text of the files is not to be found. The fields
// still are, as lists show them.
func (r record) cancelled() bool { return r.doc.State == office.Recalled && r.doc.Box == office.In }

// describe collects the fields of a document. message is nil when there is none.
func describe(d office.Document, message *edxml.Document) record {
	r := record{doc: d}
	add := func(f Field, parts ...string) {
		t := strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), "; ")
		t = strings.ToValidUTF8(t[:min(len(t), maxField)], "")
		if t = strings.TrimSpace(t); t != "" {
			r.fields = append(r.fields, text{f, t})
		}
	}
	add(FieldCode, code(d))
	add(FieldSubject, d.Subject)
	add(FieldSender, d.From.Name, d.From.Code)
	var to, names []string
	for _, t := range d.To {
		to = append(to, t.Name+" ("+t.Code+")")
	}
	add(FieldRecipients, to...)
	if message != nil {
		if message.Content != d.Subject {
			add(FieldSummary, message.Content)
		}
		add(FieldSigner, message.Signer.FullName)
	}
	add(FieldType, d.TypeName)
	if d.Arrival > 0 {
		add(FieldArrival, strconv.Itoa(d.Arrival))
	}
	for _, a := range d.Attachments {
		names = append(names, a.Name)
	}
	add(FieldFiles, names...)
	add(FieldID, d.EdXMLID)
	return r
}

func code(d office.Document) string {
	if d.Number == "" || d.Notation == "" {
		return d.Number + d.Notation
	}
	return d.Number + "/" + d.Notation
}

// words is the text of all fields, as it is written.
func (r record) words() string {
	var b strings.Builder
	for _, f := range r.fields {
		b.WriteString(f.Text)
		b.WriteByte('\n')
	}
	return b.String()
}

// date is that of the document, or else when it was filed.
func (r record) date() string {
	if _, err := time.Parse(time.DateOnly, r.doc.Date); err == nil {
		return r.doc.Date
	}
	return r.doc.Created.In(edxml.Vietnam).Format(time.DateOnly)
}

// facetMark begins the words of the facets column: a letter that no language here has.
const facetMark = "ƿ"

// Words of the facets column: one for each value that never changes.
func boxWord(b office.Box) string { return facetMark + "box" + hex.EncodeToString([]byte(b)) }
func yearWord(year string) string { return facetMark + "year" + hex.EncodeToString([]byte(year)) }
func typeWord(t string) string    { return facetMark + "type" + hex.EncodeToString([]byte(t)) }
func urgencyWord(u int) string    { return facetMark + "urgency" + strconv.Itoa(u) }
func senderWord(code string) string {
	return facetMark + "sender" + hex.EncodeToString([]byte(fold.String(code)))
}
func (r record) facets() string {
	return strings.Join([]string{
		boxWord(r.doc.Box), yearWord(r.date()[:4]), typeWord(r.doc.Type), urgencyWord(int(r.doc.Urgency)), senderWord(r.doc.From.Code),
	}, " ")
}

// save writes a document, which may be in the index already. With the same
// fields, only what narrows results is written.
func (r record) save(tx *sqlite.Tx) error {
	raw, err := json.Marshal(r.fields)
	if err != nil {
		return fmt.Errorf("write fields: %w", err)
	}
	d := r.doc
	var seq int64
	var gone bool
	err = tx.QueryRow(`INSERT INTO search_documents (id, box, state, urgency, type, sender, date) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state RETURNING seq, gone`,
		d.ID, string(d.Box), string(d.State), int(d.Urgency), d.Type, d.From.Code, r.date()).Scan(&seq, &gone)
	if err != nil || gone {
		return err
	}
	var before string
	had, err := found(tx.QueryRow(`SELECT fields FROM search_fields WHERE document = ?`, seq).Scan(&before))
	if err != nil {
		return err
	}
	if had && before == string(raw) && !r.cancelled() {
		return nil
	}
	if _, err := tx.Exec(`INSERT INTO search_fields (document, fields) VALUES (?, ?) ON CONFLICT DO UPDATE SET fields = excluded.fields`, seq, string(raw)); err != nil {
		return err
	}
	if err := r.saveFiles(tx, seq); err != nil {
		return err
	}
	return r.index(tx, seq)
}

// index writes the words of a document and of those of its files that are read.
func (r record) index(tx *sqlite.Tx, seq int64) error {
	words := r.words()
	files, texts, waiting, err := fileWords(tx, seq)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM search_words WHERE rowid = ?`, seq); err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO search_words (rowid, exact, fold, text, facets) VALUES (?, ?, ?, ?, ?)`,
		seq, exact(words), folded(words), folded(files), r.facets()); err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE search_documents SET texts = ?, waiting = ? WHERE seq = ?`, texts, waiting, seq)
	return err
}

// load reads back what save wrote, as far as index needs it.
func load(tx *sqlite.Tx, seq int64) (r record, err error) {
	var raw, date string
	err = tx.QueryRow(`SELECT d.id, d.box, d.state, d.urgency, d.type, d.sender, d.date, f.fields
		FROM search_documents d JOIN search_fields f ON f.document = d.seq WHERE d.seq = ?`, seq).
		Scan(&r.doc.ID, &r.doc.Box, &r.doc.State, &r.doc.Urgency, &r.doc.Type, &r.doc.From.Code, &date, &raw)
	if ok, err := found(err); err != nil || !ok {
		return r, errors.Join(err, errGone)
	}
	r.doc.Date = date
	if err := json.Unmarshal([]byte(raw), &r.fields); err != nil {
		return r, fmt.Errorf("read fields: %w", err)
	}
	return r, nil
}

// Remove takes a document out of the index for good: what the feed tells of it
// later does not bring it back. A document that is not in the index is left out
// as well.
func (x *Index) Remove(ctx context.Context, id storage.ID) error {
	err := x.db.Update(ctx, func(tx *sqlite.Tx) error {
		var seq int64
		err := tx.QueryRow(`INSERT INTO search_documents (id, box, state, urgency, type, sender, date, gone) VALUES (?, '', '', 0, '', '', '', 1)
			ON CONFLICT (id) DO UPDATE SET gone = 1, texts = 0, waiting = 0 RETURNING seq`, id).Scan(&seq)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM search_words WHERE rowid = ?`, seq); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM search_fields WHERE document = ?`, seq); err != nil {
			return err
		}
		return forgetFiles(tx, seq, true)
	})
	if err != nil {
		return fmt.Errorf("remove document from the index: %w", err)
	}
	return nil
}
