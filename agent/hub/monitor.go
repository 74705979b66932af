package hub

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"tram/agent/config"
	"tram/agent/hub/alert"
	"tram/agent/i18n"
	"tram/agent/metrics"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

const (
	// maxClusters bounds the values of the label cluster: the largest have their own,
	// the others are [otherLabel] together.
	maxClusters = 50
	// maxSoftware bounds those of the label software likewise.
	maxSoftware = 20
	// otherLabel is for what has no value of its own, noCluster for boxes of no cluster.
	otherLabel = "other"
	noCluster  = "none"
)

// monitor is what monitoring software asks a hub for. Its methods may be called on a
// nil one, which nobody asks.
type monitor struct {
	h         *Hub
	delivery  *metrics.Histogram
	delivered *metrics.Counts
	beats     *metrics.Counts
	unread    *metrics.Counts
	refusals  *metrics.Counts
	alerts    *metrics.Counts

	mu     sync.Mutex
	labels map[string]string // of the clusters that have their own
	homes  map[string]string // clusters of boxes
}

// newMonitor makes one when the settings want it.
func newMonitor(h *Hub) *monitor {
	if h.o.Config.Metrics.Listen == "" {
		return nil
	}
	m := &monitor{
		h: h, delivery: metrics.NewHistogram(deliveryTime, deliveryBounds), delivered: metrics.NewCounts(deliveredBytes),
		beats: metrics.NewCounts(beatsTotal), unread: metrics.NewCounts(beatsUnread), refusals: metrics.NewCounts(refusals), alerts: metrics.NewCounts(alertsTotal),
	}
	m.beats.Add(0)
	m.unread.Add(0)
	return m
}

// serve listens for monitoring software in group.
func (m *monitor) serve(ctx context.Context, group *errgroup.Group) error {
	if m == nil {
		return nil
	}
	c := m.h.o.Config.Metrics
	server, err := metrics.Listen(metrics.Options{
		Address: c.Listen, Allow: c.Allow, Program: "tram-hub", Version: m.h.o.Version, Descs: Metrics, Logger: m.h.log.With("part", "metrics"),
		Collectors: []metrics.Collector{
			{Name: "agents", Collect: m.agents}, {Name: "custody", Collect: m.custody}, {Name: "broker", Collect: m.broker},
			{Name: "store", Collect: m.store}, {Name: "incidents", Collect: m.incidents},
		},
	})
	if errors.Is(err, syscall.EADDRINUSE) {
		return problem.New(problem.Busy, "service.address-in-use", "metrics.listen", i18n.Args{"address": c.Listen}).Because(err)
	}
	if err != nil {
		return err
	}
	group.Go(func() error { return server.Serve(ctx) })
	return nil
}

// settle takes over which box is of which cluster.
func (m *monitor) settle(ctx context.Context) error {
	if m == nil {
		return nil
	}
	homes, err := m.h.fleet.Clusters(ctx)
	if err == nil {
		m.place(homes)
	}
	return err
}

// place takes over the clusters of boxes. A cluster that has a label keeps it: series
// that come and go as sizes change tell nobody anything.
func (m *monitor) place(homes map[string]string) {
	sizes := map[string]int{}
	for _, cluster := range homes {
		sizes[cluster]++
	}
	names := make([]string, 0, len(sizes))
	for name := range sizes {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if sizes[a] != sizes[b] {
			return sizes[b] - sizes[a]
		}
		return strings.Compare(a, b)
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.homes = homes
	if m.labels == nil {
		m.labels = map[string]string{}
	}
	for _, name := range names {
		if len(m.labels) >= maxClusters {
			return
		}
		if m.labels[name] == "" {
			m.labels[name] = name
			if name == "" {
				m.labels[name] = noCluster
			}
		}
	}
}

// cluster is the label of a cluster, home that of a box's.
func (m *monitor) cluster(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.label(name)
}

func (m *monitor) home(code string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	name, known := m.homes[code]
	if !known {
		return otherLabel
	}
	return m.label(name)
}

func (m *monitor) label(name string) string {
	if label := m.labels[name]; label != "" {
		return label
	}
	return otherLabel
}

// urgency is the label of one.
func urgency(level uint8) string {
	return config.Urgencies[min(int(level), len(config.Urgencies)-1)]
}

// custodyGiven observes that a neighbour took over a bundle.
func (m *monitor) custodyGiven(tx *sqlite.Tx, peer string, b storage.Bundle) error {
	if m == nil {
		return nil
	}
	taken, size, err := m.h.queue.Taken(tx, b.ID)
	if err != nil {
		return err
	}
	letter, now := !taken.IsZero() && slices.Contains(letterKinds, b.Kind), tx.Now()
	tx.OnCommit(func() {
		m.delivered.Add(float64(size), urgency(b.Urgency))
		if letter {
			m.delivery.Observe(max(0, now.Sub(taken)).Seconds(), m.home(peer), urgency(b.Urgency))
		}
	})
	return nil
}

// beat counts a heartbeat.
func (m *monitor) beat(readable bool) {
	switch {
	case m == nil:
	case readable:
		m.beats.Add(1)
	default:
		m.unread.Add(1)
	}
}

// refused counts refusals of a part of the hub.
func (m *monitor) refused(part, action string, n int) {
	if m != nil {
		m.refusals.Add(float64(n), part, action)
	}
}

// watched counts what goes out by a channel.
func (m *monitor) watched(c alert.Channel) alert.Channel {
	if m == nil {
		return c
	}
	m.alerts.Add(0, c.Name(), "sent")
	m.alerts.Add(0, c.Name(), "failed")
	return counted{c, m}
}

type counted struct {
	alert.Channel
	m *monitor
}

func (c counted) Send(ctx context.Context, message alert.Message) error {
	err := c.Channel.Send(ctx, message)
	result := "sent"
	if err != nil {
		result = "failed"
	}
	c.m.alerts.Add(1, c.Name(), result)
	return err
}

// agents adds the figures of the boxes.
func (m *monitor) agents(ctx context.Context, s *metrics.Set) error {
	m.beats.Into(s)
	m.unread.Into(s)
	if err := m.settle(ctx); err != nil {
		return err
	}
	waiting, err := m.h.queue.Waiting(ctx)
	if err != nil {
		return err
	}
	list, err := m.h.fleet.Figures(ctx, func(code string) bool { return waiting[code] > 0 })
	if err != nil {
		return err
	}
	worst := map[string]*extremes{}
	software := map[string]int{}
	for _, f := range list {
		cluster := m.cluster(f.Cluster)
		addFigures(s, cluster, f)
		if worst[cluster] == nil {
			worst[cluster] = &extremes{days: -1}
		}
		worst[cluster].take(f, time.Now())
		for name, n := range f.Software {
			software[name] += n
		}
	}
	for cluster, w := range worst {
		w.into(s, cluster)
	}
	addSoftware(s, software)
	return nil
}
