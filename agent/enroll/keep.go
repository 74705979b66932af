package enroll

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"tram/agent/identity"
	"tram/agent/problem"
	"tram/sync/mqtt"
)

const (
	// DefaultLook is how often a Renewer looks at the certificate and at whether
	// the broker refuses it.
	DefaultLook = 5 * time.Second
	// askPause is the least time between two requests for renewal, in units of
	// how often it looks.
	askPause = 12
	// silence is how long, in the same units, the hub may answer nothing, or the
	// broker just end each connection, until it is asked why: a broker of another
	// maker does not tell a box that it was revoked.
	silence = 120
)

// RenewerOptions configures a Renewer. All but Options and Look are required.
type RenewerOptions struct {
	Options
	Look time.Duration // 0 is DefaultLook
	// Identity is the present one of the box.
	Identity func() *identity.Identity
	// Line is how the line to the hub is, and for how long the hub owes an answer
	// on it.
	Line func() (mqtt.Status, time.Duration)
	// Use has the box work with new certificates.
	Use func(Renewed) error
}

// Renewer asks the hub for new certificates when the present ones are nearly
// over, when they are over, and when the hub or its broker will not hear this
// box, or cannot prove itself: then the answer says why. As a rule the hub has
// sent all that over the session long before. It is for offices and for hubs
// below another one.
type Renewer struct {
	o       RenewerOptions
	log     *slog.Logger
	mu      sync.Mutex
	refusal *problem.Problem
	asked   time.Time // when it was last asked about silence
}

// NewRenewer makes a Renewer.
func NewRenewer(o RenewerOptions) *Renewer {
	o.defaults()
	if o.Look == 0 {
		o.Look = DefaultLook
	}
	return &Renewer{o: o, log: o.Logger}
}

// Refusal is why the hub gives no new certificates, "cert.…"; nil when it has not
// said so since it last took this box.
func (r *Renewer) Refusal() *problem.Problem {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refusal
}

// Taken notes that the hub takes this box: it has agreed a session, or sent new
// certificates.
func (r *Renewer) Taken() { r.refused(nil) }

func (r *Renewer) refused(p *problem.Problem) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refusal = p
}

// Run looks until ctx ends.
func (r *Renewer) Run(ctx context.Context) error {
	for wait, refused := 0, false; ; wait-- {
		before := refused
		if refused = r.turnedAway(); refused && !before {
			wait = 0 // the hub is there again: what failed for lack of a line is tried at once
		}
		if wait <= 0 && (refused || r.mustAsk()) {
			wait = askPause
			err := r.Ask(ctx)
			switch {
			case err == nil || ctx.Err() != nil:
			case problem.From(err).Class == problem.LinkDown:
				r.log.Debug("certificates not renewed", "error", err)
			default:
				r.log.Warn("certificates not renewed", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(r.o.Look):
		}
	}
}

// turnedAway says whether the broker does not accept this box, or has a
// certificate of a CA that this box does not know: the hub may have another one
// since this box was last on the line, which the answer names.
func (r *Renewer) turnedAway() bool {
	line, _ := r.o.Line()
	return !line.Up && (errors.Is(line.Err, mqtt.ErrRefused) || r.o.Identity().ServerFault(line.Err) == identity.ServerUnknownCA)
}

// mustAsk says whether the hub has to be asked otherwise. It leaves the hub time
// to send new certificates by itself from two thirds of their life on.
func (r *Renewer) mustAsk() bool {
	line, owed := r.o.Line()
	if !line.Connected && mqtt.ClosedByBroker(line.Err) {
		owed = time.Since(line.Since)
	}
	if r.silent(owed) {
		return true
	}
	cert := r.o.Identity().DeviceCert
	return cert.NotAfter.Sub(r.o.Now()) < cert.NotAfter.Sub(cert.NotBefore)/4
}

// silent says whether to ask about silence now.
func (r *Renewer) silent(owed time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	most := silence * r.o.Look
	if owed < most || time.Since(r.asked) < most {
		return false
	}
	r.asked = time.Now()
	return true
}

// Ask asks now. Problems are those of Renew.
func (r *Renewer) Ask(ctx context.Context) error {
	renewed, err := Renew(ctx, r.o.Options)
	if err != nil {
		if p := problem.From(err); strings.HasPrefix(p.Code, "cert.") && p.Class == problem.Denied {
			r.refused(p)
		}
		return err
	}
	if err := r.o.Use(renewed); err != nil {
		return err
	}
	r.Taken()
	return nil
}
