package office

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"tram/storage"
	"tram/storage/audit"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// Commander is the part of this office that does what its hub orders.
type Commander interface {
	// Ordered notes an order in the transaction that takes it out of the inbox. It
	// may be called again after an error, and for an order that it has already.
	Ordered(tx *sqlite.Tx, hub string, h bundle.Header, payload []byte) error
}

// Obey has c do what the hub orders. Call it before [Office.Run].
func (o *Office) Obey(c Commander) { o.commander = c }

// receiveCommand hands an order of the hub to who does it.
func (o *Office) receiveCommand(ctx context.Context, a queue.Arrived) error {
	raw, e, err := o.fromHub(ctx, a, bundle.RoleCommand)
	if err != nil {
		return err
	}
	if o.commander == nil {
		return reject("kind", errors.New("nobody takes orders here"))
	}
	return o.db.Update(ctx, func(tx *sqlite.Tx) error {
		if err := o.queue.Done(tx, a.ID); err != nil {
			return err
		}
		return o.commander.Ordered(tx, e.header.From, e.header, raw)
	})
}

// SealAnswer encrypts the answer to an order to the hub and signs it as this office.
func (o *Office) SealAnswer(_ context.Context, of storage.ID, urgency uint8, payload []byte) (SealedReport, error) {
	return o.sealToHub(bundle.Header{Kind: bundle.KindCommand, InReplyTo: of, Urgency: urgency}, bundle.RoleCommand, payload)
}

// PutAnswer sends one.
func (o *Office) PutAnswer(tx *sqlite.Tx, a SealedReport) error {
	return o.PutReport(tx, a, uuid.Nil)
}

// answerUntaken notes that the hub takes no such answer.
func (o *Office) answerUntaken(tx *sqlite.Tx, peer string, b storage.Bundle, out storage.Outcome) error {
	return audit.Append(tx, audit.Entry{
		Actor: peer, Action: actionBadBundle, Subject: b.ID.String(), Detail: map[string]string{"text": cut(out.Text, 200)},
	})
}
