package linktest_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"tram/sync/linktest"
)

// echoServer returns what it gets until the test ends.
func echoServer(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, conn)
			}()
		}
	}()
	return ln.Addr().String()
}

func newProxy(t *testing.T, o linktest.ProxyOptions) *linktest.Proxy {
	t.Helper()
	p, err := linktest.NewProxy(o)
	if err != nil {
		t.Fatalf("new proxy: %v", err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func connect(t *testing.T, p *linktest.Proxy) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// echo sends data and reads it back.
func echo(t *testing.T, conn net.Conn, data []byte) time.Duration {
	t.Helper()
	start := time.Now()
	go conn.Write(data)
	got := make([]byte, len(data))
	if _, err := io.ReadFull(conn, got); err != nil {
		t.Fatalf("read back: %v", err)
	}
	if !bytes.Equal(got, data) {
		t.Fatal("the proxy altered the stream")
	}
	return time.Since(start)
}

func noise(n int) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(data)
	return data
}

func TestProxyKeepsItsRate(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{64 << 10, 512 << 10} {
		p := newProxy(t, linktest.ProxyOptions{Target: echoServer(t), Up: linktest.Line{Rate: rate}})
		took := echo(t, connect(t, p), noise(rate/2)).Seconds()
		t.Logf("%d bytes/s: half of it took %.3f s", rate, took)
		if took < 0.48 || took > 3 {
			t.Errorf("%d bytes/s: half of it took %.3f s", rate, took)
		}
	}
}

func TestProxyDelays(t *testing.T) {
	t.Parallel()
	const way = 60 * time.Millisecond
	p := newProxy(t, linktest.ProxyOptions{
		Target: echoServer(t), Up: linktest.Line{Delay: way}, Down: linktest.Line{Delay: way},
	})
	if took := echo(t, connect(t, p), noise(100)); took < 2*way {
		t.Errorf("round trip took %v, want at least %v", took, 2*way)
	}
}

func TestProxyLosesTheSameSegmentsForTheSameSeed(t *testing.T) {
	t.Parallel()
	const stall = 20 * time.Millisecond
	losses := func(seed uint64) []int64 {
		var mu sync.Mutex
		var lost []int64
		p := newProxy(t, linktest.ProxyOptions{
			Target: echoServer(t), Seed: seed, Up: linktest.Line{Loss: 0.1, Stall: stall},
			Lost: func(_ uint64, _ bool, offset int64) {
				mu.Lock()
				defer mu.Unlock()
				lost = append(lost, offset)
			},
		})
		took := echo(t, connect(t, p), noise(100*linktest.Segment))
		mu.Lock()
		defer mu.Unlock()
		if took < stall {
			t.Errorf("%d losses held the stream up for %v only", len(lost), took)
		}
		return lost
	}
	first, again, other := losses(1), losses(1), losses(2)
	if len(first) == 0 || !slices.Equal(first, again) {
		t.Errorf("losses differ for the same seed: %v and %v", first, again)
	}
	if slices.Equal(first, other) {
		t.Error("another seed loses the same segments")
	}
}

func TestProxyCuts(t *testing.T) {
	t.Parallel()
	p := newProxy(t, linktest.ProxyOptions{Target: echoServer(t)})
	conn := connect(t, p)
	echo(t, conn, noise(1000))
	p.CutAfter(5000)
	echo(t, conn, noise(1000))
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Write(noise(8000)); err != nil {
		t.Fatalf("write: %v", err)
	}
	if n, err := io.Copy(io.Discard, conn); err == nil {
		t.Errorf("connection ended without an error after %d bytes", n)
	}
	echo(t, connect(t, p), noise(1000))
	if up, down := p.Traffic(); up < 6000 || down < 2000 { // the piece that the cut falls into may be lost
		t.Errorf("counted %d up and %d down", up, down)
	}
	p.Refuse(true)
	if refused, err := net.Dial("tcp", p.Addr()); err == nil {
		defer refused.Close()
		if n, err := refused.Read(make([]byte, 1)); err == nil {
			t.Errorf("a refused connection gave %d bytes", n)
		}
	}
}

func TestProxyFreezes(t *testing.T) {
	t.Parallel()
	p := newProxy(t, linktest.ProxyOptions{Target: echoServer(t)})
	conn := connect(t, p)
	echo(t, conn, noise(1000))
	p.Freeze()
	conn.Write(noise(1000))
	conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := conn.Read(make([]byte, 1000)); err == nil {
		t.Fatalf("%d bytes crossed a frozen line", n)
	}
	p.Thaw()
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadFull(conn, make([]byte, 1000)); err != nil {
		t.Fatalf("read after thaw: %v", err)
	}
}
