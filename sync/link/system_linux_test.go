package link

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// space is a network namespace of one test.
type space struct {
	t    *testing.T
	name string
}

// newSpace makes a namespace, or says why not.
func newSpace(t *testing.T) *space {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: netlink was not tried in a namespace")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no ip command: netlink must be tried in CI")
		}
		t.Skip("no ip command: netlink was not tried")
	}
	s := &space{t: t, name: fmt.Sprintf("tram-link-%d", os.Getpid())}
	s.run("netns", "add", s.name)
	t.Cleanup(func() { s.run("netns", "del", s.name) })
	return s
}

func (s *space) run(args ...string) {
	s.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		s.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// ip runs a command line of ip inside the namespace.
func (s *space) ip(line string) {
	s.t.Helper()
	s.run(append([]string{"-n", s.name}, strings.Fields(line)...)...)
}

// inside runs fn on a thread of its own in the namespace and waits for it.
func (s *space) inside(fn func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		ns, err := os.Open(filepath.Join("/run/netns", s.name))
		if err == nil {
			err = errors.Join(unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET), ns.Close())
		}
		if err == nil {
			err = fn()
		}
		result <- err
	}()
	return <-result
}

// watch runs a Monitor in the namespace until the test ends.
func (s *space) watch(o Options) <-chan Change {
	s.t.Helper()
	changes := make(chan Change, 64)
	o.Notify = func(list []Change) {
		for _, c := range list {
			changes <- c
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		err := s.inside(func() error { return NewMonitor(o).Run(ctx) })
		if !errors.Is(err, context.Canceled) {
			s.t.Errorf("the monitor ended with %v", err)
		}
	})
	s.t.Cleanup(func() { stop(); done.Wait() })
	return changes
}

func (s *space) next(changes <-chan Change, kind Kind, name string, within time.Duration) Link {
	s.t.Helper()
	select {
	case c := <-changes:
		if c.Kind != kind || c.Link.Name != name {
			s.t.Fatalf("told %s %s, want %s %s", c.Kind, c.Link.Name, kind, name)
		}
		return c.Link
	case <-time.After(within):
		s.t.Fatalf("%s %s was not told within %v", kind, name, within)
	}
	panic("unreachable")
}

func (s *space) silent(changes <-chan Change, span time.Duration) {
	s.t.Helper()
	select {
	case c := <-changes:
		s.t.Fatalf("told %s %s, want silence", c.Kind, c.Link.Name)
	case <-time.After(span):
	}
}

// TestNetlinkTellsWithinASecond plugs a real cable of the kernel.
func TestNetlinkTellsWithinASecond(t *testing.T) {
	s := newSpace(t)
	changes := s.watch(Options{Config: Config{Metered: []string{"ppp*"}, DownAfter: 500 * time.Millisecond}})
	s.ip("link set lo up")
	s.ip("link add ppp7 type veth peer name far7")
	s.ip("link set far7 up")
	s.ip("link set ppp7 up")
	s.silent(changes, 400*time.Millisecond) // link-local only
	s.ip("addr add 192.0.2.7/24 dev ppp7")
	if l := s.next(changes, Up, "ppp7", time.Second); !l.Metered || !l.Has(netip.MustParseAddr("192.0.2.7")) || l.Default {
		t.Errorf("came up as %+v", l)
	}
	s.ip("route add default via 192.0.2.1 dev ppp7 metric 30")
	if l := s.next(changes, Changed, "ppp7", time.Second); !l.Default || l.Metric != 30 {
		t.Errorf("with a route it is %+v", l)
	}
	s.ip("link set far7 down") // pulls the plug at the other end
	s.next(changes, Down, "ppp7", 2*time.Second)
	s.ip("link set far7 up")
	s.next(changes, Up, "ppp7", 2*time.Second)
	s.ip("link del ppp7")
	s.next(changes, Down, "ppp7", time.Second)
}

func TestRoutesWithSeveralHopsCount(t *testing.T) {
	s := newSpace(t)
	for _, line := range []string{
		"link add a0 type veth peer name a1", "link add b0 type veth peer name b1",
		"link set a1 up", "link set b1 up", "link set a0 up", "link set b0 up",
		"addr add 192.0.2.7/24 dev a0", "addr add 198.51.100.7/24 dev b0",
		"route add default metric 9 nexthop via 192.0.2.1 dev a0 nexthop via 198.51.100.1 dev b0",
		"route add default via 198.51.100.2 dev b0 metric 4",
		"route add unreachable default metric 1",
	} {
		s.ip(line)
	}
	var list []Interface
	if err := s.inside(func() (err error) { list, err = read(); return err }); err != nil {
		t.Fatal(err)
	}
	got := map[string]uint32{}
	for _, i := range list {
		if i.Default {
			got[i.Name] = i.Metric
		}
	}
	if len(got) != 2 || got["a0"] != 9 || got["b0"] != 4 {
		t.Errorf("default routes: %v", got)
	}
}

// TestP9_DroppedNewsAreNews fills the socket's queue before anybody reads it.
func TestP9_DroppedNewsAreNews(t *testing.T) {
	s := newSpace(t)
	var socket *os.File
	if err := s.inside(func() (err error) { socket, err = openNetlink(); return err }); err != nil {
		t.Fatal(err)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1) }), err); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		s.ip(fmt.Sprintf("link add d%d type veth peer name e%d", i, i))
	}
	var log bytes.Buffer
	told := make(chan struct{}, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		listen(socket, told, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	}()
	<-told
	for quiet := false; !quiet; {
		select {
		case <-told:
		case <-time.After(200 * time.Millisecond):
			quiet = true
		}
	}
	s.ip("link del d3")
	select {
	case <-told:
	case <-time.After(time.Second):
		t.Error("after an overflow nothing is told any more")
	}
	socket.Close()
	<-ended
	if !strings.Contains(log.String(), "faster than they were taken") {
		t.Errorf("the queue did not overflow: %s", log.String())
	}
}

// FuzzRoutes holds that no message of routes breaks the reader.
func FuzzRoutes(f *testing.F) {
	route := []byte{unix.AF_INET, 0, 0, 0, unix.RT_TABLE_MAIN, 0, 0, unix.RTN_UNICAST, 0, 0, 0, 0}
	f.Add(append(route, 8, 0, unix.RTA_OIF, 0, 3, 0, 0, 0))
	f.Add(append(route, 12, 0, unix.RTA_MULTIPATH, 0, 8, 0, 0, 0, 4, 0, 0, 0))
	f.Add([]byte("0\x0000000\x010000\t\x0000000000")) // the last record is not padded
	f.Fuzz(func(t *testing.T, data []byte) {
		m := syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: unix.RTM_NEWROUTE}, Data: data}
		if _, over := defaultRoute(&m); len(over) > len(data)/4 {
			t.Errorf("%d bytes lead over %d interfaces", len(data), len(over))
		}
	})
}

func TestTheRealMachineCanBeRead(t *testing.T) {
	list, err := read()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		if i.Loopback && i.Running && i.Has(netip.MustParseAddr("127.0.0.1")) {
			return
		}
	}
	t.Errorf("no loopback among %+v", list)
}
