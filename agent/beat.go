package agent

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"tram/agent/api"
	"tram/agent/connector"
	"tram/agent/health"
	"tram/agent/health/beat"
	"tram/agent/hours"
	"tram/agent/i18n"
	"tram/storage/fsx"
)

const (
	// DefaultBeatPoll is Options.BeatPoll when that is zero.
	DefaultBeatPoll = 15 * time.Second
	// beatPatience is how long a heartbeat may wait for its turn on the line.
	beatPatience = time.Minute
	// failedFor is how long back signatures that failed are told.
	failedFor = 24 * time.Hour
	// trendFile keeps the trend of the disk in the data folder.
	trendFile = "disk-trend.json"
	// maxTrend bounds that file, in bytes.
	maxTrend = 16 << 10
)

// beats tells the hub how the office stands, until ctx ends.
func (d *desk) beats(ctx context.Context) error {
	c := d.o.Config.Heartbeat
	p := &beat.Pacer{
		Intervals: beat.Intervals{Free: c.Every, Metered: c.Metered}, Chance: rand.Float64, Look: min(d.o.BeatPoll, c.Every/8, c.Metered/8),
	}
	disk := readTrend(d.o.Dir)
	look := time.NewTicker(p.Look)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		}
		free, err := d.blobs.Free()
		if err == nil {
			disk = d.follow(disk, free)
		}
		if !d.link.Status().Up {
			p.Down()
			continue
		}
		// Time on this machine's own terms: what the clock says may jump.
		if err := d.beat(ctx, p, time.Now(), disk); err != nil && ctx.Err() == nil {
			d.log.Debug("heartbeat not sent", "error", err)
		}
	}
}

func (d *desk) beat(ctx context.Context, p *beat.Pacer, now time.Time, disk health.Trend) error {
	s, err := d.agent.Status(ctx)
	if err != nil {
		return err
	}
	b := d.report(s, disk)
	failed, err := d.office.Suspects(ctx, d.clock.Now().Add(-failedFor))
	if err != nil {
		return err
	}
	for _, f := range failed {
		b.Failed = append(b.Failed, beat.Failed{Sender: f.Sender, Count: f.Count, Last: f.Last})
	}
	b.Every = int64(p.Every(b.Line.Metered) / time.Second)
	if !p.Due(now, b) {
		return nil
	}
	data, err := beat.Encode(b)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, beatPatience)
	defer cancel()
	if err := d.link.Health(ctx, data); err != nil {
		return err
	}
	p.Sent(now, b)
	return nil
}

// report says how the office stands.
func (d *desk) report(s api.Status, disk health.Trend) beat.Beat {
	b := beat.Beat{
		At: s.Clock.Now, Software: d.software(), Started: s.Started,
		Conditions: make([]health.Condition, 0, len(s.Conditions)),
		Queue:      beat.Queue{Count: s.Queue.Waiting, Bytes: s.Queue.WaitingBytes, Since: s.Queue.Oldest},
		Rate:       s.Link.Rate,
		Disk:       beat.Disk{Free: s.DiskFree, Reserve: int64(d.o.Config.Storage.Reserve), Days: disk.Days(s.DiskFree)},
		Clock:      beat.Clock{Trusted: s.Clock.Trusted, Offset: s.Clock.Offset},

		Certificate: s.CertUntil,
		Line:        beat.Line{Interface: s.Link.Interface, Metered: s.Link.Metered},
		Backup:      d.lastBackup(),
	}
	for _, c := range s.Conditions {
		b.Conditions = append(b.Conditions, forHub(c))
	}
	for urgency := len(s.Queue.ByUrgency) - 1; urgency >= 0; urgency-- {
		if n := s.Queue.ByUrgency[urgency]; n > 0 {
			b.Queue.Levels = append(b.Queue.Levels, beat.Level{Urgency: uint8(urgency), Count: n, Since: s.Queue.Since[urgency]})
		}
	}
	for _, a := range d.arriving() {
		b.Fetch.Count++
		b.Fetch.Bytes += max(0, a.Size-a.Here)
	}
	if s.Link.Metered {
		b.Line.Carrier = d.o.Config.Metered.Carrier
		if len(d.o.Config.Line.Up) > 0 {
			b.Away = int64(away(d.o.Config.Line.Times, d.vietnamTime()) / time.Second)
		}
	}
	if s.Budget.Limit > 0 || s.Budget.Used > 0 {
		b.Budget = &beat.Budget{Limit: s.Budget.Limit, Used: s.Budget.Used, Forecast: s.Budget.Forecast, Today: s.Budget.Today, Usual: s.Budget.Usual}
	}
	return b
}

// forHub is a condition as it may leave the house: what another maker's software
// answered stays.
func forHub(c health.Condition) health.Condition {
	f, ok := c.Args["why"].(*connector.Failure)
	if !ok {
		return c
	}
	args := i18n.Args{}
	for name, value := range c.Args {
		args[name] = value
	}
	args["why"] = i18n.Say("fleet.seen-there")
	if f != nil && f.Said != nil {
		args["why"] = f.Said
	}
	return health.Condition{Code: c.Code, Args: args}
}

// away is how long an office with a line that is brought up at times is without
// one by its own plan.
func away(times hours.Week, now time.Time) time.Duration {
	if len(times) == 0 {
		return beat.MaxAway
	}
	longest := time.Duration(0)
	for at, end := now, now.Add(beat.MaxAway); at.Before(end); {
		next := times.Next(at)
		if next.IsZero() {
			break // it is always up
		}
		if !times.Contains(at) {
			longest = max(longest, next.Sub(at))
		}
		at = next
	}
	return min(longest, beat.MaxAway)
}

// follow takes the free space into the trend, and keeps that for later starts.
func (d *desk) follow(t health.Trend, free int64) health.Trend {
	if trusted, _ := d.clock.Trusted(); !trusted {
		return t
	}
	t, changed := t.Add(d.clock.Now(), free)
	if !changed {
		return t
	}
	data, err := json.Marshal(t)
	if err == nil {
		err = fsx.WriteFile(filepath.Join(d.o.Dir, trendFile), data, 0o600)
	}
	if err != nil {
		d.log.Warn("trend of the disk not kept", "error", err)
	}
	return t
}

// readTrend is what follow kept. A file that cannot be read begins anew.
func readTrend(dir string) health.Trend {
	var t health.Trend
	info, err := os.Stat(filepath.Join(dir, trendFile))
	if err != nil || info.Size() > maxTrend {
		return nil
	}
	data, err := os.ReadFile(filepath.Join(dir, trendFile))
	if err != nil || json.Unmarshal(data, &t) != nil {
		return nil
	}
	return t
}
