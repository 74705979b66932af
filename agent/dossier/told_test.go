package dossier

import (
	"testing"
	"time"

	"tram/agent/problem"
)

// TestP11_WhatIsToldAfterwardsKeepsItsTime: within days, not before what happened
// here, and with clocks that differ a little.
func TestP11_WhatIsToldAfterwardsKeepsItsTime(t *testing.T) {
	for name, c := range map[string]struct {
		at, want time.Time // of the day of filing, 09:00
		code     string
	}{
		"now":                 {time.Time{}, monday.Add(time.Hour), ""},
		"as it was":           {monday.Add(20 * time.Minute), monday.Add(20 * time.Minute), ""},
		"whole seconds":       {monday.Add(-time.Millisecond), monday, ""},
		"a clock behind":      {monday.Add(-maxApart), monday, ""},
		"before it was filed": {monday.Add(-maxApart - time.Second), time.Time{}, "dossier.told-late"},
		"a clock ahead":       {monday.Add(time.Hour + maxApart), monday.Add(time.Hour), ""},
		"in the future":       {monday.Add(time.Hour + maxApart + time.Second), time.Time{}, "dossier.told-at"},
		"long ago":            {monday.Add(-8 * 24 * time.Hour), time.Time{}, "dossier.told-at"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			x, err := d.File(t.Context(), filing(), gate)
			noError(t, err)
			d.clock = monday.Add(time.Hour)
			by := hien
			by.At = c.at
			x, err = d.Accept(t.Context(), x.ID, nil, by, 0)
			if c.code != "" {
				if problem.From(err).Code != c.code {
					t.Errorf("%v", err)
				}
				return
			}
			noError(t, err)
			if !x.Accepted.Equal(c.want) || !x.Events[1].Learnt.Equal(monday.Add(time.Hour)) {
				t.Errorf("accepted at %v, learnt at %v", x.Accepted, x.Events[1].Learnt)
			}
		})
	}
}
