package linktest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tram/sync/broker"
	"tram/sync/linktest"
)

// rig is one broker, started from its generated configuration, with its
// authority. It serves the hub H40, H40.01 and H40.02, and a crowd P.1, P.2, …
type rig struct {
	kind    broker.Kind // "" for the embedded one
	crl     bool        // dir holds a revocation list
	ca      *linktest.Authority
	dir     string
	addr    string
	program *linktest.Program
	reload  func() // after the configuration was written anew; nil when there is none
}

func crowdCode(i int) string { return fmt.Sprintf("P.%d", i) }

// newRig writes the configuration that tram-hub broker config would write.
func newRig(t *testing.T, kind broker.Kind) *rig {
	t.Helper()
	r := &rig{kind: kind, ca: linktest.NewAuthority(t), dir: t.TempDir(), addr: linktest.FreeAddr(t)}
	r.ca.WriteRoot(r.dir)
	linktest.WriteCert(t, r.dir, "server", r.ca.Server())
	if kind != "" {
		r.configure(t, r.offices())
	}
	return r
}

func (r *rig) offices() []string {
	offices := []string{"H40.01", "H40.02"}
	for i := range crowdSize() {
		offices = append(offices, crowdCode(i))
	}
	return offices
}

func (r *rig) configure(t *testing.T, offices []string) {
	t.Helper()
	o := broker.ConfigOptions{Addr: r.addr, Dir: r.dir, Hub: hubCode, Offices: offices, CRL: r.crl}
	if os.Getuid() == 0 {
		o.User = "root" // the files belong to the test
	}
	config, err := broker.Config(r.kind, o)
	if err != nil {
		t.Fatalf("generate configuration: %v", err)
	}
	for _, f := range config.Files {
		if err := os.WriteFile(filepath.Join(r.dir, f.Name), f.Data, 0o600); err != nil {
			t.Fatalf("write configuration: %v", err)
		}
	}
}

func TestMosquitto(t *testing.T) {
	t.Parallel()
	linktest.HaveMosquitto(t)
	r := newRig(t, broker.Mosquitto)
	r.program = linktest.StartMosquitto(t, r.dir, r.addr)
	r.reload = func() { r.program.Signal(syscall.SIGHUP) }
	r.suite(t)
}

// TestP7_MosquittoKeepsRevokedOut: a certificate on the revocation list does not
// come in, another one of the same office does.
func TestP7_MosquittoKeepsRevokedOut(t *testing.T) {
	t.Parallel()
	linktest.HaveMosquitto(t)
	r := newRig(t, broker.Mosquitto)
	stolen := r.ca.ClientConfig("H40.01")
	r.ca.WriteCRL(r.dir, stolen.Certificates[0])
	r.crl = true
	r.configure(t, r.offices())
	linktest.StartMosquitto(t, r.dir, r.addr)
	r.raw(t, "H40.01", "h40_01")
	if _, err := dialRaw(t, r.addr, stolen, "h40_01", will{}); err == nil {
		t.Error("a revoked certificate was let in")
	}
}

// TestP7_MosquittoTakesANewRevocationListAtAReload: connections that are up stay
// up, also that of who was revoked meanwhile. A second list that is dated like
// the first would not count, see ca.CRL.
func TestP7_MosquittoTakesANewRevocationListAtAReload(t *testing.T) {
	t.Parallel()
	linktest.HaveMosquitto(t)
	r := newRig(t, broker.Mosquitto)
	r.crl = true
	r.configure(t, r.offices())
	first, second := r.ca.ClientConfig("H40.01"), r.ca.ClientConfig("H40.02")
	r.ca.WriteCRL(r.dir)
	r.program = linktest.StartMosquitto(t, r.dir, r.addr)
	open, err := dialRaw(t, r.addr, first, "h40_01", will{})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond) // lists are dated in whole seconds
	r.ca.WriteCRL(r.dir, first.Certificates[0])
	r.program.Signal(syscall.SIGHUP)
	refused := func(config *tls.Config, level string) {
		t.Helper()
		for late := time.Now().Add(rawPatience); ; time.Sleep(50 * time.Millisecond) {
			c, err := dialRaw(t, r.addr, config.Clone(), level, will{})
			if err != nil {
				return
			}
			c.conn.Close()
			if time.Now().After(late) {
				t.Fatalf("%s is still let in", level)
			}
		}
	}
	if !open.subscribe("tram/1/h40/down/h40_01") {
		t.Error("the connection that was up has ended")
	}
	refused(first, "h40_01")
	if c, err := dialRaw(t, r.addr, second, "h40_02", will{}); err != nil {
		t.Errorf("another office is refused: %v", err)
	} else {
		c.conn.Close()
	}
	time.Sleep(1100 * time.Millisecond)
	r.ca.WriteCRL(r.dir, first.Certificates[0], second.Certificates[0])
	r.program.Signal(syscall.SIGHUP)
	refused(second, "h40_02")
	refused(first, "h40_01")
}

func TestNATS(t *testing.T) {
	t.Parallel()
	linktest.HaveNATS(t)
	r := newRig(t, broker.NATS)
	r.program = linktest.StartNATS(t, r.dir, r.addr)
	r.reload = func() { r.program.Signal(syscall.SIGHUP) } // what nats-server --signal reload does
	r.suite(t)
}

func TestRabbitMQ(t *testing.T) {
	t.Parallel()
	linktest.HaveRabbitMQ(t)
	r := newRig(t, broker.RabbitMQ)
	var env []string
	r.program, env = linktest.StartRabbitMQ(t, r.dir, r.addr)
	r.reload = func() {
		// It listens before it has read its definitions, and takes no others till then.
		for _, args := range [][]string{{"await_startup"}, {"import_definitions", filepath.Join(r.dir, "definitions.json")}, {"import_definitions", filepath.Join(r.dir, "permissions.json")}} {
			ctl := exec.Command("/usr/lib/rabbitmq/bin/rabbitmqctl", args...)
			ctl.Env, ctl.Dir = env, r.dir
			if out, err := ctl.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", args[0], err, out)
			}
		}
	}
	if c := r.rawOrNot(t, "H40.02", "h40_02"); c != nil {
		c.conn.Close()
		t.Error("P7: an office comes in before its topics are known")
	}
	r.reload()
	r.suite(t)
}

// TestEmbeddedBroker runs the broker of the hub in a process of its own, so that
// it can be killed like the others.
func TestEmbeddedBroker(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	r.program = linktest.StartProgram(t, "embedded broker", r.addr, time.Minute, func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), brokerEnv+"="+r.dir+" "+r.addr)
		return cmd
	})
	r.suite(t)
	if strings.Contains(r.program.Log(), "DATA RACE") {
		t.Error("the race detector complains about the broker")
	}
}

// brokerEnv makes this test binary the embedded broker: folder and address.
const brokerEnv = "TRAM_LINKTEST_BROKER"

func TestMain(m *testing.M) {
	if dir, addr, ok := strings.Cut(os.Getenv(brokerEnv), " "); ok {
		fmt.Fprintln(os.Stderr, serveEmbedded(dir, addr))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func serveEmbedded(dir, addr string) error {
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, broker.CertFile), filepath.Join(dir, broker.KeyFile))
	if err != nil {
		return err
	}
	root, err := os.ReadFile(filepath.Join(dir, broker.CAFile))
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(root)
	b, err := broker.New(broker.Options{Addr: addr, Hub: hubCode, TLS: &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
	}})
	if err != nil {
		return err
	}
	if err := b.Start(context.Background()); err != nil {
		return err
	}
	select {} // until it is killed
}

// suite is what every broker must do.
func (r *rig) suite(t *testing.T) {
	linktest.Transport(t, linktest.Harness{Open: func(t *testing.T) linktest.Link {
		l := openLink(t, r.ca, r.addr)
		l.Kill, l.Restart = r.program.Kill, r.program.Start
		return l.Link
	}})
	t.Run("offices are kept apart", r.keptApart)
	t.Run("slow downlink", r.slowDownlink)
	t.Run("newer session", r.newerSession)
	t.Run("presence", r.presence)
	t.Run("office joins", r.joining)
	t.Run("crowd", r.crowd)
}

// raw connects as an office or the hub. NATS keeps a client id that comes and
// goes out for a second.
func (r *rig) raw(t *testing.T, code, level string) *raw {
	t.Helper()
	for deadline := time.Now().Add(rawPatience); ; time.Sleep(200 * time.Millisecond) {
		c, err := dialRaw(t, r.addr, r.ca.ClientConfig(code), level, will{})
		if err == nil {
			return c
		}
		if time.Now().After(deadline) {
			t.Fatalf("connect as %s: %v", code, err)
		}
	}
}

// rawOrNot connects as an office that the broker may not let in: then it is nil.
func (r *rig) rawOrNot(t *testing.T, code, level string) *raw {
	t.Helper()
	c, err := dialRaw(t, r.addr, r.ca.ClientConfig(code), level, will{})
	if err != nil {
		return nil
	}
	return c
}

// keptApart: an office can neither speak nor listen for another one (P7).
func (r *rig) keptApart(t *testing.T) {
	hub := r.raw(t, hubCode, "h40")
	for _, filter := range []string{"tram/1/h40/up/+", "tram/1/h40/presence/+", "tram/1/h40/health/+"} {
		if !hub.subscribe(filter) {
			t.Fatalf("the hub may not read %s", filter)
		}
	}
	victim := r.raw(t, "H40.01", "h40_01")
	if !victim.subscribe("tram/1/h40/down/h40_01") {
		t.Fatal("an office may not read its own topic")
	}
	forged := []byte("forged")
	// Each attempt on a connection of its own: some brokers end it.
	for _, topic := range []string{
		"tram/1/h40/up/h40_01", "tram/1/h40/presence/h40_01", "tram/1/h40/health/h40_01",
		"tram/1/h40/presence/h40", "tram/1/h40/down/h40_01", "tram/1/h40/down/h40_02",
	} {
		forger := r.raw(t, "H40.02", "h40_02")
		forger.publish(topic, forged, strings.Contains(topic, "presence"))
		forger.message(200 * time.Millisecond) // until it is cut, or is let be
		forger.conn.Close()
	}
	for _, topic := range []string{"tram/1/h40/presence/h40_01", "tram/1/h40/presence/h40", "tram/1/h40/up/h40_01"} {
		if c, err := dialRaw(t, r.addr, r.ca.ClientConfig("H40.02"), "h40_02", will{topic, forged}); err == nil {
			c.conn.Close()
		}
	}
	spied := 0
	for _, spy := range []struct{ code, level string }{{"H40.02", "h40_02"}, {"H40.99", "h40_99"}} {
		for _, filter := range []string{
			"tram/1/h40/down/h40_01", "tram/1/h40/down/+", "tram/1/h40/up/+", "tram/1/h40/presence/+", "tram/1/#", "#",
		} {
			// Brokers differ in whether they let H40.99 in, which is not in the
			// configuration, and in whether they grant what they never deliver.
			var c *raw
			if spy.code == "H40.02" {
				c = r.raw(t, spy.code, spy.level)
			} else if c = r.rawOrNot(t, spy.code, spy.level); c == nil {
				continue
			}
			granted := c.subscribe(filter)
			hub.publish("tram/1/h40/down/h40_01", []byte("secret "+filter), false)
			victim.publish("tram/1/h40/up/h40_01", []byte("secret "+filter), false)
			victim.publish("tram/1/h40/presence/h40_01", []byte("secret "+filter), true)
			spied++
			for granted {
				topic, payload := c.message(200 * time.Millisecond)
				if topic == "" {
					break
				}
				if topic != "tram/1/h40/presence/h40" {
					t.Errorf("%s, which subscribed to %s, got %q on %s", spy.code, filter, payload, topic)
				}
			}
			c.conn.Close()
		}
	}
	r.strangers(t)
	heard, beats := map[string]int{}, 0
	own := r.raw(t, "H40.02", "h40_02")
	own.publish("tram/1/h40/health/h40_02", []byte("beat"), false)
	own.publish("tram/1/h40/up/h40_02", []byte("true"), false)
	for {
		topic, payload := hub.message(rawPatience)
		switch {
		case topic == "":
			t.Fatal("the hub does not hear an office that speaks as itself")
		case string(payload) == "forged":
			t.Errorf("the hub got a forged message on %s", topic)
		case string(payload) == "true":
			if heard["tram/1/h40/up/h40_01"] != spied {
				t.Errorf("the hub heard %v, want %d frames of H40.01", heard, spied)
			}
			if heard["tram/1/h40/health/h40_02"] == 0 { // a heartbeat may be lost: the next one comes
				if beats++; beats > 20 {
					t.Fatalf("the hub heard %v, want a heartbeat of H40.02", heard)
				}
				own.publish("tram/1/h40/health/h40_02", []byte("beat"), false)
				own.publish("tram/1/h40/up/h40_02", []byte("true"), false)
				continue
			}
			return
		default:
			heard[topic]++
		}
	}
}

// strangers: nobody comes in without a certificate of the authority, whatever it
// says.
func (r *rig) strangers(t *testing.T) {
	for name, config := range map[string]*tls.Config{
		"foreign authority": linktest.NewAuthority(t).ClientConfig("H40.01"),
		"no certificate":    {MinVersion: tls.VersionTLS12},
	} {
		config.RootCAs = r.ca.Pool()
		if _, err := dialRaw(t, r.addr, config, "h40_01", will{}); err == nil {
			t.Errorf("%s: let in", name)
		}
	}
}

// slowDownlink: 64 kbit/s are slow, not dead. Nothing is cut, lost or repeated,
// and the neighbour does not notice.
func (r *rig) slowDownlink(t *testing.T) {
	const rate, piece = 8000, 4 << 10
	pieces := 36
	if long() {
		pieces = 256 // more than sockets hold: NATS as it comes cuts this off
	}
	l := openLink(t, r.ca, r.addr)
	office, hub := watch(t, l.Office), watch(t, l.Hub)
	office.untilUp(t)
	hub.untilUp(t)
	l.proxy.Set(linktest.Line{}, linktest.Line{Rate: rate, Buffer: 16 << 10})
	l.proxy.Cut() // only connections made from now on have small buffers
	office.until(t, "new connection", rawPatience, func() bool { return office.up && office.downs > 0 })
	hub.until(t, "new session", rawPatience, func() bool { return hub.up && hub.downs > 0 })
	falls := office.falls()
	start := time.Now()
	for i := range pieces {
		if err := l.Hub.Send(t.Context(), number(i, piece), true); err != nil {
			t.Fatalf("send %d: %v", i, err)
		}
	}
	otherOffice, otherHub := l.Neighbour(t)
	other := watch(t, otherOffice)
	other.untilUp(t)
	began := time.Now()
	if err := otherHub.Send(t.Context(), number(0, 1000), false); err != nil {
		t.Fatalf("send to the neighbour: %v", err)
	}
	other.frames(t, 1, rawPatience)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the neighbour waited %v", took)
	}
	ideal := time.Duration(pieces*piece) * time.Second / rate
	office.frames(t, pieces, 3*ideal)
	took := time.Since(start)
	if took < ideal-64<<10*time.Second/rate {
		t.Errorf("%d bytes came in %v over a line of %d bytes/s: this was no slow line", pieces*piece, took, rate)
	}
	time.Sleep(time.Second)
	office.steady(t, pieces, falls)
	t.Logf("%d bytes in %v", pieces*piece, took)
}
