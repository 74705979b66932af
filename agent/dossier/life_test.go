package dossier

import (
	"testing"

	"tram/agent/dossier/code"
)

func TestADossierGoesFromFilingToReturn(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	x, err := d.Receive(ctx, filing(), hien)
	noError(t, err)
	if x.Code.String() != "H40.12.7-261123-0001" || x.Book != 1 || x.Status != code.Received || !x.Due.Equal(when(t, "27/11 17:00")) {
		t.Fatalf("%s book %d status %d due %v", x.Code, x.Book, x.Status, x.Due)
	}
	d.at("23/11 10:00")
	x, err = d.Start(ctx, x.ID, "Phạm Nam", nam, x.Version)
	noError(t, err)
	d.at("25/11 08:00")
	x, err = d.AskSupplement(ctx, x.ID, "Thiếu văn bản ủy quyền", "NĐ 123/2015/NĐ-CP", nam, x.Version)
	noError(t, err)
	if x.Paused.IsZero() || x.Status != code.Supplement {
		t.Fatalf("the clock runs: %+v", x.Standing)
	}
	d.at("01/12 09:30") // stopped with two days left, resumed on Tuesday
	x, err = d.Supplement(ctx, x.ID, []int{1, 1, 1}, nil, "", hien, x.Version)
	noError(t, err)
	if x.Status != code.Processing || !x.Due.Equal(when(t, "03/12 17:00")) || x.Papers[2].Copies != 1 {
		t.Fatalf("status %d due %v %+v", x.Status, x.Due, x.Papers)
	}
	d.at("03/12 16:00")
	x, err = d.Finish(ctx, x.ID, Result{Name: "Giấy khai sinh", Number: "112/2026", Date: "2026-12-03"}, nil, nam, x.Version)
	noError(t, err)
	d.at("04/12 09:00")
	x, err = d.Return(ctx, x.ID, "Nguyễn Văn An", hien, x.Version)
	noError(t, err)
	if x.Status != code.Returned || x.Outcome() != OnTime || !x.End().Equal(when(t, "03/12 16:00")) {
		t.Fatalf("status %d outcome %s end %v", x.Status, x.Outcome(), x.End())
	}
	again, err := d.Get(ctx, x.ID)
	noError(t, err)
	if again.Standing.Due != x.Standing.Due.UTC() || len(again.Events) != 7 || again.Outcome() != OnTime {
		t.Fatalf("read back: due %v, %d events", again.Due, len(again.Events))
	}
	page, err := d.List(ctx, Query{Tab: TabClosed})
	noError(t, err)
	if len(page.Rows) != 1 || page.Rows[0].Applicant != "Nguyễn V. A." || page.Rows[0].Outcome != OnTime {
		t.Fatalf("list: %+v", page.Rows)
	}
	sum, list, err := d.Stats(ctx, monday.AddDate(0, 0, -22), monday.AddDate(0, 1, 0))
	noError(t, err)
	if sum.Taken != 1 || sum.OnTime != 1 || len(list) != 1 || list[0].Name != birth.Name {
		t.Fatalf("stats: %+v %+v", sum, list)
	}
	word, err := d.Secret(ctx, x.Code)
	noError(t, err)
	seen, err := d.LookUp(ctx, x.Code, word)
	noError(t, err)
	if seen.Status != code.Returned || seen.Outcome != OnTime || seen.Ended.Sub(x.End()) != 0 {
		t.Fatalf("looked up: %+v", seen)
	}
	if _, err := d.LookUp(ctx, x.Code, "AAAAA-AAAAA"); err == nil {
		t.Fatal("a wrong word opens it")
	}
}
