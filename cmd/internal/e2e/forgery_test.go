package e2e

import (
	"crypto"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/hub"
	"tram/agent/identity"
	"tram/cmd/internal/world"
	"tram/storage/audit"
	"tram/sync/bundle"
	"tram/sync/mqtt"
	"tram/sync/wire"
)

// impostor is a program with the keys of one office that says whatever it
// likes.
type impostor struct {
	t    *testing.T
	link *mqtt.Client
	code string
}

// connect takes the keys of office o and connects as office code.
func connect(t *testing.T, w *world.World, o *world.Office, code string) *impostor {
	t.Helper()
	id, err := identity.Load(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	link, err := mqtt.Dial(mqtt.Options{
		Servers: []string{w.MQTT()}, TLS: id.TLS(), Hub: id.Hub, Office: code, Software: "impostor",
		Tuning: mqtt.Tuning{Backoff: mqtt.Backoff{Min: 50 * time.Millisecond, Max: 200 * time.Millisecond}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { link.Close() })
	return &impostor{t, link, code}
}

func (i *impostor) say(f wire.Frame) {
	i.t.Helper()
	raw, err := wire.Encode(f)
	if err != nil {
		i.t.Fatal(err)
	}
	if err := i.link.Send(i.t.Context(), raw, false); err != nil {
		i.t.Fatal(err)
	}
}

// hear waits for a frame of type F.
func hear[F wire.Frame](i *impostor, fits func(F) bool) F {
	i.t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case ev := <-i.link.Events():
			if ev.Frame == nil {
				continue
			}
			frame, err := wire.Decode(ev.Frame)
			if err != nil {
				i.t.Fatal(err)
			}
			if f, ok := frame.(F); ok && fits(f) {
				return f
			}
		case <-late:
			i.t.Fatalf("no %T came", *new(F))
		}
	}
}

// greet opens a session as the office itself.
func (i *impostor) greet() {
	i.t.Helper()
	hello := hear(i, func(wire.Hello) bool { return true })
	i.say(wire.Hello{
		Version: wire.Version, Office: i.code, Session: uuid.New(), Answers: hello.Session, Epoch: uuid.New(),
		Now: time.Now(), Software: "impostor", Boot: uuid.New(), Known: hello.Heard,
	})
}

// offer presents a bundle of office from, signed with key, and returns the
// refusal.
func (i *impostor) offer(from string, key crypto.Signer) wire.Refuse {
	i.t.Helper()
	secret, err := bundle.NewKey()
	if err != nil {
		i.t.Fatal(err)
	}
	head, object, err := secret.EncryptBytes([]byte("giả mạo"), bundle.RoleHead)
	if err != nil {
		i.t.Fatal(err)
	}
	slips, err := bundle.EncodeSlips(map[string][]byte{codeB: []byte("x")})
	if err != nil {
		i.t.Fatal(err)
	}
	signed, err := bundle.Sign(bundle.Header{
		ID: uuid.Must(uuid.NewV7()), From: from, To: []string{codeB}, Kind: bundle.KindDocument,
		Created: time.Now(), Expires: time.Now().Add(time.Hour), Key: secret.Recipient(),
		Objects: []bundle.Object{object, bundle.Describe(slips, bundle.RoleSlips, bundle.Plain)},
	}, key)
	if err != nil {
		i.t.Fatal(err)
	}
	i.say(wire.Offer{ID: signed.Header.ID, Header: signed.Raw, Inline: map[int][]byte{0: head, 1: slips}})
	return hear(i, func(r wire.Refuse) bool { return r.ID == signed.Header.ID })
}

// TestP7_AnOfficeSpeaksOnlyAsItself uses the keys of one office to speak as
// another: on its topics, in a header, with a signature. Each is refused, and
// the hub says so in its log and in its audit chain.
func TestP7_AnOfficeSpeaksOnlyAsItself(t *testing.T) {
	w := start(t)
	a, b := w.Offices[0], w.Offices[1]
	if err := w.WaitOnline(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	mine, err := identity.Load(a.Dir)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := identity.Load(b.Dir)
	if err != nil {
		t.Fatal(err)
	}

	foreign := connect(t, w, a, codeB) // another office's topics
	eventually(t, "a refused connection", func() bool { return foreign.link.Status().Attempts >= 1 })
	if foreign.link.Status().Up {
		t.Error("a line with another office's topics came up")
	}
	foreign.link.Close()

	i := connect(t, w, a, codeA)
	i.greet()
	if r := i.offer(codeB, mine.Device); r.Code != wire.CodeSignature {
		t.Errorf("another office's header, own signature: code %d %s", r.Code, r.Text)
	}
	if r := i.offer(codeA, theirs.Device); r.Code != wire.CodeSignature {
		t.Errorf("own header, another office's signature: code %d %s", r.Code, r.Text)
	}
	if r := i.offer(codeB, theirs.Device); r.Code != wire.CodeSender {
		t.Errorf("another office's stolen header: code %d %s", r.Code, r.Text)
	}
	i.say(wire.Hello{Version: wire.Version, Office: codeB, Session: uuid.New(), Epoch: uuid.New(), Now: time.Now()})

	actions := []string{"refused.connect", "refused.offer", "refused.hello"}
	for _, action := range actions {
		eventually(t, action+" in the audit chain", func() bool { return slices.Contains(audited(t, w), action) })
	}
	log := readLog(t, w.Hub)
	for _, want := range []string{"refused by broker", "action=offer", "action=hello"} {
		if !strings.Contains(log, want) {
			t.Errorf("the hub's log lacks %q", want)
		}
	}
}

func audited(t *testing.T, w *world.World) []string {
	t.Helper()
	db, err := hub.OpenDB(t.Context(), w.HubDir(), true, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := audit.List(t.Context(), db, 0, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, r := range rows {
		actions = append(actions, r.Action)
	}
	return actions
}
