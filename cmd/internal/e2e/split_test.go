package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tram/agent/office"
	"tram/cmd/internal/sample"
	"tram/cmd/internal/world"
	"tram/storage"
	"tram/sync/linktest"
)

// split is one tree that two relays share on one cluster of brokers: the second
// relay is a hub below the first, with offices of its own.
type split struct {
	brokers     *world.Cluster
	first, next *world.World
}

func startSplit(t *testing.T) *split {
	t.Helper()
	program := linktest.HaveNATS(t)
	var addrs []string
	for range 3 {
		addr, err := linktest.LoopbackAddr()
		if err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, addr)
	}
	keys := func(w *world.World, name string) string { return filepath.Join(w.HubDir(), "keys", name) }
	s := &split{}
	s.first = prepareHub(t, world.Options{
		Hub: world.Spec{Code: "H40", Name: "UBND tỉnh Minh Sơn"}, Offices: []world.Spec{{Code: codeA, Name: "UBND xã An Bình"}}, Broker: addrs,
	})
	s.next = prepareHub(t, world.Options{
		Hub: world.Spec{Code: "H40.R2", Name: "Trạm trung chuyển thứ hai"}, Offices: []world.Spec{{Code: codeB, Name: "UBND phường Tân Lập"}},
		Broker: addrs, BrokerCA: keys(s.first, "ca.crt"), Upstream: s.first,
	})
	var trusted [][]byte
	for _, w := range []*world.World{s.first, s.next} {
		ca, err := os.ReadFile(keys(w, "ca.crt"))
		if err != nil {
			t.Fatal(err)
		}
		trusted = append(trusted, ca)
	}
	clients := filepath.Join(t.TempDir(), "clients.pem")
	if err := os.WriteFile(clients, slices.Concat(trusted...), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	s.brokers, err = world.StartCluster(t.Context(), world.ClusterOptions{
		Program: program, Dir: t.TempDir(), Addrs: addrs, Cert: keys(s.first, "server.crt"), Key: keys(s.first, "server.key"), ClientCAs: clients,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.brokers.Close(); err != nil {
			t.Error(err)
		}
	})
	beginHub(t, s.first)
	beginHub(t, s.next)
	return s
}

// TestP3_SplitRelaysLoseNothing sends between offices of two relays while nodes
// of their broker are killed, and each relay burns down with its disk.
func TestP3_SplitRelaysLoseNothing(t *testing.T) {
	t.Parallel()
	s := startSplit(t)
	a, b := s.first.Offices[0], s.next.Offices[0]
	warm := send(t, a, codeB, file{"truoc.pdf", sample.SmallPDF(5000, 1)})
	reaches(t, a, warm.ID, office.Delivered)
	ids := []storage.ID{warm.ID}
	for i, trouble := range []func(){
		func() { s.restartNode(t, 0) },
		func() { s.restartNode(t, 1) },
		backUp(t, s.first),
		backUp(t, s.next),
	} {
		large := send(t, a, codeB, file{"dang-gui.pdf", sample.SmallPDF(4_000_000, uint64(i))})
		time.Sleep(50 * time.Millisecond)
		trouble()
		small := send(t, a, codeB, file{"sau.pdf", sample.SmallPDF(9000, uint64(i))})
		for _, id := range []storage.ID{large.ID, small.ID} {
			reaches(t, b, id, office.Arrived)
			reaches(t, a, id, office.Delivered)
			ids = append(ids, id)
		}
	}
	page, err := b.API.Documents(t.Context(), office.Query{Box: office.In})
	if err != nil || page.Total != len(ids) {
		t.Errorf("the receiver has %d documents, want %d (error %v)", page.Total, len(ids), err)
	}
}

// restartNode kills a node of the broker and starts it again.
func (s *split) restartNode(t *testing.T, i int) {
	t.Helper()
	if err := s.brokers.Nodes[i].Kill(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	if err := s.brokers.Nodes[i].Start(); err != nil {
		t.Fatal(err)
	}
	if err := s.brokers.Wait(t.Context(), i); err != nil {
		t.Fatal(err)
	}
}
