package engine

import "testing"

// TestP4_P5_OneWindowForAllObjects has three bulk transfers wanted at once: only
// one window of them goes, so that is all that an urgent one waits for and all
// that a cut can cost. Without the bound a broker in between had to drop.
func TestP4_P5_OneWindowForAllObjects(t *testing.T) {
	c := small
	c.Window, c.InFlight = 240, 10
	s := newScript(t, c)
	s.upWith(s.item(1, 0, 400), s.item(2, 0, 400), s.item(3, 0, 400))
	s.get(want(1, 0, 0, 400, 1).Frame, chunk(1, 0, 0, 100), chunk(1, 0, 100, 100))
	s.get(want(2, 0, 0, 400, 2).Frame) // the window is full
	s.get(want(3, 0, 0, 400, 3).Frame)
	s.on(sent(chunk(1, 0, 0, 100))) // on the line is not acknowledged
	s.get(want(1, 0, 100, 300, 1).Frame, Progress{id(1), 100, 400}, chunk(1, 0, 200, 100))
	s.on(Queued{s.item(4, 3, 100)}, SendOffer{id(4)})
	s.on(OfferSent{id(4), Done})
	s.get(want(4, 0, 0, 100, 4).Frame, chunk(4, 0, 0, 100)) // the window is not full of what is as urgent
	s.get(want(1, 0, 200, 200, 1).Frame, Progress{id(1), 200, 400})
}

// TestWindowSmallerThanAChunkStillMoves says that one chunk may always go.
func TestWindowSmallerThanAChunkStillMoves(t *testing.T) {
	c := small
	c.Window = 1
	s := newScript(t, c)
	s.upWith(s.item(1, 0, 200))
	s.get(want(1, 0, 0, 200, 1).Frame, chunk(1, 0, 0, 100))
	s.on(sent(chunk(1, 0, 0, 100)))
	s.get(want(1, 0, 100, 100, 1).Frame, Progress{id(1), 100, 200}, chunk(1, 0, 100, 100))
}

// TestP4_LooseBytesCountOverAllObjects: the sender's window is one for all
// objects, so what came of several counts together when the receiver decides
// to make it durable and to acknowledge it.
func TestP4_LooseBytesCountOverAllObjects(t *testing.T) {
	s := newScript(t, small)
	s.receiving(map[int]Need{0: {Size: 1000}, 1: {Size: 1000}}, want(1, 0, 0, 400, 1), want(1, 1, 0, 400, 1))
	s.get(data(1, 0, 0, 150), write(1, 0, 0, 150, false))
	s.on(written(1, 0, 150, 0))
	s.get(data(1, 1, 0, 60), write(1, 1, 0, 60, true), flush(1, 0, 150))
	s.on(written(1, 1, 60, 60), want(1, 1, 60, 400, 1))
	s.on(written(1, 0, 0, 150), want(1, 0, 150, 400, 1))
}
