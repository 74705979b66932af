package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tram/agent/guard"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/sync/bundle"
	"tram/sync/exchange"
	"tram/sync/wire"
)

// policy is the office's rule for headers whose signature is good: they come
// over the hub and name this office.
func (d *desk) policy(_ context.Context, peer string, h bundle.Header) *exchange.Denial {
	if !strings.EqualFold(peer, d.id.Hub) {
		return &exchange.Denial{Code: wire.CodeSender, Text: fmt.Sprintf("%q is not this office's hub", peer)}
	}
	if !slices.ContainsFunc(h.To, func(to string) bool { return strings.EqualFold(to, d.id.Code) }) {
		return &exchange.Denial{Code: wire.CodeNotRecipient, Text: "not addressed to this office"}
	}
	return nil
}

// greeted learns the hub's time and card from its greeting.
func (d *desk) greeted(ctx context.Context, _ string, h wire.Hello) error {
	d.clock.Heard(h.Now)
	if len(h.Card) == 0 {
		return nil
	}
	return d.db.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := d.registry.Merge(tx, [][]byte{h.Card})
		return err
	})
}

// refused writes a refusal of the guard into log and audit chain.
func (d *desk) refused(ctx context.Context, r guard.Refusal) {
	d.log.Warn("refused", "peer", r.Peer, "action", r.Action, "id", r.Bundle, "reason", r.Reason)
	err := d.db.Update(ctx, func(tx *sqlite.Tx) error {
		return audit.Append(tx, audit.Entry{
			Actor: r.Peer, Action: "refused." + r.Action, Subject: r.Bundle.String(),
			Detail: map[string]string{"reason": r.Reason},
		})
	})
	if err != nil {
		d.log.Error("audit entry not written", "error", err)
	}
}

// observer passes the session's news on to the office.
type observer struct{ d *desk }

func (o observer) Progress(_ string, id storage.ID, sent, total int64) {
	o.d.office.Observe(id, sent, total)
}

func (o observer) Session(_ string, up bool, _ wire.Hello) {
	if up {
		o.d.line.Session()
	} else {
		o.d.office.LinkDown()
	}
}
