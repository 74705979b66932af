package office

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/sync/bundle"
)

// page makes the payload of a registry bundle of the world's hub.
func (w *world) page(p registry.Page) []byte {
	w.t.Helper()
	p.Made = w.clock
	for i := range p.Cards {
		w.serial++
		p.Cards[i].Serial, p.Cards[i].Issued = w.serial, w.clock
	}
	p.Until = w.serial
	p.Version = max(p.Version, w.serial)
	return must(registry.EncodePage(p, w.authority.key))
}

func (w *world) tell(n *node, payload []byte) {
	w.t.Helper()
	w.control(n, hubCode, w.hub.key, bundle.KindRegistry, bundle.RoleRegistry, payload)
	if err := n.drain(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// known is a card of an office of the world as the hub has it.
func (w *world) known(code string) registry.Card {
	w.t.Helper()
	return must(registry.ParseCard(w.cards[code], &w.authority.key.PublicKey))
}

func TestTheClerkIsToldOfAnOldCode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B", "C")
	a := w.offices["A"]
	merged, renamed := w.known("C"), w.known("B")
	merged.Into, renamed.Old = "B", []string{"000.00.02.H40"}
	w.tell(a, w.page(registry.Page{Cards: []registry.Card{merged, renamed}}))

	sent := a.send(draft("000.00.02.h40", "C", "B"))
	if len(sent.To) != 1 || sent.To[0].Code != "B" {
		t.Fatalf("it goes to %+v", sent.To)
	}
	last := sent.Events[len(sent.Events)-1]
	if last.Step != Saved || last.Office != "B" || !strings.Contains(last.Note, "nay là B UBND xã B") || len(sent.Events) != 2 {
		t.Errorf("the track says %+v", sent.Events)
	}
	w.deliver()
	if got := w.offices["B"].inbox(); len(got) != 1 {
		t.Errorf("%d documents have arrived", len(got))
	}
	if got := a.get(sent.ID); got.State != Delivered {
		t.Errorf("state %s", got.State)
	}
	w.audited()
}

func TestP7_WhomThisOfficeMayNotWriteToIsRefusedEarly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B", "C")
	a := w.offices["A"]
	own := w.known("A")
	own.Kind, own.May = registry.KindEnterprise, []string{"C"}
	w.tell(a, w.page(registry.Page{Cards: []registry.Card{own}}))
	_, err := a.Send(t.Context(), draft("B", "C"))
	var list problem.List
	if !errors.As(err, &list) || len(list) != 1 || list[0].Code != "send.not-allowed" {
		t.Fatalf("error %v", err)
	}
	for lang, want := range map[i18n.Lang]string{
		i18n.Vietnamese: "Cơ quan này không được phép gửi văn bản tới UBND xã B (B).",
		i18n.English:    "This office is not allowed to send documents to UBND xã B (B).",
	} {
		if got := list[0].Message(lang); got != want || list[0].Next(lang) == "" {
			t.Errorf("it says %q", got)
		}
	}
	a.send(draft("C"))
	// What it receives it may answer.
	in := w.offices["B"].send(draft("A"))
	w.deliver()
	if _, err := a.Accept(t.Context(), in.ID, "vanthu"); err != nil {
		t.Fatal(err)
	}
	w.deliver()
	if got := w.offices["B"].get(in.ID); got.State != Accepted {
		t.Errorf("state %s", got.State)
	}
}

func TestP7_AnOlderRegistryOfTheHubIsRefusedAndTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A")
	a := w.offices["A"]
	old := w.page(registry.Page{Cards: []registry.Card{{Code: "D", Name: "Sở Cũ"}}})
	back := registry.Page{Until: w.serial, Version: w.serial, Made: w.clock.Add(time.Hour), Cards: must(registry.ParsePage(old, a.registry.Authority())).Cards}
	w.tell(a, w.page(registry.Page{Cards: []registry.Card{{Code: "D", Name: "Sở Mới"}}}))
	name := func() string {
		card, err := a.registry.Lookup("D")
		if err != nil {
			t.Fatal(err)
		}
		return card.Name
	}
	w.tell(a, old)
	if name() != "Sở Mới" || a.HubRegressed() {
		t.Errorf("a late page: %q, regressed %v", name(), a.HubRegressed())
	}
	w.tell(a, must(registry.EncodePage(back, w.authority.key)))
	if name() != "Sở Mới" || !a.HubRegressed() {
		t.Errorf("a hub that has gone back: %q, regressed %v", name(), a.HubRegressed())
	}
	w.tell(a, []byte("TRAMPAGE is no page"))
	w.tell(a, w.page(registry.Page{Cards: []registry.Card{{Code: "E", Name: "e"}}}))
	if a.HubRegressed() {
		t.Error("a newer registry does not settle it")
	}
	if stats, err := a.queue.Stats(t.Context()); err != nil || stats.Inbox != 0 {
		t.Errorf("left in the inbox: %+v, %v", stats, err)
	}
	w.audited()
}
