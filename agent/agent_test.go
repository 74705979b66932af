package agent_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tram/agent"
	"tram/agent/api"
	"tram/agent/hub"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// TestADocumentTravelsAndIsAccepted is the whole product in one process, with
// real TLS, broker and stores.
func TestADocumentTravelsAndIsAccepted(t *testing.T) {
	p := found(t)
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	data := bytes.Repeat([]byte("Công văn. "), 40_000)
	sent := a.send(codeB, data)
	got := b.reaches(sent.ID, office.Arrived)
	if got.From.Code != codeA || got.Seal == nil || got.Seal.Verdict != "passed" {
		t.Errorf("it arrived as %+v, seal %+v", got, got.Seal)
	}
	body, err := b.api.Attachment(t.Context(), sent.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	read, err := io.ReadAll(body)
	body.Close()
	if err != nil || !bytes.Equal(read, data) {
		t.Errorf("%d of %d bytes arrived (error %v)", len(read), len(data), err)
	}
	a.reaches(sent.ID, office.Delivered)
	if _, err := b.api.Accept(t.Context(), sent.ID, "test"); err != nil {
		t.Fatal(err)
	}
	a.reaches(sent.ID, office.Accepted)
	b.end(t)
	a.end(t)
	p.stopHub()
	p.auditsHold(codeA, codeB)
}

// auditsHold verifies the audit chains of the hub and of offices.
func (p *province) auditsHold(codes ...string) {
	p.t.Helper()
	check := func(name string, db *sqlite.DB, err error) {
		p.t.Helper()
		if err != nil {
			p.t.Fatal(err)
		}
		defer db.Close()
		if r, err := audit.Verify(p.t.Context(), db); err != nil || r.Entries == 0 {
			p.t.Errorf("audit chain of %s: %+v, %v", name, r, err)
		}
	}
	db, err := hub.OpenDB(p.t.Context(), p.hubDir(), true, nil)
	check("hub", db, err)
	for _, code := range codes {
		db, err := agent.OpenDB(p.t.Context(), p.boxDir(code), sqlite.Options{ReadOnly: true})
		check(code, db, err)
	}
}

// TestP8_TheHubRestartsUnderTheOffices sends before, during and after.
func TestP8_TheHubRestartsUnderTheOffices(t *testing.T) {
	p := found(t)
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	before := a.send(codeB, []byte("trước"))
	b.reaches(before.ID, office.Arrived)
	p.stopHub()
	during := a.send(codeB, []byte("trong khi mất"))
	if s, err := a.api.Status(t.Context()); err != nil || s.State != "ready" || s.Queue.Waiting != 1 {
		t.Errorf("without a hub the status is %+v (error %v)", s, err)
	}
	p.startHub()
	b.reaches(during.ID, office.Arrived)
	after := b.send(codeA, []byte("sau"))
	a.reaches(after.ID, office.Arrived)
	a.reaches(during.ID, office.Delivered)
}

// TestAnOfficeIsReopened closes the receiver and its folder, sends to it, and
// opens it again.
func TestAnOfficeIsReopened(t *testing.T) {
	p := found(t)
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	first := a.send(codeB, []byte("một"))
	b.reaches(first.ID, office.Arrived)
	b.end(t)
	second := a.send(codeB, []byte("hai"))
	a.reaches(second.ID, office.AtHub)
	p.auditsHold(codeB)
	b.reopen()
	b.reaches(second.ID, office.Arrived)
	if page, err := b.api.Documents(t.Context(), office.Query{Box: office.In}); err != nil || page.Total != 2 {
		t.Errorf("the reopened office has %d documents, want 2 (error %v)", page.Total, err)
	}
}

// TestP8_ABoxJoinsWhenTheHubComes starts an agent without identity, gives it an
// invite while there is no hub, and starts the hub afterwards.
func TestP8_ABoxJoinsWhenTheHubComes(t *testing.T) {
	p := found(t)
	b := p.start(codeB)
	if s := b.state(); s != "not-enrolled" {
		t.Errorf("state is %q", s)
	}
	if _, err := b.api.Documents(t.Context(), office.Query{Box: office.In}); problem.From(err).Class != problem.NotEnrolled {
		t.Errorf("documents of nobody: %v", err)
	}
	err := b.api.CreateAccount(t.Context(), api.Account{Name: "lan", Role: "clerk", Password: "mật khẩu dài"})
	if problem.From(err).Class != problem.NotEnrolled {
		t.Errorf("accounts of nobody: %v", err)
	}
	if _, err := b.api.Enroll(t.Context(), []byte("no invite")); problem.From(err).Class != problem.BadInvite {
		t.Errorf("garbage as an invite: %v", err)
	}
	invite, err := os.ReadFile(p.inviteFile(codeB))
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.api.Enroll(t.Context(), invite)
	if err != nil || s.State != "pending" || s.Office.Code != codeB || s.Hub != "H40" {
		t.Fatalf("an invite without a hub gives %+v (error %v)", s, err)
	}
	b.end(t) // the invite outlives the process
	b.reopen()
	if s := b.state(); s != "pending" {
		t.Errorf("after a restart the state is %q", s)
	}
	p.startHub()
	p.eventually("enrolment", func() bool { return b.state() == "ready" })
	a := p.join(codeA)
	b.reaches(a.send(codeB, []byte("chào mừng")).ID, office.Arrived)
	if err := b.api.CreateAccount(t.Context(), api.Account{Name: "lan", Role: "clerk", Password: "mật khẩu dài"}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(p.boxDir(codeB), agent.FirstSignIn)); err != nil {
		t.Error(err)
	}
}

// TestStatusAnswersWhileTheOfficeOpens asks all the time while a box becomes an
// office.
func TestStatusAnswersWhileTheOfficeOpens(t *testing.T) {
	p := found(t)
	p.startHub()
	b := p.start(codeA)
	invite, err := os.ReadFile(p.inviteFile(codeA))
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan error, 1)
	go func() {
		for {
			s, err := b.api.Status(t.Context())
			if err != nil || s.State == "ready" {
				asked <- err
				return
			}
		}
	}()
	if _, err := b.api.Enroll(t.Context(), invite); err != nil {
		t.Fatal(err)
	}
	if err := <-asked; err != nil {
		t.Error(err)
	}
}

func TestADataFolderHasOneProcess(t *testing.T) {
	p := found(t)
	p.startHub()
	first := p.start(codeA)
	_, second := p.openHub()
	for name, err := range map[string]error{
		"hub": second, "agent": p.agent(p.boxDir(codeA), codeA).Run(t.Context(), func() { t.Error("a second agent is ready") }),
	} {
		got := problem.From(err)
		if got.Code != "data.locked" || got.Class != problem.Busy || !strings.Contains(got.Message("en"), p.dir) {
			t.Errorf("a second %s: %v", name, err)
		}
	}
	if s := first.state(); s != "not-enrolled" {
		t.Errorf("the first agent is %q after a second one was tried", s)
	}
}

// TestAHubThatCannotListenEndsWhole occupies each address in turn: Run must
// say which one and leave nothing running.
func TestAHubThatCannotListenEndsWhole(t *testing.T) {
	for name, field := range map[string]func(*province) *string{
		"broker":  func(p *province) *string { return &p.config.MQTT.Address },
		"enrol":   func(p *province) *string { return &p.config.Enroll.Address },
		"console": func(p *province) *string { return &p.config.Console.Address },
	} {
		t.Run(name, func(t *testing.T) {
			p := found(t)
			l, err := net.Listen("tcp", *field(p))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			h, err := p.openHub()
			if err != nil {
				t.Fatal(err)
			}
			err = h.Run(t.Context(), func() { t.Error("it is ready") })
			if err == nil || !strings.Contains(err.Error(), *field(p)) {
				t.Errorf("Run ends with %v", err)
			}
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestADamagedIdentityEndsTheAgent starts an office one of whose keys is gone.
func TestADamagedIdentityEndsTheAgent(t *testing.T) {
	p := found(t)
	p.startHub()
	p.join(codeA).end(t)
	if err := os.Remove(filepath.Join(p.boxDir(codeA), "keys", "seal.key")); err != nil {
		t.Fatal(err)
	}
	err := p.agent(p.boxDir(codeA), codeA).Run(context.Background(), func() { t.Error("it is ready") })
	if got := problem.From(err); got.Code != "identity.damaged" {
		t.Errorf("Run ends with %v", err)
	}
}
