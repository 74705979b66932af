package agent

import (
	"bytes"
	"context"
	"errors"
	"time"

	"tram/agent/command"
	"tram/agent/health"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/support"
)

// errResync ends the present session because the hub has asked for a new one.
var errResync = errors.New("the hub has asked for a new session")

// openCommands has the office do what its hub orders.
func (d *desk) openCommands(ctx context.Context) (err error) {
	d.commands, err = command.NewDesk(ctx, command.Options{
		DB: d.db, Mail: d.office, Now: d.clock.Now,
		Ping: func(context.Context) (any, error) {
			return map[string]any{"software": d.software(), "started": d.agent.started, "clock": d.agent.clockStatus()}, nil
		},
		Diagnose: func(ctx context.Context) (any, error) { return support.Figures(ctx, d.agent.supportSources()), nil },
		Archive: func(ctx context.Context) ([]byte, error) {
			var archive bytes.Buffer
			err := support.Write(&archive, d.agent.support(ctx), d.clock.Now())
			return archive.Bytes(), err
		},
		Remote: d.o.Config.Support.Remote,
		Resync: func() { d.link.Reset(errResync) },
		Logger: d.log.With("part", "commands"),
	})
	if err == nil {
		d.office.Obey(d.commands)
	}
	return err
}

// ordered tells the line whether the hub has ordered to hold what is not urgent.
func (d *desk) ordered() (until time.Time, holds bool) {
	h, holds := d.commands.Hold()
	return h.Until, holds
}

// commandConditions are what the hub has ordered and people here should know of.
func (d *desk) commandConditions(ctx context.Context) (list []health.Condition, err error) {
	if h, holds := d.commands.Hold(); holds {
		until := any(i18n.Say("command.until-resumed"))
		if !h.Until.IsZero() {
			until = h.Until.Local().Format("15:04 02/01/2006")
		}
		list = append(list, health.Condition{Code: health.HeldByHub, Args: i18n.Args{"by": h.By, "until": until}})
	}
	asked, err := d.commands.Waiting(ctx)
	for _, r := range asked {
		list = append(list, health.Condition{Code: health.SupportAsked, Args: i18n.Args{"id": r.ID.String(), "by": r.By}})
	}
	return list, err
}

// commanded is the desk of orders, for the local socket.
func (a *Agent) commanded() (*command.Desk, error) {
	if d := a.theDesk(); d != nil {
		return d.commands, nil
	}
	return nil, identity.None(a.o.Dir)
}
