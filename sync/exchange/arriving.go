package exchange

import (
	"bytes"
	"cmp"
	"slices"

	"tram/storage"
	"tram/sync/engine"
)

// Arriving is a bundle that a neighbour is handing over, as far as this node
// knows it: it is not here yet.
type Arriving struct {
	ID      storage.ID
	Peer    string
	Kind    uint8
	From    string // office code
	Urgency uint8
	Size    int64 // bytes of all its objects
	Here    int64 // of these, durable here
	// Held says that it does not come over the present line; see [Node.SetRules]
	// and [Node.First].
	Held bool
}

// arriving is one with what is durable of each of its objects, in bytes by index.
type arriving struct {
	Arriving
	durable map[int]int64
}

// Arriving lists what the sessions of now have been offered and is not here
// yet, most urgent first.
func (n *Node) Arriving() []Arriving {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []Arriving
	for _, a := range n.arriving {
		a := a.Arriving
		a.Held = !n.first[a.ID] && !n.rules.Allow(a.Urgency, a.Size)
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b Arriving) int {
		return cmp.Or(-cmp.Compare(a.Urgency, b.Urgency), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return list
}

// maxArriving bounds what Arriving knows of all neighbours; more is not listed.
const maxArriving = 4096

func (s *session) arrives(in storage.Incoming, adm engine.Admission) {
	a := &arriving{Arriving{ID: in.ID, Peer: s.peer, Kind: in.Kind, From: in.From, Urgency: in.Urgency, Size: adm.Size}, map[int]int64{}}
	for i, need := range adm.Need {
		a.durable[i] = need.Durable
		a.Here += need.Durable
	}
	n := s.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, known := n.arriving[in.ID]; known || len(n.arriving) < maxArriving {
		n.arriving[in.ID] = a
	}
}

// came notes how much of an object of a bundle is durable now, in bytes: what was only
// written does not count, for a power cut may take it (P4).
func (s *session) came(id storage.ID, object int, durable int64) {
	n := s.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if a := n.arriving[id]; a != nil && durable > a.durable[object] {
		a.Here += durable - a.durable[object]
		a.durable[object] = durable
	}
}

// arrived forgets one that is here, or will not come.
func (s *session) arrived(id storage.ID) {
	n := s.node
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.arriving, id)
	delete(n.first, id)
}

// parted forgets all that the neighbour was handing over.
func (s *session) parted() {
	n := s.node
	n.mu.Lock()
	defer n.mu.Unlock()
	for id, a := range n.arriving {
		if a.Peer == s.peer {
			delete(n.arriving, id)
		}
	}
}
