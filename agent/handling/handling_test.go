package handling

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/edxml"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

func TestADocumentFromSubmissionToTheEnd(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	id := d.arrive(office.Khan)
	d.ok(d.Submit(ctx, id, whois(boss), lan, 0))
	if w := d.of(id); w.State != Submitted || w.Leader.Person != "chutich" || w.Version != 1 || w.Urgency != office.Khan {
		t.Fatalf("submitted: %+v", w)
	}
	d.ok(d.Instruct(ctx, id, Instruction{Text: "Giao Hoa chủ trì, Nam phối hợp, báo cáo trước hạn.", Lead: []Assignee{whois(hoa)},
		Support: []Assignee{whois(nam), {Name: "Công an xã"}}, Inform: []Assignee{{Name: "Mặt trận"}}, Deadline: "2026-11-27"}, boss, 1))
	w := d.of(id)
	if w.State != Instructed || w.Due != "2026-11-27" || w.Instruction.Of != boss.Name || len(w.Parts) != 4 || w.Parts[3].Deadline != "" {
		t.Fatalf("instructed: %+v", w)
	}
	if got := d.toldAll(); got != "" {
		t.Fatalf("told before anybody has it: %s", got)
	}
	d.clock = d.clock.Add(time.Hour)
	d.ok(d.HandOver(ctx, id, lan, 2))
	d.ok(d.Progress(ctx, id, d.part(id, hoa.Name).ID, "Đã họp với các bên.", hoa))
	d.ok(d.Finish(ctx, id, d.part(id, nam.Name).ID, "Đã góp ý.", nam, 0))
	if w := d.of(id); w.State != Open || !w.HandedOver.Equal(d.clock) {
		t.Fatalf("who supports finished, and the work is %s", w.State)
	}
	d.ok(d.Finish(ctx, id, d.part(id, hoa.Name).ID, "Đã kiểm tra tại chỗ.", hoa, 0))
	w = d.of(id)
	if w.State != Done || w.Due != "" || d.part(id, "Công an xã").State != PartDone || d.part(id, "Mặt trận").State != PartOpen {
		t.Fatalf("finished: %+v", w)
	}
	want := "submitted Trần Văn Chủ; instructed Trần Văn Chủ; named Lê Hoa; named Phạm Nam; named Công an xã; named Mặt trận; " +
		"handed-over Lê Hoa, Phạm Nam, Công an xã, Mặt trận; progress Lê Hoa; finished Phạm Nam; finished Lê Hoa"
	if history(w) != want {
		t.Errorf("history: %s", history(w))
	}
	if got := d.toldAll(); got != "04 Đã giao Lê Hoa giải quyết (lan); 05 Đang giải quyết (hoa); 06 Đã giải quyết xong: Đã kiểm tra tại chỗ. (hoa)" {
		t.Errorf("told: %s", got)
	}
	if n := len(d.audited()); n != len(w.Steps) {
		t.Errorf("%d steps, %d entries in the audit log", len(w.Steps), n)
	}
	if f := w.Followed(); f.Recipient != "Lê Hoa; Phạm Nam; Công an xã" || f.Deadline.Format(time.DateOnly) != "2026-11-27" || !f.Done.Equal(d.clock) || f.Progress != "Đã giải quyết xong ngày 23/11/2026: Đã kiểm tra tại chỗ." {
		t.Errorf("for the register: %+v", f)
	}
}

// TestEachActIsRefusedInTheWrongState: nothing is changed and the reason is told.
func TestEachActIsRefusedInTheWrongState(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	fresh, open := d.arrive(office.Thuong), d.instructed("2026-11-27")
	done := d.instructed("")
	d.ok(d.Finish(ctx, done, d.part(done, hoa.Name).ID, "xong", hoa, 0))
	recalled := d.instructed("")
	d.docs[recalled].State = office.Recalled
	lead := func(names ...string) (list []Assignee) {
		for _, n := range names {
			list = append(list, Assignee{Name: n})
		}
		return list
	}
	part := d.part(open, hoa.Name).ID
	long := strings.Repeat("ă", MaxText+1)
	for code, act := range map[string]func() error{
		"import.not-accepted": func() error { return d.Submit(ctx, recalled, whois(boss), lan, 0) },
		"handling.instructed": func() error { return d.Submit(ctx, open, whois(boss), lan, 0) },
		"handling.no-leader":  func() error { return d.Submit(ctx, fresh, Assignee{Name: "  "}, lan, 0) },
		"handling.no-lead":    func() error { return d.Instruct(ctx, fresh, Instruction{Text: "Xem."}, boss, 0) },
		"handling.long-name":  func() error { return d.Instruct(ctx, fresh, Instruction{Lead: lead(long)}, boss, 0) },
		"handling.deadline":   func() error { return d.Instruct(ctx, fresh, Instruction{Lead: lead("A"), Deadline: "mai"}, boss, 0) },
		"handling.past-deadline": func() error {
			return d.Instruct(ctx, fresh, Instruction{Lead: lead("A"), Deadline: "2026-11-22"}, boss, 0)
		},
		"handling.too-long":     func() error { return d.Instruct(ctx, fresh, Instruction{Lead: lead("A"), Text: long}, boss, 0) },
		"handling.done":         func() error { return d.Instruct(ctx, done, Instruction{Lead: lead("A")}, boss, 0) },
		"handling.nobody-waits": func() error { return d.HandOver(ctx, open, lan, 0) },
		"handling.none":         func() error { return d.Withdraw(ctx, done, "nhầm", boss, 0) },
		"handling.not-done":     func() error { return d.Reopen(ctx, open, "thiếu", boss, 0) },
		"handling.no-part":      func() error { return d.Extend(ctx, done, 0, "2026-12-01", "thiếu", boss, 0) },
		"handling.no-reason":    func() error { return d.Extend(ctx, open, 0, "2026-12-01", " ", boss, 0) },
		"handling.no-progress":  func() error { return d.Progress(ctx, open, part, "\n", hoa) },
		"handling.no-result":    func() error { return d.Finish(ctx, open, part, "", hoa, 0) },
		"handling.no-person":    func() error { return d.HandOn(ctx, open, part, Assignee{}, "", hoa, 0) },
		"handling.has-it":       func() error { return d.HandOn(ctx, open, part, whois(hoa), "", hoa, 0) },
		"handling.changed":      func() error { return d.HandOver(ctx, open, lan, 17) },
		"handling.not-yours":    func() error { return d.Finish(ctx, open, part, "xong", nam, 0) },
	} {
		before := d.of(open).Version + d.of(done).Version + d.of(fresh).Version
		d.refused(act(), code)
		if now := d.of(open).Version + d.of(done).Version + d.of(fresh).Version; now != before {
			t.Errorf("%s: something was changed", code)
		}
	}
	if _, known, err := d.Of(ctx, fresh); known || err != nil {
		t.Errorf("refused acts left a work: %v, %v", known, err)
	}
}

// TestWhoMayActOnWhat: holders on their own parts, who directs on all, others on none.
func TestWhoMayActOnWhat(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	stranger, nobody := Actor{Person: "tuan", Name: "Tuấn"}, Actor{}
	acts := map[string]func(id storage.ID, by Actor) error{
		"submit": func(id storage.ID, by Actor) error { return d.Submit(ctx, d.arrive(0), whois(boss), by, 0) },
		"instruct": func(id storage.ID, by Actor) error {
			return d.Instruct(ctx, id, Instruction{Lead: []Assignee{{Name: "A"}}}, by, 0)
		},
		"withdraw": func(id storage.ID, by Actor) error { return d.Withdraw(ctx, id, "nhầm", by, 0) },
		"extend":   func(id storage.ID, by Actor) error { return d.Extend(ctx, id, 0, "2026-12-01", "thêm", by, 0) },
		"progress": func(id storage.ID, by Actor) error {
			return d.Progress(ctx, id, d.part(id, hoa.Name).ID, "đang làm", by)
		},
		"hand on": func(id storage.ID, by Actor) error {
			return d.HandOn(ctx, id, d.part(id, hoa.Name).ID, Assignee{Name: "B"}, "nghỉ phép", by, 0)
		},
		"finish": func(id storage.ID, by Actor) error { return d.Finish(ctx, id, d.part(id, hoa.Name).ID, "xong", by, 0) },
		"hand over": func(id storage.ID, by Actor) error {
			d.ok(d.Instruct(ctx, id, Instruction{Support: []Assignee{{Name: "C"}}}, boss, 0))
			return d.HandOver(ctx, id, by, 0)
		},
		"reopen": func(id storage.ID, by Actor) error {
			d.ok(d.Finish(ctx, id, d.part(id, hoa.Name).ID, "xong", lan, 0))
			return d.Reopen(ctx, id, "thiếu", by, 0)
		},
		"reassign all": func(id storage.ID, by Actor) error {
			_, err := d.ReassignAll(ctx, "nam", Assignee{Person: "x", Name: "X"}, "nghỉ", by)
			return err
		},
	}
	own := map[string]bool{"progress": true, "hand on": true, "finish": true}
	for name, act := range acts {
		for _, by := range []Actor{lan, boss, hoa, nam, stranger, nobody} {
			id := d.instructed("")
			err := act(id, by)
			if may := by.Directs || own[name] && by.Person == "hoa"; may && err != nil {
				t.Errorf("%s by %q: %v", name, by.Person, err)
			} else if !may {
				d.refused(err, "handling.not-yours")
			}
		}
	}
}

func TestHandingOnReassigningExtendingWithdrawingReopening(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	id := d.instructed("2026-11-25")
	d.ok(d.HandOn(ctx, id, d.part(id, hoa.Name).ID, whois(nam), "Nam làm trực tiếp", hoa, 0))
	if p := d.part(id, nam.Name); p.Role != Lead || p.Deadline != "2026-11-25" || p.State != PartOpen || d.part(id, hoa.Name).State != PartPassed {
		t.Fatalf("handed on: %+v", p)
	}
	d.refused(d.HandOn(ctx, id, d.part(id, nam.Name).ID, whois(hoa), "", lan, 0), "handling.no-reason")
	d.ok(d.HandOn(ctx, id, d.part(id, nam.Name).ID, Assignee{Name: "Địa chính"}, "Nam nghỉ phép", lan, 0))
	d.ok(d.Extend(ctx, id, d.part(id, "Địa chính").ID, "2026-12-05", "chờ số liệu", boss, 0))
	if w := d.of(id); w.Due != "2026-11-25" || d.part(id, "Địa chính").Deadline != "2026-12-05" { // nam still supports until the 25th
		t.Errorf("extended: %+v", w)
	}
	d.ok(d.Withdraw(ctx, id, "giao lại", boss, 0))
	w := d.of(id)
	if w.State != Submitted || w.Due != "" || !w.Instruction.At.IsZero() || len(w.Steps) == 0 {
		t.Errorf("withdrawn: %+v", w)
	}
	d.ok(d.Instruct(ctx, id, Instruction{Text: "Hoa làm.", Lead: []Assignee{whois(hoa)}, HandOver: true}, boss, 0))
	d.ok(d.Finish(ctx, id, d.part(id, hoa.Name).ID, "xong", hoa, 0))
	d.ok(d.Reopen(ctx, id, "thiếu phụ lục", boss, 0))
	if w := d.of(id); w.State != Open || d.part(id, hoa.Name).State != PartOpen || !w.Finished.IsZero() {
		t.Errorf("reopened: %+v", w)
	}
	d.ok(d.Finish(ctx, id, d.part(id, hoa.Name).ID, "xong hẳn", hoa, 0))
	if got := d.toldAll(); got != "04 Đã giao Lê Hoa giải quyết (chutich); 06 Đã giải quyết xong: xong (hoa)" {
		t.Errorf("each status once: %s", got)
	}
}

// TestAnInstructionMayBeAddedTo: who has a part keeps it, who supports may come to
// lead, who is named twice has one part.
func TestAnInstructionMayBeAddedTo(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	id := d.instructed("2026-11-27")
	d.ok(d.Instruct(ctx, id, Instruction{Text: "Nam cùng chủ trì.", Lead: []Assignee{whois(nam), whois(hoa)}, Support: []Assignee{whois(nam)},
		Inform: []Assignee{{Name: "Mặt trận"}}, HandOver: true}, boss, 0))
	var got []string
	for _, p := range d.of(id).Parts {
		got = append(got, string(p.Role)+" "+p.Assignee.Name+" "+string(p.State))
	}
	if s := strings.Join(got, "; "); s != "lead Lê Hoa open; support Phạm Nam passed; lead Phạm Nam open; inform Mặt trận open" {
		t.Error(s)
	}
	if n := strings.Count(d.toldAll(), "04"); n != 1 {
		t.Errorf("04 was told %d times", n)
	}
}

// TestTwoAtOnce: the second is told who was first, nothing of either is lost.
func TestTwoAtOnce(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	id := d.instructed("2026-11-27")
	seen, part := d.of(id).Version, d.part(id, hoa.Name).ID
	errs := make([]error, 2)
	var wait sync.WaitGroup
	for i, date := range []string{"2026-12-01", "2026-12-02"} {
		wait.Go(func() { errs[i] = d.Extend(ctx, id, 0, date, "thêm việc", []Actor{lan, boss}[i], seen) })
	}
	wait.Wait()
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Fatalf("one of two should be told: %v", errs)
	}
	lost := errors.Join(errs...)
	d.refused(lost, "handling.changed")
	first := map[bool]string{true: lan.Name, false: boss.Name}[errs[0] == nil]
	var p *problem.Problem
	if errors.As(lost, &p); p.Args["name"] != first {
		t.Errorf("it names %v, first was %s", p.Args["name"], first)
	}
	notes := make([]error, 8) // they only add
	for i := range notes {
		wait.Go(func() { notes[i] = d.Progress(ctx, id, part, "ghi chú", hoa) })
	}
	wait.Wait()
	d.ok(errors.Join(notes...))
	if n := strings.Count(history(d.of(id)), "progress"); n != 8 {
		t.Errorf("%d of 8 notes are there", n)
	}
}

// TestP1_WhatWasDecidedIsToldAfterARestart: the program ends between the decision
// and the status, or the status fails; the order stays.
func TestP1_WhatWasDecidedIsToldAfterARestart(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	id := d.instructed("")
	d.ok(d.Progress(ctx, id, d.part(id, hoa.Name).ID, "đang làm", hoa))
	d.restart()
	d.broke = errors.New("disk is full")
	if err := d.Tell(ctx); err == nil {
		t.Error("a failure is not told")
	}
	d.broke = nil
	d.restart()
	if got := d.toldAll(); got != "04 Đã giao Lê Hoa giải quyết (chutich); 05 Đang giải quyết (hoa)" {
		t.Errorf("told: %s", got)
	}
	d.restart()
	d.ok(d.Finish(ctx, id, d.part(id, hoa.Name).ID, "xong", hoa, 0))
	d.docs[id].State = office.Recalled // meanwhile: nobody is to be told
	d.ok(d.Tell(ctx))
	if d.ok(d.Tell(ctx)); len(d.told) != 2 {
		t.Errorf("told: %s", d.told)
	}
}

func TestRunTellsAtOnce(t *testing.T) {
	d := newDesk(t)
	ended := make(chan error, 1)
	told := make(chan string, 4)
	d.Store.office = teller{d, told}
	id := d.instructed("")
	go func() { ended <- d.Run(t.Context()) }()
	if got := <-told; got != "04" {
		t.Error(got)
	}
	d.ok(d.Progress(t.Context(), id, d.part(id, hoa.Name).ID, "đang làm", hoa))
	if got := <-told; got != "05" {
		t.Error(got)
	}
}

// TestAnsweringEndsTheWork, in the transaction that saves the answer; a failure of
// that one undoes both.
func TestAnsweringEndsTheWork(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	reply := office.Document{ID: uuid.New(), Number: "15", Notation: "UBND-VP"}
	id, direct, kept := d.instructed("2026-11-27"), d.arrive(office.Thuong), d.instructed("")
	undone := errors.New("not saved")
	err := d.db.Update(ctx, func(tx *sqlite.Tx) error {
		return errors.Join(d.Answered(tx, reply, []storage.ID{id}, true, lan), undone)
	})
	if !errors.Is(err, undone) || d.of(id).State != Open {
		t.Fatalf("%v, %s", err, d.of(id).State)
	}
	d.ok(d.db.Update(ctx, func(tx *sqlite.Tx) error { return d.Answered(tx, reply, []storage.ID{id, direct}, true, lan) }))
	d.ok(d.db.Update(ctx, func(tx *sqlite.Tx) error { return d.Answered(tx, reply, []storage.ID{kept}, false, lan) }))
	for _, one := range []storage.ID{id, direct} {
		if w := d.of(one); w.State != Done || w.Reply != (Reply{reply.ID, "15/UBND-VP"}) {
			t.Errorf("answered: %+v", w)
		}
	}
	if w := d.of(kept); w.State != Open || w.Reply.Code != "15/UBND-VP" {
		t.Errorf("answered, not finished: %+v", w)
	}
	if n := strings.Count(d.toldAll(), "06 Đã giải quyết xong, trả lời tại văn bản số 15/UBND-VP (lan)"); n != 2 {
		t.Errorf("told: %s", d.told)
	}
	if f := d.of(id).Followed(); f.Reply != "15/UBND-VP" || f.Progress != "Đã giải quyết xong ngày 23/11/2026" {
		t.Errorf("for the register: %+v", f)
	}
	d.ok(d.Reopen(ctx, direct, "thiếu", boss, 0))
	if w := d.of(direct); w.State != Submitted {
		t.Errorf("reopened without anybody: %s", w.State)
	}
}

func TestSomebodyStandsIn(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	submitted, lead, both, gone := d.arrive(office.Thuong), d.instructed("2026-11-27"), d.instructed(""), d.instructed("")
	d.ok(d.Submit(ctx, submitted, whois(hoa), lan, 0))
	d.ok(d.Instruct(ctx, both, Instruction{Lead: []Assignee{whois(nam)}, HandOver: true}, boss, 0))
	d.docs[gone].State = office.Recalled
	d.refused(func() error { _, err := d.ReassignAll(ctx, "hoa", whois(hoa), "nghỉ", lan); return err }(), "handling.no-person")
	d.refused(func() error { _, err := d.ReassignAll(ctx, "hoa", whois(nam), "", lan); return err }(), "handling.no-reason")
	if load, err := d.Load(ctx); err != nil || load["hoa"] != 4 {
		t.Errorf("%v, %v", load, err)
	}
	n, err := d.ReassignAll(ctx, "hoa", whois(nam), "Hoa nghỉ thai sản", lan)
	if err != nil || n != 3 {
		t.Fatal(n, err)
	}
	if d.of(submitted).Leader.Person != "nam" || d.part(lead, hoa.Name).State != PartPassed || d.part(both, hoa.Name).State != PartPassed {
		t.Error("hoa still has something")
	}
	if load, _ := d.Load(ctx); load["hoa"] != 1 { // the recalled one is nobody's work
		t.Errorf("left: %v", load)
	}
}

type teller struct {
	*desk
	told chan string
}

// Report implements Office.
func (w teller) Report(ctx context.Context, id storage.ID, code edxml.StatusCode, text, by string) (office.Document, bool, error) {
	w.told <- string(code)
	return office.Document{}, true, nil
}
