// Package report is what a hub tells of a month: how long documents took to arrive and
// how many there were, how far the boxes could be reached, and what their SIMs used; and
// of the hours of the last day: what was sent, received and left.
//
// It promises that a document counts once, in the transaction in which the hub learns
// that its recipient has it; that what is kept does not grow with the number of
// documents; and that times are rounded up, never down: an office's p95 is at most 19 %
// better than it says.
package report

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"tram/agent/clock"
	"tram/agent/health/beat"
	"tram/agent/hub/fleet"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables of this package. It goes with fleet.Schema.
var Schema = sqlite.Embedded("report", migrations)

const (
	// perOctave is how many buckets double the time.
	perOctave = 4
	// maxBucket holds everything that took longer than a month and a half.
	maxBucket = 22 * perOctave
	// levels of urgency.
	levels = 4
	// Keep is for how many months figures are kept.
	Keep = 60
)

// bucketOf is the one that a time belongs to.
func bucketOf(took time.Duration) int {
	if took <= time.Second {
		return 0
	}
	return min(int(math.Ceil(perOctave*math.Log2(took.Seconds()))), maxBucket)
}

// bound is the longest time of a bucket.
func bound(bucket int) time.Duration {
	return time.Duration(math.Exp2(float64(bucket)/perOctave) * float64(time.Second))
}

// Reports keeps what is told. Safe for concurrent use.
type Reports struct {
	db    *sqlite.DB
	fleet *fleet.Fleet
}

// New opens the reports in db.
func New(db *sqlite.DB, f *fleet.Fleet) *Reports { return &Reports{db, f} }

// Delivered counts a document that the box of an office has taken over; took is since
// its sender saved it. Who is no office of this hub is not counted.
func (r *Reports) Delivered(tx *sqlite.Tx, office string, urgency uint8, took time.Duration, bytes int64) error {
	_, err := tx.Exec(`INSERT INTO report_deliveries (day, cluster, urgency, bucket, count, bytes)
		SELECT ?1, cluster, ?3, ?4, 1, ?5 FROM agents WHERE code = ?2 AND listed = 1
		ON CONFLICT (day, cluster, urgency, bucket) DO UPDATE SET count = count + 1, bytes = bytes + excluded.bytes`,
		tx.Now().In(clock.Vietnam).Format(time.DateOnly), office, min(urgency, levels-1), bucketOf(took), bytes)
	if err == nil {
		err = received(tx, office)
	}
	if err != nil {
		return fmt.Errorf("count delivery: %w", err)
	}
	return nil
}

// NoteSIMs keeps what the boxes have said of their SIMs, and forgets what is older than
// Keep. To be called now and then, at least once a day.
func (r *Reports) NoteSIMs(ctx context.Context) error {
	type sim struct {
		code, cluster string
		at            time.Time
		budget        *beat.Budget
	}
	err := r.db.Update(ctx, func(tx *sqlite.Tx) error {
		list, err := sqlite.Collect(tx, func(rows *sql.Rows, s *sim) error {
			var raw string
			if err := rows.Scan(&s.code, &s.cluster, sqlite.Timestamp(&s.at), &raw); err != nil {
				return err
			}
			var b beat.Beat
			err := json.Unmarshal([]byte(raw), &b)
			s.budget = b.Budget
			return err
		}, `SELECT a.code, a.cluster, a.beat, b.report FROM beats b JOIN agents a ON a.code = b.code WHERE a.listed = 1 AND a.beat > 0`)
		if err != nil {
			return err
		}
		for _, s := range list {
			if s.budget == nil {
				continue
			}
			_, err := tx.Exec(`INSERT INTO report_sims (month, code, cluster, used, budget) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (month, code) DO UPDATE SET cluster = excluded.cluster, used = excluded.used, budget = excluded.budget`,
				s.at.In(clock.Vietnam).Format(monthForm), s.code, s.cluster, s.budget.Used, s.budget.Limit)
			if err != nil {
				return err
			}
		}
		oldest := tx.Now().In(clock.Vietnam).AddDate(0, -Keep, 0).Format(monthForm)
		if _, err := tx.Exec(`DELETE FROM report_sims WHERE month < ?`, oldest); err != nil {
			return err
		}
		_, err = tx.Exec(`DELETE FROM report_deliveries WHERE day < ?`, oldest)
		return err
	})
	if err != nil {
		return fmt.Errorf("note what SIMs have used: %w", err)
	}
	return nil
}

// monthForm is how a month is stored and given.
const monthForm = "2006-01"

// span reads a month, "" for the present one, as mm/yyyy or yyyy-mm.
func span(text string, now time.Time) (from, to time.Time, err error) {
	now = now.In(clock.Vietnam)
	if text == "" {
		text = now.Format(monthForm)
	}
	for _, form := range []string{monthForm, "1/2006", "01/2006"} {
		from, err = time.ParseInLocation(form, text, clock.Vietnam)
		if err == nil {
			break
		}
	}
	if err != nil || from.Year() < 2020 || from.After(now) {
		return from, to, problem.New(problem.Usage, "hub.report-month", "month", i18n.Args{"month": text})
	}
	if to = from.AddDate(0, 1, 0); to.After(now) {
		to = now
	}
	return from, to, nil
}
