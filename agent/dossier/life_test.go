package dossier

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/dossier/code"
	"tram/agent/i18n"
	"tram/agent/problem"
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

// TestCodesCountByDayAndPassOverThoseThatAreThere, also after a restart.
func TestCodesCountByDayAndPassOverThoseThatAreThere(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	brought := filing()
	var err error
	brought.Code, err = code.ParseDossier("H40.12.7-261123-0002")
	noError(t, err)
	brought.Reference = "DVC-1"
	_, err = d.File(ctx, brought, gate)
	noError(t, err)
	var codes []string
	take := func() {
		x, err := d.Receive(ctx, filing(), hien)
		noError(t, err)
		codes = append(codes, x.Code.String())
	}
	take()
	noError(t, d.db.Close())
	d.start()
	take()
	d.at("25/11 00:00")
	take()
	if want := []string{"H40.12.7-261123-0001", "H40.12.7-261123-0003", "H40.12.7-261125-0001"}; !slices.Equal(codes, want) {
		t.Errorf("%v, want %v", codes, want)
	}
	again := filing()
	again.Code, again.Reference = brought.Code, "DVC-2"
	if _, err := d.File(ctx, again, gate); problem.From(err).Code != "dossier.code-taken" {
		t.Errorf("a code is taken twice: %v", err)
	}
}

func TestBadFilingsNameTheFieldAndStoreNothing(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	for name, c := range map[string]struct {
		spoil func(*Filing)
		code  string
	}{
		"no name":       {func(f *Filing) { f.Applicant.Name = " " }, "dossier.empty"},
		"long name":     {func(f *Filing) { f.Applicant.Name = strings.Repeat("ă", MaxName+1) }, "dossier.long"},
		"no kind":       {func(f *Filing) { f.Applicant.Kind = 0 }, "dossier.applicant-kind"},
		"no procedure":  {func(f *Filing) { f.Procedure.Number = "9.999999" }, "dossier.no-procedure"},
		"channel":       {func(f *Filing) { f.Channel = 4 }, "dossier.channel"},
		"way":           {func(f *Filing) { f.Way = "pigeon" }, "dossier.way"},
		"copies":        {func(f *Filing) { f.Copies[0] = 100 }, "dossier.copies"},
		"paper missing": {func(f *Filing) { f.Copies[1] = 0 }, "dossier.paper-missing"},
		"fee":           {func(f *Filing) { f.Paid = []Payment{{Fee: 3}} }, "dossier.no-fee"},
		"in the future": {func(f *Filing) { f.At = monday.Add(time.Hour) }, "dossier.filed-at"},
		"long ago":      {func(f *Filing) { f.At = monday.AddDate(0, 0, -8) }, "dossier.filed-at"},
		"empty file":    {func(f *Filing) { f.Files[0].Body = body("") }, "dossier.file-empty"},
		"no file name":  {func(f *Filing) { f.Files[0].Name = "" }, "dossier.file"},
		"file of none":  {func(f *Filing) { f.Files[0].Paper = 7 }, "dossier.file"},
		"sets":          {func(f *Filing) { f.Sets = MaxSets + 1 }, "dossier.sets"},
	} {
		f := filing()
		c.spoil(&f)
		_, err := d.Receive(ctx, f, hien)
		if all := problem.All(err); err == nil || all[0].Code != c.code || all[0].Message(i18n.Vietnamese) == "" || all[0].Next(i18n.English) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := d.Receive(ctx, filing(), nam); problem.From(err).Class != problem.Denied {
		t.Errorf("an officer accepts: %v", err)
	}
	page, err := d.List(ctx, Query{})
	noError(t, err)
	if len(page.Rows) != 0 {
		t.Errorf("%d dossiers are stored", len(page.Rows))
	}
}

// TestCopiesThatCannotBeAreNamedAndNothingIsTakenIn: all of them at once, also where
// papers come later.
func TestCopiesThatCannotBeAreNamedAndNothingIsTakenIn(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	lacking := func() Filing {
		f := filing()
		f.Copies = []int{1, 0, 0}
		return f
	}
	x, err := d.ReceiveLacking(ctx, lacking(), "Giấy chứng sinh", "", hien)
	noError(t, err)
	for name, act := range map[string]func(copies []int) (Dossier, error){
		"supplement": func(copies []int) (Dossier, error) { return d.Supplement(ctx, x.ID, copies, nil, "", hien, 0) },
		"accept": func(copies []int) (Dossier, error) {
			y, err := d.File(ctx, lacking(), gate)
			noError(t, err)
			return d.Accept(ctx, y.ID, copies, hien, 0)
		},
	} {
		for _, copies := range [][]int{{1, -1, MaxCopies + 1}, {1, 1 << 40, -3}} {
			_, err := act(copies)
			var fields []string
			for _, p := range problem.All(err) {
				fields = append(fields, p.Code+" "+p.Field)
				if !strings.Contains(p.Message(i18n.Vietnamese), "từ 0 đến 99") || p.Next(i18n.English) == "" {
					t.Errorf("%s: %s %s", name, p.Message(i18n.Vietnamese), p.Next(i18n.English))
				}
			}
			if want := []string{"dossier.copies copies[1]", "dossier.copies copies[2]"}; !slices.Equal(fields, want) {
				t.Errorf("%s %v: %v", name, copies, err)
			}
		}
	}
	if x, err = d.Get(ctx, x.ID); err != nil || x.Status != code.Supplement || x.Papers[1].Copies != 0 {
		t.Errorf("%s, %+v, %v", x.Status, x.Papers, err)
	}
	x, err = d.Supplement(ctx, x.ID, []int{1, MaxCopies}, nil, "", hien, 0)
	noError(t, err)
	if x.Papers[1].Copies != MaxCopies || x.Papers[2].Copies != 0 {
		t.Errorf("%+v", x.Papers)
	}
}

func TestTextsAreStoredWithoutWhatNobodySees(t *testing.T) {
	d := newDesk(t)
	f := filing()
	f.Applicant.Name, f.Subject = "  Nguye\u0302\u0303n\u200b Văn\tAn\x00 ", "dòng một\r\ndòng hai\u202e"
	x, err := d.Receive(t.Context(), f, hien)
	noError(t, err)
	if x.Applicant.Name != "Nguyễn Văn An" || x.Subject != "dòng một\ndòng hai" {
		t.Errorf("%q %q", x.Applicant.Name, x.Subject)
	}
}

func TestConflictsNameWhoChangedTheDossier(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	x, err := d.Receive(ctx, filing(), hien)
	noError(t, err)
	_, err = d.Note(ctx, x.ID, "Đã gọi người nộp", nam)
	noError(t, err)
	_, err = d.Start(ctx, x.ID, "Hoa", nam, x.Version)
	p := problem.From(err)
	if p.Code != "dossier.changed" || !strings.Contains(p.Message(i18n.Vietnamese), nam.Name) {
		t.Errorf("%v", err)
	}
}

func TestAnApologySetsADateThatPausesMove(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	x, err := d.Receive(ctx, filing(), hien)
	noError(t, err)
	d.at("27/11 16:00")
	for day, want := range map[string]string{"2026-11-28": "dossier.day-off", "2026-11-27": "dossier.day-early", "hôm nay": "dossier.day"} {
		if _, err := d.Extend(ctx, x.ID, day, "Chờ xác minh", boss, 0); problem.From(err).Code != want {
			t.Errorf("%s: %v", day, err)
		}
	}
	if _, err := d.Extend(ctx, x.ID, "2026-12-02", "Chờ xác minh", nam, 0); problem.From(err).Class != problem.Denied {
		t.Errorf("an officer extends: %v", err)
	}
	x, err = d.Extend(ctx, x.ID, "2026-12-02", "Chờ xác minh", boss, 0)
	noError(t, err)
	if !x.Due.Equal(when(t, "02/12 17:00")) || !x.FirstDue.Equal(when(t, "27/11 17:00")) {
		t.Fatalf("due %v, first %v", x.Due, x.FirstDue)
	}
	d.at("30/11 10:00")
	_, err = d.AskSupplement(ctx, x.ID, "Thiếu bản sao", "", hien, 0)
	noError(t, err)
	d.at("04/12 10:00") // two working days were left: Monday and Tuesday
	x, err = d.Supplement(ctx, x.ID, nil, nil, "", hien, 0)
	noError(t, err)
	if !x.Due.Equal(when(t, "08/12 17:00")) {
		t.Errorf("due %v", x.Due)
	}
}
