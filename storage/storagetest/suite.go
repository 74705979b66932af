package storagetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/storage"
)

// chunk is how the suite cuts objects: two syncs to a large object at least.
const chunk = 16 << 10

// Queue runs the conformance suite of [storage.Queue]. open returns an empty
// queue each time it is called.
func Queue(t *testing.T, open func(t *testing.T) Subject) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Subject)
	}{
		{"OutgoingInOrder", testOutgoingOrder},
		{"ReadObjectAsReaderAt", testReadObject},
		{"SettleNotHeld", testSettleNotHeld},
		{"P3_HeldUntilEnd", testHeld},
		{"RefusedIsNotOfferedAgain", testRefused},
		{"PutConflict", testPutConflict},
		{"TransferInChunks", testTransfer},
		{"InlineObjects", testInline},
		{"P4_ResumeAfterCrash", testResume},
		{"WriteOffsets", testOffsets},
		{"DigestDropsOnlyTheBadObject", testDigest},
		{"IncompleteIsNotDropped", testIncomplete},
		{"P2_CompleteIsRemembered", testRemembered},
		{"ConflictingHeader", testConflict},
		{"TwoNeighboursOneBundle", testTwoNeighbours},
		{"ForgetStartsOver", testForget},
		{"OwnBundleComesBack", testReflected},
		{"InboxInOrder", testInboxOrder},
		{"BytesAreNotRetained", testNotRetained},
		{"Concurrent", testConcurrent},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// Sample is a bundle with its objects' bytes.
type Sample struct {
	storage.Bundle
	Contents [][]byte
}

// NewSample makes a bundle of objects of the given sizes, random but the same
// for the same seed except for its ID.
func NewSample(seed uint64, urgency uint8, sizes ...int) Sample {
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), byte(seed >> 24)})
	created := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC).Add(time.Duration(seed) * time.Second)
	s := Sample{Bundle: storage.Bundle{
		ID: uuid.Must(uuid.NewV7()), Kind: 1, From: "000.01.01.H40", To: []string{"000.02.01.H40", "000.03.01.H40"},
		Urgency: urgency, Created: created, Expires: created.Add(30 * 24 * time.Hour), Header: []byte("header " + strconv.FormatUint(seed, 10)),
	}}
	for i, n := range sizes {
		b := make([]byte, n)
		_, _ = r.Read(b) // never fails
		s.Contents = append(s.Contents, b)
		s.Objects = append(s.Objects, storage.Object{SHA256: sha256.Sum256(b), Size: int64(n), Role: uint8(i % 3)})
	}
	return s
}

// Incoming is the sample as a neighbour offers it, nothing inline.
func (s Sample) Incoming() storage.Incoming {
	in := storage.Incoming{Bundle: s.Bundle, Slip: []byte("slip")}
	for i := range s.Objects {
		in.Need = append(in.Need, i)
	}
	return in
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// send writes an object from off on in chunks, the last one synced.
func send(t *testing.T, q Subject, s Sample, object int, off int64) {
	t.Helper()
	data := s.Contents[object]
	for off < int64(len(data)) {
		end := min(off+chunk, int64(len(data)))
		last := end == int64(len(data))
		durable, err := q.Write(t.Context(), s.ID, object, off, data[off:end], last)
		must(t, err)
		if durable > end || (last && durable != end) {
			t.Fatalf("after bytes up to %d, %d are durable", end, durable)
		}
		off = end
	}
}

// receive takes a whole sample in from a neighbour.
func receive(t *testing.T, q Subject, peer string, s Sample, receipt string) {
	t.Helper()
	must(t, take(t.Context(), q, peer, s, receipt))
}

// take is receive for any goroutine. When another neighbour completes the same
// bundle meanwhile, it starts over, and learns so.
func take(ctx context.Context, q Subject, peer string, s Sample, receipt string) error {
	for {
		a, err := q.Admit(ctx, peer, s.Incoming())
		if err != nil || a.Receipt != nil {
			return err
		}
		for i, data := range s.Contents {
			for off := a.Durable[i]; off < int64(len(data)) && err == nil; off += chunk {
				end := min(off+chunk, int64(len(data)))
				_, err = q.Write(ctx, s.ID, i, off, data[off:end], end == int64(len(data)))
			}
		}
		if err == nil {
			return q.Complete(ctx, peer, s.ID, []byte(receipt))
		}
		if !errors.Is(err, storage.ErrNotFound) {
			return err
		}
	}
}

func wantObjects(t *testing.T, q Subject, s Sample) {
	t.Helper()
	for i, want := range s.Contents {
		got, err := q.Object(t.Context(), s.ID, i)
		must(t, err)
		if !bytes.Equal(got, want) {
			t.Fatalf("object %d has other bytes", i)
		}
	}
}

func wantInbox(t *testing.T, q Subject, want ...storage.ID) {
	t.Helper()
	got, err := q.Inbox(t.Context())
	must(t, err)
	if !slices.Equal(got, want) {
		t.Fatalf("inbox: got %v, want %v", got, want)
	}
}

func wantOutgoing(t *testing.T, q Subject, peer string, epoch storage.ID, want ...storage.ID) {
	t.Helper()
	list, err := q.Outgoing(t.Context(), peer, epoch, 100)
	must(t, err)
	var got []storage.ID
	for _, o := range list {
		got = append(got, o.ID)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("outgoing to %s: got %v, want %v", peer, got, want)
	}
}
