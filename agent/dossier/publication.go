package dossier

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/workdays"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// Bounds of a publication; a hub makes several of what is more.
const (
	MaxItems       = 2000
	MaxPublication = 4 << 20 // bytes of all items; one item may be more alone
)

// ItemKind is what a hub publishes.
type ItemKind string

// The kinds.
const (
	ItemProcedure ItemKind = "procedure" // one version of a Procedure
	ItemCalendar  ItemKind = "calendar"  // a file of workdays
)

// Item is one thing that a hub publishes, in the form of its file.
type Item struct {
	Kind    ItemKind        `json:"kind"`
	Origin  string          `json:"origin"` // code of the hub where it was put in
	Content json.RawMessage `json:"content"`
}

// Mark says up to where the catalogue of a hub is known.
type Mark struct {
	Store  storage.ID `json:"store"` // of the catalogue; another one counts anew
	Serial int64      `json:"serial"`
}

// Publication is what a hub gives to those below it: what in its catalogue is newer
// than Since, up to Serial.
type Publication struct {
	Mark
	Since int64  `json:"since"`
	Items []Item `json:"items"`
}

// Next is the mark of somebody who has taken p and was at m before. What came between
// stays missing until it is given.
func (p Publication) Next(m Mark) Mark {
	if p.Store != m.Store {
		m = Mark{Store: p.Store}
	}
	if p.Since <= m.Serial {
		m.Serial = max(m.Serial, p.Serial)
	}
	return m
}

// ReadPublication reads a publication; it does not judge its items.
func ReadPublication(raw []byte) (Publication, error) {
	var p Publication
	if err := json.Unmarshal(raw, &p); err != nil {
		return p, fmt.Errorf("read publication: %w", err)
	}
	if p.Store == (storage.ID{}) || p.Since < 0 || p.Serial < p.Since || len(p.Items) > MaxItems {
		return p, fmt.Errorf("read publication: store %s, %d to %d, %d items", p.Store, p.Since, p.Serial, len(p.Items))
	}
	return p, nil
}

// Name is how an item is known: code and version, or the name of a calendar. It is
// what the content says, of an item that cannot be read too.
func (i Item) Name() string {
	var head struct {
		Code    string `json:"code"`
		Version int    `json:"version"`
		Name    string `json:"name"`
	}
	_ = json.Unmarshal(i.Content, &head) // says nothing then
	name := head.Name
	if i.Kind == ItemProcedure {
		name = fmt.Sprintf("%s %d", head.Code, head.Version)
	}
	if r := []rune(line(name)); len(r) > 200 {
		return string(r[:200])
	}
	return line(name)
}

// Procedure reads the procedure in an item, as strictly as a catalogue file.
func (i Item) Procedure() (Procedure, error) {
	var p Procedure
	d := json.NewDecoder(bytes.NewReader(i.Content))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, problem.New(problem.Usage, "dossier.catalogue", "catalogue", i18n.Args{"why": err.Error()}).Because(err)
	}
	return p, p.Check()
}

// herald takes what the hub gives, and hears what it has.
type herald struct{ *Store }

// Published takes a publication in. What this office cannot take is kept aside, see
// [Store.NotTaken], and holds up nothing else. Taking it again changes nothing.
func (s herald) Published(tx *sqlite.Tx, hub string, raw []byte) error {
	p, err := ReadPublication(raw)
	if err != nil {
		return &office.Refusal{Cause: err}
	}
	h, err := readHub(tx)
	if err != nil {
		return err
	}
	refused := 0
	for _, item := range p.Items {
		ok, err := s.takeItem(tx, item)
		if err != nil {
			return err
		}
		if !ok {
			refused++
		}
	}
	h.mark = p.Next(h.mark)
	if err := h.save(tx); err != nil {
		return err
	}
	tx.OnCommit(s.kickReport)
	return audit.Append(tx, audit.Entry{Actor: hub, Action: "dossier.published", Subject: p.Store.String(), Detail: map[string]string{
		"serial": fmt.Sprint(p.Serial), "items": fmt.Sprint(len(p.Items)), "refused": fmt.Sprint(refused),
	}})
}

// takeItem takes one item, or keeps it aside; ok tells which.
func (s *Store) takeItem(tx *sqlite.Tx, i Item) (ok bool, err error) {
	switch i.Kind {
	case ItemProcedure:
		var p Procedure
		if p, err = i.Procedure(); err == nil {
			_, err = takeProcedure(tx, p, i.Origin)
		}
	case ItemCalendar:
		err = s.takePublished(tx, i)
	default:
		err = problem.New(problem.Usage, "dossier.item-kind", "kind", i18n.Args{"kind": string(i.Kind)})
	}
	if err == nil {
		_, err = tx.Exec(`DELETE FROM dossier_refused WHERE kind = ? AND name = ?`, string(i.Kind), i.Name())
		return true, err
	}
	list := problem.All(err)
	if !isProblem(err) || len(list) == 0 {
		return false, err
	}
	raw, bad := json.Marshal(i)
	if bad != nil {
		return false, bad
	}
	s.log.Warn("not taken of what the hub publishes", "kind", string(i.Kind), "name", i.Name(), "origin", i.Origin, "reason", err)
	_, err = tx.Exec(`INSERT OR REPLACE INTO dossier_refused (kind, name, origin, content, why, at) VALUES (?, ?, ?, ?, ?, ?)`,
		string(i.Kind), i.Name(), i.Origin, string(raw), list[0].Code, tx.Now())
	return false, err
}

func isProblem(err error) bool {
	var p *problem.Problem
	var l problem.List
	return errors.As(err, &p) || errors.As(err, &l)
}

// takePublished lays a calendar of the hub over those of the program. One of the same
// name that this office has laid itself stays.
func (s *Store) takePublished(tx *sqlite.Tx, i Item) error {
	f, err := workdays.Parse(i.Content)
	if err != nil {
		return err
	}
	var own bool
	if err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM dossier_calendars WHERE name = ? AND published = 0 AND content <> ?)`, f.Name, string(i.Content)).Scan(&own); err != nil {
		return err
	}
	if own {
		return problem.New(problem.Conflict, "dossier.calendar-own", "name", i18n.Args{"name": f.Name})
	}
	if _, err := calendarWith(tx, &f); err != nil {
		if isProblem(err) {
			return err
		}
		return problem.New(problem.Conflict, "dossier.calendar-unfit", "name", i18n.Args{"name": f.Name}).Because(err)
	}
	if _, err := tx.Exec(`INSERT OR REPLACE INTO dossier_calendars (name, scope, origin, content, published) VALUES (?, ?, ?, ?, 1)`, f.Name, string(f.Scope), i.Origin, string(i.Content)); err != nil {
		return err
	}
	cal, err := readCalendar(tx)
	if err == nil {
		tx.OnCommit(func() { s.calendar.Store(cal) })
	}
	return err
}

// NotTaken is something of the hub that this office could not take.
type NotTaken struct {
	Kind   ItemKind
	Name   string
	Origin string
	Why    string // code of the problem
}

// NotTaken lists what the hub gave and this office could not take.
func (s *Store) NotTaken(ctx context.Context) (list []NotTaken, err error) {
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		list, err = notTaken(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list what the hub gave: %w", err)
	}
	return list, nil
}

// Reason is in a word why it was not taken: "own" because this office has another one
// of its own, "changed" because it differs from what the hub gave before, "unread"
// because it is not of a form that this program reads.
func (n NotTaken) Reason() string {
	switch n.Why {
	case "dossier.calendar-own":
		return "own"
	case "dossier.catalogue-changed":
		return "changed"
	}
	return "unread"
}

func notTaken(tx *sqlite.Tx) (list []NotTaken, err error) {
	rows, err := tx.Query(`SELECT kind, name, origin, why FROM dossier_refused ORDER BY kind, name LIMIT ?`, MaxItems)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r NotTaken
		if err := rows.Scan(&r.Kind, &r.Name, &r.Origin, &r.Why); err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, rows.Err()
}
