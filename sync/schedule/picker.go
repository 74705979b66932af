package schedule

import "iter"

// Urgencies of a document, as in the national message (QCVN 102:2016).
const (
	Normal     = 0 // thường
	Urgent     = 1 // khẩn
	VeryUrgent = 2 // thượng khẩn
	MostUrgent = 3 // hỏa tốc
)

const (
	// Floor is the share, in hundredths, that thường keeps while khẩn is sent.
	Floor = 5
	// Ageing is how patient a large document is: it lets at most this multiple
	// of its own size, in bytes of its lane, pass before it.
	Ageing = 2
)

// lane is a class of what waits. Higher lanes go first.
type lane uint8

const (
	laneNormal lane = iota
	laneUrgent
	laneFirst // thường or khẩn that a person asked for
	laneVeryUrgent
	laneMostUrgent
	lanes
)

// Flow is one bundle on its way, as far as its turn depends on it. Join it to a
// [Picker] before use.
type Flow struct {
	Urgency uint8 // Normal … MostUrgent
	First   bool  // a person asked for it; call Join after a change
	Left    int64 // bytes still to be sent
	since   int64 // the lane's clock when it joined
}

func (f *Flow) lane() lane {
	switch {
	case f.Urgency >= MostUrgent:
		return laneMostUrgent
	case f.Urgency == VeryUrgent:
		return laneVeryUrgent
	case f.First:
		return laneFirst
	case f.Urgency == Urgent:
		return laneUrgent
	default:
		return laneNormal
	}
}

// Level tells whether both are of one lane.
func (f *Flow) Level(b *Flow) bool { return f.lane() == b.lane() }

// rank orders the flows of a lane. The clock of all that wait advances alike, so
// the order among them changes only when one is sent.
func (f *Flow) rank() int64 { return f.since + Ageing*f.Left }

// Before tells whether a goes before b, the share of thường aside. Flows for
// which neither goes before the other are alike.
func Before(a, b *Flow) bool {
	if a.lane() != b.lane() {
		return a.lane() > b.lane()
	}
	return a.rank() < b.rank()
}

// Picker keeps the account by which flows take turns. The zero Picker is ready.
type Picker struct {
	clock  [lanes]int64 // bytes sent by lane: the time in which waiting is measured
	owed   int64        // by how much thường is behind its share, in hundredths of a byte
	shared bool         // thường and khẩn both waited at the last Next
}

// Join makes f wait from now on.
func (p *Picker) Join(f *Flow) { f.since = p.clock[f.lane()] }

// Next picks the flow whose turn it is; nil when there is none. Of flows that
// are alike it picks the first.
func (p *Picker) Next(flows iter.Seq[*Flow]) *Flow {
	var best, normal *Flow
	for f := range flows {
		if best == nil || Before(f, best) {
			best = f
		}
		if f.lane() == laneNormal && (normal == nil || Before(f, normal)) {
			normal = f
		}
	}
	p.shared = normal != nil && best != normal && best.lane() < laneVeryUrgent
	switch {
	case p.shared && p.owed > 0:
		return normal
	case !p.shared && best != nil && best.lane() < laneVeryUrgent:
		p.owed = 0 // nobody waits for the other: there is nothing to share
	}
	return best
}

// Sent counts n bytes of a flow that [Picker.Next] picked.
func (p *Picker) Sent(f *Flow, n int64) {
	p.clock[f.lane()] += n
	switch {
	case !p.shared:
	case f.lane() == laneNormal:
		p.owed -= n * (100 - Floor)
	case f.lane() < laneVeryUrgent:
		p.owed += n * Floor
	}
}
