package office

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"tram/agent/edxml"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/register"
	"tram/agent/seal"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// answer is a status that this office gives to an incoming document.
type answer struct {
	to      string // office that sent the document
	of      storage.ID
	urgency Urgency
	code    edxml.StatusCode
	text    string     // Description, which goes out, in Vietnamese
	said    *i18n.Said // the same for the track here; nil: text is what a person wrote
	by      string
	at      time.Time
	about   edxml.ResponseFor
	onPaper bool // the document is: nobody waits for the answer over Trạm
}

// reply is a sealed answer, ready to be queued. Its parcel is empty when it
// cannot be made yet; it is owed then.
type reply struct {
	answer
	parcel parcel
	head   []byte
	owed   bool
	via    string // the connector that brings it, which needs no bundle
	nobody bool   // it is about a paper document and goes to nobody
}

// about names a document in an answer. A message that could not be read is
// named by the ID of its bundle.
func about(d Document) edxml.ResponseFor {
	date, _ := edxml.ParseDate(d.Date)
	r := edxml.ResponseFor{OrganID: d.From.Code, DocumentID: d.EdXMLID, Code: edxml.Code{Number: d.Number, Notation: d.Notation}.String()}
	if !date.IsZero() {
		r.Date = date
	}
	if r.DocumentID == "" {
		r.DocumentID = d.ID.String()
	}
	return r
}

// reply seals and packs an answer. Without the sender's key in the registry it
// is marked as owed, which is no error.
func (o *Office) reply(ctx context.Context, a answer) (reply, error) {
	if a.onPaper {
		return reply{answer: a, nobody: true}, nil
	}
	if via, err := o.answerVia(ctx, a.of, a.to); err != nil || via != "" {
		return reply{answer: a, via: via}, err
	}
	card, err := o.registry.Lookup(a.to)
	if errors.Is(err, registry.ErrNotFound) || err == nil && !card.Enrolled() {
		return reply{answer: a, owed: true}, nil
	}
	if err != nil {
		return reply{}, fmt.Errorf("answer document: %w", err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return reply{}, fmt.Errorf("answer document: %w", err)
	}
	message, err := encodeStatus(&edxml.Status{
		From: o.organ(), ResponseFor: a.about, Code: a.code, Description: a.text, Time: a.at,
		Staff: edxml.Staff{Department: clerkDepartment, Name: a.by},
	})
	if err != nil {
		return reply{}, fmt.Errorf("answer document: %w", err)
	}
	head, err := o.sealer.Load().Seal(seal.Named{Name: seal.StatusName(o.me.Code, id.String()), Data: message}, nil)
	if err != nil {
		return reply{}, fmt.Errorf("seal status: %w", err)
	}
	p, err := o.pack(ctx, bundle.Header{
		ID: id, Kind: bundle.KindStatus, Urgency: uint8(a.urgency), InReplyTo: a.of,
		Created: a.at, Expires: a.at.Add(StatusLifetime),
	}, head, nil, []registry.Card{card})
	if err != nil {
		return reply{}, err
	}
	return reply{answer: a, parcel: p, head: head}, nil
}

// queueReply queues a reply, or notes it as owed, and returns the row of its
// proof, 0 when it is owed.
func (o *Office) queueReply(tx *sqlite.Tx, seq int64, r reply) (int64, error) {
	if r.via != "" || r.nobody {
		return 0, nil
	}
	if r.owed {
		_, err := tx.Exec(`INSERT OR IGNORE INTO owed (document, code, description, actor, at) VALUES (?, ?, ?, ?, ?)`,
			seq, string(r.code), r.text, r.by, r.at)
		if err != nil {
			return 0, fmt.Errorf("note owed status: %w", err)
		}
		return 0, nil
	}
	if err := o.queue.Put(tx, r.parcel.bundle, r.parcel.contents, o.toHub()); err != nil {
		return 0, err
	}
	return insertProof(tx, seq, EvidenceStatus, o.me.Code, r.parcel.bundle.Header, r.head)
}

// toHub is where everything of this office goes first.
func (o *Office) toHub() []queue.Target { return []queue.Target{{Peer: o.me.Trust.Hub, Hold: true}} }

// Accept gives an incoming document its arrival number and tells the sender,
// status 03. Accepting it again returns the same; a returned document is a
// problem of class Conflict, as is one with a signature that is not valid.
func (o *Office) Accept(ctx context.Context, id storage.ID, by string) (Document, error) {
	return o.AcceptKnowing(ctx, id, by, Knowing{})
}

// AcceptKnowing is Accept by a clerk who declares something about signatures
// that are not valid. The verdicts that stand are frozen with the acceptance.
func (o *Office) AcceptKnowing(ctx context.Context, id storage.ID, by string, k Knowing) (Document, error) {
	rev := &review{o: o}
	k.Reason = rev.words("trust_reason", k.Reason, MaxReason)
	if err := rev.faults.Err(); err != nil {
		return Document{}, err
	}
	o.answering.Lock() // arrival numbers follow the order of acceptance
	defer o.answering.Unlock()
	doc, again, err := o.answerable(ctx, id, Accepted)
	if err != nil || again {
		return doc, err
	}
	checks, err := o.settled(ctx, doc)
	if err != nil {
		return Document{}, err
	}
	if err := o.permits(doc, checks, k); err != nil {
		return Document{}, err
	}
	now := o.now()
	year := now.In(edxml.Vietnam).Year()
	err = o.withNumber(ctx, register.IncomingSeries(year), "", func(no int) error {
		return o.acceptAs(ctx, doc, checks, k, by, now, no)
	})
	if err != nil {
		return Document{}, err
	}
	return o.Get(ctx, id)
}

// acceptAs accepts a document with a reserved number of arrival.
func (o *Office) acceptAs(ctx context.Context, doc Document, checks []Check, k Knowing, by string, now time.Time, no int) error {
	series := register.IncomingSeries(now.In(edxml.Vietnam).Year())
	words := i18n.Say("office.arrival", i18n.Args{"number": no, "date": now.In(edxml.Vietnam).Format("02/01/2006")})
	r, err := o.reply(ctx, answer{
		to: doc.From.Code, of: doc.ID, urgency: doc.Urgency, code: edxml.StatusAccepted, by: by, at: now, about: about(doc),
		text: words.Text(i18n.Vietnamese), said: words,
	})
	if err != nil {
		return err
	}
	return o.conclude(ctx, doc.ID, Accepted, r, no, func(tx *sqlite.Tx) error {
		return errors.Join(o.numbers.confirm(tx, series, no), o.freeze(tx, doc, checks, k, by))
	})
}

// Return sends an incoming document back, status 02 with the reason, which is
// required. Returning it again returns the same; an accepted document is a
// problem of class Conflict.
func (o *Office) Return(ctx context.Context, id storage.ID, reason, by string) (Document, error) {
	rev := &review{o: o}
	reason = rev.words("reason", reason, MaxReason)
	if reason == "" && len(rev.faults) == 0 {
		rev.fault("return.no-reason", "reason", nil)
	}
	if err := rev.faults.Err(); err != nil {
		return Document{}, err
	}
	o.answering.Lock()
	defer o.answering.Unlock()
	doc, again, err := o.answerable(ctx, id, Returned)
	if err != nil || again {
		return doc, err
	}
	r, err := o.reply(ctx, answer{
		to: doc.From.Code, of: id, urgency: doc.Urgency, code: edxml.StatusReturned, by: by, at: o.now(), about: about(doc), text: reason,
	})
	if err == nil {
		err = o.conclude(ctx, id, Returned, r, 0, nil)
	}
	if err != nil {
		return Document{}, err
	}
	return o.Get(ctx, id)
}

// answerable returns an incoming document that may go to state; again is true
// when it is there already.
func (o *Office) answerable(ctx context.Context, id storage.ID, state State) (doc Document, again bool, err error) {
	doc, err = o.Get(ctx, id)
	if err != nil {
		return Document{}, false, err
	}
	verb := map[State]string{Accepted: "accept", Returned: "return"}[state]
	switch {
	case doc.Box != In:
		return Document{}, false, problem.New(problem.Conflict, verb+".outgoing", "", nil)
	case doc.Medium == Paper && state == Returned:
		return Document{}, false, errPaper("return.paper")
	case doc.State == state:
		return doc, true, nil
	case doc.State == Recalled:
		return Document{}, false, errCancelled()
	case doc.State == Accepted:
		return Document{}, false, problem.New(problem.Conflict, "return.accepted", "", i18n.Args{"number": doc.Arrival})
	case doc.State == Returned:
		return Document{}, false, problem.New(problem.Conflict, "accept.returned", "", i18n.Args{"reason": wording{doc.Reason, doc.Why}})
	}
	return doc, false, nil
}

// conclude records the clerk's answer and queues it, in one transaction.
func (o *Office) conclude(ctx context.Context, id storage.ID, state State, r reply, arrival int, more func(*sqlite.Tx) error) error {
	err := o.db.Update(ctx, func(tx *sqlite.Tx) error {
		reason, number, year := "", "", 0
		if state == Returned {
			reason = r.text
		} else {
			number, year = strconv.Itoa(arrival), r.at.In(edxml.Vietnam).Year()
		}
		res, err := tx.Exec(`UPDATE documents SET state = ?, arrival = ?, reason = ?, booked = ? WHERE id = ? AND box = ? AND state = ?`,
			string(state), arrival, reason, year, id, string(In), string(Arrived))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(errors.New("document was answered meanwhile"), err)
		}
		seq, err := find(tx, In, id)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE recipients SET state = ?, number = ?, reason = ? WHERE document = ?`,
			string(state), number, reason, seq); err != nil {
			return err
		}
		if err := o.answered(tx, seq, state, r); err != nil {
			return err
		}
		if more != nil {
			if err := more(tx); err != nil {
				return err
			}
		}
		if state == Returned { // an update that is returned is refused; status 02 says so
			if err := closeRequest(tx, seq, RequestRefused, reason, r.by); err != nil {
				return err
			}
		}
		o.changed(tx)
		action := map[State]string{Accepted: actionAccept, Returned: actionReturn}[state]
		return audit.Append(tx, audit.Entry{
			Actor: o.actor(r.by), Action: action, Subject: id.String(), Detail: map[string]string{"number": number, "reason": reason},
		})
	})
	if err != nil {
		return storing(err)
	}
	return nil
}

// answered queues a reply and adds it to the track.
func (o *Office) answered(tx *sqlite.Tx, seq int64, step State, r reply) error {
	proof, err := o.queueReply(tx, seq, r)
	if err != nil {
		return err
	}
	e := Event{Step: step, Code: r.code, Office: o.me.Code, At: r.at, Learnt: tx.Now(), Signer: o.me.Code, Evidence: EvidenceStatus, Note: r.text, Said: r.said}
	if r.owed || r.via != "" || r.nobody {
		e.Signer, e.Evidence = "", ""
	}
	if r.nobody {
		e.Code = ""
	}
	return insertEvent(tx, seq, e, proof)
}

var arrivalNumber = regexp.MustCompile(`(?i)số đến\D{0,3}(\d{1,9})`)

// arrivalOf reads the arrival number in the Description of a status 03, "" when
// it has none.
func arrivalOf(description string) string {
	m := arrivalNumber.FindStringSubmatch(description)
	if m == nil {
		return ""
	}
	return strings.TrimLeft(m[1], "0")
}

// payOwed makes the statuses that were owed and can be made by now.
func (o *Office) payOwed(ctx context.Context) error {
	type debt struct {
		id storage.ID
		a  answer
	}
	var debts []debt
	err := o.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT d.id, o.code, o.description, o.actor, o.at FROM owed o JOIN documents d ON d.seq = o.document
			ORDER BY o.at, o.code LIMIT ?`, batchSize)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var d debt
			if err := rows.Scan(&d.id, &d.a.code, &d.a.text, &d.a.by, sqlite.Timestamp(&d.a.at)); err != nil {
				return err
			}
			debts = append(debts, d)
		}
		return rows.Err()
	})
	if err != nil {
		return fmt.Errorf("list owed statuses: %w", err)
	}
	for _, d := range debts {
		doc, err := o.Get(ctx, d.id)
		if err != nil {
			return err
		}
		d.a.to, d.a.of, d.a.urgency, d.a.about = doc.From.Code, d.id, doc.Urgency, about(doc)
		r, err := o.reply(ctx, d.a)
		if err != nil {
			return err
		}
		if r.owed {
			continue
		}
		if err := o.payOne(ctx, d.id, r); err != nil {
			return err
		}
	}
	return nil
}

func (o *Office) payOne(ctx context.Context, id storage.ID, r reply) error {
	return o.db.Update(ctx, func(tx *sqlite.Tx) error {
		seq, err := find(tx, In, id)
		if err != nil {
			return err
		}
		res, err := tx.Exec(`DELETE FROM owed WHERE document = ? AND code = ?`, seq, string(r.code))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err // paid meanwhile
		}
		_, err = o.queueReply(tx, seq, r)
		return err
	})
}

// cut shortens a text from outside to at most limit characters.
func cut(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit-1]) + "…"
}
