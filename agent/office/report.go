package office

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"tram/storage"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// reportLife is how long a report waits for a line to the hub. A newer one takes its
// place.
const reportLife = 365 * 24 * time.Hour

// Herald is the part of this office that takes what its hub publishes, and hears what
// became of the reports of this office. Each method runs in the transaction that makes
// the news durable, and may be called again after an error.
type Herald interface {
	// Published takes what the hub gives. A [Refusal] drops it.
	Published(tx *sqlite.Tx, hub string, payload []byte) error
	// Reported says that the hub, whose store is epoch, has a report of ours; or that
	// it takes none, as one of an earlier version.
	Reported(tx *sqlite.Tx, id, epoch storage.ID, taken bool) error
}

// Hear has h take what the hub gives. Call it before [Office.Run].
func (o *Office) Hear(h Herald) { o.herald = h }

// SealedReport is a report, or another word to the hub, ready for [Office.PutReport].
type SealedReport struct {
	ID     storage.ID
	parcel parcel
	slip   []byte
}

// SealReport encrypts a report to the hub and signs it as this office.
func (o *Office) SealReport(_ context.Context, payload []byte) (SealedReport, error) {
	return o.sealToHub(bundle.Header{Kind: bundle.KindReport}, bundle.RoleReport, payload)
}

// sealToHub makes a bundle of one object for the hub; h says what it is.
func (o *Office) sealToHub(h bundle.Header, role bundle.Role, payload []byte) (SealedReport, error) {
	var r SealedReport
	card, err := o.registry.Lookup(o.me.Trust.Hub)
	if err != nil {
		return r, fmt.Errorf("seal %s: %w", h.Kind, err)
	}
	if r.ID, err = uuid.NewV7(); err != nil {
		return r, fmt.Errorf("seal %s: %w", h.Kind, err)
	}
	key, err := bundle.NewKey()
	if err != nil {
		return r, fmt.Errorf("seal %s: %w", h.Kind, err)
	}
	sent, object, err := key.EncryptBytes(payload, role)
	if err != nil {
		return r, fmt.Errorf("seal %s: %w", h.Kind, err)
	}
	if r.slip, err = key.Slip(card.Recipient); err != nil {
		return r, fmt.Errorf("seal %s for %s: %w", h.Kind, card.Code, err)
	}
	h.ID, h.From, h.To, h.Created = r.ID, o.me.Code, []string{card.Code}, o.now()
	h.Expires, h.Key, h.Objects = h.Created.Add(reportLife), key.Recipient(), []bundle.Object{object}
	signed, err := bundle.Sign(h, o.me.Device)
	if err != nil {
		return r, fmt.Errorf("seal %s: %w", h.Kind, err)
	}
	r.parcel = parcel{bundle: signed.Stored(), contents: []blob.Content{{SHA256: object.SHA256, Size: object.Size, Inline: sent}}}
	return r, nil
}

// PutReport sends a report in the place of one that is on its way, if any.
func (o *Office) PutReport(tx *sqlite.Tx, r SealedReport, before storage.ID) error {
	if before != (storage.ID{}) {
		if err := o.queue.End(tx, before); err != nil {
			return err
		}
	}
	return o.queue.Put(tx, r.parcel.bundle, r.parcel.contents, []queue.Target{{Peer: o.me.Trust.Hub, Slip: r.slip}})
}

// reported tells what became of a report.
func (o *Office) reported(tx *sqlite.Tx, id, epoch storage.ID, taken bool) error {
	if o.herald == nil {
		return nil
	}
	return o.herald.Reported(tx, id, epoch, taken)
}

// receivePublished hands what the hub publishes to who takes it.
func (o *Office) receivePublished(ctx context.Context, a queue.Arrived, raw json.RawMessage) error {
	if o.herald == nil {
		return reject("notice", fmt.Errorf("nobody takes what a hub publishes here"))
	}
	return o.db.Update(ctx, func(tx *sqlite.Tx) error {
		if err := o.queue.Done(tx, a.ID); err != nil {
			return err
		}
		err := o.herald.Published(tx, a.From, raw)
		var no *Refusal
		if errors.As(err, &no) {
			return reject("notice", no.Cause)
		}
		if err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{Actor: a.From, Action: actionNotice, Subject: a.ID.String(), Detail: map[string]string{"type": noticePublished}})
	})
}

// noticePublished is the type of a notice with what a hub publishes.
const noticePublished = "published"
