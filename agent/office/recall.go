package office

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"tram/agent/edxml"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// AskState is what became of what a recipient was asked.
type AskState string

// The states. Only a recipient's own answer ends in agreed or refused.
const (
	AskDue     AskState = "due"     // saved here; the status is made when the recipient's key is known
	Asked      AskState = "asked"   // on its way, or waiting for a person there
	AskAgreed  AskState = "agreed"  // status 15
	AskRefused AskState = "refused" // status 16, with a reason
	AskUnsent  AskState = "unsent"  // it will not reach the recipient; may be asked again
)

// Kinds of asks and requests.
const (
	AskRecall = "recall"
	AskUpdate = "update"
)

// Ask is what this office asked one recipient of a document of its own, and
// the answer.
type Ask struct {
	State    AskState   `json:"state"`
	Reason   string     `json:"reason"`
	By       string     `json:"by"`
	At       time.Time  `json:"at"`
	Answer   string     `json:"answer,omitempty"` // for people by [Ask.AnswerIn]
	Why      *i18n.Said `json:"why,omitempty"`    // as that of a recipient
	Answered time.Time  `json:"answered,omitzero"`
}

// AnswerIn is Answer for a reader of a language.
func (a Ask) AnswerIn(lang i18n.Lang) string { return wording{a.Answer, a.Why}.in(lang) }

// begun reports whether a byte of an outgoing document may have left.
func (o *Office) begun(doc Document) bool {
	o.mu.Lock()
	_, began := o.began[doc.ID]
	o.mu.Unlock()
	p, under := o.Progress(doc.ID)
	return began || under && p.Sent > 0 || doc.State != Saved
}

// Withdraw takes an outgoing document back of which no byte has left. It goes
// to nobody; number and track stay. Again is no error. A document that is under
// way is the problem "withdraw.sent": it can be recalled.
func (o *Office) Withdraw(ctx context.Context, id storage.ID, reason, by string) (Document, error) {
	rev := &review{o: o}
	reason = rev.words("reason", reason, MaxReason)
	if err := rev.faults.Err(); err != nil {
		return Document{}, err
	}
	doc, err := o.Get(ctx, id)
	switch {
	case err != nil:
		return Document{}, err
	case doc.Box != Out:
		return Document{}, problem.New(problem.Conflict, "recall.incoming", "", nil)
	case doc.Medium == Paper:
		return Document{}, errPaper("recall.paper")
	case doc.State == Withdrawn:
		return doc, nil
	case o.begun(doc):
		return Document{}, problem.New(problem.Conflict, "withdraw.sent", "", nil)
	}
	err = o.db.Update(ctx, func(tx *sqlite.Tx) error { return o.withdraw(tx, doc, reason, by) })
	if err != nil {
		return Document{}, storing(err)
	}
	return o.Get(ctx, id)
}

func (o *Office) withdraw(tx *sqlite.Tx, doc Document, reason, by string) error {
	res, err := tx.Exec(`UPDATE documents SET state = ?, reason = ? WHERE id = ? AND state = ?`,
		string(Withdrawn), reason, doc.ID, string(Saved))
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(problem.New(problem.Conflict, "withdraw.sent", "", nil), err)
	}
	seq, err := find(tx, Out, doc.ID)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE recipients SET state = ?, reason = ? WHERE document = ?`, string(Withdrawn), reason, seq); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM asks WHERE document = ? AND kind = ?`, seq, AskUpdate); err != nil {
		return err
	}
	if err := o.endTransfer(tx, doc.ID); err != nil {
		return err
	}
	if err := insertEvent(tx, seq, Event{Step: Withdrawn, At: tx.Now(), Learnt: tx.Now(), Note: reason}, 0); err != nil {
		return err
	}
	o.changed(tx)
	return audit.Append(tx, audit.Entry{Actor: o.actor(by), Action: actionWithdraw, Subject: doc.ID.String(), Detail: map[string]string{
		"number": edxml.Code{Number: doc.Number, Notation: doc.Notation}.String(), "reason": reason,
	}})
}

// endTransfer offers a document of ours to nobody any more.
func (o *Office) endTransfer(tx *sqlite.Tx, id storage.ID) error {
	tx.OnCommit(func() { o.transfers.end(id) })
	return o.queue.End(tx, id)
}

// Recall asks recipients of an outgoing document, all of them when to is empty,
// to cancel it: status 13 with the reason, which is required. Those that have
// returned it or never got it are not asked. Who was asked before and has not
// refused is not asked again. A document of which no byte has left is withdrawn
// when all are meant. What is asked is durable when Recall returns.
func (o *Office) Recall(ctx context.Context, id storage.ID, to []string, reason, by string) (Document, error) {
	doc, codes, reason, err := o.recallable(ctx, id, to, reason)
	if err != nil {
		return Document{}, err
	}
	if doc.State == Withdrawn || len(to) == 0 && !o.begun(doc) {
		return o.Withdraw(ctx, id, reason, by)
	}
	err = o.db.Update(ctx, func(tx *sqlite.Tx) error {
		seq, err := find(tx, Out, id)
		if err != nil {
			return err
		}
		_, err = o.ask(tx, seq, id, codes, reason, by)
		return err
	})
	if err != nil {
		return Document{}, storing(err)
	}
	if err := o.sendAsks(ctx); err != nil {
		o.complain(ctx, "recalls not made", err) // they are saved, and made later
	}
	return o.Get(ctx, id)
}

// recallable checks a recall and finds whom it concerns.
func (o *Office) recallable(ctx context.Context, id storage.ID, to []string, reason string) (Document, []string, string, error) {
	rev := &review{o: o}
	reason = rev.words("reason", reason, MaxReason)
	if reason == "" && len(rev.faults) == 0 {
		rev.fault("recall.no-reason", "reason", nil)
	}
	doc, err := o.Get(ctx, id)
	if err != nil {
		return Document{}, nil, "", err
	}
	if doc.Box != Out {
		return Document{}, nil, "", problem.New(problem.Conflict, "recall.incoming", "", nil)
	}
	if doc.Medium == Paper {
		return Document{}, nil, "", errPaper("recall.paper")
	}
	codes := rev.askable(doc, to)
	if err := rev.faults.Err(); err != nil {
		return Document{}, nil, "", err
	}
	if len(codes) == 0 && doc.State != Withdrawn && doc.State != Recalled {
		return Document{}, nil, "", problem.New(problem.Conflict, "recall.nobody", "to", nil)
	}
	return doc, codes, reason, nil
}

// askable are the recipients of a document that may have it, of those named.
func (r *review) askable(doc Document, named []string) []string {
	wanted := map[string]bool{}
	for _, code := range named {
		to, ok := r.recipientOf(doc, code)
		if !ok {
			r.fault("recall.no-recipient", "to", i18n.Args{"code": printable(code)})
			continue
		}
		wanted[to.Code] = true
	}
	var codes []string
	for _, to := range doc.To {
		if len(named) > 0 && !wanted[to.Code] || to.State == Returned || to.State == Failed {
			continue
		}
		codes = append(codes, to.Code)
	}
	return codes
}

// recipientOf finds an office among the recipients by any of its codes.
func (r *review) recipientOf(doc Document, code string) (Recipient, bool) {
	for _, to := range doc.To {
		if r.o.isCodeOf(code, to.Code) {
			return to, true
		}
	}
	return Recipient{}, false
}

// ask notes that recipients are to cancel a document, and tells how many were
// not asked yet. When nobody is left who should get it, it goes to nobody any
// more: who has not got it agrees before it comes.
func (o *Office) ask(tx *sqlite.Tx, seq int64, id storage.ID, codes []string, reason, by string) (asked int, err error) {
	for _, code := range codes {
		res, err := tx.Exec(`INSERT INTO asks (document, kind, code_key, reason, actor, at, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
			ON CONFLICT (document, kind, code_key) DO UPDATE SET reason = ?4, actor = ?5, at = ?6, state = ?7, bundle = NULL, answer = '', answered = 0
			WHERE state IN ('refused', 'unsent')`,
			seq, AskRecall, registry.Key(code), reason, by, tx.Now(), string(AskDue))
		if err != nil {
			return 0, fmt.Errorf("ask recipient: %w", err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return 0, err
		}
		asked += int(n)
	}
	if asked == 0 {
		return 0, nil
	}
	var wanted bool
	err = tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM recipients r WHERE r.document = ?1 AND r.state IN ('saved', 'sending', 'hub')
		AND NOT EXISTS (SELECT 1 FROM asks a WHERE a.document = ?1 AND a.kind = ?2 AND a.code_key = r.code_key))`, seq, AskRecall).Scan(&wanted)
	if err != nil {
		return 0, fmt.Errorf("ask recipient: %w", err)
	}
	if !wanted {
		if err := o.endTransfer(tx, id); err != nil {
			return 0, err
		}
	}
	o.changed(tx)
	return asked, audit.Append(tx, audit.Entry{Actor: o.actor(by), Action: actionRecall, Subject: id.String(), Detail: map[string]string{
		"recipients": strconv.Itoa(asked), "first": codes[0], "reason": reason,
	}})
}

// dueAsk is a status 13 to be made.
type dueAsk struct {
	seq    int64
	id     storage.ID
	code   string
	reason string
	by     string
	at     time.Time
}

// sendAsks makes the statuses 13 that are due. Those to recipients without a
// key wait.
func (o *Office) sendAsks(ctx context.Context) error {
	o.asking.Lock()
	defer o.asking.Unlock()
	var list []dueAsk
	err := o.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT d.seq, d.id, r.code, a.reason, a.actor, a.at FROM asks a
			JOIN documents d ON d.seq = a.document JOIN recipients r ON r.document = a.document AND r.code_key = a.code_key
			WHERE a.state = 'due' AND a.kind = ? ORDER BY a.at LIMIT ?`, AskRecall, bundle.MaxRecipients)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var d dueAsk
			if err := rows.Scan(&d.seq, &d.id, &d.code, &d.reason, &d.by, sqlite.Timestamp(&d.at)); err != nil {
				return err
			}
			list = append(list, d)
		}
		return rows.Err()
	})
	if err != nil || len(list) == 0 {
		return err
	}
	docs := map[storage.ID]Document{}
	for _, d := range list {
		if err := o.sendAsk(ctx, d, docs); err != nil {
			return err
		}
	}
	return nil
}

func (o *Office) sendAsk(ctx context.Context, d dueAsk, docs map[storage.ID]Document) (err error) {
	doc, known := docs[d.id]
	if !known {
		if doc, err = o.Get(ctx, d.id); err != nil {
			return err
		}
		docs[d.id] = doc
	}
	named := about(doc)
	named.OrganID = d.code
	r, err := o.reply(ctx, answer{
		to: d.code, of: d.id, urgency: doc.Urgency, code: edxml.StatusTakeBack, text: d.reason, by: d.by, at: d.at, about: named,
	})
	if err != nil || r.owed {
		return err
	}
	return o.db.Update(ctx, func(tx *sqlite.Tx) error {
		var carrier any
		if r.via == "" {
			carrier = r.parcel.bundle.ID
		}
		res, err := tx.Exec(`UPDATE asks SET state = ?, bundle = ? WHERE document = ? AND kind = ? AND code_key = ? AND state = ?`,
			string(Asked), carrier, d.seq, AskRecall, registry.Key(d.code), string(AskDue))
		if err != nil {
			return fmt.Errorf("ask recipient: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		proof, err := o.queueReply(tx, d.seq, r)
		if err != nil {
			return err
		}
		e := Event{Code: edxml.StatusTakeBack, Office: d.code, At: d.at, Learnt: tx.Now(), Signer: o.me.Code,
			Evidence: EvidenceStatus, Note: d.reason, Said: statusNote(edxml.StatusTakeBack, d.reason)}
		if r.via != "" {
			e.Signer, e.Evidence = "", ""
		}
		if e.Step, err = recipientState(tx, d.seq, d.code); err != nil {
			return err
		}
		o.changed(tx)
		return insertEvent(tx, d.seq, e, proof)
	})
}

func recipientState(tx *sqlite.Tx, seq int64, office string) (s State, err error) {
	err = tx.QueryRow(`SELECT state FROM recipients WHERE document = ? AND code_key = ?`, seq, registry.Key(office)).Scan(&s)
	return s, err
}

// takeAnswer records status 15 or 16 of a recipient of ours. It returns the kind
// of ask that it answers, "" when nothing was asked or it changes nothing: what
// was agreed stays agreed.
func takeAnswer(tx *sqlite.Tx, seq int64, office string, s *edxml.Status) (kind string, err error) {
	state, before := AskRefused, `state IN ('due', 'asked', 'unsent')`
	if s.Code == edxml.StatusAgreed {
		state, before = AskAgreed, `state <> 'agreed'`
	}
	for _, kind := range []string{AskRecall, AskUpdate} {
		res, err := tx.Exec(`UPDATE asks SET state = ?, answer = ?, answered = ? WHERE document = ? AND kind = ? AND code_key = ? AND `+before,
			string(state), cut(s.Description, MaxReason), tx.Now(), seq, kind, registry.Key(office))
		if err != nil {
			return "", fmt.Errorf("take answer: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return kind, err
		}
	}
	return "", nil
}

// unasked notes that a status 13 of ours will not reach its recipient.
func (o *Office) unasked(tx *sqlite.Tx, id storage.ID, why wording) error {
	text, err := why.kept()
	if err != nil {
		return err
	}
	res, err := tx.Exec(`UPDATE asks SET state = ?, answer = ?, answered = ? WHERE bundle = ? AND state = ?`,
		string(AskUnsent), text, tx.Now(), id, string(Asked))
	if err != nil {
		return fmt.Errorf("note status as unsent: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	o.changed(tx)
	return nil
}

// overtaken asks all recipients of a withdrawn document to cancel it, when it
// turns out that it had left: the last moment before the first byte cannot be
// told from the first one after it.
func (o *Office) overtaken(tx *sqlite.Tx, seq int64) error {
	var id storage.ID
	var state State
	var reason string
	if err := tx.QueryRow(`SELECT id, state, reason FROM documents WHERE seq = ?`, seq).Scan(&id, &state, &reason); err != nil {
		return err
	}
	if state != Withdrawn {
		return nil
	}
	rows, err := tx.Query(`SELECT code FROM recipients WHERE document = ? ORDER BY pos`, seq)
	if err != nil {
		return err
	}
	defer rows.Close()
	var codes []string
	for rows.Next() {
		var code string
		if err := rows.Scan(&code); err != nil {
			return err
		}
		codes = append(codes, code)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if reason == "" {
		reason = i18n.T(i18n.Vietnamese, "office.recall.overtaken")
	}
	_, err = o.ask(tx, seq, id, codes, reason, "")
	return err
}
