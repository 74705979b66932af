package agent_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/seal"
	"tram/agent/workdays"
)

var marriage = dossier.Procedure{
	Code: code.Procedure{Number: "1.004873"}, Version: 1, Name: "Cấp giấy xác nhận tình trạng hôn nhân", Field: dossier.Field{Code: code.Field{Owner: "G15", Name: "HT01"}, Name: "Hộ tịch"},
	From: "2020-01-01", Papers: []dossier.Paper{{Name: "Tờ khai", Kind: dossier.Original, Copies: 1, Required: true}},
	Limit: workdays.Rule{Unit: workdays.WorkingDays, N: 3}, Results: []string{"Giấy xác nhận"}, Legal: "Quyết định 528/QĐ-BTP",
}

// TestP2_P10_ADossierTravelsBetweenOffices: over a real hub that is away for a while,
// and by a box that is closed in between, a dossier is handed over, signed for, decided
// and given back, each step once and sealed by its office.
func TestP2_P10_ADossierTravelsBetweenOffices(t *testing.T) {
	p := found(t)
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	desk := dossier.Actor{Person: "hien", Name: "Lò Thị Hiền", Roles: dossier.Desk | dossier.Officer}
	ctx := t.Context()
	_, err := a.agent.Dossiers().TakeCatalogue(ctx, dossier.Catalogue{Origin: "H40", Version: 1, Procedures: []dossier.Procedure{marriage}}, "it")
	noError(t, err)
	scan := bytes.Repeat([]byte("tờ khai được quét "), 40_000)
	d, err := a.agent.Dossiers().Receive(ctx, dossier.Filing{
		Procedure: marriage.Code, Applicant: dossier.Applicant{Kind: dossier.Citizen, Name: "Nguyễn Văn An"}, Channel: dossier.AtDesk, Copies: []int{1},
		Files: []dossier.Upload{{Paper: 0, Name: "to-khai.pdf", Media: "application/pdf", Body: bytes.NewReader(scan)}},
	}, desk)
	noError(t, err)
	p.stopHub()
	_, err = a.agent.Dossiers().HandOn(ctx, d.ID, []dossier.Hand{{To: codeB, Name: "UBND phường Tân Lập", Task: dossier.Decide, Note: "Kính chuyển"}}, desk, d.Version)
	noError(t, err)
	p.startHub()
	var g dossier.Dossier
	p.eventually("the dossier at the other office", func() bool {
		g, err = b.agent.Dossiers().ByCode(ctx, d.Code)
		return err == nil
	})
	if !g.Guest || g.OwnerName != "UBND xã An Bình" || len(g.Files) != 1 || g.Files[0].Size != int64(len(scan)) {
		t.Fatalf("%+v", g)
	}
	b.close()
	b.reopen()
	_, err = b.agent.Dossiers().Accept(ctx, g.ID, nil, desk, 0)
	noError(t, err)
	done, err := b.agent.Dossiers().Finish(ctx, g.ID, dossier.Result{Name: "Giấy xác nhận", Number: "15"}, []dossier.Upload{
		{Name: "ket-qua.pdf", Media: "application/pdf", Body: io.Reader(strings.NewReader("kết quả"))},
	}, desk, 0)
	noError(t, err)
	p.eventually("the result at its owner", func() bool {
		d, err = a.agent.Dossiers().Get(ctx, d.ID)
		return err == nil && d.Status == code.Done
	})
	if tr := d.Transfers[0]; tr.State != dossier.Given || tr.TakenBy != desk.Name || tr.Taken.IsZero() || tr.Result.Number != "15" {
		t.Fatalf("%+v", tr)
	}
	if len(d.Files) != 2 || !d.Done.Equal(done.Done) || d.Outcome() != dossier.Early {
		t.Fatalf("%d files, done %v and %v, %s", len(d.Files), d.Done, done.Done, d.Outcome())
	}
	steps, err := a.agent.Dossiers().Steps(ctx, d.ID)
	noError(t, err)
	signers := map[string]int{}
	for _, step := range steps {
		signers[step.Signer]++
		r, err := a.agent.Dossiers().Sealed(ctx, d.ID, step.ID)
		noError(t, err)
		raw, err := io.ReadAll(r)
		noError(t, errors.Join(err, r.Close()))
		head, err := seal.OpenHead(raw, nil, time.Now())
		noError(t, err)
		if head.Verdict.Code != step.Signer || head.Verdict.Reason == seal.ReasonHash {
			t.Errorf("step %d of %s: %+v", step.Number, step.Signer, head.Verdict)
		}
	}
	if signers[codeA] == 0 || signers[codeB] == 0 {
		t.Errorf("signed by %v", signers)
	}
	p.auditsHold(codeA, codeB)
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
