package lgsp

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tram/agent/connector"
	"tram/agent/fold"
	"tram/agent/hub/registry"
	"tram/agent/office"
	"tram/storage"
	"tram/storage/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables of a connector's own database.
var Schema = sqlite.Embedded("lgsp", migrations)

const (
	stateFile = "state.db"
	// keepSent is how long what was sent is remembered.
	keepSent = 90 * 24 * time.Hour
	// maxAgencies bounds the axis's list of offices; what is beyond is left out.
	maxAgencies = 500_000
	maxName     = 300 // bytes of a name that are kept
	agencyBatch = 1000
	maxWords    = 6    // of a search
	maxFound    = 2000 // offices that a search looks at more closely
)

// marks.
const (
	markAgencies = "agencies" // number of the newest complete list
	markListed   = "listed"   // when it was read
	markRound    = "round"    // when all that was there had been taken in, by kind of message
)

// state is what a connector remembers.
type state struct{ db *sqlite.DB }

func openState(env connector.Env) (state, error) {
	db, err := sqlite.Open(context.Background(), filepath.Join(env.Dir, stateFile), sqlite.Options{
		Schemas: []sqlite.Schema{Schema}, Logger: env.Logger, Now: env.Now,
	})
	if err != nil {
		return state{}, fmt.Errorf("open state of connector: %w", err)
	}
	return state{db}, nil
}

// attempt is how far a document came: ref names it at the axis, "" while that is
// not known; begun is whether it may be there.
func (s state) attempt(ctx context.Context, id storage.ID) (ref string, begun time.Time, err error) {
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT ref, begun FROM sent WHERE document = ?`, id).Scan(&ref, sqlite.Timestamp(&begun))
	})
	if errors.Is(err, sql.ErrNoRows) {
		return "", time.Time{}, nil
	}
	return ref, begun, err
}

// begin notes that a document is about to be sent.
func (s state) begin(ctx context.Context, id storage.ID, edxmlID string) error {
	return s.db.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`INSERT INTO sent (document, edxml_id, begun) VALUES (?, ?, ?) ON CONFLICT (document) DO NOTHING`, id, edxmlID, tx.Now())
		return err
	})
}

// end notes how the axis names a document that it has.
func (s state) end(ctx context.Context, id storage.ID, ref string) error {
	return s.db.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`UPDATE sent SET ref = ? WHERE document = ?`, ref, id)
		return err
	})
}

// forget notes that the axis does not have a document.
func (s state) forget(ctx context.Context, id storage.ID) error {
	return s.db.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`DELETE FROM sent WHERE document = ?`, id)
		return err
	})
}

// open reports whether documents are under way at the axis, and since when.
func (s state) open(ctx context.Context) (since time.Time, ok bool, err error) {
	var n int
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT count(*), coalesce(min(begun), 0) FROM sent WHERE ref <> '' AND state NOT IN (?, ?)`, delivered, failed).
			Scan(&n, sqlite.Timestamp(&since))
	})
	return since, n > 0, err
}

// known is the document that the axis names so; ok is false when it is none of
// ours, or when state is what the axis has said before.
func (s state) known(ctx context.Context, ref, state string) (id storage.ID, ok bool, err error) {
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT document FROM sent WHERE ref = ? AND ref <> '' AND state <> ?`, ref, state).Scan(&id)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return storage.ID{}, false, nil
	}
	return id, err == nil, err
}

// moved keeps the state that the axis tells of a document.
func (s state) moved(ctx context.Context, id storage.ID, to string) error {
	return s.db.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`UPDATE sent SET state = ? WHERE document = ?`, to, id)
		return err
	})
}

func (s state) mark(ctx context.Context, name string) (value int64, err error) {
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT value FROM marks WHERE name = ?`, name).Scan(&value)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return value, err
}

func setMark(tx *sqlite.Tx, name string, value int64) error {
	_, err := tx.Exec(`INSERT INTO marks (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	return err
}

func (s state) setMark(ctx context.Context, name string, value int64) error {
	return s.db.Update(ctx, func(tx *sqlite.Tx) error { return setMark(tx, name, value) })
}

// tidy forgets what is too old to matter.
func (s state) tidy(ctx context.Context, now time.Time) error {
	return s.db.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`DELETE FROM sent WHERE begun < ?`, now.Add(-keepSent))
		return err
	})
}

// agencies takes a new list of offices in; it is shown when it is complete.
type agencies struct {
	s     state
	round int64
	batch []entry
	count int
}

func (s state) newAgencies(ctx context.Context) (*agencies, error) {
	last, err := s.mark(ctx, markAgencies)
	if err != nil {
		return nil, err
	}
	return &agencies{s: s, round: last + 1}, s.clear(ctx, `round <> ?`, last)
}

// clear removes offices, in small steps, so that nobody waits long.
func (s state) clear(ctx context.Context, where string, round int64) error {
	for {
		var n int64
		err := s.db.Update(ctx, func(tx *sqlite.Tx) error {
			res, err := tx.Exec(`DELETE FROM agencies WHERE (code_key, round) IN (SELECT code_key, round FROM agencies WHERE `+where+` LIMIT ?)`, round, 10*agencyBatch)
			if err == nil {
				n, err = res.RowsAffected()
			}
			return err
		})
		if err != nil || n > 0 {
			if err != nil {
				return err
			}
			continue
		}
		return s.db.Update(ctx, func(tx *sqlite.Tx) error {
			_, err := tx.Exec(`DELETE FROM words WHERE `+where, round)
			return err
		})
	}
}

// add takes one office. Codes that stand for no office are left out.
func (a *agencies) add(ctx context.Context, e entry) error {
	if e.Code == "" {
		e.Code = e.OrgCode
	}
	if e.Name == "" {
		e.Name = e.OrgName
	}
	if e.OldCode == "" {
		e.OldCode = e.Code102
	}
	if registry.CheckCode(string(e.Code)) != nil || strings.HasPrefix(strings.ToUpper(string(e.Code)), "W00") || a.count >= maxAgencies {
		return nil
	}
	a.count++
	if a.batch = append(a.batch, e); len(a.batch) < agencyBatch { // a page
		return nil
	}
	return a.flush(ctx)
}

func (a *agencies) flush(ctx context.Context) error {
	var words strings.Builder
	err := a.s.db.Update(ctx, func(tx *sqlite.Tx) error {
		for _, e := range a.batch {
			name := clean(string(e.Name)[:min(len(e.Name), maxName)])
			if name == "" {
				name = string(e.Code)
			}
			old := ""
			if registry.Key(string(e.OldCode)) != registry.Key(string(e.Code)) {
				old = registry.Key(string(e.OldCode))
			}
			_, err := tx.Exec(`INSERT INTO agencies (code_key, round, code, old_key, name) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
				registry.Key(string(e.Code)), a.round, string(e.Code), old, name)
			if err != nil {
				return err
			}
			words.WriteString(fold.String(name+" "+string(e.Code)+" "+old) + "\t" + string(e.Code) + "\n")
		}
		_, err := tx.Exec(`INSERT INTO words (round, page, text) VALUES (?, ?, ?)`, a.round, a.count, words.String())
		return err
	})
	a.batch = a.batch[:0]
	return err
}

// done shows the list from now on.
func (a *agencies) done(ctx context.Context, now time.Time) error {
	if err := a.flush(ctx); err != nil {
		return err
	}
	err := a.s.db.Update(ctx, func(tx *sqlite.Tx) error {
		return errors.Join(setMark(tx, markAgencies, a.round), setMark(tx, markListed, now.UnixMilli()))
	})
	if err != nil {
		return err
	}
	return a.s.clear(ctx, `round < ?`, a.round)
}

// agency finds an office by its code or the one of before.
func (s state) agency(code string) (p office.Party, ok bool, err error) {
	err = s.db.View(context.Background(), func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT code, name FROM agencies WHERE (code_key = ?1 OR old_key = ?1 AND old_key <> '')
			AND round = (SELECT value FROM marks WHERE name = ?2) ORDER BY code_key <> ?1 LIMIT 1`, registry.Key(code), markAgencies).Scan(&p.Code, &p.Name)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return office.Party{}, false, nil
	}
	return p, err == nil, err
}

// search finds offices that have all words; those whose code begins so come
// first, then those with the shortest names.
func (s state) search(ctx context.Context, text string, limit int, wanted func(code string) bool) ([]office.Party, error) {
	words := strings.Fields(fold.String(text))
	if len(words) == 0 || len(words) > maxWords || limit <= 0 {
		return nil, nil
	}
	var found []string // lines
	err := s.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT text FROM words WHERE round = (SELECT value FROM marks WHERE name = ?) ORDER BY page`, markAgencies)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() && len(found) < maxFound {
			var page string
			if err := rows.Scan(&page); err != nil {
				return err
			}
			found = linesWith(page, words, wanted, found)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("search offices of the axis: %w", err)
	}
	key := registry.Key(text)
	slices.SortStableFunc(found, func(a, b string) int {
		return cmp.Or(cmp.Compare(notPrefix(a, key), notPrefix(b, key)), cmp.Compare(len(a), len(b)))
	})
	var list []office.Party
	for _, line := range found[:min(len(found), limit)] {
		if p, ok, err := s.agency(codeOf(line)); err != nil {
			return nil, err
		} else if ok {
			list = append(list, p)
		}
	}
	return list, nil
}

// linesWith adds the lines of a page that have all words.
func linesWith(page string, words []string, wanted func(code string) bool, found []string) []string {
	for len(found) < maxFound {
		i := strings.Index(page, words[0])
		if i < 0 {
			break
		}
		start := strings.LastIndexByte(page[:i], '\n') + 1
		line, rest, _ := strings.Cut(page[start:], "\n")
		page = rest
		said, code, _ := strings.Cut(line, "\t")
		if wanted(code) && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(said, w) }) {
			found = append(found, strings.Clone(line))
		}
	}
	return found
}

func codeOf(line string) string {
	_, code, _ := strings.Cut(line, "\t")
	return code
}

// notPrefix is 0 for an office whose code begins with key.
func notPrefix(line, key string) int {
	if strings.HasPrefix(registry.Key(codeOf(line)), key) {
		return 0
	}
	return 1
}
