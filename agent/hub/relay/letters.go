package relay

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"tram/agent/hub/registry"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/sync/bundle"
	"tram/sync/wire"
)

// cardsPerBundle bounds one bundle of cards; an office that lacks more gets
// several bundles.
const cardsPerBundle = 500

// packed is a small bundle of the hub's own, ready to be queued.
type packed struct {
	bundle   storage.Bundle
	contents []blob.Content
	slip     []byte
}

// pack makes a bundle of one object for one office.
func (r *Relay) pack(h bundle.Header, payload []byte, role bundle.Role) (packed, error) {
	card, err := r.o.Registry.Lookup(h.To[0])
	if err != nil {
		return packed{}, fmt.Errorf("look up %q: %w", h.To[0], err)
	}
	if h.ID, err = uuid.NewV7(); err != nil {
		return packed{}, err
	}
	key, err := bundle.NewKey()
	if err != nil {
		return packed{}, err
	}
	sent, object, err := key.EncryptBytes(payload, role)
	if err != nil {
		return packed{}, err
	}
	slip, err := key.Slip(card.Recipient)
	if err != nil {
		return packed{}, err
	}
	h.From, h.Key, h.Objects = r.o.Code, key.Recipient(), []bundle.Object{object}
	h.Created = r.o.Now()
	h.Expires = h.Created.Add(noticeLife)
	signed, err := bundle.Sign(h, r.o.Device)
	if err != nil {
		return packed{}, err
	}
	return packed{
		bundle:   signed.Stored(),
		contents: []blob.Content{{SHA256: object.SHA256, Size: object.Size, Inline: sent}},
		slip:     slip,
	}, nil
}

func (r *Relay) put(tx *sqlite.Tx, p packed, to string) error {
	return r.o.Queue.Put(tx, p.bundle, p.contents, []queue.Target{{Peer: to, Slip: p.slip}})
}

// Notice is the JSON in the one object of a notice bundle: a hub's word that a
// bundle did not reach an office and never will. The header's signature is the
// proof. It is specified in agent/README.md.
type Notice struct {
	Version int       `json:"v"`    // 1
	Type    string    `json:"type"` // "undeliverable"
	Bundle  uuid.UUID `json:"document"`
	Office  string    `json:"office"`
	Code    wire.Code `json:"code"` // why, as in REFUSE
	At      time.Time `json:"at"`
}

func (r *Relay) notice(a queue.Arrived, m miss) (packed, error) {
	payload, err := json.Marshal(Notice{
		Version: 1, Type: "undeliverable", Bundle: a.ID, Office: m.office, Code: m.code, At: r.o.Now().UTC(),
	})
	if err != nil {
		return packed{}, err
	}
	return r.pack(bundle.Header{
		To: []string{a.From}, Kind: bundle.KindNotice, Urgency: a.Urgency, InReplyTo: a.ID,
	}, payload, bundle.RoleNotice)
}

// ShareRegistry queues for office the cards that are newer than has, the serial
// that it says it holds, and than what was queued for it before. A restored
// hub starts from the beginning: what its former self queued may be lost.
func (r *Relay) ShareRegistry(ctx context.Context, office string, has uint64) error {
	card, err := r.o.Registry.Lookup(office)
	if err != nil {
		return fmt.Errorf("look up %q: %w", office, err)
	}
	if !card.Enrolled() {
		return nil
	}
	r.sharing.Lock()
	defer r.sharing.Unlock()
	since, queued := r.shared[card.Code]
	if !queued && r.o.Now().After(r.o.RebuildUntil) {
		since = has
	}
	for {
		cards, err := r.o.Registry.Since(ctx, since, cardsPerBundle)
		if err != nil {
			return err
		}
		if len(cards) == 0 {
			r.shared[card.Code] = since
			return nil
		}
		if since, err = r.shareCards(ctx, card, cards); err != nil {
			return fmt.Errorf("share registry with %q: %w", office, err)
		}
		r.shared[card.Code] = since
	}
}

func (r *Relay) shareCards(ctx context.Context, to registry.Card, cards [][]byte) (last uint64, err error) {
	for _, raw := range cards {
		c, err := registry.ParseCard(raw, r.o.Registry.Authority())
		if err != nil {
			return 0, err
		}
		last = max(last, c.Serial)
	}
	payload, err := registry.EncodeCards(cards)
	if err != nil {
		return 0, err
	}
	p, err := r.pack(bundle.Header{To: []string{to.Code}, Kind: bundle.KindRegistry}, payload, bundle.RoleRegistry)
	if err != nil {
		return 0, err
	}
	return last, r.o.DB.Update(ctx, func(tx *sqlite.Tx) error { return r.put(tx, p, to.Code) })
}
