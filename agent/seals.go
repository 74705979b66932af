package agent

import (
	"context"

	"tram/agent/identity"
	"tram/agent/seal"
	"tram/agent/sealbook"
)

// sealer gives the office the seal for an action; ok is false when that is the
// enrolment's, which the office has itself.
func (d *desk) sealer(ctx context.Context, action string) (s seal.Sealer, ok bool, err error) {
	return d.seals.For(ctx, sealbook.Action(action))
}

// book is the seals of the running desk.
func (a *Agent) book() (*sealbook.Book, error) {
	if d := a.theDesk(); d != nil {
		return d.seals, nil
	}
	return nil, identity.None(a.o.Dir)
}
