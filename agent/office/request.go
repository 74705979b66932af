package office

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// RequestState is what this office answered to a [Request].
type RequestState string

// The states.
const (
	RequestPending RequestState = "pending" // waits for a person
	RequestGranted RequestState = "granted" // status 15
	RequestRefused RequestState = "refused" // status 16, or the update was returned
)

// Request is what the office that issued an incoming document asks of this one:
// to cancel it, or to agree to an update, which is the document itself.
type Request struct {
	Kind     string       `json:"kind"` // AskRecall or AskUpdate
	State    RequestState `json:"state"`
	From     string       `json:"from"`   // office code
	Person   string       `json:"person"` // who asked there
	Reason   string       `json:"reason"`
	At       time.Time    `json:"at"`
	Answer   string       `json:"answer,omitempty"` // reason of a refusal
	By       string       `json:"by,omitempty"`     // who answered, "" for the program itself
	Answered time.Time    `json:"answered,omitzero"`
}

// errCancelled is the problem that a document's content is gone.
func errCancelled() error { return problem.New(problem.Conflict, "recall.cancelled", "", nil) }

// cancelled reports whether the content of a document is gone.
func (r *row) cancelled() bool { return r.Box == In && r.State == Recalled }

// fillRequests reads the newest request about each incoming document.
func fillRequests(tx *sqlite.Tx, list []*row) error {
	return each(tx, list, `SELECT document, kind, state, sender, person, reason, at, answer, actor, answered FROM requests
		WHERE document IN (?) ORDER BY seq`,
		func(rows *sql.Rows, bySeq map[int64]*row) error {
			var seq, answered int64
			var r Request
			err := rows.Scan(&seq, &r.Kind, &r.State, &r.From, &r.Person, &r.Reason, sqlite.Timestamp(&r.At), &r.Answer, &r.By, &answered)
			if err != nil {
				return err
			}
			r.Answered = sqlite.TimeOrZero(answered)
			bySeq[seq].Request = &r
			return nil
		})
}

// Grant agrees to what the office that issued a document asks, status 15. On a
// recall the document is cancelled: its content goes, its place in the register
// stays. Granting it again returns the same.
func (o *Office) Grant(ctx context.Context, id storage.ID, by string) (Document, error) {
	return o.respond(ctx, id, RequestGranted, edxml.StatusAgreed, "", by)
}

// Refuse refuses it, status 16 with the reason, which is required. A recall
// that was agreed to cannot be refused any more.
func (o *Office) Refuse(ctx context.Context, id storage.ID, reason, by string) (Document, error) {
	rev := &review{o: o}
	reason = rev.words("reason", reason, MaxReason)
	if reason == "" && len(rev.faults) == 0 {
		rev.fault("refuse.no-reason", "reason", nil)
	}
	if err := rev.faults.Err(); err != nil {
		return Document{}, err
	}
	return o.respond(ctx, id, RequestRefused, edxml.StatusRefused, reason, by)
}

// respondable returns a document whose sender waits for an answer; again is
// true when it has this one already.
func (o *Office) respondable(ctx context.Context, id storage.ID, state RequestState) (doc Document, again bool, err error) {
	doc, err = o.Get(ctx, id)
	switch {
	case err != nil:
		return Document{}, false, err
	case doc.Request == nil:
		return Document{}, false, problem.New(problem.Conflict, "request.none", "", nil)
	case doc.Request.State == state:
		return doc, true, nil
	case doc.Request.State != RequestPending:
		return Document{}, false, problem.New(problem.Conflict, "request."+string(doc.Request.State), "", nil)
	}
	return doc, false, nil
}

func (o *Office) respond(ctx context.Context, id storage.ID, state RequestState, code edxml.StatusCode, text, by string) (Document, error) {
	o.answering.Lock()
	defer o.answering.Unlock()
	doc, again, err := o.respondable(ctx, id, state)
	if err != nil || again {
		return doc, err
	}
	r, err := o.reply(ctx, answer{
		to: doc.From.Code, of: id, urgency: doc.Urgency, code: code, text: text, by: by, at: o.now(), about: about(doc),
	})
	if err != nil {
		return Document{}, err
	}
	err = o.db.Update(ctx, func(tx *sqlite.Tx) error {
		seq, err := find(tx, In, id)
		if err != nil {
			return err
		}
		return o.settleRequest(tx, seq, doc, state, r)
	})
	if err != nil {
		return Document{}, storing(err)
	}
	return o.Get(ctx, id)
}

// settleRequest records the answer to what is pending, and cancels the document
// when it is recalled with this office's agreement.
func (o *Office) settleRequest(tx *sqlite.Tx, seq int64, doc Document, state RequestState, r reply) error {
	if err := closeRequest(tx, seq, state, r.text, r.by); err != nil {
		return err
	}
	recall := doc.Request.Kind == AskRecall
	step := doc.State
	if recall && state == RequestGranted {
		step = Recalled
		if err := o.cancel(tx, seq, doc.ID, doc.Request.Reason, r.by); err != nil {
			return err
		}
	}
	if r.said == nil {
		r.said = statusNote(r.code, r.text)
	}
	if err := o.answered(tx, seq, step, r); err != nil {
		return err
	}
	o.changed(tx)
	action := map[RequestState]string{RequestGranted: actionGrant, RequestRefused: actionRefuse}[state]
	return audit.Append(tx, audit.Entry{Actor: o.actor(r.by), Action: action, Subject: doc.ID.String(), Detail: map[string]string{
		"kind": doc.Request.Kind, "reason": r.text,
	}})
}

func closeRequest(tx *sqlite.Tx, seq int64, state RequestState, text, by string) error {
	_, err := tx.Exec(`UPDATE requests SET state = ?, answer = ?, actor = ?, answered = ? WHERE document = ? AND state = 'pending'`,
		string(state), text, by, tx.Now(), seq)
	if err != nil {
		return fmt.Errorf("close request: %w", err)
	}
	return nil
}

// cancel cancels an incoming document on the order of the office that issued it
// (NĐ 30/2020, phụ lục VI, III.8): attachments, sealed message and what it says
// of the document go; the columns of the register, the track, the signed bundle
// header and the recall itself stay.
func (o *Office) cancel(tx *sqlite.Tx, seq int64, id storage.ID, reason, by string) error {
	for _, q := range []string{
		`UPDATE documents SET state = 'recalled', others = 0 WHERE seq = ?`,
		`UPDATE recipients SET state = 'recalled' WHERE document = ?`,
		`UPDATE attachments SET gone = 1, inline = NULL WHERE document = ?`,
		`UPDATE heads SET size = NULL, sha256 = NULL, inline = NULL WHERE document = ?`,
		`DELETE FROM originals WHERE document = ?`,
		`DELETE FROM checks_due WHERE document = ?`,
	} {
		if _, err := tx.Exec(q, seq); err != nil {
			return fmt.Errorf("cancel document: %w", err)
		}
	}
	if _, err := tx.Exec(`UPDATE documents SET reason = ? WHERE seq = ?`, reason, seq); err != nil {
		return fmt.Errorf("cancel document: %w", err)
	}
	return audit.Append(tx, audit.Entry{Actor: o.actor(by), Action: actionCancel, Subject: id.String(), Detail: map[string]string{"reason": reason}})
}

// withdrawable reports whether a document is cancelled without a person: it is
// in no register yet, or this office did not take it.
func withdrawable(s State) bool { return s == Arrived || s == Returned || s == Recalled }

// order is an office's order to cancel a document that it issued, as it came.
type order struct {
	from    string
	target  storage.ID // of the document's bundle; zero when it is named by DocumentId alone
	edxmlID string
	code    string // số, ký hiệu, for an order without DocumentId
	reason  string
	person  string
	at      time.Time
	head    []byte // sealed message
	entry   opened // inbox entry
	receipt *reply // of an order in the form of a document
}

// fileOrder carries out a recall, puts it before a person, or keeps it for a
// document that is still on its way. It is recorded once, with its answer.
func (o *Office) fileOrder(ctx context.Context, d order) error {
	o.answering.Lock() // no person answers about the document meanwhile
	defer o.answering.Unlock()
	doc, err := o.ordered(ctx, d)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return o.fileEarly(ctx, d)
	case err != nil:
		return err
	case !o.isCodeOf(doc.From.Code, d.from):
		return o.fileForeign(ctx, d, doc)
	}
	var r reply
	if withdrawable(doc.State) {
		r, err = o.reply(ctx, answer{
			to: d.from, of: doc.ID, urgency: doc.Urgency, code: edxml.StatusAgreed, at: o.now(), about: about(doc),
			text: i18n.T(i18n.Vietnamese, "office.recall.agreed"), said: i18n.Say("office.recall.agreed"),
		})
		if err != nil {
			return err
		}
	}
	return o.db.Update(ctx, func(tx *sqlite.Tx) error {
		seq, err := find(tx, In, doc.ID)
		if err != nil {
			return err
		}
		if err := o.trackOrder(tx, seq, d, doc); err != nil {
			return err
		}
		if withdrawable(doc.State) {
			doc.Request = &Request{Kind: AskRecall, Reason: d.reason}
			if err := o.settleRequest(tx, seq, doc, RequestGranted, r); err != nil {
				return err
			}
		}
		return o.orderDone(tx, d)
	})
}

// trackOrder keeps an order with the document, its seal as the proof. While one
// is pending another one changes nothing but the track.
func (o *Office) trackOrder(tx *sqlite.Tx, seq int64, d order, doc Document) error {
	if err := requestRecall(tx, seq, doc.Request, d); err != nil {
		return err
	}
	e := Event{Step: doc.State, Code: edxml.StatusTakeBack, Office: o.me.Code, At: d.at, Learnt: tx.Now(), Signer: d.from,
		Note: d.reason, Said: statusNote(edxml.StatusTakeBack, d.reason), Evidence: EvidenceStatus}
	var proof int64
	if d.receipt == nil {
		var err error
		if proof, err = insertProof(tx, seq, EvidenceStatus, d.from, d.entry.Header, d.head); err != nil {
			return err
		}
	}
	o.changed(tx)
	return insertEvent(tx, seq, e, proof)
}

// requestRecall puts a recall before a person; before is the newest request about
// the document. What is recalled updates nothing any more.
func requestRecall(tx *sqlite.Tx, seq int64, before *Request, d order) error {
	pending := before != nil && before.State == RequestPending
	if pending && before.Kind == AskRecall {
		return nil
	}
	if _, err := insertRequest(tx, seq, AskRecall, RequestPending, d); err != nil {
		return err
	}
	if !pending {
		return nil
	}
	_, err := tx.Exec(`UPDATE requests SET state = 'refused', answered = ? WHERE document = ? AND kind = ? AND state = 'pending'`, tx.Now(), seq, AskUpdate)
	if err != nil {
		return fmt.Errorf("close update: %w", err)
	}
	return nil
}

// orderDone ends the inbox entry of an order, with the receipt that a document
// asks for.
func (o *Office) orderDone(tx *sqlite.Tx, d order) error {
	if d.receipt != nil {
		if err := o.queueLoose(tx, *d.receipt); err != nil {
			return err
		}
	}
	if err := o.queue.Done(tx, d.entry.ID); err != nil {
		return err
	}
	return audit.Append(tx, audit.Entry{Actor: d.from, Action: actionRequest, Subject: d.entry.ID.String(), Detail: map[string]string{
		"kind": AskRecall, "document": cut(d.edxmlID, MaxReason), "bundle": d.target.String(), "reason": d.reason, "seal": hexDigest(d.head),
	}})
}

// ordered finds the document that an order is about: of the bundle, else of the
// DocumentId or number, first among those of the office that gives the order.
func (o *Office) ordered(ctx context.Context, d order) (Document, error) {
	var id storage.ID
	err := o.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT id, from_code FROM documents WHERE box = 'in' AND (id = ?1
			OR edxml_id = ?2 AND ?2 <> '' OR ?2 = '' AND ?3 <> '' AND CASE notation WHEN '' THEN number ELSE number || '/' || notation END = ?3)
			ORDER BY id = ?1 DESC, seq DESC`, d.target, d.edxmlID, d.code)
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
			own := o.isCodeOf(from, d.from)
			if own || id == (storage.ID{}) {
				id = found
			}
			if own {
				return nil
			}
		}
		return rows.Err()
	})
	if err != nil {
		return Document{}, err
	}
	if id == (storage.ID{}) {
		return Document{}, storage.ErrNotFound
	}
	return o.Get(ctx, id)
}

// fileEarly keeps an order for a document that is not here, and agrees: it will
// be cancelled when it comes.
func (o *Office) fileEarly(ctx context.Context, d order) error {
	of := d.target
	if of == (storage.ID{}) {
		of = d.entry.ID
	}
	r, err := o.reply(ctx, answer{
		to: d.from, of: of, urgency: Urgency(min(d.entry.Urgency, uint8(maxUrgency))), code: edxml.StatusAgreed, at: o.now(),
		text:  i18n.T(i18n.Vietnamese, "office.recall.early"),
		about: edxml.ResponseFor{OrganID: d.from, Code: d.code, DocumentID: d.named()},
	})
	if err != nil {
		return err
	}
	return o.db.Update(ctx, func(tx *sqlite.Tx) error {
		if _, err := insertRequest(tx, 0, AskRecall, "early", d); err != nil {
			return err
		}
		if err := o.queueLoose(tx, r); err != nil {
			return err
		}
		return o.orderDone(tx, d)
	})
}

// named is how an answer names the document of an order.
func (d order) named() string {
	switch {
	case d.edxmlID != "":
		return d.edxmlID
	case d.target != (storage.ID{}):
		return d.target.String()
	}
	return d.entry.ID.String()
}

// fileForeign refuses an order by an office that did not issue the document
// (P7). The attempt stands in the document's track.
func (o *Office) fileForeign(ctx context.Context, d order, doc Document) error {
	r, err := o.reply(ctx, answer{
		to: d.from, of: doc.ID, urgency: doc.Urgency, code: edxml.StatusRefused, at: o.now(), text: i18n.T(i18n.Vietnamese, "office.recall.foreign"),
		about: edxml.ResponseFor{OrganID: d.from, DocumentID: d.named()},
	})
	if err != nil {
		return err
	}
	return o.db.Update(ctx, func(tx *sqlite.Tx) error {
		seq, err := find(tx, In, doc.ID)
		if err != nil {
			return err
		}
		e := Event{Step: doc.State, At: d.at, Learnt: tx.Now(), Said: i18n.Say("office.recall.foreign-note", i18n.Args{"office": d.from, "reason": d.reason})}
		if err := insertEvent(tx, seq, e, 0); err != nil {
			return err
		}
		if err := o.queueLoose(tx, r); err != nil {
			return err
		}
		o.changed(tx)
		err = audit.Append(tx, audit.Entry{Actor: d.from, Action: actionForeign, Subject: doc.ID.String(), Detail: map[string]string{
			"from": d.from, "issuer": doc.From.Code, "reason": d.reason,
		}})
		return errors.Join(err, o.orderDone(tx, d))
	})
}

// errNoKey keeps an order in the inbox until its sender can be answered.
var errNoKey = errors.New("the registry has no key of the office that asked")

// queueLoose queues an answer about what is no document here.
func (o *Office) queueLoose(tx *sqlite.Tx, r reply) error {
	if r.owed {
		return fmt.Errorf("%w: %s", errNoKey, r.to)
	}
	return o.queue.Put(tx, r.parcel.bundle, r.parcel.contents, o.toHub())
}

func insertRequest(tx *sqlite.Tx, seq int64, kind string, state RequestState, d order) (int64, error) {
	var document, target, head any
	if seq > 0 {
		document = seq
	}
	if d.target != (storage.ID{}) {
		target = d.target
	}
	if d.receipt != nil || seq == 0 { // of a status it is the proof of an event
		head = d.head
	}
	res, err := tx.Exec(`INSERT INTO requests (document, kind, sender, target, edxml_id, reason, person, at, state, head) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		document, kind, d.from, target, d.edxmlID, d.reason, d.person, d.at, string(state), head)
	if err != nil {
		return 0, fmt.Errorf("keep request: %w", err)
	}
	return res.LastInsertId()
}
