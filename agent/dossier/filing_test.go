package dossier

import (
	"context"
	"io"
	"testing"

	"tram/agent/dossier/code"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

// TestWhatLacksPapersIsAskedForOrTurnedAwayInOneStep: form 02 or 03 at the desk.
func TestWhatLacksPapersIsAskedForOrTurnedAwayInOneStep(t *testing.T) {
	d := newDesk(t)
	f := filing()
	f.Copies, f.Files = []int{0, 0, 0}, nil
	_, err := d.Receive(t.Context(), f, hien)
	if all := problem.All(err); len(all) != 2 || all[0].Field != "copies[0]" || all[1].Field != "copies[1]" || all[0].Code != "dossier.paper-missing" {
		t.Fatalf("every missing paper is named: %v", err)
	}
	if _, err := d.ReceiveLacking(t.Context(), f, " ", "", hien); problem.From(err).Code != "dossier.empty" {
		t.Fatalf("asked for nothing: %v", err)
	}
	asked, err := d.ReceiveLacking(t.Context(), f, "Thiếu giấy chứng sinh", "", hien)
	noError(t, err)
	if asked.Status != code.Supplement || !asked.Accepted.IsZero() || len(asked.Events) != 2 || asked.Code.String() != "H40.12.7-261123-0001" {
		t.Fatalf("%s %+v", asked.Code, asked.Standing)
	}
	away, err := d.TurnAway(t.Context(), f, "Không thuộc thẩm quyền", "", hien)
	noError(t, err)
	if away.Status != code.Refused || away.Closed.IsZero() || away.Outcome() != "" {
		t.Fatalf("%+v", away.Standing)
	}
	back, err := d.Supplement(t.Context(), asked.ID, []int{1, 1, 0}, nil, "", hien, asked.Version)
	noError(t, err)
	if back.Status != code.Registered {
		t.Fatalf("%+v", back.Standing)
	}
	if back, err = d.Accept(t.Context(), back.ID, nil, hien, back.Version); err != nil || !back.Due.Equal(when(t, "27/11 17:00")) {
		t.Fatalf("due %v, %v", back.Due, err)
	}
}

// TestListsCountWhatFiguresCount: a clock that stands is not overdue, one that goes
// on while a payment is waited for is, and the rows behind a figure are as many.
func TestListsCountWhatFiguresCount(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	var all []Dossier
	for range 4 {
		x, err := d.Receive(ctx, filing(), hien)
		noError(t, err)
		all = append(all, x)
	}
	_, err := d.AskPayment(ctx, all[0].ID, "Nộp lệ phí", hien, 0)
	noError(t, err)
	_, err = d.AskSupplement(ctx, all[1].ID, "Thiếu", "", hien, 0)
	noError(t, err)
	_, err = d.AskWithdrawal(ctx, all[1].ID, "Rút", hien, 0)
	noError(t, err)
	_, err = d.Finish(ctx, all[2].ID, Result{Name: "Giấy khai sinh"}, nil, nam, 0)
	noError(t, err)
	d.at("30/11 09:00")
	from, to := monday.AddDate(0, 0, -1), monday.AddDate(0, 1, 0)
	sum, _, err := d.Stats(ctx, from, to)
	noError(t, err)
	rows := func(q Query) int {
		p, err := d.List(ctx, q)
		noError(t, err)
		return len(p.Rows)
	}
	for what, c := range map[string][2]int{
		"taken": {sum.Taken, rows(Query{TakenFrom: from, TakenTo: to, Own: true})},
		"early": {sum.Early, rows(Query{Outcome: Early, From: from, To: to, Own: true})},
		"open":  {sum.Open, rows(Query{Running: true, Own: true})},
		"late":  {sum.OpenLate, rows(Query{Tab: TabLate, Own: true})},
	} {
		if c[0] != c[1] || c[0] == 0 {
			t.Errorf("%s: counted %d, listed %d", what, c[0], c[1])
		}
	}
	if sum.OpenLate != 2 {
		t.Errorf("late are the one that waits for a payment and the one that nobody began: %d", sum.OpenLate)
	}
}

// TestFilesOfADossierAreOpenedByTheirNumber and by no other's.
func TestFilesOfADossierAreOpenedByTheirNumber(t *testing.T) {
	d := newDesk(t)
	x, err := d.Receive(t.Context(), filing(), hien)
	noError(t, err)
	other, err := d.Receive(t.Context(), filing(), hien)
	noError(t, err)
	f, r, err := d.Open(t.Context(), x.ID, x.Files[0].ID)
	noError(t, err)
	defer r.Close()
	if raw, err := io.ReadAll(r); err != nil || string(raw) != "tờ khai" || f.Name != "to-khai.pdf" {
		t.Errorf("%s: %q, %v", f.Name, raw, err)
	}
	if _, _, err := d.Open(t.Context(), x.ID, other.Files[0].ID); problem.From(err).Code != "dossier.no-file" {
		t.Errorf("the file of another dossier: %v", err)
	}
}

// TestADocumentIsLinkedWithWhatSavesIt, or not at all.
func TestADocumentIsLinkedWithWhatSavesIt(t *testing.T) {
	d := newDesk(t)
	x, err := d.Receive(t.Context(), filing(), hien)
	noError(t, err)
	document := storage.ID{1}
	err = d.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		if _, err := d.LinkIn(tx, x.ID, document, "15/UBND", nam); err != nil {
			return err
		}
		return context.Canceled
	})
	if again, getErr := d.Get(t.Context(), x.ID); err == nil || getErr != nil || len(again.Results) != 0 {
		t.Fatalf("linked though nothing was saved: %+v, %v", again.Results, err)
	}
	noError(t, d.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		_, err := d.LinkIn(tx, x.ID, document, "15/UBND", nam)
		return err
	}))
	again, err := d.Get(t.Context(), x.ID)
	noError(t, err)
	if len(again.Results) != 1 || again.Results[0].Document != document || again.Results[0].Name != "15/UBND" {
		t.Fatalf("%+v", again.Results)
	}
}

// TestListsNameOrganisationsAndMaskCitizens.
func TestListsNameOrganisationsAndMaskCitizens(t *testing.T) {
	d := newDesk(t)
	f := filing()
	f.Applicant = Applicant{Kind: Organisation, Name: "Công ty TNHH Minh Sơn"}
	_, err := d.Receive(t.Context(), f, hien)
	noError(t, err)
	_, err = d.Receive(t.Context(), filing(), hien)
	noError(t, err)
	p, err := d.List(t.Context(), Query{Tab: TabOpen})
	noError(t, err)
	if len(p.Rows) != 2 || p.Rows[0].Applicant != "Công ty TNHH Minh Sơn" || p.Rows[1].Applicant != "Nguyễn V. A." {
		t.Errorf("%+v", p.Rows)
	}
}
