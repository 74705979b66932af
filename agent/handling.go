package agent

import "tram/agent/handling"

// openHandling makes what people do with documents after they were accepted.
func (d *desk) openHandling() (err error) {
	d.handling, err = handling.New(handling.Options{DB: d.db, Office: d.office, Logger: d.log.With("part", "handling"), Now: d.clock.Now})
	return err
}
