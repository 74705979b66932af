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
// those gets in between, and no address is given out twice by one process. The
// port after it is free as well: pages take two.
func LoopbackAddr() (string, error) {
	const first, last, tries = 20_000, 32_000, 200
	var err error
	for range tries {
		port := first + 2*rand.IntN((last-first)/2)
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		if _, twice := given.LoadOrStore(addr, true); twice {
			continue
		}
		if err = errors.Join(unused(port), unused(port+1)); err == nil {
			return addr, nil
		}
	}
	return "", errors.Join(errors.New("find a free port"), err)
}

// unused is nil when a port can be listened on.
func unused(port int) error {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	return l.Close()
}
