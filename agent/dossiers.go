package agent

import (
	"context"

	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/dossier/forms"
	"tram/agent/identity"
	"tram/sync/bundle"
)

// openDossiers makes the one-stop dossiers of the office.
func (d *desk) openDossiers(ctx context.Context) (err error) {
	d.dossiers, err = dossier.New(ctx, dossier.Options{
		DB: d.db, Blobs: d.blobs, Code: d.id.Code, Name: d.id.Name, Form: code.Form(d.o.Config.Dossiers.Codes), Post: d.office, News: d.office,
		Unsure: func() bool { trusted, _ := d.clock.Trusted(); return !trusted },
		Logger: d.log.With("part", "dossiers"), Now: d.clock.Now,
	})
	if err != nil {
		return err
	}
	d.office.Deliver(bundle.KindDossier, d.dossiers.Mailbox())
	return nil
}

// formHeading is what stands above the forms of dossiers.
func (d *desk) formHeading() forms.Heading {
	h := d.heading()
	return forms.Heading{Superior: h.Superior, Office: h.Office, Place: h.Place}
}

// oneStop gives the running desk's dossiers to the local socket.
func (a *Agent) oneStop() (*dossier.Store, error) {
	if d := a.theDesk(); d != nil {
		return d.dossiers, nil
	}
	return nil, identity.None(a.o.Dir)
}
