package incident

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"tram/agent/clock"
	"tram/agent/hours"
)

func TestAnOutageOf170BoxesOnOneLinkIsOneMessage(t *testing.T) {
	for _, reload := range []bool{false, true} {
		t.Run(fmt.Sprint("reload=", reload), func(t *testing.T) {
			f := newFleet(t, monday)
			f.reload = reload
			var out []string
			for c := range 17 { // the link carries ten communes of each cluster
				cluster := fmt.Sprintf("Cụm %d", c)
				out = append(out, f.add(Site{Cluster: cluster, Carrier: "Viettel", Station: "Tuyến Bắc"}, 10)...)
				f.add(Site{Cluster: cluster, Carrier: "VNPT"}, 20)
			}
			for i := range f.f.Agents { // the station spans clusters
				if s := &f.f.Agents[i].Site; s.Station != "" {
					s.Cluster = ""
				}
			}
			f.run(10 * time.Minute)
			rng := rand.New(rand.NewPCG(8, 170))
			begin := f.now
			for f.now.Before(begin.Add(4 * time.Minute)) { // keepalives run out one after the other
				for _, c := range out {
					if rng.Float64() < 0.2 {
						f.set(false, c)
					}
				}
				f.step()
			}
			f.set(false, out...)
			for _, c := range out {
				f.box(c).Waiting = 3
			}
			f.f.Documents = []Document{{ID: "d1", From: "H40", Urgency: 3, Since: f.now, Waiting: out[:3]}}
			f.run(2 * time.Hour)
			alert := f.told(Alert, GroupSilent)
			if len(alert) != 1 {
				t.Fatalf("%d alerts of the group: %+v", len(alert), alert)
			}
			if took := alert[0].At.Sub(begin); took > 12*time.Minute {
				t.Errorf("told after %v", took)
			}
			if g := alert[0].Incidents[0].Group; g.Kind != GroupStation || g.Name != "Tuyến Bắc" {
				t.Errorf("the group is %+v", g)
			}
			if urgent := f.told(Alert, HoaTocLate); len(urgent) != 1 || urgent[0].Incidents[0].Count != 3 {
				t.Errorf("the urgent document was told as %+v", urgent)
			}
			f.set(true, out...)
			f.run(5 * time.Minute)
			f.f.Documents = nil
			f.run(40 * time.Minute)
			if n := len(f.told(Recovery, GroupSilent)); n != 0 {
				t.Errorf("%d notes of recovery while much still waits", n)
			}
			for _, c := range out {
				f.box(c).Waiting = 0
			}
			f.run(3 * time.Hour)
			r := f.told(Recovery, GroupSilent)
			if len(r) != 1 || r[0].Incidents[0].Drained.IsZero() {
				t.Errorf("notes of recovery: %+v", r)
			}
			if n := len(f.told(Update, GroupSilent)); n > MaxUpdates {
				t.Errorf("%d updates", n)
			}
			if all := f.told(Alert); len(all) != 2 {
				t.Errorf("%d alerts in all: %+v", len(all), all)
			}
			f.check()
		})
	}
}

func TestAGroupIsTheMostSpecificThatExplains(t *testing.T) {
	for name, c := range map[string]struct {
		out  func(north, south, others []string) []string
		want Group
		none bool
	}{
		"a station":                 {func(n, _, _ []string) []string { return n }, Group{GroupStation, "Cụm A", "Bắc"}, false},
		"two stations of a cluster": {func(n, s, _ []string) []string { return append(append([]string{}, n...), s...) }, Group{GroupCluster, "", "Cụm A"}, false},
		"all":                       {func(n, s, o []string) []string { return append(append(append([]string{}, n...), s...), o...) }, Group{GroupHub, "", "H40"}, false},
		"four strays":               {func(_, _, o []string) []string { return o[:4] }, Group{}, true},
		"a fifth of a large group":  {func(_, _, o []string) []string { return o[:8] }, Group{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, monday)
			north := f.add(Site{Cluster: "Cụm A", Station: "Bắc"}, 12)
			south := f.add(Site{Cluster: "Cụm A", Station: "Nam"}, 10)
			others := f.add(Site{Cluster: "Cụm B"}, 40)
			f.step()
			f.set(false, c.out(north, south, others)...)
			f.run(5 * time.Minute)
			alerts := f.told(Alert, GroupSilent)
			if c.none {
				if len(alerts) != 0 {
					t.Fatalf("told %+v", alerts)
				}
			} else if len(alerts) != 1 || *alerts[0].Incidents[0].Group != c.want {
				t.Fatalf("told %+v", alerts)
			}
			f.set(true, north...)
			f.set(true, south...)
			f.set(true, others...)
			f.run(time.Hour)
			f.check()
		})
	}
}

// TestAnOutageThatSpreadsIsStillOneMessage has the stations of a cluster fall silent
// one after the other.
func TestAnOutageThatSpreadsIsStillOneMessage(t *testing.T) {
	f := newFleet(t, monday)
	var stations [][]string
	for i := range 3 {
		stations = append(stations, f.add(Site{Cluster: "Cụm A", Station: fmt.Sprint("Trạm ", i)}, 8))
	}
	f.add(Site{Cluster: "Cụm B"}, 100)
	f.step()
	for _, s := range stations {
		f.set(false, s...)
		f.run(3 * time.Minute)
	}
	f.run(time.Hour)
	if a := f.told(Alert); len(a) != 1 {
		t.Fatalf("%d alerts: %+v", len(a), a)
	}
	if u := f.told(Update); len(u) != 1 || *u[0].Incidents[0].Group != (Group{GroupCluster, "", "Cụm A"}) || u[0].Incidents[0].Count != 24 {
		t.Errorf("updates: %+v", u)
	}
	for _, s := range stations {
		f.set(true, s...)
	}
	f.run(time.Hour)
	f.check()
}

func TestAShortOutageIsRecordedAndNotTold(t *testing.T) {
	f := newFleet(t, monday)
	out := f.add(Site{Cluster: "Cụm A"}, 20)
	f.step()
	f.set(false, out...)
	f.run(time.Minute)
	f.set(true, out...)
	f.run(2 * time.Hour)
	if len(f.all) != 1 || len(f.told(Alert)) != 0 {
		t.Fatalf("%d incidents, %d alerts", len(f.all), len(f.told(Alert)))
	}
	f.check()
}

func TestNightIsNoOutage(t *testing.T) {
	f := newFleet(t, monday)
	f.every = 5 * time.Minute
	off := f.add(Site{Cluster: "Cụm A"}, 30)
	round := f.add(Site{Cluster: "Cụm A"}, 30)
	for _, c := range round {
		f.box(c).Round = true
	}
	for day := range 5 { // each evening half of the boxes are switched off
		y, m, d := monday.AddDate(0, 0, day).Date()
		f.run(time.Date(y, m, d, 16, 45, 0, 0, clock.Vietnam).Sub(f.now))
		f.set(false, off...)
		f.run(time.Date(y, m, d+1, 7, 50, 0, 0, clock.Vietnam).Sub(f.now))
		f.set(true, off...)
	}
	if len(f.all) != 0 {
		t.Fatalf("%d incidents of nights", len(f.all))
	}
	f.run(24*time.Hour + 50*time.Minute - 5*time.Minute) // Sunday
	y, m, d := f.now.Date()
	f.run(time.Date(y, m, d, 2, 0, 0, 0, clock.Vietnam).Sub(f.now))
	f.set(false, round...) // who is expected at night is missed at night
	f.run(20 * time.Minute)
	if a := f.told(Alert, GroupSilent); len(a) != 1 || a[0].Severity != Page {
		t.Fatalf("alerts: %+v", a)
	}
	f.set(true, round...)
	f.run(3 * time.Hour)
	f.check()
}

func TestABoxIsMissedByItsOwnHoursAndPlan(t *testing.T) {
	saturday := hoursOf(t, "Mon-Sat 07:00-11:30", "Mon-Fri 13:00-18:00")
	for name, c := range map[string]struct {
		agent Agent
		since time.Time
		want  time.Time
	}{
		"in office hours":         {Agent{}, monday, monday},
		"over lunch":              {Agent{}, monday.Add(3 * time.Hour), monday.Add(3 * time.Hour)},
		"at the end of the day":   {Agent{}, monday.Add(7*time.Hour + 45*time.Minute), time.Date(2026, 11, 25, 8, 30, 0, 0, clock.Vietnam)}, // 24 November is a holiday
		"before opening":          {Agent{}, monday.Add(-2 * time.Hour), monday.Add(-30 * time.Minute)},
		"day and night":           {Agent{Round: true}, monday.Add(-7 * time.Hour), monday.Add(-7 * time.Hour)},
		"connects every hour":     {Agent{Away: time.Hour}, monday, monday.Add(time.Hour)},
		"open on Saturday":        {Agent{Hours: saturday}, monday.AddDate(0, 0, 5), monday.AddDate(0, 0, 5)},
		"closed on Sunday":        {Agent{Hours: saturday}, monday.AddDate(0, 0, 6), monday.AddDate(0, 0, 7).Add(-time.Hour)},
		"closed on a day off too": {Agent{Hours: saturday}, monday.Add(26 * time.Hour), time.Date(2026, 11, 25, 8, 0, 0, 0, clock.Vietnam)},
	} {
		if got := newFleet(t, monday).e.s.missedSince(c.agent, c.since); !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func hoursOf(t *testing.T, texts ...string) (w hours.Week) {
	for _, text := range texts {
		span, err := hours.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		w = append(w, span)
	}
	return w
}

func TestP5_AnUrgentDocumentIsNeverSuppressed(t *testing.T) {
	f := newFleet(t, monday.Add(-7*time.Hour)) // two at night
	out := f.add(Site{Cluster: "Cụm A"}, 40)
	for i := range f.f.Agents {
		f.f.Agents[i].Round = true
	}
	f.step()
	f.set(false, out...)
	f.run(3 * time.Minute)
	f.f.Documents = []Document{
		{ID: "hoa-toc", Urgency: 3, Since: f.now, Waiting: out[:30]}, {ID: "khan", Urgency: 1, Since: f.now, Waiting: out[:1]},
	}
	begin := f.now
	f.run(3 * time.Hour)
	for code, limit := range map[Code]time.Duration{HoaTocLate: 15 * time.Minute, KhanLate: 2 * time.Hour} {
		a := f.told(Alert, code)
		if len(a) != 1 || a[0].Severity != Page || a[0].At.Sub(begin) < limit || a[0].At.Sub(begin) > limit+f.every {
			t.Errorf("%s: %+v", code, a)
		}
	}
	if g := f.told(Alert, GroupSilent); len(g) != 1 {
		t.Errorf("group: %+v", g)
	}
	f.set(true, out...)
	f.run(time.Minute)
	f.f.Documents = nil
	f.run(time.Hour)
	f.check()
}

func TestCatchingUpIsNotAlerted(t *testing.T) {
	f := newFleet(t, monday)
	f.every = time.Minute
	out := f.add(Site{Cluster: "Cụm A"}, 10)
	f.step()
	f.set(false, out...)
	f.run(time.Hour)
	f.set(true, out...)
	backlog, none := int64(7200), int64(0) // two hours at one byte a second
	for _, c := range out {
		f.box(c).Beat = &Beat{Backlog: &backlog, Rate: 1, Oldest: [4]time.Duration{3: time.Hour}}
	}
	f.run(100 * time.Minute)
	if n := len(f.told(Alert, OldestUnsent)); n != 0 {
		t.Errorf("%d alerts of old documents that are just being sent", n)
	}
	if n := f.e.state.Findings[Key{OldestUnsent, out[0], out[0]}]; n == nil || n.Why != CatchingUp {
		t.Errorf("recorded as %+v", n)
	}
	f.run(90 * time.Minute) // it has had its time
	if a := f.told(Alert, OldestUnsent); len(a) != 1 || a[0].Incidents[0].Count != 10 {
		t.Errorf("%+v", a)
	}
	for _, c := range out {
		f.box(c).Beat = &Beat{Backlog: &none, Rate: 1}
	}
	f.run(3 * time.Hour)
	f.check()
}

func TestABoxThatComesAndGoesIsOneAlert(t *testing.T) {
	f := newFleet(t, monday)
	box := f.add(Site{Cluster: "Cụm A"}, 30)[0]
	f.step()
	for range 20 {
		f.set(false, box)
		f.run(time.Minute)
		f.set(true, box)
		f.run(3 * time.Minute)
	}
	f.run(2 * time.Hour)
	if a := f.told(Alert); len(a) != 1 || a[0].Incidents[0].Rule != Flapping {
		t.Errorf("%+v", a)
	}
	f.check()
}

func TestSilenceMattersWhenSomethingWaits(t *testing.T) {
	f := newFleet(t, monday)
	f.every = 5 * time.Minute
	boxes := f.add(Site{Cluster: "Cụm A"}, 30)
	f.step()
	f.box(boxes[0]).Waiting = 1
	f.set(false, boxes[0], boxes[1])
	f.run(time.Hour)
	a := f.told(Alert, Silent)
	if len(a) != 1 || len(a[0].Incidents[0].Offices) != 1 || a[0].Incidents[0].Offices[0] != boxes[0] {
		t.Fatalf("%+v", a)
	}
	f.run(7 * 24 * time.Hour) // more than 24 hours of work
	if a := f.told(Alert, Silent); len(a) != 2 {
		t.Fatalf("%+v", a)
	}
	f.set(true, boxes...)
	f.run(2 * time.Hour)
	f.check()
}

func TestAcknowledgedAndSnoozedAreNotUpdatedButTheirEndIsTold(t *testing.T) {
	f := newFleet(t, monday)
	out := f.add(Site{Cluster: "Cụm A"}, 60)
	f.step()
	f.set(false, out[:20]...)
	f.run(10 * time.Minute)
	if _, err := f.e.Acknowledge(1, Ack{At: f.now, By: "an", Note: "đã gọi nhà mạng"}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.e.Snooze(2, f.now, f.now.Add(time.Hour)); err == nil {
		t.Error("there is no incident 2")
	}
	if _, err := f.e.Snooze(1, f.now, f.now); err == nil {
		t.Error("snoozed until now")
	}
	f.set(false, out...)
	f.run(time.Hour)
	if n := len(f.told(Update)); n != 0 {
		t.Errorf("%d updates", n)
	}
	f.set(true, out...)
	f.run(time.Hour)
	if n := len(f.told(Recovery)); n != 1 {
		t.Errorf("%d notes of recovery", n)
	}
	f.check()
}

func TestWhatCanWaitComesInDigests(t *testing.T) {
	f := newFleet(t, monday)
	f.every = 10 * time.Minute
	box := f.add(Site{Cluster: "Cụm A"}, 10)
	behind := 4
	f.box(box[1]).Beat = &Beat{Behind: &behind}
	f.f.Documents = []Document{{ID: "d", Urgency: 0, Since: f.now, Waiting: box[:2]}}
	f.run(7 * 24 * time.Hour)
	if a := f.told(Alert); len(a) != 0 {
		t.Fatalf("%+v", a)
	}
	days, weeks := 0, 0
	for _, n := range f.notices {
		if n.Severity == Daily {
			days++
			if n.Incidents[0].Rule != ThuongLate || n.Incidents[0].Count != 2 {
				t.Errorf("%+v", n)
			}
		} else {
			weeks++
		}
	}
	if days != 3 || weeks != 2 { // late from Tuesday evening on: Wednesday to Friday
		t.Errorf("%d daily digests, %d weekly ones", days, weeks)
	}
	f.f.Documents, f.box(box[1]).Beat = nil, &Beat{}
	f.run(time.Hour)
	behind = 0
	f.box(box[1]).Beat = &Beat{Behind: &behind}
	f.run(time.Hour)
	f.check()
}

func TestAStateThatWasSavedGoesOnTheSame(t *testing.T) {
	play := func(reload bool) []Event {
		f := newFleet(t, monday)
		f.reload = reload
		out := f.add(Site{Cluster: "Cụm A"}, 20)
		f.step()
		f.set(false, out...)
		f.run(30 * time.Minute)
		f.set(true, out[3:]...)
		f.run(time.Hour)
		f.set(true, out...)
		f.run(time.Hour)
		f.check()
		return f.events
	}
	if a, b := play(false), play(true); !reflect.DeepEqual(a, b) {
		t.Errorf("%d events without and %d with reloading", len(a), len(b))
	}
}

func BenchmarkStepWith11000(b *testing.B) {
	f := newFleet(b, monday)
	for c := range 110 {
		f.add(Site{Cluster: fmt.Sprint("Cụm ", c), Carrier: fmt.Sprint("Mạng ", c%4)}, 100)
	}
	for i := range f.f.Agents {
		full, backlog := 100.0, int64(0)
		f.f.Agents[i].Beat = &Beat{Full: &full, Backlog: &backlog}
	}
	for b.Loop() {
		f.step()
	}
}
