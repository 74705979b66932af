package agent_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"tram/agent/config"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
	"tram/sync/bundle"
	"tram/sync/usb"
)

// mailbox is another part of an office, in memory.
type mailbox struct {
	mu    sync.Mutex
	taken []string // sender and message
	told  []string // step, offices and signer
	stamp []string // who gave a time stamp
}

func (m *mailbox) note(tx *sqlite.Tx, list *[]string, line string) error {
	tx.OnCommit(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		*list = append(*list, line)
	})
	return nil
}

func (m *mailbox) Take(tx *sqlite.Tx, d office.Delivery) error {
	return m.note(tx, &m.taken, fmt.Sprintf("%s %s %d", d.From.Code, d.Message, len(d.Files)))
}

func (m *mailbox) Refuse(*sqlite.Tx, office.Undelivered) error { return errors.New("refused") }

func (m *mailbox) Told(tx *sqlite.Tx, _ storage.ID, e office.MailEvent) error {
	if e.Step == office.Sending { // comes only where the line is slow enough to see it
		return nil
	}
	if e.Step == office.Saved {
		return m.note(tx, &m.stamp, e.Signer)
	}
	return m.note(tx, &m.told, fmt.Sprintf("%s %s %s", e.Step, strings.Join(e.Offices, "+"), e.Signer))
}

func (m *mailbox) has(list *[]string, want ...string) func() bool {
	return func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return slices.Equal(*list, want)
	}
}

// corresponds makes the mailbox of a running office.
func (b *box) corresponds() *mailbox {
	m := &mailbox{}
	b.agent.Office().Deliver(bundle.KindDossier, m)
	return m
}

// posts sends a dossier's message with a file; a new recipient's card may take a
// moment.
func (b *box) posts(message string, to ...string) {
	b.p.t.Helper()
	o, db, t := b.agent.Office(), b.agent.DB(), b.p.t
	var s office.SealedMail
	b.p.eventually("sealing", func() (ok bool) {
		var err error
		s, err = o.SealMail(t.Context(), office.Mail{
			Kind: bundle.KindDossier, To: to, Name: "dossier.json", Media: "application/json", Message: []byte(message), By: "test",
		})
		if err != nil && problem.From(err).Code != "send.recipient-not-enrolled" {
			t.Fatal(err)
		}
		return err == nil
	})
	if err := db.Update(t.Context(), func(tx *sqlite.Tx) error { return o.PutMail(tx, s) }); err != nil {
		t.Fatal(err)
	}
}

// TestP10_ADossiersMessageTravelsOverTheHub: custody comes back, then the
// recipient's receipt and a time stamp; once, also when the hub restarts in between.
func TestP10_ADossiersMessageTravelsOverTheHub(t *testing.T) {
	p := found(t)
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	first, second := a.corresponds(), b.corresponds()
	a.posts(`{"n":1}`, codeB)
	p.eventually("the receipt", first.has(&first.told, "hub H40.15 H40", "delivered H40.15 H40.15"))
	p.stopHub()
	a.posts(`{"n":2}`, codeB)
	p.startHub()
	p.eventually("the second message", second.has(&second.taken, `H40.12 {"n":1} 0`, `H40.12 {"n":2} 0`))
	p.eventually("the second receipt", first.has(&first.told, "hub H40.15 H40", "delivered H40.15 H40.15", "hub H40.15 H40", "delivered H40.15 H40.15"))
	p.eventually("the time stamps", first.has(&first.stamp, "H40", "H40"))
	p.auditsHold(codeA, codeB)
}

// TestP8_ADossiersMessageTravelsByStick: the same without any line.
func TestP8_ADossiersMessageTravelsByStick(t *testing.T) {
	p := found(t)
	p.settings = func(_ string, c *config.Office) { c.MQTT.Servers = []string{"127.0.0.1:1"} }
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	first, second := a.corresponds(), b.corresponds()
	s, err := usb.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a.carries(s) // brings the registry
	a.posts(`{"n":1}`, codeB)
	carried := func(ok func() bool) func() bool {
		return func() bool {
			a.carries(s)
			b.carries(s)
			return ok()
		}
	}
	p.eventually("the message", carried(second.has(&second.taken, `H40.12 {"n":1} 0`)))
	p.eventually("the receipt", carried(first.has(&first.told, "hub H40.15 H40", "delivered H40.15 H40.15")))
}
