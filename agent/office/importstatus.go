package office

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// importable are the statuses that a program of this office may give: 13 to an
// outgoing document, the others to an incoming one. 01 is given here already,
// when the document arrives.
var importable = []edxml.StatusCode{
	edxml.StatusArrived, edxml.StatusReturned, edxml.StatusAccepted, edxml.StatusAssigned, edxml.StatusInProgress, edxml.StatusDone,
	edxml.StatusTakeBack, edxml.StatusAgreed, edxml.StatusRefused,
}

// unreasoned is the problem of a status that needs a reason and has none.
var unreasoned = map[edxml.StatusCode]string{
	edxml.StatusReturned: "return.no-reason", edxml.StatusTakeBack: "recall.no-reason", edxml.StatusRefused: "refuse.no-reason",
}

// importStatus gives a status to the document that it names, as the clerk would.
func (o *Office) importStatus(ctx context.Context, h Handover, s *edxml.Status, warnings []edxml.Warning) (Imported, error) {
	rev := &review{o: o}
	if !o.isCodeOf(s.From.ID, o.me.Code) {
		rev.fault("import.not-ours", "From", i18n.Args{"code": printable(s.From.ID), "ours": o.me.Code})
	}
	if !slices.Contains(importable, s.Code) {
		rev.fault("import.status-code", "StatusCode", i18n.Args{"code": printable(string(s.Code))})
	}
	text := rev.words("Description", s.Description, MaxReason)
	if code := unreasoned[s.Code]; code != "" && text == "" {
		rev.fault(code, "Description", nil)
	}
	doc, err := o.subjectOf(ctx, s)
	var p *problem.Problem
	if errors.As(err, &p) {
		rev.faults = append(rev.faults, p)
	} else if err != nil {
		return Imported{}, err
	}
	if err := rev.faults.Err(); err != nil {
		return Imported{}, err
	}
	if err := h.permit(ctx, KindStatus, doc); err != nil {
		return Imported{}, err
	}
	done := Imported{Kind: KindStatus, Code: s.Code, Document: doc, Warnings: append([]edxml.Warning{}, warnings...)}
	if h.Try {
		return done, o.mayTake(ctx, doc, s)
	}
	switch s.Code {
	case edxml.StatusTakeBack:
		done.Document, err = o.Recall(ctx, doc.ID, o.askedOf(s), text, h.By)
		done.Changed = err == nil && asksOf(doc) != asksOf(done.Document)
	case edxml.StatusAgreed:
		done.Document, err = o.Grant(ctx, doc.ID, h.By)
		done.Changed = err == nil && doc.Request.State == RequestPending
	case edxml.StatusRefused:
		done.Document, err = o.Refuse(ctx, doc.ID, text, h.By)
		done.Changed = err == nil && doc.Request.State == RequestPending
	case edxml.StatusArrived:
	case edxml.StatusAccepted:
		done.Document, err = o.Accept(ctx, doc.ID, h.By)
		done.Changed = err == nil && done.Document.State != doc.State
	case edxml.StatusReturned:
		done.Document, err = o.Return(ctx, doc.ID, text, h.By)
		done.Changed = err == nil && done.Document.State != doc.State
	default:
		done.Document, done.Changed, err = o.Report(ctx, doc.ID, s.Code, text, h.By)
	}
	return done, err
}

// mayTake tells why a document cannot take a status now. It changes nothing.
func (o *Office) mayTake(ctx context.Context, doc Document, s *edxml.Status) error {
	switch s.Code {
	case edxml.StatusTakeBack:
		_, _, _, err := o.recallable(ctx, doc.ID, o.askedOf(s), s.Description)
		return err
	case edxml.StatusAgreed:
		_, _, err := o.respondable(ctx, doc.ID, RequestGranted)
		return err
	case edxml.StatusRefused:
		_, _, err := o.respondable(ctx, doc.ID, RequestRefused)
		return err
	case edxml.StatusAccepted:
		_, again, err := o.answerable(ctx, doc.ID, Accepted)
		if err != nil || again {
			return err
		}
		checks, err := o.settled(ctx, doc)
		if err != nil {
			return err
		}
		return o.permits(doc, checks, Knowing{})
	case edxml.StatusReturned:
		_, _, err := o.answerable(ctx, doc.ID, Returned)
		return err
	case edxml.StatusArrived:
		return nil
	}
	return reportable(doc)
}

// askedOf is the recipient that a status 13 asks: ResponseFor names it. nil, for
// all of them, when it names this office or none.
func (o *Office) askedOf(s *edxml.Status) []string {
	if asked := s.ResponseFor.OrganID; asked != "" && !o.isCodeOf(asked, o.me.Code) {
		return []string{asked}
	}
	return nil
}

// asksOf tells two states of an outgoing document apart by what was asked.
func asksOf(d Document) string {
	text := string(d.State)
	for _, to := range d.To {
		if to.Recall != nil {
			text += " " + to.Code + "=" + to.Recall.At.String() + to.Recall.Answered.String()
		}
	}
	return text
}

// subjectOf finds the document that a status is about: by its DocumentId, or by
// number and sender when the status has none. Of several the latest counts.
// Status 13 is about one that this office has sent.
func (o *Office) subjectOf(ctx context.Context, s *edxml.Status) (Document, error) {
	id, box, r := storage.ID{}, In, s.ResponseFor
	if s.Code == edxml.StatusTakeBack {
		box, r.OrganID = Out, o.me.Code
	}
	err := o.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT id, from_code FROM documents WHERE box = ?3 AND
			(edxml_id = ?1 AND ?1 <> '' OR ?1 = '' AND CASE notation WHEN '' THEN number ELSE number || '/' || notation END = ?2)
			ORDER BY seq DESC`, r.DocumentID, r.Code, string(box))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var found storage.ID
			var from string
			if err := rows.Scan(&found, &from); err != nil {
				return err
			}
			if r.OrganID == "" && r.DocumentID != "" || o.isCodeOf(r.OrganID, from) {
				id = found
				return nil
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	})
	named := r.DocumentID
	if named == "" {
		named = r.Code
	}
	code := map[Box]string{In: "import.no-document", Out: "import.no-outgoing"}[box]
	err = notFoundAs(problem.New(problem.NotFound, code, "ResponseFor", i18n.Args{
		"document": printable(named), "office": printable(r.OrganID),
	}), err)
	if err != nil {
		return Document{}, err
	}
	doc, err := o.Get(ctx, id)
	if err != nil || s.Code != edxml.StatusAgreed && s.Code != edxml.StatusRefused {
		return doc, err
	}
	return o.waiting(ctx, doc)
}

// waiting is the document that an agreement or refusal is about: the one that
// is named, or the update of it that waits for an answer.
func (o *Office) waiting(ctx context.Context, doc Document) (Document, error) {
	if doc.Request != nil && doc.Request.State == RequestPending {
		return doc, nil
	}
	for _, l := range doc.Links {
		if l.Kind == UpdatedBy && l.Waits {
			return o.Get(ctx, l.ID)
		}
	}
	return doc, nil
}

func reportable(doc Document) error {
	switch {
	case doc.Box != In:
		return problem.New(problem.Conflict, "accept.outgoing", "", nil)
	case doc.State == Recalled:
		return errCancelled()
	case doc.State != Accepted:
		return problem.New(problem.Conflict, "import.not-accepted", "StatusCode", nil)
	}
	return nil
}

// Report tells the sender how an accepted document goes on: assigned, in
// progress or done, statuses 04 to 06. Each is told once; again is no error,
// and changed is false then. Of a paper document it is only noted.
func (o *Office) Report(ctx context.Context, id storage.ID, code edxml.StatusCode, text, by string) (doc Document, changed bool, err error) {
	return o.report(ctx, id, code, text, "", by)
}

// TellCarried tells the sender of an accepted document that carries a dossier how the
// dossier goes on. A code may be told again with another text; what was told before is
// no error. 03 was told when the document was accepted, and 02 cannot follow it: a
// dossier that is refused later is done.
func (o *Office) TellCarried(ctx context.Context, id storage.ID, code edxml.StatusCode, text, by string) error {
	switch code {
	case edxml.StatusArrived, edxml.StatusAccepted:
		return nil
	case edxml.StatusReturned:
		code = edxml.StatusDone
	}
	_, _, err := o.report(ctx, id, code, text, text, by)
	return err
}

// report tells a status; again is what tells two of one code apart, "" for nothing.
func (o *Office) report(ctx context.Context, id storage.ID, code edxml.StatusCode, text, again, by string) (doc Document, changed bool, err error) {
	o.answering.Lock()
	defer o.answering.Unlock()
	if doc, err = o.Get(ctx, id); err != nil {
		return Document{}, false, err
	}
	if err := reportable(doc); err != nil {
		return Document{}, false, err
	}
	r, err := o.reply(ctx, answer{
		to: doc.From.Code, of: id, urgency: doc.Urgency, code: code, by: by, at: o.now(), about: about(doc), text: text, said: statusNote(code, text), onPaper: doc.Medium == Paper,
	})
	if err != nil {
		return Document{}, false, err
	}
	err = o.db.Update(ctx, func(tx *sqlite.Tx) error {
		seq, err := find(tx, In, id)
		if err != nil {
			return err
		}
		res, err := tx.Exec(`INSERT OR IGNORE INTO reported (document, code, told) VALUES (?, ?, ?)`, seq, string(code), again)
		if err != nil {
			return fmt.Errorf("note status: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err // told before
		}
		changed = true
		if err := o.answered(tx, seq, Accepted, r); err != nil {
			return err
		}
		o.changed(tx)
		return audit.Append(tx, audit.Entry{
			Actor: o.actor(by), Action: actionReport, Subject: id.String(), Detail: map[string]string{"code": string(code), "text": text},
		})
	})
	if err != nil {
		return Document{}, false, storing(err)
	}
	doc, err = o.Get(ctx, id)
	return doc, changed, err
}
