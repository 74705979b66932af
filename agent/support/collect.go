package support

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"tram/agent/api"
	"tram/agent/config"
	"tram/agent/connector"
	"tram/agent/doctor"
	"tram/agent/i18n"
	"tram/storage/sqlite"
)

// Sources is what there is to tell from. What is nil is told as missing.
type Sources struct {
	Dir        string // data folder
	Version    string
	Settings   []config.Value
	Status     func(context.Context) (api.Status, error)
	Connectors func(context.Context) ([]connector.State, error)
	DB         *sqlite.DB
	Log        *Log
	Doctor     func(context.Context) doctor.Report
	Down       error // why the service was not reached
	Now        func() time.Time
}

// Collect gathers the files of an archive. A part that cannot be read is told
// in its file and keeps no other one back.
func Collect(ctx context.Context, s Sources) []File {
	var files []File
	add := func(name string, tell func() (any, error)) {
		value, err := tell()
		if err != nil {
			value = map[string]string{"missing": kindsOf(err)}
		}
		var out bytes.Buffer
		if text, ok := value.(string); ok {
			out.WriteString(text)
		} else {
			enc := json.NewEncoder(&out)
			enc.SetIndent("", "  ")
			if err := enc.Encode(value); err != nil {
				fmt.Fprintln(&out, kindsOf(err))
			}
		}
		files = append(files, File{name, bounded(out.Bytes())})
	}
	add("README.txt", func() (any, error) { return s.readme(), nil })
	add("versions.json", func() (any, error) { return s.versions(ctx) })
	add("settings.json", func() (any, error) { return settings(s.Settings), nil })
	add("status.json", func() (any, error) { return s.status(ctx) })
	add("doctor.json", func() (any, error) { return s.doctor(ctx) })
	add("connectors.json", func() (any, error) { return s.connectors(ctx) })
	add("database.json", func() (any, error) { return s.database(ctx) })
	add("audit.txt", func() (any, error) { return s.audit(ctx) })
	add("log.txt", func() (any, error) { return s.log(), nil })
	add("system.json", func() (any, error) { return system(s.Dir) })
	return files
}

// Figures is what of it a machine reads: how the box stands, versions, sizes. A part
// that cannot be read is told as missing.
func Figures(ctx context.Context, s Sources) map[string]any {
	told := map[string]any{}
	for name, tell := range map[string]func() (any, error){
		"status": func() (any, error) { return s.status(ctx) }, "versions": func() (any, error) { return s.versions(ctx) },
		"database": func() (any, error) { return s.database(ctx) }, "system": func() (any, error) { return system(s.Dir) },
	} {
		value, err := tell()
		if err != nil {
			value = map[string]string{"missing": kindsOf(err)}
		}
		told[name] = value
	}
	return told
}

func (s Sources) readme() string {
	args := i18n.Args{"version": s.Version, "time": s.Now().UTC().Format(time.RFC3339)}
	return i18n.T(i18n.Vietnamese, "support.readme", args) + "\n\n" + i18n.T(i18n.English, "support.readme", args) + "\n"
}

// errNone says that this box has no such thing now.
var errNone = errors.New("not there")

// versions are those of the program and of its schemas.
func (s Sources) versions(ctx context.Context) (any, error) {
	v := struct {
		Version string            `json:"version"`
		Go      string            `json:"go"`
		OS      string            `json:"os"`
		Arch    string            `json:"arch"`
		Build   map[string]string `json:"build"`
		Schemas map[string]int    `json:"schemas"`
	}{s.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH, map[string]string{}, map[string]int{}}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, set := range info.Settings {
			if strings.HasPrefix(set.Key, "vcs.") || set.Key == "CGO_ENABLED" {
				v.Build[set.Key] = set.Value
			}
		}
	}
	if s.DB == nil {
		return v, nil
	}
	err := s.DB.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT schema, max(version) FROM migrations GROUP BY schema`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			var version int
			if err := rows.Scan(&name, &version); err != nil {
				return err
			}
			v.Schemas[name] = version
		}
		return rows.Err()
	})
	return v, err
}

// condition is a health condition without words.
type condition struct {
	Code string            `json:"code"`
	Args map[string]string `json:"args"`
}

// status is how the office stands, in figures.
func (s Sources) status(ctx context.Context) (any, error) {
	if s.Status == nil {
		return map[string]string{"state": "stopped", "why": kindsOf(errors.Join(s.Down, errNone))}, nil
	}
	st, err := s.Status(ctx)
	if err != nil {
		return nil, err
	}
	conditions := []condition{}
	for _, c := range st.Conditions {
		conditions = append(conditions, condition{c.Code, numbers(c.Args)})
	}
	link := map[string]any{"up": st.Link.Up, "since": st.Link.Since, "sent": st.Link.Sent, "received": st.Link.Received, "interface": st.Link.Interface,
		"metered": st.Link.Metered, "rules": st.Link.Rules, "rate": st.Link.Rate, "rtt_ms": st.Link.RTT, "window": st.Link.Window, "failing": st.Link.Error != ""}
	return map[string]any{
		"office": st.Office.Code, "hub": st.Hub, "state": st.State, "started": st.Started, "clock": st.Clock, "link": link, "budget": st.Budget,
		"queue": st.Queue, "certificate_until": st.CertUntil, "certificate_days_left": st.CertDays, "disk_free": st.DiskFree, "conditions": conditions,
	}, nil
}

// doctor is what an examination found, without words: a path in them may name a
// person.
func (s Sources) doctor(ctx context.Context) (any, error) {
	if s.Doctor == nil {
		return nil, errNone
	}
	type finding struct {
		Check string       `json:"check"`
		State doctor.State `json:"state"`
		condition
	}
	r := s.Doctor(ctx)
	told := []finding{}
	for _, f := range r.Findings {
		told = append(told, finding{f.Check, f.State, condition{f.Code, numbers(f.Args)}})
	}
	return map[string]any{"state": r.State, "took_ms": r.Took, "checks": told}, nil
}

// connectors tells them by their place in the list: their names are people's.
func (s Sources) connectors(ctx context.Context) (any, error) {
	if s.Connectors == nil {
		return nil, errNone
	}
	list, err := s.Connectors(ctx)
	if err != nil {
		return nil, err
	}
	told := []map[string]any{}
	for _, c := range list {
		one := map[string]any{"kind": c.Kind, "state": c.State, "since": c.Since, "waiting": c.Waiting, "dead": c.Dead, "delivered": c.Delivered,
			"collected": c.Collected, "last_delivery": c.LastDelivery, "last_round": c.LastRound}
		if c.Failure != nil && c.Failure.Said != nil {
			one["failure"] = c.Failure.Said.Key
		}
		told = append(told, one)
	}
	return told, nil
}

func (s Sources) log() string {
	lines := s.Log.Lines()
	if len(lines) == 0 {
		return "journalctl -u tram\n"
	}
	// The newest are worth the most.
	size := 0
	for i := len(lines) - 1; i >= 0; i-- {
		if size += len(lines[i]) + 1; size > MaxFile/2 {
			lines = lines[i+1:]
			break
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// Routes adds the archive's files to a local socket.
func Routes(mux *http.ServeMux, log *slog.Logger, collect func(context.Context) []File) {
	mux.HandleFunc("GET "+Path, api.Handle(log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return collect(r.Context()), nil
	}))
}

// Fetch asks a running service for the files.
func Fetch(ctx context.Context, c *api.Caller) (files []File, err error) {
	return files, c.Call(ctx, http.MethodGet, Path, nil, &files)
}
