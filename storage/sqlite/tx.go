package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Tx is a transaction, valid until the function that got it returns. It is for
// one goroutine.
type Tx struct {
	ctx   context.Context
	db    *DB
	now   time.Time
	run   runner
	batch *batch // nil in a View
	after []func()
	done  bool
}

// Context returns the context of the Update or View. It does not interrupt
// statements of an Update.
func (tx *Tx) Context() context.Context { return tx.ctx }

// Now returns the time of the transaction: the same at each call, in UTC, with
// the millisecond precision of the database.
func (tx *Tx) Now() time.Time { return tx.now }

// OnCommit has fn run after the transaction is durable and before Update
// returns; never when it is rolled back. fn must not panic. In a View it is
// not called.
func (tx *Tx) OnCommit(fn func()) { tx.after = append(tx.after, fn) }

// Exec runs a statement that returns no rows.
func (tx *Tx) Exec(query string, args ...any) (sql.Result, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	res, err := tx.run.ExecContext(tx.sqlContext(), query, bind(args)...)
	return res, tx.note(err)
}

// Query runs a statement that returns rows. The caller closes them.
func (tx *Tx) Query(query string, args ...any) (*sql.Rows, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	rows, err := tx.run.QueryContext(tx.sqlContext(), query, bind(args)...)
	return rows, tx.note(err)
}

// QueryRow runs a statement that returns at most one row. Scan it before the
// same statement is run again.
func (tx *Tx) QueryRow(query string, args ...any) *sql.Row {
	ctx := tx.sqlContext()
	if tx.usable() != nil {
		// The only way to a Row that reports an error.
		canceled, cancel := context.WithCancel(ctx)
		cancel()
		ctx = canceled
	}
	row := tx.run.QueryRowContext(ctx, query, bind(args)...)
	_ = tx.note(row.Err()) // Scan reports it
	return row
}

// sqlContext is never canceled in an Update: an interrupted statement would
// roll the whole group back and cost the connection.
func (tx *Tx) sqlContext() context.Context {
	if tx.batch != nil {
		return context.WithoutCancel(tx.ctx)
	}
	return tx.ctx
}

func (tx *Tx) usable() error {
	if tx.done {
		return fmt.Errorf("use transaction: %w", sql.ErrTxDone)
	}
	if tx.batch != nil {
		return tx.batch.broken
	}
	return nil
}

// note maps an error and remembers one after which SQLite may have rolled the
// transaction back by itself: a later statement would then commit alone.
func (tx *Tx) note(err error) error {
	if err == nil {
		return nil
	}
	mapped := tx.db.mapError(err)
	if tx.batch != nil && endsTransaction(err) {
		tx.batch.broken = mapped
	}
	return mapped
}

// bind converts the types that have an agreed form in the database.
func bind(args []any) []any {
	out := args
	for i, a := range args {
		var v any
		switch a := a.(type) {
		case time.Time:
			v = Millis(a)
		case uuid.UUID:
			v = a[:]
		case [32]byte:
			v = a[:]
		default:
			continue
		}
		if &out[0] == &args[0] {
			out = append([]any(nil), args...)
		}
		out[i] = v
	}
	return out
}

// Millis returns t as the database stores it: unix milliseconds.
func Millis(t time.Time) int64 { return t.UnixMilli() }

// Time returns the time that [Millis] stored, in UTC. The zero time comes back
// as the zero time.
func Time(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// MillisOrZero is [Millis], and 0 for the zero time: of what has not happened.
func MillisOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return Millis(t)
}

// TimeOrZero returns the time that [MillisOrZero] stored.
func TimeOrZero(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return Time(ms)
}

// Digest returns a scanner that fills d from a 32-byte BLOB.
func Digest(d *[32]byte) sql.Scanner { return (*digestScanner)(d) }

type digestScanner [32]byte

func (d *digestScanner) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok || len(b) != len(d) {
		return fmt.Errorf("scan digest: got %T", src)
	}
	copy(d[:], b)
	return nil
}

// Timestamp returns a scanner that fills t from stored milliseconds.
func Timestamp(t *time.Time) sql.Scanner { return (*timeScanner)(t) }

type timeScanner time.Time

func (t *timeScanner) Scan(src any) error {
	ms, ok := src.(int64)
	if !ok {
		return fmt.Errorf("scan time: got %T", src)
	}
	*t = timeScanner(Time(ms))
	return nil
}
