package line

import (
	"encoding/binary"
	"time"
)

const (
	protocolTCP = 6
	protocolUDP = 17
	udpHeader   = 8
	tcpHeader   = 20
	flagSYN     = 0x02
	flagACK     = 0x10
)

// flows follows the TCP connections and UDP exchanges on a line.
type flows struct {
	byPorts map[ports]*flow
	all     []*flow
}

// ports names a flow; the addresses are those of the two hosts.
type ports struct {
	protocol    byte
	office, hub uint16
}

type flow struct {
	begin   time.Time
	payload [2]int64  // by direction, each byte once
	next    [2]uint32 // sequence number after the last byte seen
	started [2]bool
	dead    bool
}

// see takes note of an IPv4 packet and counts its payload. It reports whether
// the flow was forgotten.
func (f *flows) see(dir int, packet []byte, now time.Time, count *Count) (dead bool) {
	key, body, ok := parse(dir, packet)
	if !ok {
		return false
	}
	x := f.byPorts[key]
	if key.protocol == protocolUDP {
		if x == nil {
			x = f.add(key, now)
		}
		n := int64(len(body) - udpHeader)
		x.payload[dir] += n
		count.Payload += n
		return x.dead
	}
	flags := body[13]
	if x == nil || flags&(flagSYN|flagACK) == flagSYN && x.next[dir] != binary.BigEndian.Uint32(body[4:])+1 {
		x = f.add(key, now)
	}
	fresh, again := x.segment(dir, body)
	count.Payload += fresh
	count.Again += again
	return x.dead
}

func (f *flows) add(key ports, now time.Time) *flow {
	if f.byPorts == nil {
		f.byPorts = map[ports]*flow{}
	}
	x := &flow{begin: now}
	f.byPorts[key] = x
	f.all = append(f.all, x)
	return x
}

// segment counts the payload of a TCP segment: what is new, and what was seen.
func (x *flow) segment(dir int, tcp []byte) (fresh, again int64) {
	header := min(int(tcp[12]>>4)*4, len(tcp))
	n := len(tcp) - header
	seq := binary.BigEndian.Uint32(tcp[4:])
	if tcp[13]&flagSYN != 0 {
		seq++
	}
	if !x.started[dir] {
		x.started[dir], x.next[dir] = true, seq
	}
	fresh = int64(n)
	if ahead := int32(seq + uint32(n) - x.next[dir]); int64(ahead) < fresh {
		fresh = max(int64(ahead), 0)
	}
	if n > 0 && fresh > 0 {
		x.next[dir] = seq + uint32(n)
	}
	x.payload[dir] += fresh
	return fresh, int64(n) - fresh
}

// parse returns the flow of a packet and its TCP or UDP part.
func parse(dir int, packet []byte) (key ports, body []byte, ok bool) {
	if len(packet) < 20 || packet[0]>>4 != 4 {
		return key, nil, false
	}
	header := int(packet[0]&15) * 4
	total := min(int(binary.BigEndian.Uint16(packet[2:])), len(packet))
	key.protocol = packet[9]
	least := map[byte]int{protocolTCP: tcpHeader, protocolUDP: udpHeader}[key.protocol]
	if least == 0 || total < header+least {
		return key, nil, false
	}
	body = packet[header:total]
	key.office, key.hub = binary.BigEndian.Uint16(body), binary.BigEndian.Uint16(body[2:])
	if dir == down {
		key.office, key.hub = key.hub, key.office
	}
	return key, body, true
}

func (f *flows) list() []Flow {
	list := make([]Flow, len(f.all))
	for i, x := range f.all {
		list[i] = Flow{x.begin, x.payload[up], x.payload[down]}
	}
	return list
}

func (f *flows) forget() {
	for _, x := range f.all {
		x.dead = true
	}
}
