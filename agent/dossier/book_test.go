package dossier

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

func TestTheBookGoesThroughASpanInTheOrderOfItsNumbers(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	d.at("30/11 09:00")
	for i := range 3 {
		f := filing()
		f.At = d.clock.AddDate(0, 0, -3+i) // Friday to Sunday
		_, err := d.Receive(ctx, f, hien)
		noError(t, err)
	}
	waiting, err := d.File(ctx, filing(), hien) // not accepted: not in the book
	noError(t, err)
	d.at("31/12 16:00")
	_, err = d.Receive(ctx, filing(), hien)
	noError(t, err)
	d.clock = d.clock.AddDate(0, 0, 5) // the next year has numbers of its own
	next, err := d.Receive(ctx, filing(), hien)
	noError(t, err)
	for name, c := range map[string]struct {
		year     int
		from, to time.Time
		want     string
	}{
		"year":            {2026, time.Time{}, time.Time{}, "[1 2 3 4]"},
		"next year":       {2027, time.Time{}, time.Time{}, "[1]"},
		"none":            {2025, time.Time{}, time.Time{}, "[]"},
		"from":            {2026, when(t, "28/11 00:00"), time.Time{}, "[2 3 4]"},
		"to, not with it": {2026, time.Time{}, when(t, "29/11 09:00"), "[1 2]"},
		"both":            {2026, when(t, "28/11 00:00"), when(t, "30/11 00:00"), "[2 3]"},
		"beyond the year": {2026, when(t, "31/12 00:00"), when(t, "31/12 00:00").AddDate(1, 0, 0), "[4]"},
	} {
		got := []int{}
		for x, err := range d.Book(ctx, c.year, c.from, c.to) {
			noError(t, err)
			if x.ID == waiting.ID || len(x.Events) != 2 || x.Applicant.Name != "Nguyễn Văn An" || c.year == 2027 && x.ID != next.ID {
				t.Errorf("%s: %+v", name, x)
			}
			got = append(got, x.Book)
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s: numbers %v, want %s", name, got, c.want)
		}
	}
	for range d.Book(ctx, 2026, time.Time{}, time.Time{}) {
		break // who stops is not asked again
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	n := 0
	for _, err := range d.Book(gone, 2026, time.Time{}, time.Time{}) {
		if n++; err == nil {
			t.Error("a book is read though nobody waits for it")
		}
	}
	if n != 1 {
		t.Errorf("the iteration went on %d times", n)
	}
}

func TestPrintingIsAnEventAndMovesNothing(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	x, err := d.Receive(ctx, filing(), hien)
	noError(t, err)
	d.at("25/11 08:00")
	y, err := d.Printed(ctx, x.ID, "01", "2025.1", hien)
	noError(t, err)
	last := y.Events[len(y.Events)-1]
	if last.Kind != Printed || last.Text != "01 · 2025.1" || last.By != hien.Name || y.Status != x.Status || !y.Due.Equal(x.Due) {
		t.Fatalf("%+v", last)
	}
	if _, err := d.Printed(ctx, x.ID, "01", "2025.1", gate); problem.From(err).Class != problem.Denied {
		t.Errorf("the public prints: %v", err)
	}
	if _, err := d.Printed(ctx, storage.ID{1}, "01", "2025.1", hien); problem.From(err).Class != problem.NotFound {
		t.Errorf("of no dossier: %v", err)
	}
	noError(t, d.BookMade(ctx, 2026, when(t, "01/11 00:00"), time.Time{}, "pdf", hien))
	var found int
	entries, err := audit.List(ctx, d.db, 0, 100)
	noError(t, err)
	for _, e := range entries {
		if e.Action == "dossier.printed" || e.Action == "dossier.book" && e.Subject == "2026" && e.Detail["from"] == "2026-11-01" && e.Detail["kind"] == "pdf" && e.Actor == "hien" {
			found++
		}
	}
	if found != 2 {
		t.Errorf("%d of 2 acts are in the audit log", found)
	}
}

// The figures are printed with -v.
func TestALongBookIsReadInBatches(t *testing.T) {
	const n = 2_000
	d := newDesk(t)
	ctx := t.Context()
	x, err := d.Receive(ctx, filing(), hien)
	noError(t, err)
	noError(t, d.db.Update(ctx, func(tx *sqlite.Tx) error {
		var seq int64
		var at, due, content string
		if err := tx.QueryRow(`SELECT seq, accepted, due, content FROM dossiers WHERE id = ?`, x.ID).Scan(&seq, &at, &due, &content); err != nil {
			return err
		}
		for i := 2; i <= n; i++ {
			id := storage.ID{byte(i >> 8), byte(i), 1}
			y := x
			y.ID, y.Book, y.Code.Number = id, i, i
			to, err := insert(tx, y)
			if err != nil {
				return err
			}
			for j, e := range x.Events {
				e.ID[0], e.ID[1] = byte(i>>8), byte(i)
				e.ID[2] = byte(j)
				if err := insertEvent(tx, to, e); err != nil {
					return err
				}
			}
		}
		return nil
	}))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start, want, most := time.Now(), 1, uint64(0)
	for y, err := range d.Book(ctx, 2026, time.Time{}, time.Time{}) {
		noError(t, err)
		if y.Book != want {
			t.Fatalf("number %d follows %d", y.Book, want-1)
		}
		if want++; want%1000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&after)
			most = max(most, after.HeapAlloc)
		}
	}
	if want != n+1 {
		t.Errorf("%d of %d were read", want-1, n)
	}
	t.Logf("%d dossiers in %v, %d kB more heap", n, time.Since(start).Round(time.Millisecond), (int64(most)-int64(before.HeapAlloc))>>10)
	if grew := int64(most) - int64(before.HeapAlloc); grew > 4<<20 {
		t.Errorf("the heap grew by %d kB", grew>>10)
	}
}
