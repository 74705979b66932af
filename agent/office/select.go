package office

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"tram/agent/hub/registry"
	"tram/storage/sqlite"
)

// Filter selects documents for [Office.Select]. Zero fields select nothing out.
type Filter struct {
	Box     Box     // needed
	States  []State // any of
	Type    string  // abbreviation
	Urgency *Urgency
	Office  string // code of the sender of an incoming document, of any recipient of an outgoing one
	Number  string // with Notation, as a document bears them
	// Notation counts with Number only.
	Notation string
	EdXMLID  string
	// FiledFrom and FiledUntil bound Created; the latter is not in.
	FiledFrom, FiledUntil time.Time
	App                   string // see [Office.AppOf]
	Before                int64  // the place that Select returned, 0 for the newest
	Limit                 int    // at most MaxPage; 0 for DefaultPage
}

// Select returns a page of documents, newest first, as [Office.List] does, and
// the place for the next page, 0 when there is none. It costs the same wherever
// the page lies and does not count.
func (o *Office) Select(ctx context.Context, f Filter) (docs []Document, next int64, err error) {
	if f.Limit <= 0 {
		f.Limit = DefaultPage
	}
	f.Limit = min(f.Limit, MaxPage)
	err = o.db.View(ctx, func(tx *sqlite.Tx) error {
		seqs, err := f.places(tx)
		if err != nil || len(seqs) == 0 {
			return err
		}
		if len(seqs) > f.Limit {
			seqs = seqs[:f.Limit]
			next = seqs[f.Limit-1]
		}
		docs, err = documentsAt(tx, seqs)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("select documents: %w", err)
	}
	return docs, next, nil
}

// documentsAt returns the documents of some rows, newest first.
func documentsAt(tx *sqlite.Tx, seqs []int64) ([]Document, error) {
	args := make([]any, len(seqs))
	for i, seq := range seqs {
		args[i] = seq
	}
	return selectDocuments(tx, `seq IN (?`+strings.Repeat(`, ?`, len(args)-1)+`) ORDER BY seq DESC`, args...)
}

// places finds the rows of a page and one more. Each query walks one index that
// is in the order of the list, so that none has to sort; of several states each
// is walked for itself.
func (f Filter) places(tx *sqlite.Tx) ([]int64, error) {
	states := slices.Compact(slices.Sorted(slices.Values(f.States)))
	if len(states) == 0 {
		states = []State{""}
	}
	var all []int64
	for _, state := range states {
		found, err := f.ofState(tx, state)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.Sort(all)
	slices.Reverse(all)
	return all[:min(len(all), f.Limit+1)], nil
}

// condition is one of a query. index names the index to walk for it, "" for
// none.
type condition struct {
	sql   string
	arg   any
	index string
}

// ofState walks the documents of one state, "" for all. The most telling
// condition comes first and says which index is walked.
func (f Filter) ofState(tx *sqlite.Tx, state State) ([]int64, error) {
	list, err := f.conditions(tx, state)
	if err != nil {
		return nil, err
	}
	order, query := `seq`, `SELECT seq FROM documents INDEXED BY `+list[0].index
	if f.Box == Out && f.Office != "" {
		order = `r.document`
		query = `SELECT r.document FROM recipients r INDEXED BY recipients_office CROSS JOIN documents ON documents.seq = r.document`
	}
	var where []string
	var args []any
	for _, c := range list {
		where = append(where, strings.ReplaceAll(c.sql, `{seq}`, order))
		args = append(args, c.arg)
	}
	return numbersOf(tx, query+` WHERE `+strings.Join(where, ` AND `)+` ORDER BY `+order+` DESC LIMIT ?`, append(args, f.Limit+1)...)
}

func (f Filter) conditions(tx *sqlite.Tx, state State) (list []condition, err error) {
	add := func(set bool, sql string, arg any, index string) {
		if set {
			list = append(list, condition{sql, arg, index})
		}
	}
	urgency := -1
	if f.Urgency != nil {
		urgency = int(*f.Urgency)
	}
	add(f.Box == Out && f.Office != "", `r.code_key = ?`, registry.Key(f.Office), "")
	add(f.App != "", `app <> '' AND app = ?`, f.App, "documents_app")
	add(f.EdXMLID != "", `edxml_id = ?`, f.EdXMLID, "documents_edxml")
	add(f.Number != "", `number = ?`, f.Number, "documents_number")
	add(f.Box == In && f.Office != "", `from_code = ?`, f.Office, "documents_from")
	add(state != "", `documents.state = ?`, string(state), "documents_state")
	add(urgency > 0, `urgency > 0 AND urgency = ?`, urgency, "documents_urgent")
	add(f.Type != "", `type = ?`, f.Type, "documents_type")
	add(true, `box = '`+map[Box]string{In: "in"}[f.Box]+map[Box]string{Out: "out"}[f.Box]+`' AND {seq} > ?`, 0, "documents_box")
	add(urgency == 0, `urgency = ?`, 0, "")
	add(f.Number != "" && f.Notation != "", `notation = ?`, f.Notation, "")
	add(f.Before > 0, `{seq} < ?`, f.Before, "")
	if !f.FiledUntil.IsZero() {
		add(true, `created < ?`, f.FiledUntil, "")
		last, err := numbersOf(tx, `SELECT coalesce(max(last), 0) FROM filed_days WHERE day <= ? / 86400000`, f.FiledUntil)
		if err != nil {
			return nil, err
		}
		add(true, `{seq} <= ?`, last[0], "")
	}
	if !f.FiledFrom.IsZero() {
		add(true, `created >= ?`, f.FiledFrom, "")
		first, err := numbersOf(tx, `SELECT coalesce(min(first), 1 << 62) FROM filed_days WHERE day >= ? / 86400000`, f.FiledFrom)
		if err != nil {
			return nil, err
		}
		add(true, `{seq} >= ?`, first[0], "")
	}
	return list, nil
}

// numbersOf runs a query for whole numbers.
func numbersOf(tx *sqlite.Tx, query string, args ...any) (list []int64, err error) {
	return sqlite.Column[int64](tx, query, args...)
}

// RegisterPlace is where a page of a register ends.
type RegisterPlace struct{ Arrival, Row int64 }

// Booking is one line of a register: a document and when it was entered, at the
// acceptance (sổ đến) or when it was saved (sổ đi).
type Booking struct {
	Document
	Entered time.Time
	Series  string // group of the series of an outgoing number, see agent/register; from Yearbook only
}

// Register returns lines of the register of a year: sổ đến for In, by arrival
// number, sổ đi for Out, in the order of saving. after is the place that the
// last call returned, zero for the beginning; the zero place says that there is
// no more. app as in [Filter], limit as well.
func (o *Office) Register(ctx context.Context, box Box, year int, app string, after RegisterPlace, limit int) (lines []Booking, next RegisterPlace, err error) {
	if limit <= 0 {
		limit = DefaultPage
	}
	limit = min(limit, MaxPage)
	err = o.db.View(ctx, func(tx *sqlite.Tx) error {
		lines, next = nil, RegisterPlace{}
		places, err := registerPlaces(tx, box, year, app, after, limit+1)
		if err != nil || len(places) == 0 {
			return err
		}
		if len(places) > limit {
			places = places[:limit]
			next = places[limit-1].RegisterPlace
		}
		seqs := make([]int64, len(places))
		for i, p := range places {
			seqs[i] = p.Row
		}
		docs, err := documentsAt(tx, seqs)
		if err != nil {
			return err
		}
		order := slices.Clone(seqs) // documentsAt sorts
		slices.Sort(order)
		slices.Reverse(order)
		for _, p := range places {
			i := slices.Index(order, p.Row)
			line := Booking{Document: docs[i], Entered: p.entered}
			if box == Out {
				line.Entered = docs[i].Created
			}
			lines = append(lines, line)
		}
		return nil
	})
	if err != nil {
		return nil, RegisterPlace{}, fmt.Errorf("read register: %w", err)
	}
	return lines, next, nil
}

type registerPlace struct {
	RegisterPlace
	entered time.Time
}

func registerPlaces(tx *sqlite.Tx, box Box, year int, app string, after RegisterPlace, limit int) (list []registerPlace, err error) {
	rows, err := tx.Query(`SELECT arrival, seq, (SELECT min(at) FROM events WHERE document = documents.seq AND step = 'accepted')
		FROM documents INDEXED BY documents_register
		WHERE booked > 0 AND box = ?1 AND booked = ?2 AND (arrival, seq) > (?3, ?4) AND (?5 = '' OR app = ?5)
		ORDER BY arrival, seq LIMIT ?6`, string(box), year, after.Arrival, after.Row, app, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var p registerPlace
		var entered sql.NullInt64
		if err := rows.Scan(&p.Arrival, &p.Row, &entered); err != nil {
			return nil, err
		}
		p.entered = sqlite.Time(entered.Int64)
		list = append(list, p)
	}
	return list, rows.Err()
}
