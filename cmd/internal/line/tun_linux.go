package line

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// prefix starts the names of our namespaces; the process id follows.
const prefix = "tramlab-"

// Addresses of the two hosts; no other host is in their namespaces.
const (
	officeAddr = "10.213.0.1"
	hubAddr    = "10.213.0.2"
)

// serial numbers the lines of this process.
var serial atomic.Int64

// tunLine is a line of packets between two network namespaces.
type tunLine struct {
	*emulator
	office, hub *netns
	once        sync.Once
	closed      error
}

// netns is a network namespace with one TUN device.
type netns struct {
	name, device, addr string
	tun                *tun
}

// tun is an open TUN device.
type tun struct {
	fd     int
	closed atomic.Bool
}

// preferred is the real-time priority of the threads that carry packets, the
// lowest there is.
const preferred = 1

// prefer lets the calling thread run as soon as it can.
func prefer() {
	// Without the right to it the line is as exact as the machine is idle.
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: preferred}, 0)
}

// Read implements device.
func (t *tun) Read(p []byte, wait time.Duration) (int, error) {
	for {
		n, err := unix.Read(t.fd, p)
		switch {
		case t.closed.Load():
			return 0, io.EOF
		case err == nil:
			return n, nil
		case err == unix.EINTR:
		case err != unix.EAGAIN:
			return 0, fmt.Errorf("read from TUN device: %w", err)
		case wait == 0:
			return 0, nil
		default:
			left := unix.NsecToTimespec(wait.Nanoseconds())
			if _, err := unix.Ppoll([]unix.PollFd{{Fd: int32(t.fd), Events: unix.POLLIN}}, &left, nil); err != nil && err != unix.EINTR {
				return 0, fmt.Errorf("wait for TUN device: %w", err)
			}
			wait = 0
		}
	}
}

// Write implements device.
func (t *tun) Write(p []byte) (int, error) { return unix.Write(t.fd, p) }

var _ Packets = (*tunLine)(nil)

// New makes a line between two new network namespaces, in which TCP uses the
// congestion control of the given name ("cubic", "bbr"; "" leaves the
// machine's). The seed decides which packets are lost. It needs root. It allows
// that congestion control to all namespaces until the machine restarts.
func New(seed uint64, congestion string) (Packets, error) {
	if err := errors.Join(removeStale(), allow(congestion)); err != nil {
		return nil, err
	}
	n := serial.Add(1)
	l := &tunLine{}
	for i, end := range []struct {
		ns         **netns
		addr, peer string
	}{{&l.office, officeAddr, hubAddr}, {&l.hub, hubAddr, officeAddr}} {
		ns := &netns{
			name:   fmt.Sprintf("%s%d-%d-%c", prefix, os.Getpid(), n, "oh"[i]),
			device: fmt.Sprintf("t%d.%d%c", os.Getpid(), n%1000, "oh"[i]), addr: end.addr,
		}
		*end.ns = ns
		if err := ns.make(end.peer, congestion); err != nil {
			return nil, errors.Join(err, l.remove())
		}
	}
	l.emulator = newEmulator(l.office.tun, l.hub.tun, seed)
	return l, nil
}

// allowed lists the congestion controls that namespaces may choose. It holds
// for the whole machine.
const allowed = "/proc/sys/net/ipv4/tcp_allowed_congestion_control"

// allow adds one to that list, until the machine restarts.
func allow(congestion string) error {
	list, err := os.ReadFile(allowed)
	if err != nil {
		return fmt.Errorf("read allowed congestion controls: %w", err)
	}
	if congestion == "" || slices.Contains(strings.Fields(string(list)), congestion) {
		return nil
	}
	if err := os.WriteFile(allowed, []byte(strings.TrimSpace(string(list))+" "+congestion), 0); err != nil {
		return fmt.Errorf("allow congestion control %q: %w", congestion, err)
	}
	return nil
}

func (l *tunLine) Office() Host { return l.office }
func (l *tunLine) Hub() Host    { return l.hub }

// Interface implements [Packets].
func (l *tunLine) Interface(isUp bool) error {
	state := "down"
	if isUp {
		state = "up"
	}
	return ip("-n", l.office.name, "link", "set", l.office.device, state)
}

// Close implements [Line].
func (l *tunLine) Close() error {
	l.once.Do(func() {
		l.office.tun.closed.Store(true)
		l.hub.tun.closed.Store(true)
		l.wg.Wait()
		l.closed = l.remove()
	})
	return l.closed
}

func (l *tunLine) remove() error {
	var errs []error
	for _, ns := range []*netns{l.office, l.hub} {
		if ns == nil {
			continue
		}
		if ns.tun != nil {
			errs = append(errs, unix.Close(ns.tun.fd))
		}
		if _, err := os.Stat(ns.file()); err == nil {
			errs = append(errs, removeNetns(ns.name))
		}
	}
	return errors.Join(errs...)
}

// removeNetns removes a namespace of ours and ends what still runs in it, such
// as a server's sessions that have left its process group.
func removeNetns(name string) error {
	out, err := exec.Command(ipPath(), "netns", "pids", name).Output()
	if err != nil {
		return fmt.Errorf("list processes of namespace %s: %w", name, err)
	}
	for _, field := range strings.Fields(string(out)) {
		if pid, err := strconv.Atoi(field); err == nil && pid != os.Getpid() {
			_ = unix.Kill(pid, unix.SIGKILL) // it may have ended meanwhile
		}
	}
	return ip("netns", "del", name)
}

func (ns *netns) file() string { return filepath.Join("/run/netns", ns.name) }

// make builds the namespace. The device is made here and moved there; the open
// file stays attached to it.
func (ns *netns) make(peer, congestion string) (err error) {
	if err := ip("netns", "add", ns.name); err != nil {
		return err
	}
	if ns.tun, err = openTUN(ns.device); err != nil {
		return err
	}
	in := []string{"netns", "exec", ns.name}
	settings := []string{"net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"}
	if congestion != "" {
		settings = append(settings, "net.ipv4.tcp_congestion_control="+congestion)
	}
	steps := [][]string{
		{"link", "set", ns.device, "netns", ns.name},
		append(append(in, "sysctl", "-q", "-w"), settings...),
		{"-n", ns.name, "link", "set", "lo", "up"},
		{"-n", ns.name, "addr", "add", ns.addr, "peer", peer, "dev", ns.device},
		{"-n", ns.name, "link", "set", ns.device, "up"},
	}
	for _, args := range steps {
		if err := ip(args...); err != nil {
			return err
		}
	}
	return nil
}

func openTUN(name string) (*tun, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open TUN device: %w", err)
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("make TUN device %s: %w", name, err)
	}
	return &tun{fd: fd}, nil
}

func ip(args ...string) error {
	var stderr bytes.Buffer
	cmd := exec.Command(ipPath(), args...)
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return nil
}

// ipPath finds the program also where it is not in a user's path.
func ipPath() string {
	for _, name := range []string{"ip", "/usr/sbin/ip", "/sbin/ip"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return "ip"
}

func (ns *netns) Addr() string { return ns.addr }

func (ns *netns) Prefix() []string { return []string{ipPath(), "netns", "exec", ns.name} }

func (ns *netns) Through(address string) (string, error) { return address, nil }

// Dial makes the socket on a thread that is in the namespace for a moment.
func (ns *netns) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		// The thread is never unlocked: it ends with this goroutine, and the
		// namespace leaves with it.
		runtime.LockOSThread()
		there, err := os.Open(ns.file())
		if err != nil {
			done <- result{nil, err}
			return
		}
		defer there.Close()
		if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- result{nil, fmt.Errorf("enter namespace %s: %w", ns.name, err)}
			return
		}
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}

// removeStale removes the namespaces of labs that are no more.
func removeStale() error {
	found, err := filepath.Glob("/run/netns/" + prefix + "*")
	if err != nil {
		return fmt.Errorf("list namespaces: %w", err)
	}
	for _, file := range found {
		name := filepath.Base(file)
		pid, _, _ := strings.Cut(strings.TrimPrefix(name, prefix), "-")
		n, err := strconv.Atoi(pid)
		if err != nil || unix.Kill(n, 0) != unix.ESRCH {
			continue
		}
		if err := removeNetns(name); err != nil {
			return err
		}
	}
	return nil
}
