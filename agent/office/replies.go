package office

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"tram/agent/edxml"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// kindReply is the relation of a document to those that it answers.
const kindReply = "reply"

// replies checks which documents a draft answers. The error is not a fault of
// the draft.
func (r *review) replies(ctx context.Context, ids []storage.ID, l *letter) error {
	if len(ids) > maxAnswers {
		r.fault("reply.too-many", "replies", i18n.Args{"limit": maxAnswers})
		return nil
	}
	for _, id := range ids {
		doc, err := r.o.Get(ctx, id)
		var p *problem.Problem
		switch {
		case errors.As(err, &p):
			r.fault("reply.unknown", "replies", i18n.Args{"id": id.String()})
		case err != nil:
			return err
		case doc.Box != In:
			r.fault("reply.outgoing", "replies", i18n.Args{"number": symbolOf(doc)})
		case doc.State == Returned || doc.State == Recalled:
			r.fault("reply.gone", "replies", i18n.Args{"number": symbolOf(doc)})
		default:
			if named := about(doc); !slices.Contains(l.answers, named) {
				l.answers = append(l.answers, named)
			}
		}
	}
	return nil
}

// answeredIn are the documents that a message names as answered, within what is
// looked at.
func answeredIn(d *edxml.Document) []edxml.ResponseFor {
	return d.ResponseFor[:min(len(d.ResponseFor), maxAnswers)]
}

// relateReplies links a document to those that it answers, and those that came
// first to it. Only who has a document can answer it (P7): of ours its
// recipients, of another office's whoever names that office.
func (o *Office) relateReplies(tx *sqlite.Tx, seq int64, doc Document, answers []edxml.ResponseFor) error {
	for _, a := range answers {
		if a.DocumentID == "" && a.Code == "" {
			continue
		}
		target, err := o.answeredBy(tx, seq, doc, a)
		if err != nil {
			return err
		}
		var row any
		if target > 0 {
			row = target
		}
		_, err = tx.Exec(`INSERT OR IGNORE INTO replies (document, edxml_id, organ, symbol, target) VALUES (?, ?, ?, ?, ?)`,
			seq, a.DocumentID, a.OrganID, a.Code, row)
		if err != nil {
			return fmt.Errorf("link reply: %w", err)
		}
		if target == 0 {
			continue
		}
		if err := o.noteReply(tx, target, doc); err != nil {
			return err
		}
	}
	return o.awaitedReplies(tx, seq, doc)
}

// noteReply adds to the track of the answered document that there is an answer.
func (o *Office) noteReply(tx *sqlite.Tx, target int64, by Document) error {
	if err := noteRelation(tx, target, kindReply, symbolOf(by), by.Date); err != nil {
		return err
	}
	var id storage.ID
	if err := tx.QueryRow(`SELECT id FROM documents WHERE seq = ?`, target).Scan(&id); err != nil {
		return err
	}
	return audit.Append(tx, audit.Entry{Actor: by.From.Code, Action: actionRelate, Subject: id.String(), Detail: map[string]string{
		"kind": kindReply, "by": symbolOf(by),
	}})
}

// answeredBy finds the document that one answers, 0 for none. Of several the
// latest counts.
func (o *Office) answeredBy(tx *sqlite.Tx, seq int64, doc Document, a edxml.ResponseFor) (target int64, err error) {
	where, arg := `edxml_id = ?1`, any(a.DocumentID)
	if a.DocumentID == "" {
		where, arg = `CASE notation WHEN '' THEN number ELSE number || '/' || notation END = ?1`, a.Code
	} else if id, err := uuid.Parse(a.DocumentID); err == nil && doc.Box == Out { // one without a DocumentId, see about
		where, arg = `(id = ?1 OR edxml_id = ?2)`, id
	}
	var list []originOf
	rows, err := tx.Query(`SELECT seq, box, from_code FROM documents WHERE `+where+` AND seq <> ?3 ORDER BY seq DESC LIMIT ?4`, arg, a.DocumentID, seq, maxAnswers)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var c originOf
		if err := rows.Scan(&c.seq, &c.box, &c.from); err != nil {
			return 0, err
		}
		list = append(list, c)
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	for _, c := range list {
		ok, err := o.mayAnswer(tx, doc, c, a.OrganID)
		if err != nil || ok {
			return c.seq, err
		}
	}
	return 0, nil
}

// originOf is where a document that may be the answered one came from.
type originOf struct {
	seq  int64
	box  Box
	from string
}

// mayAnswer tells whether a document can be an answer to another one, whose
// issuer it names as organ.
func (o *Office) mayAnswer(tx *sqlite.Tx, doc Document, to originOf, organ string) (ok bool, err error) {
	if to.box == In {
		return o.isCodeOf(to.from, organ), nil
	}
	if doc.Box != In || organ != "" && !o.isCodeOf(organ, o.me.Code) {
		return false, nil
	}
	err = tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM recipients WHERE document = ? AND code_key = ?)`, to.seq, registry.Key(doc.From.Code)).Scan(&ok)
	return ok, err
}

// awaitedReplies links answers that came first to the document that is here now.
func (o *Office) awaitedReplies(tx *sqlite.Tx, seq int64, doc Document) error {
	if doc.EdXMLID == "" {
		return nil
	}
	list, organs, err := waitingReplies(tx, doc.EdXMLID)
	if err != nil {
		return err
	}
	for i, by := range list {
		ok, err := o.mayAnswer(tx, by.Document, originOf{seq, doc.Box, doc.From.Code}, organs[i])
		if err != nil {
			return err
		}
		if !ok || by.seq == seq {
			continue
		}
		if _, err := tx.Exec(`UPDATE replies SET target = ? WHERE document = ? AND edxml_id = ?`, seq, by.seq, doc.EdXMLID); err != nil {
			return fmt.Errorf("link reply: %w", err)
		}
		if err := o.noteReply(tx, seq, by.Document); err != nil {
			return err
		}
	}
	return nil
}

// waitingReplies are the documents whose answered one was not here, each with
// the office that it names.
func waitingReplies(tx *sqlite.Tx, edxmlID string) (list []row, organs []string, err error) {
	rows, err := tx.Query(`SELECT d.seq, d.box, d.from_code, d.number, d.notation, d.date, r.organ FROM replies r JOIN documents d ON d.seq = r.document
		WHERE r.edxml_id = ? AND r.target IS NULL AND r.edxml_id <> '' ORDER BY d.seq LIMIT ?`, edxmlID, maxRelations)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r row
		var organ string
		if err := rows.Scan(&r.seq, &r.Box, &r.From.Code, &r.Number, &r.Notation, &r.Date, &organ); err != nil {
			return nil, nil, err
		}
		list, organs = append(list, r), append(organs, organ)
	}
	return list, organs, rows.Err()
}

// fillReplies reads what documents answer, and what answers them.
func fillReplies(tx *sqlite.Tx, list []*row) error {
	add := func(kind LinkKind) func(*sql.Rows, map[int64]*row) error {
		return func(rows *sql.Rows, bySeq map[int64]*row) error {
			var seq int64
			var number, notation, symbol string
			l := Link{Kind: kind}
			if err := rows.Scan(&seq, &l.EdXMLID, &symbol, &l.ID, &l.Box, &number, &notation, &l.Subject, &l.Date); err != nil {
				return err
			}
			if l.Symbol = (edxml.Code{Number: number, Notation: notation}).String(); l.Symbol == "" {
				l.Symbol = symbol
			}
			bySeq[seq].Links = append(bySeq[seq].Links, l)
			return nil
		}
	}
	return errors.Join(
		each(tx, list, `SELECT r.document, r.edxml_id, r.symbol, coalesce(d.id, zeroblob(16)), coalesce(d.box, ''), coalesce(d.number, ''), coalesce(d.notation, ''),
				coalesce(d.subject, ''), coalesce(d.date, '') FROM replies r LEFT JOIN documents d ON d.seq = r.target
			WHERE r.document IN (?) ORDER BY r.document, r.edxml_id`, add(Answers)),
		each(tx, list, `SELECT r.target, d.edxml_id, r.symbol, d.id, d.box, d.number, d.notation, d.subject, d.date
			FROM replies r JOIN documents d ON d.seq = r.document
			WHERE r.target IN (?) AND d.state NOT IN ('withdrawn', 'recalled') AND NOT (d.box = 'in' AND d.state = 'returned')
			ORDER BY d.seq`, add(AnsweredBy)))
}
