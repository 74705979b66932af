package relay_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"slices"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/uuid"

	"tram/agent/hub/registry"
	"tram/agent/hub/relay"
	"tram/storage"
	"tram/storage/sqlite"
	"tram/sync/bundle"
	"tram/sync/wire"
)

// The tree around the hub H40 of a stage: above it VN with the office V, below
// it the hub D with the offices D1 and D2, and the stage's A, B and C.
const (
	codeAbove = "VN"
	codeBelow = "D"
)

func newTree(t *testing.T) *stage {
	t.Helper()
	s := newStage(t, time.Time{})
	above := newKey(t)
	s.addHub(codeAbove, above)
	s.addHub(codeBelow, newKey(t))
	s.addOfficeOf("V", codeAbove)
	s.addOfficeOf("D1", codeBelow)
	s.addOfficeOf("D2", codeBelow)
	s.relay.SetAbove(codeAbove, above.Public())
	return s
}

func (s *stage) addHub(code string, authority *ecdsa.PrivateKey) {
	s.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: code}, IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}, &x509.Certificate{}, &authority.PublicKey, authority)
	must(s.t, err)
	root, err := x509.ParseCertificate(der)
	must(s.t, err)
	s.addCard(registry.Card{Code: code, Kind: registry.KindHub, Authority: &authority.PublicKey, CA: root})
}

func (s *stage) addOfficeOf(code, hub string) {
	s.t.Helper()
	s.addCard(registry.Card{Code: code, Hub: hub})
}

func (s *stage) addCard(c registry.Card) {
	s.t.Helper()
	secret, err := age.GenerateX25519Identity()
	must(s.t, err)
	s.device[c.Code], s.secrets[c.Code] = newKey(s.t), secret
	c.Name, c.Device, c.Recipient = "UBND "+c.Code, s.device[c.Code].Public(), secret.Recipient().String()
	must(s.t, s.db.Update(s.t.Context(), func(tx *sqlite.Tx) error {
		_, err := s.registry.Issue(tx, c, s.authority)
		return err
	}))
}

// next are the neighbours that a bundle waits for.
func (s *stage) next(id storage.ID) []string {
	s.t.Helper()
	var list []string
	for _, peer := range []string{"A", "B", "D", "D1", "D2", "V", "VN"} {
		for _, o := range s.outgoing(peer) {
			if o.ID == id {
				list = append(list, peer)
			}
		}
	}
	return list
}

func TestEveryBundleTakesTheWayOfTheTree(t *testing.T) {
	tests := []struct {
		name       string
		from, peer string
		to         []string
		next       []string
	}{
		{"to an own office", "A", "A", []string{"B"}, []string{"B"}},
		{"to an office of a hub below", "A", "A", []string{"D1"}, []string{"D"}},
		{"to two of a hub below, once", "A", "A", []string{"D1", "D2", "B"}, []string{"B", "D"}},
		{"to an office above", "A", "A", []string{"V"}, []string{"VN"}},
		{"to one that the hub above may know", "A", "A", []string{"X"}, []string{"VN"}},
		{"from below to above and here", "D1", "D", []string{"V", "B", "D2"}, []string{"B", "VN"}},
		{"from above to below and here", "V", "VN", []string{"D1", "B", "X"}, []string{"B", "D"}},
		{"to the hub above itself", "A", "A", []string{"VN"}, []string{"VN"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newTree(t)
			id := s.bring(tt.from, tt.peer, bundle.KindDocument, uuid.Nil, tt.to...)
			s.routed()
			if got := s.next(id); !slices.Equal(got, tt.next) {
				t.Errorf("goes to %v, want %v", got, tt.next)
			}
			for _, o := range s.outgoing("D") {
				if o.Slip != nil {
					t.Error("a hub was given one slip instead of all")
				}
			}
			if n := len(s.outgoing(tt.peer)); n != 0 {
				t.Errorf("%d bundles go back to where it came from", n)
			}
		})
	}
}

// TestAHubBelowIsNoRecipient: it has no clerk.
func TestAHubBelowIsNoRecipient(t *testing.T) {
	s := newTree(t)
	s.bring("A", "A", bundle.KindDocument, uuid.Nil, "D")
	s.routed()
	if n := s.notice("A"); n.Office != "D" || n.Code != wire.CodeUnknownRecipient {
		t.Errorf("notice is %+v", n)
	}
}

// TestUndeliverableGoesBackHopByHop follows a notice from the hub above to the
// office, each hub giving its own word.
func TestUndeliverableGoesBackHopByHop(t *testing.T) {
	s := newTree(t)
	id := s.bring("A", "A", bundle.KindDocument, uuid.Nil, "X")
	s.routed()
	s.say(codeAbove, relay.Notice{Version: 1, Type: "undeliverable", Bundle: id, Office: "B", Code: wire.CodeUnknownRecipient})
	if len(s.outgoing("A")) != 0 {
		t.Error("a hub answered for an office that is not behind it")
	}
	s.say(codeAbove, relay.Notice{Version: 1, Type: "undeliverable", Bundle: id, Office: "X", Code: wire.CodeUnknownRecipient})
	if n := s.notice("A"); n.Bundle != id || n.Office != "X" {
		t.Errorf("notice is %+v", n)
	}
}

// TestP3_AHubKeepsWhatItPassedOn until it is of no more use, and then lets go.
func TestP3_AHubKeepsWhatItPassedOn(t *testing.T) {
	s := newTree(t)
	id := s.bring("D1", "D", bundle.KindDocument, uuid.Nil, "B", "V")
	s.routed()
	s.custody("B", id)
	s.custody("VN", id)
	if got := s.next(id); !slices.Equal(got, []string{"B", "VN"}) {
		t.Fatalf("after custody it is kept for %v", got)
	}
	s.bring("B", "B", bundle.KindStatus, id, "D1")
	s.routed()
	if got := s.next(id); !slices.Equal(got, []string{"VN"}) {
		t.Errorf("after the status of B it is kept for %v", got)
	}
	s.say(codeBelow, relay.Notice{Version: 1, Type: "passed", Bundles: []uuid.UUID{id}})
	if got := s.next(id); !slices.Equal(got, []string{"VN"}) {
		t.Errorf("another hub's report ended it: %v", got)
	}
	s.say(codeAbove, relay.Notice{Version: 1, Type: "passed", Bundles: []uuid.UUID{id}})
	if got := s.next(id); len(got) != 0 {
		t.Errorf("after the report of the hub above it is kept for %v", got)
	}
	s.wantReport(codeBelow, id)

	// The report may be lost: who offers again is told again.
	again := s.header("D1", bundle.KindDocument, uuid.Nil, "B")
	again.ID = id
	if d := s.relay.Policy(t.Context(), codeBelow, again); d != nil {
		t.Fatalf("offered again: %+v", d)
	}
	s.wantReport(codeBelow, id)
}

// TestP3_AStatusIsKeptToo: nobody answers it but the hub that takes it on.
func TestP3_AStatusIsKeptToo(t *testing.T) {
	s := newTree(t)
	up := s.bring("A", "A", bundle.KindStatus, uuid.New(), "V")
	down := s.bring("V", "VN", bundle.KindStatus, uuid.New(), "A")
	s.routed()
	s.custody("VN", up)
	s.custody("A", down)
	if got := s.next(up); !slices.Equal(got, []string{"VN"}) {
		t.Errorf("a status on its way up is kept for %v", got)
	}
	if got := s.next(down); len(got) != 0 {
		t.Errorf("a status that its office has is kept for %v", got)
	}
	s.wantReport(codeAbove, down)
}

func TestP7_WhoMayHandOverWhat(t *testing.T) {
	s := newTree(t)
	tests := []struct {
		name, peer, from string
		kind             bundle.Kind
		to               string
		want             wire.Code
	}{
		{"hub below for its office", "D", "D1", bundle.KindDocument, "A", wire.CodeNone},
		{"hub below for an office here", "D", "A", bundle.KindDocument, "B", wire.CodeSender},
		{"hub below for an office above", "D", "V", bundle.KindDocument, "A", wire.CodeSender},
		{"hub above for its office", "VN", "V", bundle.KindDocument, "A", wire.CodeNone},
		{"hub above for an office here", "VN", "A", bundle.KindDocument, "B", wire.CodeSender},
		{"hub above for an office below", "VN", "D1", bundle.KindDocument, "A", wire.CodeSender},
		{"office for another one", "B", "A", bundle.KindDocument, "D1", wire.CodeSender},
		{"cards of the hub below", "D", "D", bundle.KindRegistry, hubCode, wire.CodeNone},
		{"cards of the hub above", "VN", "VN", bundle.KindRegistry, hubCode, wire.CodeNone},
		{"cards by an office", "A", "A", bundle.KindRegistry, hubCode, wire.CodeSender},
		{"notice by an office", "A", "A", bundle.KindNotice, hubCode, wire.CodeSender},
		{"notice past this hub", "D", "D", bundle.KindNotice, "A", wire.CodeSender},
		{"notice of an office of a hub", "D", "D1", bundle.KindNotice, hubCode, wire.CodeSender},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := s.relay.Policy(t.Context(), tt.peer, s.header(tt.from, tt.kind, uuid.Nil, tt.to))
			switch {
			case d == nil && tt.want != wire.CodeNone:
				t.Errorf("taken, want code %d", tt.want)
			case d != nil && d.Code != tt.want:
				t.Errorf("code %d, want %d", d.Code, tt.want)
			}
		})
	}
}

// TestRegistryGoesWhereItIsNew: a hub is not told what it is itself the way to.
func TestRegistryGoesWhereItIsNew(t *testing.T) {
	s := newTree(t)
	for peer, want := range map[string][]string{
		"D": {hubCode, "A", "B", "C", "VN", "V"}, "VN": {hubCode, "A", "B", "C", "D", "D1", "D2"},
		"A": {hubCode, "A", "B", "C", "VN", "D", "V", "D1", "D2"},
	} {
		must(t, s.relay.ShareRegistry(t.Context(), map[string]relay.Greeting{peer: {Epoch: storage.ID{1}}}))
		list := s.outgoing(peer)
		if len(list) != 1 {
			t.Fatalf("%d bundles for %s", len(list), peer)
		}
		if codes := s.told(list[0], peer); !slices.Equal(codes, want) {
			t.Errorf("%s is told of %v, want %v", peer, codes, want)
		}
	}
}

// TestP9_MissingLinksHoldNothingUp: a bundle waits for the card of a hub on its
// way, for a while, and the others go on.
func TestP9_MissingLinksHoldNothingUp(t *testing.T) {
	s := newTree(t)
	s.addOfficeOf("LOST", "GONE")
	var stuck []storage.ID
	for range 70 {
		stuck = append(stuck, s.bring("A", "A", bundle.KindDocument, uuid.Nil, "LOST"))
	}
	id := s.arrive("B")
	stop := s.running()
	for deadline := time.Now().Add(20 * time.Second); len(s.next(id)) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a bundle is held up by others")
		}
	}
	stop()
	if n := len(s.outgoing("A")); n != 0 {
		t.Errorf("%d notices before its time", n)
	}
	s.late = chainTooLong
	s.relay = s.newRelay(time.Time{})
	s.routed()
	if n := len(s.outgoing("A")); n != len(stuck) {
		t.Errorf("%d notices, want %d", n, len(stuck))
	}
}

// chainTooLong is more than the relay's patience.
const chainTooLong = 11 * time.Minute

// TestNonsenseOfAHubIsDropped and does not come again.
func TestNonsenseOfAHubIsDropped(t *testing.T) {
	s := newTree(t)
	s.say(codeBelow, relay.Notice{Version: 2, Type: "passed"})
	s.say(codeBelow, relay.Notice{Version: 1, Type: "hm"})
	s.sayRaw(codeBelow, bundle.KindNotice, bundle.RoleNotice, []byte("{"))
	s.sayRaw(codeBelow, bundle.KindRegistry, bundle.RoleRegistry, []byte{0xff})
	stats, err := s.queue.Stats(t.Context())
	must(t, err)
	if stats.Bundles != 0 {
		t.Errorf("%d bundles stay", stats.Bundles)
	}
}

// header is one that from could have signed.
func (s *stage) header(from string, kind bundle.Kind, about uuid.UUID, to ...string) bundle.Header {
	return bundle.Header{
		ID: uuid.Must(uuid.NewV7()), From: from, To: to, Kind: kind, InReplyTo: about,
		Created: time.Now(), Expires: time.Now().Add(time.Hour),
		Objects: []bundle.Object{bundle.Describe(nil, bundle.RoleHead, bundle.Plain), bundle.Describe(nil, bundle.RoleSlips, bundle.Plain)},
	}
}

// say brings a notice of a neighbouring hub, and has it handled.
func (s *stage) say(peer string, n relay.Notice) {
	s.t.Helper()
	payload, err := json.Marshal(n)
	must(s.t, err)
	s.sayRaw(peer, bundle.KindNotice, bundle.RoleNotice, payload)
}

func (s *stage) sayRaw(peer string, kind bundle.Kind, role bundle.Role, payload []byte) {
	s.t.Helper()
	key, err := bundle.NewKey()
	must(s.t, err)
	sent, object, err := key.EncryptBytes(payload, role)
	must(s.t, err)
	slip, err := key.Slip(s.secrets[hubCode].Recipient().String())
	must(s.t, err)
	h := s.header(peer, kind, uuid.Nil, hubCode)
	h.Key, h.Objects = key.Recipient(), []bundle.Object{object}
	s.take(peer, h, slip, map[int][]byte{0: sent})
	s.routed()
}

// take puts a bundle into the hub's inbox.
func (s *stage) take(peer string, h bundle.Header, slip []byte, objects map[int][]byte) {
	s.t.Helper()
	signed, err := bundle.Sign(h, s.device[h.From])
	must(s.t, err)
	need := []int{}
	for i := range h.Objects {
		need = append(need, i)
	}
	_, err = s.queue.Admit(s.t.Context(), peer, storage.Incoming{Bundle: signed.Stored(), Slip: slip, Need: need, Inline: objects})
	must(s.t, err)
	must(s.t, s.queue.Complete(s.t.Context(), peer, h.ID, []byte("receipt")))
}

func (s *stage) custody(peer string, id storage.ID) {
	s.t.Helper()
	must(s.t, s.queue.Settle(s.t.Context(), peer, id, storage.Outcome{Receipt: []byte("receipt"), Epoch: storage.ID{1}, At: time.Now()}))
}

// wantReport waits until the relay has told a hub that id is passed on, and
// takes that report away.
func (s *stage) wantReport(peer string, id storage.ID) {
	s.t.Helper()
	stop := s.running()
	defer stop()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		for _, o := range s.outgoing(peer) {
			if bundle.Kind(o.Kind) != bundle.KindNotice {
				continue
			}
			var n relay.Notice
			must(s.t, json.Unmarshal(s.read(o, peer), &n))
			must(s.t, s.db.Update(s.t.Context(), func(tx *sqlite.Tx) error { return s.queue.End(tx, o.ID) }))
			if n.Type == "passed" && slices.Contains(n.Bundles, id) {
				return
			}
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s is not told that %s is passed on", peer, id)
		}
	}
}
