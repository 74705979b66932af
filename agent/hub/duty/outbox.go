package duty

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"tram/agent/hub/incident"
	"tram/agent/problem"
	"tram/storage/sqlite"
)

const (
	// firstRetry is how long after a failure a delivery is tried again; each further
	// time twice as long, at most lastRetry.
	firstRetry = 30 * time.Second
	lastRetry  = 30 * time.Minute
	// giveUp is how long a notice is tried. What is older is no news.
	giveUp = 24 * time.Hour
	// dueAtOnce is how many deliveries are read at once.
	dueAtOnce = 50
	// maxError bounds the text of a failure that is kept, in bytes.
	maxError = 500
)

// DeliveryState is how far a delivery has come.
type DeliveryState string

// States of a delivery.
const (
	Waiting DeliveryState = "waiting"
	Taken   DeliveryState = "taken"    // by the receiver
	GivenUp DeliveryState = "given-up" // it was tried for long enough
)

var deliveryStates = []DeliveryState{Waiting, Taken, GivenUp} // as they are stored

// Delivery is a notice on its way through one channel.
type Delivery struct {
	Channel string        `json:"channel"`
	State   DeliveryState `json:"state"`
	Tries   int           `json:"tries"`
	At      time.Time     `json:"at,omitzero"`   // of the last try
	Next    time.Time     `json:"next,omitzero"` // when it is tried again
	Error   string        `json:"error,omitempty"`
}

// enqueue writes a notice with a delivery for each channel.
func (r *Room) enqueue(tx *sqlite.Tx, n incident.Notice) (int64, error) {
	data, err := json.Marshal(n)
	if err != nil {
		return 0, err
	}
	var about incident.ID
	if n.Kind != incident.Digest && len(n.Incidents) > 0 {
		about = n.Incidents[0].ID
	}
	res, err := tx.Exec(`INSERT INTO notices (incident, at, kind, data) VALUES (?, ?, ?, ?)`, int64(about), n.At, string(n.Kind), string(data))
	if err != nil {
		return 0, err
	}
	number, err := res.LastInsertId()
	if err != nil {
		return 0, err
	}
	for _, channel := range r.channels {
		if r.skip != nil && r.skip(channel, n) {
			continue
		}
		if _, err := tx.Exec(`INSERT INTO deliveries (notice, channel, state, tries, next, at, error) VALUES (?, ?, 0, 0, ?, 0, '')`, number, channel, n.At); err != nil {
			return 0, err
		}
	}
	return number, nil
}

// Test sends a test notice by each channel and returns its number. The problem
// alerts.no-channel says that there is none.
func (r *Room) Test(ctx context.Context, by string) (number int64, err error) {
	if len(r.channels) == 0 {
		return 0, problem.New(problem.Conflict, "alerts.no-channel", "alerts", nil)
	}
	err = r.db.Update(ctx, func(tx *sqlite.Tx) error {
		if number, err = r.enqueue(tx, incident.Notice{Kind: incident.Test, At: tx.Now(), Severity: incident.Page}); err != nil {
			return err
		}
		return audited(tx, by, "alerts.test", fmt.Sprint(number), nil)
	})
	r.wake()
	return number, err
}

// Outgoing is a notice that one channel is to send.
type Outgoing struct {
	Number  int64
	Channel string
	Tries   int
	Notice  incident.Notice
}

// Due lists what a channel is to send now, the oldest first and pages before all else,
// and when something is due after that; the zero time: nothing.
func (r *Room) Due(ctx context.Context, channel string, now time.Time) (list []Outgoing, next time.Time, err error) {
	err = r.db.View(ctx, func(tx *sqlite.Tx) error {
		list, err = sqlite.Collect(tx, func(rows *sql.Rows, o *Outgoing) error {
			var data []byte
			if err := rows.Scan(&o.Number, &o.Channel, &o.Tries, &data); err != nil {
				return err
			}
			return json.Unmarshal(data, &o.Notice)
		}, `SELECT n.seq, d.channel, d.tries, CAST(n.data AS BLOB) FROM deliveries d JOIN notices n ON n.seq = d.notice
			WHERE d.state = 0 AND d.channel = ? AND d.next <= ? ORDER BY n.data ->> 'severity' <> 'page', n.seq LIMIT ?`, channel, now, dueAtOnce)
		if err != nil {
			return err
		}
		var at sql.NullInt64
		err := tx.QueryRow(`SELECT min(next) FROM deliveries WHERE state = 0 AND channel = ? AND next > ?`, channel, now).Scan(&at)
		if at.Valid {
			next = sqlite.Time(at.Int64)
		}
		return err
	})
	return list, next, err
}

// Delivered records how a try went. later is how long the receiver asks to be left
// alone; nil of failure says that it has the notice. permanent: it never will.
func (r *Room) Delivered(ctx context.Context, o Outgoing, now time.Time, failure error, later time.Duration, permanent bool) error {
	state, text, next := 1, "", now
	if failure != nil {
		state, text = 0, cut(failure.Error())
		next = now.Add(max(backoff(o.Tries), min(later, giveUp)))
		if permanent || now.Sub(o.Notice.At) > giveUp {
			state = 2
		}
	}
	return r.db.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`UPDATE deliveries SET state = ?, tries = tries + 1, next = ?, at = ?, error = ? WHERE notice = ? AND channel = ? AND state = 0`,
			state, next, now, text, o.Number, o.Channel)
		return err
	})
}

func backoff(tries int) time.Duration {
	return min(firstRetry<<min(tries, 10), lastRetry)
}

func cut(text string) string {
	for len(text) > maxError {
		_, n := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-n]
	}
	return text
}

// Drop gives up what waits for channels that are no longer set up.
func (r *Room) Drop(ctx context.Context) error {
	names, err := json.Marshal(append([]string{}, r.channels...))
	if err != nil {
		return err
	}
	return r.db.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`UPDATE deliveries SET state = 2, error = 'channel is no longer set up' WHERE state = 0 AND channel NOT IN (SELECT value FROM json_each(?))`, string(names))
		return err
	})
}

func deliveriesOf(tx *sqlite.Tx, number int64) ([]Delivery, error) {
	return sqlite.Collect(tx, func(rows *sql.Rows, d *Delivery) error {
		var state int
		var next, at int64
		if err := rows.Scan(&d.Channel, &state, &d.Tries, &next, &at, &d.Error); err != nil {
			return err
		}
		d.State, d.At = deliveryStates[state], sqlite.TimeOrZero(at)
		if d.State == Waiting {
			d.Next = sqlite.Time(next)
		}
		return nil
	}, `SELECT channel, state, tries, next, at, error FROM deliveries WHERE notice = ? ORDER BY channel`, number)
}

// Channel is how a channel stands.
type Channel struct {
	Name    string    `json:"name"`
	Failing time.Time `json:"failing,omitzero"` // since when nothing gets through; zero: it does
	Error   string    `json:"error,omitempty"`
	Last    time.Time `json:"last,omitzero"` // when it last got something through
	Waiting int       `json:"waiting"`
}

// Channels says how each channel stands.
func (r *Room) Channels(ctx context.Context) ([]Channel, error) {
	list := []Channel{}
	err := r.db.View(ctx, func(tx *sqlite.Tx) error {
		for _, name := range r.channels {
			c := Channel{Name: name}
			var last, failed sql.NullInt64
			err := tx.QueryRow(`SELECT (SELECT max(at) FROM deliveries WHERE channel = ?1 AND state = 1),
				(SELECT count(*) FROM deliveries WHERE channel = ?1 AND state = 0)`, name).Scan(&last, &c.Waiting)
			if err != nil {
				return err
			}
			err = tx.QueryRow(`SELECT min(at), coalesce((SELECT error FROM deliveries WHERE channel = ?1 AND state <> 1 AND at > ?2 ORDER BY at DESC LIMIT 1), '')
				FROM deliveries WHERE channel = ?1 AND state <> 1 AND at > ?2`, name, last.Int64).Scan(&failed, &c.Error)
			if err != nil {
				return err
			}
			c.Last, c.Failing = sqlite.TimeOrZero(last.Int64), sqlite.TimeOrZero(failed.Int64)
			list = append(list, c)
		}
		return nil
	})
	return list, err
}
