package engine

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"time"

	"tram/sync/wire"

	"github.com/google/uuid"
)

// simDoc is a document of a simulation. Its content follows from its id, so
// that a digest is a comparison.
type simDoc struct {
	id        uuid.UUID
	from, to  string
	urgency   uint8
	created   time.Time
	objects   [][]byte
	inline    map[int]bool // object indexes that travel in the offer
	inReplyTo uuid.UUID    // of a receipt: the document that arrived
	refused   bool         // by every neighbour
}

func simID(n int) (id uuid.UUID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	id[0] = 7
	return id
}

func newSimDoc(n int, from, to string, urgency uint8, created time.Time, sizes []int, inline ...int) *simDoc {
	d := &simDoc{
		id: simID(n), from: from, to: to, urgency: urgency, created: created, inline: make(map[int]bool),
	}
	for i, size := range sizes {
		b := make([]byte, size)
		for j := range b {
			b[j] = byte(n*31 + i*7 + j + j>>8)
		}
		d.objects = append(d.objects, b)
	}
	for _, i := range inline {
		d.inline[i] = true
	}
	return d
}

func (d *simDoc) item() Item {
	it := Item{ID: d.id, Urgency: d.urgency, Created: d.created, Objects: make(map[int]int64)}
	for i, b := range d.objects {
		if d.inline[i] {
			it.Offer += int64(len(b))
		} else {
			it.Objects[i] = int64(len(b))
		}
	}
	return it
}

func (d *simDoc) offer() wire.Offer {
	o := wire.Offer{ID: d.id, Header: d.id[:], Inline: make(map[int][]byte)}
	for i := range d.inline {
		o.Inline[i] = d.objects[i]
	}
	return o
}

// simStore is a store with the crash behaviour of a real one: each method is
// atomic and durable, but for bytes written without sync.
type simStore struct {
	epoch   int
	out     map[string]map[uuid.UUID]*simOut // by neighbour
	part    map[simPartKey]*simPart
	seen    map[uuid.UUID][]byte // receipts given
	handed  map[uuid.UUID]int    // hand-overs to the reader
	dropped map[simPartKey]int   // how often an object's bytes were dropped
}

type simOut struct {
	doc     *simDoc
	hold    bool // kept after custody until ended
	settled bool
	epoch   int // of the neighbour when settled
}

type simPartKey struct {
	peer   string
	id     uuid.UUID
	object int
}

type simPart struct {
	data    []byte
	durable int
}

func newSimStore(epoch int) *simStore {
	return &simStore{
		epoch: epoch, out: make(map[string]map[uuid.UUID]*simOut), part: make(map[simPartKey]*simPart),
		seen: make(map[uuid.UUID][]byte), handed: make(map[uuid.UUID]int), dropped: make(map[simPartKey]int),
	}
}

func (s *simStore) put(peer string, d *simDoc, hold bool) {
	if s.out[peer] == nil {
		s.out[peer] = make(map[uuid.UUID]*simOut)
	}
	if s.out[peer][d.id] == nil {
		s.out[peer][d.id] = &simOut{doc: d, hold: hold}
	}
}

// outgoing lists what the neighbour with that epoch should be offered.
func (s *simStore) outgoing(peer string, epoch int) []*simDoc {
	var docs []*simDoc
	for _, o := range s.out[peer] {
		if !o.settled || o.epoch != epoch {
			docs = append(docs, o.doc)
		}
	}
	slices.SortFunc(docs, func(a, b *simDoc) int { return bytes.Compare(a.id[:], b.id[:]) })
	return docs
}

// settle records custody under the epoch that its receipt names.
func (s *simStore) settle(peer string, id uuid.UUID, receipt []byte) {
	epoch := int(binary.BigEndian.Uint64(receipt))
	o := s.out[peer][id]
	if o == nil {
		return
	}
	if !o.hold {
		delete(s.out[peer], id)
		return
	}
	o.settled, o.epoch = true, epoch
}

func (s *simStore) admit(peer string, d *simDoc, inline map[int][]byte) Admission {
	if r := s.seen[d.id]; r != nil {
		return Admission{Receipt: r}
	}
	need, size := make(map[int]Need), int64(0)
	for i, want := range d.objects {
		k := simPartKey{peer, d.id, i}
		p := s.part[k]
		if p == nil {
			p = &simPart{}
			s.part[k] = p
		}
		if b, ok := inline[i]; ok && len(p.data) < len(b) {
			p.data = slices.Clone(b)
			p.durable = len(b)
		}
		need[i] = Need{Size: int64(len(want)), Durable: int64(p.durable)}
		size += int64(len(want))
	}
	return Admission{Urgency: d.urgency, Size: size, Need: need}
}

func (s *simStore) write(peer string, w Write) Written {
	ans := Written{ID: w.ID, Object: w.Object, N: len(w.Data)}
	p := s.part[simPartKey{peer, w.ID, w.Object}]
	if p == nil || w.Offset > int64(len(p.data)) {
		ans.Code = wire.CodeInternal
		return ans
	}
	if skip := int64(len(p.data)) - w.Offset; skip < int64(len(w.Data)) {
		p.data = append(p.data, w.Data[skip:]...)
	}
	if w.Sync {
		p.durable = len(p.data)
	}
	ans.Durable = int64(p.durable)
	return ans
}

// complete hands a bundle over once, or drops the objects that do not match.
func (s *simStore) complete(peer string, d *simDoc, arrived func(*simDoc)) Completed {
	if r := s.seen[d.id]; r != nil {
		return Completed{ID: d.id, Receipt: r}
	}
	good := true
	for i, want := range d.objects {
		k := simPartKey{peer, d.id, i}
		p := s.part[k]
		if p == nil {
			return Completed{ID: d.id, Code: wire.CodeInternal}
		}
		if p.durable < len(p.data) {
			panic("completed before its bytes are durable")
		}
		if !bytes.Equal(p.data, want) {
			good = false
			s.dropPart(k)
		}
	}
	if !good {
		return Completed{ID: d.id, Code: wire.CodeDigest}
	}
	for i := range d.objects {
		delete(s.part, simPartKey{peer, d.id, i})
	}
	s.seen[d.id] = append(binary.BigEndian.AppendUint64(nil, uint64(s.epoch)), d.id[:]...)
	arrived(d)
	return Completed{ID: d.id, Receipt: s.seen[d.id]}
}

func (s *simStore) dropPart(k simPartKey) {
	delete(s.part, k)
	s.dropped[k]++
}

func (s *simStore) forget(peer string, id uuid.UUID) {
	for k := range s.part {
		if k.peer == peer && k.id == id {
			s.dropPart(k)
		}
	}
}

// crash loses some or all of what was not synced; torn bytes may stay and
// then fail their digest.
func (s *simStore) crash(r *rand.Rand, torn bool) {
	for _, k := range s.keys() {
		p := s.part[k]
		keep := p.durable + r.IntN(len(p.data)-p.durable+1)
		if torn && keep > p.durable {
			p.data[keep-1] ^= 0xff
		}
		p.data = p.data[:keep]
		p.durable = keep
	}
}

// keys lists the parts in a fixed order, so that a seed decides everything.
func (s *simStore) keys() []simPartKey {
	keys := make([]simPartKey, 0, len(s.part))
	for k := range s.part {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b simPartKey) int {
		if c := bytes.Compare(a.id[:], b.id[:]); c != 0 {
			return c
		}
		if a.object != b.object {
			return a.object - b.object
		}
		return bytes.Compare([]byte(a.peer), []byte(b.peer))
	})
	return keys
}
