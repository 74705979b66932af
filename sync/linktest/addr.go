package linktest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// LoopbackAddr finds a loopback address that nobody listens on just now, for a
// program that is to listen there a moment later. Its port lies below the range
// from which systems take the ports of outgoing connections, so that none of
// those gets in between.
func LoopbackAddr() (string, error) {
	const first, last, tries = 20_000, 32_000, 200
	var err error
	for range tries {
		var l net.Listener
		l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(last-first)))
		if err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", errors.Join(errors.New("find a free port"), err)
}
