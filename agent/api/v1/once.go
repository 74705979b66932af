package v1

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

const (
	// AnswerLife is how long the answer to a call with an Idempotency-Key is kept.
	// After it the same key is a new one.
	AnswerLife = 7 * 24 * time.Hour
	// MaxIdempotencyKey is the longest key, characters.
	MaxIdempotencyKey = 255
	// onceRetry is when to try again while the same call is under way, seconds.
	onceRetry = 1
)

// answer is what a call is answered with, also when it comes again.
type answer struct {
	status   int
	location string // "" for none
	body     []byte // JSON
}

// keeper keeps an answer within the transaction that makes what it tells of.
// It is nil when the call has no key.
type keeper func(tx *sqlite.Tx, a answer) error

// busy are the keys whose calls are under way.
type busy struct {
	mu sync.Mutex
	by map[string]bool
}

func (b *busy) enter(key string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.by[key] {
		return false
	}
	b.by[key] = true
	return true
}

func (b *busy) leave(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.by, key)
}

// idempotencyKey reads the header of that name, as it stands or as the quoted
// string of the draft standard.
func (c *call) idempotencyKey(needed bool) (string, error) {
	values := c.r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		if needed {
			return "", problem.New(problem.Usage, "api.no-idempotency-key", "Idempotency-Key", nil)
		}
		return "", nil
	}
	key := values[0]
	if len(key) > 2 && strings.HasPrefix(key, `"`) && strings.HasSuffix(key, `"`) {
		key = key[1 : len(key)-1]
	}
	odd := strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' })
	if len(values) > 1 || key == "" || len(key) > MaxIdempotencyKey || odd {
		return "", problem.New(problem.Usage, "api.idempotency-key-form", "Idempotency-Key", i18n.Args{"most": MaxIdempotencyKey})
	}
	return key, nil
}

// once does a call once for its Idempotency-Key. digest is that of the body; the
// operation and its address count as well. do is to hand its answer to the keeper
// in the transaction of the change; where the change can be made again without
// harm it need not, and the answer is kept afterwards. A refusal is not kept: it
// has changed nothing.
func (c *call) once(needed bool, body [32]byte, do func(keeper) (answer, error)) error {
	key, err := c.idempotencyKey(needed)
	if err != nil {
		return err
	}
	if key == "" {
		a, err := do(nil)
		if err != nil {
			return err
		}
		return c.give(a)
	}
	turn := c.app.Name + "\x00" + key
	if !c.s.busy.enter(turn) {
		return later{problem.New(problem.Busy, "api.idempotency-busy", "Idempotency-Key", nil), onceRetry}
	}
	defer c.s.busy.leave(turn)
	digest := sha256.Sum256([]byte(c.op.id + "\x00" + c.r.URL.RequestURI() + "\x00" + string(body[:])))
	if a, err := c.kept(key, digest); err != nil || a != nil {
		if err != nil {
			return err
		}
		c.w.Header().Set("Idempotency-Replayed", "true")
		return c.give(*a)
	}
	stored := false
	keep := func(tx *sqlite.Tx, a answer) error {
		stored = true
		return c.insertAnswer(tx, key, digest, a)
	}
	a, err := do(keep)
	if err != nil {
		return err
	}
	if !stored {
		err = c.s.o.DB.Update(context.WithoutCancel(c.ctx()), func(tx *sqlite.Tx) error { return c.insertAnswer(tx, key, digest, a) })
		if err != nil {
			return fmt.Errorf("keep answer: %w", storing(err))
		}
	}
	return c.give(a)
}

func (c *call) insertAnswer(tx *sqlite.Tx, key string, digest [32]byte, a answer) error {
	_, err := tx.Exec(`INSERT INTO api_answers (app, key, digest, status, location, body, created) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET digest = excluded.digest, status = excluded.status, location = excluded.location, body = excluded.body, created = excluded.created
		WHERE api_answers.created < ?`, c.app.Name, key, digest, a.status, a.location, a.body, tx.Now(), tx.Now().Add(-AnswerLife))
	if err != nil {
		return fmt.Errorf("keep answer: %w", err)
	}
	return nil
}

// kept is the answer that a key has had, nil for none.
func (c *call) kept(key string, digest [32]byte) (*answer, error) {
	var a answer
	var was [32]byte
	err := c.s.o.DB.View(c.ctx(), func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT digest, status, location, body FROM api_answers WHERE app = ? AND key = ? AND created >= ?`,
			c.app.Name, key, tx.Now().Add(-AnswerLife)).Scan(sqlite.Digest(&was), &a.status, &a.location, &a.body)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look answer up: %w", err)
	case was != digest:
		return nil, problem.New(problem.Usage, "api.idempotency-other", "Idempotency-Key", nil)
	}
	return &a, nil
}

func (c *call) give(a answer) error {
	if a.location != "" {
		c.w.Header().Set("Location", a.location)
	}
	if a.status == http.StatusNoContent {
		c.w.WriteHeader(a.status)
		return nil
	}
	c.write(a.status, "application/json", a.body)
	return nil
}

// storing turns an error of the stores into what a person can act on.
func storing(err error) error {
	if errors.Is(err, storage.ErrFull) {
		return problem.New(problem.Full, "office.full", "", nil).Because(err)
	}
	return err
}
