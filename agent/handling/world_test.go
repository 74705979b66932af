package handling

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/edxml"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
)

// monday is when the tests begin: 09:00 in Vietnam, 23 November 2026.
var monday = time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)

var (
	lan  = Actor{Person: "lan", Name: "Nguyễn Thị Lan", Directs: true}
	boss = Actor{Person: "chutich", Name: "Trần Văn Chủ", Directs: true}
	hoa  = Actor{Person: "hoa", Name: "Lê Hoa"}
	nam  = Actor{Person: "nam", Name: "Phạm Nam"}
)

func whois(a Actor) Assignee { return Assignee{Person: a.Person, Name: a.Name} }

// desk is a Store over an office in memory.
type desk struct {
	*Store
	t     *testing.T
	dir   string
	db    *sqlite.DB
	clock time.Time
	docs  map[storage.ID]*office.Document
	told  []string // "code text" in the order in which the office was asked
	broke error    // of the next Report
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, dir: t.TempDir(), clock: monday, docs: map[storage.ID]*office.Document{}}
	d.start()
	t.Cleanup(func() { _ = d.db.Close() })
	return d
}

func (d *desk) start() {
	d.t.Helper()
	var err error
	d.db, err = sqlitetest.Open(context.Background(), filepath.Join(d.dir, "tram.db"), sqlite.Options{Schemas: []sqlite.Schema{audit.Schema, Schema}, Now: d.now})
	if err != nil {
		d.t.Fatal(err)
	}
	if d.Store, err = New(Options{DB: d.db, Office: d, Now: d.now}); err != nil {
		d.t.Fatal(err)
	}
}

// restart is a crash and a boot.
func (d *desk) restart() {
	d.t.Helper()
	if err := d.db.Close(); err != nil {
		d.t.Fatal(err)
	}
	d.start()
}

func (d *desk) now() time.Time { return d.clock }

// arrive files an accepted document.
func (d *desk) arrive(urgency office.Urgency) storage.ID {
	id := uuid.Must(uuid.NewV7())
	d.docs[id] = &office.Document{ID: id, Box: office.In, State: office.Accepted, Urgency: urgency, Subject: fmt.Sprintf("Văn bản %d", len(d.docs)+1),
		Number: fmt.Sprint(len(d.docs) + 1), Notation: "UBND", From: office.Party{Code: "H40", Name: "UBND tỉnh"}}
	return id
}

func (d *desk) Handle(_ *sqlite.Tx, id storage.ID) (office.Urgency, error) {
	doc := d.docs[id]
	if doc == nil || doc.State != office.Accepted {
		return 0, problem.New(problem.Conflict, "import.not-accepted", "", nil)
	}
	return doc.Urgency, nil
}

func (d *desk) Documents(_ context.Context, ids []storage.ID) (found []office.Document, err error) {
	for _, id := range ids {
		if doc := d.docs[id]; doc != nil {
			found = append(found, *doc)
		}
	}
	return found, nil
}

func (d *desk) Report(_ context.Context, id storage.ID, code edxml.StatusCode, text, by string) (office.Document, bool, error) {
	if d.broke != nil {
		return office.Document{}, false, d.broke
	}
	if d.docs[id].State != office.Accepted {
		return office.Document{}, false, problem.New(problem.Conflict, "recall.cancelled", "", nil)
	}
	d.told = append(d.told, fmt.Sprintf("%s %s (%s)", code, text, by))
	return *d.docs[id], true, nil
}

// ok ends the test at an error.
func (d *desk) ok(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// refused wants a problem.
func (d *desk) refused(err error, code string) {
	d.t.Helper()
	var list problem.List
	var p *problem.Problem
	if errors.As(err, &list) && len(list) > 0 {
		p = list[0]
	} else {
		errors.As(err, &p)
	}
	if p == nil || p.Code != code {
		d.t.Errorf("want %s, got %v", code, err)
	}
}

func (d *desk) of(id storage.ID) Work {
	d.t.Helper()
	w, _, err := d.Of(d.t.Context(), id)
	d.ok(err)
	return w
}

// part is the newest part of an assignee.
func (d *desk) part(id storage.ID, name string) Part {
	d.t.Helper()
	list := d.of(id).Parts
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Assignee.Name == name {
			return list[i]
		}
	}
	d.t.Fatalf("%s has no part", name)
	return Part{}
}

// history is the steps as "kind who", for comparing.
func history(w Work) string {
	var list []string
	for _, e := range w.Steps {
		list = append(list, strings.TrimSpace(string(e.Kind)+" "+e.Who))
	}
	return strings.Join(list, "; ")
}

// instructed is a document that hoa leads and nam supports, handed over.
func (d *desk) instructed(deadline string) storage.ID {
	d.t.Helper()
	id := d.arrive(office.Thuong)
	d.ok(d.Instruct(d.t.Context(), id, Instruction{Text: "Giao Hoa tham mưu.", Lead: []Assignee{whois(hoa)}, Support: []Assignee{whois(nam)},
		Deadline: deadline, HandOver: true}, boss, 0))
	return id
}

// toldAll has everything told and returns it.
func (d *desk) toldAll() string {
	d.t.Helper()
	d.ok(d.Tell(d.t.Context()))
	return strings.Join(d.told, "; ")
}

func (d *desk) audited() (actions []string) {
	d.t.Helper()
	d.ok(d.db.View(d.t.Context(), func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT action FROM audit ORDER BY seq`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var a string
			if err := rows.Scan(&a); err != nil {
				return err
			}
			actions = append(actions, a)
		}
		return rows.Err()
	}))
	return actions
}
