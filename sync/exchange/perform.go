package exchange

import (
	"context"
	"errors"
	"slices"

	"tram/storage"
	"tram/sync/bundle"
	"tram/sync/engine"
	"tram/sync/wire"
)

// perform carries out one action and returns the event that answers it, nil
// when there is none or it comes later from a sender goroutine.
func (s *session) perform(ctx context.Context, action engine.Action) engine.Event {
	switch a := action.(type) {
	case engine.SendOffer:
		out, known := s.outgoing[a.ID]
		if !known {
			return engine.OfferSent{ID: a.ID, Result: engine.Gone}
		}
		s.jobs.put(job{round: s.round, urgency: out.Urgency, offer: &out})
	case engine.SendChunk:
		s.jobs.put(job{round: s.round, urgency: s.outgoing[a.ID].Urgency, chunk: a})
	case engine.SendFrame:
		s.sendControl(a.Frame)
	case engine.Admit:
		return engine.Admitted{ID: a.Offer.ID, Admission: s.admit(ctx, a.Offer)}
	case engine.Write:
		return s.write(ctx, a)
	case engine.Complete:
		return s.complete(ctx, a.ID)
	case engine.Settle:
		return engine.Settled{ID: a.ID, Failed: !s.settle(ctx, a)}
	case engine.Forget:
		s.forget(a.ID)
		s.arrived(a.ID)
		if err := s.node.o.Queue.Forget(ctx, s.peer, a.ID); err != nil && !errors.Is(err, storage.ErrNotFound) {
			s.log.Error("unfinished bundle not dropped", "id", a.ID, "error", err)
		}
	case engine.Progress:
		s.node.o.Observer.Progress(s.peer, a.ID, a.Sent, a.Total)
	case engine.Wake:
		s.wake.Reset(max(0, a.At.Sub(s.node.o.Now())))
	}
	return nil
}

func (s *session) admit(ctx context.Context, offer wire.Offer) engine.Admission {
	signed, err := s.node.o.Guard.Offer(ctx, s.peer, offer.Header)
	if err != nil {
		return s.denied(offer, err)
	}
	if signed.Header.ID != offer.ID {
		return engine.Admission{Refuse: wire.CodeMalformed, Text: "offer and header name different bundles"}
	}
	in := storage.Incoming{Bundle: signed.Stored(), Slip: offer.Slip, Inline: map[int][]byte{}}
	for i, o := range signed.Header.Objects {
		if o.Role == bundle.RoleSlips && offer.Slip != nil {
			continue
		}
		in.Need = append(in.Need, i)
		if data, ok := offer.Inline[i]; ok && int64(len(data)) == o.Size {
			in.Inline[i] = data
		}
	}
	done, after := s.node.pace.admit(in.Urgency, s.node.o.Now())
	if done == nil {
		return engine.Admission{Defer: wire.CodeBusy, After: after}
	}
	s.stepped = append(s.stepped, done)
	adm, err := s.node.o.Queue.Admit(ctx, s.peer, in)
	switch {
	case errors.Is(err, storage.ErrConflict):
		return engine.Admission{Refuse: wire.CodeConflict, Text: "this id is known with another header"}
	case errors.Is(err, storage.ErrFull):
		return engine.Admission{Defer: wire.CodeFull}
	case err != nil:
		s.log.Error("bundle not admitted", "id", offer.ID, "error", err)
		return engine.Admission{Defer: wire.CodeInternal}
	case adm.Receipt != nil:
		return engine.Admission{Receipt: adm.Receipt}
	}
	s.keep(offer.ID, slices.Clone(offer.Header))
	admission := engine.Admission{Urgency: in.Urgency, Need: map[int]engine.Need{}}
	for _, i := range in.Need {
		admission.Size += in.Objects[i].Size
		admission.Need[i] = engine.Need{Size: in.Objects[i].Size, Durable: adm.Durable[i]}
	}
	s.arrives(in, admission)
	return admission
}

func (s *session) denied(offer wire.Offer, err error) engine.Admission {
	var d *Denial
	if !errors.As(err, &d) {
		s.log.Error("offer not checked", "id", offer.ID, "error", err)
		return engine.Admission{Defer: wire.CodeInternal}
	}
	s.log.Warn("offer denied", "id", offer.ID, "code", d.Code, "reason", d.Text)
	if d.After > 0 {
		return engine.Admission{Defer: d.Code, After: d.After, Text: d.Text}
	}
	return engine.Admission{Refuse: d.Code, Text: d.Text}
}

// codeOf says what a neighbour is told about a failure of the own store.
func codeOf(err error) wire.Code {
	switch {
	case err == nil:
		return wire.CodeNone
	case errors.Is(err, storage.ErrDigest):
		return wire.CodeDigest
	case errors.Is(err, storage.ErrFull):
		return wire.CodeFull
	default:
		return wire.CodeInternal
	}
}

func (s *session) write(ctx context.Context, a engine.Write) engine.Event {
	durable, err := s.node.o.Queue.Write(ctx, a.ID, a.Object, a.Offset, a.Data, a.Sync)
	if err != nil {
		s.log.Warn("chunk not stored", "id", a.ID, "object", a.Object, "error", err)
	}
	s.came(a.ID, int64(len(a.Data)))
	return engine.Written{ID: a.ID, Object: a.Object, N: len(a.Data), Durable: durable, Code: codeOf(err)}
}

func (s *session) complete(ctx context.Context, id storage.ID) engine.Event {
	header := s.incoming[id]
	receipt, err := s.node.o.Guard.Receipt(ctx, header)
	if err == nil {
		err = s.node.o.Queue.Complete(ctx, s.peer, id, receipt)
	}
	if err != nil {
		s.log.Warn("bundle not taken over", "id", id, "error", err)
		return engine.Completed{ID: id, Code: codeOf(err)}
	}
	s.forget(id)
	s.arrived(id)
	s.log.Debug("bundle taken over", "id", id)
	return engine.Completed{ID: id, Receipt: receipt}
}

// settle records the neighbour's final answer; false when that failed.
func (s *session) settle(ctx context.Context, a engine.Settle) bool {
	out, known := s.outgoing[a.ID]
	if !known {
		return true
	}
	o := storage.Outcome{Receipt: a.Receipt, Epoch: s.theirs.Epoch, Code: uint16(a.Code), Text: a.Text, At: s.node.o.Now()}
	if a.Receipt != nil {
		epoch, err := s.custody(ctx, out.Header, a.Receipt)
		if err != nil {
			s.log.Warn("custody receipt does not verify", "id", a.ID, "error", err)
			return false
		}
		o.Epoch = epoch
	}
	err := s.node.o.Queue.Settle(ctx, s.peer, a.ID, o)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		s.log.Error("answer not recorded", "id", a.ID, "error", err)
		return false
	}
	s.settled(ctx, a.ID)
	return true
}

// custody checks a receipt and tells the epoch of the store that gave it: what
// an older store took over must be offered to a newer one again (P3).
func (s *session) custody(ctx context.Context, header, raw []byte) (storage.ID, error) {
	if err := s.node.o.Guard.Custody(ctx, s.peer, header, raw); err != nil {
		return storage.ID{}, err
	}
	receipt, err := bundle.ParseReceipt(raw)
	return receipt.Receipt.Epoch, err
}
