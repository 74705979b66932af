package agent

import (
	"context"
	"time"

	"tram/agent/enroll"
	"tram/agent/problem"
)

// The time between two requests for a certificate of the pages, in units of how
// often the office looks. It grows with each failure: a hub that gives none must
// not cost a metered line a handshake a minute.
const (
	minPagesPause = int(time.Minute / DefaultRenewEvery)
	maxPagesPause = int(24 * time.Hour / DefaultRenewEvery)
)

// pagesCertificates asks the hub for a certificate of the pages while the line is
// up and one is due, see lan.Keeper.Due. The pages go on with what they have when
// there is no answer.
func (d *desk) pagesCertificates(ctx context.Context) error {
	for wait, pause := 0, minPagesPause; ; wait-- {
		if d.lan != nil && wait <= 0 && d.link.Status().Up && d.lan.Due() {
			err := d.askPages(ctx)
			switch {
			case err == nil:
				pause = minPagesPause
			case ctx.Err() != nil:
			case problem.From(err).Class == problem.LinkDown:
				d.log.Debug("no certificate for the pages", "error", err)
			default:
				d.log.Warn("no certificate for the pages", "error", err)
			}
			wait, pause = pause, min(2*pause, maxPagesPause)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(d.o.RenewEvery):
		}
	}
}

func (d *desk) askPages(ctx context.Context) error {
	request, left, err := d.lan.HubRequest()
	if err != nil {
		return err
	}
	answer, err := enroll.Pages(ctx, enroll.Options{Now: d.clock.Now, Logger: d.log}, d.live.Get(), request)
	if err != nil {
		return err
	}
	d.clock.Heard(answer.Time)
	if len(left) > 0 {
		d.log.Info("the hub's certificate does not cover all names of the pages", "names", left)
	}
	return d.lan.Take(answer.Chain, answer.Time)
}
