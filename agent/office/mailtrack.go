package office

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"tram/agent/edxml"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// posted is a message of ours. seq is 0 for none.
type posted struct {
	seq  int64
	id   storage.ID
	kind bundle.Kind
}

func insertMail(tx *sqlite.Tx, m SealedMail) error {
	res, err := tx.Exec(`INSERT INTO mail (id, kind, stamp, expires) VALUES (?, ?, ?, ?)`, m.ID, int(m.kind), m.stamp, m.Expires)
	if err != nil {
		return fmt.Errorf("insert mail: %w", err)
	}
	seq, err := res.LastInsertId()
	if err != nil {
		return fmt.Errorf("insert mail: %w", err)
	}
	for _, p := range m.To {
		_, err := tx.Exec(`INSERT INTO mail_recipients (mail, code, state) VALUES (?, ?, ?)`, seq, p.Code, string(Saved))
		if err != nil {
			return fmt.Errorf("insert mail recipient: %w", err)
		}
	}
	return nil
}

func findMail(tx *sqlite.Tx, id storage.ID) (posted, error) {
	m := posted{id: id}
	err := tx.QueryRow(`SELECT seq, kind FROM mail WHERE id = ?`, id).Scan(&m.seq, &m.kind)
	if errors.Is(err, sql.ErrNoRows) {
		return posted{}, nil
	}
	if err != nil {
		return posted{}, fmt.Errorf("find mail: %w", err)
	}
	return m, nil
}

// moveMail brings the recipients of a message of ours forward to the event's step:
// e.Office, or all when it is "". Those that are as far already stay. It tells the
// mailbox of those that moved, and lets the content go when nobody's answer is
// awaited any more. ours is false when the bundle is no message of ours.
func (o *Office) moveMail(tx *sqlite.Tx, id storage.ID, e MailEvent) (ours bool, err error) {
	m, err := findMail(tx, id)
	if err != nil || m.seq == 0 {
		return false, err
	}
	states, err := mailStates(tx, m)
	if err != nil {
		return true, err
	}
	waiting := false
	for code, state := range states {
		if mailRank(state) < mailRank(e.Step) && (e.Office == "" || o.isCodeOf(code, e.Office)) {
			_, err := tx.Exec(`UPDATE mail_recipients SET state = ? WHERE mail = ? AND code = ?`, string(e.Step), m.seq, code)
			if err != nil {
				return true, fmt.Errorf("advance mail: %w", err)
			}
			state, e.Offices = e.Step, append(e.Offices, code)
		}
		waiting = waiting || mailRank(state) < mailRank(Failed)
	}
	if len(e.Offices) == 0 {
		return true, nil
	}
	if !waiting {
		if err := o.queue.End(tx, id); err != nil {
			return true, err
		}
	}
	return true, o.tellMail(tx, m, e)
}

// mailRank orders the states of a recipient: of a message the first answer counts,
// so that one is as far as the other.
func mailRank(s State) int { return min(rank[s], rank[Delivered]) }

func mailStates(tx *sqlite.Tx, m posted) (map[string]State, error) {
	rows, err := tx.Query(`SELECT code, state FROM mail_recipients WHERE mail = ?`, m.seq)
	if err != nil {
		return nil, fmt.Errorf("list mail recipients: %w", err)
	}
	defer rows.Close()
	states := map[string]State{}
	for rows.Next() {
		var code string
		var state State
		if err := rows.Scan(&code, &state); err != nil {
			return nil, err
		}
		states[code] = state
	}
	return states, rows.Err()
}

// tellMail tells the mailbox of a step, and the audit log of one that somebody
// signed or that needs a person.
func (o *Office) tellMail(tx *sqlite.Tx, m posted, e MailEvent) error {
	e.Learnt = tx.Now()
	if len(e.Offices) == 1 {
		e.Office = e.Offices[0]
	}
	if box := o.boxOf(m.kind); box != nil {
		if err := box.Told(tx, m.id, e); err != nil {
			return err
		}
	}
	if e.Step == Sending {
		return nil
	}
	detail := map[string]string{"step": string(e.Step), "offices": strconv.Itoa(len(e.Offices))}
	if len(e.Offices) == 1 {
		detail["office"] = e.Office
	}
	if e.Proof != nil {
		detail["proof"] = hexDigest(e.Proof)
	}
	return audit.Append(tx, audit.Entry{Actor: o.actor(e.Signer), Action: actionMailTold, Subject: m.id.String(), Detail: detail})
}

// stampMail tells of the hub's time stamp on the seal of a message, once.
func (o *Office) stampMail(tx *sqlite.Tx, m posted, hub string, token []byte) error {
	var sum []byte
	if err := tx.QueryRow(`SELECT stamp FROM mail WHERE seq = ?`, m.seq).Scan(&sum); err != nil {
		return fmt.Errorf("find time stamp of mail: %w", err)
	}
	if len(sum) != sha256.Size {
		return nil
	}
	report, err := checkStamp(hub, token, [sha256.Size]byte(sum), o.hubRoots(hub), o.now())
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE mail SET stamp = x'' WHERE seq = ?`, m.seq); err != nil {
		return fmt.Errorf("note time stamp of mail: %w", err)
	}
	return o.tellMail(tx, m, MailEvent{Event: stampEvent(hub, report), Proof: token})
}

// custodyOfMail tells of the hub's receipt for a message.
func (o *Office) custodyOfMail(tx *sqlite.Tx, peer string, b storage.Bundle, out storage.Outcome) error {
	at := out.At
	if receipt, err := bundle.ParseReceipt(out.Receipt); err == nil {
		at = receipt.Receipt.At
	}
	_, err := o.moveMail(tx, b.ID, MailEvent{
		Event: Event{Step: AtHub, At: at, Signer: peer, Evidence: EvidenceCustody}, Proof: out.Receipt,
	})
	return err
}

// failMail ends the way of a message to an office, or to all when it is "".
func (o *Office) failMail(tx *sqlite.Tx, id storage.ID, office string, why wording, e MailEvent) (ours bool, err error) {
	e.Step, e.Office, e.Note, e.Said = Failed, office, why.text, why.said
	if e.At.IsZero() {
		e.At = tx.Now()
	}
	return o.moveMail(tx, id, e)
}

// noticeOfMail is failMail on a hub's word.
func (o *Office) noticeOfMail(tx *sqlite.Tx, e opened, n notice, raw []byte) (ours bool, err error) {
	return o.failMail(tx, n.Bundle, cut(n.Office, bundle.MaxCode), refusal(n.Code, ""), MailEvent{
		Event: Event{At: n.At, Signer: e.header.From, Evidence: EvidenceNotice}, Proof: raw, Header: e.Header,
	})
}

// fileMailStatus takes the answer to a message of ours. It must name the message,
// and its sender be a recipient of it.
func (o *Office) fileMailStatus(tx *sqlite.Tx, e opened, head []byte, s *edxml.Status) error {
	id := e.header.InReplyTo
	m, err := findMail(tx, id)
	if err != nil {
		return err
	}
	if m.seq == 0 {
		return reject("status-document", nil)
	}
	if named := s.ResponseFor.DocumentID; named != id.String() {
		return reject("status-document", fmt.Errorf("status names %q", named))
	}
	states, err := mailStates(tx, m)
	if err != nil {
		return err
	}
	recipient := false
	for code := range states {
		recipient = recipient || o.isCodeOf(code, e.header.From)
	}
	if !recipient {
		return reject("status-sender", nil)
	}
	step := steps[s.Code]
	if step != Delivered && step != Returned {
		return reject("status-form", fmt.Errorf("status %q is no answer to a message", s.Code))
	}
	at := s.Time
	if at.IsZero() {
		at = tx.Now()
	}
	_, err = o.moveMail(tx, id, MailEvent{Event: Event{
		Step: step, Code: s.Code, Office: e.header.From, At: at, Signer: e.header.From, Note: cut(s.Description, MaxReason), Evidence: EvidenceStatus,
	}, Proof: head, Header: e.Header})
	if err != nil {
		return err
	}
	return o.queue.Done(tx, e.ID)
}

// forgetMail drops what is known of messages whose answers are not taken any more.
func (o *Office) forgetMail(ctx context.Context) error {
	before := o.now().Add(-StatusLifetime)
	var due bool
	err := o.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM mail WHERE expires <= ?1) OR EXISTS (SELECT 1 FROM mail_owed WHERE at <= ?1)`, before).Scan(&due)
	})
	if err != nil || !due {
		return err
	}
	return o.db.Update(ctx, func(tx *sqlite.Tx) error {
		for _, table := range []string{`mail WHERE expires`, `mail_owed WHERE at`} {
			if _, err := tx.Exec(`DELETE FROM `+table+` <= ?`, before); err != nil {
				return fmt.Errorf("forget mail: %w", err)
			}
		}
		return nil
	})
}
