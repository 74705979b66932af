package relay

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"tram/agent/hub/registry"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/sqlite"
	"tram/sync/bundle"
	"tram/sync/wire"
)

// packed is a small bundle of the hub's own, ready to be queued.
type packed struct {
	bundle   storage.Bundle
	contents []blob.Content
	slips    map[string][]byte // by office
}

// pack makes a bundle of one object for the offices of these cards.
func (r *Relay) pack(h bundle.Header, to []registry.Card, payload []byte, role bundle.Role) (packed, error) {
	var err error
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
	slips := make(map[string][]byte, len(to))
	for _, card := range to {
		h.To = append(h.To, card.Code)
		if slips[card.Code], err = key.Slip(card.Recipient); err != nil {
			return packed{}, fmt.Errorf("make slip for %q: %w", card.Code, err)
		}
	}
	h.From, h.Key, h.Objects = r.o.Code, key.Recipient(), []bundle.Object{object}
	h.Created = r.o.Now()
	if h.Expires.IsZero() {
		h.Expires = h.Created.Add(noticeLife)
	}
	signed, err := bundle.Sign(h, r.o.Device)
	if err != nil {
		return packed{}, err
	}
	return packed{
		bundle:   signed.Stored(),
		contents: []blob.Content{{SHA256: object.SHA256, Size: object.Size, Inline: sent}},
		slips:    slips,
	}, nil
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
	// Answer is what the hub signed with new certificates for the reader, see
	// invite.Answer.
	Answer []byte `json:"answer,omitempty"`
	// Bundles need not be held any longer.
	Bundles []uuid.UUID `json:"documents,omitempty"`
	// Evidence are sealed records of package evidence, Stamps time stamps on the
	// seals of the reader's documents.
	Evidence [][]byte  `json:"evidence,omitempty"`
	Stamps   []Stamped `json:"stamps,omitempty"`
	// Cards are signed registry cards of those whom the evidence is about, with
	// which an office proves to others what they have signed.
	Cards [][]byte `json:"cards,omitempty"`
	// Published is a dossier.Publication.
	Published json.RawMessage `json:"published,omitempty"`
	At        time.Time       `json:"at"`
}

const (
	noticeVersion     = 1
	typeUndeliverable = "undeliverable"
	typePassed        = "passed"
	typeRenewed       = "renewed"
)

// message packs a notice for a neighbour.
func (r *Relay) message(to string, n Notice, urgency uint8, about uuid.UUID) (packed, error) {
	n.Version, n.At = noticeVersion, r.o.Now().UTC()
	payload, err := json.Marshal(n)
	if err != nil {
		return packed{}, err
	}
	card, err := r.o.Registry.Lookup(to)
	if err != nil {
		return packed{}, fmt.Errorf("look up %q: %w", to, err)
	}
	return r.pack(bundle.Header{Kind: bundle.KindNotice, Urgency: urgency, InReplyTo: about}, []registry.Card{card}, payload, bundle.RoleNotice)
}

// SendRenewed queues new certificates for a neighbour. It returns the bundle
// that carries them.
func (r *Relay) SendRenewed(tx *sqlite.Tx, to string, answer []byte) (storage.ID, error) {
	p, err := r.message(to, Notice{Type: typeRenewed, Answer: answer}, 0, uuid.Nil)
	if err != nil {
		return storage.ID{}, fmt.Errorf("make notice: %w", err)
	}
	return p.bundle.ID, r.put(tx, p)
}
