package dossier

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tram/agent/clock"
	"tram/agent/dossier/code"
	"tram/storage"
)

// judged is what QĐ 766/QĐ-TTg makes of the log of one dossier, told from the events
// alone and in the words of the rule: on time is what was finished by its date of
// return; finished is the result, else the return, else the stop or refusal; more
// than one request for papers counts as overdue.
type judged struct {
	taken, finished time.Time
	verdict         string
	late            bool // open and beyond its date now
}

func judge(log []Event, now time.Time) (j judged) {
	var result, given, ended, due, stands time.Time
	requests, doubt := 0, false
	for _, e := range log {
		if e.Moot {
			continue
		}
		if slices.Contains([]Kind{Filed, Accepted, SupplementAsked, PaymentAsked, Supplemented, Paid, Extended, Finished, Reopened, Refused, Stopped, Withdrawn, Returned}, e.Kind) && e.Unsure {
			doubt = true
		}
		switch e.Kind {
		case Accepted:
			j.taken = e.At
		case SupplementAsked:
			requests++
			if !j.taken.IsZero() && stands.IsZero() {
				stands = e.At
			}
		case Supplemented, Paid:
			stands = time.Time{}
		case Finished:
			result = e.At
		case Reopened:
			result = time.Time{}
		case Returned:
			given = e.At
		case Refused, Stopped, Withdrawn:
			ended, stands = e.At, time.Time{}
		}
		if !e.Due.IsZero() {
			due = e.Due
		}
	}
	for _, t := range []time.Time{ended, given, result} {
		if !t.IsZero() {
			j.finished = t
		}
	}
	if j.taken.IsZero() {
		return j
	}
	if j.finished.IsZero() {
		j.late = stands.IsZero() && !now.Before(due)
		return j
	}
	day := func(t time.Time) int { y, m, d := t.In(clock.Vietnam).Date(); return y*10000 + int(m)*100 + d }
	switch {
	case requests >= 2, day(j.finished) > day(due), !doubt && j.finished.After(due):
		j.verdict = "late"
	case day(j.finished) == day(due):
		j.verdict = "on time"
	default:
		j.verdict = "early"
	}
	return j
}

// TestTheFiguresAreThoseOfTheLogs: whatever happens to dossiers, in any order, figures
// of any span are those that the logs give by the rule.
func TestTheFiguresAreThoseOfTheLogs(t *testing.T) {
	wed := birth
	wed.Code, wed.Name, wed.Papers = code.Procedure{Number: "1.000894"}, "Đăng ký kết hôn", nil
	verdicts := map[string]int{}
	for seed := range uint64(2) {
		r := rand.New(rand.NewPCG(seed, 11))
		d := newDesk(t)
		_, err := d.TakeCatalogue(t.Context(), Catalogue{Origin: "H40", Procedures: []Procedure{wed}}, "it")
		noError(t, err)
		d.life(r, 60)
		everything, _, err := d.Stats(t.Context(), monday.AddDate(0, -1, 0), monday.AddDate(0, 6, 0))
		noError(t, err)
		if everything.Taken < 30 {
			t.Fatalf("seed %d: the life was too short: %+v", seed, everything)
		}
		for range 20 {
			from := monday.Add(time.Duration(r.IntN(60*24)) * time.Hour)
			to := from.Add(time.Duration(r.IntN(40*24*60)) * time.Minute)
			sum, list, err := d.Stats(t.Context(), from, to)
			noError(t, err)
			want := d.figures(from, to, verdicts)
			if sum != want[""] {
				t.Fatalf("seed %d, %v to %v: %+v, the logs say %+v", seed, from, to, sum, want[""])
			}
			for _, f := range list {
				f.Name = ""
				if f != want[f.Procedure] {
					t.Fatalf("seed %d, %v to %v: %+v, the logs say %+v", seed, from, to, f, want[f.Procedure])
				}
			}
			if len(list) != len(want)-1 {
				t.Fatalf("seed %d: %d procedures, the logs have %d", seed, len(list), len(want)-1)
			}
		}
	}
	for _, v := range []string{"early", "on time", "late"} {
		if verdicts[v] < 50 {
			t.Errorf("%q was met %d times only: the test shows little", v, verdicts[v])
		}
	}
}

// life has n dossiers go through whatever may happen to them, over some weeks.
func (d *desk) life(r *rand.Rand, n int) {
	d.t.Helper()
	ctx := d.t.Context()
	var all []Dossier
	for range n * 11 {
		d.clock = d.clock.Add(time.Duration(r.IntN(80)) * time.Minute)
		if r.IntN(12) == 0 {
			d.clock = d.clock.Add(time.Duration(r.IntN(20)) * time.Hour)
		}
		d.unsure = r.IntN(15) == 0
		if len(all) < n && r.IntN(7) == 0 {
			f := filing()
			if r.IntN(2) == 0 {
				f.Procedure, f.Copies, f.Files = code.Procedure{Number: "1.000894"}, nil, nil
			}
			take := d.Receive
			if r.IntN(5) == 0 {
				take = d.File
			}
			x, err := take(ctx, f, hien)
			noError(d.t, err)
			all = append(all, x)
		}
		if len(all) == 0 {
			continue
		}
		x := all[max(len(all)-1-r.IntN(12), 0)]
		acts := d.acts(x.ID)
		for range 6 { // what may not happen now is refused, and changes nothing
			if _, err := acts[r.IntN(len(acts))](); err == nil {
				break
			}
		}
	}
}

// acts are what somebody may try on a dossier.
func (d *desk) acts(id storage.ID) []func() (Dossier, error) {
	ctx := d.t.Context()
	ask := func() (Dossier, error) { return d.AskSupplement(ctx, id, "thiếu", "", boss, 0) }
	supply := func() (Dossier, error) { return d.Supplement(ctx, id, nil, nil, "", boss, 0) }
	finish := func() (Dossier, error) { return d.Finish(ctx, id, Result{Name: "kết quả"}, nil, boss, 0) }
	return []func() (Dossier, error){
		ask, ask, supply, supply, finish,
		func() (Dossier, error) { return d.AskPayment(ctx, id, "nộp", boss, 0) },
		func() (Dossier, error) { return d.Pay(ctx, id, Payment{}, boss, 0) },
		func() (Dossier, error) {
			return d.Extend(ctx, id, d.clock.AddDate(0, 0, 1+d.clock.Minute()%9).Format(time.DateOnly), "xin lỗi", boss, 0)
		},
		func() (Dossier, error) { return d.Return(ctx, id, "", boss, 0) },
		func() (Dossier, error) { return d.Reopen(ctx, id, "sai", boss, 0) },
		func() (Dossier, error) { return d.AskWithdrawal(ctx, id, "", boss, 0) },
		func() (Dossier, error) { return d.DenyWithdrawal(ctx, id, "không", boss, 0) },
		func() (Dossier, error) { return d.Accept(ctx, id, []int{1, 1, 1}, boss, 0) },
		func() (Dossier, error) {
			if _, err := d.Withdraw(ctx, id, "", boss, 0); err == nil || d.clock.Minute()%4 > 0 {
				return Dossier{}, err
			}
			return d.Stop(ctx, id, "dừng", "", boss, 0)
		},
		func() (Dossier, error) { return d.Refuse(ctx, id, "không đủ", "", boss, 0) },
	}
}

// figures are those of a span by the logs, by procedure and "" for all.
func (d *desk) figures(from, to time.Time, verdicts map[string]int) map[string]Figures {
	d.t.Helper()
	want := map[string]Figures{"": {}}
	page := Page{}
	for next := "-"; next != ""; next = page.Next {
		var err error
		page, err = d.List(d.t.Context(), Query{After: page.Next, Limit: 500})
		noError(d.t, err)
		for _, row := range page.Rows {
			x, err := d.Get(d.t.Context(), row.ID)
			noError(d.t, err)
			j := judge(x.Events, d.clock)
			if j.taken.IsZero() {
				continue
			}
			verdicts[j.verdict]++
			for _, key := range []string{"", x.Procedure.Code.String()} {
				f := want[key]
				f.Procedure = key
				if in := func(t time.Time) bool { return !t.Before(from) && t.Before(to) }; in(j.taken) {
					f.Taken++
				}
				if !j.finished.Before(from) && j.finished.Before(to) {
					switch j.verdict {
					case "early":
						f.Early++
					case "on time":
						f.OnTime++
					case "late":
						f.Late++
					}
				}
				if j.finished.IsZero() {
					f.Open++
				}
				if j.late {
					f.OpenLate++
				}
				want[key] = f
			}
		}
	}
	return want
}
