package duty

import (
	"context"
	"database/sql"
	"fmt"

	"tram/agent/hub/incident"
	"tram/storage/sqlite"
)

// Figure is how many things of a rule and severity there are.
type Figure struct {
	Rule     incident.Code
	Severity incident.Severity
	Count    int
}

// Figures are the findings that hold and the incidents that are open, for monitoring.
type Figures struct{ Findings, Incidents []Figure }

// Figures counts.
func (r *Room) Figures(ctx context.Context) (f Figures, err error) {
	scan := func(rows *sql.Rows, v *Figure) error { return rows.Scan(&v.Rule, &v.Severity, &v.Count) }
	err = r.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		f.Findings, err = sqlite.Collect(tx, scan, `SELECT rule, data ->> 'severity', count(*) FROM findings GROUP BY 1, 2`)
		if err != nil {
			return err
		}
		f.Incidents, err = sqlite.Collect(tx, scan, `SELECT rule, severity, count(*) FROM incidents WHERE closed = 0 GROUP BY 1, 2`)
		return err
	})
	if err != nil {
		return Figures{}, fmt.Errorf("count incidents: %w", err)
	}
	return f, nil
}
