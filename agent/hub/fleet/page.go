package fleet

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"tram/agent/fold"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/sqlite"
)

const (
	// DefaultPage is how many boxes a Page has.
	DefaultPage = 100
	// MaxPage is how many it has at most; a Query for more gets those.
	MaxPage = 1000
	// maxCursor bounds Query.After, in bytes, and maxWord Query.Text.
	maxCursor = 1 << 10
	maxWord   = 200
)

// Query chooses boxes. What is empty chooses all.
type Query struct {
	Clusters []string // those of these: also what an operator may see
	States   []State
	Software string // exactly
	Text     string // in code or name, whatever its diacritics
	// CertificateWithin are those whose certificate ends within so long, QueueOlder
	// those that hold a document for longer.
	CertificateWithin, QueueOlder time.Duration

	Sort  string // one of Sorts; "" is "code"
	Desc  bool
	After string // Page.Next of the page before
	Limit int    // DefaultPage when not positive, at most MaxPage
}

// Page is some boxes in their order.
type Page struct {
	Agents []Agent `json:"agents"`
	Next   string  `json:"next,omitempty"` // for Query.After; "" at the end
}

// sorts are the expressions by which boxes can be sorted; what is not known comes
// last when sorted upwards, and of states what a person has to look at first.
var sorts = map[string]string{
	"code": "code", "name": "name_key", "state": "CASE state WHEN 5 THEN 0 WHEN 3 THEN 1 WHEN 4 THEN 2 WHEN 2 THEN 3 WHEN 0 THEN 4 WHEN 6 THEN 5 ELSE 6 END", "since": "state_since", "seen": "seen", "software": "software", "cluster": "cluster",
	"queue": "queue_count", "age": "iif(queue_since = 0, 1 << 62, queue_since)", "certificate": "iif(certificate = 0, 1 << 62, certificate)",
	"disk": "iif(disk_days < 0, 1 << 62, disk_days)", "clock": "abs(clock_offset)", "sim": "iif(sim_left < 0, 1 << 62, sim_left)",
}

// Sorts are the words of Query.Sort.
var Sorts = []string{"code", "name", "state", "since", "seen", "software", "cluster", "queue", "age", "certificate", "disk", "clock", "sim"}

// cursor is where a page ended.
type cursor struct {
	Sort string `json:"s"`
	At   any    `json:"a"`
	Code string `json:"c"`
}

// where gives the condition of a query.
func (q Query) where(now time.Time) (string, []any) {
	conditions, args := []string{"listed = 1"}, []any{}
	add := func(condition string, values ...any) {
		conditions, args = append(conditions, condition), append(args, values...)
	}
	if len(q.Clusters) > 0 {
		data, _ := json.Marshal(q.Clusters) // texts always encode
		add("cluster IN (SELECT value FROM json_each(?))", string(data))
	}
	if len(q.States) > 0 {
		numbers := make([]int, len(q.States))
		for i, s := range q.States {
			numbers[i] = int(s)
		}
		data, _ := json.Marshal(numbers)
		add("state IN (SELECT value FROM json_each(?))", string(data))
	}
	if q.Software != "" {
		add("software = ?", q.Software)
	}
	if text := strings.TrimSpace(q.Text); text != "" {
		add("(instr(name_fold, ?) > 0 OR instr(lower(code), ?) > 0)", fold.String(text), strings.ToLower(text))
	}
	if q.CertificateWithin > 0 {
		add("certificate > 0 AND certificate < ?", sqlite.Millis(now.Add(q.CertificateWithin)))
	}
	if q.QueueOlder > 0 {
		add("queue_since > 0 AND queue_since < ?", sqlite.Millis(now.Add(-q.QueueOlder)))
	}
	return strings.Join(conditions, " AND "), args
}

// Page returns boxes. Problems: fleet.sort, fleet.cursor, fleet.text.
func (f *Fleet) Page(ctx context.Context, q Query) (Page, error) {
	if q.Limit <= 0 {
		q.Limit = DefaultPage
	}
	q.Limit = min(q.Limit, MaxPage)
	if q.Sort == "" {
		q.Sort = "code"
	}
	by, ok := sorts[q.Sort]
	if !ok {
		return Page{}, problem.New(problem.Usage, "fleet.sort", "sort", i18n.Args{"value": q.Sort, "allowed": strings.Join(Sorts, ", ")})
	}
	if len(q.Text) > maxWord || !utf8.ValidString(q.Text) {
		return Page{}, problem.New(problem.Usage, "fleet.text", "text", i18n.Args{"max": maxWord})
	}
	order, than := "", ">"
	if q.Desc {
		order, than = " DESC", "<"
	}
	after, err := q.cursor()
	if err != nil {
		return Page{}, err
	}
	page := Page{Agents: []Agent{}}
	err = f.db.View(ctx, func(tx *sqlite.Tx) error {
		where, args := q.where(tx.Now())
		if after != nil {
			where += " AND (" + by + ", code) " + than + " (?, ?)"
			args = append(args, after.At, after.Code)
		}
		keys := []any{}
		list, err := sqlite.Collect(tx, func(rows *sql.Rows, a *Agent) error {
			var key any
			defer func() { keys = append(keys, key) }()
			return scanInto(rows, a, &key)
		}, `SELECT `+agentColumns+`, `+by+` FROM agents WHERE `+where+` ORDER BY `+by+order+`, code`+order+` LIMIT ?`, append(args, q.Limit+1)...)
		if err != nil {
			return err
		}
		if len(list) > q.Limit {
			list = list[:q.Limit]
			end := cursor{q.Sort, keys[q.Limit-1], list[q.Limit-1].Code}
			data, err := json.Marshal(end)
			if err != nil {
				return err
			}
			page.Next = base64.RawURLEncoding.EncodeToString(data)
		}
		page.Agents = append(page.Agents, list...)
		return nil
	})
	if err != nil {
		return Page{}, fmt.Errorf("page of boxes: %w", err)
	}
	return page, nil
}

// cursor reads Query.After, nil when it is empty.
func (q Query) cursor() (*cursor, error) {
	if q.After == "" {
		return nil, nil
	}
	bad := problem.New(problem.Usage, "fleet.cursor", "after", nil)
	data, err := base64.RawURLEncoding.DecodeString(q.After)
	if err != nil || len(data) > maxCursor {
		return nil, bad.Because(err)
	}
	var c cursor
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.UseNumber()
	if err := d.Decode(&c); err != nil || c.Sort != q.Sort {
		return nil, bad.Because(err)
	}
	switch at := c.At.(type) {
	case string:
	case json.Number:
		if c.At, err = at.Int64(); err != nil {
			return nil, bad.Because(err)
		}
	default:
		return nil, bad
	}
	return &c, nil
}

// Tally is how many boxes of a cluster are in a state with a software.
type Tally struct {
	Cluster  string
	State    State
	Software string
	Count    int
}

// Tallies counts all boxes, by cluster.
func (f *Fleet) Tallies(ctx context.Context) (list []Tally, err error) {
	err = f.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		list, err = sqlite.Collect(tx, func(rows *sql.Rows, g *Tally) error { return rows.Scan(&g.Cluster, &g.State, &g.Software, &g.Count) },
			`SELECT cluster, state, software, count(*) FROM agents WHERE listed = 1 GROUP BY cluster, state, software ORDER BY cluster, state, software`)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count boxes: %w", err)
	}
	return list, nil
}

// Count is how many boxes are in a state.
type Count struct {
	State State `json:"state"`
	Count int   `json:"count"`
}

// Counts returns how many boxes of a query are in each state, its States and
// paging aside.
func (f *Fleet) Counts(ctx context.Context, q Query) ([]Count, error) {
	counts := make([]Count, len(States))
	for i, s := range States {
		counts[i].State = s
	}
	q.States = nil
	err := f.db.View(ctx, func(tx *sqlite.Tx) error {
		where, args := q.where(tx.Now())
		list, err := sqlite.Collect(tx, func(rows *sql.Rows, c *Count) error { return rows.Scan(&c.State, &c.Count) },
			`SELECT state, count(*) FROM agents WHERE `+where+` GROUP BY state`, args...)
		for _, c := range list {
			counts[c.State] = c
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count boxes: %w", err)
	}
	return counts, nil
}

// Facet is a value by which boxes can be chosen, and how many have it.
type Facet struct {
	Value string `json:"value"`
	Count int    `json:"count"`
	Hours string `json:"hours,omitempty"` // of a cluster: usual hours of those that have none of their own
}

// Facets are the values that the boxes of a query have.
type Facets struct {
	Clusters []Facet `json:"clusters"`
	Software []Facet `json:"software"`
}

// Facets returns by what the boxes of a query can be chosen further, its paging
// aside.
func (f *Fleet) Facets(ctx context.Context, q Query) (Facets, error) {
	var facets Facets
	err := f.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		where, args := q.where(tx.Now())
		scan := func(rows *sql.Rows, v *Facet) error { return rows.Scan(&v.Value, &v.Count, &v.Hours) }
		facets.Clusters, err = sqlite.Collect(tx, scan, `SELECT cluster, count(*), coalesce((SELECT hours FROM clusters WHERE name = cluster), '')
			FROM agents WHERE `+where+` GROUP BY cluster ORDER BY cluster`, args...)
		if err != nil {
			return err
		}
		facets.Software, err = sqlite.Collect(tx, scan, `SELECT software, count(*), '' FROM agents WHERE `+where+` GROUP BY software ORDER BY software`, args...)
		return err
	})
	if err != nil {
		return Facets{}, fmt.Errorf("facets of boxes: %w", err)
	}
	return facets, nil
}
