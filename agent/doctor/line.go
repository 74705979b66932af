package doctor

import (
	"context"
	"strings"
	"time"

	"tram/agent/health"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/probe"
)

// lookAtLine goes as far towards the hub as it can, without speaking as the office.
// A line that is up is left alone.
func (e *exam) lookAtLine(ctx context.Context) {
	found := func(f ...Finding) { e.line <- f }
	switch {
	case e.status != nil && e.status.Link.Up:
		found(Finding{State: Good, Args: i18n.Args{"server": e.status.Link.Server}})
		return
	case e.id == nil, e.o.Offline, e.o.Inside:
		found()
		return
	}
	servers := e.cfg.MQTT.Servers
	if len(servers) == 0 {
		servers = e.id.Trust.MQTT
	}
	ctx, cancel := context.WithTimeout(ctx, lineLimit)
	defer cancel()
	var worst *probe.Step
	for i, server := range servers {
		r := probe.Run(ctx, probe.Options{
			Server: server, Identity: e.id, Curves: identity.KeyExchange(e.cfg.MQTT.KeyExchange).Curves(),
			Timeout: lineLimit / time.Duration(len(servers)-i+1), Resolver: e.o.Resolver,
		})
		broken := r.Broken()
		if broken == nil {
			found(Finding{State: Good, Args: i18n.Args{"server": server}})
			return
		}
		if worst == nil || grave(broken.Code) && !grave(worst.Code) {
			worst = broken
		}
	}
	if worst == nil {
		found()
		return
	}
	state := Warning
	if grave(worst.Code) {
		state = Failure
	}
	found(Finding{State: state, Code: worst.Code, Args: worst.Args})
}

// grave reports whether somebody answers who is not the hub, or the hub does not
// take this box: nothing that time heals.
func grave(code string) bool {
	return strings.HasPrefix(code, health.ServerUntrusted) || code == probe.SecureRefused || code == probe.NotTLS
}

func (e *exam) lineTold(context.Context) { e.take("line", e.line) }
