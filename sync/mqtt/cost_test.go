package mqtt_test

import (
	"crypto/tls"
	"testing"
	"time"

	"tram/sync/mqtt"
	"tram/sync/wire"
)

// TestCostOfConnecting holds the bytes of one connection, from TCP to Up, to
// what a metered line can bear.
func TestCostOfConnecting(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, c := range []struct {
		name     string
		curves   []tls.CurveID
		up, down int64
	}{
		{"classic", []tls.CurveID{tls.X25519}, 2000, 2000},
		{"post-quantum", []tls.CurveID{tls.X25519MLKEM768}, 3300, 3200},
	} {
		office := s.office("H40.01", func(o *mqtt.Options) { o.TLS.CurvePreferences = c.curves })
		wantUp(t, office)
		stats := office.Stats()
		t.Logf("%s key exchange: %d bytes up, %d down", c.name, stats.SentBytes, stats.ReceivedBytes)
		if stats.SentBytes > c.up || stats.ReceivedBytes > c.down {
			t.Errorf("%s: more than %d up or %d down", c.name, c.up, c.down)
		}
		office.Close()
	}
}

// TestOverhead compares the bytes on the socket with those in frames.
func TestOverhead(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	office := s.office("H40.01", nil)
	wantUp(t, office)
	before := office.Stats().SentBytes
	const frames = 20
	for size, most := range map[int]float64{4 << 10: 0.02, 16 << 10: 0.006} {
		for range frames {
			if err := office.Send(t.Context(), make([]byte, size), true); err != nil {
				t.Fatalf("send: %v", err)
			}
		}
		after := office.Stats().SentBytes
		over := float64(after-before)/float64(frames*size) - 1
		t.Logf("frames of %d bytes cost %.2f %% more on the socket", size, 100*over)
		if over > most {
			t.Errorf("frames of %d bytes cost %.2f %% more, want at most %.2f %%", size, 100*over, 100*most)
		}
		before = after
	}
}

// BenchmarkBulk is one office sending chunks to the hub over the embedded
// broker with mutual TLS, all on this machine.
func BenchmarkBulk(b *testing.B) {
	s := newSite(b)
	office := s.office("H40.01", nil)
	wantUp(b, office)
	peer := <-s.hub.Peers()
	frame := make([]byte, wire.MaxChunk)
	b.SetBytes(int64(len(frame)))
	done := make(chan int)
	go func() {
		got := 0
		defer func() { done <- got }()
		for {
			select {
			case ev := <-peer.Events():
				if ev.Frame != nil {
					got++
				}
			case <-time.After(time.Second):
				return
			}
		}
	}()
	for b.Loop() {
		if err := office.Send(b.Context(), frame, true); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(100*float64(<-done)/float64(b.N), "%arrived")
}
