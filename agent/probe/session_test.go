package probe_test

import (
	"testing"
	"time"

	"tram/agent/probe"
)

func TestASessionShowsWhatIsBroken(t *testing.T) {
	for _, tt := range []struct {
		name    string
		session probe.Session
		hops    int
		broken  probe.Hop
		code    string
	}{
		{"down", probe.Session{}, 0, "", ""},
		{"good", probe.Session{Connected: true, Answered: true, Up: true, RTT: 40 * time.Millisecond}, 6, "", ""},
		{"no hub", probe.Session{Connected: true, Answered: true}, 6, probe.Hub, probe.HubAway},
		{"deaf", probe.Session{Connected: true, Up: true}, 5, probe.Broker, probe.BrokerSilent},
	} {
		steps := tt.session.Steps()
		if len(steps) != tt.hops {
			t.Errorf("%s: %+v", tt.name, steps)
			continue
		}
		broken := probe.Report{Steps: steps}.Broken()
		if (broken == nil) != (tt.code == "") || broken != nil && (broken.Hop != tt.broken || broken.Code != tt.code) {
			t.Errorf("%s: broken is %+v", tt.name, broken)
		}
		if broken != nil {
			says(t, broken)
		}
	}
	for code, s := range map[string]probe.Session{
		probe.LineWaits: {NextTry: time.Now()}, probe.LineCopy: {Copy: true, Refused: true}, probe.BrokerRefused: {Refused: true},
	} {
		step := s.After()
		if step.Code != code || step.Good {
			t.Errorf("%+v is %+v", s, step)
		}
		says(t, &step)
	}
}
