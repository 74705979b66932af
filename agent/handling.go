package agent

import (
	"tram/agent/handling"
	"tram/agent/identity"
)

// openHandling makes what people do with documents after they were accepted.
func (d *desk) openHandling() (err error) {
	d.handling, err = handling.New(handling.Options{DB: d.db, Office: d.office, Logger: d.log.With("part", "handling"), Now: d.clock.Now})
	return err
}

// handled gives the running desk's handling to the local socket.
func (a *Agent) handled() (*handling.Store, error) {
	if d := a.theDesk(); d != nil {
		return d.handling, nil
	}
	return nil, identity.None(a.o.Dir)
}
