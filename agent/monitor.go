package agent

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"tram/agent/api"
	"tram/agent/config"
	"tram/agent/connector"
	"tram/agent/health"
	"tram/agent/i18n"
	"tram/agent/lan"
	"tram/agent/metrics"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage/queue"
	"tram/sync/mqtt"
)

// Metrics of an office.
var (
	enrolledGauge  = metrics.NewGauge("tram_enrolled", "", "1 when the box has joined its hub; without it there is nothing below.")
	linkUp         = metrics.NewGauge("tram_link_up", "", "1 while the hub is there.")
	linkSent       = metrics.NewCounter("tram_link_sent_bytes_total", "bytes", "Bytes sent to the hub, TLS included, by the line they went over.", "line")
	linkReceived   = metrics.NewCounter("tram_link_received_bytes_total", "bytes", "Bytes received from the hub, likewise.", "line")
	linkConnects   = metrics.NewCounter("tram_link_connects_total", "", "Connections to the hub that were set up.")
	linkFailures   = metrics.NewCounter("tram_link_failures_total", "", "Attempts to connect that failed.")
	linkRTT        = metrics.NewGauge("tram_link_rtt_seconds", "seconds", "From sending to the hub's acknowledgement, as the last transfers showed.")
	queueBundles   = metrics.NewGauge("tram_queue_bundles", "", "Bundles that wait: out for the hub to take over, in to be fetched from it.", "direction", "urgency")
	queueBytes     = metrics.NewGauge("tram_queue_bytes", "bytes", "Their size.", "direction", "urgency")
	queueOldest    = metrics.NewGauge("tram_queue_oldest_seconds", "seconds", "Age of the oldest of them; 0: there is none.", "direction", "urgency")
	documentsGauge = metrics.NewGauge("tram_documents", "", "Documents by box and state.", "box", "state")
	deliveryTime   = &metrics.Desc{Name: "tram_delivery_seconds", Type: metrics.HistogramType, Unit: "seconds", Labels: []string{"urgency"},
		Help: "From saving a document to learning that a recipient has it, once for each recipient."}
	diskFree      = metrics.NewGauge("tram_disk_free_bytes", "bytes", "Free space for documents, without the reserve.")
	diskReserve   = metrics.NewGauge("tram_disk_reserve_bytes", "bytes", "Free space that is never used.")
	databaseSize  = metrics.NewGauge("tram_database_size_bytes", "bytes", "Size of the database.")
	clockOffset   = metrics.NewGauge("tram_clock_offset_seconds", "seconds", "The hub's clock minus the office's, at the last session.")
	clockTrusted  = metrics.NewGauge("tram_clock_trusted", "", "1 when the clock is to be believed.")
	clockNow      = metrics.NewGauge("tram_clock_timestamp_seconds", "seconds", "What the office takes the time to be, in seconds since 1970.")
	certificate   = metrics.NewGauge("tram_certificate_expiry_timestamp_seconds", "seconds", "End of a certificate, in seconds since 1970.", "certificate")
	conditionOn   = metrics.NewGauge("tram_condition", "", "How many conditions of a code hold; 0: none.", "code")
	budgetUsed    = metrics.NewGauge("tram_budget_used_bytes", "bytes", "Bytes over metered lines this month.")
	budgetLimit   = metrics.NewGauge("tram_budget_limit_bytes", "bytes", "How many there may be; none: no bound.")
	budgetAhead   = metrics.NewGauge("tram_budget_forecast_bytes", "bytes", "How many there will be at the month's end; none: not known yet.")
	connectorUp   = metrics.NewGauge("tram_connector_up", "", "1 while a connector runs without a fault.", "connector", "kind")
	connectorWait = metrics.NewGauge("tram_connector_waiting", "", "What waits to be handed to other software.", "connector", "kind")
	connectorDead = metrics.NewGauge("tram_connector_dead_letters", "", "What other software refused for good.", "connector", "kind")
	connectorDone = metrics.NewCounter("tram_connector_delivered_total", "", "What was handed over since the start.", "connector", "kind")

	// Metrics are those of an office, beside metrics.Own.
	Metrics = []*metrics.Desc{
		enrolledGauge, linkUp, linkSent, linkReceived, linkConnects, linkFailures, linkRTT, queueBundles, queueBytes, queueOldest,
		documentsGauge, deliveryTime, diskFree, diskReserve, databaseSize, clockOffset, clockTrusted, clockNow, certificate, conditionOn,
		budgetUsed, budgetLimit, budgetAhead, connectorUp, connectorWait, connectorDead, connectorDone,
	}
)

// deliveryBounds are upper bounds of the time that a document takes, in seconds: up
// to five minutes, the limits of the urgencies, and days.
var deliveryBounds = []float64{1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 21600, 86400, 259200, 604800}

// monitor is what monitoring software asks for. nil: nobody may ask.
type monitor struct {
	agent    *Agent
	delivery *metrics.Histogram
}

// openMonitor listens for monitoring software in group, when the settings want it.
func (a *Agent) openMonitor(ctx context.Context, group *errgroup.Group) error {
	c := a.o.Config.Metrics
	if c.Listen == "" {
		return nil
	}
	m := &monitor{agent: a, delivery: metrics.NewHistogram(deliveryTime, deliveryBounds)}
	server, err := metrics.Listen(metrics.Options{
		Address: c.Listen, Allow: c.Allow, Program: "tram", Version: a.o.Version, Descs: Metrics, Logger: a.log.With("part", "metrics"),
		Collectors: []metrics.Collector{
			{Name: "status", Collect: m.status}, {Name: "queue", Collect: m.queue}, {Name: "documents", Collect: m.documents},
			{Name: "connectors", Collect: m.connectors},
		},
	})
	if errors.Is(err, syscall.EADDRINUSE) {
		return problem.New(problem.Busy, "service.address-in-use", "metrics.listen", i18n.Args{"address": c.Listen}).Because(err)
	}
	if err != nil {
		return err
	}
	a.monitor = m
	group.Go(func() error { return server.Serve(ctx) })
	return nil
}

// status adds how the office stands.
func (m *monitor) status(ctx context.Context, s *metrics.Set) error {
	d := m.agent.theDesk()
	s.Has(enrolledGauge, d != nil)
	if d == nil {
		return nil
	}
	st, err := m.agent.Status(ctx)
	if err != nil {
		return err
	}
	m.line(d, st, s)
	s.Add(diskFree, float64(st.DiskFree))
	s.Add(diskReserve, float64(d.o.Config.Storage.Reserve))
	s.Add(clockOffset, float64(st.Clock.Offset)/1000)
	s.Has(clockTrusted, st.Clock.Trusted)
	s.Add(clockNow, seconds(st.Clock.Now))
	s.Add(certificate, seconds(st.CertUntil), "device")
	if st.Pages != nil && st.Pages.Source != lan.SelfMade {
		s.Add(certificate, seconds(st.Pages.Until), "pages")
	}
	for _, code := range health.Codes {
		s.Add(conditionOn, 0, code)
	}
	for _, c := range st.Conditions {
		s.Add(conditionOn, 1, c.Code)
	}
	m.delivery.Into(s)
	size, err := d.db.Size()
	if err == nil {
		s.Add(databaseSize, float64(size))
	}
	return err
}

// line adds what went over the line, and what it costs.
func (m *monitor) line(d *desk, st api.Status, s *metrics.Set) {
	stats := d.link.Stats()
	s.Has(linkUp, st.Link.Up)
	s.Add(linkConnects, float64(stats.Connects))
	s.Add(linkFailures, float64(stats.Failures))
	d.traffic.take(stats, st.Link.Metered)
	d.traffic.into(s)
	if st.Link.RTT > 0 {
		s.Add(linkRTT, float64(st.Link.RTT)/1000)
	}
	s.Add(budgetUsed, float64(st.Budget.Used))
	if st.Budget.Limit > 0 {
		s.Add(budgetLimit, float64(st.Budget.Limit))
	}
	if st.Budget.Forecast != nil {
		s.Add(budgetAhead, float64(*st.Budget.Forecast))
	}
}

// queue adds what waits, by its direction.
func (m *monitor) queue(ctx context.Context, s *metrics.Set) error {
	d := m.agent.theDesk()
	if d == nil {
		return nil
	}
	now := d.clock.Now()
	for direction, list := range map[string]func(context.Context) ([]queue.Load, error){
		"out": func(ctx context.Context) ([]queue.Load, error) { return d.queue.Leaving(ctx) }, "in": d.queue.Coming,
	} {
		loads, err := list(ctx)
		if err != nil {
			return err
		}
		age := [4]time.Duration{}
		for _, l := range loads {
			urgency := config.Urgencies[min(int(l.Urgency), len(config.Urgencies)-1)]
			s.Add(queueBundles, float64(l.Count), direction, urgency)
			s.Add(queueBytes, float64(l.Bytes), direction, urgency)
			at := min(int(l.Urgency), len(age)-1)
			age[at] = max(age[at], now.Sub(l.Since))
		}
		for i, urgency := range config.Urgencies {
			s.Add(queueBundles, 0, direction, urgency)
			s.Add(queueBytes, 0, direction, urgency)
			s.Add(queueOldest, age[i].Seconds(), direction, urgency)
		}
	}
	return nil
}

func (m *monitor) documents(ctx context.Context, s *metrics.Set) error {
	d := m.agent.theDesk()
	if d == nil {
		return nil
	}
	tallies, err := d.office.Tallies(ctx)
	for _, t := range tallies {
		s.Add(documentsGauge, float64(t.Count), string(t.Box), string(t.State))
	}
	return err
}

func (m *monitor) connectors(ctx context.Context, s *metrics.Set) error {
	d := m.agent.theDesk()
	if d == nil {
		return nil
	}
	list, err := d.connectors.List(ctx)
	for _, c := range list {
		s.Has(connectorUp, c.State == connector.Running, c.Name, c.Kind)
		s.Add(connectorWait, float64(c.Waiting), c.Name, c.Kind)
		s.Add(connectorDead, float64(c.Dead), c.Name, c.Kind)
		s.Add(connectorDone, float64(c.Delivered), c.Name, c.Kind)
	}
	return err
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// watchDeliveries observes until ctx ends how long documents take to their recipients.
func (d *desk) watchDeliveries(ctx context.Context) error {
	m := d.agent.monitor
	if m == nil {
		return nil
	}
	at, err := d.office.FeedEnd(ctx)
	for err == nil {
		changed := d.office.Changed()
		if err := m.deliveries(ctx, d, &at); err != nil && ctx.Err() == nil {
			d.log.Warn("delivery times not read", "error", err) // the next change tries again
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
	return err
}

// deliveries observes those after a place in the office's feed, which it moves.
func (m *monitor) deliveries(ctx context.Context, d *desk, at *string) error {
	for {
		entries, _, err := d.office.Feed(ctx, *at, 0)
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, e := range entries {
			if e.Type == office.DocumentDelivered {
				doc, err := d.office.Get(ctx, e.Document)
				if err != nil {
					return err
				}
				m.delivery.Observe(max(0, e.Learnt.Sub(doc.Created)).Seconds(), config.Urgencies[doc.Urgency])
			}
			*at = e.Cursor
		}
	}
}

// traffic tells what went over which kind of line: what was counted since the last
// look belongs to the kind in use then.
type traffic struct {
	mu             sync.Mutex
	last           mqtt.Stats
	sent, received [2]int64 // over free lines, over metered ones
}

func (t *traffic) take(now mqtt.Stats, metered bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	kind := 0
	if metered {
		kind = 1
	}
	t.sent[kind] += now.SentBytes - t.last.SentBytes
	t.received[kind] += now.ReceivedBytes - t.last.ReceivedBytes
	t.last = now
}

func (t *traffic) into(s *metrics.Set) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for kind, name := range []string{"free", "metered"} {
		s.Add(linkSent, float64(t.sent[kind]), name)
		s.Add(linkReceived, float64(t.received[kind]), name)
	}
}
