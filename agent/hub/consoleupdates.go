package hub

import (
	"context"

	"tram/agent/hub/software"
)

// consoleReleases is the releases of the office's program as the console sees them.
type consoleReleases struct{ h *Hub }

func (v consoleReleases) List(ctx context.Context) (software.Overview, error) {
	return v.h.releases.List(ctx)
}

func (v consoleReleases) Offices(ctx context.Context) ([]software.Office, error) {
	return v.h.releases.Offices(ctx)
}

func (v consoleReleases) Members(ctx context.Context, version string, q *software.Stage) ([]software.OfficeProgress, int, error) {
	if q != nil {
		if err := v.h.knows(q.Offices); err != nil {
			return nil, 0, err
		}
	}
	return v.h.releases.Members(ctx, version, q)
}

func (v consoleReleases) Stage(ctx context.Context, q software.Stage, by string) (software.Release, error) {
	return v.h.StageSoftware(ctx, q, by)
}

func (v consoleReleases) Pause(ctx context.Context, version, by string, pause bool) (software.Release, error) {
	return v.h.PauseSoftware(ctx, version, by, pause)
}

func (v consoleReleases) Withdraw(ctx context.Context, version, by string) (software.Release, error) {
	return v.h.WithdrawSoftware(ctx, version, by)
}

func (v consoleReleases) Above() string {
	if v.h.upstream.identity() == nil {
		return ""
	}
	return v.h.upstream.codes()[0]
}
