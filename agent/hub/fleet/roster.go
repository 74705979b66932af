package fleet

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"tram/agent/fold"
	"tram/agent/health/beat"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// maxCluster bounds the name of a cluster, in characters.
const maxCluster = 100

// Member is an office of the hub as its registry has it.
type Member struct {
	Code, Name, Parent, Kind string
	Enrolled, Revoked        bool
}

// member is a Member as it is stored.
type member struct {
	Member
	listed bool
	tag    string
}

// Roster takes over which offices there are. What is known of a box whose office
// is not among them any more stays, but it is not listed.
func (f *Fleet) Roster(ctx context.Context, members []Member) error {
	err := f.db.Update(ctx, func(tx *sqlite.Tx) error {
		list, err := sqlite.Collect(tx, func(rows *sql.Rows, m *member) error {
			return rows.Scan(&m.Code, &m.Name, &m.Parent, &m.Kind, &m.Enrolled, &m.Revoked, &m.listed, &m.tag)
		}, `SELECT code, name, parent, kind, enrolled, revoked, listed, tag FROM agents`)
		if err != nil {
			return err
		}
		known := make(map[string]member, len(list))
		for _, m := range list {
			known[m.Code] = m
		}
		for _, m := range members {
			was := known[m.Code]
			delete(known, m.Code)
			if was.listed && was.Member == m {
				continue
			}
			_, err := tx.Exec(`INSERT INTO agents (code, online, since, seen, software, listed, name, name_key, name_fold, parent, kind, enrolled, revoked, cluster)
				VALUES (?1, 0, 0, 0, '', 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
				ON CONFLICT (code) DO UPDATE SET listed = 1, name = ?2, name_key = ?3, name_fold = ?4, parent = ?5, kind = ?6, enrolled = ?7, revoked = ?8, cluster = ?9`,
				m.Code, m.Name, fold.SortKey(m.Name), fold.String(m.Name), m.Parent, m.Kind, m.Enrolled, m.Revoked, clusterOf(was.tag, m.Parent))
			if err != nil {
				return err
			}
		}
		for code, m := range known {
			if !m.listed {
				continue
			}
			if _, err := tx.Exec(`UPDATE agents SET listed = 0 WHERE code = ?`, code); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("take over %d offices: %w", len(members), err)
	}
	return nil
}

func clusterOf(tag, parent string) string {
	if tag != "" {
		return tag
	}
	return parent
}

// Get returns all that is known of a box, with its last heartbeat. Problem
// hub.no-office when there is no such office.
func (f *Fleet) Get(ctx context.Context, code string) (Report, error) {
	var r Report
	err := f.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		r, err = get(tx, code)
		return err
	})
	return r, err
}

func get(tx *sqlite.Tx, code string) (Report, error) {
	list, err := sqlite.Collect(tx, func(rows *sql.Rows, r *Report) error {
		var paused int64
		var last string
		if err := scanInto(rows, &r.Agent, &r.Tag, &r.Hours, &paused, &last); err != nil {
			return err
		}
		r.Paused = sqlite.TimeOrZero(paused)
		if last == "" {
			return nil
		}
		b, err := beat.Parse([]byte(last))
		if err != nil {
			return fmt.Errorf("read heartbeat of %q: %w", r.Code, err)
		}
		r.Last = &b
		return nil
	}, `SELECT `+agentColumns+`, tag, hours, paused, coalesce((SELECT report FROM beats WHERE beats.code = agents.code), '')
		FROM agents WHERE code = ? COLLATE NOCASE AND listed = 1`, code)
	if err != nil {
		return Report{}, fmt.Errorf("look up box of %q: %w", code, err)
	}
	if len(list) == 0 {
		return Report{}, problem.New(problem.NotFound, "hub.no-office", "CODE", i18n.Args{"code": code})
	}
	return list[0], nil
}

// Pause stops or resumes watching a box: its documents go on, and it is not
// judged. Problem hub.no-office.
func (f *Fleet) Pause(ctx context.Context, code string, pause bool, by string) error {
	return f.db.Update(ctx, func(tx *sqlite.Tx) error {
		r, err := get(tx, code)
		if err != nil || pause == !r.Paused.IsZero() {
			return err
		}
		at, action := time.Time{}, "agent.resumed"
		if pause {
			at, action = tx.Now(), "agent.paused"
		}
		if _, err := tx.Exec(`UPDATE agents SET paused = ? WHERE code = ?`, sqlite.MillisOrZero(at), r.Code); err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{Actor: by, Action: action, Subject: r.Code})
	})
}

// Site is what people say of where a box is.
type Site struct {
	Cluster string // "" for that of its parent
	Hours   string // usual hours, spans with ';' between; "" for those of its cluster
}

// SetSite records where a box is. Problems: hub.no-office, fleet.hours,
// fleet.cluster.
func (f *Fleet) SetSite(ctx context.Context, code string, s Site, by string) error {
	usual, err := checkSite(s.Cluster, s.Hours)
	if err != nil {
		return err
	}
	return f.db.Update(ctx, func(tx *sqlite.Tx) error {
		r, err := get(tx, code)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE agents SET tag = ?, cluster = ?, hours = ? WHERE code = ?`, s.Cluster, clusterOf(s.Cluster, r.Parent), usual, r.Code)
		if err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{Actor: by, Action: "agent.site", Subject: r.Code, Detail: map[string]string{"cluster": s.Cluster, "hours": usual}})
	})
}

// SetHours records the usual hours of the boxes of a cluster that have none of
// their own; "" for always. Problems: fleet.hours, fleet.cluster.
func (f *Fleet) SetHours(ctx context.Context, cluster, text, by string) error {
	usual, err := checkSite(cluster, text)
	if err != nil {
		return err
	}
	if cluster == "" {
		return problem.New(problem.Usage, "fleet.cluster", "cluster", i18n.Args{"max": maxCluster})
	}
	return f.db.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`INSERT INTO clusters (name, hours) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET hours = ?2`, cluster, usual)
		if err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{Actor: by, Action: "cluster.hours", Subject: cluster, Detail: map[string]string{"hours": usual}})
	})
}

// checkSite returns usual hours in the form in which they are stored.
func checkSite(cluster, text string) (string, error) {
	if utf8.RuneCountInString(cluster) > maxCluster || !utf8.ValidString(cluster) || cluster != strings.TrimSpace(cluster) || strings.ContainsFunc(cluster, control) {
		return "", problem.New(problem.Usage, "fleet.cluster", "cluster", i18n.Args{"max": maxCluster})
	}
	week, err := parseHours(text)
	if err != nil {
		return "", problem.New(problem.Usage, "fleet.hours", "hours", i18n.Args{"value": text}).Because(err)
	}
	spans := make([]string, len(week))
	for i, s := range week {
		spans[i] = s.String()
	}
	return strings.Join(spans, hoursBetween), nil
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

// Group says that boxes are part of an open group incident, in the transaction
// that opens or extends it; "" that they are part of none any more. How they are
// judged changes with the next Judge.
func Group(tx *sqlite.Tx, codes []string, incident string) error {
	for _, code := range codes {
		if _, err := tx.Exec(`UPDATE agents SET incident = ? WHERE code = ?`, incident, code); err != nil {
			return fmt.Errorf("group box of %q: %w", code, err)
		}
	}
	return nil
}

// CloseGroup says that no box is part of an incident any more.
func CloseGroup(tx *sqlite.Tx, incident string) error {
	if _, err := tx.Exec(`UPDATE agents SET incident = '' WHERE incident = ?`, incident); err != nil {
		return fmt.Errorf("end group of boxes: %w", err)
	}
	return nil
}
