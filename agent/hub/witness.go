package hub

import (
	"context"
	"time"

	"tram/agent/countersign"
	"tram/agent/hub/ca"
	"tram/agent/hub/registry"
	"tram/agent/seal"
	"tram/agent/tsa"
	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/sync/usb"
	"tram/sync/wire"
)

// stampAccuracy is how far a hub takes its own clock to be off: a server that
// is kept in time by the network. It stands in each time stamp.
const stampAccuracy = 2 * time.Second

// seal is with what this hub testifies.
func (h *Hub) seal() *seal.Sealer {
	return &seal.Sealer{Key: h.witness.Seal.Key, Cert: h.witness.Seal.Cert}
}

// stamps is this hub as time stamp authority of last resort. A dead clock shows
// a time before the certificate's life, and then it gives none.
func (h *Hub) stamps() *tsa.Authority {
	return &tsa.Authority{Key: h.witness.Stamp.Key, Cert: h.witness.Stamp.Cert, Policy: tsa.ReservePolicy, Accuracy: stampAccuracy}
}

// logs are the audit logs of the offices here, and this hub's own at the hub
// above.
type logs struct {
	h      *Hub
	ledger *countersign.Ledger
	book   *countersign.Book
}

func (h *Hub) openLogs() logs {
	log := h.log.With("part", "audit")
	return logs{
		h:      h,
		ledger: countersign.NewLedger(countersign.LedgerOptions{DB: h.db, Code: h.ca.Code, Device: h.id.Device, Log: log}),
		book:   countersign.NewBook(countersign.BookOptions{DB: h.db, Office: h.ca.Code, Epoch: h.db.Epoch(), Log: log, Key: countersign.Keys(h.registry)}),
	}
}

// Say implements guard.Logs.
func (l logs) Say(ctx context.Context, peer string, heard *wire.Hello) ([]byte, error) {
	if l.h.upstream.is(peer) {
		return l.book.Say(ctx, peer, heard)
	}
	return l.ledger.Say(ctx, peer)
}

// Hear implements guard.Logs.
func (l logs) Hear(ctx context.Context, peer string, h wire.Hello) error {
	if l.h.upstream.is(peer) {
		return l.book.Hear(ctx, peer, h)
	}
	return l.ledger.Hear(ctx, peer, h)
}

// byStick is Say for a package to peer. A countersignature is worth one of its
// own, and so is an own log that does not hold.
func (l logs) byStick(ctx context.Context, peer string) (word []byte, worth bool, err error) {
	word, err = l.Say(ctx, peer, nil)
	return word, !l.h.upstream.is(peer) || l.book.Finding() != nil, err
}

// hearByStick is Hear for a package of peer.
func (l logs) hearByStick(ctx context.Context, peer string, m usb.Manifest) error {
	if l.h.upstream.is(peer) {
		return l.book.HearByStick(ctx, peer, m)
	}
	return l.ledger.HearByStick(ctx, peer, m)
}

// Countersigned checks the countersignatures of the hub above in the database
// of the hub in dir.
func Countersigned(dir string, db *sqlite.DB) (func(audit.Countersignature) error, error) {
	authority, err := ca.Load(dir)
	if err != nil {
		return nil, err
	}
	offices, err := registry.New(db, authority.Authority.Cert.PublicKey, registry.Options{})
	if err != nil {
		return nil, err
	}
	return countersign.Checker(countersign.Keys(offices)), nil
}
