// Package catalogue keeps what a hub publishes to the offices and hubs below it:
// administrative procedures and calendars of working days.
//
// It promises that
//
//   - a file is taken whole or not at all, judged by the readers that the offices
//     have, with every fault named; a version of a procedure that was published never
//     changes, but for its last day;
//   - each neighbour below is sent what it lacks by its own report, once, and the
//     newest alone: what it was to get and has not taken over is withdrawn when there
//     is something newer; what it was sent and does not have is sent again;
//   - what the hub above publishes goes on to those below, and cannot be changed here.
package catalogue

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/fold"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/workdays"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables of this package.
var Schema = sqlite.Embedded("catalogue", migrations)

// MaxFile bounds a catalogue file, in bytes.
const MaxFile = 64 << 20

// Catalogue is what one hub publishes. Safe for concurrent use.
type Catalogue struct {
	db *sqlite.DB
	me string
}

// New opens the catalogue of the hub with a code.
func New(db *sqlite.DB, me string) *Catalogue { return &Catalogue{db, me} }

// Put is what a file has changed.
type Put struct {
	Version int64 `json:"version"` // of the catalogue, as offices report it
	New     int   `json:"new"`
	Changed int   `json:"changed"`
	Same    int   `json:"same"`
}

// PutProcedures takes a catalogue file in. What is in the catalogue and not in the
// file stays; a procedure ends by its last day. Faults are a problem.List.
func (c *Catalogue) PutProcedures(ctx context.Context, data []byte, by string) (put Put, err error) {
	file, err := dossier.ReadCatalogue(data)
	if err != nil {
		return put, err
	}
	if len(file.Procedures) == 0 {
		return put, problem.New(problem.Usage, "catalogue.empty", "procedures", nil)
	}
	err = c.db.Update(ctx, func(tx *sqlite.Tx) error {
		put = Put{}
		var faults problem.List
		for _, p := range file.Procedures {
			raw, err := json.Marshal(p)
			if err != nil {
				return err
			}
			it := stored{kind: dossier.ItemProcedure, name: p.Code.String(), version: p.Version, origin: c.me, folded: p.Code.String() + " " + p.Name + " " + p.Field.Name, content: string(raw)}
			if err := it.put(tx, &put, func(there string) error { return follows(there, p) }); err != nil {
				faults.Note(err)
				if len(faults) > 20 {
					break
				}
			}
		}
		if err := faults.Err(); err != nil {
			return err
		}
		return c.noted(tx, &put, by, "catalogue.procedures", file.Origin)
	})
	return put, saving(err)
}

// follows tells why p cannot stand in the place of what was published.
func follows(there string, p dossier.Procedure) error {
	var old dossier.Procedure
	if err := json.Unmarshal([]byte(there), &old); err != nil {
		return err
	}
	return old.Follows(p)
}

// PutCalendar takes a calendar file in, in the place of one of the same name.
func (c *Catalogue) PutCalendar(ctx context.Context, data []byte, by string) (put Put, err error) {
	f, err := workdays.Parse(data)
	if err != nil {
		return put, err
	}
	if _, err := workdays.Vietnam(f); err != nil {
		return put, err
	}
	raw, err := json.Marshal(f)
	if err != nil {
		return put, err
	}
	it := stored{kind: dossier.ItemCalendar, name: f.Name, origin: c.me, folded: f.Name + " " + f.Source, content: string(raw)}
	err = c.db.Update(ctx, func(tx *sqlite.Tx) error {
		put = Put{}
		if err := it.put(tx, &put, func(string) error { return nil }); err != nil {
			return err
		}
		return c.noted(tx, &put, by, "catalogue.calendar", f.Name)
	})
	return put, saving(err)
}

func (c *Catalogue) noted(tx *sqlite.Tx, put *Put, by, action, subject string) (err error) {
	if put.Version, err = newest(tx); err != nil {
		return err
	}
	return audit.Append(tx, audit.Entry{Actor: by, Action: action, Subject: subject, Detail: map[string]string{
		"version": fmt.Sprint(put.Version), "new": fmt.Sprint(put.New), "changed": fmt.Sprint(put.Changed), "same": fmt.Sprint(put.Same),
	}})
}

// stored is one row of the catalogue.
type stored struct {
	kind    dossier.ItemKind
	name    string
	version int
	origin  string
	folded  string
	content string
}

// put writes an item that the operator gives. may judges it against what is there.
func (it stored) put(tx *sqlite.Tx, n *Put, may func(there string) error) error {
	var there, origin string
	err := tx.QueryRow(`SELECT content, origin FROM catalogue_items WHERE kind = ? AND name = ? AND version = ?`, string(it.kind), it.name, it.version).Scan(&there, &origin)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		n.New++
		return it.write(tx)
	case err != nil:
		return err
	case there == it.content:
		n.Same++
		return nil
	case origin != it.origin:
		return problem.New(problem.Conflict, "catalogue.above", "catalogue", i18n.Args{"name": it.name, "hub": origin})
	}
	if err := may(there); err != nil {
		return err
	}
	n.Changed++
	return it.write(tx)
}

func (it stored) write(tx *sqlite.Tx) error {
	serial, err := newest(tx)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT OR REPLACE INTO catalogue_items (kind, name, version, serial, origin, at, folded, content) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		string(it.kind), it.name, it.version, serial+1, it.origin, tx.Now(), fold.String(it.folded), it.content)
	return err
}

func newest(tx *sqlite.Tx) (serial int64, err error) {
	err = tx.QueryRow(`SELECT coalesce(max(serial), 0) FROM catalogue_items`).Scan(&serial)
	return serial, err
}

// Take takes in what the hub above publishes: it goes before what was put in here.
// An item that this program cannot read is passed on as it is.
func (c *Catalogue) Take(tx *sqlite.Tx, above string, p dossier.Publication) error {
	mark, err := c.Above(tx)
	if err != nil {
		return err
	}
	changed := 0
	for _, i := range p.Items {
		it := stored{kind: i.Kind, name: i.Name(), origin: i.Origin, folded: i.Name(), content: string(i.Content)}
		if i.Kind != dossier.ItemProcedure && i.Kind != dossier.ItemCalendar || it.name == "" {
			continue // of a later version of this program
		}
		if p, err := i.Procedure(); i.Kind == dossier.ItemProcedure {
			if err != nil && p.Code == (code.Procedure{}) {
				continue
			}
			it.name, it.version, it.folded = p.Code.String(), p.Version, p.Code.String()+" "+p.Name+" "+p.Field.Name
		}
		var there string
		err := tx.QueryRow(`SELECT content FROM catalogue_items WHERE kind = ? AND name = ? AND version = ? AND origin = ?`, string(it.kind), it.name, it.version, it.origin).Scan(&there)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if there == it.content {
			continue
		}
		changed++
		if err := it.write(tx); err != nil {
			return err
		}
	}
	mark = p.Next(mark)
	if _, err := tx.Exec(`INSERT OR REPLACE INTO catalogue_above (one, store, serial) VALUES (1, ?, ?)`, mark.Store, mark.Serial); err != nil {
		return err
	}
	return audit.Append(tx, audit.Entry{Actor: above, Action: "catalogue.taken", Subject: p.Store.String(), Detail: map[string]string{
		"serial": fmt.Sprint(p.Serial), "items": fmt.Sprint(len(p.Items)), "changed": fmt.Sprint(changed),
	}})
}

// Above is up to where the catalogue of the hub above is here.
func (c *Catalogue) Above(tx *sqlite.Tx) (m dossier.Mark, err error) {
	err = tx.QueryRow(`SELECT store, serial FROM catalogue_above`).Scan(&m.Store, &m.Serial)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return m, err
}

func saving(err error) error {
	var p *problem.Problem
	var l problem.List
	switch {
	case err == nil || errors.As(err, &p) || errors.As(err, &l):
		return err
	case errors.Is(err, storage.ErrFull):
		return problem.New(problem.Full, "office.full", "", nil).Because(err)
	}
	return fmt.Errorf("save catalogue: %w", err)
}

// Entry is a procedure of the catalogue.
type Entry struct {
	Procedure dossier.Procedure `json:"procedure"`
	Origin    string            `json:"origin"`
	Serial    int64             `json:"serial"`
	At        time.Time         `json:"at"`
}
