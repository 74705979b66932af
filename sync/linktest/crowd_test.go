package linktest_test

import (
	"os"
	"sync"
	"testing"
	"time"

	"tram/sync/linktest"
	"tram/sync/mqtt"
)

// newerSession: a second session of an office replaces the first at once, also
// when the first hangs on a dead line, whose last will then changes nothing.
func (r *rig) newerSession(t *testing.T) {
	l := openLink(t, r.ca, r.addr)
	first, hub := watch(t, l.Office), watch(t, l.Hub)
	first.untilUp(t)
	hub.untilUp(t)
	l.proxy.Freeze()
	began := time.Now()
	second := dial(t, r.ca, r.addr, "H40.01")
	newer := watch(t, second)
	newer.untilUp(t)
	hub.until(t, "new session", 5*time.Second, func() bool { return hub.up && hub.downs > 0 })
	took := time.Since(began)
	l.proxy.Refuse(true)
	l.proxy.Cut()
	time.Sleep(time.Second) // for a last will that comes late
	falls := hub.falls()
	if err := l.Hub.Send(t.Context(), number(1, 100), false); err != nil {
		t.Fatalf("send to the newer session: %v", err)
	}
	if err := second.Send(t.Context(), number(2, 100), false); err != nil {
		t.Fatalf("send from the newer session: %v", err)
	}
	newer.frames(t, 1, rawPatience)
	hub.frames(t, 1, rawPatience)
	if hub.falls() != falls || newer.falls() > 0 {
		t.Error("the newer session was taken for the older one")
	}
	t.Logf("taken over in %v", took)
}

// joining: a new configuration lets a new office in and ends nobody's connection.
func (r *rig) joining(t *testing.T) {
	if r.reload == nil {
		t.Log("this broker needs no list of offices")
		return
	}
	l := openLink(t, r.ca, r.addr)
	here := watch(t, l.Office)
	here.untilUp(t)
	early := r.rawOrNot(t, "H40.03", "h40_03")
	if early != nil {
		early.publish("tram/1/h40/up/h40_03", number(1, 100), false)
		early.message(200 * time.Millisecond) // until it is cut, or is let be
	}
	here.steady(t, 0, 0)
	r.configure(t, append(r.offices(), "H40.03"))
	r.reload()
	office := meet(t, l.hub, func() *mqtt.Client { return dial(t, r.ca, r.addr, "H40.03") })
	hub := watch(t, nextPeer(t, l.hub, "H40.03"))
	if err := office.Send(t.Context(), number(0, 100), false); err != nil {
		t.Fatalf("send from the new office: %v", err)
	}
	hub.frames(t, 1, rawPatience)
	if hub.steady(t, 1, 0); hub.got[1] > 0 {
		t.Error("an office that is not in the configuration was heard")
	}
	here.steady(t, 0, 0)
}

// presence: it is retained for a hub that comes later, and the last will tells
// when a line ends.
func (r *rig) presence(t *testing.T) {
	proxy := newProxy(t, linktest.ProxyOptions{Target: r.addr})
	office := dial(t, r.ca, proxy.Addr(), "H40.01")
	for !office.Status().Connected {
		time.Sleep(5 * time.Millisecond)
	}
	hub := r.hub(t)
	said := make(chan mqtt.PresenceEvent, 100)
	go func() {
		for ev := range hub.Presence() {
			if ev.Office == "H40.01" {
				said <- ev
			}
		}
	}()
	go func() {
		for range hub.Peers() { // nobody is served here
		}
	}()
	online := func(want bool, limit time.Duration) {
		t.Helper()
		late := time.After(limit)
		for {
			select {
			case ev := <-said:
				if ev.Online == want {
					return
				}
			case <-late:
				t.Fatalf("the hub does not learn within %v that the office is online=%v", limit, want)
			}
		}
	}
	online(true, rawPatience)
	proxy.Refuse(true)
	proxy.Cut()
	online(false, rawPatience)
	proxy.Refuse(false)
	online(true, rawPatience)
	office.Close()
	online(false, rawPatience)
}

func (r *rig) hub(t *testing.T) *mqtt.Hub {
	t.Helper()
	hub, err := mqtt.NewHub(mqtt.HubOptions{
		Servers: []string{r.addr}, TLS: r.ca.ClientConfig(hubCode), Hub: hubCode, Tuning: hasty,
		Lookup: lookup, Logger: testLogger(t, "hub"),
	})
	if err != nil {
		t.Fatalf("make hub: %v", err)
	}
	t.Cleanup(func() { hub.Close() })
	return hub
}

// long says whether the suite runs in its long form, see "make brokers".
func long() bool { return os.Getenv("TRAM_LONG") != "" }

// crowdSize is how many offices the crowd has. The long form is a whole province;
// it takes some minutes and two processes' worth of open files a broker.
func crowdSize() int {
	if long() {
		return 11_000
	}
	return 300
}

// crowdPatience is how long one of the crowd may wait at the door: RabbitMQ
// listens long before it has read in a province.
func crowdPatience() time.Duration {
	if long() {
		return 15 * time.Minute
	}
	return time.Minute
}

// crowdDoors bounds the members of the crowd that connect at once.
const crowdDoors = 64

// crowd: a hub that connects after all its offices learns of each that it is
// there.
func (r *rig) crowd(t *testing.T) {
	n := crowdSize()
	empty := r.program.Memory()
	tuning := hasty
	tuning.AnnounceSpread = time.Duration(n) * time.Millisecond // some 1,000 a second
	began := time.Now()
	offices := make([]*mqtt.Client, n)
	doors := make(chan struct{}, crowdDoors)
	var entering sync.WaitGroup
	var mu sync.Mutex // of the authority
	for i := range n {
		doors <- struct{}{}
		entering.Go(func() {
			defer func() { <-doors }()
			mu.Lock()
			config := r.ca.ClientConfig(crowdCode(i))
			mu.Unlock()
			c, err := mqtt.Dial(mqtt.Options{Servers: []string{r.addr}, TLS: config, Hub: hubCode, Office: crowdCode(i), Tuning: tuning})
			if err != nil {
				t.Errorf("dial: %v", err)
				return
			}
			offices[i] = c
			for deadline := time.Now().Add(crowdPatience()); !c.Status().Connected; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Errorf("office %d does not get in: %v", i, c.Status().Err)
					return
				}
			}
		})
	}
	entering.Wait()
	defer func() {
		var leaving sync.WaitGroup
		for _, c := range offices {
			if c != nil {
				leaving.Go(func() { c.Close() })
			}
		}
		leaving.Wait()
	}()
	if t.Failed() {
		return
	}
	entered, full := time.Since(began), r.program.Memory()
	began = time.Now()
	hub := r.hub(t)
	go func() {
		for range hub.Peers() { // nobody is served here
		}
	}()
	online := map[string]bool{}
	for deadline := time.After(time.Duration(n)*2*time.Millisecond + time.Minute); len(online) < n; {
		select {
		case ev := <-hub.Presence():
			if ev.Online && ev.Office[0] == 'P' {
				online[ev.Office] = true
			}
		case <-deadline:
			t.Fatalf("the hub knows %d of %d offices", len(online), n)
		}
	}
	t.Logf("%d TLS sessions: %.0f/s, broker from %d to %d MiB; a hub that came afterwards knew all in %v",
		n, float64(n)/entered.Seconds(), empty>>20, full>>20, time.Since(began).Round(time.Millisecond))
}
