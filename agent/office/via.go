package office

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"tram/agent/edxml"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// Routes knows the offices outside of Trạm that connectors reach. It answers
// from what is here, without a line.
type Routes interface {
	// Route names the connector through which an office is reached, and the
	// office as that connector knows it. ok is false when there is none.
	Route(code string) (via string, p Party, ok bool, err error)
}

// Reach has the office send to offices outside of Trạm. An office with keys in
// the registry is always reached over Trạm.
func (o *Office) Reach(r Routes) { o.routes.Store(&r) }

// Origin is where an incoming document comes from that no office of Trạm has
// sealed: who it says it is from, nobody here has verified.
type Origin struct {
	Via      string          `json:"via"`                // connector through which it came
	Ref      string          `json:"ref,omitempty"`      // of the message, at the other system; from Get only
	Warnings []edxml.Warning `json:"warnings,omitempty"` // what is odd about the message; from Get only
}

// outside finds the connector that reaches an office which Trạm does not; fault
// is what to say when there is none.
func (r *review) outside(code, fault string, args i18n.Args) (card registry.Card, moved, ok bool) {
	routes := r.o.routes.Load()
	if routes == nil || r.tram {
		r.fault(fault, "to", args)
		return registry.Card{}, false, false
	}
	via, p, ok, err := (*routes).Route(code)
	switch {
	case err != nil:
		r.faults = append(r.faults, problem.From(err))
		return registry.Card{}, false, false
	case !ok:
		r.fault(fault, "to", args)
		return registry.Card{}, false, false
	}
	card = registry.Card{Code: p.Code, Name: p.Name}
	if r.via == nil {
		r.via = map[string]string{}
	}
	r.via[card.Code] = via
	return card, false, r.allowed(card)
}

// Outside finds an office that is reached through a connector alone; ok is false for
// one on Trạm, or that nobody knows.
func (o *Office) Outside(code string) (p Party, ok bool) {
	routes := o.routes.Load()
	if card, err := o.registry.Lookup(code); routes == nil || err == nil && card.Enrolled() {
		return Party{}, false
	}
	_, p, ok, err := (*routes).Route(code)
	return p, ok && err == nil
}

// isOutside reports whether code is another code of an office outside of Trạm.
func (o *Office) isOutside(code, office string) bool {
	routes := o.routes.Load()
	if routes == nil {
		return false
	}
	_, p, ok, err := (*routes).Route(code)
	return err == nil && ok && registry.Key(p.Code) == registry.Key(office)
}

// overTram are the recipients that get the bundle.
func (l letter) overTram() (to []registry.Card) {
	for _, c := range l.to {
		if l.via[c.Code] == "" {
			to = append(to, c)
		}
	}
	return to
}

// answerVia is the connector that brings a status about a document to an office:
// that through which an incoming document came, or an outgoing one went to it. ""
// is over Trạm, also for a document that is not here yet.
func (o *Office) answerVia(ctx context.Context, id storage.ID, to string) (via string, err error) {
	err = o.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT r.via FROM recipients r JOIN documents d ON d.seq = r.document
			WHERE d.id = ? AND (d.box = 'in' OR r.code_key = ?)`, id, registry.Key(to)).Scan(&via)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return via, err
}

// Handed notes that a connector has handed a document over to the system through
// which its recipients are reached. ref is how that system names it. Again is no
// error. A document that had been refused before is under way again.
func (o *Office) Handed(ctx context.Context, id storage.ID, via, ref string) error {
	return o.outcome(ctx, id, via, actionHanded, nil, func(tx *sqlite.Tx, seq int64, codes []string) error {
		said := i18n.Say("office.via.handed", i18n.Args{"via": via, "ref": printable(ref)})
		for _, code := range codes {
			_, err := tx.Exec(`UPDATE recipients SET state = ?, reason = '' WHERE document = ? AND code = ?`, string(AtHub), seq, code)
			if err != nil {
				return fmt.Errorf("advance recipient: %w", err)
			}
			e := Event{Step: AtHub, Office: code, At: tx.Now(), Learnt: tx.Now(), Said: said, Evidence: EvidenceForeign}
			if err := insertEvent(tx, seq, e, 0); err != nil {
				return err
			}
		}
		return settle(tx, seq)
	})
}

// Unreached notes that offices do not get a document through a connector, and
// why: those of codes, or with none all of that connector. What they have
// receipted stands. Again is no error.
func (o *Office) Unreached(ctx context.Context, id storage.ID, via string, codes []string, why *i18n.Said) error {
	return o.outcome(ctx, id, via, actionUnreached, codes, func(tx *sqlite.Tx, seq int64, codes []string) error {
		for _, code := range codes {
			if err := o.fail(tx, seq, code, wording{said: why}, Event{At: tx.Now(), Learnt: tx.Now(), Evidence: EvidenceForeign}, 0); err != nil {
				return err
			}
		}
		return nil
	})
}

// outcome changes the recipients of a connector that have not receipted and for
// which the news is new; only those of codes when there are some.
func (o *Office) outcome(ctx context.Context, id storage.ID, via, action string, only []string,
	change func(tx *sqlite.Tx, seq int64, codes []string) error,
) error {
	states := map[string][]State{actionHanded: {Saved, Sending, Failed, Withdrawn}, actionUnreached: {Saved, Sending, AtHub}}[action]
	err := o.db.Update(ctx, func(tx *sqlite.Tx) error {
		seq, err := find(tx, Out, id)
		if err != nil {
			return err
		}
		codes, err := recipientsVia(tx, seq, via, states)
		if err != nil {
			return err
		}
		if len(only) > 0 {
			codes = intersect(codes, only)
		}
		if len(codes) == 0 {
			return nil
		}
		if err := change(tx, seq, codes); err != nil {
			return err
		}
		o.changed(tx)
		return audit.Append(tx, audit.Entry{Actor: byConnector(via), Action: action, Subject: id.String()})
	})
	if errors.Is(err, storage.ErrNotFound) {
		return notFound(id)
	}
	if err != nil {
		return storing(err)
	}
	return nil
}

// byConnector is how a connector stands in the audit log.
func byConnector(name string) string { return "connector:" + name }

func intersect(codes, only []string) (both []string) {
	wanted := map[string]bool{}
	for _, code := range only {
		wanted[registry.Key(code)] = true
	}
	for _, code := range codes {
		if wanted[registry.Key(code)] {
			both = append(both, code)
		}
	}
	return both
}

// recipientsVia are the codes of a document's recipients of a connector, "" for
// any, in one of the states, nil for any.
func recipientsVia(tx *sqlite.Tx, seq int64, via string, states []State) (codes []string, err error) {
	rows, err := tx.Query(`SELECT code, state FROM recipients WHERE document = ?1 AND via <> '' AND (?2 = '' OR via = ?2) ORDER BY pos`, seq, via)
	if err != nil {
		return nil, fmt.Errorf("list recipients of a connector: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var code string
		var state State
		if err := rows.Scan(&code, &state); err != nil {
			return nil, err
		}
		if states == nil || slices.Contains(states, state) {
			codes = append(codes, code)
		}
	}
	return codes, rows.Err()
}

// expireOutside ends the wait for recipients outside of Trạm when the lifetime
// of their document is over; the sender finds it among the failed ones.
func (o *Office) expireOutside(ctx context.Context) error {
	type overdue struct {
		seq int64
		id  storage.ID
	}
	for {
		var list []overdue
		err := o.db.View(ctx, func(tx *sqlite.Tx) error {
			rows, err := tx.Query(`SELECT DISTINCT d.seq, d.id FROM recipients r JOIN documents d ON d.seq = r.document
				WHERE r.via <> '' AND r.state IN ('saved', 'sending', 'hub') AND d.box = 'out' AND d.expires <= ? LIMIT ?`, o.ends(), batchSize)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var d overdue
				if err := rows.Scan(&d.seq, &d.id); err != nil {
					return err
				}
				list = append(list, d)
			}
			return rows.Err()
		})
		if err != nil || len(list) == 0 {
			return err
		}
		err = o.db.Update(ctx, func(tx *sqlite.Tx) error {
			for _, d := range list {
				if err := o.expireOne(tx, d.id); err != nil {
					return err
				}
				if err := o.failOutside(tx, d.seq, tx.Now()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

func (o *Office) failOutside(tx *sqlite.Tx, seq int64, at time.Time) error {
	codes, err := recipientsVia(tx, seq, "", []State{Saved, Sending, AtHub})
	if err != nil {
		return err
	}
	for _, code := range codes {
		if err := o.fail(tx, seq, code, said("office.failed.expired"), Event{At: at, Learnt: tx.Now()}, 0); err != nil {
			return err
		}
	}
	return nil
}
