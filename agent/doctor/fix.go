package doctor

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tram/agent/api"
	"tram/agent/problem"
	"tram/agent/service"
	"tram/agent/update"
	"tram/storage/audit"
	"tram/storage/keystore"
	"tram/storage/sqlite"
)

// RecordPath is where the running service takes note of what was set right.
const RecordPath = "/v1/doctor"

// Recorded is what was set right, for the audit log.
type Recorded struct {
	Code string `json:"code"`
}

// commandLine is who sets things right, in the audit log.
const commandLine = "tram"

// Entry is how the audit log says that a condition was set right; false when that
// is no code that can be.
func (r Recorded) Entry() (audit.Entry, bool) {
	return audit.Entry{Actor: commandLine, Action: "doctor.fix", Subject: r.Code}, slices.Contains(fixable, r.Code)
}

// fixable are the codes that may be set right by Fix.
var fixable = []string{DataMissing, DataOpen, DataForeign, KeyOpen, FileForeign, Leftovers, WALLarge, ServiceDisabled, ServiceStopped, SocketStale}

// Fix sets a finding right and has the audit log say so. Where the office has no
// audit log yet, or it cannot be written, what was set right stays so; recorded is
// false then.
func Fix(ctx context.Context, o Options, f Finding) (recorded bool, err error) {
	if f.fix == nil {
		return false, problem.New(problem.Conflict, "doctor.not-fixable", "", nil)
	}
	if err := f.fix(ctx); err != nil {
		return false, problem.New(problem.Failed, "doctor.fix-failed", "", map[string]any{"code": f.Code, "why": cause(err)}).Because(err)
	}
	return record(ctx, o, Recorded{f.Code}) == nil, nil
}

// recordWait is how long a service that has just been started may take to answer.
const recordWait = 5 * time.Second

// record has the service write the entry, or writes it while none runs.
func record(ctx context.Context, o Options, r Recorded) (err error) {
	caller := api.NewCaller(o.Dir, api.SocketName)
	defer caller.Close()
	for late := time.Now().Add(recordWait); ; {
		err = caller.Call(ctx, http.MethodPost, RecordPath, r, &Recorded{})
		if err == nil || problem.From(err).Class != problem.NotRunning {
			return err
		}
		if err = recordHere(ctx, o, r); !errors.Is(err, keystore.ErrLocked) || time.Now().After(late) {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// recordHere writes the entry while no service has the data folder. It opens only a
// database that is whole and of this version, which opening then does not change.
func recordHere(ctx context.Context, o Options, r Recorded) (err error) {
	unlock, err := keystore.Lock(o.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock(), service.Adopt(o.Dir)) }()
	st, err := update.New(update.Options{Dir: o.Dir, Database: o.Database, Version: o.Version}).State()
	if err != nil || st.Restoring || st.Trial != nil {
		return errors.Join(err, errors.New("a new version is being tried"))
	}
	path := filepath.Join(o.Dir, o.Database)
	if _, err := os.Stat(path); err != nil {
		return err
	}
	look, err := sqlite.Open(ctx, path, sqlite.Options{Schemas: o.Schemas, ReadOnly: true})
	if err != nil {
		return err
	}
	if err := look.Close(); err != nil {
		return err
	}
	db, err := sqlite.Open(ctx, path, sqlite.Options{Schemas: o.Schemas})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	entry, known := r.Entry()
	if !known {
		return problem.New(problem.Usage, "doctor.not-fixable", "", nil)
	}
	return db.Update(ctx, func(tx *sqlite.Tx) error { return audit.Append(tx, entry) })
}
