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
	// silence is how long, in the same units, the hub may answer nothing, or the
	// broker just end each connection, until this box asks why: a broker of
	// another maker does not tell a box that it was revoked.
	silence = 120
)

// renewal is what this box knows of its certificates beside themselves.
type renewal struct {
	mu      sync.Mutex
	refused *problem.Problem // why the hub gives no new ones; nil: it has not said so
	serial  uint64           // of the present card
	asked   time.Time        // when it was last asked about silence
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

// silent says whether to ask about silence now.
func (r *renewal) silent(lasts, most time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if lasts < most || time.Since(r.asked) < most {
		return false
	}
	r.asked = time.Now()
	return true
}

// renewals asks the hub for new certificates when the present ones are nearly
// over, when they are over, and when the broker refuses this box: then the
// answer says why. As a rule the hub has sent new ones over the session long
// before.
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
	link := d.link.Status()
	if errors.Is(link.Err, mqtt.ErrRefused) && !link.Up {
		return true
	}
	lasts := d.node.Silence(d.id.Hub)
	if !link.Connected && mqtt.ClosedByBroker(link.Err) {
		lasts = time.Since(link.Since)
	}
	if d.renewal.silent(lasts, silence*d.o.RenewEvery) {
		return true
	}
	cert := d.live.Get().DeviceCert
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
	d.renewal.setRefusal(nil)
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
