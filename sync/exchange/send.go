package exchange

import (
	"context"
	"errors"
	"io"

	"tram/storage"
	"tram/sync/engine"
	"tram/sync/wire"
)

// job is an offer or a chunk to be read from the store and sent.
type job struct {
	round   int
	urgency uint8
	offer   *storage.Outgoing // nil: chunk
	chunk   engine.SendChunk
}

// inlined lists those objects of out that travel inside the OFFER.
func inlined(out storage.Outgoing) map[int]bool {
	in, room := map[int]bool{}, int64(wire.MaxInline)
	for _, i := range Travels(out) {
		if size := out.Objects[i].Size; size <= room {
			in[i] = true
			room -= size
		}
	}
	return in
}

func item(out storage.Outgoing) engine.Item {
	it := engine.Item{
		ID: out.ID, Urgency: out.Urgency, Created: out.Created, Expires: out.Expires,
		Offer: int64(len(out.Header) + len(out.Slip)), Objects: map[int]int64{},
	}
	in := inlined(out)
	for _, i := range Travels(out) {
		if in[i] {
			it.Offer += out.Objects[i].Size
		} else {
			it.Objects[i] = out.Objects[i].Size
		}
	}
	return it
}

// sendControl queues a control frame for the link, or drops it when too many
// wait: the engine repeats what matters.
func (s *session) sendControl(f wire.Frame) {
	raw, err := wire.Encode(f)
	if err != nil {
		s.log.Error("frame not encoded", "error", err)
		return
	}
	if !s.frames.put(control{raw: raw}) {
		s.log.Debug("control frame dropped: too many wait")
	}
}

// control is an encoded frame for the link; sent, if not nil, is told what became
// of it.
type control struct {
	raw  []byte
	sent chan error
}

func (s *session) sendControlFrame(ctx context.Context, c control) {
	err := s.link.Send(ctx, c.raw, false)
	if err != nil {
		s.log.Debug("control frame not sent", "error", err)
	}
	if c.sent != nil {
		c.sent <- err
	}
}

// sendOffer sends an offer behind the control frames that came before it: one
// that overtook the HELLO of its session would not be heard.
func (s *session) sendOffer(ctx context.Context, f wire.Offer) error {
	raw, err := wire.Encode(f)
	if err != nil {
		return err
	}
	c := control{raw: raw, sent: make(chan error, 1)}
	if !s.frames.put(c) {
		return errBehind
	}
	return <-c.sent
}

var errBehind = errors.New("too many control frames wait")

func (s *session) sendJob(ctx context.Context, j job) engine.Event {
	if done := s.node.pace.read(ctx, j.urgency); done != nil {
		defer done()
	}
	if j.offer != nil {
		frame, err := s.offer(ctx, *j.offer)
		if err == nil {
			s.trial.hand(ctx, j.offer.ID, head{})
			err = s.sendOffer(ctx, frame)
		}
		return engine.OfferSent{ID: j.offer.ID, Result: s.result(j.offer.ID, err)}
	}
	c := j.chunk
	data := make([]byte, c.N)
	n, err := s.node.o.Queue.ReadObject(ctx, c.ID, c.Object, data, c.Offset)
	switch {
	case n == c.N: // io.ReaderAt may report the end together with the last bytes
		s.trial.hand(ctx, c.ID, head{chunk: true, object: c.Object, offset: c.Offset})
		err = s.sendChunk(ctx, wire.Chunk{ID: c.ID, Object: c.Object, Offset: c.Offset, Data: data})
	case err == nil:
		err = io.ErrUnexpectedEOF
	}
	return engine.ChunkSent{ID: c.ID, Object: c.Object, Offset: c.Offset, N: c.N, Result: s.result(c.ID, err)}
}

func (s *session) result(id storage.ID, err error) engine.Result {
	switch {
	case err == nil:
		return engine.Done
	case errors.Is(err, storage.ErrNotFound):
		return engine.Gone
	default:
		s.log.Debug("bundle data not sent", "id", id, "error", err)
		return engine.Failed
	}
}

func (s *session) sendChunk(ctx context.Context, f wire.Chunk) error {
	raw, err := wire.Encode(f)
	if err != nil {
		return err
	}
	return s.link.Send(ctx, raw, true)
}

func (s *session) offer(ctx context.Context, out storage.Outgoing) (wire.Offer, error) {
	frame := wire.Offer{ID: out.ID, Header: out.Header, Slip: out.Slip, Inline: map[int][]byte{}}
	for i := range inlined(out) {
		data := make([]byte, out.Objects[i].Size)
		n, err := s.node.o.Queue.ReadObject(ctx, out.ID, i, data, 0)
		if n < len(data) {
			return frame, errors.Join(storage.ErrNotFound, err)
		}
		frame.Inline[i] = data
	}
	return frame, nil
}
