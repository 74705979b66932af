package exchange

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tram/storage"
	"tram/sync/bundle"
	"tram/sync/wire"
)

// ErrReceipt says that a custody receipt is not the neighbour's for that bundle.
var ErrReceipt = errors.New("custody receipt does not verify")

// Custodian keeps the rules by which bundles change hands, whichever way they
// travel: sessions use it, and so does the stick.
type Custodian struct {
	Queue storage.Queue
	Guard Guard
	Now   func() time.Time
}

// Admit checks an offer and makes room for the bundle, or recognises it. A
// *Denial says what to answer; [storage.ErrFull] means later.
func (c Custodian) Admit(ctx context.Context, peer string, offer wire.Offer) (storage.Incoming, storage.Admission, error) {
	in, adm, err := c.admit(ctx, peer, offer)
	var d *Denial
	if errors.As(err, &d) && d.final() {
		c.Guard.Denied(ctx, peer, offer.Header, d.Code)
	}
	return in, adm, err
}

func (c Custodian) admit(ctx context.Context, peer string, offer wire.Offer) (storage.Incoming, storage.Admission, error) {
	signed, err := c.Guard.Offer(ctx, peer, offer.Header)
	if err != nil {
		return storage.Incoming{}, storage.Admission{}, err
	}
	if signed.Header.ID != offer.ID {
		return storage.Incoming{}, storage.Admission{}, &Denial{Code: wire.CodeMalformed, Text: "offer and header name different bundles"}
	}
	in := storage.Incoming{Bundle: signed.Stored(), Slip: offer.Slip, Inline: map[int][]byte{}}
	in.Need = Travels(storage.Outgoing{Bundle: in.Bundle, Slip: in.Slip})
	for _, i := range in.Need {
		if data, ok := offer.Inline[i]; ok && int64(len(data)) == in.Objects[i].Size {
			in.Inline[i] = data
		}
	}
	adm, err := c.Queue.Admit(ctx, peer, in)
	if errors.Is(err, storage.ErrConflict) {
		err = &Denial{Code: wire.CodeConflict, Text: "this id is known with another header"}
	}
	return in, adm, err
}

// TakeOver completes a bundle whose objects are all here and gives the receipt.
// [storage.ErrDigest] when some are not what the header says.
func (c Custodian) TakeOver(ctx context.Context, peer string, id storage.ID, header []byte) (receipt []byte, err error) {
	receipt, err = c.Guard.Receipt(ctx, header)
	if err == nil {
		err = c.Queue.Complete(ctx, peer, id, receipt)
	}
	return receipt, err
}

// Settle records peer's final answer on an outgoing bundle. A receipt is
// checked, and counts for the store that gave it: what an older store took over
// must be offered to a newer one again (P3). A bundle that is no longer outgoing
// needs no answer.
func (c Custodian) Settle(ctx context.Context, peer string, b storage.Bundle, o storage.Outcome) error {
	o.At = c.Now()
	if o.Receipt != nil {
		if err := c.Guard.Custody(ctx, peer, b.Header, o.Receipt); err != nil {
			return fmt.Errorf("%w: %w", ErrReceipt, err)
		}
		receipt, err := bundle.ParseReceipt(o.Receipt)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrReceipt, err)
		}
		o.Epoch = receipt.Receipt.Epoch
	}
	if err := c.Queue.Settle(ctx, peer, b.ID, o); !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	return nil
}

// Travels lists the objects of out that its neighbour needs, by index. The
// slips object stays behind when the neighbour gets its own slip.
func Travels(out storage.Outgoing) []int {
	var list []int
	for i, o := range out.Objects {
		if bundle.Role(o.Role) == bundle.RoleSlips && out.Slip != nil {
			continue
		}
		list = append(list, i)
	}
	return list
}
