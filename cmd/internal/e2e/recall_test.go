package e2e

import (
	"testing"
	"time"

	"tram/agent/api"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/cmd/internal/sample"
)

// TestRecallBetweenTwoOffices: a document is recalled while its recipient is off,
// its recall and itself lie at the hub, and all three programs are killed on the
// way; another after it was accepted. Neither is ever a live one again.
func TestRecallBetweenTwoOffices(t *testing.T) {
	w := start(t)
	a, b := w.Offices[0], w.Offices[1]
	accepted := send(t, a, codeB, file{"kế hoạch.pdf", sample.SmallPDF(5000, 1)})
	reaches(t, b, accepted.ID, office.Arrived)
	if _, err := b.API.Accept(t.Context(), accepted.ID, "test"); err != nil {
		t.Fatal(err)
	}
	reaches(t, a, accepted.ID, office.Accepted)

	if err := b.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	held := send(t, a, codeB, file{"bản đồ.pdf", sample.SmallPDF(3_000_000, 2)})
	reaches(t, a, held.ID, office.AtHub)
	for _, id := range []struct{ name, reason string }{{held.ID.String(), "gửi nhầm"}, {accepted.ID.String(), "sai số liệu"}} {
		if _, err := w.Run(t.Context(), "tram", "recall", "--data", a.Dir, id.name, "--reason", id.reason); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []interface {
		Kill() error
		Start() error
	}{a.Process, w.Hub} {
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Process.Start(); err != nil {
		t.Fatal(err)
	}

	reaches(t, a, held.ID, office.Recalled)
	eventually(t, "the request about the accepted document", func() bool {
		d, err := b.API.Get(t.Context(), accepted.ID)
		return err == nil && d.Request != nil && d.Request.State == office.RequestPending && d.Request.Reason == "sai số liệu"
	})
	if d, err := b.API.Get(t.Context(), held.ID); err == nil && d.State != office.Recalled {
		t.Errorf("the recalled document is shown as %s", d.State)
	} else if err != nil && problem.From(err).Class != problem.NotFound {
		t.Error(err)
	}
	if _, err := b.API.Grant(t.Context(), accepted.ID, api.RecallRequest{By: "test"}); err != nil {
		t.Fatal(err)
	}
	got := reaches(t, a, accepted.ID, office.Recalled)
	if r := got.To[0].Recall; r == nil || r.State != office.AskAgreed {
		t.Errorf("the sender has %+v", r)
	}
	if body, err := b.API.Attachment(t.Context(), accepted.ID, 0); err == nil {
		_ = body.Close()
		t.Error("a cancelled attachment was opened")
	} else if problem.From(err).Code != "recall.cancelled" {
		t.Error(err)
	}
	if page, err := b.API.Documents(t.Context(), office.Query{Box: office.In, States: []office.State{office.Arrived, office.Accepted}}); err != nil || page.Total != 0 {
		t.Errorf("%d live documents are left, %v", page.Total, err)
	}

	// A large one is withdrawn or recalled while it is on the line: it ends, and
	// never as a live document there.
	moving := send(t, a, codeB, file{"phụ lục.pdf", sample.SmallPDF(20_000_000, 3)})
	time.Sleep(50 * time.Millisecond)
	if _, err := a.API.Recall(t.Context(), moving.ID, api.RecallRequest{Reason: "nhầm tệp", By: "test"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of a document that is recalled on the line", func() bool {
		d, err := a.API.Get(t.Context(), moving.ID)
		return err == nil && (d.State == office.Recalled || d.State == office.Withdrawn)
	})
	if d, err := b.API.Get(t.Context(), moving.ID); err == nil && d.State != office.Recalled {
		t.Errorf("it is shown as %s", d.State)
	}
}
