package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestSealsAreMeasuredBesideOpenSSL(t *testing.T) {
	var out bytes.Buffer
	b := bench{out: json.NewEncoder(&out), command: "test"}
	if err := b.seals(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	figures := 0
	for line := range strings.Lines(out.String()) {
		var f Figure
		if err := json.Unmarshal([]byte(line), &f); err != nil || f.Value <= 0 || !strings.HasPrefix(f.Peer, "openssl speed ") || strings.HasSuffix(f.Peer, ": 0/s") {
			t.Errorf("%s: %v", line, err)
		}
		figures++
	}
	if figures != 6 {
		t.Errorf("%d figures, want 6", figures)
	}
}
