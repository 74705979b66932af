package relay

import (
	"context"
	"encoding/json"
	"errors"
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

// Notice is the JSON in the one object of a notice bundle: a hub's word to its
// neighbour about bundles that came from there. The header's signature is the
// proof. It is specified in agent/README.md.
type Notice struct {
	Version int    `json:"v"`    // noticeVersion
	Type    string `json:"type"` // one of the types below
	// Bundle did not reach Office and never will; Code says why, as in REFUSE.
	Bundle uuid.UUID `json:"document,omitzero"`
	Office string    `json:"office,omitempty"`
	Code   wire.Code `json:"code,omitzero"`
	// Bundles need not be held any longer.
	Bundles []uuid.UUID `json:"documents,omitempty"`
	At      time.Time   `json:"at"`
}

const (
	noticeVersion     = 1
	typeUndeliverable = "undeliverable"
	typePassed        = "passed"
)

// message packs a notice for a neighbour.
func (r *Relay) message(to string, n Notice, urgency uint8, about uuid.UUID) (packed, error) {
	n.Version, n.At = noticeVersion, r.o.Now().UTC()
	payload, err := json.Marshal(n)
	if err != nil {
		return packed{}, err
	}
	return r.pack(bundle.Header{To: []string{to}, Kind: bundle.KindNotice, Urgency: urgency, InReplyTo: about}, payload, bundle.RoleNotice)
}

// share says up to which serial cards were queued for a neighbour since it
// greeted with the store of this epoch.
type share struct {
	epoch  storage.ID
	serial uint64
}

// Greeted queues for a neighbour the cards that are newer than has, the serial
// that it says it holds, and than what was queued for its store before. A
// restored hub starts from the beginning: what its former self queued may be
// lost.
func (r *Relay) Greeted(ctx context.Context, office string, has uint64, epoch storage.ID) error {
	r.sharing.Lock()
	defer r.sharing.Unlock()
	was, known := r.shared[registry.Key(office)]
	if !known || was.epoch != epoch {
		was = share{epoch: epoch, serial: has}
		if !r.o.Now().After(r.o.RebuildUntil) {
			was.serial = 0
		}
	}
	r.shared[registry.Key(office)] = was
	return r.shareNews(ctx, office)
}

// ShareRegistry queues for a neighbour that has greeted the cards that are new
// since.
func (r *Relay) ShareRegistry(ctx context.Context, office string) error {
	r.sharing.Lock()
	defer r.sharing.Unlock()
	return r.shareNews(ctx, office)
}

func (r *Relay) shareNews(ctx context.Context, office string) error {
	done, greeted := r.shared[registry.Key(office)]
	if !greeted {
		return nil
	}
	card, err := r.o.Registry.Lookup(office)
	if err != nil {
		return fmt.Errorf("look up %q: %w", office, err)
	}
	if !card.Enrolled() {
		return nil
	}
	for {
		cards, err := r.o.Registry.Since(ctx, done.serial, cardsPerBundle)
		if err != nil || len(cards) == 0 {
			return err
		}
		if done.serial, err = r.shareCards(ctx, card, cards); err != nil {
			return fmt.Errorf("share registry with %q: %w", office, err)
		}
		r.shared[registry.Key(office)] = done
	}
}

// shareCards queues one page, without the cards that to is itself the way to.
func (r *Relay) shareCards(ctx context.Context, to registry.Card, cards [][]byte) (last uint64, err error) {
	hub := to.IsHub() || r.isAbove(to.Code)
	page := cards[:0:0]
	for _, raw := range cards {
		c, err := registry.ParseCard(raw, r.o.Registry.Authority())
		if err != nil {
			return 0, err
		}
		last = max(last, c.Serial)
		near, err := r.o.Registry.Neighbour(c.Code)
		if err != nil && !errors.Is(err, registry.ErrChain) {
			return 0, err
		}
		if !hub || err != nil || registry.Key(near.Code) != registry.Key(to.Code) {
			page = append(page, raw)
		}
	}
	if len(page) == 0 {
		return last, nil
	}
	payload, err := registry.EncodeCards(page)
	if err != nil {
		return 0, err
	}
	p, err := r.pack(bundle.Header{To: []string{to.Code}, Kind: bundle.KindRegistry}, payload, bundle.RoleRegistry)
	if err != nil {
		return 0, err
	}
	return last, r.o.DB.Update(ctx, func(tx *sqlite.Tx) error { return r.put(tx, p, to.Code) })
}
