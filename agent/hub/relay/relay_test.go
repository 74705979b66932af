package relay_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/uuid"

	"tram/agent/hub/registry"
	"tram/agent/hub/relay"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
	"tram/sync/bundle"
	"tram/sync/wire"
)

const hubCode = "H40"

// stage is a hub's store with three offices: A and B are enrolled, C is not.
type stage struct {
	t         *testing.T
	db        *sqlite.DB
	queue     *queue.Queue
	registry  *registry.Registry
	relay     *relay.Relay
	device    map[string]*ecdsa.PrivateKey
	secrets   map[string]*age.X25519Identity
	authority *ecdsa.PrivateKey
	late      time.Duration // of the relay's clock
	stamp     [32]byte      // what headers ask a time stamp for
}

func newStage(t *testing.T, rebuild time.Time) *stage {
	t.Helper()
	s := &stage{t: t, device: map[string]*ecdsa.PrivateKey{}, secrets: map[string]*age.X25519Identity{}, authority: newKey(t)}
	dir := t.TempDir()
	var err error
	s.db, err = sqlitetest.Open(t.Context(), filepath.Join(dir, "hub.db"), sqlite.Options{Schemas: []sqlite.Schema{queue.Schema, audit.Schema, registry.Schema, relay.Schema}})
	must(t, err)
	t.Cleanup(func() { s.db.Close() })
	blobs, err := blob.Open(filepath.Join(dir, "blobs"), blob.Options{})
	must(t, err)
	s.registry, err = registry.New(s.db, s.authority.Public(), registry.Options{})
	must(t, err)
	s.queue = queue.New(s.db, blobs, queue.Options{})
	for _, code := range []string{hubCode, "A", "B", "C"} {
		s.addOffice(code, code != "C")
	}
	s.relay = s.newRelay(rebuild)
	s.queue.SetHooks(hooks(s))
	return s
}

func hooks(s *stage) queue.Hooks {
	return queue.Hooks{Custody: s.relay.Custody, Refused: s.relay.Refused}
}

func (s *stage) newRelay(rebuild time.Time) *relay.Relay {
	return relay.New(relay.Options{
		Code: hubCode, Device: s.device[hubCode], Authority: s.authority, DB: s.db, Queue: s.queue, Registry: s.registry, RebuildUntil: rebuild,
		Open: func(slip []byte) (bundle.Key, error) { return bundle.OpenSlip(slip, s.secrets[hubCode]) },
		Now:  func() time.Time { return time.Now().Add(s.late) },
	})
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *stage) addOffice(code string, enrolled bool) {
	s.t.Helper()
	secret, err := age.GenerateX25519Identity()
	must(s.t, err)
	s.device[code], s.secrets[code] = newKey(s.t), secret
	card := registry.Card{Code: code, Name: "UBND " + code, Kind: "xa"}
	if enrolled {
		card.Device, card.Recipient = s.device[code].Public(), secret.Recipient().String()
	}
	must(s.t, s.db.Update(s.t.Context(), func(tx *sqlite.Tx) error {
		_, err := s.registry.Issue(tx, card, s.authority)
		return err
	}))
}

// arrive brings a document of office A into the hub's inbox.
func (s *stage) arrive(to ...string) storage.ID {
	s.t.Helper()
	return s.bring("A", "A", bundle.KindDocument, uuid.Nil, to...)
}

// bring brings a bundle into the inbox, over a neighbour.
func (s *stage) bring(from, peer string, kind bundle.Kind, about uuid.UUID, to ...string) storage.ID {
	s.t.Helper()
	key, err := bundle.NewKey()
	must(s.t, err)
	head, object, err := key.EncryptBytes([]byte("văn bản"), bundle.RoleHead)
	must(s.t, err)
	slips := map[string][]byte{}
	for _, code := range to {
		if secret, ok := s.secrets[code]; ok {
			slips[code], err = key.Slip(secret.Recipient().String())
			must(s.t, err)
		}
	}
	if len(slips) == 0 { // the sender knew somebody's key, or it could not have sent
		slips[to[0]], err = key.Slip(s.secrets["A"].Recipient().String())
		must(s.t, err)
	}
	table, err := bundle.EncodeSlips(slips)
	must(s.t, err)
	h := s.header(from, kind, about, to...)
	h.Stamp, h.Key, h.Urgency, h.Objects = s.stamp, key.Recipient(), 2, []bundle.Object{object, bundle.Describe(table, bundle.RoleSlips, bundle.Plain)}
	s.take(peer, h, nil, map[int][]byte{0: head, 1: table})
	return h.ID
}

// running starts the relay and returns how to stop it.
func (s *stage) running() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.relay.Run(ctx) }()
	return func() { cancel(); <-done }
}

// routed runs the relay until the inbox is empty.
func (s *stage) routed() {
	s.t.Helper()
	defer s.running()()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		list, err := s.queue.Inbox(s.t.Context(), 10)
		must(s.t, err)
		if len(list) == 0 {
			return
		}
	}
	s.t.Fatal("the inbox was not emptied")
}

func (s *stage) outgoing(peer string) []storage.Outgoing {
	s.t.Helper()
	list, err := s.queue.Outgoing(s.t.Context(), peer, uuid.New(), 100)
	must(s.t, err)
	return list
}

// read opens the one object of a bundle of the hub's own.
func (s *stage) read(o storage.Outgoing, as string) []byte {
	s.t.Helper()
	signed, err := bundle.Parse(o.Header)
	must(s.t, err)
	must(s.t, signed.Verify(s.device[hubCode].Public()))
	key, err := bundle.OpenSlip(o.Slip, s.secrets[as])
	must(s.t, err)
	body, _, err := s.queue.OpenObject(s.t.Context(), o.ID, 0)
	must(s.t, err)
	defer body.Close()
	sent, err := io.ReadAll(body)
	must(s.t, err)
	plain, err := key.DecryptBytes(sent, signed.Header.Objects[0], 1<<20)
	must(s.t, err)
	return plain
}

func (s *stage) notice(as string) relay.Notice {
	s.t.Helper()
	list := s.outgoing(as)
	if len(list) != 1 || bundle.Kind(list[0].Kind) != bundle.KindNotice {
		s.t.Fatalf("%d bundles wait for %s, want one notice", len(list), as)
	}
	var n relay.Notice
	must(s.t, json.Unmarshal(s.read(list[0], as), &n))
	return n
}

func TestEachRecipientGetsItsOwnSlip(t *testing.T) {
	s := newStage(t, time.Time{})
	s.addOffice("D", true)
	id := s.arrive("B", "D")
	s.routed()
	for _, code := range []string{"B", "D"} {
		list := s.outgoing(code)
		if len(list) != 1 || list[0].ID != id {
			t.Fatalf("%s is offered %d bundles", code, len(list))
		}
		if _, err := bundle.OpenSlip(list[0].Slip, s.secrets[code]); err != nil {
			t.Errorf("%s cannot open its slip: %v", code, err)
		}
	}
	if n := len(s.outgoing("A")); n != 0 {
		t.Errorf("%d bundles go back to the sender", n)
	}
}

func TestUnknownOfficeIsReportedToTheSender(t *testing.T) {
	s := newStage(t, time.Time{})
	id := s.arrive("B", "NOWHERE")
	s.routed()
	if len(s.outgoing("B")) != 1 {
		t.Error("the known office is not served")
	}
	n := s.notice("A")
	if n.Type != "undeliverable" || n.Bundle != id || n.Office != "NOWHERE" || n.Code != wire.CodeUnknownRecipient {
		t.Errorf("notice is %+v", n)
	}
}

func TestTheHubIsNoRecipient(t *testing.T) {
	s := newStage(t, time.Time{})
	s.arrive(hubCode)
	s.routed()
	if n := s.notice("A"); n.Office != hubCode {
		t.Errorf("notice is %+v", n)
	}
}

func TestRefusalOfARecipientIsReported(t *testing.T) {
	s := newStage(t, time.Time{})
	id := s.arrive("B")
	s.routed()
	must(t, s.queue.Settle(t.Context(), "B", id, storage.Outcome{Code: uint16(wire.CodeTooLarge), Text: "too large", At: time.Now()}))
	if n := s.notice("A"); n.Bundle != id || n.Office != "B" || n.Code != wire.CodeTooLarge {
		t.Errorf("notice is %+v", n)
	}
}

// TestP3_StatusOfARecipientFreesTheHub, not its custody alone.
func TestP3_StatusOfARecipientFreesTheHub(t *testing.T) {
	s := newStage(t, time.Time{})
	id := s.arrive("B")
	s.routed()
	s.custody("B", id)
	if len(s.outgoing("B")) != 1 {
		t.Error("a document is gone before its recipient has receipted")
	}
	status := s.bring("B", "B", bundle.KindStatus, id, "A")
	s.routed()
	s.custody("A", status)
	stats, err := s.queue.Stats(t.Context())
	must(t, err)
	if stats.Bundles != 0 {
		t.Errorf("%d bundles stay at the hub", stats.Bundles)
	}
	if _, err := audit.Verify(t.Context(), s.db); err != nil {
		t.Error(err)
	}
}

func TestP7_Policy(t *testing.T) {
	far := time.Now().Add(time.Hour)
	withSlips := []bundle.Object{bundle.Describe(nil, bundle.RoleHead, bundle.Plain), bundle.Describe(nil, bundle.RoleSlips, bundle.Plain)}
	tests := []struct {
		name    string
		rebuild time.Time
		header  bundle.Header
		want    wire.Code
	}{
		{"own bundle", time.Time{}, bundle.Header{From: "A", To: []string{"B"}, Objects: withSlips}, wire.CodeNone},
		{"code in lower case", time.Time{}, bundle.Header{From: "a", To: []string{"B"}, Objects: withSlips}, wire.CodeNone},
		{"another office's bundle", time.Time{}, bundle.Header{From: "B", To: []string{"A"}, Objects: withSlips}, wire.CodeSender},
		{"no slips", time.Time{}, bundle.Header{From: "A", To: []string{"B"}, Objects: withSlips[:1]}, wire.CodeMalformed},
		{"unknown recipient", time.Time{}, bundle.Header{From: "A", To: []string{"X"}, Objects: withSlips}, wire.CodeNone},
		{"unknown recipient while rebuilding", far, bundle.Header{From: "A", To: []string{"X"}, Objects: withSlips}, wire.CodeUnknownRecipient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStage(t, tt.rebuild)
			d := s.relay.Policy(t.Context(), "A", tt.header)
			switch {
			case d == nil && tt.want != wire.CodeNone:
				t.Errorf("taken, want code %d", tt.want)
			case d != nil && d.Code != tt.want:
				t.Errorf("code %d, want %d", d.Code, tt.want)
			}
		})
	}
}

// told are the codes on the cards in a bundle for an office.
func (s *stage) told(o storage.Outgoing, office string) (codes []string) {
	s.t.Helper()
	page, err := registry.ParsePage(s.read(o, office), s.authority.Public())
	must(s.t, err)
	for _, c := range page.Cards {
		codes = append(codes, c.Code)
	}
	return codes
}

func TestRegistryIsSharedOnceAndOnlyWhatIsNew(t *testing.T) {
	s := newStage(t, time.Time{})
	share := func(has uint64) []string {
		before := len(s.outgoing("A"))
		must(t, s.relay.ShareRegistry(t.Context(), map[string]relay.Greeting{"A": {Has: has, Epoch: storage.ID{1}}}))
		var codes []string
		for _, o := range s.outgoing("A")[before:] {
			codes = append(codes, s.told(o, "A")...)
		}
		return codes
	}
	hub, err := s.registry.Lookup(hubCode)
	must(t, err)
	if got := share(hub.Serial); !slices.Equal(got, []string{"A", "B", "C"}) {
		t.Errorf("first time: %v", got)
	}
	if got := share(hub.Serial); len(got) != 0 {
		t.Errorf("second time: %v", got)
	}
	s.addOffice("D", true)
	if got := share(0); !slices.Equal(got, []string{"D"}) {
		t.Errorf("after an enrolment: %v", got)
	}
	before := len(s.outgoing("A"))
	must(t, s.relay.ShareRegistry(t.Context(), map[string]relay.Greeting{"A": {Epoch: storage.ID{9}}}))
	if len(s.outgoing("A")) != before+1 {
		t.Error("an office whose store was replaced was sent nothing")
	}
	must(t, s.relay.ShareRegistry(t.Context(), map[string]relay.Greeting{"C": {Epoch: storage.ID{2}}}))
	if len(s.outgoing("C")) != 0 {
		t.Error("an office without keys was sent cards")
	}
}

// TestP9_ReturningOfficesShareOneBundleOfCards: what a thousand greetings at once
// cost is paid for each group that lacks the same cards, not for each office.
func TestP9_ReturningOfficesShareOneBundleOfCards(t *testing.T) {
	s := newStage(t, time.Time{})
	hub, err := s.registry.Lookup(hubCode)
	must(t, err)
	const offices = 40
	var codes []string
	for i := range offices {
		codes = append(codes, fmt.Sprintf("Q%02d", i))
		s.addOffice(codes[i], true)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.relay.RunSharing(ctx) }()
	for _, code := range codes {
		s.relay.Greeted(code, relay.Greeting{Has: hub.Serial})
	}
	s.relay.Greeted("stranger", relay.Greeting{}) // holds nobody up
	s.relay.News([]string{"A", codes[0]})
	for deadline := time.Now().Add(10 * time.Second); len(s.outgoing(codes[offices-1])) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("no cards were queued")
		}
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	<-done
	bundles := map[uuid.UUID]bool{}
	for _, code := range codes {
		out := s.outgoing(code)
		if len(out) != 1 {
			t.Fatalf("%d bundles for %s, want 1", len(out), code)
		}
		if cards := s.told(out[0], code); len(cards) != offices+3 { // A, B and C are newer than the hub's too
			t.Errorf("%s gets %d cards", code, len(cards))
		}
		bundles[out[0].ID] = true
	}
	if len(bundles) != 2 {
		t.Errorf("%d bundles were made for %d offices, want 2", len(bundles), offices)
	}
	if len(s.outgoing("A")) != 0 {
		t.Error("an office that has not greeted was sent cards")
	}
}

// TestRestoredHubSharesFromTheBeginning: what the hub queued before it was lost
// is lost, so what an office says that it holds proves nothing.
func TestRestoredHubSharesFromTheBeginning(t *testing.T) {
	s := newStage(t, time.Now().Add(time.Hour))
	must(t, s.relay.ShareRegistry(t.Context(), map[string]relay.Greeting{"A": {Has: s.registry.Serial(), Epoch: storage.ID{1}}}))
	if len(s.outgoing("A")) != 1 {
		t.Error("no cards were sent")
	}
}

func TestExpiredBundlesLeave(t *testing.T) {
	s := newStage(t, time.Time{})
	s.arrive("B")
	s.routed()
	later := relay.New(relay.Options{
		Code: hubCode, Device: s.device[hubCode], DB: s.db, Queue: s.queue, Registry: s.registry,
		Now: func() time.Time { return time.Now().Add(2 * time.Hour) },
	})
	must(t, later.Expire(t.Context()))
	if len(s.outgoing("B")) != 0 {
		t.Error("an expired bundle is still offered")
	}
}

// TestP7_AnEnterpriseWritesToWhomItIsAllowed: by the rules on its card, whatever
// its own program thinks of them. Answers always go.
func TestP7_AnEnterpriseWritesToWhomItIsAllowed(t *testing.T) {
	s := newStage(t, time.Time{})
	allow := func(kind string, rules ...string) {
		t.Helper()
		card, err := s.registry.Lookup("A")
		must(t, err)
		card.Kind, card.May = kind, append([]string{}, rules...)
		must(t, s.db.Update(t.Context(), func(tx *sqlite.Tx) error {
			_, err := s.registry.Issue(tx, card, s.authority)
			return err
		}))
	}
	objects := []bundle.Object{bundle.Describe(nil, bundle.RoleHead, bundle.Plain), bundle.Describe(nil, bundle.RoleSlips, bundle.Plain)}
	want := func(kind bundle.Kind, code wire.Code, to ...string) {
		t.Helper()
		d := s.relay.Policy(t.Context(), "A", bundle.Header{From: "A", To: to, Kind: kind, Objects: objects})
		if got := d; got == nil && code != wire.CodeNone || got != nil && (got.Code != code || got.After != 0) {
			t.Errorf("kind %s to %v: %+v, want code %d", kind, to, got, code)
		}
	}
	want(bundle.KindDocument, wire.CodeNone, "B", "C")
	allow(registry.KindEnterprise)
	want(bundle.KindDocument, wire.CodeNotAllowed, "B")
	want(bundle.KindDossier, wire.CodeNotAllowed, "B")
	want(bundle.KindStatus, wire.CodeNone, "B")
	allow(registry.KindEnterprise, "B")
	want(bundle.KindDocument, wire.CodeNone, "b")
	want(bundle.KindDocument, wire.CodeNotAllowed, "B", "C")
	want(bundle.KindDocument, wire.CodeNotAllowed, "unknown")
	allow("xa", "C")
	want(bundle.KindDocument, wire.CodeNotAllowed, "B")
	allow("xa")
	want(bundle.KindDocument, wire.CodeNone, "B")
}
