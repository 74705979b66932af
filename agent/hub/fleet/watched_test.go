package fleet

import (
	"path/filepath"
	"testing"
	"time"

	"tram/agent/health/beat"
	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
)

func TestWatchedBoxesHaveTheirHeartbeatsAndHours(t *testing.T) {
	db, err := sqlitetest.Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"), sqlite.Options{Schemas: []sqlite.Schema{audit.Schema, Schema}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	f, err := New(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(f.Roster(t.Context(), []Member{
		{Code: "H40.1", Name: "UBND xã A", Parent: "H40", Enrolled: true}, {Code: "H40.2", Name: "UBND xã B", Parent: "H40", Enrolled: true},
		{Code: "H40.3", Name: "UBND xã C", Parent: "H40", Enrolled: true, Revoked: true},
	}))
	must(f.SetHours(t.Context(), "H40", "00:00-24:00", "test"))
	must(f.SetSite(t.Context(), "H40.2", Site{Cluster: "Cụm A", Hours: "Mon-Sat 07:00-18:00"}, "test"))
	heard := func(backlog int64) {
		b := beat.Beat{Version: beat.Version, At: time.Now().UTC().Truncate(time.Second).Add(-time.Duration(backlog) * time.Hour), Every: 300, Away: 3600, Queue: beat.Queue{Count: 1, Bytes: backlog}}
		must(f.Heard(t.Context(), map[string]Heard{"H40.1": {At: time.Now(), Beat: b}}))
	}
	heard(100)
	known := map[string]Watched{}
	for _, want := range []int64{100, 100, 200} {
		if want == 200 {
			time.Sleep(2 * time.Millisecond) // heartbeats are told apart by their time
			heard(200)
		}
		list, err := f.Watch(t.Context(), known)
		must(err)
		if len(list) != 3 || len(known) != 3 || list[0].Last == nil || list[0].Last.Queue.Bytes != want || list[0].Away != time.Hour || list[1].Last != nil || list[0].Back != (want == 200) {
			t.Fatalf("%+v", list)
		}
		if !list[0].Hours.Next(time.Now()).IsZero() || list[1].Hours.Next(time.Now()).IsZero() || list[1].Cluster != "Cụm A" || list[0].Stopped || !list[2].Stopped {
			t.Errorf("%+v", list)
		}
	}
	some, err := f.Some(t.Context(), []string{"H40.2", "H40.9"})
	must(err)
	if len(some) != 1 || some["H40.2"].Name != "UBND xã B" {
		t.Errorf("%+v", some)
	}
}
