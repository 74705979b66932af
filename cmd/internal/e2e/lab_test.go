package e2e

import (
	"bytes"
	"os"
	"testing"
	"time"

	"tram/cmd/internal/linklab"
)

// TestLabMeasuresTram runs one small scenario of the link lab, as root over
// packets, else over the relay. What it takes is the lab's to show; here it
// must be a time that the line allows.
func TestLabMeasuresTram(t *testing.T) {
	t.Parallel()
	var out, log bytes.Buffer
	begin := time.Now()
	err := linklab.Run(t.Context(), linklab.Options{
		Only: []string{"mix-up"}, Peers: []string{"tram"}, Congestion: []string{"cubic"}, Quick: true, Relay: os.Geteuid() != 0,
		Seed: 1, Bin: bin, Command: "go test", Out: &out, Log: &log,
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, log.Bytes())
	}
	figures, err := linklab.Read(&out)
	if err != nil {
		t.Fatal(err)
	}
	if len(figures) < 2 {
		t.Fatalf("%d figures\n%s", len(figures), log.Bytes())
	}
	for _, f := range figures {
		if f.Value == nil {
			t.Errorf("%s: %s\n%s", f.Figure, f.Reason, log.Bytes())
		}
	}
	if ratio := figures[0].Value; ratio != nil && (*ratio < 1 || *ratio > 4) {
		t.Errorf("%s: %v; the run took %v\n%s", figures[0].Figure, *ratio, time.Since(begin), log.Bytes())
	}
}
