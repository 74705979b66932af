package incident

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestRandomSchedulesKeepThePromises plays outages, strays, bad figures and documents
// by chance; at the end everything is well again.
func TestRandomSchedulesKeepThePromises(t *testing.T) {
	const seeds = 10
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { playAtRandom(t, seed) })
	}
}

func playAtRandom(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 7))
	f := newFleet(t, monday.Add(time.Duration(rng.IntN(7*24))*time.Hour))
	f.every, f.reload = time.Minute, seed%2 == 0
	for c := range 4 {
		for s := range 3 {
			boxes := f.add(Site{Cluster: fmt.Sprint("Cụm ", c), Carrier: fmt.Sprint("Mạng ", s%2), Station: fmt.Sprint("Trạm ", s)}, 5+rng.IntN(10))
			for _, b := range boxes {
				f.box(b).Round = rng.IntN(2) == 0
			}
		}
	}
	late := map[string]bool{} // urgent documents that came to their limit
	for range 400 {
		switch rng.IntN(12) {
		case 0: // a link goes
			g := f.f.Agents[rng.IntN(len(f.f.Agents))].Site
			for i := range f.f.Agents {
				if a := &f.f.Agents[i]; a.Site == g && rng.IntN(10) > 0 {
					f.set(false, a.Code)
				}
			}
		case 1, 2: // most come back
			for i := range f.f.Agents {
				if rng.IntN(3) > 0 {
					f.set(true, f.f.Agents[i].Code)
				}
			}
		case 3:
			f.set(rng.IntN(2) == 0, f.f.Agents[rng.IntN(len(f.f.Agents))].Code)
		case 4:
			d := Document{ID: fmt.Sprint("d", f.now.Unix()), Urgency: rng.IntN(4), Since: f.now}
			for range 1 + rng.IntN(5) {
				d.Waiting = append(d.Waiting, f.f.Agents[rng.IntN(len(f.f.Agents))].Code)
			}
			f.f.Documents = append(f.f.Documents, d)
		case 5:
			if n := len(f.f.Documents); n > 0 {
				f.f.Documents = append(f.f.Documents[:0:0], f.f.Documents[rng.IntN(n):]...)
			}
		case 6:
			a := &f.f.Agents[rng.IntN(len(f.f.Agents))]
			off, full, backlog := rng.Float64()*900, rng.Float64()*20, int64(rng.IntN(1000))
			a.Beat = &Beat{Clock: &off, Full: &full, Backlog: &backlog, Rate: rng.Float64() * 10, Certificate: f.now.AddDate(0, 0, rng.IntN(60))}
			a.Waiting = rng.IntN(3)
		case 7:
			f.f.Hub.Conditions = nil
			if rng.IntN(3) == 0 {
				f.f.Hub.Conditions = []Condition{{Code: "disk-low"}}
			}
		case 8:
			if list := f.e.openOnes(); len(list) > 0 && rng.IntN(4) == 0 {
				if _, err := f.e.Snooze(list[rng.IntN(len(list))].ID, f.now, f.now.Add(time.Hour)); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, d := range f.f.Documents {
			if d.Urgency > 0 && len(d.Waiting) > 0 && f.now.Sub(d.Since) >= f.e.s.Due("", d.Urgency, d.Since).Sub(d.Since) {
				late[d.ID] = true
			}
		}
		f.step()
	}
	for i := range f.f.Agents {
		a := &f.f.Agents[i]
		f.set(true, a.Code)
		none := int64(0)
		off, full := 0.0, 400.0
		a.Waiting, a.Beat = 0, &Beat{Backlog: &none, Rate: 1, Clock: &off, Full: &full, Certificate: f.now.AddDate(1, 0, 0)}
	}
	f.f.Documents, f.f.Hub.Conditions = nil, nil
	f.run(4 * time.Hour)
	f.check()
	urgent := map[string]int{}
	for _, n := range f.told(Alert, HoaTocLate, ThuongKhanLate, KhanLate) {
		urgent[n.Incidents[0].Scope]++
	}
	for d := range late {
		if urgent[d] == 0 {
			t.Errorf("urgent document %s came to its limit and was not told", d)
		}
	}
	for d, n := range urgent {
		if n > 1 {
			t.Errorf("urgent document %s was told %d times", d, n)
		}
	}
}
