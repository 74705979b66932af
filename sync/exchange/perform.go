package exchange

import (
	"context"
	"errors"
	"slices"

	"tram/storage"
	"tram/sync/bundle"
	"tram/sync/engine"
	"tram/sync/schedule"
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
		s.ask()
		s.jobs.put(job{round: s.round, urgency: out.Urgency, offer: &out})
	case engine.SendChunk:
		s.ask()
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
		if header, known := s.incoming[a.ID]; known && a.Refused != wire.CodeNone {
			s.node.o.Guard.Denied(ctx, s.peer, header, a.Refused)
		}
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
	// A header that lies about its urgency is refused before anything is kept.
	urgency := uint8(schedule.MostUrgent)
	if signed, err := bundle.Parse(offer.Header); err == nil {
		urgency = signed.Header.Urgency
	}
	done, after := s.node.pace.admit(urgency, s.node.o.Now())
	if done == nil {
		return engine.Admission{Defer: wire.CodeBusy, After: after}
	}
	s.stepped = append(s.stepped, done)
	in, adm, err := s.custodian().Admit(ctx, s.peer, offer)
	switch {
	case errors.Is(err, storage.ErrFull):
		return engine.Admission{Defer: wire.CodeFull}
	case err != nil:
		return s.denied(offer, err)
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
		s.log.Error("bundle not admitted", "id", offer.ID, "error", err)
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
	s.came(a.ID, a.Object, durable)
	return engine.Written{ID: a.ID, Object: a.Object, N: len(a.Data), Durable: durable, Code: codeOf(err)}
}

func (s *session) complete(ctx context.Context, id storage.ID) engine.Event {
	receipt, err := s.custodian().TakeOver(ctx, s.peer, id, s.incoming[id])
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
	o := storage.Outcome{Receipt: a.Receipt, Epoch: s.theirs.Epoch, Code: uint16(a.Code), Text: a.Text}
	err := s.custodian().Settle(ctx, s.peer, out.Bundle, o)
	if errors.Is(err, ErrReceipt) {
		s.log.Warn("custody receipt not believed", "id", a.ID, "error", err)
		return false
	}
	if err != nil {
		s.log.Error("answer not recorded", "id", a.ID, "error", err)
		return false
	}
	s.settled(ctx, a.ID)
	return true
}

func (s *session) custodian() Custodian {
	return Custodian{Queue: s.node.o.Queue, Guard: s.node.o.Guard, Now: s.node.o.Now}
}
