package office

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"tram/agent/fold"
	"tram/agent/hub/registry"
	"tram/storage/sqlite"
)

// selection is what a list is filtered by, as conditions on documents d.
type selection struct {
	box     Box
	state   string // the only one; "" for none or several
	where   []string
	args    []any
	only    []int64  // nil for all
	parties []string // code keys; nil for all
	codes   []string // of the senders
	urgency int      // -1 for all
	first   int64    // bounds of seq, from days
	last    int64
	path    string // the index that few rows have to be read by, "" for none
}

func (l Listing) selection(tx *sqlite.Tx) (s selection, err error) {
	s.box, s.urgency, s.last = l.Box, -1, 1<<62
	s.and(`d.box = ?`, string(l.Box))
	if len(l.States) == 1 {
		s.state = string(l.States[0])
	}
	if len(l.States) > 0 {
		s.and(`d.state IN `+marks(len(l.States)), texts(l.States)...)
	}
	if l.Type != "" {
		s.and(`d.type = ?`, l.Type)
	}
	if l.Urgency != nil {
		s.urgency = int(*l.Urgency)
		s.and(`d.urgency = ?`, s.urgency)
	}
	if err := s.filed(tx, l); err != nil {
		return s, err
	}
	if l.Party != "" {
		if err := s.party(tx, l.Party); err != nil {
			return s, err
		}
	}
	if l.Only != nil {
		s.only = []int64{}
		for _, id := range l.Only {
			found, err := numbersOf(tx, `SELECT seq FROM documents WHERE id = ?`, id)
			if err != nil {
				return s, err
			}
			s.only = append(s.only, found...)
		}
	}
	return s, nil
}

func (s *selection) and(condition string, args ...any) {
	s.where, s.args = append(s.where, condition), append(s.args, args...)
}

// filed bounds when documents were filed. Rows stand in nearly that order, so that
// those of whole days bound what has to be looked at.
func (s *selection) filed(tx *sqlite.Tx, l Listing) error {
	edge := func(query, condition string, at any, seq *int64) error {
		row, err := numbersOf(tx, query, at)
		if err == nil {
			*seq = row[0]
			s.and(condition, row[0])
		}
		return err
	}
	if !l.FiledFrom.IsZero() {
		s.and(`d.created >= ?`, l.FiledFrom)
		if err := edge(`SELECT coalesce(min(first), 1 << 62) FROM filed_days WHERE day >= ? / 86400000`, `d.seq >= ?`, l.FiledFrom, &s.first); err != nil {
			return err
		}
	}
	if !l.FiledUntil.IsZero() {
		s.and(`d.created < ?`, l.FiledUntil)
		if err := edge(`SELECT coalesce(max(last), 0) FROM filed_days WHERE day <= ? / 86400000`, `d.seq <= ?`, l.FiledUntil, &s.last); err != nil {
			return err
		}
	}
	return nil
}

// party finds the offices that words stand for: the one of that code, or those in
// whose names they are.
func (s *selection) party(tx *sqlite.Tx, words string) error {
	rows, err := tx.Query(`SELECT DISTINCT code, code_key FROM listing_parties WHERE box = ?1 AND (code_key = ?2
		OR instr(folded, ?3) > 0 AND NOT EXISTS (SELECT 1 FROM listing_parties WHERE box = ?1 AND code_key = ?2)) ORDER BY code_key LIMIT ?4`,
		string(s.box), registry.Key(words), fold.String(words), maxParties)
	if err != nil {
		return err
	}
	defer rows.Close()
	var codes []string
	s.parties = []string{}
	for rows.Next() {
		var code, key string
		if err := rows.Scan(&code, &key); err != nil {
			return err
		}
		codes, s.parties = append(codes, code), append(s.parties, key)
	}
	if s.box == In && len(codes) > 0 {
		s.codes = codes
		s.and(`d.from_code IN `+marks(len(codes)), texts(codes)...)
	}
	return rows.Err()
}

func marks(n int) string { return `(?` + strings.Repeat(`, ?`, n-1) + `)` }

func texts[T ~string](list []T) []any {
	all := make([]any, len(list))
	for i, v := range list {
		all[i] = string(v)
	}
	return all
}

// nothing reports whether no document can match.
func (s selection) nothing() bool {
	return s.only != nil && len(s.only) == 0 || s.parties != nil && len(s.parties) == 0
}

// name tells one selection from another.
func (s selection) name() string {
	return fmt.Sprintf("%q %v %v %q", s.where, s.args, s.only, s.parties)
}

// of is the rest of a statement that goes over the matches in no order.
func (s selection) of() (string, []any) {
	where := strings.Join(s.where, ` AND `)
	switch {
	case s.only != nil:
		list := make([]string, len(s.only))
		for i, seq := range s.only {
			list[i] = fmt.Sprint(seq)
		}
		where += ` AND d.seq IN (` + strings.Join(list, `, `) + `)`
		if s.box == Out && s.parties != nil {
			return s.toParties(where)
		}
		return ` FROM documents d NOT INDEXED WHERE ` + where, s.args
	case s.box == Out && s.parties != nil:
		return s.toParties(where)
	}
	switch s.path {
	case pathSender:
		return ` FROM documents d INDEXED BY ` + s.path + ` WHERE d.box = 'in' AND ` + where, s.args
	case pathDays:
		return ` FROM documents d NOT INDEXED WHERE ` + where, s.args
	case pathLevel:
		return ` FROM documents d INDEXED BY ` + s.path + ` WHERE ` + where, s.args
	}
	return ` FROM documents d INDEXED BY documents_filter WHERE ` + where, s.args
}

// toParties goes over the documents to the recipients.
func (s selection) toParties(where string) (string, []any) {
	return ` FROM (SELECT DISTINCT document FROM recipients INDEXED BY recipients_office WHERE code_key IN ` + marks(len(s.parties)) + `) r
		CROSS JOIN documents d ON d.seq = r.document WHERE ` + where, append(texts(s.parties), s.args...)
}

func (s selection) count(tx *sqlite.Tx) (n int, err error) {
	if s.nothing() {
		return 0, nil
	}
	from, args := s.of()
	return n, tx.QueryRow(`SELECT count(*)`+from, args...).Scan(&n)
}

// place is where a document stands in a list.
type place struct {
	n, m int64  // of an order by numbers
	key  string // of an order by words
	seq  int64
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.n, q.n), cmp.Compare(p.m, q.m), cmp.Compare(p.key, q.key), cmp.Compare(p.seq, q.seq))
}

// ordering is how a sort is walked.
type ordering struct {
	table string // with its index, of the rows to walk
	n, m  string // columns, "" for none
	key   string
	seq   string
}

func (l Listing) order(s selection) ordering {
	switch l.Sort {
	case ByArrival:
		return ordering{table: `documents d INDEXED BY documents_numbered`, n: `d.booked`, m: `d.arrival`, seq: `d.seq`}
	case ByUrgency:
		return ordering{table: `documents d INDEXED BY documents_level`, n: `d.urgency`, seq: `d.seq`}
	case ByFiled:
		if s.state != "" {
			return ordering{table: `documents d INDEXED BY documents_state`, seq: `d.seq`}
		}
		return ordering{table: `documents d INDEXED BY documents_box`, seq: `d.seq`}
	}
	return ordering{table: `listing l CROSS JOIN documents d ON d.seq = l.document`, key: `l.key`, seq: `l.document`}
}

// columns are what makes a place.
func (o ordering) columns() string {
	return cmp.Or(o.n, `0`) + `, ` + cmp.Or(o.m, `0`) + `, ` + cmp.Or(o.key, `''`) + `, ` + o.seq
}

// terms are the columns that the order goes by.
func (o ordering) terms() []string {
	return slices.DeleteFunc([]string{o.n, o.m, o.key, o.seq}, func(c string) bool { return c == "" })
}

// bind are the values of a place for terms.
func (o ordering) bind(p place) (args []any) {
	if o.n != "" {
		args = append(args, p.n)
	}
	if o.m != "" {
		args = append(args, p.m)
	}
	if o.key != "" {
		args = append(args, p.key)
	}
	return append(args, p.seq)
}

// places finds the rows of a window and one more, in the direction of the window.
func (l Listing) places(tx *sqlite.Tx, s selection, w window, total int) ([]place, error) {
	if total <= narrow || s.path != "" && !l.wordy() || s.only != nil || s.box == Out && s.parties != nil {
		return l.sorted(tx, s, w)
	}
	o, down := l.order(s), l.Down != w.backward
	where, args := slices.Clone(s.where), slices.Clone(s.args)
	if o.key != "" {
		where, args = append(where, `l.sort = ?`, `l.box = ?`), append(args, string(l.Sort), string(l.Box))
	}
	sign, dir := `>`, ``
	if down {
		sign, dir = `<`, ` DESC`
	}
	terms := o.terms()
	if w.from != nil {
		where, args = append(where, `(`+strings.Join(terms, `, `)+`) `+sign+` `+marks(len(terms))), append(args, o.bind(*w.from)...)
	}
	return placesOf(tx, `SELECT `+o.columns()+` FROM `+o.table+` WHERE `+strings.Join(where, ` AND `)+
		` ORDER BY `+strings.Join(terms, dir+`, `)+dir+` LIMIT ?`, append(args, w.limit+1)...)
}

// sorted collects the matches and sorts them.
func (l Listing) sorted(tx *sqlite.Tx, s selection, w window) ([]place, error) {
	from, args := s.of()
	all, err := placesOf(tx, `SELECT `+l.placeColumns()+from, args...)
	if err != nil {
		return nil, err
	}
	sign := 1
	if l.Down != w.backward {
		sign = -1
	}
	slices.SortFunc(all, func(a, b place) int { return sign * a.compare(b) })
	if w.from != nil {
		at, found := slices.BinarySearchFunc(all, *w.from, func(p, from place) int { return sign * p.compare(from) })
		if found {
			at++
		}
		all = all[at:]
	}
	return all[:min(len(all), w.limit+1)], nil
}

// placeColumns make the place of a document d without walking the order.
func (l Listing) placeColumns() string {
	if l.wordy() {
		return `0, 0, coalesce((SELECT key FROM listing INDEXED BY listing_document WHERE document = d.seq AND sort = '` + string(l.Sort) + `'), ''), d.seq`
	}
	return l.order(selection{}).columns()
}

// placeOf is the place of a row; nil when there is none any more.
func (l Listing) placeOf(tx *sqlite.Tx, seq int64) (*place, error) {
	list, err := placesOf(tx, `SELECT `+l.placeColumns()+` FROM documents d WHERE d.seq = ?`, seq)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

func placesOf(tx *sqlite.Tx, query string, args ...any) (list []place, err error) {
	rows, err := tx.Query(query, args...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var p place
		if err := rows.Scan(&p.n, &p.m, &p.key, &p.seq); err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, rows.Err()
}

// counts remembers how many documents match, while nothing changes.
type counts struct {
	mu       sync.Mutex
	revision uint64
	of       map[string]int
}

func (c *counts) get(revision uint64, name string, count func() (int, error)) (int, error) {
	c.mu.Lock()
	if c.of == nil || c.revision != revision || len(c.of) >= keptCounts {
		c.revision, c.of = revision, map[string]int{}
	}
	n, ok := c.of[name]
	c.mu.Unlock()
	if ok {
		return n, nil
	}
	n, err := count()
	if err == nil {
		c.mu.Lock()
		if c.revision == revision {
			c.of[name] = n
		}
		c.mu.Unlock()
	}
	return n, err
}
