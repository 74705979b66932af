package agent

import (
	"bytes"
	"context"

	"tram/agent/connector"
	"tram/agent/dossier"
	"tram/agent/dossier/forms"
	"tram/agent/health"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/sync/bundle"
	"tram/sync/usb"
)

// openDossiers makes the one-stop dossiers of the office.
func (d *desk) openDossiers(ctx context.Context) (err error) {
	d.dossiers, err = dossier.New(ctx, dossier.Options{
		DB: d.db, Blobs: d.blobs, Code: d.id.Code, Name: d.id.Name, Agency: d.o.Config.Dossiers.Agency, Post: d.office, News: d.office, Reporter: d.office, Carrier: d.office, Sheet: d.controlSheet,
		Forget: connector.Forget,
		Unsure: func() bool { trusted, _ := d.clock.Trusted(); return !trusted },
		Logger: d.log.With("part", "dossiers"), Now: d.clock.Now,
	})
	if err != nil {
		return err
	}
	d.office.Deliver(bundle.KindDossier, d.dossiers.Mailbox())
	d.office.Hear(heralds{d.dossiers.Herald(), d.agent.updates})
	d.office.Keep(depot{d})
	return nil
}

// controlSheet is the form that goes with a dossier to an office that is not on Trạm.
func (d *desk) controlSheet(ctx context.Context, x dossier.Dossier) (dossier.Upload, error) {
	steps, err := d.dossiers.Steps(ctx, x.ID)
	if err != nil {
		return dossier.Upload{}, err
	}
	pdf, err := forms.Sheet{Form: forms.Control, Dossier: x, Heading: d.formHeading(), Steps: steps}.PDF()
	return dossier.Upload{Name: x.Code.String() + ".pdf", Media: "application/pdf", Body: bytes.NewReader(pdf.Data)}, err
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

// tidyDossiers gives up personal data whose time is over. A clock that is not believed
// could say so too early.
func (d *desk) tidyDossiers(ctx context.Context) error {
	retention := d.o.Config.Dossiers.Retention
	if trusted, _ := d.clock.Trusted(); !trusted {
		retention = 0
	}
	return d.dossiers.Tidy(ctx, retention)
}

// publishedConditions says what of the hub this office could not take: procedures,
// calendars, software.
func (d *desk) publishedConditions(ctx context.Context) ([]health.Condition, error) {
	software, err := d.agent.updates.conditions()
	if err != nil {
		return nil, err
	}
	list, err := d.dossiers.NotTaken(ctx)
	if err != nil || len(list) == 0 {
		return software, err
	}
	first := list[0]
	return append(software, health.Condition{Code: health.CatalogueRefused, Args: i18n.Args{
		"count": len(list), "name": first.Name, "hub": first.Origin, "why": i18n.Say("dossier.not-taken." + first.Reason()),
	}}), nil
}

// beforeStick has the latest report among what a stick takes to the hub.
func (d *desk) beforeStick(ctx context.Context, _ string, _ usb.Manifest) error {
	if err := d.dossiers.Report(ctx); err != nil && ctx.Err() == nil {
		d.log.Warn("report to the hub not made", "error", err) // the rest may go all the same
	}
	return nil
}
