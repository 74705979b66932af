package mqtt

import (
	"context"
	"errors"
	"io"
	"syscall"
	"time"

	"github.com/google/uuid"

	"tram/sync/exchange"
)

// Peer is the hub's end of the link to one office. It is an
// [exchange.Transport] and safe for use by several goroutines.
type Peer struct {
	hub   *Hub
	code  string
	level string
	down  string // topic
	inbox *inbox

	// Guarded by hub.mu.
	present uuid.UUID // session of the office while it is online
	shown   uuid.UUID // session that the reader knows as up
	live    *conn     // connection over which an unretained presence came
}

var _ exchange.Transport = (*Peer)(nil)

// unknownSession stands for a neighbour whose frames come before its presence.
var unknownSession = uuid.Max

// Office is the code of the office.
func (p *Peer) Office() string { return p.code }

// Events implements [exchange.Transport].
func (p *Peer) Events() <-chan exchange.LinkEvent { return p.inbox.ch }

// Send implements [exchange.Transport], with the errors of [Client.Send]. A slow
// office does not hold it up: the broker drops what the office does not take.
func (p *Peer) Send(ctx context.Context, frame []byte, bulk bool) error {
	p.hub.mu.RLock()
	conn, up := p.hub.conn, p.shown != uuid.Nil
	p.hub.mu.RUnlock()
	if !up {
		conn = nil
	}
	return sendFrame(ctx, conn, &p.hub.stats, p.down, frame, bulk)
}

// Up says whether the office is present.
func (p *Peer) Up() bool {
	p.hub.mu.RLock()
	defer p.hub.mu.RUnlock()
	return p.shown != uuid.Nil
}

// frame takes a frame. An office that speaks is there, whatever its presence
// says.
func (p *Peer) frame(payload []byte) {
	if !p.hub.joined {
		p.hub.stats.stray.Add(1)
		return
	}
	if p.present == uuid.Nil {
		p.present = unknownSession
		p.settle(nil)
	}
	p.hub.stats.receivedFrames.Add(1)
	if !p.inbox.frame(payload) {
		p.hub.stats.dropped.Add(1)
	}
}

func (p *Peer) presence(c *conn, payload []byte, retained bool) {
	r, err := parsePresence(payload, p.level)
	if err != nil {
		p.hub.stats.stray.Add(1)
		p.hub.log.Debug("presence is not readable", "office", p.code, "error", err)
		return
	}
	if retained && p.live == c {
		return // older than what came live
	}
	if !retained {
		p.live = c
	}
	switch {
	case r.online() && (p.present == unknownSession && p.shown == unknownSession):
		p.present, p.shown = r.Session, r.Session // the same office, now by name
	case r.online():
		p.present = r.Session
	case p.present != uuid.Nil && p.present != unknownSession && p.present != r.Session:
		return // the last will of a connection that was replaced meanwhile
	default:
		p.present = uuid.Nil
	}
	p.settle(nil)
	p.hub.presence.put(p.level, PresenceEvent{
		Office: p.code, Level: p.level, Online: r.online(), At: time.Now(), Said: r.At,
		Software: r.Software, Retained: retained,
	})
}

// settle tells the reader about Up and Down. hub.mu is held.
func (p *Peer) settle(cause error) {
	want := uuid.Nil
	if p.hub.joined {
		want = p.present
	}
	showChange(p.inbox, &p.shown, want, cause)
}

// showChange brings the reader of an inbox from the session shown to want.
func showChange(box *inbox, shown *uuid.UUID, want uuid.UUID, cause error) {
	if want == *shown {
		return
	}
	if *shown != uuid.Nil {
		if cause == nil && want == uuid.Nil {
			cause = ErrOffline
		} else if cause == nil {
			cause = ErrReplaced
		}
		box.change(exchange.LinkEvent{Down: true, Err: cause, Cut: ClosedByBroker(cause)})
	}
	if want != uuid.Nil {
		box.change(exchange.LinkEvent{Up: true})
	}
	*shown = want
}

// ClosedByBroker says whether a connection ended because the broker ended it, and
// not because the line went silent, the neighbour left, or we did.
func ClosedByBroker(cause error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, winReset, winAborted} {
		if errors.Is(cause, end) {
			return true
		}
	}
	return false
}

// What Windows calls ECONNRESET and ECONNABORTED; no other system uses the numbers.
const (
	winReset   = syscall.Errno(10054)
	winAborted = syscall.Errno(10053)
)
