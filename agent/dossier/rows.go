package dossier

import (
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"tram/agent/clock"
	"tram/agent/dossier/code"
	"tram/storage"
	"tram/storage/sqlite"
)

// content is what is stored of a dossier beside columns and events.
type content struct {
	Procedure Procedure `json:"procedure"`
	Subject   string    `json:"subject"`
	Applicant Applicant `json:"applicant"`
	Papers    []Handed  `json:"papers"`
	Sets      int       `json:"sets"`
	Charges   []Charge  `json:"charges"`
	Way       Way       `json:"way"`
	Results   []Result  `json:"results"`
	Uncovered bool      `json:"uncovered"`
}

func contentOf(d Dossier) (string, error) {
	raw, err := json.Marshal(content{d.Procedure, d.Subject, d.Applicant, d.Papers, d.Sets, d.Charges, d.Way, d.Results, d.Uncovered})
	return string(raw), err
}

func (c content) into(d *Dossier) {
	d.Procedure, d.Subject, d.Applicant, d.Papers, d.Sets = c.Procedure, c.Subject, c.Applicant, c.Papers, c.Sets
	d.Charges, d.Way, d.Results, d.Uncovered = c.Charges, c.Way, c.Results, c.Uncovered
}

// columns of what the standing gives, in the order of stood.
const stoodColumns = `status, accepted, due, paused, ended, outcome`

func stood(d Dossier) []any {
	return []any{
		int(d.Status), sqlite.MillisOrZero(d.Accepted), sqlite.MillisOrZero(d.Due), sqlite.MillisOrZero(d.Paused),
		sqlite.MillisOrZero(d.End()), string(d.Outcome()),
	}
}

// revise gives the next revision of all dossiers.
func revise(tx *sqlite.Tx) (n int, err error) { return next(tx, "revision") }

func insert(tx *sqlite.Tx, d Dossier) (int64, error) {
	raw, err := contentOf(d)
	if err != nil {
		return 0, err
	}
	rev, err := revise(tx)
	if err != nil {
		return 0, err
	}
	var transfer any
	if d.Guest {
		transfer = d.Transfer
	}
	args := append([]any{
		d.ID, d.Code.String(), d.Code.Key(), d.Owner, d.OwnerName, d.Guest, transfer, d.Procedure.Code.String(), d.Procedure.Field.Code.String(),
		d.Applicant.Name, folded(d), int(d.Channel), d.Handler, d.App, d.Reference, d.Book, d.Version, rev, tx.Now(), raw,
	}, stood(d)...)
	res, err := tx.Exec(`INSERT INTO dossiers (id, code, code_key, owner, owner_name, guest, transfer, procedure, field, applicant, folded, channel, handler,
		app, reference, book, version, revision, changed, erased, content, `+stoodColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?)`, args...)
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

func update(tx *sqlite.Tx, seq int64, d Dossier) error {
	raw, err := contentOf(d)
	if err != nil {
		return err
	}
	rev, err := revise(tx)
	if err != nil {
		return err
	}
	args := append([]any{d.Applicant.Name, folded(d), d.Handler, d.Book, d.Version, rev, d.Changed, d.Erased, raw}, stood(d)...)
	_, err = tx.Exec(`UPDATE dossiers SET applicant = ?, folded = ?, handler = ?, book = ?, version = ?, revision = ?, changed = ?, erased = ?, content = ?,
		(`+stoodColumns+`) = (?, ?, ?, ?, ?, ?) WHERE seq = ?`, append(args, seq)...)
	return err
}

// load reads the dossier that fulfils a condition, with all that belongs to it. Its
// standing is folded from the events.
func load(tx *sqlite.Tx, where string, args ...any) (d Dossier, seq int64, err error) {
	var raw, text string
	err = tx.QueryRow(`SELECT seq, id, code, owner, owner_name, guest, coalesce(transfer, zeroblob(16)), channel, handler, app, reference, book, version,
		changed, erased, content FROM dossiers WHERE `+where, args...).Scan(&seq, &d.ID, &text, &d.Owner, &d.OwnerName, &d.Guest, &d.Transfer, &d.Channel,
		&d.Handler, &d.App, &d.Reference, &d.Book, &d.Version, sqlite.Timestamp(&d.Changed), &d.Erased, &raw)
	if noRows(err) {
		return d, 0, unknown()
	}
	if err != nil {
		return d, 0, err
	}
	if d.Code, err = code.ParseDossier(text); err != nil {
		return d, 0, err
	}
	var c content
	if err := json.Unmarshal([]byte(raw), &c); err != nil {
		return d, 0, fmt.Errorf("dossier %s: %w", text, err)
	}
	c.into(&d)
	if d.Events, err = events(tx, seq, 0); err != nil {
		return d, 0, err
	}
	if d.Standing, err = Fold(d.Events, d.Procedure.PaymentStops); err != nil {
		return d, 0, fmt.Errorf("dossier %s: %w", text, err)
	}
	if d.Files, err = files(tx, seq); err != nil {
		return d, 0, err
	}
	if d.Apology, err = apology(tx, seq); err != nil {
		return d, 0, err
	}
	d.Transfers, err = transfers(tx, seq)
	return d, seq, err
}

func insertEvent(tx *sqlite.Tx, seq int64, e Event) error {
	var transfer any
	if e.Transfer != (storage.ID{}) {
		transfer = e.Transfer
	}
	_, err := tx.Exec(`INSERT INTO dossier_events (dossier, id, kind, at, learnt, office, actor, text, legal, due, unsure, moot, transfer)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, seq, e.ID, string(e.Kind), e.At, e.Learnt, e.Office, e.By, e.Text, e.Legal,
		sqlite.MillisOrZero(e.Due), e.Unsure, e.Moot, transfer)
	return err
}

// events are those of a dossier after one of them.
func events(tx *sqlite.Tx, dossier, after int64) ([]Event, error) {
	return sqlite.Collect(tx, func(rows *sql.Rows, e *Event) error {
		var due int64
		err := rows.Scan(&e.seq, &e.ID, &e.Kind, sqlite.Timestamp(&e.At), sqlite.Timestamp(&e.Learnt), &e.Office, &e.By, &e.Text, &e.Legal, &due,
			&e.Unsure, &e.Moot, &e.Transfer)
		e.Due = sqlite.TimeOrZero(due)
		return err
	}, `SELECT seq, id, kind, at, learnt, office, actor, text, legal, due, unsure, moot, coalesce(transfer, zeroblob(16))
		FROM dossier_events WHERE dossier = ? AND seq > ? ORDER BY seq`, dossier, after)
}

func insertFile(tx *sqlite.Tx, seq int64, f File) error {
	var inline any
	if f.Content.Inline != nil {
		inline = f.Content.Inline
	}
	_, err := tx.Exec(`INSERT INTO dossier_files (dossier, role, paper, name, media, added, origin, size, sha256, inline) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		seq, string(f.Role), f.Paper, f.Name, f.Media, tx.Now(), f.From, f.Content.Size, f.Content.SHA256, inline)
	return err
}

func files(tx *sqlite.Tx, seq int64) ([]File, error) {
	return sqlite.Collect(tx, func(rows *sql.Rows, f *File) error {
		c := &f.Content
		err := rows.Scan(&f.ID, &f.Role, &f.Paper, &f.Name, &f.Media, sqlite.Timestamp(&f.Added), &f.From, &c.Size, sqlite.Digest(&c.SHA256), &c.Inline)
		f.Size, f.SHA256 = c.Size, hex.EncodeToString(c.SHA256[:])
		return err
	}, `SELECT seq, role, paper, name, media, added, origin, size, sha256, inline FROM dossier_files WHERE dossier = ? ORDER BY seq`, seq)
}

func clockTime(t time.Time) string { return t.In(clock.Vietnam).Format("15:04 02/01/2006") }
