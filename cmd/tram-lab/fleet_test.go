package main

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"
	"time"
)

// TestP9_AFleetLosesNothing is a short form of "tram-lab fleet": offices connect in
// stages, tell the hub how they stand, and send documents.
func TestP9_AFleetLosesNothing(t *testing.T) {
	var out bytes.Buffer
	f := fleetBench{stages: []int{20, 40}, every: 2 * time.Second, idle: time.Second, load: 2 * time.Second}
	f.bin, f.log, f.out, f.command = hubBuilt(t), io.Discard, json.NewEncoder(&out), "test"
	if err := f.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	figures := read(t, &out)
	if lost, found := figures[figureLost]; !found || lost != 0 {
		t.Errorf("%v documents lost or doubled (measured: %v)", lost, found)
	}
	if figures["documents that went through the hub"] < 1 {
		t.Error("no documents went through the hub")
	}
}
