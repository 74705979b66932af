package agent_test

import (
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/connector"
	"tram/agent/connector/lgsp/lgsptest"
	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/edxml"
	"tram/agent/office"
	"tram/storage"
)

// onAxis joins an office to an axis, the one way between two that no hub joins.
func (b *box) onAxis(url, own string) {
	b.p.t.Helper()
	settings, err := json.Marshal(map[string]any{"url": url, "system_id": own, "every": "1s", "statuses": "message"})
	noError(b.p.t, err)
	noError(b.p.t, b.agent.Connectors().Add(b.p.t.Context(), connector.Spec{Name: "truc", Kind: "lgsp", Settings: settings, Secret: []byte("x")}, "it"))
}

// arrived waits for a document that carries a dossier, beyond those that are known, and
// accepts it.
func (b *box) arrived(c code.Dossier, known ...storage.ID) (d office.Document) {
	b.p.t.Helper()
	b.p.eventually("a document with the dossier", func() bool {
		docs, _, err := b.agent.Office().List(b.p.t.Context(), office.Query{Box: office.In})
		noError(b.p.t, err)
		i := slices.IndexFunc(docs, func(d office.Document) bool { return d.Dossier == c && !slices.Contains(known, d.ID) })
		if i >= 0 {
			d = docs[i]
		}
		return i >= 0
	})
	_, err := b.agent.Office().Accept(b.p.t.Context(), d.ID, "hien")
	noError(b.p.t, err)
	return d
}

// TestP2_P3_ADossierTravelsByEdXMLBetweenOfficesThatNoHubJoins: each has its own
// province, and there is an axis of another maker between them. The dossier goes as a
// document, its papers come later, it is answered by statuses, and its result comes
// back with a document.
func TestP2_P3_ADossierTravelsByEdXMLBetweenOfficesThatNoHubJoins(t *testing.T) {
	here, there := found(t), found(t)
	here.startHub()
	a := here.join(codeA)
	here.stopHub()
	there.startHub()
	b := there.join(codeB)
	there.stopHub()
	axis := lgsptest.New(t.TempDir(), map[string]string{codeA: "x", codeB: "x"})
	server := httptest.NewServer(axis)
	defer server.Close()
	defer a.close()
	defer b.close()
	a.onAxis(server.URL, codeA)
	b.onAxis(server.URL, codeB)
	here.eventually("the axis's list of offices", func() bool { _, ok := a.agent.Office().Outside(codeB); return ok })
	there.eventually("the axis's list of offices", func() bool { _, ok := b.agent.Office().Outside(codeA); return ok })

	ctx := t.Context()
	desk := dossier.Actor{Person: "hien", Name: "Lò Thị Hiền", Roles: dossier.Desk | dossier.Officer}
	ours, theirs := a.agent.Dossiers(), b.agent.Dossiers()
	for _, s := range []*dossier.Store{ours, theirs} {
		_, err := s.TakeCatalogue(ctx, dossier.Catalogue{Origin: "H40", Version: 1, Procedures: []dossier.Procedure{marriage}}, "it")
		noError(t, err)
	}
	d, err := ours.Receive(ctx, dossier.Filing{
		Procedure: marriage.Code, Applicant: dossier.Applicant{Kind: dossier.Citizen, Name: "Nguyễn Văn An", Phone: "0912345678"}, Channel: dossier.AtDesk, Copies: []int{1},
		Files: []dossier.Upload{{Paper: 0, Name: "to-khai.pdf", Media: "application/pdf", Body: strings.NewReader("%PDF-1.4 tờ khai")}},
	}, desk)
	noError(t, err)
	d, err = ours.HandOn(ctx, d.ID, []dossier.Hand{{To: codeB, Name: "UBND phường Tân Lập", Task: dossier.Decide, Note: "Kính chuyển"}}, desk, d.Version)
	noError(t, err)

	carrier := b.arrived(d.Code)
	if carrier.Number != d.Code.String() || len(carrier.Attachments) != 3 || strings.Contains(carrier.Subject, "Nguyễn") {
		t.Fatalf("carried by %q %q, %d files", carrier.Number, carrier.Subject, len(carrier.Attachments))
	}
	filing, err := theirs.CarriedFiling(ctx, carrier)
	noError(t, err)
	if filing.Applicant.Name != "Nguyễn Văn An" || filing.Procedure != marriage.Code || filing.Applicant.Phone != "0912345678" {
		t.Fatalf("the message says %+v", filing)
	}
	filing.Copies = []int{1}
	g, err := theirs.TakeCarried(ctx, carrier.ID, filing, desk)
	noError(t, err)
	again, err := theirs.TakeCarried(ctx, carrier.ID, filing, desk)
	noError(t, err)
	if again.ID != g.ID || !g.Guest || g.Owner != codeA || g.Code != d.Code || len(g.Files) != 3 || g.Status != code.Received {
		t.Fatalf("taken in as %+v", g)
	}
	state := func(want dossier.TransferState) {
		t.Helper()
		here.eventually("the hand-over "+string(want), func() bool {
			d, err = ours.Get(ctx, d.ID)
			return err == nil && d.Transfers[0].State == want
		})
	}
	state(dossier.Taken)

	_, err = theirs.AskSupplement(ctx, g.ID, "Giấy khai sinh", "", desk, 0)
	noError(t, err)
	here.eventually("what is missing", func() bool {
		d, err = ours.Get(ctx, d.ID)
		return err == nil && slices.ContainsFunc(d.Events, func(e dossier.Event) bool { return e.Office == codeB && strings.Contains(e.Text, "Giấy khai sinh") })
	})
	if !d.Paused.IsZero() {
		t.Error("the word of another system has stopped the clock")
	}
	_, err = ours.AskSupplement(ctx, d.ID, "Giấy khai sinh", "", desk, 0)
	noError(t, err)
	_, err = ours.Supplement(ctx, d.ID, nil, []dossier.Upload{{Paper: -1, Name: "khai-sinh.pdf", Media: "application/pdf", Body: strings.NewReader("%PDF-1.4 khai sinh")}}, "", desk, 0)
	noError(t, err)
	b.arrived(d.Code, carrier.ID)
	there.eventually("the clock to run again", func() bool {
		g, err = theirs.Get(ctx, g.ID)
		return err == nil && g.Paused.IsZero() && len(g.Files) == 4
	})

	_, err = theirs.Finish(ctx, g.ID, dossier.Result{Name: "Giấy xác nhận", Number: "15"}, []dossier.Upload{
		{Name: "ket-qua.pdf", Media: "application/pdf", Body: strings.NewReader("%PDF-1.4 kết quả")},
	}, desk, 0)
	noError(t, err)
	state(dossier.Given)
	result := a.arrived(d.Code)
	here.eventually("the paper of the result", func() bool {
		d, err = ours.Get(ctx, d.ID)
		return err == nil && d.Status == code.Done && slices.ContainsFunc(d.Files, func(f dossier.File) bool {
			return f.Name == "ket-qua.pdf" && f.Role == dossier.RoleResult && f.From == codeB
		})
	})
	if len(result.Links) == 0 {
		t.Error("the result answers no document")
	}
	a.end(t)
	a.reopen() // since its place in the feed was written down everything has happened: it is heard again
	ours = a.agent.Dossiers()
	noError(t, ours.HearCarried(ctx))
	once, err := ours.Get(ctx, d.ID)
	noError(t, err)
	if len(once.Events) != len(d.Events) || len(once.Files) != len(d.Files) {
		t.Errorf("P2: %d events and %d files, then %d and %d", len(d.Events), len(d.Files), len(once.Events), len(once.Files))
	}
	told := map[edxml.StatusCode]int{}
	sent, err := a.agent.Office().Get(ctx, d.Transfers[0].Document)
	noError(t, err)
	for _, e := range sent.Events {
		told[e.Code]++
	}
	if told["01"] != 1 || told["03"] != 1 || told["05"] != 1 || told["06"] != 1 {
		t.Errorf("statuses %v", told)
	}
	if time.Until(d.Due) <= 0 {
		t.Errorf("due %v", d.Due)
	}
}
