package mqtt

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestMeterCutsALineThatTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		var stats counters
		m := &meter{Conn: ours, timeout: time.Minute, sent: &stats.sentBytes, received: &stats.receivedBytes}
		const piece, pieces = 100, 10
		go func() { // slow, but alive, and then dead
			buf := make([]byte, piece)
			for range pieces {
				time.Sleep(50 * time.Second)
				io.ReadFull(theirs, buf)
			}
		}()
		start := time.Now()
		n, err := m.Write(make([]byte, 2*piece*pieces))
		if n != piece*pieces || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("wrote %d bytes, error %v, want %d and a timeout", n, err, piece*pieces)
		}
		if took := time.Since(start); took < pieces*50*time.Second || took > pieces*50*time.Second+2*time.Minute {
			t.Errorf("the line was given up after %v", took)
		}
		if got := stats.sentBytes.Load(); got != int64(n) {
			t.Errorf("counted %d bytes", got)
		}
	})
}

func TestKeeperBacksOffAndTakesKicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stats counters
		k := newKeeper(Backoff{Min: time.Second, Max: 5 * time.Minute}, slog.New(slog.DiscardHandler), &stats)
		var tries atomic.Int64
		k.connect = func(context.Context) (*conn, error) {
			tries.Add(1)
			return nil, ErrRefused
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			k.run(ctx)
		}()
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := tries.Load(); n < 12 || n > 200 {
			t.Errorf("%d attempts in an hour", n)
		}
		s := k.snapshot()
		if s.Connected || !errors.Is(s.Err, ErrRefused) || int64(s.Attempts) != tries.Load() || time.Until(s.NextTry) > 5*time.Minute {
			t.Errorf("status is %+v after %d attempts", s, tries.Load())
		}
		before := tries.Load()
		k.try()
		synctest.Wait()
		if n := tries.Load(); n != before+1 {
			t.Errorf("%d attempts after a kick, want %d", n, before+1)
		}
		time.Sleep(10 * time.Second) // the kick started the backoff over
		synctest.Wait()
		if n := tries.Load(); n < before+3 {
			t.Errorf("%d attempts soon after a kick, want at least %d", n, before+3)
		}
		stop()
		<-done
	})
}

func TestKeeperRestsWhoeverKicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper(Backoff{Min: time.Second, Max: 5 * time.Minute}, slog.New(slog.DiscardHandler), new(counters))
		var tries atomic.Int64
		k.connect = func(context.Context) (*conn, error) {
			if tries.Add(1) == 1 {
				k.rest(time.Hour)
			}
			return nil, ErrRefused
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			k.run(ctx)
		}()
		for range 59 {
			k.try()
			time.Sleep(time.Minute)
		}
		if n := tries.Load(); n != 1 {
			t.Errorf("%d attempts while resting", n)
		}
		time.Sleep(2 * time.Minute)
		if n := tries.Load(); n < 2 {
			t.Errorf("%d attempts after the rest", n)
		}
		stop()
		<-done
	})
}
