package dossier

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"tram/agent/clock"
	"tram/agent/office"
	"tram/storage"
	"tram/storage/sqlite"
)

const (
	// DefaultReportEvery is how often at most figures that have changed are told.
	DefaultReportEvery = 15 * time.Minute
	// refusedPause is how long nothing is told a hub that takes no reports.
	refusedPause = 24 * time.Hour
	// reportRetry is when a report that could not be made is tried again.
	reportRetry = time.Minute
	// markPart is the part of a report that is no month.
	markPart = "mark"
)

// Reporter carries reports to the hub; *office.Office is one.
type Reporter interface {
	SealReport(ctx context.Context, payload []byte) (office.SealedReport, error)
	// PutReport sends a report in the place of one that is on its way, if any.
	PutReport(tx *sqlite.Tx, r office.SealedReport, before storage.ID) error
}

// hubState is how this office and its hub stand.
type hubState struct {
	mark    Mark
	epoch   storage.ID
	number  int64
	report  storage.ID // zero: none is on its way
	refused time.Time
}

func readHub(tx *sqlite.Tx) (h hubState, err error) {
	var refused int64
	err = tx.QueryRow(`SELECT store, serial, epoch, number, coalesce(report, zeroblob(16)), refused FROM dossier_hub`).Scan(
		&h.mark.Store, &h.mark.Serial, &h.epoch, &h.number, &h.report, &refused)
	if noRows(err) {
		return h, nil
	}
	h.refused = sqlite.TimeOrZero(refused)
	return h, err
}

func (h hubState) save(tx *sqlite.Tx) error {
	var report any
	if h.report != (storage.ID{}) {
		report = h.report
	}
	_, err := tx.Exec(`INSERT OR REPLACE INTO dossier_hub (one, store, serial, epoch, number, report, refused) VALUES (1, ?, ?, ?, ?, ?, ?)`,
		h.mark.Store, h.mark.Serial, h.epoch, h.number, report, sqlite.MillisOrZero(h.refused))
	return err
}

func (s *Store) kickReport() {
	select {
	case s.told <- struct{}{}:
	default:
	}
}

// Herald takes what the hub gives, and hears what became of reports.
func (s *Store) Herald() office.Herald { return herald{s} }

// HubIs notes which store the hub has. A new one has lost what it was told.
func (s *Store) HubIs(ctx context.Context, epoch storage.ID) error {
	known := false
	err := s.db.View(ctx, func(tx *sqlite.Tx) error {
		h, err := readHub(tx)
		known = h.epoch == epoch
		return err
	})
	if err != nil || known || epoch == (storage.ID{}) {
		return err
	}
	return s.db.Update(ctx, func(tx *sqlite.Tx) error {
		h, err := readHub(tx)
		if err != nil {
			return err
		}
		if err := h.meet(tx, epoch); err != nil {
			return err
		}
		tx.OnCommit(s.kickReport)
		return h.save(tx)
	})
}

// Reported notes that the hub has a report of ours, or that it takes none.
func (s herald) Reported(tx *sqlite.Tx, id, epoch storage.ID, taken bool) error {
	h, err := readHub(tx)
	if err != nil || h.report != id {
		return err
	}
	h.report = storage.ID{}
	switch {
	case !taken:
		h.refused = tx.Now()
		_, err = tx.Exec(`UPDATE dossier_told SET sent = x''`)
	default:
		h.refused = time.Time{}
		if err = h.meet(tx, epoch); err == nil {
			_, err = tx.Exec(`UPDATE dossier_told SET told = sent, sent = x'' WHERE sent <> x''`)
		}
	}
	return errors.Join(err, h.save(tx))
}

// meet notes which store the hub has.
func (h *hubState) meet(tx *sqlite.Tx, epoch storage.ID) (err error) {
	if h.epoch != (storage.ID{}) && h.epoch != epoch {
		_, err = tx.Exec(`UPDATE dossier_told SET told = x''`)
	}
	h.epoch = epoch
	return err
}

// RunReports tells the hub figures when they change, at most once in every, and at
// once up to where its catalogue is known here, until ctx ends.
func (s *Store) RunReports(ctx context.Context, every time.Duration) error {
	if every <= 0 {
		every = DefaultReportEvery
	}
	if err := s.retake(ctx); err != nil && ctx.Err() == nil {
		s.log.Error("what the hub gave not looked at again", "error", err)
	}
	for {
		pause := every
		if err := s.Report(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("report to the hub not made", "error", err)
			pause = min(reportRetry, every)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.told:
		case <-time.After(pause):
		}
	}
}

// retake tries what could not be taken once more: this program may be a newer one.
func (s *Store) retake(ctx context.Context) error {
	return s.db.Update(ctx, func(tx *sqlite.Tx) error {
		var items []Item
		rows, err := tx.Query(`SELECT content FROM dossier_refused`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var raw string
			var i Item
			if err := rows.Scan(&raw); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(raw), &i); err != nil {
				return err
			}
			items = append(items, i)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		for _, i := range items {
			if _, err := s.takeItem(tx, i); err != nil {
				return err
			}
		}
		return nil
	})
}

// part of a report, with the digest by which it is known whether the hub has it.
type part struct {
	name   string
	digest []byte
	month  MonthFigures
}

func partOf(name string, what any) (part, error) {
	raw, err := json.Marshal(what)
	sum := sha256.Sum256(raw)
	return part{name: name, digest: sum[:]}, err
}

// Report tells the hub what it does not know, if there is anything. What is on its way
// is replaced, so that the hub gets the latest alone.
func (s *Store) Report(ctx context.Context) error {
	if s.reporter == nil {
		return nil
	}
	s.reporting.Lock()
	defer s.reporting.Unlock()
	var h hubState
	var parts []part
	told, sent := map[string][]byte{}, map[string][]byte{}
	err := s.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		if h, err = readHub(tx); err != nil {
			return err
		}
		if err := readTold(tx, told, sent); err != nil {
			return err
		}
		parts, err = s.parts(tx, h, told)
		return err
	})
	if err != nil || !h.refused.IsZero() && s.now().Sub(h.refused).Abs() < refusedPause {
		return err
	}
	r := Report{Version: ReportVersion, Store: s.db.Epoch(), Number: h.number + 1, Has: h.mark, Offices: []OfficeFigures{}}
	mine, news := OfficeFigures{Code: s.me, At: s.now().UTC().Truncate(time.Second), Months: []MonthFigures{}}, false
	for i, p := range parts {
		under := told[p.name]
		if len(sent[p.name]) > 0 {
			under = sent[p.name]
		}
		news = news || !bytes.Equal(under, p.digest)
		switch {
		case bytes.Equal(told[p.name], p.digest):
			parts[i].digest = nil // it has that
		case p.name != markPart:
			mine.Months = append(mine.Months, p.month)
		}
	}
	if !news {
		return nil
	}
	if len(mine.Months) > 0 {
		r.Offices = append(r.Offices, mine)
	}
	return s.putReport(ctx, r, h.report, parts)
}

func (s *Store) putReport(ctx context.Context, r Report, before storage.ID, parts []part) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	sealed, err := s.reporter.SealReport(ctx, raw)
	if err != nil {
		return err
	}
	err = s.db.Update(ctx, func(tx *sqlite.Tx) error {
		h, err := readHub(tx)
		if err != nil {
			return err
		}
		if h.report != before { // the hub has taken it meanwhile
			tx.OnCommit(s.kickReport)
			return nil
		}
		if err := s.reporter.PutReport(tx, sealed, before); err != nil {
			return err
		}
		for _, p := range parts {
			if _, err := tx.Exec(`INSERT INTO dossier_told (part, told, sent) VALUES (?1, x'', ?2) ON CONFLICT (part) DO UPDATE SET sent = ?2`, p.name, append([]byte{}, p.digest...)); err != nil {
				return err
			}
		}
		h.number, h.report = r.Number, sealed.ID
		return h.save(tx)
	})
	return saving(err)
}

func readTold(tx *sqlite.Tx, told, sent map[string][]byte) error {
	rows, err := tx.Query(`SELECT part, told, sent FROM dossier_told`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var a, b []byte
		if err := rows.Scan(&name, &a, &b); err != nil {
			return err
		}
		told[name], sent[name] = a, b
	}
	return rows.Err()
}

// parts are what the hub is to know: the mark, and the months with figures or of which
// it was told.
func (s *Store) parts(tx *sqlite.Tx, h hubState, told map[string][]byte) ([]part, error) {
	mark, err := partOf(markPart, h.mark)
	if err != nil {
		return nil, err
	}
	list := []part{mark}
	months, first, err := s.months(tx)
	if err != nil {
		return nil, err
	}
	for name := range told {
		if name != markPart && name >= first && months[name] == nil {
			months[name] = []Counts{}
		}
	}
	for name, counts := range months {
		m := MonthFigures{Month: name, Counts: counts}
		p, err := partOf(name, m)
		if err != nil {
			return nil, err
		}
		p.month = m
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b part) int { return cmp.Compare(a.name, b.name) })
	return list, nil
}

// months counts the figures of the last months as [Store.Stats] does, each in its
// order of procedures; first is the earliest.
func (s *Store) months(tx *sqlite.Tx) (map[string][]Counts, string, error) {
	now := s.now().In(clock.Vietnam)
	from := time.Date(now.Year(), now.Month()-reportMonths+1, 1, 0, 0, 0, 0, clock.Vietnam)
	_, zone := now.Zone()
	found := map[string]map[string]*Counts{}
	err := eachCount(tx, `SELECT strftime('%Y-%m', accepted / 1000 + ?2, 'unixepoch'), procedure, count(*), 0, 0, 0, 0, 0 FROM dossiers
			WHERE guest = 0 AND accepted > 0 AND accepted >= ?1 GROUP BY 1, 2
		UNION ALL SELECT strftime('%Y-%m', ended / 1000 + ?2, 'unixepoch'), procedure, 0, sum(outcome = 'early'), sum(outcome = 'on-time'), sum(outcome = 'late'), 0, 0 FROM dossiers
			WHERE guest = 0 AND accepted > 0 AND ended > 0 AND ended >= ?1 GROUP BY 1, 2
		UNION ALL SELECT ?3, procedure, 0, 0, 0, 0, count(*), sum(paused = 0 AND due <= ?4) FROM dossiers WHERE guest = 0 AND accepted > 0 AND ended = 0 GROUP BY 2`,
		found, from.UnixMilli(), zone, now.Format("2006-01"), s.now().UnixMilli())
	if err != nil {
		return nil, "", fmt.Errorf("count months: %w", err)
	}
	months := map[string][]Counts{}
	for month, by := range found {
		for _, c := range by {
			months[month] = append(months[month], *c)
		}
		slices.SortFunc(months[month], func(a, b Counts) int { return cmp.Compare(a.Procedure, b.Procedure) })
	}
	return months, from.Format("2006-01"), nil
}

func eachCount(tx *sqlite.Tx, query string, found map[string]map[string]*Counts, args ...any) error {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var month string
		var c Counts
		if err := rows.Scan(&month, &c.Procedure, &c.Taken, &c.Early, &c.OnTime, &c.Late, &c.Open, &c.OpenLate); err != nil {
			return err
		}
		if found[month] == nil {
			found[month] = map[string]*Counts{}
		}
		sum := found[month][c.Procedure]
		if sum == nil {
			sum = &Counts{Procedure: c.Procedure}
			found[month][c.Procedure] = sum
		}
		sum.Taken, sum.Early, sum.OnTime, sum.Late = sum.Taken+c.Taken, sum.Early+c.Early, sum.OnTime+c.OnTime, sum.Late+c.Late
		sum.Open, sum.OpenLate = sum.Open+c.Open, sum.OpenLate+c.OpenLate
	}
	return rows.Err()
}
