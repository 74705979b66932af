package storagetest

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/storage"
)

func testOutgoingOrder(t *testing.T, q Subject) {
	ctx := t.Context()
	late, early, urgent := NewSample(9, 0, 10), NewSample(1, 0, 10, 20), NewSample(5, 3, 10)
	for _, s := range []Sample{late, early, urgent} {
		must(t, q.Put(ctx, s.Bundle, s.Contents, Target{Peer: "hub", Slip: []byte("key")}, Target{Peer: "other"}))
	}
	wantOutgoing(t, q, "hub", uuid.New(), urgent.ID, early.ID, late.ID)
	wantOutgoing(t, q, "nobody", uuid.New())
	q.Crash()
	list, err := q.Outgoing(ctx, "hub", uuid.New(), 2)
	must(t, err)
	equal(t, "limited list", len(list), 2)
	o := list[1]
	if !bytes.Equal(o.Header, early.Header) || !slices.Equal(o.To, early.To) || !slices.Equal(o.Objects, early.Objects) ||
		!o.Created.Equal(early.Created) || !o.Expires.Equal(early.Expires) || o.From != early.From || string(o.Slip) != "key" {
		t.Fatalf("listed bundle differs: %+v", o)
	}
	list, err = q.Outgoing(ctx, "other", uuid.New(), 1)
	must(t, err)
	if list[0].Slip != nil {
		t.Fatal("a target without slip got one")
	}
}

func testReadObject(t *testing.T, q Subject) {
	ctx := t.Context()
	s := NewSample(1, 0, 0, 100, 100_000)
	must(t, q.Put(ctx, s.Bundle, s.Contents, Target{Peer: "hub", Hold: true}))
	for i, data := range s.Contents {
		for _, off := range []int{0, 1, len(data) / 2, len(data)} {
			if off > len(data) {
				continue
			}
			p := make([]byte, len(data)/2+1)
			n, err := q.ReadObject(ctx, s.ID, i, p, int64(off))
			if want := copy(make([]byte, len(p)), data[off:]); n != want || !bytes.Equal(p[:n], data[off:off+n]) {
				t.Fatalf("object %d at %d: got %d bytes, want %d", i, off, n, want)
			}
			if n < len(p) && err != io.EOF {
				t.Fatalf("object %d at %d: short read with error %v", i, off, err)
			}
			if n == len(p) && err != nil && err != io.EOF {
				t.Fatal(err)
			}
		}
	}
	p := make([]byte, 1)
	for _, i := range []int{-1, 3, 1000} {
		_, err := q.ReadObject(ctx, s.ID, i, p, 0)
		wantErr(t, err, storage.ErrNotFound)
	}
	_, err := q.ReadObject(ctx, uuid.New(), 0, p, 0)
	wantErr(t, err, storage.ErrNotFound)
	must(t, q.End(ctx, s.ID))
	_, err = q.ReadObject(ctx, s.ID, 1, p, 0)
	wantErr(t, err, storage.ErrNotFound)
}

func testSettleNotHeld(t *testing.T, q Subject) {
	ctx := t.Context()
	s := NewSample(1, 0, 100)
	must(t, q.Put(ctx, s.Bundle, s.Contents, Target{Peer: "a"}, Target{Peer: "b"}))
	custody := storage.Outcome{Receipt: []byte("r"), Epoch: uuid.New(), At: time.Now()}
	wantErr(t, q.Settle(ctx, "c", s.ID, custody), storage.ErrNotFound)
	wantErr(t, q.Settle(ctx, "a", uuid.New(), custody), storage.ErrNotFound)
	must(t, q.Settle(ctx, "a", s.ID, custody))
	q.Crash()
	wantOutgoing(t, q, "a", uuid.New())
	wantOutgoing(t, q, "b", uuid.New(), s.ID)
	wantErr(t, q.Settle(ctx, "a", s.ID, custody), storage.ErrNotFound)
	must(t, q.Settle(ctx, "b", s.ID, custody))
	_, err := q.Object(ctx, s.ID, 0)
	wantErr(t, err, storage.ErrNotFound)
}

func testHeld(t *testing.T, q Subject) {
	ctx := t.Context()
	s := NewSample(1, 0, 100)
	must(t, q.Put(ctx, s.Bundle, s.Contents, Target{Peer: "hub", Hold: true}))
	old, restored := uuid.New(), uuid.New()
	must(t, q.Settle(ctx, "hub", s.ID, storage.Outcome{Receipt: []byte("r"), Epoch: old, At: time.Now()}))
	q.Crash()
	wantOutgoing(t, q, "hub", old)
	wantOutgoing(t, q, "hub", storage.ID{})
	wantOutgoing(t, q, "hub", restored, s.ID)
	must(t, q.Settle(ctx, "hub", s.ID, storage.Outcome{Receipt: []byte("r2"), Epoch: restored, At: time.Now()}))
	must(t, q.Settle(ctx, "hub", s.ID, storage.Outcome{Receipt: []byte("r2"), Epoch: restored, At: time.Now()}))
	wantOutgoing(t, q, "hub", restored)
	wantObjects(t, q, s)
	must(t, q.End(ctx, s.ID))
	must(t, q.End(ctx, s.ID))
	wantOutgoing(t, q, "hub", uuid.New())
}

func testRefused(t *testing.T, q Subject) {
	ctx := t.Context()
	s := NewSample(1, 0, 100)
	must(t, q.Put(ctx, s.Bundle, s.Contents, Target{Peer: "hub", Hold: true}))
	refusal := storage.Outcome{Code: 6, Text: "unknown recipient", Epoch: uuid.New(), At: time.Now()}
	must(t, q.Settle(ctx, "hub", s.ID, refusal))
	must(t, q.Settle(ctx, "hub", s.ID, refusal))
	q.Crash()
	wantOutgoing(t, q, "hub", uuid.New())
	wantObjects(t, q, s) // its owner has not been told yet
	must(t, q.End(ctx, s.ID))
	_, err := q.Object(ctx, s.ID, 0)
	wantErr(t, err, storage.ErrNotFound)
}

func testPutConflict(t *testing.T, q Subject) {
	ctx := t.Context()
	s := NewSample(1, 0, 100)
	must(t, q.Put(ctx, s.Bundle, s.Contents, Target{Peer: "a"}))
	must(t, q.Put(ctx, s.Bundle, s.Contents, Target{Peer: "a"}, Target{Peer: "b"}))
	wantOutgoing(t, q, "a", uuid.New(), s.ID)
	wantOutgoing(t, q, "b", uuid.New(), s.ID)
	s.Header = []byte("another")
	wantErr(t, q.Put(ctx, s.Bundle, s.Contents, Target{Peer: "a"}), storage.ErrConflict)
}

func testTransfer(t *testing.T, q Subject) {
	s := NewSample(1, 1, 0, 1, 5000, 32<<10, 32<<10+1, 200_000)
	s.InReplyTo = uuid.New()
	receive(t, q, "hub", s, "receipt")
	wantInbox(t, q, s.ID)
	wantObjects(t, q, s)
	q.Crash()
	wantInbox(t, q, s.ID)
	wantObjects(t, q, s)
	must(t, q.Handled(t.Context(), s.ID))
	must(t, q.Handled(t.Context(), s.ID))
	wantInbox(t, q)
	_, err := q.Object(t.Context(), s.ID, 1)
	wantErr(t, err, storage.ErrNotFound)
}

func testInline(t *testing.T, q Subject) {
	ctx := t.Context()
	s := NewSample(1, 0, 300, 40_000, 500, 0)
	in := s.Incoming()
	in.Need = []int{0, 1, 3} // object 2 does not travel
	in.Inline = map[int][]byte{0: s.Contents[0], 1: []byte("wrong"), 7: []byte("of nothing")}
	a, err := q.Admit(ctx, "hub", in)
	must(t, err)
	equal(t, "durable of the inline object", a.Durable[0], 300)
	equal(t, "durable of the object with wrong bytes", a.Durable[1], 0)
	if _, ok := a.Durable[2]; ok {
		t.Fatal("an object that is not needed has a durable length")
	}
	q.Crash()
	in.Inline = nil
	a, err = q.Admit(ctx, "hub", in)
	must(t, err)
	equal(t, "durable of the inline object, offered again", a.Durable[0], 300)
	durable, err := q.Write(ctx, s.ID, 0, 0, s.Contents[0], true) // late duplicate
	must(t, err)
	equal(t, "durable after a duplicate", durable, 300)
	send(t, q, s, 1, 0)
	must(t, q.Complete(ctx, "hub", s.ID, []byte("r")))
	for _, i := range in.Need {
		got, err := q.Object(ctx, s.ID, i)
		must(t, err)
		equal(t, "object bytes", string(got), string(s.Contents[i]))
	}
	_, err = q.Object(ctx, s.ID, 2)
	wantErr(t, err, storage.ErrNotFound)
}

func testResume(t *testing.T, q Subject) {
	ctx := t.Context()
	s := NewSample(1, 0, 10_000, 150_000)
	_, err := q.Admit(ctx, "hub", s.Incoming())
	must(t, err)
	send(t, q, s, 0, 0)
	durable, err := q.Write(ctx, s.ID, 1, 0, s.Contents[1][:chunk], true)
	must(t, err)
	equal(t, "durable", durable, chunk)
	_, err = q.Write(ctx, s.ID, 1, chunk, s.Contents[1][chunk:2*chunk], false)
	must(t, err)
	q.Crash()
	a, err := q.Admit(ctx, "hub", s.Incoming())
	must(t, err)
	equal(t, "durable of the whole object", a.Durable[0], 10_000)
	if a.Durable[1] < chunk || a.Durable[1] > 2*chunk {
		t.Fatalf("durable of the begun object: %d", a.Durable[1])
	}
	send(t, q, s, 1, a.Durable[1])
	must(t, q.Complete(ctx, "hub", s.ID, []byte("r")))
	wantObjects(t, q, s)
}

func testOffsets(t *testing.T, q Subject) {
	ctx := t.Context()
	s := NewSample(1, 0, 1000)
	data := s.Contents[0]
	_, err := q.Write(ctx, s.ID, 0, 0, data, true)
	wantErr(t, err, storage.ErrNotFound)
	_, err = q.Admit(ctx, "hub", s.Incoming())
	must(t, err)
	for _, c := range []struct{ off, end, durable int64 }{
		{0, 400, 400}, {0, 400, 400}, {100, 300, 400}, {300, 600, 600}, {600, 600, 600},
	} {
		durable, err := q.Write(ctx, s.ID, 0, c.off, data[c.off:c.end], true)
		must(t, err)
		equal(t, "durable", durable, c.durable)
	}
	for _, off := range []int64{-1, 601, 5000} {
		_, err = q.Write(ctx, s.ID, 0, off, []byte("x"), true)
		wantErr(t, err, storage.ErrOffset)
	}
	_, err = q.Write(ctx, s.ID, 0, 600, make([]byte, 401), true) // over the declared size
	wantErr(t, err, storage.ErrOffset)
	for _, object := range []int{-1, 1, 300} {
		_, err = q.Write(ctx, s.ID, object, 0, nil, true)
		wantErr(t, err, storage.ErrNotFound)
	}
	send(t, q, s, 0, 600)
	must(t, q.Complete(ctx, "hub", s.ID, []byte("r")))
	wantObjects(t, q, s)
}

func testDigest(t *testing.T, q Subject) {
	ctx := t.Context()
	s := NewSample(1, 0, 1000, 100_000, 100_001)
	_, err := q.Admit(ctx, "hub", s.Incoming())
	must(t, err)
	bad := Sample{Bundle: s.Bundle, Contents: slices.Clone(s.Contents)}
	bad.Contents[1] = bytes.Clone(bad.Contents[1])
	bad.Contents[1][77_777] ^= 1
	for i := range bad.Contents {
		send(t, q, bad, i, 0)
	}
	wantErr(t, q.Complete(ctx, "hub", s.ID, []byte("r")), storage.ErrDigest)
	wantInbox(t, q)
	a, err := q.Admit(ctx, "hub", s.Incoming())
	must(t, err)
	equal(t, "good small object", a.Durable[0], 1000)
	equal(t, "bad object", a.Durable[1], 0)
	equal(t, "good large object", a.Durable[2], 100_001)
	send(t, q, s, 1, 0)
	must(t, q.Complete(ctx, "hub", s.ID, []byte("r")))
	wantObjects(t, q, s)
}

func testIncomplete(t *testing.T, q Subject) {
	ctx := t.Context()
	s := NewSample(1, 0, 1000)
	wantErr(t, q.Complete(ctx, "hub", s.ID, []byte("r")), storage.ErrNotFound)
	_, err := q.Admit(ctx, "hub", s.Incoming())
	must(t, err)
	_, err = q.Write(ctx, s.ID, 0, 0, s.Contents[0][:999], true)
	must(t, err)
	wantErr(t, q.Complete(ctx, "hub", s.ID, []byte("r")), storage.ErrDigest)
	a, err := q.Admit(ctx, "hub", s.Incoming())
	must(t, err)
	equal(t, "durable", a.Durable[0], 999)
}

func testRemembered(t *testing.T, q Subject) {
	ctx := t.Context()
	s := NewSample(1, 0, 1000, 50_000)
	receive(t, q, "hub", s, "receipt")
	must(t, q.Complete(ctx, "hub", s.ID, []byte("receipt")))
	for range 2 {
		a, err := q.Admit(ctx, "hub", s.Incoming())
		must(t, err)
		equal(t, "receipt of then", string(a.Receipt), "receipt")
		equal(t, "objects wanted", len(a.Durable), 0)
		wantInbox(t, q, s.ID)
		q.Crash()
	}
	must(t, q.Handled(ctx, s.ID))
	must(t, q.Complete(ctx, "hub", s.ID, []byte("receipt")))
	a, err := q.Admit(ctx, "elsewhere", s.Incoming())
	must(t, err)
	equal(t, "receipt after the entry was handled", string(a.Receipt), "receipt")
	wantInbox(t, q)
}

func testConflict(t *testing.T, q Subject) {
	ctx := t.Context()
	s := NewSample(1, 0, 1000)
	other := s.Incoming()
	other.Header = []byte("forged")
	_, err := q.Admit(ctx, "hub", s.Incoming())
	must(t, err)
	_, err = q.Admit(ctx, "hub", other)
	wantErr(t, err, storage.ErrConflict)
	receive(t, q, "hub", s, "r")
	_, err = q.Admit(ctx, "hub", other)
	wantErr(t, err, storage.ErrConflict)
	must(t, q.Handled(ctx, s.ID))
	_, err = q.Admit(ctx, "hub", other)
	wantErr(t, err, storage.ErrConflict)
}

func testTwoNeighbours(t *testing.T, q Subject) {
	ctx := t.Context()
	s := NewSample(1, 0, 1000, 60_000)
	for _, peer := range []string{"a", "b", "a"} {
		_, err := q.Admit(ctx, peer, s.Incoming())
		must(t, err)
	}
	send(t, q, s, 0, 0)
	must(t, q.Forget(ctx, "a", s.ID))
	a, err := q.Admit(ctx, "b", s.Incoming())
	must(t, err)
	equal(t, "what a has sent serves b", a.Durable[0], 1000)
	wantErr(t, q.Complete(ctx, "a", s.ID, []byte("r")), storage.ErrNotFound)
	_, err = q.Admit(ctx, "a", s.Incoming())
	must(t, err)
	send(t, q, s, 1, 0)
	must(t, q.Complete(ctx, "a", s.ID, []byte("first")))
	must(t, q.Complete(ctx, "b", s.ID, []byte("second")))
	wantInbox(t, q, s.ID)
	a, err = q.Admit(ctx, "b", s.Incoming())
	must(t, err)
	equal(t, "receipt", string(a.Receipt), "first")
	wantObjects(t, q, s)
}

func testForget(t *testing.T, q Subject) {
	ctx := t.Context()
	s := NewSample(1, 0, 1000, 60_000)
	must(t, q.Forget(ctx, "hub", s.ID))
	_, err := q.Admit(ctx, "hub", s.Incoming())
	must(t, err)
	send(t, q, s, 0, 0)
	send(t, q, s, 1, 0)
	must(t, q.Forget(ctx, "hub", s.ID))
	must(t, q.Forget(ctx, "hub", s.ID))
	_, err = q.Write(ctx, s.ID, 0, 0, s.Contents[0], true)
	wantErr(t, err, storage.ErrNotFound)
	q.Crash()
	a, err := q.Admit(ctx, "hub", s.Incoming())
	must(t, err)
	equal(t, "durable of object 0", a.Durable[0], 0)
	equal(t, "durable of object 1", a.Durable[1], 0)
	receive(t, q, "hub", s, "r")
	must(t, q.Forget(ctx, "hub", s.ID)) // too late to matter
	wantInbox(t, q, s.ID)
}

func testReflected(t *testing.T, q Subject) {
	ctx := t.Context()
	s := NewSample(1, 0, 1000, 60_000)
	must(t, q.Put(ctx, s.Bundle, s.Contents, Target{Peer: "hub", Hold: true}))
	a, err := q.Admit(ctx, "hub", s.Incoming())
	must(t, err)
	equal(t, "durable of object 0", a.Durable[0], 1000)
	equal(t, "durable of object 1", a.Durable[1], 60_000)
	must(t, q.Complete(ctx, "hub", s.ID, []byte("r")))
	wantInbox(t, q, s.ID)
	must(t, q.Handled(ctx, s.ID))
	wantObjects(t, q, s) // still outgoing
	wantOutgoing(t, q, "hub", uuid.New(), s.ID)
}

func testInboxOrder(t *testing.T, q Subject) {
	first, second, urgent := NewSample(7, 0, 10), NewSample(3, 0, 10), NewSample(9, 2, 10)
	for _, s := range []Sample{first, second, urgent} {
		receive(t, q, "hub", s, "r")
	}
	wantInbox(t, q, urgent.ID, first.ID, second.ID)
}

func testNotRetained(t *testing.T, q Subject) {
	ctx := t.Context()
	s := NewSample(1, 0, 1000, 100, 40_000)
	in := s.Incoming()
	in.Header, in.Slip = bytes.Clone(s.Header), []byte("slip")
	in.Inline = map[int][]byte{1: bytes.Clone(s.Contents[1])}
	in.Need, in.Objects = slices.Clone(in.Need), slices.Clone(s.Objects)
	_, err := q.Admit(ctx, "hub", in)
	must(t, err)
	clear(in.Header)
	clear(in.Slip)
	clear(in.Inline[1])
	clear(in.Need)
	clear(in.Objects)
	for _, i := range []int{0, 2} {
		p := bytes.Clone(s.Contents[i])
		_, err = q.Write(ctx, s.ID, i, 0, p, true)
		must(t, err)
		clear(p)
	}
	receipt := []byte("receipt")
	must(t, q.Complete(ctx, "hub", s.ID, receipt))
	clear(receipt)
	a, err := q.Admit(ctx, "hub", s.Incoming())
	must(t, err)
	equal(t, "receipt", string(a.Receipt), "receipt")
	wantObjects(t, q, s)
}

func testConcurrent(t *testing.T, q Subject) {
	shared := NewSample(99, 0, 70_000)
	var group sync.WaitGroup
	ids := make([]storage.ID, 8)
	for i := range ids {
		s := NewSample(uint64(i), 0, 100, 50_000)
		ids[i] = s.ID
		group.Go(func() {
			peer := "peer " + strconv.Itoa(i%2)
			_, err := q.Outgoing(t.Context(), "up", uuid.New(), 3)
			err = errors.Join(err,
				take(t.Context(), q, peer, s, "r"),
				take(t.Context(), q, peer, shared, "r"),
				q.Put(t.Context(), s.Bundle, s.Contents, Target{Peer: "up"}))
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	got, err := q.Inbox(t.Context())
	must(t, err)
	equal(t, "arrived", len(got), len(ids)+1)
	for _, id := range append(ids, shared.ID) {
		if !slices.Contains(got, id) {
			t.Fatalf("%s did not arrive", id)
		}
	}
}
