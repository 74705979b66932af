// Package guard is the one place where a node decides whom it believes:
// greetings, offered headers and custody receipts are checked against the
// registry of offices, for offices and hubs alike.
//
// It promises P7: a neighbour is heard only as itself, a header counts only
// with the registered key of its sender, and custody only with the registered
// key of the neighbour; and that of two boxes with one office's identity only
// the one that spoke last is heard. Whatever it turns down for a reason that
// smells of forgery or of a copied box is reported through Options.Refused.
package guard

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"tram/agent/hub/registry"
	"tram/agent/lineage"
	"tram/storage"
	"tram/sync/bundle"
	"tram/sync/exchange"
	"tram/sync/wire"
)

const (
	// ClockTolerance is how far in the future a header may have been created
	// before it is deferred: clocks of offices drift.
	ClockTolerance = 24 * time.Hour
	// clockRetry is when a header from the future is looked at again.
	clockRetry = 10 * time.Minute
	// cardRetry is when a header of a sender without a card is looked at again.
	// It is short: the hub has checked the sender, so the card is on its way.
	cardRetry = 5 * time.Second
	// maxCardRetry is when at the latest a header is looked at again that is newer
	// than the card of its sender: each time costs the line the header.
	maxCardRetry = time.Minute
)

// Registry is what a Guard needs of the registry of offices.
type Registry interface {
	Lookup(code string) (registry.Card, error)
	Serial() uint64
}

// Boots tells boxes from their copies. *lineage.Lineage is one.
type Boots interface {
	Boot(ctx context.Context) (uuid.UUID, error)
	Own(ctx context.Context, boot uuid.UUID) (bool, error)
	Heard(ctx context.Context, office string, device [32]byte) (uuid.UUID, error)
	Agree(ctx context.Context, c lineage.Claim) error
}

// Logs speaks about audit logs in greetings: of the office's own to its hub,
// and of the offices' at the hub. What it finds stops no session.
type Logs interface {
	// Say gives what a HELLO to peer says; heard is the HELLO that it answers,
	// nil when it opens.
	Say(ctx context.Context, peer string, heard *wire.Hello) ([]byte, error)
	// Hear takes in what a HELLO of peer says, before it is answered.
	Hear(ctx context.Context, peer string, h wire.Hello) error
}

// Refusal describes something turned down that an honest neighbour does not do.
type Refusal struct {
	Peer   string     // the neighbour on whose line it came
	Action string     // "hello", "offer" or "custody"
	Bundle storage.ID // zero for a greeting
	Reason string
	// Unsaid counts the refusals of this action since the last one that was told.
	Unsaid int
}

// Options configures a Guard.
type Options struct {
	Code     string        // own office code
	Epoch    uuid.UUID     // of the own store, spoken in receipts
	Device   crypto.Signer // signs receipts
	Registry Registry
	Boots    Boots // required
	Logs     Logs  // nil: nothing is said about audit logs
	// Own is the registry card by which this node is known to peer, and its
	// serial. It is said to a neighbour that does not hold it. nil: none.
	Own func(peer string) (card []byte, serial uint64)
	// Held is the serial of peer's own card that is held here; 0: unknown. nil:
	// that of the Registry.
	Held func(peer string) uint64
	// Taken is the serial up to which no card that peer has signed is missing
	// here. nil: that of the Registry.
	Taken func(peer string) uint64
	// Remembers says whether the boxes of peer are told apart here, which is so
	// for the offices below. nil: nobody's are.
	Remembers func(peer string) bool
	// Older is called when peer remembers a box of this office from which this
	// one does not descend: this one is an older copy. nil: nothing to do.
	Older func(ctx context.Context, peer string, heard uuid.UUID)
	// Current says whether no newer card of the sender of a header made at
	// created can be on its way here. nil: none ever is.
	Current func(sender registry.Card, created time.Time) bool
	// Policy judges a header whose signature is good. nil result: taken.
	Policy func(ctx context.Context, peer string, h bundle.Header) *exchange.Denial
	// Greeted is called with each good HELLO. nil: nothing more to do.
	Greeted func(ctx context.Context, peer string, h wire.Hello) error
	// Refused is told of refusals, of one neighbour at most RefusalBurst in a row
	// and then one each RefusalEvery. nil: nobody is.
	Refused func(ctx context.Context, r Refusal)
	// Denied is told that a bundle which peer offers in its own name is refused
	// for good, each time that it is. nil: nobody is.
	Denied func(ctx context.Context, peer string, signed bundle.Signed, code wire.Code)
	Now    func() time.Time
	// Ends is the time by which lifetimes end, which a clock that is ahead for a while does
	// not move; nil: Now.
	Ends func() time.Time
}

// Guard implements exchange.Guard.
type Guard struct {
	o       Options
	refused *reporter
}

var _ exchange.Guard = (*Guard)(nil)

// New makes a Guard.
func New(o Options) *Guard {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Ends == nil {
		o.Ends = o.Now
	}
	if o.Own == nil {
		o.Own = func(string) ([]byte, uint64) { return nil, 0 }
	}
	if o.Taken == nil {
		o.Taken = func(string) uint64 { return o.Registry.Serial() }
	}
	if o.Remembers == nil {
		o.Remembers = func(string) bool { return false }
	}
	if o.Older == nil {
		o.Older = func(context.Context, string, uuid.UUID) {}
	}
	if o.Refused == nil {
		o.Refused = func(context.Context, Refusal) {}
	}
	if o.Denied == nil {
		o.Denied = func(context.Context, string, bundle.Signed, wire.Code) {}
	}
	return &Guard{o, newReporter(o.Refused, o.Now)}
}

// Greet implements exchange.Guard.
func (g *Guard) Greet(ctx context.Context, peer string, say, heard *wire.Hello) (err error) {
	if say.Boot, err = g.o.Boots.Boot(ctx); err != nil {
		return err
	}
	card, device, err := g.neighbour(peer)
	if err != nil {
		return err
	}
	if g.o.Remembers(peer) {
		if say.Heard, err = g.o.Boots.Heard(ctx, peer, device); err != nil {
			return err
		}
	}
	if g.o.Logs != nil {
		if say.Log, err = g.o.Logs.Say(ctx, peer, heard); err != nil {
			return err
		}
	}
	say.Registry, say.Held = g.o.Taken(peer), card.Serial
	if g.o.Held != nil {
		say.Held = g.o.Held(peer)
	}
	if heard == nil {
		return nil
	}
	if card, serial := g.o.Own(peer); heard.Held < serial {
		say.Card = card
	}
	own, err := g.own(ctx, heard.Heard)
	if own {
		say.Known = heard.Heard
	}
	return err
}

// neighbour is the card of peer and the fingerprint of its device key, both
// zero when it has none here.
func (g *Guard) neighbour(peer string) (card registry.Card, device [32]byte, err error) {
	card, err = g.o.Registry.Lookup(peer)
	if errors.Is(err, registry.ErrNotFound) {
		return registry.Card{}, device, nil
	}
	if err == nil {
		device, err = card.Fingerprint()
	}
	if err != nil {
		return card, device, fmt.Errorf("look up neighbour: %w", err)
	}
	return card, device, nil
}

func (g *Guard) own(ctx context.Context, boot uuid.UUID) (bool, error) {
	if boot == uuid.Nil {
		return false, nil
	}
	return g.o.Boots.Own(ctx, boot)
}

// Hello implements exchange.Guard.
func (g *Guard) Hello(ctx context.Context, peer string, h wire.Hello, answers bool) error {
	if !strings.EqualFold(h.Office, peer) {
		reason := fmt.Sprintf("speaks as %q", h.Office)
		g.refused.report(ctx, Refusal{Peer: peer, Action: "hello", Reason: reason})
		return fmt.Errorf("hello refused: %s", reason)
	}
	if own, err := g.own(ctx, h.Heard); err != nil {
		return err
	} else if !own && h.Heard != uuid.Nil {
		g.o.Older(ctx, peer, h.Heard)
		return fmt.Errorf("%w: %q remembers boot %s of this office, which is not of this box", exchange.ErrCopy, peer, h.Heard)
	}
	if g.o.Remembers(peer) {
		if err := g.agree(ctx, peer, h, answers); err != nil {
			return err
		}
	}
	if g.o.Logs != nil {
		if err := g.o.Logs.Hear(ctx, peer, h); err != nil {
			return err
		}
	}
	if g.o.Greeted == nil {
		return nil
	}
	return g.o.Greeted(ctx, peer, h)
}

// agree says whether the box that greets may speak for peer. One without a card
// here shows it first.
func (g *Guard) agree(ctx context.Context, peer string, h wire.Hello, answers bool) error {
	card, device, err := g.neighbour(peer)
	if err != nil {
		return err
	}
	if card.Serial == 0 && len(h.Card) == 0 && !answers {
		return exchange.ErrUnsettled
	}
	err = g.o.Boots.Agree(ctx, lineage.Claim{Office: peer, Device: device, Boot: h.Boot, Known: h.Known, Answers: answers})
	if errors.Is(err, exchange.ErrCopy) {
		g.refused.report(ctx, Refusal{Peer: peer, Action: "hello", Reason: err.Error()})
	}
	return err
}

// Offer implements exchange.Guard.
func (g *Guard) Offer(ctx context.Context, peer string, raw []byte) (bundle.Signed, error) {
	signed, err := bundle.Parse(raw)
	if err != nil {
		return signed, &exchange.Denial{Code: parseCode(err), Text: err.Error()}
	}
	h := signed.Header
	refuse := func(code wire.Code, text string) error {
		g.refused.report(ctx, Refusal{Peer: peer, Action: "offer", Bundle: h.ID, Reason: text})
		return &exchange.Denial{Code: code, Text: text}
	}
	now := g.o.Now()
	switch {
	case !h.Expires.After(now) && h.Expires.After(g.o.Ends()):
		return signed, &exchange.Denial{Code: wire.CodeClock, After: clockRetry, Text: "lifetime has ended by a clock that nothing vouches for"}
	case !h.Expires.After(now):
		return signed, &exchange.Denial{Code: wire.CodeExpired, Text: fmt.Sprintf("lifetime ended at %s; it is now %s", h.Expires.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))}
	case h.Created.After(now.Add(ClockTolerance)):
		return signed, &exchange.Denial{Code: wire.CodeClock, After: clockRetry, Text: fmt.Sprintf("created at %s, in the future", h.Created.UTC().Format(time.RFC3339))}
	}
	card, err := g.o.Registry.Lookup(h.From)
	if errors.Is(err, registry.ErrNotFound) || err == nil && card.Device == nil {
		return signed, &exchange.Denial{Code: wire.CodeUnknownSender, After: cardRetry, Text: fmt.Sprintf("sender %q has no card here", h.From)}
	}
	if err != nil {
		return signed, fmt.Errorf("look up sender: %w", err)
	}
	if !verifies(signed, card) {
		if wait := g.await(card, h.Created, now); wait > 0 {
			return signed, &exchange.Denial{Code: wire.CodeUnknownSender, After: wait, Text: fmt.Sprintf("header of %q is newer than its card here, whose key has not signed it", h.From)}
		}
		return signed, refuse(wire.CodeSignature, fmt.Sprintf("header of %q is not signed with its key", h.From))
	}
	if g.o.Policy != nil {
		if d := g.o.Policy(ctx, peer, h); d != nil {
			if d.Code == wire.CodeSender || d.Code == wire.CodeNotRecipient || d.Code == wire.CodeNotAllowed {
				return signed, refuse(d.Code, d.Text)
			}
			return signed, d
		}
	}
	return signed, nil
}

// Denied implements exchange.Guard.
func (g *Guard) Denied(ctx context.Context, peer string, header []byte, code wire.Code) {
	signed, err := bundle.Parse(header)
	if err == nil && strings.EqualFold(signed.Header.From, peer) {
		g.o.Denied(ctx, peer, signed, code)
	}
}

// verifies says whether a header is signed with the key of its sender, or with
// one that was its key when the header was made: what an office sent before it
// was enrolled anew stays good. Only the box with the present key can hand such
// a header over, since neighbours are heard by that key alone.
func verifies(signed bundle.Signed, card registry.Card) bool {
	if signed.Verify(card.Device) == nil {
		return true
	}
	for _, key := range card.KeyAt(signed.Header.Created, ClockTolerance) {
		if signed.Verify(key) == nil {
			return true
		}
	}
	return false
}

// await says how long a header that does not verify is put off, because its
// sender may have been enrolled anew and its new card be on the way: so long as
// the header is newer than the card, as far as clocks agree, and the registry
// here is not known to be newer than the header. 0: there is nothing to wait for.
func (g *Guard) await(card registry.Card, created, now time.Time) time.Duration {
	if g.o.Current == nil || g.o.Current(card, created) || !created.Add(ClockTolerance).After(card.Issued) {
		return 0
	}
	return min(max(now.Sub(created)/10, cardRetry), maxCardRetry)
}

func parseCode(err error) wire.Code {
	switch {
	case errors.Is(err, bundle.ErrVersion):
		return wire.CodeVersion
	case errors.Is(err, bundle.ErrTooLarge):
		return wire.CodeTooLarge
	default:
		return wire.CodeMalformed
	}
}

// Receipt implements exchange.Guard.
func (g *Guard) Receipt(_ context.Context, header []byte) ([]byte, error) {
	signed, err := bundle.Parse(header)
	if err != nil {
		return nil, fmt.Errorf("parse header for receipt: %w", err)
	}
	return bundle.SignReceipt(bundle.Receipt{
		ID: signed.Header.ID, Header: signed.Digest(), Office: g.o.Code, At: g.o.Now(), Epoch: g.o.Epoch,
	}, g.o.Device)
}

// Custody implements exchange.Guard.
func (g *Guard) Custody(ctx context.Context, peer string, header, receipt []byte) error {
	signed, err := bundle.Parse(header)
	if err != nil {
		return fmt.Errorf("parse own header: %w", err)
	}
	err = g.custody(peer, signed, receipt)
	if err != nil {
		g.refused.report(ctx, Refusal{Peer: peer, Action: "custody", Bundle: signed.Header.ID, Reason: err.Error()})
	}
	return err
}

func (g *Guard) custody(peer string, signed bundle.Signed, raw []byte) error {
	receipt, err := bundle.ParseReceipt(raw)
	if err != nil {
		return fmt.Errorf("parse receipt: %w", err)
	}
	if err := receipt.Receipt.Covers(signed); err != nil {
		return err
	}
	if office := receipt.Receipt.Office; !strings.EqualFold(office, peer) {
		return fmt.Errorf("receipt is of office %q", office)
	}
	card, err := g.o.Registry.Lookup(peer)
	if err != nil {
		return fmt.Errorf("look up neighbour: %w", err)
	}
	if err := receipt.Verify(card.Device); err != nil {
		return fmt.Errorf("verify receipt: %w", err)
	}
	return nil
}
