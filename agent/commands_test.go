package agent_test

import (
	"archive/zip"
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent"
	"tram/agent/api"
	order "tram/agent/command"
	"tram/agent/config"
	"tram/agent/health"
	"tram/agent/hub/command"
	"tram/agent/line"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

// orders has the hub order something of an office.
func (p *province) orders(code string, name order.Name) command.Record {
	p.t.Helper()
	r, err := p.theHub.Order(p.t.Context(), command.Order{Office: code, Command: name, By: "truc.ban", Role: command.Operator})
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

// comes waits until an order is in a state at the hub.
func (p *province) comes(id storage.ID, want command.State) (r command.Record) {
	p.t.Helper()
	p.eventually(string(want), func() bool {
		var err error
		r, err = p.theHub.Orders().Get(p.t.Context(), id.String())
		return err == nil && r.State == want
	})
	return r
}

func (p *province) orderState(id storage.ID) command.State {
	p.t.Helper()
	r, err := p.theHub.Orders().Get(p.t.Context(), id.String())
	if err != nil {
		p.t.Fatal(err)
	}
	return r.State
}

// ordered lists what an office has noted.
func (b *box) ordered() []order.Row {
	b.p.t.Helper()
	var list []order.Row
	if err := b.api.Call(b.p.t.Context(), "GET", order.Path, nil, &list); err != nil {
		b.p.t.Fatal(err)
	}
	return list
}

// TestP8_AnOfficeThatWasAwayDoesWhatWasOrdered when it connects, once, and not what was
// withdrawn before.
func TestP8_AnOfficeThatWasAwayDoesWhatWasOrdered(t *testing.T) {
	p := found(t)
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	secret := a.send(codeB, []byte("nội dung mật của văn bản"))
	b.reaches(secret.ID, office.Arrived)
	b.end(t)

	ping, told, hold := p.orders(codeB, order.Ping), p.orders(codeB, order.Diagnostics), p.orders(codeB, order.Hold)
	time.Sleep(100 * time.Millisecond)
	if got := p.orderState(ping.ID); got != command.Queued {
		t.Errorf("while the office is away the order is %q", got)
	}
	if _, err := p.theHub.WithdrawOrder(t.Context(), hold.ID.String(), "truc.ban", command.Operator); err != nil {
		t.Fatal(err)
	}
	p.stopHub() // what was ordered outlives the hub's program
	p.startHub()
	b.reopen()
	if r := p.comes(ping.ID, command.Done); !bytes.Contains(r.Result, []byte(`"software":"tram test"`)) || r.Taken.IsZero() {
		t.Errorf("ping: %+v, %s", r, r.Result)
	}
	r := p.comes(told.ID, command.Done)
	for _, want := range []string{`"disk_free"`, `"conditions"`, `"queue"`, `"schemas"`, `"clock"`, codeB} {
		if !bytes.Contains(r.Result, []byte(want)) {
			t.Errorf("diagnostics lack %s: %s", want, r.Result)
		}
	}
	for _, never := range []string{"V/v thử", "nội dung", "a.bin", "PRIVATE"} {
		if bytes.Contains(r.Result, []byte(never)) {
			t.Errorf("diagnostics have %q: %s", never, r.Result)
		}
	}
	if list := b.ordered(); len(list) != 2 || p.orderState(hold.ID) != command.Withdrawn {
		t.Errorf("the office has %d orders, and what was withdrawn is %q", len(list), p.orderState(hold.ID))
	}
	if _, err := p.theHub.WithdrawOrder(t.Context(), ping.ID.String(), "truc.ban", command.Operator); problem.From(err).Code != "command.over" {
		t.Errorf("withdrawing what was done: %v", err)
	}
	_, err := p.theHub.Order(t.Context(), command.Order{Office: "H40.99", Command: order.Ping, By: "truc.ban", Role: command.Operator})
	if problem.From(err).Code != "hub.no-office" {
		t.Errorf("ordering nobody: %v", err)
	}
	p.auditsHold(codeA, codeB)
}

// TestP5_AHoldStopsAllButUrgentDocuments until it is ended, also over a restart, and
// keeps neither orders nor answers back.
func TestP5_AHoldStopsAllButUrgentDocuments(t *testing.T) {
	p := found(t)
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	b.reaches(a.send(codeB, []byte("trước")).ID, office.Arrived)
	p.comes(p.orders(codeA, order.Hold).ID, command.Done)
	held := func() bool {
		s, err := a.api.Status(t.Context())
		has := err == nil && len(s.Conditions) == 1 && s.Conditions[0].Code == health.HeldByHub
		return has && s.Link.Rules.Code == line.Ordered && strings.Contains(s.Conditions[0].Message("en"), "truc.ban")
	}
	p.eventually("the hold", held)
	normal := a.send(codeB, []byte("chờ"))
	urgent, err := a.api.Send(t.Context(), api.DraftRequest{To: []string{codeB}, Subject: "V/v hỏa tốc", Files: []string{"a.bin"}, By: "test", Urgency: 3}, []io.Reader{strings.NewReader("ngay")})
	if err != nil {
		t.Fatal(err)
	}
	b.reaches(urgent.ID, office.Arrived)
	a.end(t)
	a.reopen()
	p.eventually("the hold after a restart", held)
	p.comes(p.orders(codeA, order.Ping).ID, command.Done)
	if d, err := a.api.Get(t.Context(), normal.ID); err != nil || d.State == office.AtHub || d.State == office.Delivered {
		t.Errorf("what is not urgent is %q (error %v)", d.State, err)
	}
	p.comes(p.orders(codeA, order.Resume).ID, command.Done)
	b.reaches(normal.ID, office.Arrived)
}

// TestTheSupportArchiveIsAskedForFromAfar, agreed to at the box, and arrives whole;
// with the setting nobody is asked.
func TestTheSupportArchiveIsAskedForFromAfar(t *testing.T) {
	p := found(t)
	p.settings = func(code string, c *config.Office) { c.Support.Remote = code == codeB }
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	whole := func(id storage.ID) {
		t.Helper()
		p.comes(id, command.Done)
		data, err := p.theHub.Orders().Archive(t.Context(), id.String())
		if err != nil {
			t.Fatal(err)
		}
		z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil || len(z.File) < 5 {
			t.Errorf("the archive has %d bytes: %v", len(data), err)
		}
	}
	whole(p.orders(b.code, order.Support).ID)
	asked := p.orders(codeA, order.Support)
	p.comes(asked.ID, command.Waiting)
	s, err := a.api.Status(t.Context())
	if err != nil || len(s.Conditions) != 1 || s.Conditions[0].Code != health.SupportAsked || !strings.Contains(s.Conditions[0].Message("vi"), asked.ID.String()) {
		t.Errorf("the office is told %+v (error %v)", s.Conditions, err)
	}
	if err := a.api.Call(t.Context(), "POST", order.Path, order.Decision{ID: asked.ID.String(), Allow: true}, new(order.Row)); err != nil {
		t.Fatal(err)
	}
	whole(asked.ID)
	refused := p.orders(codeA, order.Support)
	p.comes(refused.ID, command.Waiting)
	if err := a.api.Call(t.Context(), "POST", order.Path, order.Decision{ID: refused.ID.String()}, new(order.Row)); err != nil {
		t.Fatal(err)
	}
	if r := p.comes(refused.ID, command.Refused); r.Why != order.WhyDeclined {
		t.Errorf("it is refused for %q", r.Why)
	}
}

// TestAResyncSendsTheRegistryAgain from the beginning, and takes the line anew.
func TestAResyncSendsTheRegistryAgain(t *testing.T) {
	p := found(t)
	p.startHub()
	a := p.join(codeA)
	pages := func() (n int) {
		err := a.agent.DB().View(t.Context(), func(tx *sqlite.Tx) error {
			return tx.QueryRow(`SELECT count(*) FROM seen s WHERE s.peer = 'H40' AND NOT EXISTS (SELECT 1 FROM commands c WHERE c.id = s.id)`).Scan(&n)
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	p.eventually("the first session", func() bool { s, err := a.api.Status(t.Context()); return err == nil && s.Link.Up })
	time.Sleep(500 * time.Millisecond) // the registry of the first session
	before := pages()
	p.comes(p.orders(codeA, order.Resync).ID, command.Done)
	p.eventually("the registry", func() bool { return pages() > before })
	p.eventually("the session", func() bool { s, err := a.api.Status(t.Context()); return err == nil && s.Link.Up })
}

// TestP2_AnAgentThatCrashedBeforeItAnsweredAnswersOnce: its store has the order, which
// was not done.
func TestP2_AnAgentThatCrashedBeforeItAnsweredAnswersOnce(t *testing.T) {
	p := found(t)
	p.startHub()
	b := p.join(codeB)
	b.end(t)
	r := p.orders(codeB, order.Hold)
	// As a crash leaves it: what came is noted, what it asks for is not done. The hub
	// has no custody, so that it offers the order again.
	db, err := agent.OpenDB(t.Context(), b.dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`INSERT INTO commands (id, command, until, ordered, created, expires, received, state, allowed, why, ended)
			VALUES (?, 'hold', 0, 'truc.ban', ?, ?, ?, 'new', '', '', 0)`, r.ID, r.Created, r.Expires, tx.Now())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b.reopen()
	p.comes(r.ID, command.Done)
	p.comes(p.orders(codeB, order.Ping).ID, command.Done) // behind it
	var answers int
	err = b.agent.DB().View(t.Context(), func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT count(*) FROM audit WHERE action = 'command.answered' AND subject = ?`, r.ID.String()).Scan(&answers)
	})
	if err != nil || answers != 1 {
		t.Errorf("answered %d times (error %v)", answers, err)
	}
	if list := b.ordered(); len(list) != 2 || list[1].ID == uuid.Nil || list[1].State != order.Done {
		t.Errorf("the office shows %+v", list)
	}
}
