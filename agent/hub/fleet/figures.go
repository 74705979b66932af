package fleet

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"tram/storage/sqlite"
)

// longAway is how long a box may be out of contact while nothing waits for it.
const longAway = 24 * time.Hour

// Figures are those of the boxes of one cluster, for monitoring. What boxes said of
// themselves counts while they are in contact.
type Figures struct {
	Cluster string
	States  map[State]int
	Online  int
	// Missing are out of contact, each by itself, and something waits for them or they
	// are for longer than a day.
	Missing    int
	Reasons    map[string]int // of boxes that are late or need repair, by Reason.Code
	Conditions map[string]int // boxes by the codes of what they said
	Software   map[string]int // boxes by it

	Queue       int // documents that have not left them
	QueueBytes  int64
	QueueSince  time.Time // of the oldest; zero: there is none
	Overdue     int       // boxes that hold an urgent document past its limit
	ClockOff    time.Duration
	DiskDays    int       // until the first disk is full; below 0: not foreseeable
	Certificate time.Time // when the first one ends; zero: not known
}

// box is what Figures are made of.
type box struct {
	code, cluster, reason, software string
	state                           State
	online                          bool
	since, queueSince, due, cert    int64 // unix ms
	count, days                     int
	bytes, offset                   int64
}

// live tells whether what a box in s said of itself counts.
func (s State) live() bool { return s == Normal || s == Late || s == NeedsRepair }

// Figures returns those of each cluster, by name. waits tells for which boxes something
// waits at the hub.
func (f *Fleet) Figures(ctx context.Context, waits func(code string) bool) ([]*Figures, error) {
	var list []*Figures
	err := f.db.View(ctx, func(tx *sqlite.Tx) error {
		list = nil
		boxes, err := sqlite.Collect(tx, func(rows *sql.Rows, b *box) error {
			return rows.Scan(&b.code, &b.cluster, &b.reason, &b.software, &b.state, &b.online, &b.since, &b.queueSince, &b.due, &b.cert, &b.count, &b.days, &b.bytes, &b.offset)
		}, `SELECT code, cluster, reason, software, state, online, state_since, queue_since, queue_due, certificate, queue_count, disk_days, queue_bytes, clock_offset
			FROM agents WHERE listed = 1 ORDER BY cluster`)
		if err != nil {
			return err
		}
		by := map[string]*Figures{}
		for _, b := range boxes {
			fig := by[b.cluster]
			if fig == nil {
				fig = &Figures{Cluster: b.cluster, States: map[State]int{}, Reasons: map[string]int{}, Conditions: map[string]int{}, Software: map[string]int{}, DiskDays: -1}
				list, by[b.cluster] = append(list, fig), fig
			}
			fig.add(b, tx.Now(), waits)
		}
		return conditions(tx, by)
	})
	if err != nil {
		return nil, fmt.Errorf("gather figures of boxes: %w", err)
	}
	return list, nil
}

func (fig *Figures) add(b box, now time.Time, waits func(string) bool) {
	fig.States[b.state]++
	if b.online {
		fig.Online++
	}
	if b.software != "" {
		fig.Software[b.software]++
	}
	if b.state == OutOfContact && (now.Sub(sqlite.Time(b.since)) > longAway || waits(b.code)) {
		fig.Missing++
	}
	if b.reason != "" && (b.state == Late || b.state == NeedsRepair) {
		fig.Reasons[b.reason]++
	}
	if end := sqlite.TimeOrZero(b.cert); b.state != Stopped && !end.IsZero() && (fig.Certificate.IsZero() || end.Before(fig.Certificate)) {
		fig.Certificate = end
	}
	if !b.state.live() {
		return
	}
	fig.Queue += b.count
	fig.QueueBytes += b.bytes
	if since := sqlite.TimeOrZero(b.queueSince); !since.IsZero() && (fig.QueueSince.IsZero() || since.Before(fig.QueueSince)) {
		fig.QueueSince = since
	}
	if b.due > 0 && now.After(sqlite.Time(b.due)) {
		fig.Overdue++
	}
	fig.ClockOff = max(fig.ClockOff, (time.Duration(b.offset) * time.Millisecond).Abs())
	if b.days >= 0 && (fig.DiskDays < 0 || b.days < fig.DiskDays) {
		fig.DiskDays = b.days
	}
}

// conditions counts what boxes in contact said last.
func conditions(tx *sqlite.Tx, by map[string]*Figures) error {
	type row struct {
		cluster, code string
		count         int
	}
	rows, err := sqlite.Collect(tx, func(rows *sql.Rows, r *row) error { return rows.Scan(&r.cluster, &r.code, &r.count) },
		`SELECT a.cluster, coalesce(c.value ->> 'code', ''), count(DISTINCT a.code) FROM beats b JOIN agents a ON a.code = b.code, json_each(b.report, '$.conditions') c
		WHERE a.listed = 1 AND a.state IN (?, ?, ?) AND instr(b.report, '"conditions"') > 0 GROUP BY 1, 2`, Normal, Late, NeedsRepair)
	for _, r := range rows {
		if fig := by[r.cluster]; fig != nil {
			fig.Conditions[r.code] += r.count
		}
	}
	return err
}

// Clusters gives the cluster of each box.
func (f *Fleet) Clusters(ctx context.Context) (map[string]string, error) {
	clusters := map[string]string{}
	err := f.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT code, cluster FROM agents WHERE listed = 1`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var code, cluster string
			if err := rows.Scan(&code, &cluster); err != nil {
				return err
			}
			clusters[code] = cluster
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list clusters of boxes: %w", err)
	}
	return clusters, nil
}
