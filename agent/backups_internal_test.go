package agent

import (
	"slices"
	"testing"
	"time"

	"tram/agent/backup"
	"tram/agent/health"
)

func TestWhenPeopleAreToldOfBackups(t *testing.T) {
	now := time.Date(2026, 11, 27, 8, 0, 0, 0, time.UTC)
	days := func(n int) time.Time { return now.AddDate(0, 0, -n) }
	last := func(n int) *backup.Made { return &backup.Made{Report: backup.Report{At: days(n)}} }
	for name, c := range map[string]struct {
		state backup.State
		began time.Time
		want  []string
	}{
		"a new office":      {backup.State{}, days(2), nil},
		"never":             {backup.State{}, days(15), []string{health.BackupNone}},
		"of yesterday":      {backup.State{Last: last(1), Ended: days(1)}, days(300), nil},
		"old":               {backup.State{Last: last(20), Ended: days(20)}, days(300), []string{health.BackupOld}},
		"failed since":      {backup.State{Last: last(1), Ended: days(1), Failed: now, Code: "backup.full"}, days(300), []string{health.BackupFailed}},
		"failed before":     {backup.State{Last: last(1), Ended: days(1), Failed: days(2), Code: "backup.full"}, days(300), nil},
		"the first, failed": {backup.State{Failed: now, Code: "backup.read-only"}, days(1), []string{health.BackupFailed}},
	} {
		var got []string
		for _, c := range judgeBackup(c.state, c.began, now) {
			got = append(got, c.Code)
			if c.Repair() {
				t.Errorf("%s: %s calls somebody", name, c.Code)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
