package fleet

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"tram/storage/sqlite"
)

const (
	// maxChanges bounds the changes of state that are kept of a box; the oldest go.
	maxChanges = 500
	// dayShift moves days so that they begin at midnight in Vietnam.
	dayShift = 7 * time.Hour
	// samplesVersion is the first byte of a row of samples.
	samplesVersion = 1
	mebibyte       = 1 << 20
)

// tier is one fineness of samples: one in each step, several to a row.
type tier struct {
	step time.Duration
	row  int   // steps in one row
	keep int64 // rows of a box that are kept, the present one included
}

// tiers are five minutes for a day, hours for 30 days and days for two years. A
// row of a tier becomes one sample, or some, of the next.
var tiers = [...]tier{
	{5 * time.Minute, 12, 25},
	{time.Hour, 24, 31},
	{24 * time.Hour, 32, 24},
}

func (t tier) slot(at time.Time) int64 {
	return (at.Unix() + int64(dayShift/time.Second)) / int64(t.step/time.Second)
}

func (t tier) at(slot int64) time.Time {
	return time.Unix(slot*int64(t.step/time.Second)-int64(dayShift/time.Second), 0).UTC()
}

// Sample is how a box was at a time, or the worst of a span that begins then.
type Sample struct {
	At     time.Time     `json:"at"`
	Queue  int           `json:"queue"`     // documents
	Oldest time.Duration `json:"oldest_ns"` // age of the oldest of them, to the minute
	Rate   int64         `json:"rate"`      // bytes per second; the mean of those measured
	Disk   int64         `json:"disk_free"` // bytes, to the MiB; the least
	Clock  time.Duration `json:"clock_ns"`  // that the hub's clock is ahead, to the second
}

// recordChange adds a change of state and forgets the oldest.
func recordChange(tx *sqlite.Tx, code string, s Standing, args string) error {
	_, err := tx.Exec(`INSERT OR REPLACE INTO changes (code, at, state, reason, args) VALUES (?, ?, ?, ?, ?)`,
		code, sqlite.Millis(s.Since), s.State, s.Reason.Code, args)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`DELETE FROM changes WHERE code = ?1 AND at <= (SELECT at FROM changes WHERE code = ?1 ORDER BY at DESC LIMIT 1 OFFSET ?2)`, code, maxChanges)
	return err
}

// sampled adds what a heartbeat says to the samples.
func sampled(tx *sqlite.Tx, code string, h Heard) error {
	s := Sample{At: h.At, Queue: h.Beat.Queue.Count, Rate: h.Beat.Rate, Disk: h.Beat.Disk.Free, Clock: time.Duration(h.Beat.Clock.Offset) * time.Millisecond}
	if since := h.here(h.Beat.Queue.Since); !since.IsZero() && s.Queue > 0 {
		s.Oldest = h.At.Sub(since)
	}
	if err := put(tx, code, 0, s); err != nil {
		return fmt.Errorf("keep sample of %q: %w", code, err)
	}
	return nil
}

// put adds a sample to a tier. The first of a new row makes the row before it a
// sample of the next tier.
func put(tx *sqlite.Tx, code string, level int, s Sample) error {
	t := tiers[level]
	block := t.slot(s.At) / int64(t.row)
	// Rows ahead are of a clock of the hub that was wrong.
	if _, err := tx.Exec(`DELETE FROM samples WHERE code = ? AND tier = ? AND (block > ? OR block <= ?)`, code, level, block, block-t.keep); err != nil {
		return err
	}
	var last int64
	var data []byte
	err := tx.QueryRow(`SELECT block, data FROM samples WHERE code = ? AND tier = ? ORDER BY block DESC LIMIT 1`, code, level).Scan(&last, &data)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	list, err := decodeSamples(t, last, data)
	if err != nil {
		return err
	}
	if len(list) > 0 && last != block {
		if level+1 < len(tiers) {
			for _, coarse := range coarsen(tiers[level+1], list) {
				if err := put(tx, code, level+1, coarse); err != nil {
					return err
				}
			}
		}
		list = nil
	}
	_, err = tx.Exec(`INSERT INTO samples (code, tier, block, data) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET data = ?4`,
		code, level, block, encodeSamples(t, block, insert(t, list, s)))
	return err
}

// insert adds s to list in the order of time; two of one step become one, the
// worst of both.
func insert(t tier, list []Sample, s Sample) []Sample {
	s.At = t.at(t.slot(s.At))
	i, found := slices.BinarySearchFunc(list, s, func(a, b Sample) int { return a.At.Compare(b.At) })
	if found {
		list[i] = worst([]Sample{list[i], s})
		return list
	}
	return slices.Insert(list, i, s)
}

// coarsen makes samples of a coarser tier.
func coarsen(t tier, list []Sample) []Sample {
	var out []Sample
	for len(list) > 0 {
		n := 1
		for n < len(list) && t.slot(list[n].At) == t.slot(list[0].At) {
			n++
		}
		s := worst(list[:n])
		s.At = t.at(t.slot(s.At))
		out, list = append(out, s), list[n:]
	}
	return out
}

// worst is one sample for several, at the time of the first.
func worst(list []Sample) Sample {
	w := list[0]
	rates, n := int64(0), int64(0)
	for _, s := range list {
		w.Queue, w.Oldest, w.Disk = max(w.Queue, s.Queue), max(w.Oldest, s.Oldest), min(w.Disk, s.Disk)
		if s.Clock.Abs() > w.Clock.Abs() {
			w.Clock = s.Clock
		}
		if s.Rate > 0 {
			rates, n = rates+s.Rate, n+1
		}
	}
	if n > 0 {
		w.Rate = rates / n
	}
	return w
}

// encodeSamples writes a row: a version, then for each sample as varints the step
// within the row, the queue, the age in minutes, the rate, and the change of the
// disk in MiB and of the clock in seconds against the sample before.
func encodeSamples(t tier, block int64, list []Sample) []byte {
	data := []byte{samplesVersion}
	disk, clock := int64(0), int64(0)
	for _, s := range list {
		data = binary.AppendUvarint(data, uint64(t.slot(s.At)-block*int64(t.row)))
		data = binary.AppendUvarint(data, uint64(max(0, s.Queue)))
		data = binary.AppendUvarint(data, uint64(max(0, s.Oldest)/time.Minute))
		data = binary.AppendUvarint(data, uint64(max(0, s.Rate)))
		data = binary.AppendVarint(data, s.Disk/mebibyte-disk)
		data = binary.AppendVarint(data, int64(s.Clock/time.Second)-clock)
		disk, clock = s.Disk/mebibyte, int64(s.Clock/time.Second)
	}
	return data
}

var errSamples = errors.New("not a row of samples")

// decodeSamples reads what encodeSamples wrote; nothing of no data.
func decodeSamples(t tier, block int64, data []byte) ([]Sample, error) {
	if len(data) == 0 {
		return nil, nil
	}
	if data[0] != samplesVersion {
		return nil, fmt.Errorf("%w: version %d", errSamples, data[0])
	}
	var list []Sample
	disk, clock := int64(0), int64(0)
	for data = data[1:]; len(data) > 0; {
		var v [4]uint64
		for i := range v {
			n := 0
			if v[i], n = binary.Uvarint(data); n <= 0 {
				return nil, errSamples
			}
			data = data[n:]
		}
		var d [2]int64
		for i := range d {
			n := 0
			if d[i], n = binary.Varint(data); n <= 0 {
				return nil, errSamples
			}
			data = data[n:]
		}
		if v[0] >= uint64(t.row) || len(list) == t.row {
			return nil, errSamples
		}
		disk, clock = disk+d[0], clock+d[1]
		list = append(list, Sample{
			At: t.at(block*int64(t.row) + int64(v[0])), Queue: int(v[1]), Oldest: time.Duration(v[2]) * time.Minute, Rate: int64(v[3]),
			Disk: disk * mebibyte, Clock: time.Duration(clock) * time.Second,
		})
	}
	return list, nil
}

// History is how a box was: samples of which each stands for Step, but older ones
// for more where no finer ones are kept, and the changes of its state.
type History struct {
	Step    time.Duration `json:"step_ns"`
	Samples []Sample      `json:"samples"`
	Bands   []Band        `json:"bands"`
}

// Band is a time in which a box was in one state.
type Band struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	State  State     `json:"state"`
	Reason Reason    `json:"reason,omitzero"`
}

// History returns how a box was from a time to another, in steps that give about
// a thousand samples at most.
func (f *Fleet) History(ctx context.Context, code string, from, to time.Time) (History, error) {
	level := 2
	switch span := to.Sub(from); {
	case span <= 25*time.Hour:
		level = 0
	case span <= 32*24*time.Hour:
		level = 1
	}
	h := History{Step: tiers[level].step, Samples: []Sample{}}
	err := f.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		all, err := samplesOf(tx, code, level)
		if err != nil {
			return err
		}
		for _, s := range all {
			if !s.At.Before(tiers[level].at(tiers[level].slot(from))) && s.At.Before(to) {
				h.Samples = append(h.Samples, s)
			}
		}
		h.Bands, err = bands(tx, code, from, to)
		return err
	})
	if err != nil {
		return History{}, fmt.Errorf("read history of %q: %w", code, err)
	}
	return h, nil
}

// samplesOf gives all samples of a box at a level: finer ones made coarser where
// they have not become so yet, coarser ones before the oldest of the level.
func samplesOf(tx *sqlite.Tx, code string, level int) ([]Sample, error) {
	var all []Sample
	for i := len(tiers) - 1; i >= 0; i-- {
		list, err := tierOf(tx, code, i)
		if err != nil {
			return nil, err
		}
		switch {
		case len(list) == 0:
		case i >= level: // finer than what is there so far: it takes its place
			first := list[0].At
			all = slices.DeleteFunc(all, func(s Sample) bool { return !s.At.Before(first) })
			all = append(all, list...)
		default: // what has not become coarse yet
			for _, s := range coarsen(tiers[level], list) {
				if n := len(all); n == 0 || s.At.After(all[n-1].At) {
					all = append(all, s)
				} else if s.At.Equal(all[n-1].At) {
					all[n-1] = worst([]Sample{all[n-1], s})
				}
			}
		}
	}
	return all, nil
}

// row is one row of samples.
type row struct {
	block int64
	data  []byte
}

func tierOf(tx *sqlite.Tx, code string, level int) ([]Sample, error) {
	rows, err := sqlite.Collect(tx, func(rows *sql.Rows, r *row) error { return rows.Scan(&r.block, &r.data) },
		`SELECT block, data FROM samples WHERE code = ? AND tier = ? ORDER BY block`, code, level)
	if err != nil {
		return nil, err
	}
	var all []Sample
	for _, r := range rows {
		list, err := decodeSamples(tiers[level], r.block, r.data)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

// Bands returns the states of a box over the last span of time, without gaps from
// when it was first judged.
func (f *Fleet) Bands(ctx context.Context, code string, span time.Duration) (list []Band, err error) {
	err = f.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		list, err = bands(tx, code, tx.Now().Add(-span), tx.Now())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read states of %q: %w", code, err)
	}
	return list, nil
}

func bands(tx *sqlite.Tx, code string, from, to time.Time) ([]Band, error) {
	list, err := sqlite.Collect(tx, func(rows *sql.Rows, b *Band) error {
		var args string
		if err := rows.Scan(sqlite.Timestamp(&b.From), &b.State, &b.Reason.Code, &args); err != nil {
			return err
		}
		return readArgs(args, &b.Reason)
	}, `SELECT at, state, reason, args FROM changes WHERE code = ?1 AND at < ?3
		AND at >= coalesce((SELECT max(at) FROM changes WHERE code = ?1 AND at <= ?2), 0) ORDER BY at`,
		code, sqlite.Millis(from), sqlite.Millis(to))
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].To = to
		if i+1 < len(list) {
			list[i].To = list[i+1].From
		}
		list[i].From = latest(list[i].From, from)
	}
	if list == nil {
		list = []Band{}
	}
	return list, nil
}
