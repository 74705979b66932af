package exchange_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"tram/sync/broker"
	"tram/sync/exchange"
	"tram/sync/linktest"
	"tram/sync/mqtt"
)

// TestPoisonFrameAtMosquitto: a real broker whose packet limit is too small for
// one OFFER ends the connection at it; that bundle alone is parked.
func TestPoisonFrameAtMosquitto(t *testing.T) {
	t.Parallel()
	linktest.HaveMosquitto(t)
	ca, dir, addr := linktest.NewAuthority(t), t.TempDir(), linktest.FreeAddr(t)
	ca.WriteRoot(dir)
	linktest.WriteCert(t, dir, "server", ca.Server())
	config, err := broker.Config(broker.Mosquitto, broker.ConfigOptions{Addr: addr, Dir: dir, Hub: "B", Offices: []string{"A"}, User: "root"})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range config.Files {
		data := bytes.ReplaceAll(f.Data, fmt.Appendf(nil, "max_packet_size %d", mqtt.MaxPacket+5), []byte("max_packet_size 40000"))
		if err := os.WriteFile(filepath.Join(dir, f.Name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	linktest.StartMosquitto(t, dir, addr)

	keys := makeKeys(t, "A", "B")
	a, b := newStation(t, "A", keys), newStation(t, "B", keys)
	poison := a.putTo(t, "B", circular(), 900)
	good := a.put(t, "B", 900, 200_000)
	hasty := mqtt.Tuning{Backoff: mqtt.Backoff{Min: 20 * time.Millisecond, Max: 200 * time.Millisecond}}
	hub, err := mqtt.NewHub(mqtt.HubOptions{
		Servers: []string{addr}, TLS: ca.ClientConfig("B"), Hub: "B", Tuning: hasty,
		Lookup: func(string) (string, bool) { return "A", true },
	})
	if err != nil {
		t.Fatal(err)
	}
	office, err := mqtt.Dial(mqtt.Options{Servers: []string{addr}, TLS: ca.ClientConfig("A"), Hub: "B", Office: "A", Tuning: hasty})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { _ = a.node.Run(ctx, "B", office) })
	group.Go(func() {
		if peer, ok := <-hub.Peers(); ok {
			_ = b.node.Run(ctx, "A", peer)
		}
	})
	defer func() {
		cancel()
		office.Close()
		hub.Close()
		group.Wait()
	}()
	settled(t, a, b, good, time.Minute)
	sameObjects(t, a, b, good, 2)
	for deadline := time.Now().Add(time.Minute); a.node.Parked("B") == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the bundle that does not pass is not parked")
		}
	}
	if parked := a.guard.parkedNow(); len(parked) != 1 || parked[0] != poison {
		t.Errorf("parked are %v, want %s alone", parked, poison)
	}
	if got := office.Stats().Connects; got > exchange.PoisonTries+1 {
		t.Errorf("%d connections, want at most %d", got, exchange.PoisonTries+1)
	}
	settled(t, a, b, a.put(t, "B", 900, 50_000), time.Minute)
}
