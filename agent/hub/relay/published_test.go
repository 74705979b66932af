package relay_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/uuid"

	"tram/agent/hub/registry"
	"tram/agent/hub/relay"
	"tram/storage"
	"tram/storage/sqlite"
	"tram/sync/bundle"
	"tram/sync/wire"
)

// listening is a tree whose hub keeps what is reported and published, and answers with
// an error when it says "bad".
func listening(t *testing.T) (s *stage, reports, published *[]string) {
	t.Helper()
	s, reports, published = newTree(t), new([]string), new([]string)
	o := s.relay.Options()
	o.Report = func(_ *sqlite.Tx, from registry.Card, h bundle.Header, payload []byte) error {
		if string(payload) == "bad" {
			return relay.Unreadable("bad")
		}
		*reports = append(*reports, from.Code+" "+h.From+" "+string(payload))
		return nil
	}
	o.Published = func(_ *sqlite.Tx, above string, payload []byte) error {
		*published = append(*published, above+" "+string(payload))
		return nil
	}
	s.relay = relay.New(o)
	above, err := s.registry.Lookup(codeAbove)
	must(t, err)
	s.relay.SetAbove(codeAbove, above.Authority)
	s.queue.SetHooks(hooks(s))
	return s, reports, published
}

// TestP7_WhoMayReportAndPublish: everybody below reports in its own name and to this hub
// alone; what is published counts from the hub above alone.
func TestP7_WhoMayReportAndPublish(t *testing.T) {
	s, reports, published := listening(t)
	for _, c := range []struct {
		name, from, peer, to string
		ok                   bool
	}{
		{"an office", "A", "A", hubCode, true}, {"a hub below", codeBelow, codeBelow, hubCode, true},
		{"an office of the hub below, over it", "D1", codeBelow, hubCode, false}, {"in the name of another", "B", "A", hubCode, false},
		{"to another office", "A", "A", "B", false}, {"to the hub above", "A", "A", codeAbove, false}, {"the hub above", codeAbove, codeAbove, hubCode, false},
	} {
		h := s.header(c.from, bundle.KindReport, uuid.Nil, c.to)
		h.Objects = h.Objects[:1]
		if d := s.relay.Policy(t.Context(), c.peer, h); (d == nil) != c.ok || d != nil && d.Code != wire.CodeSender {
			t.Errorf("%s: %+v", c.name, d)
		}
	}
	for _, peer := range []string{"A", codeBelow} {
		s.sayRaw(peer, bundle.KindReport, bundle.RoleReport, []byte("x"))
		s.sayRaw(peer, bundle.KindReport, bundle.RoleReport, []byte("bad"))
		s.say(peer, relay.Notice{Version: 1, Type: "published", Published: json.RawMessage(`1`)})
	}
	s.say(codeAbove, relay.Notice{Version: 1, Type: "published", Published: json.RawMessage(`2`)})
	if want := []string{"A A x", "D D x"}; !slices.Equal(*reports, want) {
		t.Errorf("reports %q, want %q", *reports, want)
	}
	if want := []string{"VN 2"}; !slices.Equal(*published, want) {
		t.Errorf("published %q, want %q", *published, want)
	}
	must(t, s.db.View(t.Context(), func(tx *sqlite.Tx) error {
		var dropped int
		err := tx.QueryRow(`SELECT count(*) FROM audit WHERE action = 'relay.dropped'`).Scan(&dropped)
		if dropped != 4 {
			t.Errorf("%d are dropped with an entry, want 4", dropped)
		}
		return err
	}))
}

// TestAPublicationGoesToSeveralAtOnce: each has a slip of its own, and it can be taken
// back from one.
func TestAPublicationGoesToSeveralAtOnce(t *testing.T) {
	s := newTree(t)
	var id storage.ID
	must(t, s.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		var to []registry.Card
		for _, code := range []string{"A", "B", codeBelow} {
			card, err := s.registry.LookupTx(tx, code)
			if err != nil {
				return err
			}
			to = append(to, card)
		}
		p, err := s.relay.PackPublished(to, []byte(`{"serial":7}`))
		if err != nil {
			return err
		}
		id = p.ID()
		return s.relay.SendPublished(tx, p)
	}))
	for _, code := range []string{"A", "B", codeBelow} {
		if n := s.notice(code); n.Type != "published" || string(n.Published) != `{"serial":7}` {
			t.Errorf("%s gets %+v", code, n)
		}
	}
	must(t, s.db.Update(t.Context(), func(tx *sqlite.Tx) error { return s.relay.Withdraw(tx, id, "A") }))
	s.custody("B", id)
	for code, want := range map[string]bool{"A": false, "B": false, codeBelow: true} {
		must(t, s.db.View(t.Context(), func(tx *sqlite.Tx) error {
			waits, err := s.relay.Waits(tx, id, code)
			if waits != want {
				t.Errorf("it waits for %s: %v", code, waits)
			}
			return err
		}))
	}
	must(t, s.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		_, err := s.relay.SendReport(tx, []byte("x"))
		return err
	}))
	if list := s.outgoing(codeAbove); len(list) != 1 || bundle.Kind(list[0].Kind) != bundle.KindReport || string(s.read(list[0], codeAbove)) != "x" {
		t.Errorf("the hub above gets %+v", list)
	}
}
