package agent

import (
	"log/slog"
	"net/http"

	"tram/agent/api/appkey"
	v1 "tram/agent/api/v1"
	"tram/agent/identity"
	"tram/agent/office"
	"tram/agent/web/page"
)

// public is the interface for software of other makers, beside the pages on
// their listener.
func (d *desk) public() (*v1.Server, error) {
	style, err := page.Style()
	if err != nil {
		return nil, err
	}
	limits := d.o.Config.Limits
	return v1.New(v1.Options{
		DB: d.db, Blobs: d.blobs, Apps: d.apps, Office: d.office, Directory: d.registry, Search: d.search, Dossiers: d.dossiers, Works: d.handling, Arriving: d.arriving,
		Unit:    office.Party{Code: d.id.Code, Name: d.id.Name},
		Limits:  office.Limits{File: int64(limits.File), Files: limits.Files, Total: int64(limits.Total)},
		Version: d.o.Version, Style: style, Logger: d.log.With("part", "api"), Now: d.clock.Now,
	})
}

// beside serves the interface and the pages on one listener.
func beside(pages, public http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(v1.ReferencePath, public)
	mux.Handle("/", pages)
	return mux
}

// applicationRoutes manages applications over the local socket.
func (a *Agent) applicationRoutes(mux *http.ServeMux, log *slog.Logger) {
	appkey.Routes(mux, log, func() (*appkey.Store, error) {
		if d := a.theDesk(); d != nil {
			return d.apps, nil
		}
		return nil, identity.None(a.o.Dir)
	})
}
