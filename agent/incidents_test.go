package agent_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"tram/agent/api"
	"tram/agent/hub"
	"tram/agent/hub/alert"
	"tram/agent/hub/duty"
	"tram/agent/hub/incident"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
)

// TestP5_AnUrgentDocumentThatDoesNotArriveIsTold sends hỏa tốc to an office that is
// switched off. The operator hears of it by webhook, sees whom to call, and hears when
// it has arrived; a restart of the hub in between changes nothing.
func TestP5_AnUrgentDocumentThatDoesNotArriveIsTold(t *testing.T) {
	told := make(chan alert.Message, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m struct {
			Data alert.Message `json:"data"`
		}
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		if k := m.Data.Kind; k == incident.Alert || k == incident.Recovery || k == incident.Test {
			told <- m.Data
		}
	}))
	p := found(t)
	t.Cleanup(receiver.Close)
	secret := filepath.Join(p.dir, "webhook.secret")
	if err := os.WriteFile(secret, []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.config.Alerts.Webhook.URL, p.config.Alerts.Webhook.Secret = receiver.URL, secret
	p.config.Alerts.Rules = []string{"undelivered-hoa-toc page 1s"}
	p.invite("code,name,parent,kind,phone,station\n" + codeB + ",UBND phường Tân Lập,H40,phuong,0238 3555 123,BTS 7\n")
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	if done, err := p.theHub.TestAlerts(t.Context(), "test"); err != nil || len(done.Deliveries) != 1 || done.Deliveries[0].State != duty.Taken {
		t.Fatalf("%+v, %v", done, err)
	}
	if m := <-told; m.Kind != incident.Test {
		t.Fatalf("%+v", m)
	}
	p.eventually("the card of B", func() bool { return a.tries(codeB) == "" })
	b.end(t)
	doc := a.sendUrgent(codeB)
	m := <-told
	if m.Kind != incident.Alert || m.Severity != incident.Page || m.Incidents[0].Rule != incident.HoaTocLate || m.Incidents[0].Count != 1 || m.Text.Vi == "" {
		t.Fatalf("%+v", m)
	}
	late := func() duty.UndeliveredDocument {
		u, err := p.theHub.Undelivered(t.Context(), false)
		if err != nil || len(u.Documents) != 1 || len(u.Documents[0].Recipients) != 1 {
			t.Fatalf("%+v, %v", u, err)
		}
		return u.Documents[0]
	}
	if d := late(); d.ID != doc.ID || d.Urgency != 3 || d.Of != 1 || d.Kind != "document" || d.Recipients[0].Phone != "0238 3555 123" || !d.Recipients[0].Late || d.Recipients[0].Online {
		t.Errorf("%+v", d)
	}
	if _, err := p.theHub.Called(t.Context(), hub.Called{Document: doc.ID, Office: codeB, Note: "đã gặp"}, "lan"); err != nil {
		t.Fatal(err)
	}
	for code, err := range map[string]error{"hub.no-office": called(p, doc.ID, "H40.99"), "duty.document": called(p, storage.ID{1}, codeB)} {
		if problem.From(err).Code != code {
			t.Errorf("%s: %v", code, err)
		}
	}
	line, err := p.theHub.ActOnIncident(t.Context(), hub.IncidentAct{Act: hub.ActAcknowledge, ID: m.Incidents[0].ID, Note: "đang gọi"}, "lan")
	if err != nil || line.Ack.By != "lan" {
		t.Fatalf("%+v, %v", line, err)
	}
	p.stopHub()
	p.startHub()
	if d := late(); len(d.Recipients[0].Calls) != 1 || d.Recipients[0].Calls[0].By != "lan" {
		t.Errorf("after a restart: %+v", d)
	}
	b.reopen()
	b.reaches(doc.ID, office.Arrived)
	if m := <-told; m.Kind != incident.Recovery || m.Incidents[0].ID != line.ID {
		t.Fatalf("%+v", m)
	}
	page, err := p.theHub.Incidents(t.Context(), duty.Query{})
	if err != nil || len(page.Incidents) != 1 || page.Incidents[0].Closed.IsZero() || page.Incidents[0].Ack == nil {
		t.Errorf("%+v, %v", page, err)
	}
	hours, err := p.theHub.ConsoleOptions().Reports.Hours(t.Context(), "")
	sent, received := 0, 0
	for _, h := range hours {
		sent, received = sent+h.Sent, received+h.Received
	}
	if err != nil || sent != 2 || received != 2 { // it, and what was tried before
		t.Errorf("the last day has %d sent and %d received, %v: %+v", sent, received, err, hours)
	}
	p.auditsHold()
}

func called(p *province, id storage.ID, code string) error {
	_, err := p.theHub.Called(p.t.Context(), hub.Called{Document: id, Office: code}, "lan")
	return err
}

func (b *box) sendUrgent(to string) office.Document {
	b.p.t.Helper()
	doc, err := b.api.Send(b.p.t.Context(), api.DraftRequest{To: []string{to}, Subject: "Hỏa tốc", Urgency: 3, Files: []string{"a.bin"}, By: "test"},
		[]io.Reader{bytes.NewReader([]byte("bão số 9"))})
	if err != nil {
		b.p.t.Fatal(err)
	}
	return doc
}
