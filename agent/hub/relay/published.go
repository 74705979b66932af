package relay

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"tram/agent/hub/registry"
	"tram/storage"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/sync/bundle"
	"tram/sync/exchange"
	"tram/sync/wire"
)

const typePublished = "published"

// reportLife is how long a report of this hub waits for the hub above. A newer one
// takes its place.
const reportLife = 365 * 24 * time.Hour

// Unreadable says that what a neighbour has sent makes no sense, now and ever.
func Unreadable(text string) error { return &unreadable{text} }

// reportPolicy lets everybody below report and answer for itself, to this hub alone
// (P7).
func (r *Relay) reportPolicy(peer string, h bundle.Header) *exchange.Denial {
	if r.isAbove(peer) || !strings.EqualFold(h.From, peer) || len(h.To) != 1 || !r.isMe(h.To[0]) {
		return &exchange.Denial{Code: wire.CodeSender, Text: fmt.Sprintf("%q reports what is not its own, or not to its hub", peer)}
	}
	return nil
}

// takeReport hands a report of a neighbour on to who keeps them.
func (r *Relay) takeReport(tx *sqlite.Tx, a queue.Arrived, payload []byte) error {
	signed, err := bundle.Parse(a.Header)
	if err != nil {
		return fmt.Errorf("parse stored header: %w", err)
	}
	from, err := r.o.Registry.LookupTx(tx, a.Peer)
	if err != nil {
		return err
	}
	if r.o.Report == nil {
		return Unreadable("reports are not taken here")
	}
	return r.o.Report(tx, from, signed.Header, payload)
}

// takePublished hands on what the hub above publishes, which alone is believed (P7).
func (r *Relay) takePublished(tx *sqlite.Tx, peer string, payload []byte) error {
	if r.o.Published == nil || !r.isAbove(peer) {
		return Unreadable(fmt.Sprintf("publication of %q, which is not the hub above", peer))
	}
	return r.o.Published(tx, peer, payload)
}

// PackPublished makes a notice of what is published, for all these neighbours: each
// more costs a slip.
func (r *Relay) PackPublished(to []registry.Card, publication []byte) (Publication, error) {
	n := Notice{Version: noticeVersion, Type: typePublished, Published: publication, At: r.o.Now().UTC()}
	payload, err := json.Marshal(n)
	if err != nil {
		return Publication{}, err
	}
	p, err := r.pack(bundle.Header{Kind: bundle.KindNotice}, to, payload, bundle.RoleNotice)
	if err != nil {
		return Publication{}, fmt.Errorf("make notice: %w", err)
	}
	return Publication{p}, nil
}

// Publication is a notice that is ready to be queued.
type Publication struct{ packed packed }

// ID names its bundle.
func (p Publication) ID() storage.ID { return p.packed.bundle.ID }

// SendPublished queues a publication.
func (r *Relay) SendPublished(tx *sqlite.Tx, p Publication) error { return r.put(tx, p.packed) }

// Withdraw takes a bundle of the hub's own back that a neighbour has not taken over.
func (r *Relay) Withdraw(tx *sqlite.Tx, id storage.ID, peer string) error {
	return r.o.Queue.EndFor(tx, id, peer)
}

// Waits tells whether a neighbour has still to take a bundle over.
func (r *Relay) Waits(tx *sqlite.Tx, id storage.ID, peer string) (bool, error) {
	peers, err := r.o.Queue.Untaken(tx, id)
	return slices.ContainsFunc(peers, func(p string) bool { return strings.EqualFold(p, peer) }), err
}

// SendReport queues a report to the hub above and returns its bundle.
func (r *Relay) SendReport(tx *sqlite.Tx, payload []byte) (storage.ID, error) {
	return r.sendReport(tx, payload, bundle.RoleReport)
}

func (r *Relay) sendReport(tx *sqlite.Tx, payload []byte, role bundle.Role) (storage.ID, error) {
	above := r.above.Load()
	if above == nil {
		return storage.ID{}, fmt.Errorf("make report: %w: there is no hub above", registry.ErrNotFound)
	}
	card, err := r.o.Registry.LookupTx(tx, above.Code)
	if err != nil {
		return storage.ID{}, fmt.Errorf("make report: %w", err)
	}
	h := bundle.Header{Kind: bundle.KindReport, Expires: r.o.Now().Add(reportLife)}
	p, err := r.pack(h, []registry.Card{card}, payload, role)
	if err != nil {
		return storage.ID{}, fmt.Errorf("make report: %w", err)
	}
	return p.bundle.ID, r.put(tx, p)
}
