package search

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

// Sizes of results.
const (
	DefaultLimit = 20
	MaxLimit     = 100
	// MaxCounted is how many matches are counted, the newest ones.
	MaxCounted = 2000
	// MaxValues is how many values of a facet are told, the most frequent ones.
	MaxValues = 20
	// maxChoices is how many values one filter may have.
	maxChoices = 50
	// MaxTime is how long a search may take.
	MaxTime = 5 * time.Second
)

// Order of results.
type Order string

// The orders.
const (
	ByRank Order = "rank" // what fits best first, the newest first among equals
	ByDate Order = "date" // the newest first, as they came here
)

// Query says what to find. Several values of a filter are alternatives; empty
// ones do not narrow anything. Without Text everything is found.
type Query struct {
	Text      string
	Box       office.Box
	Years     []int // of the documents' dates
	Types     []string
	Urgencies []office.Urgency
	States    []office.State
	Senders   []string // codes
	From, To  string   // dates of the documents, yyyy-mm-dd, both included
	HasText   bool     // text of a file is in the index
	Order     Order    // "" is ByRank
	After     string   // Next of the page before
	Limit     int      // at most MaxLimit; 0 for DefaultLimit
	Facets    bool     // count too
}

// Hit is a document that was found.
type Hit struct {
	ID      storage.ID     `json:"id"`
	Box     office.Box     `json:"box"`
	State   office.State   `json:"state"`
	Urgency office.Urgency `json:"urgency"`
	Type    string         `json:"type"`
	Date    string         `json:"date"`
	Fields  []Snippet      `json:"fields"`
	InFiles bool           `json:"in_files"` // some of the words are in its files alone
	seq     int64
	sender  string
}

// Count is how many matches have a value.
type Count struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

// Facets count the matches, the newest MaxCounted of them.
type Facets struct {
	Total   int     `json:"total"`
	More    bool    `json:"more"` // there are more than were counted
	Box     []Count `json:"box"`
	Year    []Count `json:"year"`
	Type    []Count `json:"type"`
	Urgency []Count `json:"urgency"`
	State   []Count `json:"state"`
	Sender  []Count `json:"sender"`
}

// Result is a page of what was found.
type Result struct {
	Hits   []Hit   `json:"hits"`
	Next   string  `json:"next"` // for the next page, "" when this is the last
	Facets *Facets `json:"facets,omitempty"`
	Index  State   `json:"index"` // what is missing in the index
}

// Search finds documents.
func (x *Index) Search(ctx context.Context, q Query) (Result, error) {
	p, err := q.plan()
	if err != nil {
		return Result{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, MaxTime)
	defer cancel()
	r := Result{Hits: []Hit{}}
	err = x.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		if err := p.look(tx, q.Facets); err != nil {
			return err
		}
		if q.Facets {
			r.Facets = p.count()
		}
		r.Hits, r.Next, err = p.page(tx)
		return err
	})
	if err != nil {
		return Result{}, fmt.Errorf("search documents: %w", err)
	}
	if r.Index, err = x.recent(ctx); err != nil {
		return Result{}, fmt.Errorf("search documents: %w", err)
	}
	return r, nil
}

// plan is a query made ready.
type plan struct {
	terms   []term
	nothing bool     // text without a word: nothing is found
	tiers   []string // what to match one after the other, "" for everything
	whole   []string // the tiers with what others find as well; none when there is one tier
	all     string   // what matches any of the tiers
	where   string
	args    []any
	tier    int   // of the last page
	before  int64 // seq of the last page
	limit   int
	newest  []Hit // see look
}

func (q Query) plan() (*plan, error) {
	p := &plan{terms: parse(q.Text), before: first, limit: q.Limit}
	var faults problem.List
	if p.limit <= 0 {
		p.limit = DefaultLimit
	}
	p.limit = min(p.limit, MaxLimit)
	p.nothing = len(p.terms) == 0 && strings.TrimSpace(q.Text) != ""
	p.tiers = []string{""}
	if len(p.terms) > 0 {
		p.all = anywhere(p.terms)
		p.whole, p.tiers = tiers(p.terms)
	}
	switch q.Order {
	case ByDate:
		p.whole, p.tiers = nil, []string{p.all}
	case ByRank, "":
	default:
		faults = append(faults, problem.New(problem.Usage, "search.order", "order", i18n.Args{"value": string(q.Order)}))
	}
	if q.After != "" && !p.goOn(q.After) {
		faults = append(faults, problem.New(problem.Usage, "search.after", "after", i18n.Args{"value": q.After[:min(len(q.After), 80)]}))
	}
	faults = append(faults, q.dates()...)
	for name, n := range map[string]int{"year": len(q.Years), "type": len(q.Types), "urgency": len(q.Urgencies), "state": len(q.States), "sender": len(q.Senders)} {
		if n > maxChoices {
			faults = append(faults, problem.New(problem.Usage, "search.choices", name, i18n.Args{"limit": maxChoices}))
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	p.narrow(q)
	return p, nil
}

func (q Query) dates() (faults problem.List) {
	for field, date := range map[string]string{"from": q.From, "to": q.To} {
		if _, err := time.Parse(time.DateOnly, date); date != "" && err != nil {
			faults = append(faults, problem.New(problem.Usage, "search.date", field, i18n.Args{"value": date[:min(len(date), 80)]}))
		}
	}
	return faults
}

// goOn reads a cursor: tier and seq of the last hit.
func (p *plan) goOn(cursor string) bool {
	tier, seq, ok := strings.Cut(cursor, "-")
	var err1, err2 error
	p.tier, err1 = strconv.Atoi(tier)
	p.before, err2 = strconv.ParseInt(seq, 10, 64)
	return ok && err1 == nil && err2 == nil && p.tier >= 0 && p.tier < len(p.tiers) && p.before >= 0
}

// narrow makes the filters: of values that never change by words of the index, of
// others by the table.
func (p *plan) narrow(q Query) {
	var words []string
	if q.Box != "" {
		words = append(words, `{facets} : "`+boxWord(q.Box)+`"`)
	}
	add := func(list []string) {
		if len(list) > 0 {
			words = append(words, `{facets} : ("`+strings.Join(list, `" OR "`)+`")`)
		}
	}
	add(each(q.Years, func(y int) string { return yearWord(fmt.Sprintf("%04d", y)) }))
	add(each(q.Types, typeWord))
	add(each(q.Urgencies, func(u office.Urgency) string { return urgencyWord(int(u)) }))
	add(each(q.Senders, senderWord))
	if narrow := strings.Join(words, " AND "); narrow != "" {
		for i, t := range p.tiers {
			p.tiers[i] = and(t, narrow)
		}
		for i, t := range p.whole {
			p.whole[i] = and(t, narrow)
		}
		p.all = and(p.all, narrow)
	}
	if len(q.States) > 0 {
		p.where += ` AND d.state IN (?` + strings.Repeat(`, ?`, len(q.States)-1) + `)`
		for _, s := range q.States {
			p.args = append(p.args, string(s))
		}
	}
	if q.From != "" {
		p.where, p.args = p.where+` AND d.date >= ?`, append(p.args, q.From)
	}
	if q.To != "" {
		p.where, p.args = p.where+` AND d.date <= ?`, append(p.args, q.To)
	}
	if q.HasText {
		p.where += ` AND d.texts > 0`
	}
}

func and(match, narrow string) string {
	if match == "" {
		return narrow
	}
	return "(" + match + ") AND " + narrow
}

func each[T any](list []T, word func(T) string) []string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = word(v)
	}
	return words
}

// query is the statement for a match: the newest first, below a seq.
func (p *plan) query(columns, match string, before int64, limit int) (string, []any) {
	if match == "" {
		return `SELECT ` + columns + ` FROM search_documents d WHERE d.gone = 0 AND d.seq < ?` + p.where + ` ORDER BY d.seq DESC LIMIT ?`,
			append(append([]any{before}, p.args...), limit)
	}
	return `SELECT ` + columns + ` FROM search_words CROSS JOIN search_documents d ON d.seq = search_words.rowid
		WHERE search_words MATCH ? AND search_words.rowid < ?` + p.where + ` ORDER BY search_words.rowid DESC LIMIT ?`,
		append(append([]any{match, before}, p.args...), limit)
}

// look finds the newest matches of all tiers: enough to know whether they fit on
// one page, or to count them.
func (p *plan) look(tx *sqlite.Tx, count bool) (err error) {
	n := p.limit + 1
	if count {
		n = max(n, MaxCounted+1)
	}
	if !p.nothing && (count || p.before == first) {
		p.newest, err = p.hits(tx, p.all, first, n)
	}
	return err
}

// page finds the hits of a page.
func (p *plan) page(tx *sqlite.Tx) (hits []Hit, next string, err error) {
	switch {
	case p.nothing:
	case p.before == first && len(p.newest) <= p.limit:
		hits, err = p.order(tx)
	case p.before == first && p.whole != nil:
		hits, next, err = p.begin(tx)
	default:
		hits, next, err = p.further(tx)
	}
	if err == nil {
		err = p.describe(tx, hits)
	}
	return append([]Hit{}, hits...), next, err
}

// first is above every seq.
const first = 1 << 62

// placed are hits in the order of the tiers, each once.
type placed struct {
	hits []Hit
	seen map[int64]bool
}

// add places those of list that have no place yet, at most limit in all, and
// reports whether there was one more.
func (r *placed) add(list []Hit, limit int) (more bool) {
	for _, h := range list {
		if r.seen[h.seq] {
			continue
		}
		if len(r.hits) == limit {
			return true
		}
		r.seen[h.seq] = true
		r.hits = append(r.hits, h)
	}
	return false
}

// order puts all hits, which fit on one page, into the order of the tiers. That
// takes one look at each tier until all have their place.
func (p *plan) order(tx *sqlite.Tx) ([]Hit, error) {
	r := placed{seen: map[int64]bool{}}
	for _, match := range p.whole[:max(0, len(p.whole)-1)] {
		if len(r.hits) == len(p.newest) {
			break
		}
		list, err := p.hits(tx, match, first, p.limit)
		if err != nil {
			return nil, err
		}
		r.add(list, p.limit)
	}
	r.add(p.newest, p.limit)
	return r.hits, nil
}

// begin finds the first page when there is more than one. It asks for tiers with
// what those before them find, which is quicker than without: all of that has its
// place already, and cannot fill the list.
func (p *plan) begin(tx *sqlite.Tx) (hits []Hit, next string, err error) {
	r := placed{seen: map[int64]bool{}}
	for tier, match := range p.whole {
		list, wanted := p.newest, p.limit+1+len(r.hits)
		if tier < len(p.whole)-1 || len(list) < wanted {
			if list, err = p.hits(tx, match, first, wanted); err != nil {
				return nil, "", err
			}
		}
		before := len(r.hits)
		if !r.add(list, p.limit) {
			continue
		}
		last := int64(first)
		if len(r.hits) > before {
			last = r.hits[len(r.hits)-1].seq
		}
		return r.hits, fmt.Sprintf("%d-%d", tier, last), nil
	}
	return r.hits, "", nil
}

// further finds a page behind another one.
func (p *plan) further(tx *sqlite.Tx) (hits []Hit, next string, err error) {
	before := p.before
	for tier := p.tier; tier < len(p.tiers); tier++ {
		left := p.limit - len(hits)
		found, err := p.hits(tx, p.tiers[tier], before, left+1)
		if err != nil {
			return nil, "", err
		}
		if len(found) > left {
			found = found[:left]
			last := before
			if left > 0 {
				last = found[left-1].seq
			}
			return append(hits, found...), fmt.Sprintf("%d-%d", tier, last), nil
		}
		hits, before = append(hits, found...), first
	}
	return hits, "", nil
}

func (p *plan) hits(tx *sqlite.Tx, match string, before int64, limit int) (hits []Hit, err error) {
	query, args := p.query(`d.seq, d.id, d.box, d.state, d.urgency, d.type, d.date, d.sender`, match, before, limit)
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var h Hit
		if err := rows.Scan(&h.seq, &h.ID, &h.Box, &h.State, &h.Urgency, &h.Type, &h.Date, &h.sender); err != nil {
			return nil, err
		}
		hits = append(hits, h)
	}
	return hits, rows.Err()
}

// describe reads the fields of hits and marks the words in them.
func (p *plan) describe(tx *sqlite.Tx, hits []Hit) error {
	m := newMarker(p.terms)
	for i := range hits {
		var raw string
		if err := tx.QueryRow(`SELECT fields FROM search_fields WHERE document = ?`, hits[i].seq).Scan(&raw); err != nil {
			return err
		}
		var fields []text
		if err := json.Unmarshal([]byte(raw), &fields); err != nil {
			return fmt.Errorf("read fields: %w", err)
		}
		hits[i].Fields, hits[i].InFiles = m.mark(fields)
	}
	return nil
}
