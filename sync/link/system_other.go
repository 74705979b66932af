//go:build !linux && !windows

package link

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
)

// subscribe says that this system is not asked: a Monitor then looks itself.
func subscribe(*slog.Logger) (<-chan struct{}, func(), error) {
	return nil, nil, errors.ErrUnsupported
}

// read returns the interfaces there are, without their routes.
func read() ([]Interface, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var found []Interface
	for _, i := range list {
		addrs, err := i.Addrs()
		if err != nil {
			continue // it went meanwhile
		}
		found = append(found, Interface{
			Name: i.Name, Running: i.Flags&net.FlagUp != 0 && i.Flags&net.FlagRunning != 0,
			Loopback: i.Flags&net.FlagLoopback != 0, Addrs: addresses(addrs),
		})
	}
	return found, nil
}
