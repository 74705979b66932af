package office

import (
	"context"
	"fmt"
	"time"

	"tram/agent/edxml"
	"tram/storage"
	"tram/storage/queue"
	"tram/storage/sqlite"
)

// early is an order to cancel a document that came before the document.
type early struct {
	seq    int64
	from   string
	reason string
	at     time.Time
	target storage.ID // zero for an order in the form of a document
	head   []byte
}

// earlyOrder finds the order that came before a document, nil for none. One that
// names the bundle is about this very document; one that names the DocumentId
// alone is about what its sender had made until then: the same DocumentId may be
// used again afterwards.
func (o *Office) earlyOrder(ctx context.Context, a queue.Arrived, in *arrival) (*early, error) {
	var found *early
	err := o.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT seq, sender, reason, at, head, coalesce(target, zeroblob(16)) FROM requests
			WHERE state = 'early' AND (target = ?1 OR edxml_id = ?2 AND ?2 <> '') ORDER BY seq`, a.ID, in.doc.EdXMLID)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var e early
			if err := rows.Scan(&e.seq, &e.from, &e.reason, sqlite.Timestamp(&e.at), &e.head, &e.target); err != nil {
				return err
			}
			if !o.isCodeOf(e.from, a.From) {
				continue // only who issued a document can recall it (P7)
			}
			if e.target == a.ID || e.target == (storage.ID{}) && !in.created.After(e.at) {
				found = &e
				return nil
			}
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("look for an earlier recall: %w", err)
	}
	return found, nil
}

// meetEarly joins an order and the document that it came before.
func (o *Office) meetEarly(tx *sqlite.Tx, seq int64, e *early) error {
	_, err := tx.Exec(`UPDATE requests SET document = ?, state = ?, answered = ? WHERE seq = ?`, seq, string(RequestGranted), tx.Now(), e.seq)
	if err != nil {
		return fmt.Errorf("meet an earlier recall: %w", err)
	}
	var proof int64
	if e.target != (storage.ID{}) {
		if proof, err = insertProof(tx, seq, EvidenceStatus, e.from, nil, e.head); err != nil {
			return err
		}
	}
	return insertEvent(tx, seq, Event{
		Step: Arrived, Code: edxml.StatusTakeBack, Office: o.me.Code, At: e.at, Learnt: tx.Now(), Signer: e.from,
		Note: e.reason, Said: statusNote(edxml.StatusTakeBack, e.reason), Evidence: EvidenceStatus,
	}, proof)
}

// receiveOrder handles an order to cancel a document that comes in the form of a
// document itself: a recall (BussinessDocType 1), or an update that removes this
// office. It is no document: its sender gets the receipt, and the order is filed.
func (o *Office) receiveOrder(ctx context.Context, a queue.Arrived, in *arrival) error {
	d := in.msg
	receipt, err := o.reply(ctx, answer{
		to: a.From, of: a.ID, urgency: in.doc.Urgency, code: edxml.StatusArrived, at: o.now(), about: about(in.doc),
	})
	if err != nil {
		return err
	}
	e, err := o.open(ctx, a)
	if err != nil {
		return err
	}
	ord := order{
		from: a.From, edxmlID: d.Target(), reason: cut(d.Business.Reason, MaxReason), at: in.created, head: in.raw, entry: e, receipt: &receipt,
	}
	if d.Business.Staff != nil {
		ord.person = cut(d.Business.Staff.Name, MaxSigner)
	}
	return o.fileOrder(ctx, ord)
}
