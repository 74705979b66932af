package command

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"tram/agent/command"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// ErrStranger says that an answer is not of the office that was ordered, or to no
// order of this hub.
var ErrStranger = errors.New("answer to no order of that office")

// Took notes that an office has taken an order over.
func (b *Book) Took(tx *sqlite.Tx, id storage.ID) error {
	_, err := tx.Exec(`UPDATE hub_commands SET taken = ?, state = CASE state WHEN 'queued' THEN 'taken' ELSE state END WHERE id = ? AND taken = 0`, tx.Now(), id)
	return err
}

// NotTaken notes that an office's program will never take an order.
func (b *Book) NotTaken(tx *sqlite.Tx, id storage.ID) error {
	_, err := tx.Exec(`UPDATE hub_commands SET state = 'refused', why = ?, answered = ? WHERE id = ? AND state = 'queued'`, whyNotTaken, tx.Now(), id)
	return err
}

// Answered takes the answer of an office. [ErrStranger], command.ErrMalformed and
// command.ErrVersion say that it is none, now and ever.
func (b *Book) Answered(tx *sqlite.Tx, office string, to storage.ID, payload []byte) (r Record, err error) {
	a, err := command.ParseAnswer(payload)
	if err != nil {
		return r, err
	}
	list, err := records(tx, `WHERE id = ?`, a.Order)
	if err != nil {
		return r, err
	}
	if len(list) == 0 || a.Order != to || !strings.EqualFold(list[0].Office, office) {
		return r, fmt.Errorf("%w: %s", ErrStranger, a.Order)
	}
	r = list[0]
	if r.State == Done || r.State == Refused { // the first last word counts
		return r, nil
	}
	r.State, r.Why, r.At, r.Answered, r.Result = State(a.State), a.Why, a.At, tx.Now(), a.Result
	_, err = tx.Exec(`UPDATE hub_commands SET state = ?, why = ?, at = ?, answered = ?, result = ?, taken = CASE taken WHEN 0 THEN ?4 ELSE taken END WHERE id = ?`,
		string(r.State), r.Why, r.At, r.Answered, string(r.Result), r.ID)
	if err != nil {
		return r, err
	}
	if len(a.Archive) > 0 {
		r.Archive = int64(len(a.Archive))
		if err := keep(tx, r.ID, a.Archive); err != nil {
			return r, err
		}
	}
	detail := map[string]string{"command": string(r.Command), "state": string(r.State)}
	if r.Why != "" {
		detail["why"] = r.Why
	}
	return r, audit.Append(tx, audit.Entry{Actor: office, Action: "command.answered", Subject: r.ID.String(), Detail: detail})
}

// keep stores an archive and drops the oldest.
func keep(tx *sqlite.Tx, id storage.ID, archive []byte) error {
	if _, err := tx.Exec(`INSERT OR REPLACE INTO hub_command_archives (id, came, archive) VALUES (?, ?, ?)`, id, tx.Now(), archive); err != nil {
		return err
	}
	_, err := tx.Exec(`DELETE FROM hub_command_archives WHERE id NOT IN (SELECT id FROM hub_command_archives ORDER BY came DESC, id DESC LIMIT ?)`, MaxArchives)
	return err
}

// Take takes a queued order out of the queue; false when its office has it.
type Take func(tx *sqlite.Tx, id storage.ID, office string) (bool, error)

// Withdraw takes back an order that its office does not have. Problems: command.none,
// command.taken, command.over, command.role.
func (b *Book) Withdraw(ctx context.Context, id string, by string, role Role, take Take) (r Record, err error) {
	err = b.db.Update(ctx, func(tx *sqlite.Tx) error {
		if r, err = find(tx, id); err != nil {
			return err
		}
		switch {
		case !role.May(r.Command):
			return problem.New(problem.Denied, "command.role", "ID", i18n.Args{"command": r.Command})
		case r.State == Taken || r.State == Waiting:
			return problem.New(problem.Conflict, "command.taken", "ID", i18n.Args{"code": r.Office})
		case r.State != Queued:
			return problem.New(problem.Conflict, "command.over", "ID", nil)
		}
		waits, err := take(tx, r.ID, r.Office)
		if err != nil {
			return err
		}
		if !waits {
			return problem.New(problem.Conflict, "command.taken", "ID", i18n.Args{"code": r.Office})
		}
		r.State, r.Withdrawn = Withdrawn, by
		if _, err := tx.Exec(`UPDATE hub_commands SET state = 'withdrawn', withdrawn = ? WHERE id = ?`, by, r.ID); err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{Actor: by, Action: "command.withdrawn", Subject: r.ID.String(), Detail: map[string]string{"office": r.Office, "command": string(r.Command)}})
	})
	return r, saving(err)
}

// Query chooses orders: of one office, "" for all; those alone that are open.
type Query struct {
	Office string
	Open   bool
}

// List returns orders, the newest first, at most MaxListed.
func (b *Book) List(ctx context.Context, q Query) (list []Record, err error) {
	where, args := `WHERE (?1 = '' OR office = ?1)`, []any{q.Office}
	if q.Open {
		where += ` AND state IN ('queued', 'taken', 'waiting') AND expires > ?2`
	}
	err = b.db.View(ctx, func(tx *sqlite.Tx) error {
		if q.Open {
			args = append(args, tx.Now())
		}
		list, err = records(tx, where+fmt.Sprintf(` ORDER BY created DESC, id DESC LIMIT %d`, MaxListed), args...)
		return err
	})
	return list, err
}

// Get returns one order. Problem command.none.
func (b *Book) Get(ctx context.Context, id string) (r Record, err error) {
	err = b.db.View(ctx, func(tx *sqlite.Tx) error {
		r, err = find(tx, id)
		return err
	})
	return r, err
}

// Archive returns the support archive that came back. Problems: command.none,
// command.no-archive.
func (b *Book) Archive(ctx context.Context, id string) (archive []byte, err error) {
	err = b.db.View(ctx, func(tx *sqlite.Tx) error {
		r, err := find(tx, id)
		if err != nil {
			return err
		}
		err = tx.QueryRow(`SELECT archive FROM hub_command_archives WHERE id = ?`, r.ID).Scan(&archive)
		if errors.Is(err, sql.ErrNoRows) {
			return problem.New(problem.NotFound, "command.no-archive", "ID", nil)
		}
		return err
	})
	return archive, err
}

func find(tx *sqlite.Tx, id string) (Record, error) {
	none := problem.New(problem.NotFound, "command.none", "ID", i18n.Args{"id": id})
	parsed, err := uuid.Parse(id)
	if err != nil {
		return Record{}, none
	}
	list, err := records(tx, `WHERE id = ?`, parsed)
	if err != nil {
		return Record{}, err
	}
	if len(list) == 0 {
		return Record{}, none
	}
	return list[0], nil
}

func records(tx *sqlite.Tx, where string, args ...any) ([]Record, error) {
	return sqlite.Collect(tx, func(rows *sql.Rows, r *Record) error {
		var until, taken, answered, at int64
		var result string
		err := rows.Scan(&r.ID, &r.Office, &r.Command, &until, &r.By, &r.Role, sqlite.Timestamp(&r.Created), sqlite.Timestamp(&r.Expires),
			&r.State, &taken, &answered, &at, &r.Why, &result, &r.Withdrawn, &r.Archive)
		r.Until, r.Taken, r.Answered, r.At = sqlite.TimeOrZero(until), sqlite.TimeOrZero(taken), sqlite.TimeOrZero(answered), sqlite.TimeOrZero(at)
		if result != "" {
			r.Result = json.RawMessage(result)
		}
		if r.State.open() && !r.Expires.After(tx.Now()) {
			r.State = Expired
		}
		return err
	}, `SELECT id, office, command, until, ordered, role, created, expires, state, taken, answered, at, why, result, withdrawn,
		coalesce((SELECT length(archive) FROM hub_command_archives a WHERE a.id = hub_commands.id), 0) FROM hub_commands `+where, args...)
}
