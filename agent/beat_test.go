package agent_test

import (
	"path/filepath"
	"testing"
	"time"

	"tram/agent/config"
	"tram/agent/health"
	"tram/agent/hub"
	"tram/agent/hub/fleet"
)

// TestAHeartbeatArrivesAndShows has a real office tell a real hub how it stands,
// over the embedded broker; a condition that appears there is told at once.
func TestAHeartbeatArrivesAndShows(t *testing.T) {
	p := found(t)
	p.settings = func(code string, c *config.Office) {
		c.Heartbeat = config.Heartbeat{Every: time.Second, Metered: time.Hour}
		if code == codeB { // its reserve is more than any disk has
			c.Storage.Reserve = 900_000_000 * config.MB
		}
	}
	p.startHub()
	a := p.join(codeA)
	var report hub.AgentReport
	p.eventually("a heartbeat of "+codeA, func() bool {
		var err error
		report, err = p.theHub.Agent(t.Context(), codeA)
		if err != nil {
			t.Fatal(err)
		}
		return report.Last != nil && report.State == fleet.Normal && report.Online
	})
	if report.Software != "tram test" || report.Last.Every != 1 || report.Certificate.IsZero() || report.DiskFree == 0 || report.Cluster != "H40" || len(report.Bands) == 0 {
		t.Errorf("of %s the hub knows %+v, its last heartbeat is %+v", codeA, report.Agent, report.Last)
	}
	p.join(codeB)
	p.eventually("the full disk of "+codeB, func() bool {
		list, err := p.theHub.ListAgents(t.Context(), hub.AgentQuery{States: []fleet.State{fleet.NeedsRepair}})
		return err == nil && len(list.Agents) == 1 && list.Agents[0].Code == codeB && list.Agents[0].Reason.Code == health.DiskLow
	})
	if err := p.theHub.ChangeAgent(t.Context(), hub.AgentChange{Act: hub.ActPause, Code: codeB}, "test"); err != nil {
		t.Fatal(err)
	}
	if report, err := p.theHub.Agent(t.Context(), codeB); err != nil || report.State != fleet.Stopped || report.Reason.Code != fleet.ReasonPaused {
		t.Errorf("paused it is %v, %+v (error %v)", report.State, report.Reason, err)
	}
	if found, err := filepath.Glob(filepath.Join(a.dir, "disk-trend.json")); err != nil || len(found) != 1 {
		t.Errorf("the trend of the disk is in %q (error %v)", found, err)
	}
}
