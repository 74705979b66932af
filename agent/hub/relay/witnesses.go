package relay

import (
	"errors"
	"strings"

	"tram/agent/evidence"
	"tram/agent/hub/registry"
	"tram/storage"
	"tram/storage/sqlite"
)

// An office has the cards of others from pages, which are signed as a whole. What
// it shows to somebody without a registry needs a card with a signature of its
// own. So the cards of those whom evidence is about go along with it: those of
// senders, whose device keys have signed the headers, and of whoever seals under
// the CA of another hub, with that hub's own card.

// gatherCards adds the cards that an office needs for what is to be told.
func (r *Relay) gatherCards(tx *sqlite.Tx, t *told) error {
	done := map[string]bool{registry.Key(t.peer): true}
	for _, record := range t.records {
		if err := r.addCard(tx, t, done, record.From, true); err != nil {
			return err
		}
	}
	for _, head := range t.evidence {
		record, err := evidence.Peek(head)
		if err != nil {
			continue // the reader says so
		}
		if err := r.addCard(tx, t, done, record.Witness, false); err != nil {
			return err
		}
		for _, e := range record.Events {
			if err := r.addCard(tx, t, done, e.Office, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// addCard adds the card of an office or hub, and that of the hub where it is
// enrolled. Who is of this hub is left out when only its seals matter: they are
// of the CA that the reader knows.
func (r *Relay) addCard(tx *sqlite.Tx, t *told, done map[string]bool, code string, device bool) error {
	key := registry.Key(code)
	if code == "" || done[key] || len(t.cards) >= cardsPerNotice {
		return nil
	}
	done[key] = true
	raw, err := r.o.Registry.Raw(tx, code)
	if errors.Is(err, registry.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	card, err := registry.PeekCard(raw)
	if err != nil || !device && card.Hub == "" && !card.IsHub() {
		return nil
	}
	t.cards = append(t.cards, raw)
	return r.addCard(tx, t, done, card.Hub, device)
}

// takeEvidence passes on what another hub testifies, to where the document came
// from. The seal is for the reader to check, who has that hub's CA.
func (r *Relay) takeEvidence(tx *sqlite.Tx, peer string, heads [][]byte) error {
	for _, head := range heads {
		record, err := evidence.Peek(head)
		if err != nil {
			return &unreadable{err.Error()}
		}
		from, err := r.o.Queue.Source(tx, record.Document)
		if errors.Is(err, storage.ErrNotFound) || err == nil && strings.EqualFold(from, peer) {
			continue
		}
		if err != nil {
			return err
		}
		if err := r.passOn(tx, from, "evidence", record.Document, head); err != nil {
			return err
		}
	}
	return nil
}
