//go:build !linux

package line

// New needs Linux.
func New(uint64, string) (Packets, error) { return nil, ErrPackets }

func prefer() {}
