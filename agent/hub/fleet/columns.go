package fleet

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"hash"
	"time"

	"tram/storage/sqlite"
)

// Columns are all boxes of a query in the order of their codes, a column for each
// thing that changes: what a console asks for again and again. While Roster is the
// same, Tiles names the same boxes.
type Columns struct {
	At       time.Time `json:"at"`
	Roster   string    `json:"roster"`
	States   string    `json:"states"`   // a letter for each: "-" not enrolled, n normal, l late, o out of contact, g in a group, r needs repair, s stopped
	Queue    []int     `json:"queue"`    // documents
	Age      []int     `json:"age"`      // of the oldest of them, minutes
	Versions []string  `json:"versions"` // each once
	Version  []int     `json:"version"`  // place in Versions
	Seen     []int     `json:"seen"`     // minutes since the last contact; -1: never
}

// Tiles are the names of the boxes in Columns, in the same order.
type Tiles struct {
	Roster   string   `json:"roster"`
	Codes    []string `json:"codes"`
	Names    []string `json:"names"`
	Clusters []string `json:"clusters"` // each once
	Cluster  []int    `json:"cluster"`  // place in Clusters
}

// tile is a box in both.
type tile struct {
	code, name, cluster, software string
	state                         State
	online                        bool
	queue                         int
	since, seen                   int64
}

func (f *Fleet) tiles(ctx context.Context, q Query) (list []tile, now time.Time, err error) {
	err = f.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		now = tx.Now()
		where, args := q.where(now)
		list, err = sqlite.Collect(tx, func(rows *sql.Rows, t *tile) error {
			return rows.Scan(&t.code, &t.name, &t.cluster, &t.software, &t.state, &t.online, &t.queue, &t.since, &t.seen)
		}, `SELECT code, name, cluster, software, state, online, queue_count, queue_since, seen FROM agents WHERE `+where+` ORDER BY code`, args...)
		return err
	})
	if err != nil {
		err = fmt.Errorf("read boxes: %w", err)
	}
	return list, now, err
}

// Columns returns the boxes of a query, its order and paging aside.
func (f *Fleet) Columns(ctx context.Context, q Query) (Columns, error) {
	list, now, err := f.tiles(ctx, q)
	n := len(list)
	c := Columns{At: now, Queue: make([]int, n), Age: make([]int, n), Versions: []string{}, Version: make([]int, n), Seen: make([]int, n)}
	states, roster, versions := make([]byte, n), sha256.New(), places{}
	for i, t := range list {
		t.sign(roster)
		states[i], c.Queue[i], c.Version[i] = letters[t.state], t.queue, versions.of(t.software, &c.Versions)
		if t.since > 0 {
			c.Age[i] = minutes(now, t.since)
		}
		switch {
		case t.online:
		case t.seen == 0:
			c.Seen[i] = -1
		default:
			c.Seen[i] = minutes(now, t.seen)
		}
	}
	c.States, c.Roster = string(states), name(roster)
	return c, err
}

func minutes(now time.Time, since int64) int {
	return max(0, int(now.Sub(sqlite.Time(since))/time.Minute))
}

// Tiles returns the names of the boxes of a query.
func (f *Fleet) Tiles(ctx context.Context, q Query) (Tiles, error) {
	list, _, err := f.tiles(ctx, q)
	n := len(list)
	t := Tiles{Codes: make([]string, n), Names: make([]string, n), Clusters: []string{}, Cluster: make([]int, n)}
	roster, clusters := sha256.New(), places{}
	for i, box := range list {
		box.sign(roster)
		t.Codes[i], t.Names[i], t.Cluster[i] = box.code, box.name, clusters.of(box.cluster, &t.Clusters)
	}
	t.Roster = name(roster)
	return t, err
}

// places are the places of texts in a list that has each once.
type places map[string]int

func (p places) of(text string, list *[]string) int {
	at, known := p[text]
	if !known {
		at = len(*list)
		p[text], *list = at, append(*list, text)
	}
	return at
}

// sign puts into a digest what Tiles says of the box.
func (t tile) sign(h hash.Hash) {
	for _, s := range []string{t.code, t.name, t.cluster} {
		h.Write([]byte(s)) // a Hash takes everything
		h.Write([]byte{0})
	}
}

func name(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)[:8]) }
