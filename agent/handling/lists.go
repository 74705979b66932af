package handling

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/storage"
	"tram/storage/sqlite"
)

// MaxTodo is how many documents of each kind [Store.Todo] lists, and [Store.Mine]
// in one page.
const MaxTodo = 200

// Item is a document in a list of what to do.
type Item struct {
	Document office.Document `json:"-"` // as lists have it
	ID       storage.ID      `json:"id"`
	Symbol   string          `json:"symbol"`
	Subject  string          `json:"subject"`
	From     office.Party    `json:"from"`
	Urgency  office.Urgency  `json:"urgency"`
	State    State           `json:"state"`
	Who      string          `json:"who,omitempty"`  // who leads
	Role     Role            `json:"role,omitempty"` // of the person whose list it is
	Deadline string          `json:"deadline,omitempty"`
	Due      Due             `json:"due,omitempty"`
	Days     int             `json:"days"` // until the deadline; fewer than none when it has passed
	Since    time.Time       `json:"since"`
}

// Todo is what waits for a person, or for the office. No document is in two lists.
type Todo struct {
	Pressing []Item `json:"pressing"` // urgent and not handed over yet
	Overdue  []Item `json:"overdue"`
	Soon     []Item `json:"soon"`     // today and within SoonDays
	Opinion  []Item `json:"opinion"`  // submitted to this person
	Unhanded []Item `json:"unhanded"` // has an instruction, not handed over
	Mine     []Item `json:"mine"`     // with this person, further deadline or none
	Inform   []Item `json:"inform"`   // this person is to know of it
}

// entry is a row of a list before its document is looked up.
type entry struct {
	id       storage.ID
	role     Role
	deadline string
	since    time.Time
}

// Todo lists what waits for somebody: of who directs the deadlines of the whole
// office, and what they are to decide; of others their own parts.
func (s *Store) Todo(ctx context.Context, who Actor) (Todo, error) {
	now := s.now()
	soon := dayOf(now.AddDate(0, 0, SoonDays))
	var pressing, due, opinion, unhanded, own []entry
	err := s.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		if own, err = entries(tx, `SELECT p.document, p.role, p.deadline, p.handed FROM parts p JOIN works w ON w.document = p.document
			WHERE p.person = ? AND p.person <> '' AND p.state = 'open' ORDER BY p.role = 'inform', p.deadline = '', p.deadline, p.handed`, who.Person); err != nil {
			return err
		}
		if opinion, err = entries(tx, `SELECT document, '', '', submitted FROM works WHERE state = 'submitted' AND leader = ? AND leader <> ''
			AND submitted <> 0 ORDER BY urgency DESC, submitted`, who.Person); err != nil || !who.Directs {
			return err
		}
		if pressing, err = entries(tx, `SELECT document, '', due, submitted FROM works WHERE state IN ('submitted', 'instructed') AND urgency > 0
			ORDER BY urgency DESC, submitted`); err != nil {
			return err
		}
		if due, err = entries(tx, `SELECT document, '', due, handed FROM works WHERE state IN ('instructed', 'open') AND due <> '' AND due <= ?
			ORDER BY due, urgency DESC, handed`, soon); err != nil {
			return err
		}
		unhanded, err = entries(tx, `SELECT document, '', due, instructed FROM works WHERE state = 'instructed' ORDER BY urgency DESC, instructed`)
		return err
	})
	if err != nil {
		return Todo{}, fmt.Errorf("list what to do: %w", err)
	}
	l := &listing{s: s, now: now, seen: map[storage.ID]bool{}}
	if err := l.look(ctx, pressing, due, opinion, unhanded, own); err != nil {
		return Todo{}, err
	}
	t := Todo{Opinion: l.items(opinion, nil)}
	t.Pressing = l.items(pressing, nil)
	late := func(i Item) bool { return i.Due == Overdue && i.Role != Inform }
	near := func(i Item) bool { return (i.Due == Today || i.Due == Soon) && i.Role != Inform }
	if who.Directs {
		t.Overdue, t.Soon = l.items(due, late), l.items(due, near)
	} else {
		t.Overdue, t.Soon = l.items(own, late), l.items(own, near)
	}
	t.Unhanded = l.items(unhanded, nil)
	t.Mine = l.items(own, func(i Item) bool { return i.Role != Inform })
	t.Inform = l.items(own, nil)
	return t, nil
}

func entries(tx *sqlite.Tx, query string, args ...any) (list []entry, err error) {
	rows, err := tx.Query(query+` LIMIT ?`, append(args, MaxTodo)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var e entry
		var since int64
		if err := rows.Scan(&e.id, &e.role, &e.deadline, &since); err != nil {
			return nil, err
		}
		e.since = sqlite.TimeOrZero(since)
		list = append(list, e)
	}
	return list, rows.Err()
}

// listing turns entries into items.
type listing struct {
	s     *Store
	now   time.Time
	docs  map[storage.ID]office.Document
	works map[storage.ID]Work
	seen  map[storage.ID]bool
}

// look reads the documents and works of entries.
func (l *listing) look(ctx context.Context, lists ...[]entry) (err error) {
	l.docs, l.works = map[storage.ID]office.Document{}, map[storage.ID]Work{}
	for _, list := range lists {
		ids := make([]storage.ID, len(list))
		for i, e := range list {
			ids[i] = e.id
		}
		docs, err := l.s.office.Documents(ctx, ids)
		if err != nil {
			return fmt.Errorf("list what to do: %w", err)
		}
		works, err := l.s.Some(ctx, ids)
		if err != nil {
			return err
		}
		for _, d := range docs {
			l.docs[d.ID] = d
		}
		for id, w := range works {
			l.works[id] = w
		}
	}
	return nil
}

// items are those entries that are in no list yet and fulfil a condition. What was
// recalled is nobody's work any more.
func (l *listing) items(list []entry, is func(Item) bool) []Item {
	items := []Item{} // [] in JSON, never null
	for _, e := range list {
		d, ok := l.docs[e.id]
		if !ok || d.State == office.Recalled || l.seen[e.id] {
			continue
		}
		item := Item{Document: d, ID: e.id, Symbol: edxml.Code{Number: d.Number, Notation: d.Notation}.String(), Subject: d.Subject, From: d.From,
			Urgency: d.Urgency, State: l.works[e.id].State, Who: l.works[e.id].Leaders(), Role: e.role, Deadline: e.deadline, Since: e.since}
		item.Due, item.Days = DueOn(e.deadline, l.now)
		if is != nil && !is(item) {
			continue
		}
		l.seen[e.id] = true
		items = append(items, item)
	}
	return items
}

// Leaders names who leads now.
func (w Work) Leaders() string {
	var names []string
	for _, p := range w.Parts {
		if p.Role == Lead && (p.working() || w.State == Done && p.State == PartDone) {
			names = append(names, p.Assignee.Name)
		}
	}
	return strings.Join(names, ", ")
}

// Mine lists a person's parts, those that are open or those that ended, the newest
// first, and how many there are.
func (s *Store) Mine(ctx context.Context, person string, ended bool, offset int) (items []Item, total int, err error) {
	where := `person = ? AND person <> '' AND state = 'open'`
	if ended {
		where = `person = ? AND person <> '' AND state IN ('done', 'passed', 'withdrawn') AND handed <> 0`
	}
	var list []entry
	err = s.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		if err := tx.QueryRow(`SELECT count(*) FROM parts WHERE `+where, person).Scan(&total); err != nil {
			return err
		}
		list, err = entries(tx, `SELECT document, role, deadline, handed FROM (SELECT * FROM parts WHERE `+where+` ORDER BY handed DESC, seq DESC LIMIT -1 OFFSET ?)`,
			person, max(offset, 0))
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list work of a person: %w", err)
	}
	l := &listing{s: s, now: s.now(), seen: map[storage.ID]bool{}}
	if err := l.look(ctx, list); err != nil {
		return nil, 0, err
	}
	return l.items(list, nil), total, nil
}

// Some returns how documents are handled, without their histories; those that
// nothing was done about are left out.
func (s *Store) Some(ctx context.Context, ids []storage.ID) (map[storage.ID]Work, error) {
	found := map[storage.ID]Work{}
	err := s.db.View(ctx, func(tx *sqlite.Tx) error {
		for _, id := range ids {
			w, ok, err := load(tx, id)
			if err != nil {
				return err
			}
			if ok {
				found[id] = w
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read handling of documents: %w", err)
	}
	return found, nil
}

// Holds tells whether a document was handed over to a person.
func (s *Store) Holds(ctx context.Context, id storage.ID, person string) (ok bool, err error) {
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM parts WHERE document = ? AND person = ? AND person <> '' AND handed <> 0)`, id, person).Scan(&ok)
	})
	if err != nil {
		return false, fmt.Errorf("ask who has a document: %w", err)
	}
	return ok, nil
}

// Followed is what the register books say of how a document is handled, in
// Vietnamese.
type Followed struct {
	Recipient  string    // đơn vị hoặc người nhận
	HandedOver time.Time // ngày chuyển, zero while it was not
	Deadline   time.Time // its day in Vietnam, zero for none
	Progress   string    // tiến độ
	Reply      string    // số, ký hiệu of the document that answers it
	Done       time.Time // zero while it goes on
}

// Followed returns what the register books say of documents.
func (s *Store) Followed(ctx context.Context, ids []storage.ID) (map[storage.ID]Followed, error) {
	works, err := s.Some(ctx, ids)
	if err != nil {
		return nil, err
	}
	found := make(map[storage.ID]Followed, len(works))
	for id, w := range works {
		found[id] = w.Followed()
	}
	return found, nil
}

// Followed is the entry of one work in the register books.
func (w Work) Followed() Followed {
	f := Followed{HandedOver: w.HandedOver, Reply: w.Reply.Code, Progress: w.progress(), Done: w.Finished}
	var names []string
	deadline := ""
	for _, role := range []Role{Lead, Support} {
		for _, p := range w.Parts {
			if p.Role != role || p.State == PartPassed || p.State == PartWithdrawn {
				continue
			}
			names = append(names, p.Assignee.Name)
			if p.Deadline != "" && (deadline == "" || role == Lead && p.Deadline > deadline) {
				deadline = p.Deadline
			}
		}
	}
	f.Recipient, f.Deadline = strings.Join(names, "; "), onPaper(deadline)
	return f
}

// progress is the column tiến độ giải quyết.
func (w Work) progress() string {
	t := func(key string, args i18n.Args) string {
		return i18n.T(i18n.Vietnamese, "handling.followed."+key, args)
	}
	switch {
	case w.State == Done && w.Result != "":
		return t("done-result", i18n.Args{"date": dayWords(dayOf(w.Finished)), "result": w.Result})
	case w.State == Done:
		return t("done", i18n.Args{"date": dayWords(dayOf(w.Finished))})
	case w.State == Submitted && w.Leader.Name != "":
		return t("submitted", i18n.Args{"who": w.Leader.Name})
	case w.Progress != "":
		return w.Progress
	case w.State == Open:
		return t("open", nil)
	}
	return t(string(w.State), nil)
}
