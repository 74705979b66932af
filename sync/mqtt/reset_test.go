package mqtt_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"tram/sync/mqtt"
)

// patient never tries again by itself within a test.
var patient = mqtt.Tuning{Backoff: mqtt.Backoff{Min: 24 * time.Hour, Max: 24 * time.Hour}}

var errGone = errors.New("interface is gone")

func TestResetEndsTheConnectionAndTriesAtOnce(t *testing.T) {
	s := newSite(t)
	c := s.office("H40.1", func(o *mqtt.Options) { o.Tuning = patient })
	wantUp(t, c)
	if addr := c.LocalAddr(); !addr.IsLoopback() {
		t.Errorf("local address is %v", addr)
	}
	c.Reset(errGone)
	if err := wantDown(t, c); !errors.Is(err, errGone) {
		t.Errorf("down because of %v", err)
	}
	wantUp(t, c)
}

func TestResetEndsAnAttemptThatHangs(t *testing.T) {
	s := newSite(t)
	var calls atomic.Int32
	hanging := make(chan struct{})
	c := s.office("H40.1", func(o *mqtt.Options) {
		o.Tuning = patient
		o.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if calls.Add(1) == 1 {
				close(hanging)
				<-ctx.Done()
				return nil, ctx.Err()
			}
			var d net.Dialer
			return d.DialContext(ctx, network, addr)
		}
	})
	<-hanging
	if addr := c.LocalAddr(); addr.IsValid() {
		t.Errorf("local address without a connection: %v", addr)
	}
	c.Reset(errGone)
	wantUp(t, c) // long before the attempt or the pause after it would have ended
}

// TestAKickWhileConnectedIsForgotten: else a whole province that was kicked
// would return in step after the next outage.
func TestAKickWhileConnectedIsForgotten(t *testing.T) {
	s := newSite(t)
	c := s.office("H40.1", func(o *mqtt.Options) { o.Tuning = patient })
	wantUp(t, c)
	c.Kick()
	s.b.Close()
	wantDown(t, c)
	time.Sleep(200 * time.Millisecond)
	if st, n := c.Status(), c.Stats().Failures; n != 0 || st.NextTry.IsZero() {
		t.Errorf("%d attempts at once, next try %v", n, st.NextTry)
	}
}
