package fleet

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"tram/agent/hours"
	"tram/storage/sqlite"
)

// Transition is a change of a box's state.
type Transition struct {
	Code, Name, Cluster, Carrier string
	From, To                     State
	Reason                       Reason
	At                           time.Time
}

// OnChange has fn called with the changes of states, in the transaction that
// records them: an error undoes it. It is for before the first Judge.
func (f *Fleet) OnChange(fn func(*sqlite.Tx, []Transition) error) { f.changed = fn }

// judged is a box with what is to be judged.
type judged struct {
	Transition
	facts Facts
	last  Standing
	next  Standing
}

// Judge judges all boxes anew and records what has changed. watching is since
// when the hub has been able to hear its offices.
func (f *Fleet) Judge(ctx context.Context, watching time.Time) ([]Transition, error) {
	f.judging.Lock()
	defer f.judging.Unlock()
	var boxes []judged
	weeks := map[string]hours.Week{}
	err := f.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		boxes, err = sqlite.Collect(tx, func(rows *sql.Rows, j *judged) error { return scanJudged(rows, j, weeks) }, judgedQuery)
		for i := range boxes {
			j := &boxes[i]
			j.facts.Watching, j.facts.Interval, j.facts.Flaps = watching, f.interval, f.flapsOf(j.Code, tx.Now())
			j.next = Judge(tx.Now(), j.last, j.facts)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("judge boxes: %w", err)
	}
	var moved []judged
	for _, j := range boxes {
		if !sameStanding(j.next, j.last) {
			moved = append(moved, j)
		}
	}
	if len(moved) == 0 {
		return nil, nil
	}
	var changes []Transition
	err = f.db.Update(ctx, func(tx *sqlite.Tx) (err error) {
		changes, err = f.settle(tx, moved)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("record states of %d boxes: %w", len(moved), err)
	}
	return changes, nil
}

// sameStanding compares what is stored.
func sameStanding(a, b Standing) bool {
	x, errX := argsOf(a.Reason)
	y, errY := argsOf(b.Reason)
	return a.State == b.State && a.Reason.Code == b.Reason.Code && errX == nil && errY == nil && x == y &&
		a.Since.Equal(b.Since) && sqlite.MillisOrZero(a.Well) == sqlite.MillisOrZero(b.Well)
}

// judgedQuery gives what scanJudged reads.
const judgedQuery = `SELECT a.code, a.name, a.cluster, a.carrier, a.enrolled, a.revoked, a.paused, a.incident, a.online, a.since, a.seen, a.beat,
		a.every, a.away, a.trouble, a.trouble_args, a.queue_due, CASE WHEN a.hours = '' THEN coalesce(c.hours, '') ELSE a.hours END,
		a.state, a.reason, a.reason_args, a.state_since, a.well
	FROM agents a LEFT JOIN clusters c ON c.name = a.cluster WHERE a.listed = 1`

func scanJudged(rows *sql.Rows, j *judged, weeks map[string]hours.Week) error {
	var paused, since, seen, heard, every, away, due, stateSince, well int64
	var troubleArgs, reasonArgs, usual string
	f, last := &j.facts, &j.last
	err := rows.Scan(&j.Code, &j.Name, &j.Cluster, &j.Carrier, &f.Enrolled, &f.Revoked, &paused, &f.Incident, &f.Online, &since, &seen, &heard,
		&every, &away, &f.Trouble.Code, &troubleArgs, &due, &usual, &last.State, &last.Reason.Code, &reasonArgs, &stateSince, &well)
	if err != nil {
		return err
	}
	if err := readArgs(troubleArgs, &f.Trouble); err != nil {
		return err
	}
	if err := readArgs(reasonArgs, &last.Reason); err != nil {
		return err
	}
	f.Paused = paused != 0
	f.Since, f.Seen, f.Beat, f.QueueDue = sqlite.TimeOrZero(since), sqlite.TimeOrZero(seen), sqlite.TimeOrZero(heard), sqlite.TimeOrZero(due)
	f.Every, f.Away = time.Duration(every)*time.Millisecond, time.Duration(away)*time.Millisecond
	last.Since, last.Well = sqlite.TimeOrZero(stateSince), sqlite.TimeOrZero(well)
	week, known := weeks[usual]
	if !known {
		if week, err = parseHours(usual); err != nil {
			return err
		}
		weeks[usual] = week
	}
	f.Hours = week
	return nil
}

// hoursBetween separates spans as they are stored.
const hoursBetween = "; "

// parseHours reads usual hours: spans as package hours has them, with ';'
// between.
func parseHours(text string) (hours.Week, error) {
	var week hours.Week
	for part := range strings.SplitSeq(text, ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		span, err := hours.Parse(part)
		if err != nil {
			return nil, fmt.Errorf("read usual hours %q: %w", part, err)
		}
		week = append(week, span)
	}
	if len(week) > hours.MaxSpans {
		return nil, fmt.Errorf("read usual hours: %d spans", len(week))
	}
	return week, nil
}

// settle records standings and tells of the changes of state among them.
func (f *Fleet) settle(tx *sqlite.Tx, moved []judged) ([]Transition, error) {
	var changes []Transition
	for _, j := range moved {
		args, err := argsOf(j.next.Reason)
		if err != nil {
			return nil, err
		}
		n := j.next
		_, err = tx.Exec(`UPDATE agents SET state = ?2, reason = ?3, reason_args = ?4, state_since = ?5, well = ?6 WHERE code = ?1`,
			j.Code, n.State, n.Reason.Code, args, sqlite.Millis(n.Since), sqlite.MillisOrZero(n.Well))
		if err != nil {
			return nil, err
		}
		if n.State == j.last.State && !j.last.Since.IsZero() {
			continue
		}
		if err := recordChange(tx, j.Code, n, args); err != nil {
			return nil, err
		}
		t := j.Transition
		t.From, t.To, t.Reason, t.At = j.last.State, n.State, n.Reason, n.Since
		changes = append(changes, t)
	}
	if f.changed != nil && len(changes) > 0 {
		return changes, f.changed(tx, changes)
	}
	return changes, nil
}
