package office

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"tram/agent/edxml"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/seal"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/sync/bundle"
	"tram/sync/wire"
)

// Hooks returns what the queue is to call when the hub takes a bundle over or
// refuses it for good.
func (o *Office) Hooks() queue.Hooks {
	return queue.Hooks{Custody: o.custody, Refused: o.refused}
}

// custody writes the hub's receipt into the track of a document. After a
// restore of the hub there is a second one, which is kept as well.
func (o *Office) custody(tx *sqlite.Tx, peer string, b storage.Bundle, out storage.Outcome) error {
	tx.OnCommit(func() { o.transfers.end(b.ID) })
	if bundle.Kind(b.Kind) == bundle.KindReport {
		return o.reported(tx, b.ID, out.Epoch, true)
	}
	if bundle.Kind(b.Kind) != bundle.KindDocument {
		return o.custodyOfMail(tx, peer, b, out)
	}
	seq, err := find(tx, Out, b.ID)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	at := out.At
	if receipt, err := bundle.ParseReceipt(out.Receipt); err == nil {
		at = receipt.Receipt.At
	}
	proof, err := insertProof(tx, seq, EvidenceCustody, peer, nil, out.Receipt)
	if err != nil {
		return err
	}
	moved, err := advance(tx, seq, "", AtHub, "", wording{})
	if err != nil {
		return err
	}
	if moved > 0 {
		e := Event{Step: AtHub, At: at, Learnt: tx.Now(), Signer: peer, Evidence: EvidenceCustody}
		if err := insertEvent(tx, seq, e, proof); err != nil {
			return err
		}
	}
	o.changed(tx)
	return audit.Append(tx, audit.Entry{
		Actor: peer, Action: actionCustody, Subject: b.ID.String(), Detail: map[string]string{"receipt": hexDigest(out.Receipt)},
	})
}

// refused ends a bundle that the hub will never take.
func (o *Office) refused(tx *sqlite.Tx, peer string, b storage.Bundle, out storage.Outcome) error {
	tx.OnCommit(func() { o.transfers.end(b.ID) })
	if err := o.queue.End(tx, b.ID); err != nil {
		return err
	}
	if bundle.Kind(b.Kind) == bundle.KindReport {
		return o.reported(tx, b.ID, out.Epoch, false)
	}
	if bundle.Kind(b.Kind) == bundle.KindCommand {
		return o.answerUntaken(tx, peer, b, out)
	}
	action := actionBadBundle
	seq, err := find(tx, Out, b.ID)
	switch {
	case err == nil:
		action = actionRefused
		why := refusal(wire.Code(out.Code), out.Text)
		if err := o.fail(tx, seq, "", why, Event{At: out.At, Learnt: tx.Now()}, 0); err != nil {
			return err
		}
	case !errors.Is(err, storage.ErrNotFound):
		return err
	default:
		why := refusal(wire.Code(out.Code), out.Text)
		if ours, err := o.failMail(tx, b.ID, "", why, MailEvent{Event: Event{At: out.At}}); err != nil || ours {
			return err
		}
		if err := o.unasked(tx, b.ID, why); err != nil {
			return err
		}
		if err := o.answerRefused(tx, b.InReplyTo, out); err != nil {
			return err
		}
	}
	return audit.Append(tx, audit.Entry{
		Actor: peer, Action: action, Subject: b.ID.String(),
		Detail: map[string]string{"code": strconv.Itoa(int(out.Code)), "text": cut(out.Text, wire.MaxText)},
	})
}

// answerRefused notes with an incoming document that our status on it did not
// get away.
func (o *Office) answerRefused(tx *sqlite.Tx, about storage.ID, out storage.Outcome) error {
	seq, err := find(tx, In, about)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	e := Event{Office: o.me.Code, At: out.At, Learnt: tx.Now(), Said: i18n.Say("office.status.unsent", i18n.Args{
		"reason": refusal(wire.Code(out.Code), out.Text).said,
	})}
	if err := tx.QueryRow(`SELECT state FROM documents WHERE seq = ?`, seq).Scan(&e.Step); err != nil {
		return err
	}
	o.changed(tx)
	return insertEvent(tx, seq, e, 0)
}

// refusal explains a code of the wire to people; the neighbour's own text
// stands in for codes of later versions.
func refusal(code wire.Code, text string) wording {
	key := "office.refused." + strconv.Itoa(int(code))
	if i18n.Has(key) {
		return said(key)
	}
	return said("office.refused.other", i18n.Args{"code": int(code), "text": printable(text)})
}

// steps says where a status moves its recipient. Other codes are kept in the
// track and move nothing.
var steps = map[edxml.StatusCode]State{
	edxml.StatusArrived: Delivered, edxml.StatusAccepted: Accepted, edxml.StatusReturned: Returned,
}

// receiveStatus puts the answer of a recipient into the track.
func (o *Office) receiveStatus(ctx context.Context, a queue.Arrived) error {
	e, err := o.open(ctx, a)
	if err != nil {
		return err
	}
	raw, err := o.small(ctx, e, 0, maxStatusHead)
	if err != nil {
		return err
	}
	head, err := o.openHead(raw, e.header.From)
	if err != nil {
		return err
	}
	if head.MessageName != seal.StatusName(e.header.From, e.ID.String()) || len(head.Files) > 0 {
		return reject("status-form", fmt.Errorf("it is named %q and seals %d files", head.MessageName, len(head.Files)))
	}
	msg, _, err := edxml.Decode(bytes.NewReader(head.Message))
	if err != nil {
		return reject("message", err)
	}
	s, ok := msg.(*edxml.Status)
	if !ok {
		return reject("message-kind", nil)
	}
	if registry.Key(s.From.ID) != registry.Key(e.header.From) {
		return reject("message-sender", fmt.Errorf("status names %q", s.From.ID))
	}
	if s.Code == edxml.StatusTakeBack {
		own, err := o.sent(ctx, e.header.InReplyTo)
		if err != nil {
			return err
		}
		if !own {
			return o.fileOrder(ctx, orderOf(e, raw, s))
		}
	}
	return o.db.Update(ctx, func(tx *sqlite.Tx) error { return o.fileStatus(tx, e, raw, s) })
}

// orderOf is a status 13 as an order.
func orderOf(e opened, head []byte, s *edxml.Status) order {
	at := s.Time
	if at.IsZero() {
		at = e.header.Created
	}
	return order{
		from: e.header.From, target: e.header.InReplyTo, edxmlID: s.ResponseFor.DocumentID, code: s.ResponseFor.Code,
		reason: cut(s.Description, MaxReason), person: cut(s.Staff.Name, MaxSigner), at: at, head: head, entry: e,
	}
}

// sent reports whether a document is one that this office has sent.
func (o *Office) sent(ctx context.Context, id storage.ID) (own bool, err error) {
	err = o.db.View(ctx, func(tx *sqlite.Tx) error {
		_, err := find(tx, Out, id)
		if errors.Is(err, storage.ErrNotFound) {
			return nil
		}
		own = err == nil
		return err
	})
	return own, err
}

// fileStatus records one status. It must answer a document or message of ours, and
// its sender must be a recipient of it.
func (o *Office) fileStatus(tx *sqlite.Tx, e opened, head []byte, s *edxml.Status) error {
	var seq int64
	var known string
	err := tx.QueryRow(`SELECT seq, edxml_id FROM documents WHERE id = ? AND box = 'out'`, e.header.InReplyTo).Scan(&seq, &known)
	if errors.Is(err, sql.ErrNoRows) {
		return o.fileMailStatus(tx, e, head, s)
	}
	if err != nil {
		return err
	}
	if named := s.ResponseFor.DocumentID; named != known && named != e.header.InReplyTo.String() {
		return reject("status-document", fmt.Errorf("status names %q", named))
	}
	var office string
	err = notFoundAs(reject("status-sender", nil),
		tx.QueryRow(`SELECT code FROM recipients WHERE document = ? AND code_key = ?`, seq, registry.Key(s.From.ID)).Scan(&office))
	if err != nil {
		return err
	}
	proof, err := insertProof(tx, seq, EvidenceStatus, office, e.Header, head)
	if err != nil {
		return err
	}
	if err := o.trackStatus(tx, seq, office, s, proof); err != nil {
		return err
	}
	if err := o.endWhenDone(tx, seq, e.header.InReplyTo); err != nil {
		return err
	}
	if err := o.queue.Done(tx, e.ID); err != nil {
		return err
	}
	o.changed(tx)
	return audit.Append(tx, audit.Entry{
		Actor: office, Action: actionStatus, Subject: e.header.InReplyTo.String(),
		Detail: map[string]string{"code": string(s.Code), "seal": hexDigest(head)},
	})
}

// trackStatus moves the recipient, never backwards, and adds the event. Without
// a proof it is another system's word. A
// status that moves nothing stays in the track under the step reached.
func (o *Office) trackStatus(tx *sqlite.Tx, seq int64, office string, s *edxml.Status, proof int64) error {
	text := cut(s.Description, MaxReason)
	step, moves := steps[s.Code]
	ev := Event{Step: step, Code: edxml.StatusCode(cut(string(s.Code), 20)), Office: office, At: s.Time, Learnt: tx.Now(), Signer: office, Note: text, Evidence: EvidenceStatus}
	if ev.At.IsZero() {
		ev.At = tx.Now()
	}
	if proof == 0 {
		ev.Signer, ev.Evidence = "", EvidenceForeign
	}
	if s.Code == edxml.StatusAgreed || s.Code == edxml.StatusRefused {
		kind, err := takeAnswer(tx, seq, office, s)
		if err != nil {
			return err
		}
		if kind == AskRecall && s.Code == edxml.StatusAgreed {
			if _, err := advance(tx, seq, office, Recalled, "", written(text)); err != nil {
				return err
			}
		}
	}
	if !moves {
		if err := tx.QueryRow(`SELECT state FROM recipients WHERE document = ? AND code_key = ?`, seq, registry.Key(office)).Scan(&ev.Step); err != nil {
			return err
		}
		ev.Said = statusNote(s.Code, text)
		return insertEvent(tx, seq, ev, proof)
	}
	if err := o.overtaken(tx, seq); err != nil {
		return err
	}
	number, reason := "", wording{}
	switch step {
	case Accepted:
		number = arrivalOf(s.Description)
	case Returned:
		reason = written(text)
	}
	if _, err := advance(tx, seq, office, step, number, reason); err != nil {
		return err
	}
	return insertEvent(tx, seq, ev, proof)
}

func statusNote(code edxml.StatusCode, text string) *i18n.Said {
	name := i18n.Say("office.status.other")
	if key := "office.status." + string(code); i18n.Has(key) {
		name = i18n.Say(key)
	}
	key := "office.status.note"
	if text != "" {
		key = "office.status.note-text"
	}
	return i18n.Say(key, i18n.Args{"code": cut(string(code), 20), "name": name, "text": text})
}

// endWhenDone lets the content of a document go once every recipient has
// receipted or can never do so.
func (o *Office) endWhenDone(tx *sqlite.Tx, seq int64, id storage.ID) error {
	over, err := done(tx, seq)
	if err != nil || !over {
		return err
	}
	return o.queue.End(tx, id)
}

// notice is a hub's word that a bundle did not reach an office, or its evidence
// on several.
type notice struct {
	Version int       `json:"v"`
	Type    string    `json:"type"`
	Bundle  uuid.UUID `json:"document"`
	Office  string    `json:"office"`
	Code    wire.Code `json:"code"`
	Answer  []byte    `json:"answer"` // of type "renewed"
	At      time.Time `json:"at"`

	Evidence [][]byte  `json:"evidence"`
	Stamps   []stamped `json:"stamps"`
	Cards    [][]byte  `json:"cards"` // of those whom the evidence is about

	Published json.RawMessage `json:"published"` // of type "published"
}

// maxTestimony bounds the pieces of evidence in one notice.
const maxTestimony = 1000

// receiveNotice marks a recipient as failed on the hub's word, or keeps its
// evidence.
func (o *Office) receiveNotice(ctx context.Context, a queue.Arrived) error {
	raw, e, err := o.fromHub(ctx, a, bundle.RoleNotice)
	if err != nil {
		return err
	}
	var n notice
	if err := json.Unmarshal(raw, &n); err != nil {
		return reject("notice", err)
	}
	if n.Version == 1 && n.Type == "renewed" {
		return o.receiveRenewed(ctx, a, n.Answer)
	}
	if n.Version == 1 && n.Type == noticePublished {
		return o.receivePublished(ctx, a, n.Published)
	}
	if n.Version == 1 && n.Type == "evidence" && len(n.Evidence)+len(n.Stamps)+len(n.Cards) <= maxTestimony {
		return o.receiveTestimony(ctx, a, e, n)
	}
	if n.Version != 1 || n.Type != "undeliverable" {
		return reject("notice", fmt.Errorf("version %d, type %q", n.Version, n.Type))
	}
	return o.db.Update(ctx, func(tx *sqlite.Tx) error {
		seq, err := find(tx, Out, n.Bundle)
		switch {
		case err == nil:
			if err := o.fileNotice(tx, seq, e, n, raw); err != nil {
				return err
			}
		case !errors.Is(err, storage.ErrNotFound):
			return err
		default: // a message or a status of ours, which its reader cannot get
			ours, err := o.noticeOfMail(tx, e, n, raw)
			if err != nil {
				return err
			}
			if ours {
				break
			}
			if err := o.unasked(tx, n.Bundle, refusal(n.Code, "")); err != nil {
				return err
			}
			if err := o.queue.End(tx, n.Bundle); err != nil {
				return err
			}
		}
		if err := o.queue.Done(tx, a.ID); err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{
			Actor: e.header.From, Action: actionNotice, Subject: n.Bundle.String(),
			Detail: map[string]string{"type": n.Type, "office": cut(n.Office, bundle.MaxCode), "code": strconv.Itoa(int(n.Code))},
		})
	})
}

// receiveRenewed hands new certificates on to who keeps them. Those that are no
// good are dropped: the office asks for others before its own run out.
func (o *Office) receiveRenewed(ctx context.Context, a queue.Arrived, answer []byte) error {
	if o.renewed == nil {
		return reject("notice", errors.New("nobody takes certificates here"))
	}
	if err := o.renewed(ctx, answer); err != nil {
		if problem.From(err).Class == problem.BadSeal {
			return reject("notice", err)
		}
		return err
	}
	return o.db.Update(ctx, func(tx *sqlite.Tx) error {
		if err := o.queue.Done(tx, a.ID); err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{
			Actor: a.From, Action: actionNotice, Subject: a.ID.String(), Detail: map[string]string{"type": "renewed"},
		})
	})
}

// receiveTestimony keeps the evidence in a notice.
func (o *Office) receiveTestimony(ctx context.Context, a queue.Arrived, e opened, n notice) error {
	return o.db.Update(ctx, func(tx *sqlite.Tx) error {
		kept, bad, err := o.fileTestimony(tx, e.header.From, n)
		if err != nil {
			return err
		}
		if err := o.queue.Done(tx, a.ID); err != nil {
			return err
		}
		detail := map[string]string{"type": n.Type, "kept": strconv.Itoa(kept)}
		if len(bad) > 0 {
			detail["refused"], detail["cause"] = strconv.Itoa(len(bad)), cause(bad[0])
			tx.OnCommit(func() { o.log.Warn("evidence refused", "from", e.header.From, "count", len(bad), "error", bad[0]) })
		}
		return audit.Append(tx, audit.Entry{Actor: e.header.From, Action: actionEvidence, Subject: a.ID.String(), Detail: detail})
	})
}

func (o *Office) fileNotice(tx *sqlite.Tx, seq int64, e opened, n notice, raw []byte) error {
	var office string
	err := notFoundAs(reject("notice", errors.New("office is no recipient")),
		tx.QueryRow(`SELECT code FROM recipients WHERE document = ? AND code_key = ?`, seq, registry.Key(n.Office)).Scan(&office))
	if err != nil {
		return err
	}
	if err := o.overtaken(tx, seq); err != nil {
		return err
	}
	proof, err := insertProof(tx, seq, EvidenceNotice, e.header.From, e.Header, raw)
	if err != nil {
		return err
	}
	if err := o.fail(tx, seq, office, refusal(n.Code, ""), Event{
		At: n.At, Learnt: tx.Now(), Signer: e.header.From, Evidence: EvidenceNotice,
	}, proof); err != nil {
		return err
	}
	return o.endWhenDone(tx, seq, n.Bundle)
}

// fromHub opens a bundle that only the hub may send and returns its object.
func (o *Office) fromHub(ctx context.Context, a queue.Arrived, role bundle.Role) ([]byte, opened, error) {
	if !o.isHub(a.From) {
		return nil, opened{}, reject("not-hub", nil)
	}
	e, err := o.open(ctx, a)
	if err != nil {
		return nil, opened{}, err
	}
	if len(e.header.Objects) == 0 || e.header.Objects[0].Role != role {
		return nil, opened{}, reject("header", errors.New("first object has another role"))
	}
	raw, err := o.small(ctx, e, 0, maxControl)
	return raw, e, err
}
