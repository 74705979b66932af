package broker

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestRefusalsAreMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []Refusal
		r := newReporter(func(f Refusal) { told = append(told, f) })
		same := Refusal{Office: "H40.01", Remote: "192.0.2.1:1", Action: ActionPublish, Topic: "x"}
		for range 100 {
			r.report(same)
		}
		r.report(Refusal{Office: "H40.02", Action: ActionPublish, Topic: "x"})
		time.Sleep(RefusalInterval)
		r.report(same)
		if len(told) != 3 || told[2].Repeats != 99 {
			t.Errorf("told %+v", told)
		}
		for i := range 10 * maxReasons {
			r.report(Refusal{Remote: fmt.Sprintf("192.0.2.1:%d", i), Action: ActionHandshake, Topic: fmt.Sprint(i)})
		}
		if len(r.seen) > maxReasons {
			t.Errorf("%d reasons are remembered", len(r.seen))
		}
	})
}
