package linktest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// given are the addresses that LoopbackAddr has tried in this process.
var given sync.Map

// LoopbackAddr finds a loopback address that nobody listens on just now, for a
// program that is to listen there a moment later. Its port lies below the range
// from which systems take the ports of outgoing connections, so that none of
// those gets in between, and no address is given out twice by one process.
func LoopbackAddr() (string, error) {
	const first, last, tries = 20_000, 32_000, 200
	var err error
	for range tries {
		addr := fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(last-first))
		if _, twice := given.LoadOrStore(addr, true); twice {
			continue
		}
		var l net.Listener
		if l, err = net.Listen("tcp", addr); err == nil {
			return addr, l.Close()
		}
	}
	return "", errors.Join(errors.New("find a free port"), err)
}
