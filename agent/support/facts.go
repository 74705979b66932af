package support

import (
	"context"
	"fmt"
	"maps"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"tram/storage/audit"
	"tram/storage/fsx"
	"tram/storage/sqlite"
)

// AuditEntries is how many of the last entries of the audit log are told.
const AuditEntries = 1000

// database tells sizes and how many rows each table has.
func (s Sources) database(ctx context.Context) (any, error) {
	if s.DB == nil {
		return nil, errNone
	}
	told := struct {
		Pages    int64            `json:"pages"`
		PageSize int64            `json:"page_size"`
		Free     int64            `json:"free_pages"`
		Bytes    int64            `json:"bytes"`
		WAL      int64            `json:"wal_bytes"`
		Rows     map[string]int64 `json:"rows"`
	}{Rows: map[string]int64{}}
	for path, into := range map[string]*int64{s.DB.Path(): &told.Bytes, s.DB.Path() + "-wal": &told.WAL} {
		if info, err := os.Stat(path); err == nil {
			*into = info.Size()
		}
	}
	err := s.DB.View(ctx, func(tx *sqlite.Tx) error {
		for pragma, into := range map[string]*int64{"page_count": &told.Pages, "page_size": &told.PageSize, "freelist_count": &told.Free} {
			if err := tx.QueryRow("PRAGMA " + pragma).Scan(into); err != nil {
				return err
			}
		}
		names, err := tables(tx)
		for _, name := range names {
			var n int64
			if err := tx.QueryRow(`SELECT count(*) FROM "` + name + `"`).Scan(&n); err != nil {
				return err
			}
			told.Rows[name] = n
		}
		return err
	})
	return told, err
}

// tableName is a table of ours; the shadow tables of an index are not counted.
var tableName = regexp.MustCompile(`^[a-z][a-z_0-9]*$`)

func tables(tx *sqlite.Tx) (names []string, err error) {
	rows, err := tx.Query(`SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' AND name NOT LIKE 'sqlite_%'
		AND NOT EXISTS (SELECT 1 FROM sqlite_schema v WHERE v.sql LIKE 'CREATE VIRTUAL%' AND sqlite_schema.name LIKE v.name || '\_%' ESCAPE '\') ORDER BY name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		if tableName.MatchString(name) {
			names = append(names, name)
		}
	}
	return names, rows.Err()
}

// audit tells what was done and when, by whom only as one of several, and to
// what only when that is an identifier.
func (s Sources) audit(ctx context.Context) (any, error) {
	if s.DB == nil {
		return nil, errNone
	}
	rows, err := audit.Find(ctx, s.DB, audit.Filter{}, AuditEntries)
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	actors := map[string]string{}
	for _, r := range rows {
		action, subject := "?", "–"
		if word.MatchString(r.Action) {
			action = r.Action
		}
		if id, err := uuid.Parse(r.Subject); err == nil {
			subject = id.String()
		}
		fmt.Fprintf(&out, "%d %s %s %s %s", r.Seq, r.At.UTC().Format(time.RFC3339), actor(actors, r.Actor), action, subject)
		for _, key := range slices.Sorted(maps.Keys(r.Detail)) {
			if value := r.Detail[key]; word.MatchString(key) && shortNumber.MatchString(value) {
				fmt.Fprintf(&out, " %s=%s", key, value)
			}
		}
		out.WriteByte('\n')
	}
	return out.String(), nil
}

// actor gives each name a number, and keeps what kind of name it is.
func actor(known map[string]string, name string) string {
	if known[name] == "" {
		kind := "actor"
		for _, prefix := range []string{"app", "connector"} {
			if strings.HasPrefix(name, prefix+":") {
				kind = prefix
			}
		}
		known[name] = fmt.Sprintf("%s-%d", kind, len(known)+1)
	}
	return known[name]
}

// system tells about the machine. Its name is left out: people name machines
// after themselves.
func system(dir string) (any, error) {
	told := map[string]any{"os": runtime.GOOS, "arch": runtime.GOARCH, "cpus": runtime.NumCPU(), "zone_offset": zoneOffset()}
	if free, total, err := fsx.OS.Usage(dir); err == nil {
		told["disk_free"], told["disk_total"] = free, total
	}
	for key, path := range map[string]string{"kernel": "/proc/sys/kernel/osrelease", "load": "/proc/loadavg", "uptime": "/proc/uptime"} {
		if text, err := firstBytes(path, 200); err == nil {
			told[key] = strings.TrimSpace(text)
		}
	}
	if text, err := firstBytes("/etc/os-release", 4<<10); err == nil {
		for line := range strings.Lines(text) {
			if value, found := strings.CutPrefix(line, "PRETTY_NAME="); found {
				told["distribution"] = strings.Trim(strings.TrimSpace(value), `"`)
			}
		}
	}
	if text, err := firstBytes("/proc/meminfo", 200); err == nil {
		if total, _, found := strings.Cut(text, "\n"); found {
			told["memory"] = total
		}
	}
	return told, nil
}

func zoneOffset() int {
	_, offset := time.Now().Zone()
	return offset
}

func firstBytes(path string, most int) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data := make([]byte, most)
	n, err := f.Read(data)
	if n == 0 {
		return "", err
	}
	return string(data[:n]), nil
}
