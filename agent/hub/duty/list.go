package duty

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"tram/agent/clock"
	"tram/agent/hub/incident"
	"tram/agent/i18n"
	"tram/storage/sqlite"
)

// Bounds of what is listed at once.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
	// maxEntries bounds the record of one incident that is shown; the newest are left out.
	maxEntries = 20_000
)

// Query asks for incidents, the newest first.
type Query struct {
	Open   bool        // only those that are open
	Before incident.ID // those with a lower number; 0: from the newest
	Limit  int         // DefaultLimit when not positive, at most MaxLimit
	// Sees says which offices the asker may see: incidents of others are left out. nil: all.
	Sees func(office string) bool
}

func (q Query) shows(i *incident.Incident) bool {
	if q.Sees == nil {
		return true
	}
	for member := range i.Members {
		if q.Sees(member) {
			return true
		}
	}
	return false
}

// Incidents is a page of incidents.
type Incidents struct {
	Incidents []incident.Incident
	Next      incident.ID // for Query.Before; 0 at the end
}

// List returns a page of incidents.
func (r *Room) List(ctx context.Context, q Query) (Incidents, error) {
	if q.Limit <= 0 {
		q.Limit = DefaultLimit
	}
	q.Limit = min(q.Limit, MaxLimit)
	where := `WHERE (?1 = 0 OR id < ?1)`
	if q.Open {
		where += ` AND closed = 0`
	}
	page := Incidents{Incidents: []incident.Incident{}}
	for {
		var list []incident.Incident
		err := r.db.View(ctx, func(tx *sqlite.Tx) (err error) {
			list, err = sqlite.Collect(tx, scanJSON[incident.Incident], `SELECT data FROM incidents `+where+` ORDER BY id DESC LIMIT ?2`, int64(q.Before), q.Limit+1)
			return err
		})
		if err != nil {
			return page, err
		}
		for i := range list {
			if !q.shows(&list[i]) {
				continue
			}
			if len(page.Incidents) == q.Limit {
				page.Next = page.Incidents[q.Limit-1].ID
				return page, nil
			}
			page.Incidents = append(page.Incidents, list[i])
		}
		if len(list) <= q.Limit {
			return page, nil
		}
		q.Before = list[len(list)-1].ID
	}
}

// Record is everything about one incident.
type Record struct {
	incident.Incident
	Events  []Entry `json:"events"`
	Cut     bool    `json:"cut,omitempty"` // there are more events than are shown
	Notices []Sent  `json:"notices"`
}

// Sent is a notice with how it went out.
type Sent struct {
	Number int64 `json:"number"`
	incident.Notice
	Deliveries []Delivery `json:"deliveries"`
}

// Show returns everything about an incident. The problem incident.unknown names one
// that is not there.
func (r *Room) Show(ctx context.Context, id incident.ID) (Record, error) {
	rec := Record{Events: []Entry{}, Notices: []Sent{}}
	err := r.db.View(ctx, func(tx *sqlite.Tx) error {
		var data string
		if err := tx.QueryRow(`SELECT data FROM incidents WHERE id = ?`, int64(id)).Scan(&data); err != nil {
			return unknown(err, id)
		}
		if err := json.Unmarshal([]byte(data), &rec.Incident); err != nil {
			return err
		}
		events, err := sqlite.Collect(tx, scanJSON[Entry], `SELECT data FROM incident_events WHERE incident = ? ORDER BY seq LIMIT ?`, int64(id), maxEntries+1)
		if err != nil {
			return err
		}
		if rec.Cut = len(events) > maxEntries; rec.Cut {
			events = events[:maxEntries]
		}
		rec.Events = append(rec.Events, events...)
		sent, err := r.sent(tx, `WHERE incident = ? ORDER BY seq`, int64(id))
		rec.Notices = append(rec.Notices, sent...)
		return err
	})
	return rec, err
}

func (r *Room) sent(tx *sqlite.Tx, where string, args ...any) ([]Sent, error) {
	list, err := sqlite.Collect(tx, func(rows *sql.Rows, s *Sent) error {
		var data []byte
		if err := rows.Scan(&s.Number, &data); err != nil {
			return err
		}
		return json.Unmarshal(data, &s.Notice)
	}, `SELECT seq, CAST(data AS BLOB) FROM notices `+where, args...)
	for i := range list {
		if err == nil {
			list[i].Deliveries, err = deliveriesOf(tx, list[i].Number)
		}
	}
	return list, err
}

// Notices returns what was told last, the newest first, at most limit of them.
func (r *Room) Notices(ctx context.Context, limit int) (list []Sent, err error) {
	err = r.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		list, err = r.sent(tx, `ORDER BY seq DESC LIMIT ?`, min(max(limit, 1), MaxLimit))
		return err
	})
	return list, err
}

// Day is how much was told on one day.
type Day struct {
	Day     string `json:"day"` // yyyy-mm-dd, in Vietnam
	Notices int    `json:"notices"`
}

// Volume counts what was told on each of the last days, the newest first.
func (r *Room) Volume(ctx context.Context, now time.Time, days int) (list []Day, err error) {
	y, m, d := now.In(clock.Vietnam).Date()
	begin := time.Date(y, m, d-days+1, 0, 0, 0, 0, clock.Vietnam)
	const shift = 7 * 60 * 60 * 1000 // of Vietnam, in ms
	counts := map[string]int{}
	err = r.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT date((at + ?) / 1000, 'unixepoch'), count(*) FROM notices WHERE at >= ? GROUP BY 1`, shift, begin)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var day string
			var n int
			if err := rows.Scan(&day, &n); err != nil {
				return err
			}
			counts[day] = n
		}
		return rows.Err()
	})
	for n := range days {
		day := time.Date(y, m, d-n, 0, 0, 0, 0, clock.Vietnam).Format(time.DateOnly)
		list = append(list, Day{day, counts[day]})
	}
	return list, err
}

// Overview is how things stand, for the first screen.
type Overview struct {
	At        time.Time          `json:"at"` // of the facts; zero: there were none yet
	Open      []incident.Summary `json:"open"`
	Findings  int                `json:"findings"`  // that hold now
	Unalerted int                `json:"unalerted"` // of these, those without an incident, with a reason
	Today     int                `json:"today"`     // notices
}

// Overview returns how things stand.
func (r *Room) Overview(ctx context.Context) (Overview, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := Overview{At: r.at, Open: []incident.Summary{}}
	if err := r.load(ctx); err != nil {
		return o, err
	}
	state := r.engine.State()
	for _, i := range state.Incidents {
		o.Open = append(o.Open, incident.Summarize(i, r.facts.Documents))
	}
	incident.SortSummaries(o.Open)
	o.Findings = len(state.Findings)
	for _, f := range state.Findings {
		if f.Incident == 0 {
			o.Unalerted++
		}
	}
	days, err := r.Volume(ctx, time.Now(), 1)
	if err == nil {
		o.Today = days[0].Notices
	}
	return o, err
}

// OutagesOf names for each office that is out in a group incident that incident.
func (r *Room) OutagesOf(ctx context.Context) (map[string]incident.ID, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	out := map[string]incident.ID{}
	for id, i := range r.engine.State().Incidents {
		if i.Group == nil {
			continue
		}
		for _, office := range i.Concerned() {
			out[office] = id
		}
	}
	return out, nil
}

// Title says in one sentence what an incident is.
func Title(i *incident.Incident, lang i18n.Lang, names incident.Names) string {
	return incident.Summarize(i, nil).Title(lang, names)
}
