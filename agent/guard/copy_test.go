package guard_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/uuid"

	"tram/agent/guard"
	"tram/agent/hub/registry"
	"tram/agent/lineage"
	"tram/storage/sqlite"
	"tram/sync/exchange"
	"tram/sync/wire"
)

// side is the guard of one machine over a store of its own.
type side struct {
	*guard.Guard
	code  string
	known cards
	older []uuid.UUID // told to Options.Older
	taken int         // told to Options.Greeted
}

// newSide makes the guard of office code; hub makes it remember boxes.
func newSide(t *testing.T, code string, known cards, hub bool, change func(*guard.Options)) *side {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"), sqlite.Options{Schemas: []sqlite.Schema{lineage.Schema}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s := &side{code: code, known: known}
	o := guard.Options{
		Code: code, Registry: known, Card: []byte("card of " + code), Serial: 5, Boots: lineage.New(db),
		Remembers: func(string) bool { return hub },
		Older:     func(_ context.Context, _ string, heard uuid.UUID) { s.older = append(s.older, heard) },
		Greeted:   func(context.Context, string, wire.Hello) error { s.taken++; return nil },
	}
	if change != nil {
		change(&o)
	}
	s.Guard = guard.New(o)
	return s
}

func (s *side) greet(t *testing.T, peer string, heard *wire.Hello) wire.Hello {
	t.Helper()
	say := wire.Hello{Office: s.code}
	if err := s.Greet(t.Context(), peer, &say, heard); err != nil {
		t.Fatal(err)
	}
	return say
}

func (s *side) hears(t *testing.T, h wire.Hello, answers bool, want error) {
	t.Helper()
	if err := s.Hello(t.Context(), h.Office, h, answers); !errors.Is(err, want) {
		t.Errorf("%s hears %s: %v, want %v", s.code, h.Office, err, want)
	}
}

func everyCard(serial uint64) cards {
	return cards{"H40": {Code: "H40", Serial: serial}, "H40.1": {Code: "H40.1", Serial: serial}}
}

func TestTheCardIsSaidToWhoeverLacksIt(t *testing.T) {
	for _, c := range []struct {
		name string
		held uint64
		card string
	}{
		{"never heard", 0, "card of H40.1"}, {"an older one", 4, "card of H40.1"}, {"this one", 5, ""}, {"a newer one", 6, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			office := newSide(t, "H40.1", everyCard(7), false, nil)
			if open := office.greet(t, "H40", nil); open.Card != nil || open.Held != 7 || open.Registry != 77 || open.Boot == uuid.Nil {
				t.Errorf("an opening HELLO says %+v", open)
			}
			if answer := office.greet(t, "H40", &wire.Hello{Held: c.held}); string(answer.Card) != c.card {
				t.Errorf("the answer has the card %q", answer.Card)
			}
		})
	}
}

func TestABoxWithoutACardShowsItFirst(t *testing.T) {
	hub := newSide(t, "H40", cards{}, true, nil)
	hub.hears(t, wire.Hello{Office: "H40.1", Boot: uuid.New()}, false, exchange.ErrUnsettled)
	hub.hears(t, wire.Hello{Office: "H40.1", Boot: uuid.New(), Card: []byte("card")}, false, nil)
	if hub.taken != 1 {
		t.Errorf("%d boxes were taken", hub.taken)
	}
}

// TestP2_TwoBoxesGreetTheSameHub lets the first box, its next run, and a stranger
// with the same identity greet a hub in turn.
func TestP2_TwoBoxesGreetTheSameHub(t *testing.T) {
	refused := 0
	hub := newSide(t, "H40", everyCard(5), true, func(o *guard.Options) {
		o.Refused = func(_ context.Context, r guard.Refusal) {
			if refused++; r.Peer != "H40.1" || r.Action != "hello" || r.Reason == "" {
				t.Errorf("reported %+v", r)
			}
		}
	})
	box, stranger := newSide(t, "H40.1", everyCard(5), false, nil), newSide(t, "H40.1", everyCard(5), false, nil)

	first := box.greet(t, "H40", nil)
	hub.hears(t, first, false, nil) // nothing is remembered
	answer := hub.greet(t, "H40.1", &first)
	if answer.Heard != first.Boot || answer.Known != uuid.Nil {
		t.Errorf("the hub answers %+v to boot %s", answer, first.Boot)
	}
	box.hears(t, answer, true, nil)

	other := stranger.greet(t, "H40", nil)
	hub.hears(t, other, false, exchange.ErrUnsettled)
	answer = hub.greet(t, "H40.1", &other)
	stranger.hears(t, answer, true, exchange.ErrCopy)
	if len(stranger.older) != 1 || stranger.older[0] != first.Boot {
		t.Errorf("the stranger learns of %v, want boot %s", stranger.older, first.Boot)
	}
	hub.hears(t, stranger.greet(t, "H40", &answer), true, exchange.ErrCopy)

	again := box.greet(t, "H40", nil)
	hub.hears(t, again, false, nil)
	if again.Boot != first.Boot || len(box.older) != 0 || refused != 1 || hub.taken != 2 || stranger.taken != 0 {
		t.Errorf("boot %s after %s, told %v; %d refused; taken %d and %d", again.Boot, first.Boot, box.older, refused, hub.taken, stranger.taken)
	}
}

func TestAnOfficeRemembersNoHub(t *testing.T) {
	office := newSide(t, "H40.1", everyCard(5), false, nil)
	for range 2 { // a hub that was raised from its backup has another boot
		office.hears(t, wire.Hello{Office: "H40", Boot: uuid.New()}, false, nil)
	}
	if say := office.greet(t, "H40", &wire.Hello{}); say.Heard != uuid.Nil {
		t.Errorf("it says that it heard %s", say.Heard)
	}
}

func TestGuardsPassOnFailures(t *testing.T) {
	broken := errors.New("disk is broken")
	s := newSide(t, "H40", everyCard(5), true, func(o *guard.Options) { o.Boots = failing{broken} })
	if err := s.Greet(t.Context(), "H40.1", &wire.Hello{}, nil); !errors.Is(err, broken) {
		t.Errorf("greet gives %v", err)
	}
	s.hears(t, wire.Hello{Office: "H40.1", Heard: uuid.New()}, false, broken)
	s.hears(t, wire.Hello{Office: "H40.1"}, false, broken)
	s.known["H40.1"] = registry.Card{Code: "H40.1", Device: "no key"}
	if err := s.Hello(t.Context(), "H40.1", wire.Hello{Office: "H40.1"}, false); err == nil {
		t.Error("a card without a usable key passes")
	}
	if s.taken != 0 || len(s.older) != 0 {
		t.Errorf("taken %d, older %v", s.taken, s.older)
	}
}

// failing is a lineage whose disk is broken.
type failing struct{ err error }

func (f failing) Boot(context.Context) (uuid.UUID, error)                    { return uuid.Nil, f.err }
func (f failing) Own(context.Context, uuid.UUID) (bool, error)               { return false, f.err }
func (f failing) Heard(context.Context, string, [32]byte) (uuid.UUID, error) { return uuid.Nil, f.err }
func (f failing) Agree(context.Context, lineage.Claim) error                 { return f.err }
