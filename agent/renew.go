package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"tram/agent/api"
	"tram/agent/enroll"
	"tram/agent/hub/registry"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/sync/mqtt"
)

const (
	// DefaultRenewEvery is how often the office looks at its certificate and at
	// whether the broker refuses it.
	DefaultRenewEvery = 5 * time.Second
	// renewPause is the least time between two requests for renewal, in units of
	// how often the office looks.
	renewPause = 12
)

// renewal is what this box knows of its certificates beside themselves.
type renewal struct {
	mu      sync.Mutex
	refused *problem.Problem // why the hub gives no new ones; nil: it has not said so
	serial  uint64           // of the present card
}

func (r *renewal) refusal() *problem.Problem {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused
}

func (r *renewal) setRefusal(p *problem.Problem) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused = p
}

// renewals asks the hub for new certificates when the present ones are nearly
// over, when they are over, and when the broker refuses this box: then the
// answer says why. It asks as well when the broker's certificate is of a CA that
// this box does not know: the hub may have another one since this box was last on
// the line, which the answer names. As a rule the hub has sent all that over the
// session long before.
func (d *desk) renewals(ctx context.Context) error {
	for wait := 0; ; wait-- {
		if wait <= 0 && d.mustAsk() {
			wait = renewPause
			err := d.askRenewal(ctx)
			switch {
			case err == nil || ctx.Err() != nil:
			case problem.From(err).Class == problem.LinkDown:
				d.log.Debug("certificates not renewed", "error", err)
			default:
				d.log.Warn("certificates not renewed", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(d.o.RenewEvery):
		}
	}
}

// mustAsk says whether the hub has to be asked. It leaves the hub time to send
// new certificates by itself from two thirds of their life on.
func (d *desk) mustAsk() bool {
	cert := d.live.Get().DeviceCert
	if s := d.link.Status(); s.Up {
		d.renewal.setRefusal(nil)
	} else if errors.Is(s.Err, mqtt.ErrRefused) || d.live.Get().ServerFault(s.Err) == identity.ServerUnknownCA {
		return true
	}
	return cert.NotAfter.Sub(d.clock.Now()) < cert.NotAfter.Sub(cert.NotBefore)/4
}

func (d *desk) askRenewal(ctx context.Context) error {
	r, err := enroll.Renew(ctx, enroll.Options{Dir: d.o.Dir, Now: d.clock.Now, Logger: d.log})
	if err != nil {
		if p := problem.From(err); strings.HasPrefix(p.Code, "cert.") && p.Class == problem.Denied {
			d.renewal.setRefusal(p)
		}
		return err
	}
	d.clock.Heard(r.Hub)
	if err := d.use(r.Identity); err != nil {
		return err
	}
	d.renewal.setRefusal(nil)
	d.link.Kick()
	return nil
}

// take keeps what the hub has sent.
func (d *desk) take(_ context.Context, answer []byte) error {
	r, err := enroll.Take(d.o.Dir, answer)
	if err != nil {
		return err
	}
	return d.use(r.Identity)
}

// use has everything that is done from now on be done with new certificates.
// The session stays: its connection was made with the old one.
func (d *desk) use(id *identity.Identity) error {
	card, err := registry.ParseCard(id.Card, d.registry.Authority())
	if err != nil {
		return fmt.Errorf("read own card: %w", err)
	}
	d.renewal.mu.Lock()
	d.renewal.serial = card.Serial
	d.renewal.mu.Unlock()
	d.live.Set(id)
	d.office.Use(id)
	d.log.Info("certificates renewed", "until", id.DeviceCert.NotAfter)
	return nil
}

// own is the office's card and its serial.
func (d *desk) own(string) ([]byte, uint64) {
	d.renewal.mu.Lock()
	defer d.renewal.mu.Unlock()
	return d.live.Get().Card, d.renewal.serial
}

// Renew asks the hub for new certificates now.
func (a *Agent) Renew(ctx context.Context) (api.Certificates, error) {
	d := a.theDesk()
	if d == nil {
		return api.Certificates{}, identity.None(a.o.Dir)
	}
	if err := d.askRenewal(ctx); err != nil {
		return api.Certificates{}, err
	}
	return api.CertificatesOf(d.live.Get(), a.clock.Now()), nil
}
