package storagetest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/google/uuid"

	"tram/storage"
)

// Memory is a [Subject] in memory. What it reports as done survives
// [Memory.Crash]; bytes that were written without sync do not.
//
// Make it with [NewMemory].
type Memory struct {
	mu      sync.Mutex
	epoch   storage.ID
	bundles map[storage.ID]*memBundle
	seen    map[storage.ID]memSeen
	arrived []storage.ID
	limit   int
}

type memBundle struct {
	storage.Bundle
	objects  []memObject
	outgoing map[string]*memOutgoing
	incoming map[string]storage.Incoming // without bytes
	inbox    bool
}

type memObject struct {
	have    bool
	data    []byte
	durable int
}

type memOutgoing struct {
	Target
	custody, refused bool
	epoch            storage.ID
}

type memSeen struct {
	header  [32]byte
	receipt []byte
}

var _ Subject = (*Memory)(nil)

// NewMemory returns an empty queue with a new epoch.
func NewMemory() *Memory {
	m := &Memory{}
	m.Lose()
	return m
}

// Epoch names the present store: it changes with Lose.
func (m *Memory) Epoch() storage.ID {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.epoch
}

// Lose empties the store, as if its disk had been replaced.
func (m *Memory) Lose() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.epoch = uuid.New()
	m.bundles = map[storage.ID]*memBundle{}
	m.seen = map[storage.ID]memSeen{}
	m.arrived = nil
}

// Limit makes Admit answer [storage.ErrFull] while there are n unfinished
// incoming bundles; zero means no limit.
func (m *Memory) Limit(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.limit = n
}

// Crash implements [Subject].
func (m *Memory) Crash() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range m.bundles {
		for i := range b.objects {
			o := &b.objects[i]
			o.data = o.data[:o.durable:o.durable]
		}
	}
}

// Put implements [Subject].
func (m *Memory) Put(_ context.Context, b storage.Bundle, contents [][]byte, targets ...Target) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	have, err := m.bundle(b)
	if err != nil {
		return err
	}
	for i, c := range contents {
		have.objects[i] = memObject{have: true, data: bytes.Clone(c), durable: len(c)}
	}
	for _, t := range targets {
		if have.outgoing[t.Peer] == nil {
			t.Slip = bytes.Clone(t.Slip)
			have.outgoing[t.Peer] = &memOutgoing{Target: t}
		}
	}
	return nil
}

// bundle returns the stored bundle of that ID, made if need be.
func (m *Memory) bundle(b storage.Bundle) (*memBundle, error) {
	if old := m.bundles[b.ID]; old != nil {
		if !bytes.Equal(old.Header, b.Header) {
			return nil, fmt.Errorf("bundle %s: %w", b.ID, storage.ErrConflict)
		}
		return old, nil
	}
	b.Header, b.To, b.Objects = bytes.Clone(b.Header), slices.Clone(b.To), slices.Clone(b.Objects)
	n := &memBundle{
		Bundle: b, objects: make([]memObject, len(b.Objects)),
		outgoing: map[string]*memOutgoing{}, incoming: map[string]storage.Incoming{},
	}
	m.bundles[b.ID] = n
	return n, nil
}

// Forward makes a bundle in the store outgoing.
func (m *Memory) Forward(id storage.ID, targets ...Target) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.bundles[id]
	if b == nil {
		return storage.ErrNotFound
	}
	for _, t := range targets {
		if b.outgoing[t.Peer] == nil {
			b.outgoing[t.Peer] = &memOutgoing{Target: t}
		}
	}
	return nil
}

// release drops a bundle that nothing refers to.
func (m *Memory) release(b *memBundle) {
	if len(b.outgoing) == 0 && len(b.incoming) == 0 && !b.inbox {
		delete(m.bundles, b.ID)
	}
}

// End implements [Subject].
func (m *Memory) End(_ context.Context, id storage.ID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b := m.bundles[id]; b != nil {
		clear(b.outgoing)
		m.release(b)
	}
	return nil
}

// Inbox implements [Subject].
func (m *Memory) Inbox(context.Context) ([]storage.ID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := slices.Clone(m.arrived)
	slices.SortStableFunc(list, func(a, b storage.ID) int {
		return cmp.Compare(m.bundles[b].Urgency, m.bundles[a].Urgency)
	})
	return list, nil
}

// Handled implements [Subject].
func (m *Memory) Handled(_ context.Context, id storage.ID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b := m.bundles[id]; b != nil && b.inbox {
		b.inbox = false
		m.arrived = slices.DeleteFunc(m.arrived, func(other storage.ID) bool { return other == id })
		m.release(b)
	}
	return nil
}

// Object implements [Subject].
func (m *Memory) Object(_ context.Context, id storage.ID, index int) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.bundles[id]
	if b == nil || index < 0 || index >= len(b.objects) || !b.objects[index].have {
		return nil, storage.ErrNotFound
	}
	return bytes.Clone(b.objects[index].data), nil
}

// Outgoing implements [storage.Queue].
func (m *Memory) Outgoing(_ context.Context, peer string, epoch storage.ID, limit int) ([]storage.Outgoing, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []storage.Outgoing
	for _, b := range m.bundles {
		o := b.outgoing[peer]
		if o == nil || o.refused || (o.custody && (o.epoch == epoch || epoch == storage.ID{})) {
			continue
		}
		list = append(list, storage.Outgoing{Bundle: b.Bundle, Slip: o.Slip})
	}
	slices.SortFunc(list, func(a, b storage.Outgoing) int {
		return cmp.Or(cmp.Compare(b.Urgency, a.Urgency), a.Created.Compare(b.Created), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return list[:min(limit, len(list))], nil
}

// ReadObject implements [storage.Queue].
func (m *Memory) ReadObject(_ context.Context, id storage.ID, object int, p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.bundles[id]
	if b == nil || len(b.outgoing) == 0 || object < 0 || object >= len(b.objects) || !b.objects[object].have {
		return 0, fmt.Errorf("read object: %w", storage.ErrNotFound)
	}
	if off >= int64(len(b.objects[object].data)) {
		return 0, io.EOF
	}
	n := copy(p, b.objects[object].data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Settle implements [storage.Queue].
func (m *Memory) Settle(_ context.Context, peer string, id storage.ID, o storage.Outcome) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.bundles[id]
	if b == nil || b.outgoing[peer] == nil {
		return fmt.Errorf("settle bundle %s: %w", id, storage.ErrNotFound)
	}
	out := b.outgoing[peer]
	switch {
	case out.custody && out.epoch == o.Epoch, out.refused && o.Receipt == nil:
	case !out.Hold:
		delete(b.outgoing, peer)
		m.release(b)
	default:
		out.custody, out.refused, out.epoch = o.Receipt != nil, o.Receipt == nil, o.Epoch
	}
	return nil
}

// Admit implements [storage.Queue].
func (m *Memory) Admit(_ context.Context, peer string, in storage.Incoming) (storage.Admission, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := m.seen[in.ID]; ok {
		if s.header != sha256.Sum256(in.Header) {
			return storage.Admission{}, fmt.Errorf("admit bundle %s: %w", in.ID, storage.ErrConflict)
		}
		return storage.Admission{Receipt: bytes.Clone(s.receipt)}, nil
	}
	if m.limit > 0 && m.bundles[in.ID] == nil && m.unfinished() >= m.limit {
		return storage.Admission{}, fmt.Errorf("admit bundle %s: %w", in.ID, storage.ErrFull)
	}
	b, err := m.bundle(in.Bundle)
	if err != nil {
		return storage.Admission{}, err
	}
	b.incoming[peer] = storage.Incoming{Slip: bytes.Clone(in.Slip), Need: slices.Clone(in.Need)}
	a := storage.Admission{Durable: map[int]int64{}}
	for _, i := range in.Need {
		o, want := &b.objects[i], b.Objects[i]
		if data := in.Inline[i]; !o.have && int64(len(data)) == want.Size && sha256.Sum256(data) == want.SHA256 {
			*o = memObject{have: true, data: bytes.Clone(data), durable: len(data)}
		}
		a.Durable[i] = int64(o.durable)
	}
	return a, nil
}

func (m *Memory) unfinished() (n int) {
	for _, b := range m.bundles {
		if len(b.incoming) > 0 {
			n++
		}
	}
	return n
}

// Write implements [storage.Queue].
func (m *Memory) Write(_ context.Context, id storage.ID, object int, off int64, p []byte, sync bool) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.bundles[id]
	if b == nil || len(b.incoming) == 0 || object < 0 || object >= len(b.objects) {
		return 0, fmt.Errorf("write bundle %s: %w", id, storage.ErrNotFound)
	}
	o := &b.objects[object]
	stored := int64(len(o.data))
	if off < 0 || off > stored || off+int64(len(p)) > b.Objects[object].Size {
		return 0, fmt.Errorf("write bundle %s: %w", id, storage.ErrOffset)
	}
	if skip := stored - off; skip < int64(len(p)) {
		o.data = append(o.data, p[skip:]...)
	}
	if sync {
		o.durable = len(o.data)
	}
	return int64(o.durable), nil
}

// Complete implements [storage.Queue].
func (m *Memory) Complete(_ context.Context, peer string, id storage.ID, receipt []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.seen[id]; ok {
		return nil
	}
	b := m.bundles[id]
	if b == nil {
		return fmt.Errorf("complete bundle %s: %w", id, storage.ErrNotFound)
	}
	in, ok := b.incoming[peer]
	if !ok {
		return fmt.Errorf("complete bundle %s: %w", id, storage.ErrNotFound)
	}
	for _, i := range in.Need {
		o := &b.objects[i]
		if int64(len(o.data)) < b.Objects[i].Size {
			return fmt.Errorf("complete bundle %s: object %d: %w", id, i, storage.ErrDigest)
		}
		if sha256.Sum256(o.data) != b.Objects[i].SHA256 {
			*o = memObject{}
			return fmt.Errorf("complete bundle %s: object %d: %w", id, i, storage.ErrDigest)
		}
	}
	for _, i := range in.Need {
		o := &b.objects[i]
		o.have, o.durable = true, len(o.data)
	}
	m.seen[id] = memSeen{header: sha256.Sum256(b.Header), receipt: append([]byte{}, receipt...)}
	clear(b.incoming)
	b.inbox = true
	m.arrived = append(m.arrived, id)
	return nil
}

// Forget implements [storage.Queue].
func (m *Memory) Forget(_ context.Context, peer string, id storage.ID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.bundles[id]
	if b == nil {
		return nil
	}
	delete(b.incoming, peer)
	if len(b.incoming) == 0 {
		for i := range b.objects {
			if !b.objects[i].have {
				b.objects[i] = memObject{}
			}
		}
	}
	m.release(b)
	return nil
}
