package rollup

import (
	"database/sql"
	"encoding/json"
	"errors"

	"tram/agent/dossier"
	"tram/storage"
	"tram/storage/sqlite"
)

// reportMonths bounds the months in one report to the hub above; the next has the rest.
const reportMonths = 2000

// above is how this hub and the one above stand.
type above struct {
	epoch  storage.ID
	number int64
	has    int64
	mark   dossier.Mark // that it has
	report storage.ID
	upto   int64
	said   dossier.Mark // in the report
	full   bool         // there was no room in the report for all
}

func readAbove(tx *sqlite.Tx) (a above, err error) {
	var said string
	err = tx.QueryRow(`SELECT epoch, number, has, store, serial, coalesce(report, zeroblob(16)), upto, said, full FROM rollup_above`).Scan(
		&a.epoch, &a.number, &a.has, &a.mark.Store, &a.mark.Serial, &a.report, &a.upto, &said, &a.full)
	if errors.Is(err, sql.ErrNoRows) {
		return a, nil
	}
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal([]byte(said), &a.said)
}

func (a above) save(tx *sqlite.Tx) error {
	said, err := json.Marshal(a.said)
	if err != nil {
		return err
	}
	var report any
	if a.report != (storage.ID{}) {
		report = a.report
	}
	_, err = tx.Exec(`INSERT OR REPLACE INTO rollup_above (one, epoch, number, has, store, serial, report, upto, said, full) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		a.epoch, a.number, a.has, a.mark.Store, a.mark.Serial, report, a.upto, string(said), a.full)
	return err
}

// AboveIs notes which store the hub above has; a new one has lost what it was told.
func (r *Rollup) AboveIs(tx *sqlite.Tx, epoch storage.ID) error {
	a, err := readAbove(tx)
	if err != nil || epoch == (storage.ID{}) || a.epoch == epoch {
		return err
	}
	a.epoch, a.has, a.mark = epoch, 0, dossier.Mark{}
	return a.save(tx)
}

// Reported notes that the hub above, whose store is epoch, has a report of this one;
// more says that there was no room in it for all.
func (r *Rollup) Reported(tx *sqlite.Tx, id, epoch storage.ID) (more bool, err error) {
	a, err := readAbove(tx)
	if err != nil || a.report != id {
		return false, err
	}
	a.epoch, a.has, a.mark, a.report = epoch, a.upto, a.said, storage.ID{}
	more = a.full
	a.full = false
	return more, a.save(tx)
}

// Send queues a report and withdraws the one before, when there was one.
type Send func(payload []byte, before storage.ID) (storage.ID, error)

// Report tells the hub above what it does not have: months that have changed, and up to
// where its catalogue is here.
func (r *Rollup) Report(tx *sqlite.Tx, mark dossier.Mark, send Send) error {
	a, err := readAbove(tx)
	if err != nil {
		return err
	}
	var newest int64
	if err := tx.QueryRow(`SELECT coalesce(max(serial), 0) FROM rollup_months`).Scan(&newest); err != nil {
		return err
	}
	onWay := a.report != (storage.ID{})
	switch {
	case onWay && a.upto == newest && a.said == mark, !onWay && a.has == newest && a.mark == mark && a.number > 0:
		return nil
	}
	rep := dossier.Report{Version: dossier.ReportVersion, Store: r.db.Epoch(), Number: a.number + 1, Has: mark}
	upto := a.upto
	if rep.Offices, a.upto, a.full, err = changed(tx, a.has); err != nil || onWay && a.upto == upto && a.said == mark {
		return err // what is on its way is as full as can be
	}
	payload, err := json.Marshal(rep)
	if err != nil {
		return err
	}
	if a.report, err = send(payload, a.report); err != nil {
		return err
	}
	a.number, a.said = rep.Number, mark
	return a.save(tx)
}

// changed are the months that are newer than a serial, and up to which one.
func changed(tx *sqlite.Tx, since int64) (list []dossier.OfficeFigures, upto int64, more bool, err error) {
	list, upto = []dossier.OfficeFigures{}, since
	rows, err := tx.Query(`SELECT office, month, at, counts, serial FROM rollup_months WHERE serial > ? ORDER BY serial LIMIT ?`, since, reportMonths+1)
	if err != nil {
		return nil, 0, false, err
	}
	defer rows.Close()
	at := map[string]int{}
	for n, size := 0, 0; rows.Next(); n++ {
		var o dossier.OfficeFigures
		var m dossier.MonthFigures
		var raw string
		var serial int64
		if err := rows.Scan(&o.Code, &m.Month, sqlite.Timestamp(&o.At), &raw, &serial); err != nil {
			return nil, 0, false, err
		}
		if size += len(raw) + 200; n == reportMonths || n > 0 && size > dossier.MaxReport/2 {
			more = true
			break
		}
		if err := json.Unmarshal([]byte(raw), &m.Counts); err != nil {
			return nil, 0, false, err
		}
		i, known := at[o.Code]
		if !known {
			i = len(list)
			at[o.Code], list = i, append(list, o)
		}
		list[i].Months, upto = append(list[i].Months, m), serial
		if o.At.After(list[i].At) {
			list[i].At = o.At
		}
	}
	return list, upto, more, rows.Err()
}
