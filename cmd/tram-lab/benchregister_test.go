package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestRegistersAreMeasured(t *testing.T) {
	var out bytes.Buffer
	b := bench{out: json.NewEncoder(&out), command: "test"}
	if err := b.registers(t.Context(), 40); err != nil {
		t.Fatal(err)
	}
	figures := 0
	for line := range strings.Lines(out.String()) {
		var f Figure
		if err := json.Unmarshal([]byte(line), &f); err != nil || f.Value <= 0 || !strings.Contains(f.Figure, "register of 40 lines") {
			t.Errorf("%s: %v", line, err)
		}
		figures++
	}
	if figures != 24 {
		t.Errorf("%d figures, want 24", figures)
	}
}
