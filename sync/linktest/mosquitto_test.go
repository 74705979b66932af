package linktest_test

import (
	"strings"
	"testing"
	"time"

	"tram/sync/exchange"
	"tram/sync/linktest"
	"tram/sync/mqtt"
)

// TestP7_MosquittoKeepsOfficesApart runs the generated configuration: an office
// with the certificate of another one can neither speak nor listen for it.
func TestP7_MosquittoKeepsOfficesApart(t *testing.T) {
	t.Parallel()
	linktest.HaveMosquitto(t)
	ca := linktest.NewAuthority(t)
	addr := linktest.FreeAddr(t)
	m := linktest.StartMosquitto(t, mosquittoConfig(t, ca, addr), addr)
	hub, err := mqtt.NewHub(mqtt.HubOptions{
		Servers: []string{addr}, TLS: ca.ClientConfig(hubCode), Hub: hubCode, Tuning: hasty, Lookup: lookup,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hub.Close() })
	true01 := dial(t, ca, addr, "H40.01")
	peer := nextPeer(t, hub, "H40.01")
	observed := make(chan exchange.LinkEvent, 100)
	go func() {
		for ev := range peer.Events() {
			observed <- ev
		}
	}()
	if ev := <-observed; !ev.Up {
		t.Fatalf("event is %+v, want Up", ev)
	}
	// Mosquitto lets the forger in under the name of its certificate, and says
	// nothing when it refuses a publish; what counts is that nothing arrives.
	proxy := newProxy(t, linktest.ProxyOptions{Target: addr})
	forger, err := mqtt.Dial(mqtt.Options{
		Servers: []string{proxy.Addr()}, TLS: ca.ClientConfig("H40.02"), Hub: hubCode, Office: "H40.01", Tuning: hasty,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { forger.Close() })
	if ev := <-forger.Events(); !ev.Up {
		t.Fatalf("event is %+v, want Up", ev)
	}
	for _, bulk := range []bool{false, true} {
		if err := forger.Send(t.Context(), []byte("forged"), bulk); err != nil {
			t.Fatalf("send as forger: %v", err)
		}
	}
	if err := peer.Send(t.Context(), []byte("secret"), false); err != nil {
		t.Fatalf("send to office: %v", err)
	}
	for ev := (exchange.LinkEvent{}); string(ev.Frame) != "secret"; ev = <-true01.Events() {
	}
	denied := func() int { return strings.Count(m.Log(), "Denied PUBLISH from H40.02") }
	for deadline := time.Now().Add(10 * time.Second); denied() < 3; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("mosquitto denied %d publishes of the forger, want its presence and two frames", denied())
		}
	}
	proxy.Refuse(true)
	proxy.Cut() // now its last will would say that H40.01 is offline
	stranger, err := mqtt.Dial(mqtt.Options{
		Servers: []string{addr}, TLS: linktest.NewAuthority(t).ClientConfig("H40.01"), Hub: hubCode, Office: "H40.01", Tuning: hasty,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stranger.Close() })
	for stranger.Stats().Failures < 2 {
		time.Sleep(5 * time.Millisecond)
	}
	if err := true01.Send(t.Context(), []byte("true"), false); err != nil {
		t.Fatalf("send: %v", err)
	}
	if ev := <-observed; string(ev.Frame) != "true" {
		t.Errorf("hub got %+v", ev)
	}
	if got := forger.Stats().ReceivedFrames; got != 0 {
		t.Errorf("the forger got %d frames", got)
	}
	if stranger.Status().Connected {
		t.Error("a stranger was let in")
	}
}
