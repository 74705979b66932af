package dossier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"tram/agent/clock"
	"tram/agent/dossier/code"
	"tram/agent/fold"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// MaxCatalogue is how many versions of procedures one catalogue may have.
const MaxCatalogue = 20_000

// Catalogue is versions of procedures as one office gives them to others, for example
// a province to its communes. Its file form is this as JSON.
type Catalogue struct {
	Origin     string      `json:"origin"`  // code of the office or hub that gives it
	Version    int         `json:"version"` // counts up
	Procedures []Procedure `json:"procedures"`
}

// ReadCatalogue reads and judges a catalogue file. Its errors are a problem.List.
func ReadCatalogue(data []byte) (Catalogue, error) {
	var c Catalogue
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, problem.New(problem.Usage, "dossier.catalogue", "catalogue", i18n.Args{"why": err.Error()}).Because(err)
	}
	if len(c.Procedures) > MaxCatalogue {
		return c, problem.New(problem.Usage, "dossier.catalogue-many", "catalogue", i18n.Args{"limit": MaxCatalogue})
	}
	var v faults
	seen := map[string]bool{}
	for _, p := range c.Procedures {
		key := fmt.Sprintf("%s %d", p.Code, p.Version)
		if seen[key] {
			v.add("dossier.catalogue-twice", "catalogue", i18n.Args{"code": p.Code.String(), "version": p.Version})
		}
		seen[key] = true
		if err := p.Check(); err != nil {
			for _, x := range problem.All(err) {
				x.Field = p.Code.String() + "." + x.Field
				v.list = append(v.list, x)
			}
		}
		if len(v.list) > 20 {
			break
		}
	}
	return c, v.list.Err()
}

// TakeCatalogue keeps the procedures of a catalogue, all or none. A version that is
// there and has dossiers keeps as it is: other content is refused.
func (s *Store) TakeCatalogue(ctx context.Context, c Catalogue, by string) (added int, err error) {
	err = s.db.Update(ctx, func(tx *sqlite.Tx) error {
		added = 0
		for _, p := range c.Procedures {
			fresh, err := takeProcedure(tx, p, c.Origin)
			if err != nil {
				return err
			}
			if fresh {
				added++
			}
		}
		return audit.Append(tx, audit.Entry{Actor: by, Action: "dossier.catalogue", Subject: c.Origin, Detail: map[string]string{
			"version": fmt.Sprint(c.Version), "procedures": fmt.Sprint(len(c.Procedures)), "added": fmt.Sprint(added),
		}})
	})
	return added, saving(err)
}

// takeProcedure keeps one version of a procedure; fresh tells that it was not there.
func takeProcedure(tx *sqlite.Tx, p Procedure, origin string) (fresh bool, err error) {
	raw, err := json.Marshal(p)
	if err != nil {
		return false, err
	}
	var there string
	err = tx.QueryRow(`SELECT content FROM dossier_procedures WHERE code = ? AND version = ?`, p.Code.String(), p.Version).Scan(&there)
	if err != nil && !noRows(err) {
		return false, err
	}
	if there == string(raw) {
		return false, nil
	}
	if there != "" {
		var old Procedure
		if err := json.Unmarshal([]byte(there), &old); err != nil {
			return false, err
		}
		if err := old.Follows(p); err != nil {
			return false, err
		}
	}
	_, err = tx.Exec(`INSERT INTO dossier_procedures (code, version, begins, ends, folded, origin, content) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (code, version) DO UPDATE SET ends = excluded.ends, content = excluded.content`, p.Code.String(), p.Version, p.From, p.Until,
		fold.String(p.Code.String()+" "+p.Name+" "+p.Field.Name), origin, string(raw))
	return there == "", err
}

// Follows tells why next cannot stand in the place of p, the same version: only the
// last day may be set later, that it ended.
func (p Procedure) Follows(next Procedure) error {
	same := next
	same.Until = p.Until
	was, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if is, err := json.Marshal(same); err != nil || string(is) != string(was) {
		return errors.Join(err, problem.New(problem.Conflict, "dossier.catalogue-changed", "catalogue", i18n.Args{"code": next.Code.String(), "version": next.Version}))
	}
	return nil
}

// InForce returns the version of a procedure under which dossiers are taken at a
// time: the highest that is in force on that day.
func (s *Store) InForce(ctx context.Context, c code.Procedure, at time.Time) (Procedure, error) {
	day := at.In(clock.Vietnam).Format(time.DateOnly)
	list, err := s.procedures(ctx, `code = ? AND begins <= ? AND (ends = '' OR ends >= ?) ORDER BY version DESC LIMIT 1`, c.String(), day, day)
	if err != nil {
		return Procedure{}, err
	}
	if len(list) == 0 {
		return Procedure{}, problem.New(problem.NotFound, "dossier.no-procedure", "procedure", i18n.Args{"code": c.String()})
	}
	return list[0], nil
}

// Procedures finds what is in force at a time, by words of code, name or field; each
// procedure once, at most limit, in the order of their codes.
func (s *Store) Procedures(ctx context.Context, words string, at time.Time, limit int) ([]Procedure, error) {
	day := at.In(clock.Vietnam).Format(time.DateOnly)
	where, args := `begins <= ? AND (ends = '' OR ends >= ?) AND version = (SELECT max(version) FROM dossier_procedures q WHERE q.code = dossier_procedures.code
		AND q.begins <= ? AND (q.ends = '' OR q.ends >= ?))`, []any{day, day, day, day}
	for _, w := range strings.Fields(fold.String(words)) {
		where += ` AND instr(folded, ?) > 0`
		args = append(args, w)
	}
	return s.procedures(ctx, where+` ORDER BY code LIMIT ?`, append(args, limit)...)
}

func (s *Store) procedures(ctx context.Context, where string, args ...any) (list []Procedure, err error) {
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		list, err = sqlite.Collect(tx, scanContent[Procedure], `SELECT content FROM dossier_procedures WHERE `+where, args...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read procedures: %w", err)
	}
	return list, nil
}
