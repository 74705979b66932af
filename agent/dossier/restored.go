package dossier

import (
	"database/sql"
	"fmt"
	"strings"
	"time"

	"tram/agent/clock"
	"tram/storage/sqlite"
)

// leastSkipped is how many codes of a day are left out at least after a restore.
const leastSkipped = 20

// Content are the queries of digest and size of the files that dossiers refer to;
// [Store.Uses] asks the same of one.
var Content = []string{
	`SELECT sha256, size FROM dossier_files WHERE inline IS NULL AND size > 0`,
	`SELECT sha256, size FROM dossier_steps WHERE inline IS NULL AND size > 0`,
}

// Restored has a store that was raised from its backup give no code of today twice: it
// goes on behind what the busiest day has given. Codes bear their day, so that those of
// other days are not given any more. It returns how many codes are left out.
func Restored(tx *sqlite.Tx, now time.Time) (skipped int, err error) {
	type counter struct {
		series string
		last   int
	}
	list, err := sqlite.Collect(tx, func(rows *sql.Rows, c *counter) error { return rows.Scan(&c.series, &c.last) },
		`SELECT series, last FROM dossier_counters WHERE series LIKE 'code %'`)
	if err != nil {
		return 0, fmt.Errorf("skip codes of dossiers: %w", err)
	}
	most, today := map[string]int{}, now.In(clock.Vietnam).Format(time.DateOnly)
	for _, c := range list {
		if at := strings.LastIndexByte(c.series, ' '); at > 0 {
			most[c.series[:at]] = max(most[c.series[:at]], c.last, leastSkipped)
		}
	}
	for series, n := range most {
		if _, err := tx.Exec(`INSERT INTO dossier_counters (series, last) VALUES (?1, ?2) ON CONFLICT (series) DO UPDATE SET last = last + ?2`,
			series+" "+today, n); err != nil {
			return 0, fmt.Errorf("skip codes of dossiers: %w", err)
		}
		skipped += n
	}
	return skipped, nil
}
