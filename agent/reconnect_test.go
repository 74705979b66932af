package agent_test

import (
	"math"
	"testing"
	"time"

	"tram/agent/config"
	"tram/sync/linktest"
)

// TestReconnectCost cuts the line of an idle office and counts what goes over
// the socket, in both directions, until its session stands again: TLS, CONNECT,
// SUBSCRIBE, presence and HELLO. TCP and IP headers are not in it.
func TestReconnectCost(t *testing.T) {
	const (
		most     = 6000 // bytes, of the economical key exchange
		software = 700  // of the report which software it is, with which a program begins
	)
	for _, c := range []struct {
		kex  string
		most int64
	}{{"economical", most}, {"post-quantum", most + 1000}} {
		t.Run(c.kex, func(t *testing.T) {
			p := found(t)
			p.config.MQTT.KeyExchange = c.kex
			proxy, err := linktest.NewProxy(linktest.ProxyOptions{Target: p.config.MQTT.Address, Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer proxy.Close()
			p.settings = func(_ string, o *config.Office) { o.MQTT.Servers, o.MQTT.KeyExchange = []string{proxy.Addr()}, c.kex }
			p.startHub()
			a := p.join(codeA)
			for when, most := range map[string]int64{"the line": c.most, "the program": c.most + software} {
				// What the hub has to say besides, such as of another office's card, may
				// fall into a measurement and is none of it.
				best := int64(math.MaxInt64)
				for range 3 {
					if best = min(best, a.reconnects(proxy, when)); best <= most {
						break
					}
				}
				t.Logf("%s key exchange, after %s came back: %d bytes in all", c.kex, when, best)
				if best > most || best < 2000 {
					t.Errorf("a reconnect costs %d bytes, want at most %d", best, most)
				}
			}
		})
	}
}

// reconnects gives what it costs in bytes, both ways, until the line is quiet again
// after it, or the program, was interrupted.
func (b *box) reconnects(proxy *linktest.Proxy, when string) int64 {
	b.p.t.Helper()
	b.p.quiet(proxy)
	up, down := proxy.Traffic()
	cut := time.Now()
	if when == "the line" {
		proxy.Cut()
	} else {
		b.end(b.p.t)
		up, down = proxy.Traffic()
		b.reopen()
	}
	b.p.eventually("a new session", func() bool {
		agents, err := b.p.theHub.Agents(b.p.t.Context())
		return err == nil && agents.Agents[0].Online && agents.Agents[0].Since.After(cut)
	})
	b.p.quiet(proxy)
	upNow, downNow := proxy.Traffic()
	b.p.t.Logf("after %s came back: %d bytes up, %d down", when, upNow-up, downNow-down)
	return upNow - up + downNow - down
}

// quiet waits until nothing has moved over the line for a while.
func (p *province) quiet(proxy *linktest.Proxy) {
	p.t.Helper()
	up, down := proxy.Traffic()
	for late, since := time.Now().Add(patience), time.Now(); time.Since(since) < 500*time.Millisecond; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(late) {
			p.t.Fatal("the line does not get quiet")
		}
		if u, d := proxy.Traffic(); u != up || d != down {
			up, down, since = u, d, time.Now()
		}
	}
}
