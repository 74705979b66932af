package relay

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"

	"tram/agent/hub/registry"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/sync/bundle"
	"tram/sync/exchange"
	"tram/sync/wire"
)

// Software is a bundle of the hub above with a release.
type Software struct {
	Peer   string
	Header bundle.Header
	// Object opens an object, decrypted and of at most limit bytes.
	Object func(i int, limit int64) (io.ReadCloser, error)
}

// softwarePolicy lets the hub above alone send releases, and to this hub alone (P7).
func (r *Relay) softwarePolicy(peer string, h bundle.Header) *exchange.Denial {
	if !r.isAbove(peer) || !strings.EqualFold(h.From, peer) || len(h.To) != 1 || !r.isMe(h.To[0]) {
		return &exchange.Denial{Code: wire.CodeSender, Text: fmt.Sprintf("%q is not the hub above, which alone sends software", peer)}
	}
	return nil
}

// takeSoftware hands a release of the hub above to who keeps them. Its programs are
// large: they are taken before the transaction that ends the entry.
func (r *Relay) takeSoftware(ctx context.Context, a queue.Arrived) error {
	signed, err := bundle.Parse(a.Header)
	if err != nil {
		return fmt.Errorf("parse stored header: %w", err)
	}
	var keep func(tx *sqlite.Tx) error
	key, err := r.o.Open(a.Slip)
	switch {
	case err != nil || key.Opens(signed.Header) != nil:
		err = Unreadable("the key slip does not open it")
	case r.o.Software == nil || !r.isAbove(a.Peer):
		err = Unreadable("software is not taken here")
	default:
		keep, err = r.o.Software(ctx, Software{a.Peer, signed.Header, func(i int, limit int64) (io.ReadCloser, error) {
			body, _, err := r.o.Queue.OpenObject(ctx, a.ID, i)
			if err != nil {
				return nil, err
			}
			plain, err := key.Decrypt(body, signed.Header.Objects[i], limit)
			return plainObject{plain, body}, err
		}})
	}
	bad, final := err.(*unreadable)
	if err != nil && !final {
		return err
	}
	return r.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		if err := r.o.Queue.Done(tx, a.ID); err != nil {
			return err
		}
		if !final {
			return keep(tx)
		}
		r.o.Logger.Warn("software dropped", "id", a.ID, "peer", a.Peer, "reason", bad.text)
		return audit.Append(tx, audit.Entry{Actor: a.Peer, Action: "relay.dropped", Subject: a.ID.String(), Detail: map[string]string{"reason": bad.text}})
	})
}

type plainObject struct {
	io.Reader
	io.Closer
}

// Parcel is what a bundle with a release carries.
type Parcel struct {
	Key      bundle.Key // that all objects are encrypted to
	Objects  []bundle.Object
	Contents []blob.Content
}

// SendSoftware queues a parcel for neighbours and returns its bundle. The programs in
// it are stored once, whatever number of bundles carry them.
func (r *Relay) SendSoftware(tx *sqlite.Tx, to []registry.Card, p Parcel) (storage.ID, error) {
	h := bundle.Header{
		From: r.o.Code, Kind: bundle.KindSoftware, Key: p.Key.Recipient(), Objects: p.Objects,
		Created: r.o.Now(), Expires: r.o.Now().Add(noticeLife),
	}
	var err error
	if h.ID, err = uuid.NewV7(); err != nil {
		return storage.ID{}, err
	}
	out := packed{contents: p.Contents, slips: make(map[string][]byte, len(to))}
	for _, card := range to {
		h.To = append(h.To, card.Code)
		if out.slips[card.Code], err = p.Key.Slip(card.Recipient); err != nil {
			return storage.ID{}, fmt.Errorf("make slip for %q: %w", card.Code, err)
		}
	}
	signed, err := bundle.Sign(h, r.o.Device)
	if err != nil {
		return storage.ID{}, err
	}
	out.bundle = signed.Stored()
	return h.ID, r.put(tx, out)
}

// SendToldSoftware queues a report about software to the hub above.
func (r *Relay) SendToldSoftware(tx *sqlite.Tx, payload []byte) (storage.ID, error) {
	return r.sendReport(tx, payload, bundle.RoleSoftware)
}
