package fleet

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"tram/agent/health"
	"tram/agent/health/beat"
)

func TestFiguresOfEachCluster(t *testing.T) {
	w := newWorld(t)
	members := append(roster("H40.12", "H40.15", "H40.18", "H40.21"), Member{Code: "H40.30", Parent: "H40.3", Enrolled: true}, Member{Code: "H40.31", Parent: "H40.3"})
	w.must(w.Roster(t.Context(), members))
	for _, code := range []string{"H40.12", "H40.15", "H40.18", "H40.21"} {
		w.session(code, true)
		w.beat(code, nil)
	}
	w.judge()
	w.session("H40.15", false) // and is silent for an hour
	w.session("H40.18", false)
	w.beat("H40.15", func(b *beat.Beat) { // what a silent box said last does not count
		b.Queue, b.Clock.Offset, b.Conditions = beat.Queue{Count: 99, Bytes: 99, Since: w.now.Add(-9 * time.Hour)}, 3_600_000, []health.Condition{{Code: health.DiskLow}}
	})
	w.now = w.now.Add(time.Hour)
	days := 5
	w.beat("H40.12", func(b *beat.Beat) {
		b.Queue = beat.Queue{Count: 2, Bytes: 700, Since: w.now.Add(-30 * time.Minute), Levels: []beat.Level{{Urgency: 3, Count: 1, Since: w.now.Add(-30 * time.Minute)}}}
		b.Clock.Offset, b.Disk.Days, b.Certificate = -90_000, &days, w.now.AddDate(0, 0, 3)
		b.Conditions = []health.Condition{{Code: health.BudgetForecast}, {Code: "from-the-future"}}
		b.Software = "tram 2"
	})
	w.beat("H40.21", func(b *beat.Beat) {
		b.Queue = beat.Queue{Count: 1, Bytes: 1, Since: w.now.Add(-time.Minute)}
		b.Clock.Offset, b.Conditions = 80_000, []health.Condition{{Code: health.BudgetForecast}}
	})
	w.judge()
	list, err := w.Figures(t.Context(), func(code string) bool { return code == "H40.15" })
	w.must(err)
	want := []*Figures{
		{
			Cluster: "H40", States: map[State]int{Normal: 1, NeedsRepair: 1, OutOfContact: 2}, Online: 2, Missing: 1,
			Reasons: map[string]int{"from-the-future": 1}, Conditions: map[string]int{health.BudgetForecast: 2, "from-the-future": 1},
			Software: map[string]int{"tram 1": 3, "tram 2": 1}, Queue: 3, QueueBytes: 701, QueueSince: w.now.Add(-30 * time.Minute), Overdue: 1,
			ClockOff: 90 * time.Second, DiskDays: 5, Certificate: w.now.AddDate(0, 0, 3),
		},
		{
			Cluster: "H40.3", States: map[State]int{OutOfContact: 1, NotEnrolled: 1}, Reasons: map[string]int{}, Conditions: map[string]int{}, Software: map[string]int{}, DiskDays: -1,
		},
	}
	for i, f := range list {
		f.QueueSince, f.Certificate = f.QueueSince.In(w.now.Location()), f.Certificate.In(w.now.Location())
		if i < len(want) && fmt.Sprintf("%+v", *f) != fmt.Sprintf("%+v", *want[i]) {
			t.Errorf("%+v\nwant\n%+v", *f, *want[i])
		}
	}
	w.now = w.now.Add(25 * time.Hour)
	w.beat("H40.12", nil)
	list, err = w.Figures(t.Context(), func(string) bool { return false })
	w.must(err)
	if len(list) != len(want) || list[0].Missing != 2 || list[1].Missing != 1 {
		t.Errorf("after a day %d and %d are missing", list[0].Missing, list[1].Missing)
	}
	clusters, err := w.Clusters(t.Context())
	w.must(err)
	if want := map[string]string{"H40.12": "H40", "H40.15": "H40", "H40.18": "H40", "H40.21": "H40", "H40.30": "H40.3", "H40.31": "H40.3"}; !reflect.DeepEqual(clusters, want) {
		t.Errorf("clusters are %v", clusters)
	}
}

// BenchmarkFigures gathers those of a province.
func BenchmarkFigures(b *testing.B) {
	w := crowd(b, 11_000)
	for b.Loop() {
		if list, err := w.Figures(b.Context(), func(string) bool { return false }); err != nil || len(list) != 275 {
			b.Fatal(len(list), err)
		}
	}
}
