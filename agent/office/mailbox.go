package office

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/seal"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// Mailbox is the part of this office that takes the [Mail] of one kind, and hears
// what became of its own. Each method runs in the transaction that makes the news
// durable: what it writes is durable with it or not at all. It must not wait for
// anything. An error undoes all of it; the news comes again later, and until then
// stands in the inbox or holds up the message. So it is for what may pass.
type Mailbox interface {
	// Take files a message whose seal holds and is the sender's, and whose files
	// are those that were sealed. It is called again only after an error of its
	// own or of the transaction, so that each message is filed once (P2). A
	// [Refusal] sends it back.
	Take(tx *sqlite.Tx, d Delivery) error
	// Refuse notes a message that does not verify, or that Take has refused. Its
	// sender is told why in the same transaction.
	Refuse(tx *sqlite.Tx, r Undelivered) error
	// Told notes how far a message of ours came, each step of each recipient
	// once and never backwards.
	Told(tx *sqlite.Tx, id storage.ID, e MailEvent) error
}

// ErrPremature is the error of a [Mailbox] for a message that follows on one which is still
// on its way. The message stays in the inbox; that is no fault until it has lasted.
var ErrPremature = errors.New("what the message follows on is still on its way")

// Refusal is the error of a [Mailbox] that will never take a message. Why goes to
// its sender, in Vietnamese; nil says that this kind of message is not supported.
type Refusal struct {
	Why   *i18n.Said
	Cause error // for the audit log, nil for none
}

func (r *Refusal) Error() string { return fmt.Sprintf("message refused: %v", r.Cause) }

// Unwrap gives the cause.
func (r *Refusal) Unwrap() error { return r.Cause }

// Envelope is what is known of a message that came without opening it. The header
// is signed by the sender's device key.
type Envelope struct {
	ID               storage.ID
	Kind             bundle.Kind
	From             Party
	To               []string // office codes, as the sender wrote them
	Urgency          Urgency
	Created, Expires time.Time // by the sender's clock
	Arrived          time.Time // here
	Peer             string    // the neighbour that brought it
	Header           []byte    // as signed
}

// Delivery is a message that arrived and verified.
type Delivery struct {
	Envelope
	Verdict seal.Verdict // on the seal: who sealed, and when
	Name    string       // of the message in the container
	Message []byte
	Files   []MailFile   // in the sender's order
	Head    blob.Content // sealed head, evidence of all of this
}

// Undelivered is a message that was not taken.
type Undelivered struct {
	Envelope
	Why     *i18n.Said
	Verdict *seal.Verdict // nil when there is no seal to judge
	Head    *blob.Content // nil when it could not be opened
}

// MailEvent says how far a message of ours came with some recipients: the states
// Sending, AtHub, Delivered, Returned or Failed. Event.Office is one of them, ""
// for several. Saved says that the hub has given a time stamp on our seal, which
// concerns no recipient and may come at any time after that.
type MailEvent struct {
	Event
	Offices []string // codes, as of SealedMail.To
	// Proof is what the signer of the event has signed, nil when the step is only
	// this machine's word: a custody receipt, a sealed status, a hub's notice, or a
	// time stamp token. Header is the signed header of the bundle it came in, nil
	// for a receipt and a token.
	Proof, Header []byte
}

// Deliver has what arrives of a kind go to m, which also hears of the mail of that
// kind that this office sends. Call it before [Office.Run]: a dossier that finds
// nobody to take it goes back to its sender with status 02.
func (o *Office) Deliver(kind bundle.Kind, m Mailbox) { o.boxes.Store(kind, m) }

// boxOf returns who takes the mail of a kind, nil for nobody.
func (o *Office) boxOf(kind bundle.Kind) Mailbox {
	m, _ := o.boxes.Load(kind)
	box, _ := m.(Mailbox)
	return box
}

func (o *Office) envelope(a queue.Arrived) Envelope {
	return Envelope{
		ID: a.ID, Kind: bundle.Kind(a.Kind), From: Party{a.From, o.name(a.From)}, To: a.To, Urgency: Urgency(min(a.Urgency, uint8(maxUrgency))),
		Created: a.Created, Expires: a.Expires, Arrived: a.At, Peer: a.Peer, Header: a.Header,
	}
}

// receiveMail hands a message to its mailbox and answers with status 01, or with
// 02 when it does not verify or is not wanted. The sender keeps it until then
// (P3). Doing so again after a crash finds the inbox entry gone or does all of it
// once.
func (o *Office) receiveMail(ctx context.Context, a queue.Arrived, log *slog.Logger) error {
	d := Delivery{Envelope: o.envelope(a)}
	e, err := o.examineMail(ctx, a, &d)
	var unfit *rejection
	if err == nil {
		err = o.fileMail(ctx, a, answer{code: edxml.StatusArrived}, func(tx *sqlite.Tx) error { return o.boxOf(d.Kind).Take(tx, d) }, audit.Entry{
			Actor: o.me.Code, Action: actionMailFile, Detail: map[string]string{"files": strconv.Itoa(len(d.Files))},
		})
	}
	no := Undelivered{Envelope: d.Envelope, Head: e.kept}
	if e.kept != nil {
		no.Verdict = &e.head.Verdict
	}
	var refusal *Refusal
	entry := audit.Entry{Actor: o.me.Code, Action: actionMailReject, Detail: map[string]string{}}
	switch {
	case errors.As(err, &unfit):
		no.Why = unfit.words().said
		entry.Detail["reason"], entry.Detail["cause"] = unfit.reason, cause(unfit.err)
	case errors.As(err, &refusal):
		if no.Why = refusal.Why; no.Why == nil {
			no.Why = i18n.Say("office.reject.kind")
		}
		entry.Detail["reason"], entry.Detail["cause"] = no.Why.Key, cause(refusal.Cause)
	default:
		return err
	}
	log.Warn("message rejected", "reason", entry.Detail["reason"], "error", err)
	ans := answer{code: edxml.StatusReturned, text: cut(no.Why.Text(i18n.Vietnamese), MaxReason), said: no.Why}
	return o.fileMail(ctx, a, ans, func(tx *sqlite.Tx) error {
		if box := o.boxOf(d.Kind); box != nil {
			return box.Refuse(tx, no)
		}
		return nil
	}, entry)
}

// examineMail opens, verifies and stores a message.
func (o *Office) examineMail(ctx context.Context, a queue.Arrived, d *Delivery) (unsealed, error) {
	e, err := o.unseal(ctx, a)
	if err != nil {
		return e, err
	}
	if o.boxOf(d.Kind) == nil {
		return e, reject("mailbox", nil)
	}
	objects, sealed := e.attachments(), e.head.Files
	if len(objects) != len(sealed) {
		return e, &rejection{reason: "count", args: i18n.Args{"objects": len(objects), "sealed": len(sealed), "named": len(sealed)}}
	}
	for i, object := range objects {
		f := MailFile{Name: safeName(sealed[i].Name), Entry: sealed[i].Name, Media: sealed[i].MediaType}
		if f.Content, err = o.takeFile(ctx, e.opened, object, sealed[i]); err != nil {
			return e, ofFile(f.Name, err)
		}
		d.Files = append(d.Files, f)
	}
	d.Verdict, d.Name, d.Message, d.Head = e.head.Verdict, e.head.MessageName, e.head.Message, *e.kept
	return e, nil
}

// fileMail ends the inbox entry of a message with what its mailbox does about it
// and with the answer, in one transaction.
func (o *Office) fileMail(ctx context.Context, a queue.Arrived, ans answer, file func(*sqlite.Tx) error, entry audit.Entry) error {
	ans.to, ans.of, ans.at, ans.urgency = a.From, a.ID, o.now(), Urgency(min(a.Urgency, uint8(maxUrgency)))
	r, err := o.reply(ctx, mailAnswer(ans))
	if err != nil {
		return err
	}
	entry.Subject = a.ID.String()
	entry.Detail["kind"], entry.Detail["from"], entry.Detail["header"] = bundle.Kind(a.Kind).String(), a.From, hexDigest(a.Header)
	return o.db.Update(ctx, func(tx *sqlite.Tx) error {
		if err := file(tx); err != nil {
			return err
		}
		if err := o.queueMailReply(tx, r); err != nil {
			return err
		}
		if err := o.queue.Done(tx, a.ID); err != nil {
			return err
		}
		return audit.Append(tx, entry)
	})
}

// mailAnswer names the message that an answer is about.
func mailAnswer(a answer) answer {
	a.about = edxml.ResponseFor{OrganID: a.to, DocumentID: a.of.String()}
	return a
}

// queueMailReply queues an answer, or notes it as owed.
func (o *Office) queueMailReply(tx *sqlite.Tx, r reply) error {
	if !r.owed {
		return o.queue.Put(tx, r.parcel.bundle, r.parcel.contents, o.toHub())
	}
	_, err := tx.Exec(`INSERT OR IGNORE INTO mail_owed (mail, sender, urgency, code, description, at) VALUES (?, ?, ?, ?, ?, ?)`,
		r.of, r.to, int(r.urgency), string(r.code), r.text, r.at)
	if err != nil {
		return fmt.Errorf("note owed answer: %w", err)
	}
	return nil
}

// payOwedMail makes the answers to messages that were owed and can be made by now,
// in any order: those to an office that stays without keys hold up no others.
func (o *Office) payOwedMail(ctx context.Context) error {
	var debts []answer
	err := o.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT mail, sender, urgency, code, description, at FROM mail_owed ORDER BY random() LIMIT ?`, batchSize)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var a answer
			if err := rows.Scan(&a.of, &a.to, &a.urgency, &a.code, &a.text, sqlite.Timestamp(&a.at)); err != nil {
				return err
			}
			debts = append(debts, mailAnswer(a))
		}
		return rows.Err()
	})
	if err != nil {
		return fmt.Errorf("list owed answers: %w", err)
	}
	for _, a := range debts {
		r, err := o.reply(ctx, a)
		if err != nil {
			return err
		}
		if r.owed {
			continue
		}
		err = o.db.Update(ctx, func(tx *sqlite.Tx) error {
			res, err := tx.Exec(`DELETE FROM mail_owed WHERE mail = ?`, a.of)
			if err != nil {
				return err
			}
			if n, err := res.RowsAffected(); err != nil || n == 0 {
				return err // paid meanwhile
			}
			return o.queueMailReply(tx, r)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
