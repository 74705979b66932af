package hub

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"tram/agent/hub/alert"
	"tram/agent/hub/fleet"
	"tram/agent/metrics"
)

func TestP9_LabelsOfClustersAreBounded(t *testing.T) {
	m := &monitor{}
	homes := map[string]string{"alone": ""}
	for cluster := range 3 * maxClusters {
		for box := range cluster + 2 {
			homes[fmt.Sprintf("%d.%d", cluster, box)] = fmt.Sprintf("Cụm %03d", cluster)
		}
	}
	m.place(homes)
	count := func() map[string]int {
		labels := map[string]int{}
		for code := range homes {
			labels[m.home(code)]++
		}
		return labels
	}
	if labels := count(); len(labels) != maxClusters+1 || labels["Cụm 149"] != 151 || labels[otherLabel] == 0 || labels["Cụm 099"] != 0 {
		t.Errorf("there are %d labels: %v", len(labels), labels)
	}
	for box := range 1000 { // becomes the largest: those that have a label keep it
		homes[fmt.Sprint("new.", box)] = "Cụm mới"
	}
	m.place(homes)
	if labels := count(); len(labels) != maxClusters+1 || labels["Cụm 149"] != 151 || m.home("new.1") != otherLabel || m.home("nobody") != otherLabel {
		t.Errorf("there are %d labels: %v", len(labels), labels)
	}
	few := &monitor{}
	few.place(map[string]string{"a": "", "b": "Cụm A"})
	if few.home("a") != noCluster || few.home("b") != "Cụm A" || few.cluster("Cụm B") != otherLabel {
		t.Errorf("a is of %q, b of %q", few.home("a"), few.home("b"))
	}
	if urgency(3) != "hoa-toc" || urgency(0) != "thuong" || urgency(9) != "hoa-toc" {
		t.Error("urgencies have other labels")
	}
	if known("from-the-future") != otherLabel || known(fleet.ReasonFlapping) != fleet.ReasonFlapping || known("disk-low") != "disk-low" {
		t.Error("codes have other labels")
	}
}

type channel struct{ fails bool }

func (channel) Name() string { return "mail" }
func (c channel) Send(context.Context, alert.Message) error {
	if c.fails {
		return errors.New("no")
	}
	return nil
}

func TestAlertsAreCounted(t *testing.T) {
	m := &monitor{alerts: metrics.NewCounts(alertsTotal)}
	for _, fails := range []bool{true, false, true} {
		if err := m.watched(channel{fails}).Send(t.Context(), alert.Message{}); (err != nil) != fails {
			t.Error(err)
		}
	}
	s := metrics.NewSet(Metrics)
	m.alerts.Into(s)
	for result, want := range map[string]float64{"sent": 1, "failed": 2} {
		if got := s.Value(alertsTotal, "mail", result); got != want {
			t.Errorf("%s: %v", result, got)
		}
	}
	var none *monitor
	if none.watched(channel{}) != (channel{}) || none.serve(t.Context(), nil) != nil || none.settle(t.Context()) != nil {
		t.Error("a hub that nobody asks counts")
	}
	none.beat(true)
	none.refused("guard", "offer", 1)
}

func TestP9_TheRarestSoftwareIsOne(t *testing.T) {
	s, software := metrics.NewSet(Metrics), map[string]int{}
	for i := range 2 * maxSoftware {
		software[fmt.Sprintf("tram 1.%d", i)] = i + 1
	}
	addSoftware(s, software)
	if got := s.Value(agentsSoftware, "tram 1.39"); got != 40 {
		t.Errorf("the most frequent has %v", got)
	}
	if got := s.Value(agentsSoftware, otherLabel); got != maxSoftware*(maxSoftware+1)/2 {
		t.Errorf("the others have %v", got)
	}
}
