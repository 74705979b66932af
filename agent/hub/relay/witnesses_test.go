package relay_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/evidence"
	"tram/agent/hub/registry"
	"tram/agent/hub/relay"
	"tram/storage"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// vouched are the codes on the cards that go to a neighbour with evidence. Each
// card must be signed by the hub's authority.
func (s *stage) vouched(peer string) (codes []string) {
	s.t.Helper()
	must(s.t, s.relay.Testify(s.t.Context()))
	for _, out := range s.outgoing(peer) {
		if bundle.Kind(out.Kind) != bundle.KindNotice {
			continue
		}
		var n relay.Notice
		must(s.t, json.Unmarshal(s.read(out, peer), &n))
		for _, raw := range n.Cards {
			card, err := registry.ParseCard(raw, s.authority.Public())
			must(s.t, err)
			codes = append(codes, card.Code)
		}
	}
	slices.Sort(codes)
	return codes
}

// TestP12_EvidenceBringsTheCardsToProveItWith, and no others: those of senders,
// and of whoever is under another hub's CA, with that hub's.
func TestP12_EvidenceBringsTheCardsToProveItWith(t *testing.T) {
	s := newTree(t)
	s.witness(hubCode)
	want := func(peer string, codes ...string) {
		t.Helper()
		if got := s.vouched(peer); !slices.Equal(got, codes) {
			t.Errorf("%s gets the cards of %q, want %q", peer, got, codes)
		}
	}
	own := s.arrive("B")
	s.routed()
	s.custody("B", own)
	want("A")      // its own, and B, whose seals are of the same CA
	want("B", "A") // the sender's
	foreign := s.bring("D1", "D", bundle.KindDocument, uuid.Nil, "C", "B")
	s.routed()
	s.custody("B", foreign)
	want("B", "A", "D", "D1") // and the hub under whose CA D1 seals
	want("D")                 // a hub has its cards from its neighbours

	away := s.arrive("D2", "V")
	s.routed()
	must(t, s.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		return s.relay.TakeEvidence(tx, "D", [][]byte{s.witnessed("D", away, "D2", "B")})
	}))
	want("A", "D", "D2") // who testifies, and of whom, but for our own
}

// witnessed is evidence of another hub about some recipients.
func (s *stage) witnessed(hub string, id storage.ID, offices ...string) []byte {
	s.t.Helper()
	other := newStage(s.t, time.Time{})
	other.witness(hub)
	r := evidence.Record{Document: id, From: "A", Witness: hub}
	for _, office := range offices {
		r.Events = append(r.Events, evidence.Event{Name: evidence.ContentConsignment, At: time.Now(), Office: office})
	}
	head, err := evidence.Seal(r, *other.relay.Options().Seal)
	must(s.t, err)
	return head
}

func TestP9_TheCardsInANoticeAreBounded(t *testing.T) {
	s := newTree(t)
	s.witness(hubCode)
	id := s.arrive("D1")
	s.routed()
	var offices []string
	must(t, s.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		for range 300 {
			code := "D" + uuid.NewString()
			offices = append(offices, code)
			if _, err := s.registry.Issue(tx, registry.Card{Code: code, Name: "UBND", Hub: "D"}, s.authority); err != nil {
				return err
			}
		}
		return nil
	}))
	must(t, s.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		return s.relay.TakeEvidence(tx, "D", [][]byte{s.witnessed("D", id, offices...)})
	}))
	if got := len(s.vouched("A")); got != relay.CardsPerNotice {
		t.Errorf("%d cards in the notice, want %d", got, relay.CardsPerNotice)
	}
}
