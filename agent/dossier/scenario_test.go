package dossier

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tram/agent/clock"
	"tram/agent/dossier/code"
	"tram/agent/problem"
	"tram/storage"
)

// The offices of the scenario.
const (
	theCommune  = "H40.12.7"
	theOneStop  = "H40.1" // of the province
	theJustice  = "H40.3" // a department
	thePolice   = "H40.4" // another, offline for three days
	offlineFrom = "26/11 10:00"
	offlineTo   = "29/11 10:00"
)

// deed is something that somebody means to do at a time.
type deed struct {
	at    time.Time
	what  string
	case_ *journey
	tries int
}

// journey is one dossier of the scenario, with what was meant for it.
type journey struct {
	n        int
	id       storage.ID
	code     code.Dossier
	word     string
	filedBy  Actor
	route    string // who decides: "here", "justice", "chain", "opinions"
	ends     string // "returned", "withdrawn", "refused", "stopped"
	supplies bool   // papers are asked for on the way
}

type scenario struct {
	*towns
	r      *rand.Rand
	agenda []deed
	cases  []*journey
}

// TestP2_P3_TwoHundredDossiersOfFiveParties: filed at the desk and by a system of
// public services, decided here, by a department, through the province's one-stop desk
// and after opinions, over a mail that loses, repeats and mixes up, with crashes and
// an office that is offline for three days. Each ends as it was meant to, at the time
// at which that happened, once.
func TestP2_P3_TwoHundredDossiersOfFiveParties(t *testing.T) {
	count := 200
	if underRace {
		count = 40
	}
	s := &scenario{towns: newTowns(t, 11, theCommune, theOneStop, theJustice, thePolice), r: rand.New(rand.NewPCG(5, 11))}
	for n := range count {
		s.plan(n)
	}
	from, to := when(t, offlineFrom), when(t, offlineTo)
	for len(s.agenda) > 0 {
		slices.SortStableFunc(s.agenda, func(a, b deed) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.case_.n, b.case_.n)) })
		d := s.agenda[0]
		s.agenda = s.agenda[1:]
		if d.at.After(s.clock) {
			s.clock = d.at
		}
		s.by[thePolice].down = s.clock.After(from) && s.clock.Before(to)
		s.do(d)
		for _, n := range s.by {
			if !n.down {
				_ = n.Tell(t.Context())
			}
		}
		s.deliver()
	}
	s.by[thePolice].down = false
	s.settle()
	s.judge()
}

// plan draws what is meant for a dossier.
func (s *scenario) plan(n int) {
	j := &journey{n: n, filedBy: hien, route: []string{"here", "justice", "chain", "opinions"}[s.r.IntN(4)], ends: "returned", supplies: s.r.IntN(4) == 0}
	if s.r.IntN(2) == 0 {
		j.filedBy = gate
	}
	switch s.r.IntN(12) {
	case 0:
		j.ends = "withdrawn"
	case 1:
		if j.filedBy.App != "" {
			j.ends = "refused"
		}
	case 2:
		j.ends = "stopped"
	}
	s.cases = append(s.cases, j)
	s.later(j, "file", s.working(monday, s.r.IntN(5)))
}

// working is a time in office hours some days after one.
func (s *scenario) working(after time.Time, days int) time.Time {
	at := after.In(clock.Vietnam)
	for n := 0; n < days || !naiveDay(at); at = at.AddDate(0, 0, 1) {
		if naiveDay(at) {
			n++
		}
	}
	y, m, d := at.Date()
	at = time.Date(y, m, d, 8, 0, 0, 0, clock.Vietnam).Add(time.Duration(s.r.IntN(200)) * time.Minute)
	if at.Before(after) {
		return after.Add(time.Duration(1+s.r.IntN(50)) * time.Minute)
	}
	return at
}

func (s *scenario) later(j *journey, what string, at time.Time) {
	s.agenda = append(s.agenda, deed{at: at, what: what, case_: j})
}

// do does what is meant, or tries again when the news has not come yet.
func (s *scenario) do(d deed) {
	s.t.Helper()
	err := s.act(d.case_, d.what)
	if err == nil {
		return
	}
	switch problem.From(err).Code {
	case "dossier.not-now", "dossier.unknown":
		if d.tries++; d.tries > 200 {
			s.t.Fatalf("dossier %d never comes to %q: %v", d.case_.n, d.what, err)
		}
		d.at = s.clock.Add(45 * time.Minute)
		s.agenda = append(s.agenda, d)
	default:
		s.t.Fatalf("dossier %d, %s: %v", d.case_.n, d.what, err)
	}
}

// decider is the office whose people work on the dossier.
func (j *journey) decider() string {
	switch j.route {
	case "justice":
		return theJustice
	case "chain":
		return thePolice
	}
	return theCommune
}

func (s *scenario) act(j *journey, what string) error {
	ctx := s.t.Context()
	c := s.by[theCommune]
	here := func() (Dossier, error) { return s.by[j.decider()].ByCode(ctx, j.code) }
	switch what {
	case "file":
		return s.file(j)
	case "accept":
		_, err := c.Accept(ctx, j.id, []int{1, 1, 0}, hien, 0)
		if err == nil {
			s.after(j)
		}
		return err
	case "refuse":
		_, err := c.Refuse(ctx, j.id, "Không thuộc thẩm quyền", "", hien, 0)
		return err
	case "hand":
		return s.hand(j)
	case "chain":
		g, err := s.by[theOneStop].ByCode(ctx, j.code)
		if err != nil {
			return err
		}
		if g, err = s.by[theOneStop].Accept(ctx, g.ID, nil, hien, 0); err != nil {
			return err
		}
		_, err = s.by[theOneStop].HandOn(ctx, g.ID, []Hand{{To: thePolice, Name: "Công an tỉnh", Task: Decide}}, hien, 0)
		return err
	case "take":
		g, err := here()
		if err == nil {
			_, err = s.by[j.decider()].Accept(ctx, g.ID, nil, nam2, 0)
		}
		return err
	case "opine":
		return s.opine(j)
	case "ask":
		g, err := here()
		if err == nil {
			_, err = s.by[j.decider()].AskSupplement(ctx, g.ID, "Thiếu giấy ủy quyền", "", nam2, 0)
		}
		return err
	case "supply":
		_, err := c.Supplement(ctx, j.id, []int{1, 1, 1}, []Upload{{Paper: 2, Name: "uy-quyen.pdf", Body: body(fmt.Sprint("ủy quyền ", j.n))}}, "", j.filedBy, 0)
		return err
	case "withdraw":
		if _, err := c.AskWithdrawal(ctx, j.id, "Tôi xin rút", j.filedBy, 0); err != nil {
			return err
		}
		_, err := c.Withdraw(ctx, j.id, "", hien, 0)
		return err
	case "stop":
		_, err := c.Stop(ctx, j.id, "Người nộp đã mất", "", boss, 0)
		return err
	case "finish":
		g, err := here()
		if err == nil {
			_, err = s.by[j.decider()].Finish(ctx, g.ID, Result{Name: "Giấy khai sinh", Number: fmt.Sprint(j.n)}, []Upload{{Name: "kq.pdf", Body: body(fmt.Sprint("kết quả ", j.n))}}, nam2, 0)
		}
		return err
	case "return":
		_, err := c.Return(ctx, j.id, "Nguyễn Văn An", hien, 0)
		return err
	}
	panic(what)
}

// file hands the dossier in; a system of public services asks twice, as after a lost
// answer.
func (s *scenario) file(j *journey) error {
	ctx := s.t.Context()
	c := s.by[theCommune]
	f := filing()
	var d Dossier
	var err error
	if j.filedBy.App == "" {
		d, err = c.Receive(ctx, f, hien)
	} else {
		f.Channel, f.Reference = Online, fmt.Sprintf("DVC-%04d", j.n)
		if d, err = c.File(ctx, f, gate); err == nil {
			again := filing()
			again.Channel, again.Reference = f.Channel, f.Reference
			var same Dossier
			if same, err = c.File(ctx, again, gate); err == nil && same.ID != d.ID {
				s.t.Fatalf("dossier %d is filed twice", j.n)
			}
		}
	}
	if err != nil {
		return err
	}
	j.id, j.code = d.ID, d.Code
	j.word, err = c.Secret(ctx, d.Code)
	noError(s.t, err)
	switch {
	case j.ends == "refused":
		s.later(j, "refuse", s.working(s.clock, 1))
	case j.filedBy.App != "":
		s.later(j, "accept", s.working(s.clock, s.r.IntN(2)))
	default:
		s.after(j)
	}
	return nil
}

// after plans what follows on reception.
func (s *scenario) after(j *journey) {
	at := s.working(s.clock, 0)
	if j.route != "here" {
		s.later(j, "hand", at)
	}
	switch j.ends {
	case "withdrawn":
		s.later(j, "withdraw", s.working(at, 1+s.r.IntN(3)))
		return
	case "stopped":
		s.later(j, "stop", s.working(at, 1+s.r.IntN(3)))
		return
	}
	if j.route == "chain" {
		at = s.working(at, s.r.IntN(2))
		s.later(j, "chain", at)
	}
	if j.decider() != theCommune {
		at = s.working(at, s.r.IntN(2))
		s.later(j, "take", at)
	}
	if j.route == "opinions" {
		at = s.working(at, 1)
		s.later(j, "opine", at)
	}
	if j.supplies {
		at = s.working(at, s.r.IntN(2))
		s.later(j, "ask", at)
		at = s.working(at, 1+s.r.IntN(3))
		s.later(j, "supply", at)
	}
	at = s.working(at, s.r.IntN(4))
	s.later(j, "finish", at)
	s.later(j, "return", s.working(at, 1))
}

func (s *scenario) hand(j *journey) error {
	hands := map[string][]Hand{
		"justice":  {{To: theJustice, Name: "Sở Tư pháp", Task: Decide}},
		"chain":    {{To: theOneStop, Name: "Một cửa tỉnh", Task: Decide}},
		"opinions": {{To: theJustice, Name: "Sở Tư pháp", Task: Consult, Note: "Xin ý kiến"}, {To: thePolice, Name: "Công an tỉnh", Task: Consult, Note: "Xác minh"}},
	}[j.route]
	_, err := s.by[theCommune].HandOn(s.t.Context(), j.id, hands, hien, 0)
	return err
}

// opine has both departments answer.
func (s *scenario) opine(j *journey) error {
	ctx := s.t.Context()
	for _, office := range []string{theJustice, thePolice} {
		g, err := s.by[office].ByCode(ctx, j.code)
		if err != nil {
			return err
		}
		if g.Status == code.Done || g.Status == code.Stopped {
			continue
		}
		if g.Status == code.Registered {
			if _, err = s.by[office].Accept(ctx, g.ID, nil, nam2, 0); err != nil {
				return err
			}
		}
		if _, err = s.by[office].Finish(ctx, g.ID, Result{Name: "Ý kiến", Text: "Nhất trí"}, nil, nam2, 0); err != nil {
			return err
		}
	}
	return nil
}

// judge compares what every party has in the end.
func (s *scenario) judge() {
	t, ctx := s.t, s.t.Context()
	want := map[string]code.Status{"returned": code.Returned, "withdrawn": code.Stopped, "refused": code.Refused, "stopped": code.Stopped}
	var sum Figures
	codes := map[string]bool{}
	for _, j := range s.cases {
		d, err := s.by[theCommune].Get(ctx, j.id)
		noError(t, err)
		if d.Status != want[j.ends] {
			t.Errorf("dossier %d (%s, %s) ends as %d", j.n, j.route, j.ends, d.Status)
		}
		if codes[d.Code.String()] {
			t.Errorf("code %s is given twice", d.Code)
		}
		codes[d.Code.String()] = true
		s.once(j, d)
		seen, err := s.by[theCommune].LookUp(ctx, j.code, j.word)
		if err != nil || seen.Status != d.Status {
			t.Errorf("dossier %d looked up: %+v %v", j.n, seen, err)
		}
		outcome := naive(d.Events)
		if d.Outcome() != outcome {
			t.Errorf("dossier %d: %s, by the log %s: %+v", j.n, d.Outcome(), outcome, d.Standing)
		}
		if !d.Accepted.IsZero() {
			sum.Taken++
		}
		switch outcome {
		case Early:
			sum.Early++
		case OnTime:
			sum.OnTime++
		case Late:
			sum.Late++
		}
	}
	got, _, err := s.by[theCommune].Stats(ctx, monday.AddDate(0, 0, -30), monday.AddDate(0, 3, 0))
	noError(t, err)
	if got != sum {
		t.Errorf("figures %+v, by the logs %+v", got, sum)
	}
	t.Logf("%d dossiers: %d early, %d on time, %d late; last at %s", len(s.cases), sum.Early, sum.OnTime, sum.Late, s.clock.Format(time.DateTime))
	if sum.Early == 0 || sum.OnTime == 0 || sum.Late == 0 {
		t.Error("the scenario has no dossier of some outcome")
	}
}

// once: each result, file and act is there once, and no guest is left working.
func (s *scenario) once(j *journey, d Dossier) {
	t := s.t
	kinds := map[Kind]int{}
	for _, e := range d.Events {
		if !e.Moot {
			kinds[e.Kind]++
		}
	}
	for _, k := range []Kind{Filed, Accepted, Finished, Returned, Withdrawn, Stopped, Supplemented, SupplementAsked} {
		if kinds[k] > 1 {
			t.Errorf("dossier %d: %s %d times", j.n, k, kinds[k])
		}
	}
	names := map[string]int{}
	for _, f := range d.Files {
		names[f.Name]++
	}
	if j.ends == "returned" && (names["kq.pdf"] != 1 || names["to-khai.pdf"] != 1 || j.supplies && names["uy-quyen.pdf"] != 1) {
		t.Errorf("dossier %d: files %v", j.n, names)
	}
	for _, tr := range d.Transfers {
		if tr.running() {
			t.Errorf("dossier %d is still with %s: %s", j.n, tr.To, tr.State)
		}
		g, err := s.by[tr.To].ByCode(t.Context(), d.Code)
		if err != nil || g.Open() {
			t.Errorf("dossier %d is still open at %s: %+v %v", j.n, tr.To, g.Standing, err)
		}
	}
}

// naiveDay tells whether the office works on a day of the scenario.
func naiveDay(t time.Time) bool {
	t = t.In(clock.Vietnam)
	return t.Weekday() != time.Saturday && t.Weekday() != time.Sunday && t.Format(time.DateOnly) != "2026-11-24"
}

// naive judges a dossier by its log alone, as the rule says: three working days after
// the day of acceptance, without those that began while papers were missing; late also
// when they were asked for twice.
func naive(events []Event) Outcome {
	var accepted, end time.Time
	type span struct{ from, to time.Time }
	var pauses []span
	for _, e := range events {
		switch {
		case e.Moot:
		case e.Kind == Accepted:
			accepted = e.At
		case e.Kind == SupplementAsked && !accepted.IsZero():
			pauses = append(pauses, span{from: e.At})
		case e.Kind == Supplemented && len(pauses) > 0:
			pauses[len(pauses)-1].to = e.At
		case e.Kind == Finished, e.Kind == Stopped && end.IsZero(), e.Kind == Withdrawn && end.IsZero(), e.Kind == Refused:
			end = e.At
		}
	}
	if accepted.IsZero() {
		return ""
	}
	if len(pauses) > 1 {
		return Late
	}
	stands := func(at time.Time) bool {
		return slices.ContainsFunc(pauses, func(p span) bool { return p.from.Before(at) && (p.to.IsZero() || p.to.After(at)) })
	}
	day := accepted.In(clock.Vietnam)
	y, m, d := day.Date()
	due := time.Date(y, m, d, 17, 0, 0, 0, clock.Vietnam)
	for n := 0; n < 3; {
		due = due.AddDate(0, 0, 1)
		if naiveDay(due) && !stands(due.Add(-9*time.Hour-30*time.Minute)) {
			n++
		}
	}
	for stands(due) || !naiveDay(due) {
		due = due.AddDate(0, 0, 1)
	}
	if end.In(clock.Vietnam).Format(time.DateOnly) < due.Format(time.DateOnly) {
		return Early
	}
	if end.After(due) {
		return Late
	}
	return OnTime
}
