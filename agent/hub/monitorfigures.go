package hub

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"tram/agent/config"
	"tram/agent/health"
	"tram/agent/hub/duty"
	"tram/agent/hub/fleet"
	"tram/agent/hub/incident"
	"tram/agent/metrics"
)

// addFigures adds what is counted of the boxes of a cluster.
func addFigures(s *metrics.Set, cluster string, f *fleet.Figures) {
	for _, state := range fleet.States {
		s.Add(agentsGauge, float64(f.States[state]), cluster, state.String())
	}
	s.Add(agentsOnline, float64(f.Online), cluster)
	s.Add(agentsMissing, float64(f.Missing), cluster)
	s.Add(agentsOverdue, float64(f.Overdue), cluster)
	s.Add(agentsQueue, float64(f.Queue), cluster)
	s.Add(agentsQueueBytes, float64(f.QueueBytes), cluster)
	for code, n := range f.Reasons {
		s.Add(agentsReason, float64(n), cluster, known(code))
	}
	for code, n := range f.Conditions {
		s.Add(agentsCondition, float64(n), cluster, known(code))
	}
}

// known is a code of a box as a label: those of newer software are one.
func known(code string) string {
	if slices.Contains(health.Codes, code) || slices.Contains(fleet.Reasons, code) {
		return code
	}
	return otherLabel
}

// extremes are the worst figures of a label's clusters.
type extremes struct {
	age, clock time.Duration
	days       int
	cert       time.Time
}

func (e *extremes) take(f *fleet.Figures, now time.Time) {
	if !f.QueueSince.IsZero() {
		e.age = max(e.age, now.Sub(f.QueueSince))
	}
	e.clock = max(e.clock, f.ClockOff)
	if f.DiskDays >= 0 && (e.days < 0 || f.DiskDays < e.days) {
		e.days = f.DiskDays
	}
	if !f.Certificate.IsZero() && (e.cert.IsZero() || f.Certificate.Before(e.cert)) {
		e.cert = f.Certificate
	}
}

func (e *extremes) into(s *metrics.Set, cluster string) {
	s.Add(agentsOldest, e.age.Seconds(), cluster)
	s.Add(agentsClock, e.clock.Seconds(), cluster)
	if e.days >= 0 {
		s.Add(agentsDisk, (time.Duration(e.days) * 24 * time.Hour).Seconds(), cluster)
	}
	if !e.cert.IsZero() {
		s.Add(agentsCert, seconds(e.cert), cluster)
	}
}

func addSoftware(s *metrics.Set, software map[string]int) {
	names := slices.SortedFunc(maps.Keys(software), func(a, b string) int {
		if software[a] != software[b] {
			return software[b] - software[a]
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		if i >= maxSoftware {
			s.Add(agentsSoftware, float64(software[name]), otherLabel)
		} else {
			s.Add(agentsSoftware, float64(software[name]), name)
		}
	}
}

// custody adds what the hub holds and for whom.
func (m *monitor) custody(ctx context.Context, s *metrics.Set) error {
	m.delivery.Into(s)
	m.delivered.Into(s)
	for _, word := range config.Urgencies {
		s.Add(custodyBundles, 0, word)
		s.Add(custodyBytes, 0, word)
	}
	held, err := m.h.queue.Custody(ctx)
	if err != nil {
		return err
	}
	for _, l := range held {
		s.Add(custodyBundles, float64(l.Count), urgency(l.Urgency))
		s.Add(custodyBytes, float64(l.Bytes), urgency(l.Urgency))
	}
	leaving, err := m.h.queue.Leaving(ctx, letterKinds...)
	if err != nil {
		return err
	}
	type place struct{ cluster, urgency string }
	oldest, now := map[place]time.Duration{}, time.Now()
	for _, l := range leaving {
		at := place{m.home(l.Peer), urgency(l.Urgency)}
		s.Add(undelivered, float64(l.Count), at.cluster, at.urgency)
		oldest[at] = max(oldest[at], now.Sub(l.Since))
	}
	for at, age := range oldest {
		s.Add(undeliveredAge, age.Seconds(), at.cluster, at.urgency)
	}
	return nil
}

// broker adds what goes over the broker.
func (m *monitor) broker(_ context.Context, s *metrics.Set) error {
	m.refusals.Into(s)
	link, stats := m.h.link.Status(), m.h.link.Stats()
	s.Has(brokerUp, link.Connected)
	s.Add(linkSent, float64(stats.SentBytes))
	s.Add(linkReceived, float64(stats.ReceivedBytes))
	s.Add(linkDropped, float64(stats.Dropped))
	if above := m.h.upstream.status(); above != nil {
		s.Has(upstreamUp, above.Up)
	}
	if m.h.broker == nil {
		return nil
	}
	b := m.h.broker.Stats()
	s.Add(brokerConns, float64(b.Connections))
	s.Add(brokerSessions, float64(b.Sessions))
	s.Add(brokerTurned, float64(b.TurnedAway))
	s.Add(brokerDropped, float64(b.Dropped))
	s.Add(brokerMessages, float64(b.In), "in")
	s.Add(brokerMessages, float64(b.Out), "out")
	return nil
}

// store adds disk, database and certificates.
func (m *monitor) store(_ context.Context, s *metrics.Set) error {
	s.Add(diskReserve, float64(m.h.o.Config.Storage.Reserve))
	for name, pair := range map[string]time.Time{
		"ca": m.h.ca.Root.Cert.NotAfter, "authority": m.h.ca.Authority.Cert.NotAfter,
		"device": m.h.ca.Device().Cert.NotAfter, "server": m.h.ca.Server().Cert.NotAfter,
	} {
		s.Add(certificate, seconds(pair), name)
	}
	free, err := m.h.blobs.Free()
	if err != nil {
		return err
	}
	s.Add(diskFree, float64(free))
	size, err := m.h.db.Size()
	if err == nil {
		s.Add(databaseSize, float64(size))
	}
	return err
}

// incidents adds what is wrong and who is told.
func (m *monitor) incidents(ctx context.Context, s *metrics.Set) error {
	m.alerts.Into(s)
	rules := incident.DefaultRules()
	for _, code := range incident.Codes() {
		for _, level := range rules.For("", code).Levels {
			s.Add(findingsGauge, 0, string(code), string(level.Severity))
			s.Add(incidentsOpen, 0, string(code), string(level.Severity))
		}
	}
	f, err := m.h.duty.room.Figures(ctx)
	if err != nil {
		return err
	}
	for d, list := range map[*metrics.Desc][]duty.Figure{findingsGauge: f.Findings, incidentsOpen: f.Incidents} {
		for _, one := range list {
			s.Add(d, float64(one.Count), string(one.Rule), string(one.Severity))
		}
	}
	for _, code := range hubConditions {
		s.Add(conditionOn, 0, code)
	}
	conditions, err := m.h.conditions(ctx, time.Now())
	if err != nil {
		return err
	}
	for _, c := range conditions {
		s.Add(conditionOn, 1, c.Code)
	}
	channels, err := m.h.duty.room.Channels(ctx)
	for _, c := range channels {
		s.Add(alertsWaiting, float64(c.Waiting), c.Name)
	}
	return err
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
