//go:build linux

package line

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tram/sync/broker"
	"tram/sync/linktest"
	"tram/sync/mqtt"
)

// officeSpace is set in the process that runs inside the office's namespace. It
// names the namespace of the hub.
const officeSpace = "TRAM_TEST_HUB_SPACE"

// ip runs a command line of ip.
func ip(t *testing.T, line string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", line, err, out)
	}
}

// TestALineOverRealCables runs itself in a namespace of the kernel that is
// joined to that of a hub by cables, which it plugs and pulls.
func TestALineOverRealCables(t *testing.T) {
	if hub := os.Getenv(officeSpace); hub != "" {
		overCables(t, hub)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("not root: the line was not tried over a cable")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no ip command")
		}
		t.Skip("no ip command: the line was not tried over a cable")
	}
	office, hub := fmt.Sprintf("tram-line-o%d", os.Getpid()), fmt.Sprintf("tram-line-h%d", os.Getpid())
	for _, ns := range []string{office, hub} {
		ip(t, "netns add "+ns)
		t.Cleanup(func() { ip(t, "netns del "+ns) })
		ip(t, "-n "+ns+" link set lo up")
	}
	cmd := exec.Command("ip", "netns", "exec", office, os.Args[0], "-test.run", "^TestALineOverRealCables$", "-test.v")
	cmd.Env = append(os.Environ(), officeSpace+"="+hub)
	out, err := cmd.CombinedOutput()
	t.Logf("in the namespace: %s", out)
	if err != nil || !strings.Contains(string(out), "--- PASS: TestALineOverRealCables") {
		t.Error(err)
	}
}

// inside runs fn on a thread of its own in the namespace.
func inside(space string, fn func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		ns, err := os.Open(filepath.Join("/run/netns", space))
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

// cable joins this namespace to the hub's.
func cable(t *testing.T, space, name string, net, metric int) {
	t.Helper()
	for _, line := range []string{
		"link add " + name + " type veth peer name far-" + name + " netns " + space,
		fmt.Sprintf("-n %s addr add 192.0.%d.1/24 dev far-%s", space, net, name),
		"-n " + space + " link set far-" + name + " up",
		// Segments as on a mobile line, not gathered into large ones.
		"link set " + name + " mtu 1412 gso_max_segs 1",
		"-n " + space + " link set far-" + name + " mtu 1412 gso_max_segs 1",
		"link set " + name + " up",
		fmt.Sprintf("addr add 192.0.%d.7/24 dev %s", net, name),
		fmt.Sprintf("route add default via 192.0.%d.1 dev %s metric %d", net, name, metric),
	} {
		ip(t, line)
	}
}

// secure trusts the broker by the name that linktest gives to brokers.
func secure(ca *linktest.Authority, code string) *tls.Config {
	config := ca.ClientConfig(code)
	config.ServerName = "localhost"
	return config
}

// province starts a broker and a hub in the namespace.
func province(t *testing.T, space string, ca *linktest.Authority) {
	t.Helper()
	const addr = "198.51.100.1:8883"
	ip(t, "-n "+space+" addr add 198.51.100.1/32 dev lo")
	b, err := broker.New(broker.Options{Addr: addr, TLS: ca.ServerConfig(), Hub: "H40"})
	if err != nil {
		t.Fatal(err)
	}
	if err := inside(space, func() error { return b.Start(context.Background()) }); err != nil {
		t.Fatal(err)
	}
	h, err := mqtt.NewHub(mqtt.HubOptions{
		Servers: []string{addr}, TLS: secure(ca, "H40"), Hub: "H40", Lookup: func(string) (string, bool) { return "H40.1", true },
		DialContext: func(ctx context.Context, network, addr string) (c net.Conn, err error) {
			err = inside(space, func() (err error) {
				var d net.Dialer
				c, err = d.DialContext(ctx, network, addr)
				return err
			})
			return c, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close(); b.Close() })
}

// sendMuch sends chunks at full speed, and small frames one by one.
func sendMuch(t *testing.T, client *mqtt.Client) {
	t.Helper()
	for range 64 {
		if err := client.Send(t.Context(), make([]byte, 32<<10), true); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		if err := client.Send(t.Context(), make([]byte, 100), false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// carried is the bytes of IP that went over an interface both ways.
func carried(t *testing.T, name string) (bytes int64) {
	t.Helper()
	const ethernet = 14
	counter := func(what string) int64 {
		text, err := os.ReadFile("/sys/class/net/" + name + "/statistics/" + what)
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return counter("tx_bytes") + counter("rx_bytes") - ethernet*(counter("tx_packets")+counter("rx_packets"))
}

func overCables(t *testing.T, space string) {
	ca := linktest.NewAuthority(t)
	province(t, space, ca)
	// Only the line's own news can bring a connection within this test.
	never := mqtt.Backoff{Min: 24 * time.Hour, Max: 24 * time.Hour}
	client, err := mqtt.Dial(mqtt.Options{Servers: []string{"198.51.100.1:8883"}, TLS: secure(ca, "H40.1"), Hub: "H40", Office: "H40.1", Tuning: mqtt.Tuning{Backoff: never}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	line := newLine(t, newLedger(t, monday(22)), &hub{}, func(o *Options) {
		o.Connection, o.Metered, o.Policy.Hours = client, []string{"ppp*"}, officeHours(t)
	})
	start(t, line)
	connected := func(over string) func() bool {
		return func() bool { s := line.State(); return client.Status().Up && s.Interface == over }
	}
	within := func(limit time.Duration, what string, holds func() bool) {
		t.Helper()
		begin := time.Now()
		eventually(t, what, holds)
		if took := time.Since(begin); took > limit {
			t.Errorf("it took %v until %s", took, what)
		} else {
			t.Logf("it took %v until %s", took.Round(time.Millisecond), what)
		}
	}
	time.Sleep(300 * time.Millisecond)
	if client.Status().Connected || line.State().Interface != "" || line.Free() {
		t.Fatalf("without a cable the line is %+v", line.State())
	}

	cable(t, space, "ppp0", 1, 100)
	within(3*time.Second, "the new line is used", connected("ppp0"))
	if s := line.State(); !s.Metered || s.Verdict.Code != OffHours || line.Free() {
		t.Errorf("over the metered line: %+v, free %v", s, line.Free())
	}
	sendMuch(t, client)
	time.Sleep(2 * lookEvery)
	if counted, real := line.State().Account.Used, carried(t, "ppp0"); math.Abs(float64(counted)/float64(real)-1) > 0.1 {
		t.Errorf("the book has %d bytes, the line carried %d", counted, real)
	} else {
		t.Logf("the book has %d bytes, the line carried %d", counted, real)
	}
	ip(t, "link del ppp0")
	within(2*time.Second, "the connection over a vanished line is given up", func() bool { return !client.Status().Connected })
	cable(t, space, "ppp0", 1, 100)
	within(3*time.Second, "the line is used again", connected("ppp0"))
	cable(t, space, "eth0", 2, 50)
	within(3*time.Second, "a free line is taken", connected("eth0"))
	if s := line.State(); s.Metered || s.Verdict.Code != Open || !line.Free() {
		t.Errorf("over the free line: %+v, free %v", s, line.Free())
	}
	if got := client.LocalAddr(); got != netip.MustParseAddr("192.0.2.7") {
		t.Errorf("the connection comes from %v", got)
	}
	ip(t, "route del default dev eth0")
	ip(t, "route add default via 192.0.2.1 dev eth0 metric 200")
	eventually(t, "what is asked of others would cost money", func() bool { return !line.Free() })
	if s := line.State(); s.Metered {
		t.Errorf("the connection's own line: %+v", s)
	}
}
