package rollup

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/dossier"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

var november = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

func newRollup(t *testing.T) *Rollup {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"), sqlite.Options{Schemas: []sqlite.Schema{Schema}})
	must(t, err)
	t.Cleanup(func() { db.Close() })
	return New(db)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// take takes a report of a neighbour, behind which are the offices whose codes begin
// with its own.
func (r *Rollup) take(t *testing.T, peer string, created time.Time, rep dossier.Report) (newer bool, err error) {
	t.Helper()
	err = r.db.Update(t.Context(), func(tx *sqlite.Tx) (err error) {
		newer, err = r.Take(tx, Source{Peer: peer, Created: created, Behind: func(office string) (bool, error) { return strings.HasPrefix(office, peer), nil }}, rep)
		return err
	})
	return newer, err
}

// of makes the figures of an office in November.
func of(code string, counts ...dossier.Counts) dossier.OfficeFigures {
	return dossier.OfficeFigures{Code: code, At: november, Months: []dossier.MonthFigures{{Month: "2026-11", Counts: counts}}}
}

func (r *Rollup) table(t *testing.T, q Query) Table {
	t.Helper()
	table, err := r.Month(t.Context(), q, november)
	must(t, err)
	return table
}

// TestTheLatestReportCounts: whatever comes late, twice or in another order.
func TestTheLatestReportCounts(t *testing.T) {
	for seed := range uint64(8) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		r := newRollup(t)
		old, store := uuid.New(), uuid.New()
		type sent struct {
			at  time.Time
			rep dossier.Report
		}
		var all []sent
		for n := range 10 { // the box was replaced after the fourth report
			s := sent{november.Add(time.Duration(n) * time.Hour), dossier.Report{Store: store, Number: int64(n - 3), Offices: []dossier.OfficeFigures{of("H40.12", dossier.Counts{Procedure: "1.001193", Taken: n})}}}
			if n < 4 {
				s.rep.Store, s.rep.Number = old, int64(n+1)
			}
			all = append(all, s)
		}
		last := -1
		for range 40 {
			n := rnd.IntN(len(all))
			newer, err := r.take(t, "H40.12", all[n].at, all[n].rep)
			must(t, err)
			if newer != (n > last) {
				t.Fatalf("seed %d: report %d after %d is newer: %v", seed, n, last, newer)
			}
			last = max(last, n)
			if got := r.table(t, Query{}).Sum.Taken; got != last {
				t.Fatalf("seed %d: %d taken, want %d", seed, got, last)
			}
		}
	}
}

// TestP7_NobodyReportsForOthers: nothing of such a report is taken.
func TestP7_NobodyReportsForOthers(t *testing.T) {
	r := newRollup(t)
	rep := dossier.Report{Store: uuid.New(), Number: 1, Offices: []dossier.OfficeFigures{of("H40.12", dossier.Counts{Procedure: "1.001193", Taken: 1}), of("H40.15", dossier.Counts{Procedure: "1.001193", Taken: 99})}}
	if _, err := r.take(t, "H40.12", november, rep); !errors.Is(err, ErrStranger) {
		t.Fatalf("taken: %v", err)
	}
	if n := len(r.table(t, Query{}).Offices); n != 0 {
		t.Errorf("%d offices have figures", n)
	}
	if newer, err := r.take(t, "H40.", november, rep); err != nil || !newer { // the hub of both
		t.Errorf("%v, %v", newer, err)
	}
}

// TestTheWorstComesFirst: by the share that was on time, then by what is late now; those
// where nothing ended come last.
func TestTheWorstComesFirst(t *testing.T) {
	r := newRollup(t)
	one := "1.001193"
	offices := []dossier.OfficeFigures{
		of("H40.1", dossier.Counts{Procedure: one, Taken: 9, Open: 9}),
		of("H40.2", dossier.Counts{Procedure: one, Early: 3, OnTime: 1}),
		of("H40.3", dossier.Counts{Procedure: one, OnTime: 1, Late: 1, Open: 5, OpenLate: 1}, dossier.Counts{Procedure: "1.000894", Early: 2}),
		of("H40.4", dossier.Counts{Procedure: one, Early: 1, OnTime: 2, Late: 1, OpenLate: 2, Open: 3}),
		of("H40.5", dossier.Counts{Procedure: one, Late: 2}),
	}
	_, err := r.take(t, "H40.", november, dossier.Report{Store: uuid.New(), Number: 1, Offices: offices})
	must(t, err)
	table := r.table(t, Query{Month: "2026-11"})
	got := ""
	for _, l := range table.Offices {
		share := "–"
		if l.Share != nil {
			share = fmt.Sprint(*l.Share)
		}
		got += l.Code + " " + share + ", "
	}
	if got != "H40.5 0, H40.4 75, H40.3 75, H40.2 100, H40.1 –, " {
		t.Errorf("in the order %s", got)
	}
	if s := table.Sum; s.Taken != 9 || s.Early != 6 || s.OnTime != 4 || s.Late != 4 || s.Open != 17 || s.OpenLate != 3 || fmt.Sprintf("%.1f", *s.Share) != "71.4" {
		t.Errorf("sum %+v", s)
	}
	if p := r.table(t, Query{Office: "H40.3"}).Procedures; len(p) != 2 || p[0].Code != one || *p[0].Share != 50 {
		t.Errorf("procedures %+v", p)
	}
	if n := len(r.table(t, Query{Month: "2026-10"}).Offices); n != 0 {
		t.Errorf("%d offices in another month", n)
	}
	if _, err := r.Month(t.Context(), Query{Month: "2026-13"}, november); problem.From(err).Code != "rollup.month" {
		t.Errorf("month 13: %v", err)
	}
}

// TestP3_TheHubAboveGetsAllAndTheLatest: over reports that are replaced on their way, full
// ones, and a hub above that was lost.
func TestP3_TheHubAboveGetsAllAndTheLatest(t *testing.T) {
	for seed := range uint64(2) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		below, above, epoch := newRollup(t), newRollup(t), uuid.New()
		store, number, mark := uuid.New(), int64(0), dossier.Mark{}
		way := map[storage.ID]dossier.Report{}
		report := func() {
			must(t, below.db.Update(t.Context(), func(tx *sqlite.Tx) error {
				return below.Report(tx, mark, func(payload []byte, before storage.ID) (storage.ID, error) {
					rep, err := dossier.ReadReport(payload)
					id := uuid.New()
					delete(way, before)
					way[id] = rep
					return id, err
				})
			}))
		}
		arrive := func() (more bool) {
			for id, rep := range way {
				delete(way, id)
				_, err := above.take(t, "H40", november, rep)
				must(t, err)
				must(t, below.db.Update(t.Context(), func(tx *sqlite.Tx) (err error) { more, err = below.Reported(tx, id, epoch); return err }))
			}
			return more
		}
		for range 12 {
			number++
			rep := dossier.Report{Store: store, Number: number}
			for range rnd.IntN(900) {
				rep.Offices = append(rep.Offices, of(fmt.Sprintf("H40.%d", rnd.IntN(2500)), dossier.Counts{Procedure: "1.001193", Taken: rnd.IntN(50)}))
			}
			_, err := below.take(t, "H40", november.Add(time.Duration(number)*time.Hour), rep)
			must(t, err)
			mark.Serial += int64(rnd.IntN(2))
			report()
			if len(way) > 1 {
				t.Fatalf("%d reports are on their way", len(way))
			}
			if rnd.IntN(3) == 0 {
				arrive()
			}
			if rnd.IntN(6) == 0 {
				above, epoch = newRollup(t), uuid.New()
				must(t, below.db.Update(t.Context(), func(tx *sqlite.Tx) error { return below.AboveIs(tx, epoch) }))
			}
		}
		for report(); len(way) > 0; report() {
			arrive()
		}
		want, got := below.table(t, Query{}), above.table(t, Query{})
		if len(got.Offices) != len(want.Offices) || got.Sum.Taken != want.Sum.Taken || len(want.Offices) < 1000 {
			t.Errorf("seed %d: the hub above has %d offices with %d taken, want %d with %d", seed, len(got.Offices), got.Sum.Taken, len(want.Offices), want.Sum.Taken)
		}
	}
}
