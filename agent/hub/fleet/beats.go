package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"tram/agent/health/beat"
	"tram/agent/i18n"
	"tram/storage/sqlite"
)

const (
	// slowQueue is how long a queue may need at the measured rate.
	slowQueue = 8 * time.Hour
	// soonFull is the days within which a full disk is a fault.
	soonFull = 3
	// maxAge bounds the age of what waits: more is a clock that was wrong.
	maxAge = 400 * 24 * time.Hour
)

// urgentWithin is how long a document of an urgency may wait at its office; 0:
// any time.
var urgentWithin = [...]time.Duration{0, 2 * time.Hour, time.Hour, 15 * time.Minute}

// Heard is a heartbeat and when it came.
type Heard struct {
	At   time.Time
	Beat beat.Beat
}

// Heard records heartbeats, by office, in one transaction.
func (f *Fleet) Heard(ctx context.Context, beats map[string]Heard) error {
	err := f.db.Update(ctx, func(tx *sqlite.Tx) error {
		for code, h := range beats {
			if err := hear(tx, code, h); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("record %d heartbeats: %w", len(beats), err)
	}
	return nil
}

func hear(tx *sqlite.Tx, code string, h Heard) error {
	b, trouble := h.Beat, trouble(h.Beat)
	args, err := argsOf(trouble)
	if err != nil {
		return err
	}
	report, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("write heartbeat of %q: %w", code, err)
	}
	days, left := -1, int64(-1)
	if b.Disk.Days != nil {
		days = *b.Disk.Days
	}
	if b.Budget != nil && b.Budget.Limit > 0 {
		left = max(0, b.Budget.Limit-b.Budget.Used)
	}
	_, err = tx.Exec(`INSERT INTO agents (code, online, since, seen, software, beat, every, away, queue_count, queue_bytes, queue_since, queue_due,
			rate, disk_free, disk_days, clock_offset, certificate, carrier, sim_left, trouble, trouble_args)
		VALUES (?1, 0, ?2, ?2, ?3, ?2, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
		ON CONFLICT (code) DO UPDATE SET seen = max(seen, excluded.seen), software = excluded.software, beat = excluded.beat, every = excluded.every,
			away = excluded.away, queue_count = excluded.queue_count, queue_bytes = excluded.queue_bytes, queue_since = excluded.queue_since,
			queue_due = excluded.queue_due, rate = excluded.rate, disk_free = excluded.disk_free, disk_days = excluded.disk_days,
			clock_offset = excluded.clock_offset, certificate = excluded.certificate, sim_left = excluded.sim_left,
			carrier = CASE WHEN excluded.carrier = '' THEN carrier ELSE excluded.carrier END,
			trouble = excluded.trouble, trouble_args = excluded.trouble_args`,
		code, sqlite.Millis(h.At), b.Software, b.Every*1000, b.Away*1000, b.Queue.Count, b.Queue.Bytes,
		sqlite.MillisOrZero(h.here(b.Queue.Since)), sqlite.MillisOrZero(h.due()), b.Rate, b.Disk.Free, days, b.Clock.Offset,
		sqlite.MillisOrZero(b.Certificate), b.Line.Carrier, left, trouble.Code, args)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO beats (code, report) VALUES (?1, ?2) ON CONFLICT (code) DO UPDATE SET report = ?2`, code, string(report)); err != nil {
		return err
	}
	return sampled(tx, code, h)
}

// here is a time of the office by the hub's clock: what has passed since is the
// same by both. Zero stays zero.
func (h Heard) here(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return h.At.Add(-min(max(0, h.Beat.At.Sub(t)), maxAge))
}

// due is when the first urgent document should have left the office, zero when
// none waits.
func (h Heard) due() (first time.Time) {
	for _, l := range h.Beat.Queue.Levels {
		within := urgentWithin[l.Urgency]
		if within == 0 || l.Count == 0 || l.Since.IsZero() {
			continue
		}
		if at := h.here(l.Since).Add(within); first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// trouble is what somebody has to set right, by a heartbeat: what the box itself
// says first.
func trouble(b beat.Beat) Reason {
	for _, c := range b.Conditions {
		if c.Repair() {
			return Reason{Code: c.Code, Args: c.Args}
		}
	}
	if days := b.Disk.Days; days != nil && *days < soonFull {
		return Reason{Code: ReasonDiskSoon, Args: i18n.Args{"days": *days}}
	}
	if b.Rate > 0 && b.Queue.Bytes/b.Rate > int64(slowQueue/time.Second) {
		return Reason{Code: ReasonQueueSlow, Args: i18n.Args{"hours": b.Queue.Bytes / b.Rate / 3600}}
	}
	return Reason{}
}
