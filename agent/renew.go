package agent

import (
	"context"
	"fmt"

	"tram/agent/api"
	"tram/agent/enroll"
	"tram/agent/hub/registry"
	"tram/agent/identity"
)

// DefaultRenewEvery is Options.RenewEvery when that is zero.
const DefaultRenewEvery = enroll.DefaultLook

// take keeps what the hub has sent.
func (d *desk) take(_ context.Context, answer []byte) error {
	r, err := enroll.Take(d.o.Dir, answer)
	if err != nil {
		return err
	}
	d.renewer.Taken()
	return d.use(r.Identity)
}

// renewed takes up what the hub has answered, also on the line.
func (d *desk) renewed(r enroll.Renewed) error {
	d.clock.Heard(r.Hub)
	if err := d.use(r.Identity); err != nil {
		return err
	}
	d.link.Kick()
	return nil
}

// use has everything that is done from now on be done with new certificates.
// The session stays: its connection was made with the old one.
func (d *desk) use(id *identity.Identity) error {
	card, err := registry.ParseCard(id.Card, d.registry.Authority())
	if err != nil {
		return fmt.Errorf("read own card: %w", err)
	}
	d.serial.Store(card.Serial)
	d.live.Set(id)
	d.office.Use(id)
	d.log.Info("certificates renewed", "until", id.DeviceCert.NotAfter)
	return nil
}

// own is the office's card and its serial.
func (d *desk) own(string) ([]byte, uint64) { return d.live.Get().Card, d.serial.Load() }

// Renew asks the hub for new certificates now.
func (a *Agent) Renew(ctx context.Context) (api.Certificates, error) {
	d := a.theDesk()
	if d == nil {
		return api.Certificates{}, identity.None(a.o.Dir)
	}
	if err := d.renewer.Ask(ctx); err != nil {
		return api.Certificates{}, err
	}
	return api.CertificatesOf(d.live.Get(), a.clock.Now()), nil
}
