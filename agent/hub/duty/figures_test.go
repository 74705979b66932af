package duty

import (
	"reflect"
	"testing"
	"time"

	"tram/agent/hub/incident"
)

func TestFiguresFollowTheIncidents(t *testing.T) {
	r, _, f, now := outage(t)
	got, err := r.Figures(t.Context())
	must(t, err)
	if want := []Figure{{incident.GroupSilent, incident.Page, 1}}; !reflect.DeepEqual(got.Incidents, want) {
		t.Errorf("open are %v", got.Incidents)
	}
	f = set(f, true, now, all(20)...)
	for range 30 {
		now = now.Add(time.Minute)
		must(t, r.Step(t.Context(), now, f))
	}
	if got, err = r.Figures(t.Context()); err != nil || len(got.Incidents)+len(got.Findings) > 0 {
		t.Errorf("afterwards: %+v, %v", got, err)
	}
	f.Hub.Conditions = []incident.Condition{{Code: "disk"}}
	must(t, r.Step(t.Context(), now.Add(time.Minute), f))
	got, err = r.Figures(t.Context())
	must(t, err)
	if want := []Figure{{incident.HubDegraded, incident.Critical, 1}}; !reflect.DeepEqual(got.Findings, want) {
		t.Errorf("found is %v", got.Findings)
	}
}
