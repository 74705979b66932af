package office

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tram/agent/docsign"
	"tram/agent/edxml"
	"tram/agent/hub/registry"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

const documentColumns = `seq, id, box, state, urgency, from_code, from_name, subject, number, notation, type, type_name,
	date, edxml_id, arrival, reason, size, created, expires, others, medium, carries`

// row is a document with what only its table knows.
type row struct {
	Document
	seq    int64
	others int
}

func scanRow(rows interface{ Scan(...any) error }) (row, error) {
	r := row{Document: Document{To: []Recipient{}, Attachments: []Attachment{}}} // [] in JSON, never null
	var why, carries string
	err := rows.Scan(&r.seq, &r.ID, &r.Box, &r.State, &r.Urgency, &r.From.Code, &r.From.Name, &r.Subject, &r.Number, &r.Notation,
		&r.Type, &r.TypeName, &r.Date, &r.EdXMLID, &r.Arrival, &why, &r.Size,
		sqlite.Timestamp(&r.Created), sqlite.Timestamp(&r.Expires), &r.others, &r.Medium, &carries)
	if err == nil {
		err = r.Dossier.UnmarshalText([]byte(carries))
	}
	w := readWording(why)
	r.Reason, r.Why = w.text, w.said
	return r, err
}

// notFound is the problem that no document has this ID.
func notFound(id storage.ID) error {
	return problem.New(problem.NotFound, "document.not-found", "id", map[string]any{"id": id.String()})
}

// Get returns one document with its track, its seal and all its recipients.
func (o *Office) Get(ctx context.Context, id storage.ID) (Document, error) {
	var r row
	var head sealedHead
	err := o.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		if r, err = getRow(tx, id); err != nil {
			return err
		}
		list := []*row{&r}
		if err := errors.Join(fillRecipients(tx, list), fillAttachments(tx, list), fillEvents(tx, &r), fillSeals(tx, list), fillSignatures(tx, list), fillChecks(tx, &r), fillRequests(tx, list), fillLinks(tx, list), fillPapers(tx, list)); err != nil {
			return err
		}
		if err := o.fillTwins(tx, &r); err != nil {
			return err
		}
		if r.Origin != nil {
			return o.fillOrigin(tx, &r)
		}
		if r.others > 0 || r.Seal != nil {
			head, err = getHead(tx, r.seq)
		}
		return err
	})
	if err != nil {
		return Document{}, fmt.Errorf("get document: %w", err)
	}
	if r.Seal != nil {
		if err := o.fillSigner(&r.Document, head); err != nil {
			return Document{}, fmt.Errorf("get document: %w", err)
		}
	}
	if r.others > 0 && r.Origin == nil {
		if err := o.fillOthers(&r.Document, head); err != nil {
			return Document{}, fmt.Errorf("get document: %w", err)
		}
	}
	if p, ok := o.Progress(id); ok {
		r.Progress = &p
	}
	return r.Document, nil
}

func getRow(tx *sqlite.Tx, id storage.ID) (row, error) {
	r, err := scanRow(tx.QueryRow(`SELECT `+documentColumns+` FROM documents WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return row{}, notFound(id)
	}
	return r, err
}

// List returns a page of documents and how many there are in all, newest
// first, each with recipients, attachments and verdicts.
func (o *Office) List(ctx context.Context, q Query) ([]Document, int, error) {
	if q.Limit <= 0 {
		q.Limit = DefaultPage
	}
	q.Limit, q.Offset = min(q.Limit, MaxPage), max(q.Offset, 0)
	where, args := `box = ?`, []any{string(q.Box)}
	if len(q.States) > 0 {
		where += ` AND state IN (?` + strings.Repeat(`, ?`, len(q.States)-1) + `)`
		for _, s := range q.States {
			args = append(args, string(s))
		}
	}
	var docs []Document
	var total int
	err := o.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		if err := tx.QueryRow(`SELECT count(*) FROM documents WHERE `+where, args...).Scan(&total); err != nil {
			return err
		}
		docs, err = selectDocuments(tx, where+` ORDER BY seq DESC LIMIT ? OFFSET ?`, append(args, q.Limit, q.Offset)...)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list documents: %w", err)
	}
	return docs, total, nil
}

// selectDocuments returns documents without track and checks.
func selectDocuments(tx *sqlite.Tx, where string, args ...any) ([]Document, error) {
	rows, err := tx.Query(`SELECT `+documentColumns+` FROM documents WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []*row
	for rows.Next() {
		r, err := scanRow(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, &r)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if err := errors.Join(fillRecipients(tx, list), fillAttachments(tx, list), fillSeals(tx, list), fillSignatures(tx, list), fillRequests(tx, list), fillLinks(tx, list), fillPapers(tx, list)); err != nil {
		return nil, err
	}
	docs := make([]Document, len(list))
	for i, r := range list {
		docs[i] = r.Document
	}
	return docs, nil
}

// Work returns what a clerk has to do, at most MaxWork documents of each kind, and
// how many there are.
func (o *Office) Work(ctx context.Context) (Work, error) {
	var w Work
	err := o.db.View(ctx, func(tx *sqlite.Tx) error {
		late := workingDayBefore(o.now())
		// By states, of which few documents have those; the plus keeps the index of
		// levels out, which all have.
		for _, part := range []struct {
			into  *[]Document
			count *int
			where string
			order string
			args  []any
		}{
			{&w.Urgent, &w.Count.Urgent, `box = 'in' AND state = 'arrived' AND +urgency > 0`, `+urgency DESC, seq`, nil},
			{&w.ToAccept, &w.Count.ToAccept, `box = 'in' AND state = 'arrived' AND +urgency = 0`, `seq`, nil},
			{&w.Requests, &w.Count.Requests, `seq IN (SELECT document FROM requests WHERE state = 'pending') AND state <> 'returned'`,
				`urgency DESC, seq`, nil},
			{&w.Returned, &w.Count.Returned, `box = 'out' AND state = 'returned'`, `seq DESC`, nil},
			{&w.Failed, &w.Count.Failed, `box = 'out' AND state = 'failed'`, `seq DESC`, nil},
			{&w.Unsent, &w.Count.Unsent, `box = 'out' AND state IN ('saved', 'sending') AND created < ?`, `+urgency DESC, seq`, []any{late}},
		} {
			docs, err := selectDocuments(tx, part.where+` ORDER BY `+part.order+` LIMIT ?`, append(slices.Clone(part.args), MaxWork)...)
			if err != nil {
				return err
			}
			*part.into, *part.count = docs, len(docs)
			if len(docs) < MaxWork {
				continue
			}
			if err := tx.QueryRow(`SELECT count(*) FROM documents WHERE `+part.where, part.args...).Scan(part.count); err != nil {
				return err
			}
		}
		var err error
		w.LastIn, err = newest(tx, In)
		return err
	})
	if err != nil {
		return Work{}, fmt.Errorf("list work: %w", err)
	}
	return w, nil
}

// workingDayBefore is one working day before t in Vietnam, Saturdays and
// Sundays left out.
func workingDayBefore(t time.Time) time.Time {
	t = t.In(edxml.Vietnam).AddDate(0, 0, -1)
	for t.Weekday() == time.Saturday || t.Weekday() == time.Sunday {
		t = t.AddDate(0, 0, -1)
	}
	return t
}

// Summary returns the queue in figures. It is counted once for each revision:
// every page asks for it.
func (o *Office) Summary(ctx context.Context) (Summary, error) {
	revision := o.Revision()
	if kept := o.summed.Load(); kept != nil && kept.revision == revision {
		return kept.Summary, nil
	}
	s, err := o.summarise(ctx)
	if err == nil {
		o.summed.Store(&summed{s, revision})
	}
	return s, err
}

// summed is a summary with the revision that it is of.
type summed struct {
	Summary
	revision uint64
}

func (o *Office) summarise(ctx context.Context) (Summary, error) {
	var s Summary
	err := o.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT urgency, count(*), sum(size), min(created) FROM documents
			WHERE box = 'out' AND state IN ('saved', 'sending') GROUP BY urgency`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var urgency, count int
			var size int64
			var oldest time.Time
			if err := rows.Scan(&urgency, &count, &size, sqlite.Timestamp(&oldest)); err != nil {
				return err
			}
			s.Waiting += count
			s.WaitingBytes += size
			s.ByUrgency[urgency], s.Since[urgency] = count, oldest
			if s.Oldest.IsZero() || oldest.Before(s.Oldest) {
				s.Oldest = oldest
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if err := tx.QueryRow(`SELECT count(*) FROM documents WHERE box = 'in' AND state = 'arrived'`).Scan(&s.Unaccepted); err != nil {
			return err
		}
		if s.LastIn, err = newest(tx, In); err != nil {
			return err
		}
		s.LastOut, err = newest(tx, Out)
		return err
	})
	if err != nil {
		return Summary{}, fmt.Errorf("summarise documents: %w", err)
	}
	return s, nil
}

// newest is when the last electronic document of a box was saved or filed, zero
// for none.
func newest(tx *sqlite.Tx, box Box) (t time.Time, err error) {
	err = tx.QueryRow(`SELECT created FROM documents WHERE box = ? AND medium = 'electronic' ORDER BY seq DESC LIMIT 1`, string(box)).Scan(sqlite.Timestamp(&t))
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return t, err
}

// each runs a query for the documents of list and hands every row to scan,
// which reads the document's seq first.
func each(tx *sqlite.Tx, list []*row, query string, scan func(rows *sql.Rows, bySeq map[int64]*row) error) error {
	if len(list) == 0 {
		return nil
	}
	bySeq := make(map[int64]*row, len(list))
	args := make([]any, len(list))
	for i, r := range list {
		bySeq[r.seq], args[i] = r, r.seq
	}
	rows, err := tx.Query(strings.Replace(query, "(?)", "(?"+strings.Repeat(", ?", len(list)-1)+")", 1), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows, bySeq); err != nil {
			return err
		}
	}
	return rows.Err()
}

func fillRecipients(tx *sqlite.Tx, list []*row) error {
	err := each(tx, list, `SELECT document, code, name, state, number, reason, via FROM recipients WHERE document IN (?) ORDER BY document, pos`,
		func(rows *sql.Rows, bySeq map[int64]*row) error {
			var seq int64
			var r Recipient
			var why string
			if err := rows.Scan(&seq, &r.Code, &r.Name, &r.State, &r.Number, &why, &r.Via); err != nil {
				return err
			}
			w := readWording(why)
			r.Reason, r.Why = w.text, w.said
			if d := bySeq[seq]; d.Box == In && r.Via != "" {
				d.Origin, r.Via = &Origin{Via: r.Via}, ""
			}
			bySeq[seq].To = append(bySeq[seq].To, r)
			return nil
		})
	if err != nil {
		return err
	}
	return fillAsks(tx, list)
}

// fillAsks adds to the recipients what they were asked.
func fillAsks(tx *sqlite.Tx, list []*row) error {
	places := map[int64]map[string]int{} // of the recipients, by row and code
	return each(tx, list, `SELECT document, kind, code_key, state, reason, actor, at, answer, answered FROM asks WHERE document IN (?)`,
		func(rows *sql.Rows, bySeq map[int64]*row) error {
			var seq int64
			var a Ask
			var kind, key, answer string
			var answered int64
			err := rows.Scan(&seq, &kind, &key, &a.State, &a.Reason, &a.By, sqlite.Timestamp(&a.At), &answer, &answered)
			if err != nil {
				return err
			}
			a.Answered = sqlite.TimeOrZero(answered)
			w := readWording(answer)
			a.Answer, a.Why = w.text, w.said
			d := bySeq[seq]
			if places[seq] == nil {
				places[seq] = make(map[string]int, len(d.To))
				for i, to := range d.To {
					places[seq][registry.Key(to.Code)] = i
				}
			}
			at, ok := places[seq][key]
			if ok && kind == AskRecall {
				d.To[at].Recall = &a
			} else if ok {
				d.To[at].Update = &a
			}
			return nil
		})
}

func fillAttachments(tx *sqlite.Tx, list []*row) error {
	return each(tx, list, `SELECT document, idx, name, size, sha256, media FROM attachments WHERE document IN (?) ORDER BY document, idx`,
		func(rows *sql.Rows, bySeq map[int64]*row) error {
			var seq int64
			var a Attachment
			var sha [32]byte
			if err := rows.Scan(&seq, &a.Index, &a.Name, &a.Size, sqlite.Digest(&sha), &a.Type); err != nil {
				return err
			}
			a.SHA256 = hex.EncodeToString(sha[:])
			bySeq[seq].Attachments = append(bySeq[seq].Attachments, a)
			return nil
		})
}

func fillEvents(tx *sqlite.Tx, r *row) error {
	rows, err := tx.Query(`SELECT step, code, office, at, learnt, signer, note, evidence FROM events WHERE document = ? ORDER BY seq`, r.seq)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var e Event
		var note string
		if err := rows.Scan(&e.Step, &e.Code, &e.Office, sqlite.Timestamp(&e.At), sqlite.Timestamp(&e.Learnt), &e.Signer, &note, &e.Evidence); err != nil {
			return err
		}
		e.read(note)
		r.Events = append(r.Events, e)
	}
	return rows.Err()
}

// fillSeals reads the verdicts on the seals of incoming documents.
func fillSeals(tx *sqlite.Tx, list []*row) error {
	return each(tx, list, `SELECT document, verdict, reason, signer, name, signed_at, checked, issuer, serial FROM seals WHERE document IN (?)`,
		func(rows *sql.Rows, bySeq map[int64]*row) error {
			var seq int64
			var s Seal
			err := rows.Scan(&seq, &s.Verdict, &s.Reason, &s.Signer, &s.Name, sqlite.Timestamp(&s.SignedAt), sqlite.Timestamp(&s.Checked), &s.Issuer, &s.Serial)
			if err == nil {
				bySeq[seq].Seal = &s
			}
			return err
		})
}

// fillSignatures reads the newest verdict on each attachment and keeps the worst.
func fillSignatures(tx *sqlite.Tx, list []*row) error {
	return each(tx, list, `SELECT c.document, c.verdict FROM checks c WHERE c.document IN (?)
		AND NOT EXISTS (SELECT 1 FROM checks n WHERE n.document = c.document AND n.attachment = c.attachment AND n.seq > c.seq)`,
		func(rows *sql.Rows, bySeq map[int64]*row) error {
			var seq int64
			var verdict docsign.Verdict
			if err := rows.Scan(&seq, &verdict); err != nil {
				return err
			}
			bySeq[seq].Signatures = docsign.Worst(bySeq[seq].Signatures, verdict)
			return nil
		})
}
