package software

import (
	"context"
	"errors"
	"time"

	"tram/agent/release"
	"tram/storage/sqlite"
)

// Progress says how far an office is with a release.
type Progress string

// Progresses. Never rename one: the console has words for them.
const (
	Failed   Progress = "failed"  // took it back, or is not well with it
	Silent   Progress = "silent"  // was sent it long ago and says nothing
	OnItsWay Progress = "sent"    // was sent it
	Lacks    Progress = "waiting" // was not sent it
	Done     Progress = "done"    // runs it, or what is newer
)

// Progresses lists them, what asks for somebody first.
var Progresses = []Progress{Failed, Silent, OnItsWay, Lacks, Done}

// progress tells how far an office is with a release.
func (p peer) progress(r row, now time.Time) Progress {
	switch {
	case p.failed(r) != nil:
		return Failed
	case p.has(r):
		return Done
	case p.silent(r, now):
		return Silent
	case p.sent == r.serial:
		return OnItsWay
	}
	return Lacks
}

// OfficeProgress is an office right below, as it stands with a release.
type OfficeProgress struct {
	Code, Version string
	Ring          int
	Progress      Progress
	Since         time.Time        // it was sent it; zero: it was not
	Failure       *release.Failure // of Failed
	NoProgram     bool             // the release has none for its kind of machine
}

// Members lists how each office right below stands with a release, or would stand were
// it staged as q says. hubs is how many neighbours are hubs, whose offices are not
// listed. Nothing changes by it. Problems are software.none, and with q those of Stage.
func (s *Software) Members(ctx context.Context, version string, q *Stage) (list []OfficeProgress, hubs int, err error) {
	err = s.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		r, err := find(tx, version)
		if err != nil {
			return err
		}
		if q != nil {
			as := *q
			if err := errors.Join(as.check(), r.admits(as)); err != nil {
				return err
			}
			r.fill(&as)
			r.named, r.percent = as.Offices, as.Percent
		}
		all, err := peers(tx)
		if err != nil {
			return err
		}
		list, hubs = make([]OfficeProgress, 0, len(all)), 0
		plan := r.plan()
		for _, p := range all {
			if p.hub {
				hubs++
				continue
			}
			_, some := r.manifest.File(p.told.OS, p.told.Arch)
			m := OfficeProgress{Code: p.code, Version: p.told.Version, Ring: Ring(plan, p.code), Progress: p.progress(r, tx.Now()), Failure: p.failed(r), NoProgram: !some}
			if p.sent == r.serial {
				m.Since = p.sentAt
			}
			list = append(list, m)
		}
		return nil
	})
	return list, hubs, err
}

// find is the release of a version; Problem software.none.
func find(tx *sqlite.Tx, version string) (row, error) {
	releases, err := rows(tx)
	if err != nil {
		return row{}, err
	}
	for _, r := range releases {
		if r.version == version {
			return r, nil
		}
	}
	return row{}, unknown(version)
}

// fill puts what a Stage leaves out: as before, or the defaults at the first time.
func (r row) fill(q *Stage) {
	if q.Offices == nil {
		q.Offices = r.named
	}
	if r.aim < 0 { // for the first time
		r.percent, r.most = DefaultPercent, DefaultMost
	}
	if q.Percent == 0 {
		q.Percent = r.percent
	}
	if q.Most < 0 {
		q.Most = r.most
	}
}
