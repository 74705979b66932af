package agent_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent"
	"tram/agent/config"
	"tram/agent/hub"
	"tram/agent/hub/fleet"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/seal"
	"tram/agent/stick"
	"tram/agent/verify"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/sync/usb"
)

// TestP10_TheWayOfADocumentIsSignedByWhoSawIt, at the sender and at the
// receiver, with a time stamp on the seal.
func TestP10_TheWayOfADocumentIsSignedByWhoSawIt(t *testing.T) {
	p := found(t)
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	doc := a.send(codeB, []byte("tờ trình"))
	a.reaches(doc.ID, office.Delivered)
	a.tracked(doc.ID, "saved::H40:stamp", "hub::H40:evidence", "hub:"+codeB+":H40:evidence")
	b.tracked(doc.ID, "hub::H40:evidence")
}

// tracked waits until the track has these steps, as "step:office:signer:evidence".
func (b *box) tracked(id storage.ID, want ...string) {
	b.p.t.Helper()
	b.p.eventually("the track of "+b.code+" has "+strings.Join(want, ", "), func() bool {
		doc, err := b.api.Get(b.p.t.Context(), id)
		if err != nil {
			b.p.t.Fatal(err)
		}
		var have []string
		for _, e := range doc.Events {
			have = append(have, string(e.Step)+":"+e.Office+":"+e.Signer+":"+e.Evidence)
		}
		return !slices.ContainsFunc(want, func(s string) bool { return !slices.Contains(have, s) })
	})
}

// TestP6_AnEditedAuditLogIsFoundAtTheNextContact, by the office and by the hub,
// and stops no document.
func TestP6_AnEditedAuditLogIsFoundAtTheNextContact(t *testing.T) {
	p := found(t)
	p.log.but = "audit log"
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	doc := a.send(codeB, []byte("một"))
	a.reaches(doc.ID, office.Delivered)
	a.end(t)
	a.reopen() // a contact after which the log is countersigned
	a.active()
	p.eventually("the log is countersigned", func() bool {
		agents, err := p.theHub.Agents(t.Context())
		return err == nil && countersigned(t, a.dir) > 0 && agents.Agents[0].Log.IsZero()
	})
	a.end(t)
	edit(t, a.dir, `UPDATE audit SET actor = 'ai đó' WHERE seq = 1`)
	a.reopen()
	p.eventually("the office finds its log changed", func() bool {
		s, err := a.api.Status(t.Context())
		return err == nil && len(s.Conditions) == 1 && s.Conditions[0].Code == "log-changed" &&
			strings.Contains(s.Conditions[0].Message(i18n.Vietnamese), "từ mục 1:")
	})
	p.eventually("the hub finds it too", func() bool {
		agents, err := p.theHub.Agents(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(agents.Agents, func(g fleet.Agent) bool { return g.Code == codeA })
		return !agents.Agents[i].Log.IsZero() && agents.Agents[i].LogEntry == 1
	})
	after := a.send(codeB, []byte("hai"))
	b.reaches(after.ID, office.Arrived)
}

// TestP6_AnEditedAuditLogIsFoundAtTheNextStick of an office that has no line.
func TestP6_AnEditedAuditLogIsFoundAtTheNextStick(t *testing.T) {
	p := found(t)
	p.log.but = "audit log"
	p.settings = func(_ string, c *config.Office) { c.MQTT.Servers = []string{"127.0.0.1:1"} }
	p.startHub()
	a := p.join(codeA)
	s, err := usb.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a.carries(s)
	first := countersigned(t, a.dir)
	a.carries(s)
	if next := countersigned(t, a.dir); first == 0 || next <= first {
		t.Fatalf("countersigned up to %d, then %d", first, next)
	}
	if list, err := p.theHub.Agents(t.Context()); err != nil || !list.Agents[0].Log.IsZero() {
		t.Fatalf("the hub finds %+v (error %v)", list, err)
	}
	a.end(t)
	edit(t, a.dir, `UPDATE audit SET actor = 'ai đó' WHERE seq = 1`)
	a.reopen()
	a.carries(s)
	if s, err := a.api.Status(t.Context()); err != nil || len(s.Conditions) != 1 || s.Conditions[0].Code != "log-changed" {
		t.Errorf("the office says %+v (error %v)", s.Conditions, err)
	}
	if list, err := p.theHub.Agents(t.Context()); err != nil || list.Agents[0].LogEntry != 1 {
		t.Errorf("the hub finds %+v (error %v)", list, err)
	}
}

// carries takes a stick from the office to the hub and back.
func (b *box) carries(s *usb.Stick) {
	b.p.t.Helper()
	office := stick.Client{Caller: b.api.Caller}
	for _, way := range []struct {
		from, to usb.Station
		o        usb.ExportOptions
	}{{office, b.p.theHub.USB(), usb.ExportOptions{}}, {b.p.theHub.USB(), office, usb.ExportOptions{To: b.code}}} {
		if _, err := usb.Export(b.p.t.Context(), s, way.from, way.o); err != nil {
			b.p.t.Fatal(err)
		}
		found, err := usb.Look(b.p.t.Context(), s, way.to)
		if err != nil {
			b.p.t.Fatal(err)
		}
		for _, f := range found {
			if f.State != usb.New {
				continue
			}
			if _, err := usb.Take(b.p.t.Context(), s, way.to, f, usb.ImportOptions{}); err != nil {
				b.p.t.Fatal(err)
			}
		}
	}
}

func countersigned(t *testing.T, dir string) int64 {
	t.Helper()
	db, err := agent.OpenDB(t.Context(), dir, sqlite.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rep, err := audit.Verify(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return rep.Countersigned
}

// edit changes a box's database as somebody with its disk can.
func edit(t *testing.T, dir, statement string) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, agent.DatabaseFile), sqlite.Options{Schemas: agent.Schemas()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(t.Context(), func(tx *sqlite.Tx) error { _, err := tx.Exec(statement); return err }); err != nil {
		t.Fatal(err)
	}
}

// TestP10_ADocumentThatTheHubRefusesIsRefusedInWriting: the office wrote it while
// it was allowed to, and offers it when it is so no more.
func TestP10_ADocumentThatTheHubRefusesIsRefusedInWriting(t *testing.T) {
	p := found(t)
	const code = "H40.DN"
	p.invite("code,name,parent,kind\n" + code + ",Công ty Cấp nước,H40,enterprise\n")
	p.startHub()
	p.join(codeA)
	firm := p.join(code)
	change := hub.OfficeChange{Act: hub.ActAllow, Code: code, May: []string{codeA}}
	if _, err := p.theHub.ChangeOffice(t.Context(), change, "test"); err != nil {
		t.Fatal(err)
	}
	p.eventually("the rule", func() bool { return firm.tries(codeA) == "" })
	p.stopHub()
	doc := firm.send(codeA, []byte("viết khi còn được phép"))
	p.offices(func(h *hub.Hub) error {
		change.May = []string{codeB}
		_, err := h.ChangeOffice(t.Context(), change, "test")
		return err
	})
	p.startHub()
	firm.tracked(doc.ID, "failed::H40:evidence")
	got := firm.reaches(doc.ID, office.Failed)
	last := got.Events[len(got.Events)-1]
	for lang, want := range map[i18n.Lang]string{
		i18n.Vietnamese: "Trạm không nhận văn bản: Trung tâm không cho phép cơ quan này gửi tới nơi nhận đó.",
		i18n.English:    "The hub did not take the document: The hub does not allow this office to write to that recipient.",
	} {
		if words := last.Words(lang); words != want {
			t.Errorf("%s: %q, want %q", lang, words, want)
		}
	}
}

// TestP12_EitherSideProvesADocumentWithTheCAAlone: seals, evidence, header and
// custody receipt, though the offices have each other's cards from pages.
func TestP12_EitherSideProvesADocumentWithTheCAAlone(t *testing.T) {
	p := found(t)
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	doc := a.send(codeB, []byte("tờ trình"))
	a.reaches(doc.ID, office.Delivered)
	a.tracked(doc.ID, "saved::H40:stamp", "hub::H40:evidence")
	b.tracked(doc.ID, "hub::H40:evidence")
	for side, want := range map[*box]string{a: "header " + codeA + " passed, custody H40 passed", b: "header " + codeA + " passed"} {
		body, err := side.api.Container(t.Context(), doc.ID)
		if err != nil {
			t.Fatal(err)
		}
		file, err := io.ReadAll(body)
		if err := errors.Join(err, body.Close()); err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AddCert(side.identity().Trust.CA)
		r, err := verify.Container(bytes.NewReader(file), int64(len(file)), verify.Trust{
			Trust: seal.Trust{Roots: seal.Only(roots), Stamps: roots, Now: time.Now()}, Vouching: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, proof := range r.Proofs {
			got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", proof.Kind, proof.Office, proof.Result, proof.Reason)))
		}
		if r.Result != seal.Passed || strings.Join(got, ", ") != want {
			t.Errorf("exported by %s: %s %s, %s; want %s", side.code, r.Result, r.Reason, strings.Join(got, ", "), want)
		}
	}
}
