package agent

import (
	"context"
	"encoding/json"
	"net/http"

	"tram/agent/api"
	"tram/agent/doctor"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/agent/service"
	"tram/agent/support"
)

// Examination describes the office in a data folder to package doctor.
func Examination(dir, version string, setup service.Setup) doctor.Options {
	return doctor.Options{Dir: dir, Database: DatabaseFile, Blobs: blobDir, Schemas: Schemas(), Version: version, Service: setup}
}

// examine is the service's own view, for the support archive.
func (a *Agent) examine(ctx context.Context) doctor.Report {
	o := Examination(a.o.Dir, a.o.Version, service.Setup{Name: "tram"})
	o.Inside, o.Status = true, a.Status
	if d := a.theDesk(); d != nil {
		o.DB = d.db
	}
	return doctor.Run(ctx, o)
}

// maxRecord bounds what is said of a thing that was set right, in bytes.
const maxRecord = 1 << 10

// careRoutes are the calls of those who help a box: the support archive, the test of
// the line, and what `tram doctor --fix` has set right.
func (a *Agent) careRoutes(mux *http.ServeMux) {
	support.Routes(mux, a.log.With("part", "support"), a.support)
	a.testRoutes(mux)
	mux.HandleFunc("POST "+doctor.RecordPath, api.Handle(a.log, func(w http.ResponseWriter, r *http.Request) (any, error) {
		var fixed doctor.Recorded
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRecord)).Decode(&fixed); err != nil {
			return nil, problem.New(problem.Usage, "doctor.not-fixable", "", nil).Because(err)
		}
		entry, known := fixed.Entry()
		if !known {
			return nil, problem.New(problem.Usage, "doctor.not-fixable", "", nil)
		}
		d := a.theDesk()
		if d == nil {
			return nil, identity.None(a.o.Dir)
		}
		return fixed, d.record(r.Context(), entry, nil)
	}))
}
