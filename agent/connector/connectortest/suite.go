package connectortest

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"tram/agent/connector"
	"tram/agent/office"
	"tram/agent/problem"
)

// System is the other maker's software in a test.
type System interface {
	// SetAway makes it unreachable, or reachable again.
	SetAway(away bool)
	// Received lists the DocumentIds of what was delivered to it, each as often
	// as its user would see it.
	Received() []string
	// Offer has it hold a message for the office.
	Offer(edxml []byte)
	// Left is how many messages it still holds that the office has not taken.
	Left() int
	// Refused lists what it, or the connector beside it, shows of messages that
	// the office has refused: the words that a person there would read.
	Refused() []string
}

// Fixture is a kind of connector with a system on its other side.
type Fixture struct {
	Kind     connector.Kind
	Settings json.RawMessage
	Secret   []byte
	System   System
	// Bad are settings that have to be refused.
	Bad []json.RawMessage
	// Delivers and Collects say which half of the contract the kind has.
	Delivers, Collects bool
	// Foreign says that the kind joins offices outside of Trạm: it delivers
	// documents that are addressed to one, and what it collects are messages of
	// such offices, for connector.Gateway.
	Foreign bool
}

// Name is that of the connector in the suite.
const Name = "test"

// patience is how long a case waits for what must happen, quick how long for
// what must not.
const (
	patience = 20 * time.Second
	quick    = 5 * time.Second
)

// Run holds a kind of connector against its contract. fixture makes a fresh
// one; its connector's own folder is made by Run.
func Run(t *testing.T, fixture func(t *testing.T) Fixture) {
	half := fixture(t)
	if !half.Delivers && !half.Collects {
		t.Fatal("a connector that neither delivers nor collects")
	}
	for _, c := range []struct {
		name               string
		delivers, collects bool
		run                func(*testing.T, *bench)
	}{
		{"BadSettingsAreNamed", false, false, badSettings},
		{"P2_DeliveredTwiceIsSeenOnce", true, false, deliveredTwice},
		{"P2_DeliveredAgainByTheNextProcess", true, false, deliveredAfterRestart},
		{"AwayIsTriedAgain", true, false, away},
		{"GoneDocumentIsPermanent", true, false, gone},
		{"DeliverEndsWithItsContext", true, false, ends},
		{"P2_CollectedOnce", false, true, collectedOnce},
		{"P1_NothingIsLetGoBeforeTheOfficeHasIt", false, true, keptUntilSafe},
		{"P2_ACrashAfterTakingTakesNothingTwice", false, true, crashAfter},
		{"RefusedIsSetAsideAndTheRoundGoesOn", false, true, refused},
		{"P1_CollectingWhileAwayLosesNothing", false, true, collectAway},
	} {
		if c.delivers && !half.Delivers || c.collects && !half.Collects {
			continue // the other half of the contract
		}
		t.Run(c.name, func(t *testing.T) {
			b := &bench{t: t, f: fixture(t), desk: NewDesk(), dir: t.TempDir()}
			defer b.close()
			c.run(t, b)
		})
	}
}

// bench is a connector at work on a desk.
type bench struct {
	t    *testing.T
	f    Fixture
	desk *Desk
	dir  string
	c    connector.Connector
}

func (b *bench) env(settings json.RawMessage) connector.Env {
	return connector.Env{
		Name: Name, Office: office.Party{Code: Office, Name: "UBND xã Mẫu"}, Settings: settings, Secret: b.f.Secret,
		Desk: b.desk, Dir: b.dir, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	}
}

func (b *bench) open() connector.Connector {
	b.t.Helper()
	if b.c == nil {
		c, err := b.f.Kind.Open(b.env(b.f.Settings))
		if err != nil {
			b.t.Fatalf("open: %v", err)
		}
		b.c = c
	}
	return b.c
}

func (b *bench) close() {
	b.t.Helper()
	if b.c == nil {
		return
	}
	if err := b.c.Close(); err != nil {
		b.t.Errorf("close: %v", err)
	}
	b.c = nil
}

// arrived is the delivery of a document that has come to the office, or of one
// that leaves it for an office outside of Trạm.
func (b *bench) arrived(subject string) connector.Delivery {
	if b.f.Foreign {
		doc := b.desk.Address(subject, []byte("%PDF-1.4 "+subject))
		return connector.Delivery{Entry: office.Entry{
			Cursor: "c-" + doc.ID.String(), Type: office.DocumentSaved, Document: doc.ID, EdXMLID: doc.EdXMLID, Box: office.Out,
			State: office.Saved, At: time.Now(), Learnt: time.Now(), Via: []string{Name},
		}}
	}
	doc := b.desk.File(subject, []byte("%PDF-1.4 "+subject))
	return connector.Delivery{Entry: office.Entry{
		Cursor: "c-" + doc.ID.String(), Type: office.DocumentArrived, Document: doc.ID, EdXMLID: doc.EdXMLID, Box: office.In,
		State: office.Delivered, Code: "01", Office: Office, At: time.Now(), Learnt: time.Now(),
	}}
}

func (b *bench) deliver(d connector.Delivery) error {
	if !b.open().Wants(d.Entry) {
		b.t.Fatalf("an arrived document is not wanted")
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	return b.open().Deliver(ctx, d)
}

// collect runs rounds until done says so.
func (b *bench) collect(within time.Duration, done func() bool) bool {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), within)
	defer cancel()
	pause := min(b.open().Every(), 50*time.Millisecond)
	for ctx.Err() == nil {
		if err := b.open().Collect(ctx); err != nil && ctx.Err() == nil {
			b.t.Logf("round: %v", err)
		}
		if done() {
			return true
		}
		time.Sleep(pause)
	}
	return false
}

func badSettings(t *testing.T, b *bench) {
	if len(b.f.Bad) == 0 {
		t.Error("the fixture has no bad settings")
	}
	for _, bad := range append(b.f.Bad, json.RawMessage(`{"no-such-setting": 1}`), json.RawMessage(`[]`)) {
		c, err := b.f.Kind.Open(b.env(bad))
		var p *problem.Problem
		switch {
		case err == nil:
			t.Errorf("%s: taken", bad)
			_ = c.Close()
		case !errors.As(err, &p):
			t.Errorf("%s: %v is not for people", bad, err)
		}
	}
}

func deliveredTwice(t *testing.T, b *bench) {
	d := b.arrived("Về việc họp giao ban")
	for range 2 {
		if err := b.deliver(d); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.f.System.Received(); !slices.Equal(got, []string{d.Entry.EdXMLID}) {
		t.Errorf("the system shows %q, want %q once", got, d.Entry.EdXMLID)
	}
}

func deliveredAfterRestart(t *testing.T, b *bench) {
	d := b.arrived("Về việc họp giao ban")
	for range 2 {
		if err := b.deliver(d); err != nil {
			t.Fatal(err)
		}
		b.close()
	}
	if got := b.f.System.Received(); !slices.Equal(got, []string{d.Entry.EdXMLID}) {
		t.Errorf("the system shows %q, want %q once", got, d.Entry.EdXMLID)
	}
}

func away(t *testing.T, b *bench) {
	d := b.arrived("Về việc phòng chống lụt bão")
	b.open()
	b.f.System.SetAway(true)
	if err := b.deliver(d); err == nil || connector.IsPermanent(err) {
		t.Errorf("while the system is away: %v, want an error to try again", err)
	}
	b.f.System.SetAway(false)
	if err := b.deliver(d); err != nil {
		t.Fatal(err)
	}
	if got := b.f.System.Received(); !slices.Equal(got, []string{d.Entry.EdXMLID}) {
		t.Errorf("the system shows %q", got)
	}
}

func gone(t *testing.T, b *bench) {
	d := b.arrived("x")
	d.Entry.Document[0] ^= 0xff
	if err := b.deliver(d); !connector.IsPermanent(err) {
		t.Errorf("a document that is not there: %v, want a permanent error", err)
	}
}

func ends(t *testing.T, b *bench) {
	d := b.arrived("Về việc họp")
	b.open()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := make(chan error, 1)
	go func() { ended <- b.open().Deliver(ctx, d) }()
	select {
	case err := <-ended:
		if connector.IsPermanent(err) {
			t.Errorf("cut short: %v is permanent", err)
		}
	case <-time.After(quick):
		t.Fatal("it goes on after its context has ended")
	}
}

func (b *bench) saved() []string { return b.desk.Saved() }

// offer has the system hold a good message for the office.
func (b *bench) offer(id string) {
	if b.f.Foreign {
		b.f.System.Offer(EdXML(Foreign, Office, id, "Báo cáo "+id))
		return
	}
	b.f.System.Offer(EdXML(Office, Other, id, "Báo cáo "+id))
}

// refusals are the words that a person reads of messages that were refused.
func (b *bench) refusals() []string {
	if b.f.Foreign {
		return b.desk.Aside()
	}
	return b.f.System.Refused()
}

func collectedOnce(t *testing.T, b *bench) {
	b.open()
	want := []string{"D-1", "D-2", "D-3"}
	for _, id := range want {
		b.offer(id)
	}
	if !b.collect(patience, func() bool { return len(b.saved()) == len(want) && b.f.System.Left() == 0 }) {
		t.Fatalf("the office has %q, %d are left", b.saved(), b.f.System.Left())
	}
	b.close()
	b.collect(time.Second, func() bool { return len(b.saved()) > len(want) })
	got := b.saved()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the office has %q", got)
	}
}

func keptUntilSafe(t *testing.T, b *bench) {
	b.open()
	full := problem.New(problem.Full, "office.full", "", nil)
	b.desk.Fail(full, nil)
	b.offer("D-1")
	if b.collect(3*time.Second, func() bool { return b.f.System.Left() == 0 }) {
		t.Error("let go of although the office has no room")
	}
	if r := b.refusals(); len(r) > 0 {
		t.Errorf("set aside for want of room: %q", r)
	}
	b.close()
	b.desk.Fail(nil, nil)
	if !b.collect(patience, func() bool { return b.f.System.Left() == 0 && len(b.saved()) == 1 }) {
		t.Errorf("with room again the office has %q, %d left", b.saved(), b.f.System.Left())
	}
}

func crashAfter(t *testing.T, b *bench) {
	b.open()
	b.desk.Fail(nil, context.Canceled)
	b.offer("D-1")
	b.collect(patience, func() bool { return len(b.saved()) > 0 })
	b.close()
	b.desk.Fail(nil, nil)
	if !b.collect(patience, func() bool { return b.f.System.Left() == 0 }) {
		t.Errorf("%d left", b.f.System.Left())
	}
	if got := b.saved(); !slices.Equal(got, []string{"D-1"}) {
		t.Errorf("the office has %q", got)
	}
	if r := b.refusals(); len(r) > 0 {
		t.Errorf("what the office has is shown as refused: %q", r)
	}
}

func refused(t *testing.T, b *bench) {
	b.open()
	b.f.System.Offer(EdXML(Other, Office, "D-bad", "Của đơn vị khác"))
	b.offer("D-good")
	ok := b.collect(patience, func() bool { return len(b.saved()) == 1 && len(b.refusals()) == 1 && b.f.System.Left() == 0 })
	if !ok {
		t.Fatalf("the office has %q; refused %q; %d left", b.saved(), b.refusals(), b.f.System.Left())
	}
	if got := b.saved(); !slices.Equal(got, []string{"D-good"}) {
		t.Errorf("the office has %q", got)
	}
}

func collectAway(t *testing.T, b *bench) {
	b.open()
	b.offer("D-1")
	b.f.System.SetAway(true)
	ctx, cancel := context.WithTimeout(t.Context(), quick)
	defer cancel()
	if err := b.open().Collect(ctx); err == nil {
		t.Error("a round without the system ends well")
	}
	b.f.System.SetAway(false)
	if !b.collect(patience, func() bool { return len(b.saved()) == 1 && b.f.System.Left() == 0 }) {
		t.Errorf("the office has %q, %d left", b.saved(), b.f.System.Left())
	}
}
