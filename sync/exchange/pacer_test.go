package exchange

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tram/sync/schedule"
)

func TestP9_OffersOfThousandsAreSpreadAndAllTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const offices, work = 11_000, 20 * time.Millisecond
		p := newPacer()
		var most, now, deferred atomic.Int64
		begin := time.Now()
		var all sync.WaitGroup
		for range offices {
			all.Go(func() {
				time.Sleep(rand.N(time.Second))
				for {
					done, after := p.admit(schedule.Normal, time.Now())
					if done == nil {
						deferred.Add(1)
						time.Sleep((after + time.Second - 1).Truncate(time.Second)) // as DEFER says it
						continue
					}
					most.Store(max(most.Load(), now.Add(1)))
					time.Sleep(work)
					now.Add(-1)
					done()
					return
				}
			})
		}
		all.Wait()
		if most.Load() > maxAdmitting {
			t.Errorf("%d admissions at once", most.Load())
		}
		least := offices / maxAdmitting * work
		if took := time.Since(begin); took > 4*least+10*time.Second {
			t.Errorf("took %v, the work alone %v", took, least)
		}
		if n := deferred.Load(); n > 3*offices {
			t.Errorf("%d deferrals for %d offers", n, offices)
		}
	})
}

func TestP5_UrgentOffersAreNotDeferred(t *testing.T) {
	p := newPacer()
	for range maxAdmitting {
		if done, _ := p.admit(schedule.Normal, time.Now()); done == nil {
			t.Fatal("deferred although there is room")
		}
	}
	if done, after := p.admit(schedule.Urgent, time.Now()); done != nil || after < time.Second {
		t.Errorf("khẩn beyond the bound: taken or after %v", after)
	}
	for _, urgency := range []uint8{schedule.VeryUrgent, schedule.MostUrgent} {
		if done, _ := p.admit(urgency, time.Now()); done == nil {
			t.Errorf("urgency %d was deferred", urgency)
		}
	}
	for range maxReading {
		p.read(t.Context(), schedule.Normal)
	}
	if p.read(t.Context(), schedule.MostUrgent) == nil {
		t.Error("hỏa tốc waits for a place to be read")
	}
}

func TestP9_DeferralsHaveABound(t *testing.T) {
	p := newPacer()
	p.arriving.Store(maxIncoming)
	p.took = time.Hour
	for range 10_000 {
		done, after := p.admit(schedule.Normal, time.Now())
		if done != nil {
			t.Fatal("taken over the bound")
		}
		if after > 2*maxPace {
			t.Fatalf("deferred for %v", after)
		}
	}
}

func TestLaneKeepsOrderAndRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group sync.WaitGroup
		var got []int
		l := lane[int]{limit: 3, group: &group, do: func(i int) {
			time.Sleep(time.Second)
			got = append(got, i)
		}}
		for i := range 10 {
			l.put(i)
			synctest.Wait()
		}
		if l.put(10) {
			t.Error("more than the limit wait")
		}
		group.Wait()
		if l.running || len(got) != 4 || got[0] != 0 || got[3] != 3 {
			t.Errorf("ran %v, still running: %v", got, l.running)
		}
	})
}
