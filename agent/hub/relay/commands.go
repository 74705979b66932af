package relay

import (
	"fmt"
	"time"

	"tram/agent/command"
	"tram/agent/hub/registry"
	"tram/storage"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// SendCommand queues an order for an office and returns its bundle.
func (r *Relay) SendCommand(tx *sqlite.Tx, to registry.Card, payload []byte, expires time.Time) (storage.ID, error) {
	h := bundle.Header{Kind: bundle.KindCommand, Urgency: command.Urgency, Expires: expires}
	p, err := r.pack(h, []registry.Card{to}, payload, bundle.RoleCommand)
	if err != nil {
		return storage.ID{}, fmt.Errorf("make order: %w", err)
	}
	return p.bundle.ID, r.put(tx, p)
}

// takeAnswer hands what an office answers to who gave the order.
func (r *Relay) takeAnswer(tx *sqlite.Tx, a queue.Arrived, payload []byte) error {
	if r.o.Answered == nil {
		return Unreadable("nobody gives orders here")
	}
	from, err := r.o.Registry.LookupTx(tx, a.Peer)
	if err != nil {
		return err
	}
	return r.o.Answered(tx, from, a.InReplyTo, payload)
}

// Resync has all cards sent to an office again, whatever it says it holds: now, or
// when it greets.
func (r *Relay) Resync(office string) {
	r.mu.Lock()
	r.resync[registry.Key(office)] = true
	if g, met := r.met[office]; met {
		r.greeted[office] = g
	}
	r.mu.Unlock()
	r.wake()
}

// resyncs tells whether an office is to be sent all cards, once.
func (r *Relay) resyncs(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := r.resync[key]
	delete(r.resync, key)
	return asked
}
