package agent_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/api"
	"tram/agent/config"
	"tram/agent/health"
	"tram/agent/line"
	"tram/agent/office"
	"tram/agent/problem"
)

// hand sends a document of some urgency.
func (b *box) hand(to string, urgency office.Urgency, data []byte) office.Document {
	b.p.t.Helper()
	doc, err := b.api.Send(b.p.t.Context(), api.DraftRequest{To: []string{to}, Subject: "V/v thử", Urgency: uint8(urgency), Files: []string{"a.bin"}},
		[]io.Reader{bytes.NewReader(data)})
	if err != nil {
		b.p.t.Fatal(err)
	}
	return doc
}

// waits fails the test when a document is not where it was put for a while.
func (b *box) waits(id [16]byte, state office.State) {
	b.p.t.Helper()
	time.Sleep(1500 * time.Millisecond)
	if d, err := b.api.Get(b.p.t.Context(), id); err != nil || d.State != state {
		b.p.t.Errorf("the document is %s (error %v), want %s", d.State, err, state)
	}
}

// brings asks for what arrives as soon as the office has heard of it.
func (b *box) brings(id [16]byte) {
	b.p.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := b.api.Bring(b.p.t.Context(), id)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			b.p.t.Fatalf("asking for what arrives: %v", err)
		}
	}
}

// TestAMeteredLineCarriesWhatIsUrgentOnly runs an office whose only line,
// loopback, costs money, and then makes it free.
func TestAMeteredLineCarriesWhatIsUrgentOnly(t *testing.T) {
	p := found(t)
	free := false
	p.settings = func(code string, c *config.Office) {
		if code == codeA && !free {
			c.Metered.Interfaces, c.Metered.Urgency = []string{"lo"}, "khan"
		}
	}
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	data := make([]byte, 200_000) // what shrinks to little travels with its offer
	rand.Read(data)
	normal := a.send(codeB, data)
	urgent := a.hand(codeB, office.Khan, data)
	b.reaches(urgent.ID, office.Arrived)
	a.waits(normal.ID, office.Saved)
	s, err := a.api.Status(t.Context())
	if err != nil || s.Link.Interface != "lo" || !s.Link.Metered || s.Link.Rules != (api.Rules{Code: line.Metered, MinUrgency: 1}) || s.Budget.Used < int64(len(data)) {
		t.Errorf("status is %+v, budget %+v (error %v)", s.Link, s.Budget, err)
	}
	if s.Link.Rate <= 0 || s.Link.RTT < 0 || s.Link.Window <= 0 {
		t.Errorf("the way to the hub was not measured: %+v", s.Link)
	}
	if d, err := a.api.First(t.Context(), normal.ID); err != nil || d.ID != normal.ID {
		t.Errorf("asking to send now: %+v, %v", d, err)
	}
	b.reaches(normal.ID, office.Arrived)
	a.reaches(normal.ID, office.Delivered)
	if _, err := a.api.First(t.Context(), normal.ID); problem.From(err).Code != "queue.not-waiting" {
		t.Errorf("asking for what has gone: %v", err)
	}

	// Nor is anything fetched over it that is not urgent.
	in := b.hand(codeA, office.Thuong, data)
	b.reaches(in.ID, office.AtHub)
	inUrgent := b.hand(codeA, office.HoaToc, data)
	a.reaches(inUrgent.ID, office.Arrived)
	if _, err := a.api.Get(t.Context(), in.ID); problem.From(err).Class != problem.NotFound {
		t.Errorf("a document that is not urgent came over the metered line (error %v)", err)
	}
	list, err := a.api.Arriving(t.Context())
	if err != nil || len(list) != 1 || list[0].ID != in.ID || !list[0].Held || list[0].From != codeB {
		t.Errorf("arriving: %+v (error %v)", list, err)
	}
	wanted := b.hand(codeA, office.Thuong, data)
	b.reaches(wanted.ID, office.AtHub)
	if err := a.api.Bring(t.Context(), uuid.New()); problem.From(err).Code != "queue.not-arriving" {
		t.Errorf("asking for what does not arrive: %v", err)
	}
	a.brings(wanted.ID)
	a.reaches(wanted.ID, office.Arrived)
	later := a.hand(codeB, office.Thuong, data)
	a.waits(later.ID, office.Saved)
	a.end(t)
	free = true
	a.reopen()
	a.reaches(in.ID, office.Arrived)
	b.reaches(later.ID, office.Arrived)
}

// TestP1_WhatWasAskedForFirstIsNotForgotten restarts an office between the wish
// and the line that could fulfil it.
func TestP1_WhatWasAskedForFirstIsNotForgotten(t *testing.T) {
	p := found(t)
	p.settings = func(code string, c *config.Office) {
		if code == codeA {
			c.Metered.Interfaces, c.Metered.Budget = []string{"lo"}, 1000 // bytes: less than a handshake
		}
	}
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	p.eventually("the budget is used up", func() bool {
		s, err := a.api.Status(t.Context())
		return err == nil && s.Link.Rules.Code == line.BudgetUsed && len(s.Conditions) == 1 && s.Conditions[0].Code == health.BudgetUsedUp
	})
	doc := a.send(codeB, []byte("không khẩn"))
	a.waits(doc.ID, office.Saved)
	p.stopHub()
	if _, err := a.api.First(t.Context(), doc.ID); err != nil {
		t.Fatal(err)
	}
	a.end(t)
	a.reopen()
	p.startHub()
	b.reaches(doc.ID, office.Arrived)
}
