package line

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// memory is one end of a line in memory.
type memory struct {
	in  chan []byte // what the host sends
	out chan []byte // what reaches the host
}

func newMemory() *memory { return &memory{make(chan []byte, 4096), make(chan []byte, 4096)} }

func (d *memory) Read(p []byte, wait time.Duration) (int, error) {
	select {
	case packet, ok := <-d.in:
		if !ok {
			return 0, io.EOF
		}
		return copy(p, packet), nil
	case <-time.After(wait):
		return 0, nil
	}
}

func (d *memory) Write(p []byte) (int, error) {
	d.out <- append([]byte(nil), p...)
	return len(p), nil
}

// pair runs an emulator between two devices until the test ends.
func pair(t *testing.T, seed uint64, upward, downward Direction) (e *emulator, office, hub *memory) {
	office, hub = newMemory(), newMemory()
	e = newEmulator(office, hub, seed)
	e.Set(upward, downward)
	t.Cleanup(func() {
		close(office.in)
		close(hub.in)
		e.wg.Wait()
	})
	return e, office, hub
}

// tcp makes a packet of the office's port 1000 to the hub's port 80.
func tcp(seq uint32, flags byte, payload int) []byte {
	p := make([]byte, 40+payload)
	p[0], p[9] = 0x45, protocolTCP
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	binary.BigEndian.PutUint16(p[20:], 1000)
	binary.BigEndian.PutUint16(p[22:], 80)
	binary.BigEndian.PutUint32(p[24:], seq)
	p[32], p[33] = 5<<4, flags
	return p
}

// arrived collects what reaches a device until nothing has for a while.
func arrived(d *memory, quiet time.Duration) (n int, last time.Time) {
	for {
		select {
		case <-d.out:
			n, last = n+1, time.Now()
		case <-time.After(quiet):
			return n, last
		}
	}
}

func TestLineHasRateAndDelay(t *testing.T) {
	t.Parallel()
	const packets, size = 20, 1000
	_, office, hub := pair(t, 1, Direction{Rate: 800_000, Delay: 100 * time.Millisecond}, Direction{})
	begin := time.Now()
	for range packets {
		office.in <- make([]byte, size)
	}
	n, last := arrived(hub, 300*time.Millisecond)
	took := last.Sub(begin)
	if want := 300 * time.Millisecond; n != packets || took < want || took > want+150*time.Millisecond {
		t.Errorf("%d of %d packets in %v, want %v", n, packets, took, want)
	}
}

func TestQueueIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	e, office, hub := pair(t, 1, Direction{Rate: 1_000_000, Queue: 10_000}, Direction{})
	for range 50 {
		office.in <- make([]byte, 1000)
	}
	n, _ := arrived(hub, 200*time.Millisecond)
	traffic, _ := e.Traffic()
	if n < 10 || n > 12 || traffic.Up.Full != int64(50-n) || traffic.Up.Packets != 50 {
		t.Errorf("%d packets went through a queue for 10, %+v", n, traffic.Up)
	}
}

func TestLossIsDecidedBySeed(t *testing.T) {
	t.Parallel()
	count := func(seed uint64) int64 {
		e, office, hub := pair(t, seed, Direction{Loss: 0.1}, Direction{})
		for range 1000 {
			office.in <- make([]byte, 100)
		}
		arrived(hub, 100*time.Millisecond)
		traffic, _ := e.Traffic()
		return traffic.Up.Lost
	}
	a, b, c := count(1), count(1), count(2)
	if a != b || a < 70 || a > 130 || c < 70 || c > 130 {
		t.Errorf("lost %d, %d, with another seed %d of 1000 at 10 %%", a, b, c)
	}
}

func TestCutTakesWhatIsOnTheWay(t *testing.T) {
	t.Parallel()
	e, office, hub := pair(t, 1, Direction{Delay: 100 * time.Millisecond}, Direction{})
	office.in <- make([]byte, 100)
	time.Sleep(30 * time.Millisecond)
	e.Link(false)
	office.in <- make([]byte, 100)
	if n, _ := arrived(hub, 200*time.Millisecond); n != 0 {
		t.Errorf("%d packets came through a cut", n)
	}
	e.Link(true)
	office.in <- make([]byte, 100)
	if n, _ := arrived(hub, 200*time.Millisecond); n != 1 {
		t.Errorf("%d packets after the cut, want 1", n)
	}
	if traffic, _ := e.Traffic(); traffic.Up.Cut != 2 {
		t.Errorf("%+v", traffic.Up)
	}
}

func TestPayloadCountsOnceAndForgottenFlowsAreDead(t *testing.T) {
	t.Parallel()
	e, office, hub := pair(t, 1, Direction{}, Direction{})
	for _, p := range [][]byte{
		tcp(4294967000, flagSYN, 0), tcp(4294967001, flagACK, 500), tcp(205, flagACK, 100),
		tcp(4294967001, flagACK, 500), tcp(255, flagACK, 100), // again; half again
	} {
		office.in <- p
	}
	n, _ := arrived(hub, 50*time.Millisecond)
	traffic, _ := e.Traffic()
	if n != 5 || traffic.Up.Payload != 650 || traffic.Up.Again != 550 {
		t.Errorf("%d packets, %+v, want 650 once and 550 again", n, traffic.Up)
	}
	e.Forget()
	office.in <- tcp(355, flagACK, 100)
	office.in <- tcp(9000, flagSYN, 0)
	office.in <- tcp(9001, flagACK, 10)
	if n, _ := arrived(hub, 50*time.Millisecond); n != 2 {
		t.Errorf("%d packets came through, want the new flow's 2", n)
	}
	flows := e.Flows()
	if len(flows) != 2 || flows[0].Up != 750 || flows[1].Up != 10 {
		t.Errorf("flows %+v", flows)
	}
}

func TestScheduleKnowsUpTime(t *testing.T) {
	s := Shape{UpFor: 20 * time.Second, DownFor: 10 * time.Second}
	for after, want := range map[time.Duration]time.Duration{
		5 * time.Second: 5 * time.Second, 25 * time.Second: 20 * time.Second, 31 * time.Second: 21 * time.Second, 60 * time.Second: 40 * time.Second,
	} {
		if got := s.upIn(after); got != want {
			t.Errorf("after %v up for %v, want %v", after, got, want)
		}
	}
}

func TestRelayCarriesAndFreezes(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go io.Copy(c, c)
		}
	}()
	l := NewRelay(1)
	defer l.Close()
	l.Set(Direction{Delay: 30 * time.Millisecond}, Direction{Delay: 30 * time.Millisecond})
	addr, err := l.Office().Through(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.Office().Dial(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	echo := func() (time.Duration, error) {
		begin := time.Now()
		if _, err := c.Write([]byte("x")); err != nil {
			return 0, err
		}
		c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		_, err := c.Read(make([]byte, 1))
		return time.Since(begin), err
	}
	if took, err := echo(); err != nil || took < 60*time.Millisecond {
		t.Errorf("echo after %v, %v", took, err)
	}
	l.Link(false)
	if _, err := echo(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("echo through a cut: %v", err)
	}
	if _, err := l.Traffic(); !errors.Is(err, ErrPackets) {
		t.Errorf("a relay counts: %v", err)
	}
}
