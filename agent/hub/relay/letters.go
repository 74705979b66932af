package relay

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"tram/storage"
	"tram/storage/blob"
	"tram/storage/queue"
	"tram/sync/bundle"
	"tram/sync/wire"
)

// packed is a small bundle of the hub's own, ready to be queued.
type packed struct {
	bundle   storage.Bundle
	contents []blob.Content
	slips    map[string][]byte // by office
}

// pack makes a bundle of one object for the offices that h names.
func (r *Relay) pack(h bundle.Header, payload []byte, role bundle.Role) (packed, error) {
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
	slips := make(map[string][]byte, len(h.To))
	for _, to := range h.To {
		card, err := r.o.Registry.Lookup(to)
		if err != nil {
			return packed{}, fmt.Errorf("look up %q: %w", to, err)
		}
		if slips[to], err = key.Slip(card.Recipient); err != nil {
			return packed{}, fmt.Errorf("make slip for %q: %w", to, err)
		}
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
		slips:    slips,
	}, nil
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
