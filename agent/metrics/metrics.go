package metrics

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// MaxSeries bounds the series of one metric, a histogram's as one. What is beyond it
// is left out and counted, see [Set.Dropped].
const MaxSeries = 2000

// Type is what a metric is, in OpenMetrics' words.
type Type string

// Types.
const (
	Gauge         Type = "gauge"
	Counter       Type = "counter" // its name ends with _total
	HistogramType Type = "histogram"
	Info          Type = "info" // its name ends with _info, its value is 1
)

// Desc describes a metric. Name ends with Unit, before _total, when there is one.
type Desc struct {
	Name   string
	Type   Type
	Unit   string // "" for numbers of things
	Labels []string
	Help   string
}

// NewGauge describes a metric that goes up and down.
func NewGauge(name, unit, help string, labels ...string) *Desc {
	return &Desc{Name: name, Type: Gauge, Unit: unit, Labels: labels, Help: help}
}

// NewCounter describes one that only grows.
func NewCounter(name, unit, help string, labels ...string) *Desc {
	return &Desc{Name: name, Type: Counter, Unit: unit, Labels: labels, Help: help}
}

// Set is what was gathered at one moment. It is not for several goroutines.
type Set struct {
	families []*family
	by       map[*Desc]*family
	dropped  int
}

type family struct {
	*Desc
	series []*series
	by     map[string]*series
}

type series struct {
	labels []string
	value  float64
	hist   *buckets // of a histogram
}

// NewSet makes a set of these metrics, which are written in this order.
func NewSet(descs []*Desc) *Set {
	s := &Set{by: make(map[*Desc]*family, len(descs))}
	for _, d := range descs {
		f := &family{Desc: d, by: map[string]*series{}}
		s.families, s.by[d] = append(s.families, f), f
	}
	return s
}

// Add adds to the value of a metric with these values of its labels.
func (s *Set) Add(d *Desc, value float64, labels ...string) {
	if one := s.find(d, labels); one != nil {
		one.value += value
	}
}

// Has is [Set.Add] of 1 or 0.
func (s *Set) Has(d *Desc, holds bool, labels ...string) {
	value := 0.0
	if holds {
		value = 1
	}
	s.Add(d, value, labels...)
}

// Value is what stands in the set, 0 for nothing.
func (s *Set) Value(d *Desc, labels ...string) float64 {
	if one := s.by[d].by[strings.Join(labels, "\xff")]; one != nil {
		return one.value
	}
	return 0
}

// Dropped counts what there was no room for.
func (s *Set) Dropped() int { return s.dropped }

func (s *Set) find(d *Desc, labels []string) *series {
	f := s.by[d]
	if f == nil || len(labels) != len(d.Labels) {
		panic(fmt.Sprintf("metrics: %s with labels %q is not of this set", d.Name, labels)) // of the caller's making
	}
	key := strings.Join(labels, "\xff")
	one := f.by[key]
	if one == nil {
		if len(f.series) >= MaxSeries {
			s.dropped++
			return nil
		}
		one = &series{labels: slices.Clone(labels)}
		f.series, f.by[key] = append(f.series, one), one
	}
	return one
}

// Counts is a counter with labels. Safe for concurrent use. A nil one counts nothing.
type Counts struct {
	desc *Desc
	mu   sync.Mutex
	by   map[string]*series
	lost int // what there was no room for
}

// NewCounts makes the counter d.
func NewCounts(d *Desc) *Counts { return &Counts{desc: d, by: map[string]*series{}} }

// Add counts n, which is not below 0.
func (c *Counts) Add(n float64, labels ...string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := strings.Join(labels, "\xff")
	one := c.by[key]
	if one == nil {
		if len(c.by) >= MaxSeries {
			c.lost++
			return
		}
		one = &series{labels: slices.Clone(labels)}
		c.by[key] = one
	}
	one.value += n
}

// Into adds what was counted to s.
func (c *Counts) Into(s *Set) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.dropped += c.lost
	for _, one := range c.by {
		s.Add(c.desc, one.value, one.labels...)
	}
}

// buckets are the observations of one series.
type buckets struct {
	bounds []float64
	counts []uint64 // the last one beyond all bounds; not cumulative
	sum    float64
}

// Histogram counts observations in buckets. Safe for concurrent use. A nil one counts
// nothing.
type Histogram struct {
	desc   *Desc
	bounds []float64
	mu     sync.Mutex
	by     map[string]*series
	lost   int // observations that there was no room for
}

// NewHistogram makes the histogram d with these upper bounds, ascending.
func NewHistogram(d *Desc, bounds []float64) *Histogram {
	return &Histogram{desc: d, bounds: bounds, by: map[string]*series{}}
}

// Observe counts a value.
func (h *Histogram) Observe(value float64, labels ...string) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	key := strings.Join(labels, "\xff")
	one := h.by[key]
	if one == nil {
		if len(h.by) >= MaxSeries {
			h.lost++
			return
		}
		one = &series{labels: slices.Clone(labels), hist: &buckets{bounds: h.bounds, counts: make([]uint64, len(h.bounds)+1)}}
		h.by[key] = one
	}
	at, _ := slices.BinarySearch(h.bounds, value)
	one.hist.counts[at]++
	one.hist.sum += value
}

// Into adds what was observed to s.
func (h *Histogram) Into(s *Set) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.dropped += h.lost
	for _, one := range h.by {
		if into := s.find(h.desc, one.labels); into != nil {
			into.hist = &buckets{bounds: h.bounds, counts: slices.Clone(one.hist.counts), sum: one.hist.sum}
		}
	}
}
