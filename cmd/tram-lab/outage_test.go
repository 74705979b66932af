package main

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"
)

// TestP5_AnOutageIsToldAsOne is a short form of "tram-lab outage".
func TestP5_AnOutageIsToldAsOne(t *testing.T) {
	var out bytes.Buffer
	o := outage{boxes: 40, others: 40, speed: 240}
	o.log, o.out, o.command = io.Discard, json.NewEncoder(&out), "test"
	err := o.run(t.Context())
	figures := map[string]float64{}
	for lines := json.NewDecoder(&out); lines.More(); {
		var f Figure
		if err := lines.Decode(&f); err != nil {
			t.Fatal(err)
		}
		if f.Peer == "" {
			figures[f.Figure] = f.Value
			t.Logf("%s: %.3g %s", f.Figure, f.Value, f.Unit)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if figures[figureAlerts] != 1 || figures[figureOver] != 1 || figures[figureUrgent] != 1 || figures[figureOrphans] != 0 {
		t.Errorf("%v", figures)
	}
}
