// Package stick joins sync/usb to a running office or hub: the memory of
// packages in its database, and the calls by which a command that holds the
// stick reaches the service that holds the queue.
//
// A hardened service sees no sticks, and a command that runs beside it may not
// touch its queue; so the command reads and writes the files, and every
// decision about them is the service's. It promises that an import and an
// export stand in the audit chain, and that errors come through a local socket
// as the sentinels of sync/usb that they were.
package stick

import (
	"errors"

	"tram/agent/problem"
	"tram/storage"
	"tram/storage/fsx"
	"tram/sync/usb"
)

// said pairs each error of sync/usb with the problem that tells it to people
// and through a socket.
var said = []struct {
	err     error
	problem *problem.Problem
}{
	{usb.ErrInvalid, problem.New(problem.BadSeal, "usb.invalid", "", nil)},
	{usb.ErrNoNeighbour, problem.New(problem.Usage, "usb.no-neighbour", "to", nil)},
	{usb.ErrSmall, problem.New(problem.Full, "usb.full", "", nil)},
	{usb.ErrStick, problem.New(problem.Failed, "usb.pulled", "", nil)},
	{storage.ErrFull, problem.New(problem.Full, "usb.no-room", "", nil)},
	{storage.ErrNotFound, problem.New(problem.Conflict, "usb.changed", "", nil)},
	{storage.ErrOffset, problem.New(problem.Conflict, "usb.changed", "", nil)},
	{storage.ErrDigest, problem.New(problem.Conflict, "usb.changed", "", nil)},
}

// Explain gives an error of sync/usb its words.
func Explain(err error) error {
	var p *problem.Problem
	if err == nil || errors.As(err, &p) {
		return err
	}
	if errors.Is(err, usb.ErrStick) && fsx.IsReadOnly(err) {
		return problem.New(problem.Denied, "usb.read-only", "", nil).Because(err)
	}
	for _, s := range said {
		if errors.Is(err, s.err) {
			return s.problem.Because(err)
		}
	}
	return err
}

// heard turns a problem that came through a socket back into the error that it
// tells. Of several errors with one problem it is the first.
func heard(err error) error {
	for _, s := range said {
		if errors.Is(err, s.problem) {
			return errors.Join(s.err, err)
		}
	}
	return err
}
