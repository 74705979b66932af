package mqtt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
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

func TestKeeperBacksOff(t *testing.T) {
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
		stop()
		<-done
	})
}

// failing is a keeper whose attempts all fail with err.
func failing(t *testing.T, err error) (k *keeper, tries *atomic.Int64) {
	var stats counters
	k = newKeeper(Backoff{Min: time.Second, Max: 5 * time.Minute}, slog.New(slog.DiscardHandler), &stats)
	tries = new(atomic.Int64)
	k.connect = func(context.Context) (*conn, error) {
		tries.Add(1)
		return nil, err
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	t.Cleanup(func() { stop(); <-done })
	go func() {
		defer close(done)
		k.run(ctx)
	}()
	return k, tries
}

func TestKickAfterSilenceBeginsTheBackoffAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, tries := failing(t, &net.OpError{Op: "dial", Err: syscall.ENETUNREACH})
		time.Sleep(time.Hour)
		before := tries.Load()
		k.try()
		time.Sleep(kickSpread)
		if n := tries.Load(); n == before {
			t.Error("no attempt within a second of the link coming up")
		}
		time.Sleep(10 * time.Second)
		if n := tries.Load(); n < before+3 {
			t.Errorf("%d attempts soon after a kick, want at least 3", n-before)
		}
	})
}

func TestKickDoesNotDefeatTheBackoffFromARefusingHub(t *testing.T) {
	for name, err := range map[string]error{
		"refused":       &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)},
		"turned away":   fmt.Errorf("tls handshake: %w", &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}),
		"closed":        fmt.Errorf("tls handshake: %w", io.EOF),
		"not wanted":    fmt.Errorf("%w: subscription", ErrRefused),
		"one of two":    errors.Join(fmt.Errorf("connect to a: %w", syscall.ENETUNREACH), fmt.Errorf("connect to b: %w", syscall.ECONNREFUSED)),
		"so in Windows": &net.OpError{Op: "dial", Err: os.NewSyscallError("connectex", wsaRefused)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k, tries := failing(t, err)
				time.Sleep(time.Hour)
				// A link that flaps for ten minutes: each kick is worth one attempt.
				before := tries.Load()
				const kicks = 20
				for range kicks {
					k.try()
					k.try()
					time.Sleep(30 * time.Second)
				}
				if n := tries.Load() - before; n < kicks || n > 2*kicks {
					t.Errorf("%d attempts with %d kicks", n, kicks)
				}
			})
		})
	}
}

// TestStampedeIsSpread: the hub of thousands is away, their links come up in the
// same second, and it takes connections at a certain rate and refuses the rest.
func TestStampedeIsSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const offices, rate = 11_000, 500 // connections a second
		var room, refused, taken atomic.Int64
		back := time.Now().Add(time.Minute)
		var most int64
		var keepers []*keeper
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range offices {
			var stats counters
			k := newKeeper(Backoff{Min: time.Second, Max: 5 * time.Minute}, slog.New(slog.DiscardHandler), &stats)
			k.lost = func(*conn) {}
			k.connect = func(context.Context) (*conn, error) {
				if time.Now().Before(back) || room.Add(-1) < 0 {
					refused.Add(1)
					return nil, syscall.ECONNREFUSED
				}
				taken.Add(1)
				return &conn{over: make(chan struct{})}, nil
			}
			keepers = append(keepers, k)
			all.Go(func() { k.run(ctx) })
		}
		time.Sleep(time.Until(back))
		for _, k := range keepers {
			k.try()
		}
		for range 400 {
			room.Store(rate)
			before := refused.Load() + taken.Load()
			time.Sleep(time.Second)
			if time.Since(back) > 2*time.Second {
				most = max(most, refused.Load()+taken.Load()-before)
			}
			if taken.Load() == offices {
				break
			}
		}
		if taken.Load() != offices {
			t.Errorf("%d offices are back after %v", taken.Load(), time.Since(back))
		}
		if most > 4*rate {
			t.Errorf("%d attempts in one second after the first, the hub takes %d", most, rate)
		}
		t.Logf("all back after %v, %d attempts were refused, at most %d in a second after the first", time.Since(back), refused.Load(), most)
		stop()
		all.Wait()
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
