package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"tram/agent/guard"
	"tram/agent/health"
	"tram/agent/hub/registry"
	"tram/agent/lineage"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/sync/bundle"
	"tram/sync/exchange"
	"tram/sync/usb"
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

// current says whether the registry here is known to be newer than a header, by
// whatever clock that was made. Of an office of another hub it never is: how
// long its card travels from hub to hub nobody knows.
func (d *desk) current(c registry.Card, created time.Time) bool {
	return c.Hub == "" && d.registry.Made().After(created.Add(guard.ClockTolerance))
}

// older is what this box knows of having been overtaken by another one with
// its identity.
type older struct {
	mu    sync.Mutex
	heard uuid.UUID // the boot of the other one; zero: not overtaken
}

func (o *older) set(heard uuid.UUID) (changed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	changed = o.heard != heard
	o.heard = heard
	return changed
}

// halt is why this box exchanges nothing, nil when nothing forbids it.
func (d *desk) halt() *health.Condition {
	d.older.mu.Lock()
	defer d.older.mu.Unlock()
	if d.older.heard == uuid.Nil {
		return nil
	}
	c := health.Older(d.id.Code, d.id.Name, lineage.Began(d.older.heard))
	return &c
}

// foundOlder takes this box off the line: the hub remembers another one with
// its identity, whose line each attempt of this one cuts. It asks again from
// time to time, since the hub may be told to take this one.
func (d *desk) foundOlder(_ context.Context, hub string, heard uuid.UUID) {
	if d.older.set(heard) {
		d.log.Error("this box is an older copy: another one speaks for this office", "hub", hub, "boot", heard, "since", lineage.Began(heard))
	}
	d.link.Rest(d.o.CopyRetry, errOlder)
}

// errOlder is why the line of an older copy is down.
var errOlder = errors.New("another box with this identity has taken over")

// greeted learns the hub's time and card from its greeting.
func (d *desk) greeted(ctx context.Context, _ string, h wire.Hello) error {
	if d.older.set(uuid.Nil) {
		d.log.Info("the hub takes this box again")
	}
	d.clock.Heard(h.Now)
	d.agent.updates.hubIs(h.Epoch)
	if err := d.dossiers.HubIs(ctx, h.Epoch); err != nil {
		return err
	}
	return d.learn(ctx, h.Card)
}

// greetedByStick learns the hub's card and countersignature from its package. Its
// time says nothing: nobody knows how long the stick was on its way.
func (d *desk) greetedByStick(ctx context.Context, hub string, m usb.Manifest) error {
	if err := errors.Join(d.learn(ctx, m.Card), d.dossiers.HubIs(ctx, m.Epoch)); err != nil {
		return err
	}
	return d.book.HearByStick(ctx, hub, m)
}

// logByStick is what a package says of the audit log. It goes along with what
// there is; that the log does not hold is worth a package of its own.
func (d *desk) logByStick(ctx context.Context, hub string) (word []byte, worth bool, err error) {
	word, err = d.book.Say(ctx, hub, nil)
	return word, d.book.Finding() != nil, err
}

func (d *desk) learn(ctx context.Context, card []byte) error {
	if len(card) == 0 {
		return nil
	}
	return d.db.Update(ctx, func(tx *sqlite.Tx) error {
		if _, err := d.registry.Merge(tx, [][]byte{card}); err != nil {
			return err
		}
		return d.office.KeepCard(tx, card)
	})
}

// holds is the serial of the hub's card that is held here: none as long as there
// is no card that proves the hub's present keys to others, so that the hub says
// its own.
func (d *desk) holds(hub string) (serial uint64) {
	err := d.db.View(context.Background(), func(tx *sqlite.Tx) error {
		proves, err := d.office.Proves(tx, hub)
		if err != nil || !proves {
			return err
		}
		card, err := d.registry.LookupTx(tx, hub)
		serial = card.Serial
		return err
	})
	if err != nil {
		d.log.Error("card of the hub not looked up", "error", err)
	}
	return serial
}

// neighbour finds whom this office exchanges with by stick: its hub alone.
func (d *desk) neighbour(_ context.Context, code string, _ []byte) (usb.Neighbour, error) {
	if code != "" && !strings.EqualFold(code, d.id.Hub) {
		return usb.Neighbour{}, fmt.Errorf("%w: %q is not this office's hub", usb.ErrNoNeighbour, code)
	}
	card, err := d.registry.Lookup(d.id.Hub)
	if err == nil && card.Device == nil {
		err = fmt.Errorf("%w: the hub has no key on its card", usb.ErrNoNeighbour)
	}
	return usb.Neighbour{Code: d.id.Hub, Key: card.Device}, err
}

// nameOf is the name of an office, empty when it is not known here.
func (d *desk) nameOf(code string) string {
	card, err := d.registry.Lookup(code)
	if err != nil {
		return ""
	}
	return card.Name
}

// refused writes a refusal of the guard into log and audit chain.
func (d *desk) refused(ctx context.Context, r guard.Refusal) {
	d.log.Warn("refused", "peer", r.Peer, "action", r.Action, "id", r.Bundle, "reason", r.Reason, "unsaid", r.Unsaid)
	err := d.db.Update(ctx, func(tx *sqlite.Tx) error {
		return audit.Append(tx, audit.Entry{
			Actor: r.Peer, Action: "refused." + r.Action, Subject: r.Bundle.String(),
			Detail: map[string]string{"reason": r.Reason, "unsaid": strconv.Itoa(r.Unsaid)},
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
		o.d.renewer.Taken()
		o.d.line.Session()
		o.d.trust.Retry()
	} else {
		o.d.office.LinkDown()
	}
}

func (o observer) Parked(peer string, id storage.ID, cause error) {
	err := o.d.db.Update(context.Background(), func(tx *sqlite.Tx) error {
		return audit.Append(tx, audit.Entry{
			Actor: peer, Action: "parked", Subject: id.String(), Detail: map[string]string{"reason": fmt.Sprint(cause)},
		})
	})
	if err != nil {
		o.d.log.Error("audit entry not written", "error", err)
	}
}
