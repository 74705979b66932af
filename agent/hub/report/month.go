package report

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"tram/agent/hub/fleet"
	"tram/storage/sqlite"
)

// Month is the report of a month. It is part of the stable JSON of `tram-hub report`.
type Month struct {
	Month string    `json:"month"` // yyyy-mm
	From  time.Time `json:"from"`
	To    time.Time `json:"to"` // the end of the month, or now
	// All is of the whole hub, Clusters of each group, in the order of their names.
	All      Group   `json:"all"`
	Clusters []Group `json:"clusters"`
}

// Group is what is told of some offices.
type Group struct {
	Cluster  string        `json:"cluster"`
	Delivery []Delivery    `json:"delivery"` // by urgency, the most urgent first; of each that there was
	Reached  fleet.Reached `json:"reached"`
	SIM      SIM           `json:"sim"`
}

// Delivery is how documents of one urgency arrived.
type Delivery struct {
	Urgency uint8         `json:"urgency"`
	Count   int           `json:"count"`
	Bytes   int64         `json:"bytes"`
	P50     time.Duration `json:"p50_ns"` // from saved to the recipient's box; half of them took no longer
	P95     time.Duration `json:"p95_ns"`
	// Within is how many arrived within the limit of their urgency, which ordinary
	// documents do not have.
	Within int `json:"within"`

	buckets map[int]int
}

// SIM is what the boxes with a SIM used.
type SIM struct {
	Boxes  int   `json:"boxes"`
	Bytes  int64 `json:"bytes"`
	Over   int   `json:"over"`   // boxes that used more than their budget
	Budget int64 `json:"budget"` // of all that have one
}

// Limits are within what time documents are to arrive, by urgency; 0: there is none.
var Limits = [levels]time.Duration{0, 2 * time.Hour, time.Hour, 15 * time.Minute}

// Month tells of a month, "" for the present one.
func (r *Reports) Month(ctx context.Context, month string, now time.Time) (Month, error) {
	from, to, err := span(month, now)
	if err != nil {
		return Month{}, err
	}
	m := Month{Month: from.Format(monthForm), From: from, To: to, Clusters: []Group{}}
	groups := map[string]*gathered{}
	err = r.db.View(ctx, func(tx *sqlite.Tx) error {
		if err := deliveries(tx, from, groups); err != nil {
			return err
		}
		return sims(tx, m.Month, groups)
	})
	if err != nil {
		return Month{}, fmt.Errorf("read report: %w", err)
	}
	reached, err := r.fleet.Reached(ctx, from, to)
	if err != nil {
		return Month{}, err
	}
	for name, part := range reached {
		of(groups, name).Reached = part
	}
	m.sum(groups)
	return m, nil
}

// gathered is a group while its report is made.
type gathered struct {
	Group
	by [levels]Delivery
}

func of(groups map[string]*gathered, cluster string) *gathered {
	g := groups[cluster]
	if g == nil {
		g = &gathered{Group: Group{Cluster: cluster, Delivery: []Delivery{}}}
		groups[cluster] = g
	}
	return g
}

func deliveries(tx *sqlite.Tx, from time.Time, groups map[string]*gathered) error {
	type cell struct {
		cluster        string
		urgency, count int
		bucket         int
		bytes          int64
	}
	cells, err := sqlite.Collect(tx, func(rows *sql.Rows, c *cell) error {
		return rows.Scan(&c.cluster, &c.urgency, &c.bucket, &c.count, &c.bytes)
	}, `SELECT cluster, urgency, bucket, sum(count), sum(bytes) FROM report_deliveries WHERE day >= ? AND day < ? GROUP BY cluster, urgency, bucket`,
		from.Format(time.DateOnly), from.AddDate(0, 1, 0).Format(time.DateOnly))
	for _, c := range cells {
		of(groups, c.cluster).by[min(c.urgency, levels-1)].add(c.bucket, c.count, c.bytes)
	}
	return err
}

func sims(tx *sqlite.Tx, month string, groups map[string]*gathered) error {
	type part struct {
		cluster string
		SIM
	}
	parts, err := sqlite.Collect(tx, func(rows *sql.Rows, p *part) error {
		return rows.Scan(&p.cluster, &p.Boxes, &p.Bytes, &p.Over, &p.Budget)
	}, `SELECT cluster, count(*), sum(used), sum(budget > 0 AND used > budget), sum(budget) FROM report_sims WHERE month = ? GROUP BY cluster`, month)
	for _, p := range parts {
		of(groups, p.cluster).SIM = p.SIM
	}
	return err
}

func (d *Delivery) add(bucket, count int, bytes int64) {
	if d.buckets == nil {
		d.buckets = map[int]int{}
	}
	d.buckets[bucket] += count
	d.Count += count
	d.Bytes += bytes
}

// settle computes what follows from the buckets.
func (d *Delivery) settle(urgency int) {
	d.Urgency = uint8(urgency)
	d.P50, d.P95 = d.percentile(50), d.percentile(95)
	if Limits[urgency] == 0 {
		return
	}
	for bucket, n := range d.buckets {
		if bound(bucket) <= Limits[urgency] {
			d.Within += n
		}
	}
}

// percentile is within what time so many of a hundred arrived.
func (d *Delivery) percentile(of int) time.Duration {
	left := (d.Count*of + 99) / 100
	for bucket := range maxBucket + 1 {
		if left -= d.buckets[bucket]; left <= 0 {
			return bound(bucket)
		}
	}
	return 0
}
