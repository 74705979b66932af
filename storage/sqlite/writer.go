package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"tram/storage"
	"tram/storage/fsx"
)

const (
	// maxBatch is how many updates share one commit at most.
	maxBatch = 128
	// maxBatchTime is after how long a group takes in no more updates, so that
	// the first of it does not wait for its fsync for ever.
	maxBatchTime = 20 * time.Millisecond
	// maxStatements is how many prepared statements the writer keeps. They cost
	// a few KiB each outside the Go heap.
	maxStatements = 64
)

// writer runs updates one after the other on the single write connection.
//
// There is no goroutine of its own. An update waits for its turn, runs in its
// caller's goroutine, and then either hands the open transaction to the next
// one that waits, or commits for all of the group and wakes them. So a panic
// or a Goexit in an update needs no transport, and the one who commits is the
// last of the group.
type writer struct {
	db   *DB
	pool *sql.DB

	mu      sync.Mutex // guards the five below; never held across SQL
	busy    bool       // somebody has the turn
	waiting []*ticket  // first come, first served
	closed  bool
	idle    chan struct{} // closed when closed and no longer busy

	// The holder of the turn owns what follows.
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	group *batch // the open transaction that the next update joins, or nil
}

// errReaders says that old pages stay in the log while somebody reads them.
var errReaders = errors.New("the log is being read")

// ticket is an update that waits for its turn.
type ticket struct {
	ready chan struct{} // closed when the turn came, or with err
	err   error
}

// batch is a group of updates that one commit makes durable.
type batch struct {
	begun   time.Time
	open    bool  // BEGIN was run and not undone
	joined  int   // updates that ran in it
	waiting int   // of these, updates that wait for the commit
	broken  error // SQLite may have rolled back: nothing of it can be committed
	done    chan struct{}
	err     error // of the commit; read after done
}

func newWriter(db *DB, pool *sql.DB, conn *sql.Conn) *writer {
	return &writer{db: db, pool: pool, conn: conn, stmts: map[string]*sql.Stmt{}, idle: make(chan struct{})}
}

func (w *writer) update(ctx context.Context, fn func(*Tx) error) error {
	if err := w.acquire(ctx); err != nil {
		return fmt.Errorf("update database: %w", err)
	}
	b := w.group
	if b == nil {
		b = &batch{begun: time.Now(), done: make(chan struct{})}
		w.group = b
	}
	first := !b.open
	if err := w.begin(b); err != nil {
		b.broken = w.db.mapError(err)
		w.finish(b)
		return fmt.Errorf("update database: %w", b.broken)
	}
	b.joined++
	tx := &Tx{ctx: ctx, db: w.db, now: w.db.txTime(), run: w, batch: b}

	returned := false
	defer func() {
		if !returned { // fn panicked or ended the goroutine; that goes on after this
			tx.done = true
			w.undo(b, first)
			w.next(b)
		}
	}()
	err := fn(tx)
	returned = true
	tx.done = true

	if err == nil && b.broken == nil {
		err = w.keep(b, first)
	} else {
		w.undo(b, first)
	}
	if err != nil || b.broken != nil {
		err = cause(b.broken, err)
		w.next(b)
		return err
	}
	b.waiting++
	w.next(b)
	<-b.done
	if b.err != nil {
		return fmt.Errorf("update database: %w", b.err)
	}
	for _, after := range tx.after {
		after()
	}
	return nil
}

// cause prefers the cause that broke the transaction, unless fn's own error
// already says it.
func cause(broken, err error) error {
	if broken == nil || (err != nil && errors.Is(err, broken)) {
		return err
	}
	return fmt.Errorf("update database: %w", broken)
}

// begin opens the transaction for the first update of a group and a savepoint
// for each further one.
func (w *writer) begin(b *batch) error {
	ctx := context.Background()
	if b.open {
		_, err := w.ExecContext(ctx, "SAVEPOINT one")
		return err
	}
	_, err := w.ExecContext(ctx, "BEGIN IMMEDIATE")
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) {
		if err = w.reconnect(ctx); err == nil {
			_, err = w.ExecContext(ctx, "BEGIN IMMEDIATE")
		}
	}
	b.open = err == nil
	return err
}

// keep makes an update's changes part of the group.
func (w *writer) keep(b *batch, first bool) error {
	if first {
		return nil
	}
	_, err := w.ExecContext(context.Background(), "RELEASE one")
	if err != nil { // the savepoint is gone: SQLite has rolled back
		b.broken = w.db.mapError(err)
	}
	return b.broken
}

// rewrite makes the database anew outside of any transaction, and cuts the log that
// has the old pages. A group that is open ends before.
func (w *writer) rewrite(ctx context.Context) error {
	if err := w.acquire(ctx); err != nil {
		return err
	}
	if w.group != nil {
		w.finish(w.group)
		return w.rewrite(ctx)
	}
	defer w.pass(true)
	if err := w.run(PointRewrite, "VACUUM"); err != nil {
		return err
	}
	return PointCut.Do(w.db.path, func() error {
		var busy, pages, done int
		err := w.conn.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &done)
		if err == nil && busy != 0 {
			err = errReaders
		}
		return err
	})
}

// run runs a statement that is a step.
func (w *writer) run(p fsx.Point, query string) error {
	return p.Do(w.db.path, func() error {
		_, err := w.ExecContext(context.Background(), query)
		return err
	})
}

// undo takes back what one update did, and only that.
func (w *writer) undo(b *batch, first bool) {
	if b.broken != nil {
		return // finish rolls everything back
	}
	query := "ROLLBACK TO one; RELEASE one"
	if first {
		query = "ROLLBACK"
		b.open = false
	}
	if _, err := w.conn.ExecContext(context.Background(), query); err != nil {
		b.broken = w.db.mapError(err)
	}
}

// next hands the open transaction to an update that waits, or ends the group.
func (w *writer) next(b *batch) {
	if b.broken == nil && b.joined < maxBatch && time.Since(b.begun) < maxBatchTime && w.pass(false) {
		return
	}
	w.finish(b)
}

// finish commits a group, or rolls it back when it is broken or empty, wakes
// its updates and gives the turn away.
func (w *writer) finish(b *batch) {
	ctx := context.Background()
	b.err = b.broken
	if b.err == nil && b.open && b.waiting > 0 {
		if err := w.run(PointCommit, "COMMIT"); err != nil {
			b.err = w.db.mapError(err)
		} else {
			b.open = false
		}
	}
	if b.open || b.broken != nil {
		_, _ = w.conn.ExecContext(ctx, "ROLLBACK") // fails when SQLite has rolled back by itself
	}
	w.group = nil
	close(b.done)
	w.pass(true)
}

// acquire waits for the turn.
func (w *writer) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return storage.ErrClosed
	}
	if !w.busy {
		w.busy = true
		w.mu.Unlock()
		return nil
	}
	t := &ticket{ready: make(chan struct{})}
	w.waiting = append(w.waiting, t)
	w.mu.Unlock()

	select {
	case <-t.ready:
		return t.err
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := slices.Index(w.waiting, t); i >= 0 {
		w.waiting = slices.Delete(w.waiting, i, i+1)
		return ctx.Err()
	}
	return t.err // the turn came first
}

// pass gives the turn to the next update that waits and says whether there was
// one. Without one the turn is free again, but only if release is set.
func (w *writer) pass(release bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) > 0 {
		t := w.waiting[0]
		w.waiting = slices.Delete(w.waiting, 0, 1)
		close(t.ready)
		return true
	}
	if release {
		w.busy = false
		if w.closed {
			close(w.idle)
		}
	}
	return false
}

func (w *writer) close() error {
	w.mu.Lock()
	w.closed = true
	for _, t := range w.waiting {
		t.err = storage.ErrClosed
		close(t.ready)
	}
	w.waiting = nil
	busy := w.busy
	w.mu.Unlock()
	if busy {
		<-w.idle
	}
	w.forget()
	return PointClose.Do(w.db.path, func() error { return errors.Join(w.conn.Close(), w.pool.Close()) })
}

// reconnect replaces a connection that the driver has given up.
func (w *writer) reconnect(ctx context.Context) error {
	w.forget()
	_ = w.conn.Close() // it is bad
	conn, err := w.pool.Conn(ctx)
	if err != nil {
		return err
	}
	w.conn = conn
	return nil
}

// forget drops the prepared statements.
func (w *writer) forget() {
	for _, s := range w.stmts {
		_ = s.Close() // the connection may be gone
	}
	clear(w.stmts)
}

// prepared returns the kept statement for a query.
func (w *writer) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	if s := w.stmts[query]; s != nil {
		return s, nil
	}
	if len(w.stmts) >= maxStatements {
		for q, s := range w.stmts { // any
			_ = s.Close()
			delete(w.stmts, q)
			break
		}
	}
	s, err := w.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	w.stmts[query] = s
	return s, nil
}

// ExecContext implements runner with kept statements.
func (w *writer) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := w.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

// QueryContext implements runner. It prepares anew each time: the rows of a
// kept statement would end when a nested call runs the same query.
func (w *writer) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return w.conn.QueryContext(ctx, query, args...)
}

// QueryRowContext implements runner with kept statements.
func (w *writer) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	s, err := w.prepared(ctx, query)
	if err != nil {
		return w.conn.QueryRowContext(ctx, query, args...) // reports the same error
	}
	return s.QueryRowContext(ctx, args...)
}
