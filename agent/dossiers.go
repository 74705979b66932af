package agent

import (
	"context"

	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/identity"
	"tram/sync/bundle"
)

// openDossiers makes the one-stop dossiers of the office.
func (d *desk) openDossiers(ctx context.Context) (err error) {
	d.dossiers, err = dossier.New(ctx, dossier.Options{
		DB: d.db, Blobs: d.blobs, Code: d.id.Code, Name: d.id.Name, Form: code.Form(d.o.Config.Dossiers.Codes), Post: d.office,
		Unsure: func() bool { trusted, _ := d.clock.Trusted(); return !trusted },
		Logger: d.log.With("part", "dossiers"), Now: d.clock.Now,
	})
	if err != nil {
		return err
	}
	d.office.Deliver(bundle.KindDossier, d.dossiers.Mailbox())
	return nil
}

// oneStop gives the running desk's dossiers to the local socket.
func (a *Agent) oneStop() (*dossier.Store, error) {
	if d := a.theDesk(); d != nil {
		return d.dossiers, nil
	}
	return nil, identity.None(a.o.Dir)
}

// tidyDossiers gives up personal data whose time is over. A clock that is not believed
// could say so too early.
func (d *desk) tidyDossiers(ctx context.Context) error {
	retention := d.o.Config.Dossiers.Retention
	if trusted, _ := d.clock.Trusted(); !trusted {
		retention = 0
	}
	return d.dossiers.Tidy(ctx, retention)
}
