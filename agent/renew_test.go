package agent_test

import (
	"crypto/ecdsa"
	"errors"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tram/agent/api"
	"tram/agent/enroll"
	"tram/agent/hub"
	"tram/agent/hub/ca"
	"tram/agent/identity"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/sync/broker"
	"tram/sync/linktest"
)

func (b *box) identity() *identity.Identity {
	b.p.t.Helper()
	id, err := identity.Load(b.dir)
	if err != nil {
		b.p.t.Fatal(err)
	}
	return id
}

func draftTo(code string) api.DraftRequest {
	return api.DraftRequest{To: []string{code}, Subject: "V/v thử", By: "test"}
}

// shows waits until the box has a condition.
func (b *box) shows(code string) {
	b.p.t.Helper()
	b.p.eventually(code+" at "+b.code, func() bool {
		s, err := b.api.Status(b.p.t.Context())
		if err != nil {
			return false
		}
		for _, c := range s.Conditions {
			if c.Code == code {
				return true
			}
		}
		return false
	})
}

// TestP8_RenewalUnderLoadKeepsTheSession sends documents while the hub renews
// certificates that live for seconds, twice over, and looks for a reconnection.
func TestP8_RenewalUnderLoadKeepsTheSession(t *testing.T) {
	p := found(t)
	p.config.Enroll.Life = 9 * time.Second
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	a.active()
	first := a.identity()
	s, err := a.api.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	since := s.Link.Since
	var sent []office.Document
	serials := map[string]bool{first.DeviceCert.SerialNumber.String(): true}
	p.eventually("three certificates, the first of which has run out", func() bool {
		sent = append(sent, a.send(codeB, []byte(strings.Repeat("tải ", 5000))))
		serials[a.identity().DeviceCert.SerialNumber.String()] = true
		time.Sleep(100 * time.Millisecond)
		return len(serials) > 2 && time.Now().After(first.DeviceCert.NotAfter)
	})
	for _, doc := range sent {
		b.reaches(doc.ID, office.Arrived)
	}
	if s, err = a.api.Status(t.Context()); err != nil || !s.Link.Up || !s.Link.Since.Equal(since) {
		t.Errorf("the session did not last: %+v since %s (error %v)", s.Link, since, err)
	}
	if now := a.identity(); !now.DeviceCert.PublicKey.(*ecdsa.PublicKey).Equal(first.DeviceCert.PublicKey) || now.Age.String() != first.Age.String() {
		t.Error("keys have changed")
	}
	a.end(t)
	a.reopen() // with the new certificate, for the old one has run out
	again := a.send(codeB, []byte("sau khi nối lại"))
	b.reaches(again.ID, office.Arrived)
}

// TestP8_AnOfficeOutlivesItsCertificateWithoutAHub lets certificates run out
// while there is no hub. The office goes on and comes back by itself.
func TestP8_AnOfficeOutlivesItsCertificateWithoutAHub(t *testing.T) {
	p := found(t)
	p.config.Enroll.Life = 4 * time.Second
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	before := a.send(codeB, []byte("khi còn mạng"))
	b.reaches(before.ID, office.Arrived)
	p.stopHub()
	until := a.identity().DeviceCert.NotAfter
	time.Sleep(time.Until(until.Add(1500 * time.Millisecond)))
	a.shows("certificate-expired")
	doc := a.send(codeB, []byte("khi chứng thư đã hết hạn"))
	if _, err := b.api.Accept(t.Context(), before.ID, "test"); err != nil {
		t.Errorf("accepting without a hub: %v", err)
	}
	body, err := a.api.Container(t.Context(), doc.ID)
	if err != nil {
		t.Fatal(err)
	}
	body.Close()
	p.startHub()
	b.reaches(doc.ID, office.Arrived)
	a.reaches(before.ID, office.Accepted)
	if now := a.identity().DeviceCert; !now.NotAfter.After(until) {
		t.Error("the certificate was not renewed")
	}
}

// TestP7_RevocationIsEffectiveAtOnce revokes an office on the line.
func TestP7_RevocationIsEffectiveAtOnce(t *testing.T) {
	p := found(t)
	p.config.MQTT.CRL = "revoked.crl"
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	kept := a.send(codeB, []byte("trước khi thu hồi"))
	b.reaches(kept.ID, office.Arrived)
	if _, err := p.theHub.RevokeCert(t.Context(), codeA, "hm", "test"); problem.From(err).Code != "cert.reason" {
		t.Errorf("a reason that is none: %v", err)
	}
	r, err := p.theHub.RevokeCert(t.Context(), "h40.12", ca.ReasonLost, "test")
	if err != nil || r.Code != codeA || len(r.Revoked) != 2 {
		t.Fatalf("revoked %+v, %v", r, err)
	}
	a.shows("certificate-revoked")
	if s, err := a.api.Status(t.Context()); err != nil || s.Link.Up {
		t.Errorf("the line is %+v (error %v)", s.Link, err)
	}
	if d, err := a.api.Get(t.Context(), kept.ID); err != nil || d.Subject == "" {
		t.Errorf("a document of the revoked office: %+v, %v", d, err)
	}
	if _, err := p.theHub.RevokeCert(t.Context(), codeA, ca.ReasonLost, "test"); problem.From(err).Code != "cert.nothing" {
		t.Errorf("the second time: %v", err)
	}
	p.eventually("B to disbelieve A", func() bool {
		_, err := b.api.Send(t.Context(), draftTo(codeA), nil)
		return problem.From(err).Code == "send.recipient-not-enrolled"
	})
}

// TestP7_ARevokedOfficeIsNotHeardOverABrokerThatKeepsItsConnection has Mosquitto
// between, which is told nothing. The hub hears and serves the office no more,
// and the office finds out why by itself.
func TestP7_ARevokedOfficeIsNotHeardOverABrokerThatKeepsItsConnection(t *testing.T) {
	linktest.HaveMosquitto(t)
	p := found(t)
	p.renews = 30 * time.Millisecond
	addr, files := linktest.FreeAddr(t), filepath.Join(p.dir, "mosquitto")
	p.config.MQTT.Embedded, p.config.MQTT.Server = false, []string{addr}
	db, err := hub.OpenDB(t.Context(), p.hubDir(), true, nil)
	if err != nil {
		t.Fatal(err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	_, err = hub.WriteBroker(t.Context(), p.hubDir(), db, p.config, broker.Mosquitto, files, me.Username)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	linktest.StartMosquitto(t, files, addr)
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	before := a.send(codeB, []byte("trước khi thu hồi"))
	b.reaches(before.ID, office.Arrived)
	a.reaches(before.ID, office.Delivered)
	waits := b.send(codeA, []byte("cho một máy đã mất"))
	a.reaches(waits.ID, office.Arrived)

	if _, err := p.theHub.RevokeCert(t.Context(), codeA, ca.ReasonLost, "test"); err != nil {
		t.Fatal(err)
	}
	kept := a.send(codeB, []byte("sau khi thu hồi"))
	a.shows("certificate-revoked")
	if s, err := a.api.Status(t.Context()); err != nil || !s.Link.Up {
		t.Errorf("its connection is %+v (error %v), and was to stay", s.Link, err)
	}
	if d, err := a.api.Get(t.Context(), kept.ID); err != nil || d.State != office.Saved {
		t.Errorf("what it saved is %v (error %v)", d.State, err)
	}
	p.eventually("the hub to list it as gone", func() bool {
		list, err := p.theHub.Agents(t.Context())
		return err == nil && !list.Agents[0].Online && !list.Agents[0].Enrolled
	})
}

// TestAWaitingBoxGoesOnByItself has a second box use an invite.
func TestAWaitingBoxGoesOnByItself(t *testing.T) {
	p := found(t)
	p.startHub()
	p.join(codeA).active() // else its first greeting may come when the second box is the office's
	dir := p.boxDir(codeA) + "-2"
	r, err := enroll.Enroll(t.Context(), enroll.Options{Dir: dir, Invite: p.inviteFile(codeA)})
	if err != nil || r.State != enroll.Waiting {
		t.Fatalf("the second box: %+v, %v", r, err)
	}
	second := p.startIn(dir, codeA)
	if got := second.state(); got != "waiting" {
		t.Errorf("its state is %q", got)
	}
	list, err := p.theHub.WaitingRoom(t.Context(), false)
	if err != nil || len(list) != 1 || list[0].Reason != ca.WaitUsed || list[0].Code != codeA || list[0].Keys != r.Why.Args["keys"] {
		t.Fatalf("waiting room: %+v, %v", list, err)
	}
	if _, err := p.theHub.Decide(t.Context(), list[0].ID, ca.Admitted, "test"); err != nil {
		t.Fatal(err)
	}
	p.eventually("the second box to enrol", func() bool { return second.state() == "ready" })
}
