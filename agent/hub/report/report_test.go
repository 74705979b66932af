package report

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tram/agent/clock"
	"tram/agent/health/beat"
	"tram/agent/hub/fleet"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
)

func opened(t *testing.T, now func() time.Time) (*Reports, *fleet.Fleet, *sqlite.DB) {
	t.Helper()
	db, err := sqlitetest.Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"), sqlite.Options{Schemas: []sqlite.Schema{audit.Schema, fleet.Schema, Schema}, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	f, err := fleet.New(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	err = f.Roster(t.Context(), []fleet.Member{
		{Code: "H40.12", Name: "UBND xã Mường Lát", Parent: "H40", Enrolled: true}, {Code: "H40.15", Name: "UBND phường Tân Lập", Parent: "H40", Enrolled: true},
		{Code: "H41.1", Name: "UBND xã Na Ngoi", Parent: "H41", Enrolled: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	return New(db, f), f, db
}

func delivered(t *testing.T, r *Reports, db *sqlite.DB, office string, urgency uint8, took time.Duration) {
	t.Helper()
	err := db.Update(context.Background(), func(tx *sqlite.Tx) error { return r.Delivered(tx, office, urgency, took, 1000) })
	if err != nil {
		t.Fatal(err)
	}
}

var march = time.Date(2026, 3, 20, 9, 0, 0, 0, clock.Vietnam)

// TestPercentilesAreThoseOfASortedList, rounded up by 19 % at most.
func TestPercentilesAreThoseOfASortedList(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	for range 200 {
		d, list := Delivery{}, []time.Duration{}
		for range 1 + random.IntN(300) {
			took := time.Duration(random.ExpFloat64() * float64(time.Duration(1+random.IntN(100_000))*time.Second))
			list = append(list, took)
			d.add(bucketOf(took), 1, 1)
		}
		slices.Sort(list)
		d.settle(3)
		within := 0
		for _, took := range list {
			if took <= 15*time.Minute {
				within++
			}
		}
		for of, got := range map[int]time.Duration{50: d.P50, 95: d.P95} {
			want := max(list[(len(list)*of+99)/100-1], time.Second)
			if got < min(want, bound(maxBucket)) || float64(got) > 1.19*float64(want)+1 {
				t.Fatalf("%d %% of %d in %v, sorted says %v", of, len(list), got, want)
			}
		}
		if d.Within > within {
			t.Fatalf("%d within the limit, sorted says %d", d.Within, within)
		}
	}
}

// TestAMonthTellsOfItsOwnDeliveries by group and urgency; who is no office of the hub,
// and what was in another month, is not in it.
func TestAMonthTellsOfItsOwnDeliveries(t *testing.T) {
	now := march
	r, _, db := opened(t, func() time.Time { return now })
	for range 19 {
		delivered(t, r, db, "H40.12", 3, 5*time.Minute)
	}
	delivered(t, r, db, "H40.15", 3, 2*time.Hour)
	delivered(t, r, db, "H41.1", 0, 3*24*time.Hour)
	delivered(t, r, db, "H99", 3, time.Second) // of another hub
	delivered(t, r, db, "H41.1", 9, -time.Hour)
	now = time.Date(2026, 4, 1, 0, 0, 1, 0, clock.Vietnam)
	delivered(t, r, db, "H40.12", 0, time.Minute)
	for _, month := range []string{"2026-03", "3/2026", "03/2026"} {
		m, err := r.Month(t.Context(), month, now)
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Clusters) != 2 || m.Month != "2026-03" || !m.To.Equal(time.Date(2026, 4, 1, 0, 0, 0, 0, clock.Vietnam)) {
			t.Fatalf("%s: %+v", month, m)
		}
		d := m.Clusters[0].Delivery
		if len(d) != 1 || d[0].Urgency != 3 || d[0].Count != 20 || d[0].Within != 19 || d[0].Bytes != 20_000 || d[0].P95 > 7*time.Minute || d[0].P95 < 5*time.Minute {
			t.Errorf("H40: %+v", d)
		}
		if all := m.All.Delivery; len(all) != 2 || all[0].Count != 21 || all[0].Within != 20 || all[1].Count != 1 || all[1].P50 < 3*24*time.Hour {
			t.Errorf("all: %+v", all)
		}
	}
	if m, err := r.Month(t.Context(), "", now); err != nil || m.Month != "2026-04" || m.All.Delivery[0].Count != 1 {
		t.Errorf("the present month: %+v %v", m, err)
	}
	for _, wrong := range []string{"2026-05", "13/2026", "March", "1999-01"} {
		if _, err := r.Month(t.Context(), wrong, now); problem.From(err).Code != "hub.report-month" {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

// TestWhatASIMHasUsedIsThatOfItsLastHeartbeatOfTheMonth.
func TestWhatASIMHasUsedIsThatOfItsLastHeartbeatOfTheMonth(t *testing.T) {
	now := march
	r, f, _ := opened(t, func() time.Time { return now })
	said := func(code string, used, limit int64) {
		t.Helper()
		b := beat.Beat{At: now, Every: 300, Budget: &beat.Budget{Used: used, Limit: limit}}
		if err := f.Heard(t.Context(), map[string]fleet.Heard{code: {Beat: b, At: now}}); err != nil {
			t.Fatal(err)
		}
		if err := r.NoteSIMs(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	said("H40.12", 100, 1000)
	said("H40.12", 1200, 1000)
	said("H40.15", 50, 0)
	now = march.AddDate(0, 1, 0)
	said("H40.12", 3, 1000)
	m, err := r.Month(t.Context(), "2026-03", now)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.All.SIM, (SIM{Boxes: 2, Bytes: 1250, Over: 1, Budget: 1000}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	now = march.AddDate(Keep/12+1, 0, 0)
	if err := r.NoteSIMs(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m, err := r.Month(t.Context(), "2026-03", now); err != nil || m.All.SIM.Boxes != 0 {
		t.Errorf("after %d months: %+v %v", Keep, m.All.SIM, err)
	}
}

// TestThePrintedReportHasEveryRowInBothLanguages, and the same bytes each time.
func TestThePrintedReportHasEveryRowInBothLanguages(t *testing.T) {
	now := march
	r, _, db := opened(t, func() time.Time { return now })
	for i := range 400 {
		delivered(t, r, db, []string{"H40.12", "H41.1"}[i%2], uint8(i%4), time.Duration(i*i)*time.Second)
	}
	m, err := r.Month(t.Context(), "", now)
	if err != nil {
		t.Fatal(err)
	}
	h := Heading{Hub: "UBND tỉnh Minh Sơn", Made: now, Name: func(code string) string { return map[string]string{"H40": "Cụm Mường Lát"}[code] }}
	for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
		rows := 0
		for _, table := range m.Tables(lang, h.Name) {
			rows += len(table.Rows)
			for _, row := range table.Rows {
				if len(row) != len(table.Columns) {
					t.Errorf("%s: %q", table.Title, row)
				}
			}
		}
		first, err := m.PDF(lang, h)
		again, err2 := m.PDF(lang, h)
		if err != nil || err2 != nil || !bytes.Equal(first, again) || !bytes.HasPrefix(first, []byte("%PDF-")) || rows != 4+2+2+3 {
			t.Errorf("%s: %d rows, %v %v", lang, rows, err, err2)
		}
		if dir := os.Getenv("TRAM_SHOTS"); dir != "" {
			if err := os.WriteFile(filepath.Join(dir, "report-"+string(lang)+".pdf"), first, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}
