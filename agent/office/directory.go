package office

import (
	"context"
	"strconv"

	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/storage/audit"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// receiveCards takes in what the hub sends of its registry: a page, or a list
// of cards, which hubs of earlier versions send. Either is believed by the
// authority's signature alone.
func (o *Office) receiveCards(ctx context.Context, a queue.Arrived) error {
	raw, e, err := o.fromHub(ctx, a, bundle.RoleRegistry)
	if err != nil {
		return err
	}
	if registry.IsPage(raw) {
		page, err := registry.ParsePage(raw, o.registry.Authority())
		if err != nil {
			return reject("cards", err)
		}
		return o.db.Update(ctx, func(tx *sqlite.Tx) error { return o.takePage(tx, e, page) })
	}
	cards, err := registry.DecodeCards(raw)
	if err != nil {
		return reject("cards", err)
	}
	return o.db.Update(ctx, func(tx *sqlite.Tx) error {
		changed, err := o.registry.Merge(tx, cards)
		if err != nil {
			return err
		}
		return o.tookCards(tx, e, len(cards), changed)
	})
}

// takePage takes a page in, or refuses it because the hub has gone back to an
// older registry: its state of before, or a machine restored from an image.
func (o *Office) takePage(tx *sqlite.Tx, e opened, page registry.Page) error {
	t, err := o.registry.TakePage(tx, page)
	if err != nil {
		return err
	}
	if !t.Older {
		return o.tookCards(tx, e, len(page.Cards), t.Changed)
	}
	o.log.Warn("page of an older registry refused", "hub", e.header.From, "version", page.Version, "known", t.Known, "regressed", t.Regressed)
	if t.Regressed {
		tx.OnCommit(func() { o.regressed.Store(true) })
	}
	if err := o.queue.Done(tx, e.ID); err != nil {
		return err
	}
	return audit.Append(tx, audit.Entry{
		Actor: e.header.From, Action: actionOlderCards, Subject: e.ID.String(),
		Detail: map[string]string{"version": strconv.FormatUint(page.Version, 10), "known": strconv.FormatUint(t.Known, 10)},
	})
}

func (o *Office) tookCards(tx *sqlite.Tx, e opened, cards, changed int) error {
	if err := o.queue.Done(tx, e.ID); err != nil {
		return err
	}
	tx.OnCommit(func() { o.regressed.Store(false) })
	if changed == 0 {
		return nil
	}
	return audit.Append(tx, audit.Entry{
		Actor: e.header.From, Action: actionCards, Subject: e.ID.String(),
		Detail: map[string]string{"cards": strconv.Itoa(cards), "changed": strconv.Itoa(changed)},
	})
}

// HubRegressed reports whether the hub has sent an older registry than it had
// sent before, and nothing newer since. It is forgotten at the next start.
func (o *Office) HubRegressed() bool { return o.regressed.Load() }

// noteMoved tells the clerk, in the track, which recipients were named by an old
// code and who they are today.
func noteMoved(tx *sqlite.Tx, seq int64, l letter) error {
	for _, c := range l.to {
		old, moved := l.moved[c.Code]
		if !moved {
			continue
		}
		note := i18n.Say("office.moved", i18n.Args{"old": old, "code": c.Code, "name": c.Name})
		if err := insertEvent(tx, seq, Event{Step: Saved, Office: c.Code, At: l.at, Learnt: tx.Now(), Said: note}, 0); err != nil {
			return err
		}
	}
	return nil
}
