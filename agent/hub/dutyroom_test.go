package hub

import (
	"testing"
	"time"

	"tram/agent/health/beat"
	"tram/agent/hub/fleet"
	"tram/agent/hub/incident"
	"tram/agent/workdays"
)

// TestAHeartbeatBecomesFindings takes the figures of a box in trouble through the
// engine, with rules as they are.
func TestAHeartbeatBecomesFindings(t *testing.T) {
	now := time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC)
	days, forecast := 2, int64(1_500)
	b := fleet.Watched{
		Agent: fleet.Agent{Code: "H40.12", Enrolled: true, Online: true, Since: now.Add(-time.Hour), Beat: now, QueueBytes: 100_000, Rate: 1, DiskDays: &days, Certificate: now.AddDate(0, 0, 5)},
		Last: &beat.Beat{
			Clock:  beat.Clock{Offset: -240_000}, // it is ahead
			Queue:  beat.Queue{Levels: []beat.Level{{Urgency: 3, Count: 1, Since: now.Add(4*time.Minute - time.Hour)}}},
			Budget: &beat.Budget{Limit: 1_000, Forecast: &forecast},
			Backup: now.AddDate(0, 0, -20),
			Failed: []beat.Failed{{Sender: "H40.15", Count: 1, Last: now.Add(-time.Hour)}},
		},
	}
	cal, err := workdays.Vietnam()
	if err != nil {
		t.Fatal(err)
	}
	figures := figuresOf(now, b)
	if got := figures.Oldest[3]; got != time.Hour {
		t.Errorf("by its own clock %v", got)
	}
	e := incident.New(incident.DefaultSettings(cal), incident.NewState())
	e.Step(now, incident.Facts{
		Hub: incident.Hub{Code: "H40", Up: now.Add(-24 * time.Hour)}, Signatures: failedAt(b),
		Agents: []incident.Agent{{Code: b.Code, Online: true, Since: b.Since, Beat: figures}},
	})
	want := map[incident.Code]incident.Severity{
		incident.OldestUnsent: incident.Warning, incident.QueueSlow: incident.Warning, incident.ClockOff: incident.Warning, incident.DiskFilling: incident.Critical,
		incident.CertificateEnding: incident.Critical, incident.SIMForecast: incident.Warning, incident.BackupOld: incident.Weekly, incident.SignatureBad: incident.Page,
	}
	for key, f := range e.State().Findings {
		if want[key.Rule] != f.Severity {
			t.Errorf("%v is %s", key, f.Severity)
		}
		delete(want, key.Rule)
	}
	if len(want) > 0 {
		t.Errorf("not found: %v", want)
	}
	if b.Stopped = true; failedAt(b) != nil {
		t.Error("a box that is stopped is heard")
	}
}
