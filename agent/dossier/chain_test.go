package dossier

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"tram/agent/dossier/code"
	"tram/agent/problem"
)

// TestP2_ADossierGoesThroughAChainOfOffices: the province's one-stop desk gives on
// what it was given; papers, supplements, result and its time reach both ends once.
func TestP2_ADossierGoesThroughAChainOfOffices(t *testing.T) {
	for seed := range uint64(5) {
		w := newTowns(t, seed, "H40.12.7", "H40.1", "H40.3")
		ctx := t.Context()
		commune, desk, dept := w.by["H40.12.7"], w.by["H40.1"], w.by["H40.3"]
		d, err := commune.Receive(ctx, filing(), hien)
		noError(t, err)
		_, err = commune.HandOn(ctx, d.ID, []Hand{{To: "H40.1", Name: "Một cửa tỉnh", Task: Decide}}, hien, d.Version)
		noError(t, err)
		w.settle()
		g, err := desk.Accept(ctx, desk.guestOf(d.Code).ID, nil, hien, 0)
		noError(t, err)
		_, err = desk.HandOn(ctx, g.ID, []Hand{{To: "H40.3", Name: "Sở Tư pháp", Task: Decide, Deadline: "2026-11-26"}}, hien, g.Version)
		noError(t, err)
		w.settle()
		x := dept.guestOf(d.Code)
		if len(x.Files) != 1 || x.OwnerName != "UBND H40.12.7" || !x.Due.Equal(when(t, "26/11 17:00")) {
			t.Fatalf("seed %d: owner %q, %d files, due %v", seed, x.OwnerName, len(x.Files), x.Due)
		}
		_, err = dept.Accept(ctx, x.ID, nil, nam2, 0)
		noError(t, err)
		w.at("25/11 09:00")
		_, err = dept.AskSupplement(ctx, x.ID, "Thiếu giấy ủy quyền", "", nam, 0)
		noError(t, err)
		w.settle()
		d, err = commune.Get(ctx, d.ID)
		noError(t, err)
		if d.Status != code.Supplement {
			t.Fatalf("seed %d: the applicant is not asked: status %d", seed, d.Status)
		}
		w.at("26/11 09:00")
		_, err = commune.Supplement(ctx, d.ID, []int{1, 1, 1}, []Upload{{Paper: 2, Name: "uy-quyen.pdf", Body: body("ủy quyền")}}, "", hien, 0)
		noError(t, err)
		w.settle()
		if x = dept.guestOf(d.Code); x.Status != code.Processing && x.Status != code.Received || len(x.Files) != 2 {
			t.Fatalf("seed %d: status %d, %d files", seed, x.Status, len(x.Files))
		}
		w.at("27/11 10:30")
		_, err = dept.Finish(ctx, x.ID, Result{Name: "Giấy khai sinh"}, []Upload{{Name: "ket-qua.pdf", Body: body("kết quả")}}, nam, 0)
		noError(t, err)
		w.at("30/11 08:00")
		w.settle()
		d, err = commune.Get(ctx, d.ID)
		noError(t, err)
		done := when(t, "27/11 10:30")
		if d.Status != code.Done || !d.Done.Equal(done) || len(d.Files) != 3 || len(d.Results) != 1 {
			t.Fatalf("seed %d: status %d done %v, %d files, results %v", seed, d.Status, d.Done, len(d.Files), d.Results)
		}
		if g = desk.guestOf(d.Code); !g.Done.Equal(done) || g.Status != code.Done {
			t.Fatalf("seed %d: in between: status %d done %v", seed, g.Status, g.Done)
		}
	}
}

func TestACalledBackHandOverEndsTheWorkThere(t *testing.T) {
	w := newTowns(t, 3, "H40.12.7", "H40.3")
	ctx := t.Context()
	commune, dept := w.by["H40.12.7"], w.by["H40.3"]
	d, err := commune.Receive(ctx, filing(), hien)
	noError(t, err)
	d, err = commune.HandOn(ctx, d.ID, []Hand{{To: "H40.3", Name: "Sở Tư pháp", Task: Decide}}, hien, d.Version)
	noError(t, err)
	w.settle()
	_, err = dept.Accept(ctx, dept.guestOf(d.Code).ID, nil, nam2, 0)
	noError(t, err)
	_, err = commune.CallBack(ctx, d.ID, d.Transfers[0].ID, "Chuyển nhầm", hien, 0)
	noError(t, err)
	// Both at once: the department finishes before it hears that it was called back.
	_, err = dept.Finish(ctx, dept.guestOf(d.Code).ID, Result{Name: "Giấy khai sinh"}, nil, nam, 0)
	noError(t, err)
	w.settle()
	d, err = commune.Get(ctx, d.ID)
	noError(t, err)
	if d.Status != code.Done && d.Status != code.Processing || len(d.Transfers) != 1 {
		t.Fatalf("status %d %+v", d.Status, d.Transfers)
	}
	if _, err := commune.CallBack(ctx, d.ID, d.Transfers[0].ID, "lần nữa", hien, 0); problem.From(err).Code != "dossier.no-hand" {
		t.Fatalf("called back twice: %v", err)
	}
}

func TestAnOfficeThatIsNotThereEndsTheHandOver(t *testing.T) {
	w := newTowns(t, 1, "H40.12.7")
	ctx := t.Context()
	commune := w.by["H40.12.7"]
	d, err := commune.Receive(ctx, filing(), hien)
	noError(t, err)
	_, err = commune.HandOn(ctx, d.ID, []Hand{{To: "H99", Name: "Sở lạ", Task: Decide}}, hien, d.Version)
	noError(t, err)
	w.settle()
	d, err = commune.Get(ctx, d.ID)
	noError(t, err)
	if d.Transfers[0].State != Ended || d.Transfers[0].Answer == "" || d.Status != code.Processing {
		t.Fatalf("status %d %+v", d.Status, d.Transfers)
	}
}

// TestP7_OnlyTheOfficeOfAHandOverSpeaksAboutIt.
func TestP7_OnlyTheOfficeOfAHandOverSpeaksAboutIt(t *testing.T) {
	w := newTowns(t, 1, "H40.12.7", "H40.3", "H40.4")
	ctx := t.Context()
	commune := w.by["H40.12.7"]
	d, err := commune.Receive(ctx, filing(), hien)
	noError(t, err)
	d, err = commune.HandOn(ctx, d.ID, []Hand{{To: "H40.3", Name: "Sở Tư pháp", Task: Decide}}, hien, d.Version)
	noError(t, err)
	w.settle()
	raw, err := json.Marshal(Step{Format: stepFormat, Version: 1, Transfer: d.Transfers[0].ID, Number: 1, Events: []Event{{ID: d.ID, Kind: Finished, At: monday}}})
	noError(t, err)
	l := letter{from: "H40.4", to: "H40.12.7"}
	l.d.Message, l.d.From.Code, l.d.Header = raw, "H40.4", []byte("header")
	if err := commune.take(l); err == nil {
		t.Fatal("a stranger finishes the dossier")
	}
	l.d.From.Code = "H40.3"
	l.d.ID = d.ID
	noError(t, commune.take(l))
	if d, _ = commune.Get(ctx, d.ID); d.Status != code.Done {
		t.Fatalf("the office itself cannot: status %d", d.Status)
	}
}

var nam2 = Actor{Person: "nam", Name: "Phạm Nam", Roles: Desk | Officer}

// TestWhatMayHappenWhen: each kind in each status, and who may do it.
func TestWhatMayHappenWhen(t *testing.T) {
	want := map[code.Status][]Kind{
		code.Registered:     {Accepted, Noted, PaymentAsked, Recalled, Refused, SupplementAsked, WithdrawalAsked},
		code.Received:       {Extended, Finished, HandedOn, Noted, PaymentAsked, Recalled, Started, Stopped, SupplementAsked, WithdrawalAsked},
		code.Refused:        {Erased},
		code.Processing:     {Extended, Finished, HandedOn, Noted, PaymentAsked, Recalled, Stopped, SupplementAsked, WithdrawalAsked},
		code.Supplement:     {Extended, Noted, Recalled, Refused, Stopped, Supplemented, WithdrawalAsked},
		code.Payment:        {Extended, Noted, Paid, Recalled, Stopped, WithdrawalAsked},
		code.WithdrawalWish: {Extended, Noted, Recalled, Stopped, WithdrawalDenied, Withdrawn},
		code.Stopped:        {Erased},
		code.Done:           {Reopened, Returned},
		code.Returned:       {Erased},
	}
	always := []Kind{Answered, FeePaid, HandBack, HandEnded, HandTaken, Linked, Printed}
	for _, s := range code.Statuses() {
		got := slices.DeleteFunc(Kinds(s, Leader), func(k Kind) bool { return slices.Contains(always, k) })
		if !slices.Equal(got, want[s]) {
			t.Errorf("%d: %v, want %v", s, got, want[s])
		}
	}
	for who, allowed := range map[Role][]Kind{
		Public:  {Supplemented, WithdrawalAsked},
		Officer: {Noted},
		Desk:    {Noted, Refused, Supplemented, WithdrawalAsked},
	} {
		got := slices.DeleteFunc(Kinds(code.Supplement, who), func(k Kind) bool { return slices.Contains(always, k) })
		if !slices.Equal(got, allowed) {
			t.Errorf("role %d while papers are missing: %v, want %v", who, got, allowed)
		}
	}
}

func TestOutcomes(t *testing.T) {
	due := when(t, "26/11 17:00")
	for _, c := range []struct {
		name        string
		done        string
		supplements int
		unsure      bool
		want        Outcome
	}{
		{"a day before", "25/11 17:30", 0, false, Early},
		{"on the day", "26/11 08:00", 1, false, OnTime},
		{"to the minute", "26/11 17:00", 0, false, OnTime},
		{"a minute late", "26/11 17:01", 0, false, Late},
		{"a minute late by a clock that is not believed", "26/11 17:01", 0, true, OnTime},
		{"a day late by such a clock", "27/11 07:30", 0, true, Late},
		{"papers asked for twice", "24/11 08:00", 2, false, Late},
	} {
		s := Standing{Status: code.Done, Accepted: monday, Due: due, Done: when(t, c.done), Supplements: c.supplements, Unsure: c.unsure}
		if got := s.Outcome(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if got := (Standing{Accepted: monday, Due: due}).Outcome(); got != "" {
		t.Errorf("not ended: %s", got)
	}
	if got := (Standing{Closed: due.Add(time.Hour)}).Outcome(); got != "" {
		t.Errorf("never accepted: %s", got)
	}
}

func FuzzReadStep(f *testing.F) {
	hand := Step{Format: stepFormat, Version: 1, Number: 1, Events: []Event{{Kind: Filed, At: monday}}, Hand: &HandOver{
		Task: Decide, Sent: monday, Code: code.Dossier{Agency: "H40.12", Day: monday, Number: 1}, Owner: "H40.12", OwnerName: "UBND", Procedure: birth,
		Applicant: Applicant{Kind: Citizen, Name: "An"}, Channel: AtDesk, Sets: 1,
	}}
	hand.Transfer[0], hand.Events[0].ID[0] = 1, 1
	raw, err := json.Marshal(hand)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"format":"tram-dossier","version":2}`))
	f.Add([]byte(`{"format":"tram-dossier","version":1,"transfer":"0190f3c0-0000-7000-8000-000000000001","number":2,"events":[{"id":"0190f3c0-0000-7000-8000-000000000002","kind":"later-kind","at":"2026-11-23T09:00:00+07:00"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ReadStep(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ReadStep(again)
		if err != nil {
			t.Fatalf("what was read is not read again: %v", err)
		}
		if third, _ := json.Marshal(back); string(third) != string(again) {
			t.Fatalf("read twice it is another:\n%s\n%s", again, third)
		}
	})
}
