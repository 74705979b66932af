package dossier

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/clock"
	"tram/agent/office"
	"tram/storage"
	"tram/storage/sqlite"
)

// theHub is the other side of reports: it has those that it was given, in their order.
type theHub struct {
	d      *desk
	epoch  storage.ID
	way    map[storage.ID]Report // on the way
	sealed map[storage.ID]Report
	has    map[string]map[string]Counts // by month and procedure, as last told
	number int64
	down   bool
}

func (d *desk) withHub() *theHub {
	h := &theHub{d: d, epoch: uuid.New(), way: map[storage.ID]Report{}, sealed: map[storage.ID]Report{}, has: map[string]map[string]Counts{}}
	d.reporter = h
	return h
}

func (h *theHub) SealReport(_ context.Context, payload []byte) (office.SealedReport, error) {
	if h.down {
		return office.SealedReport{}, errors.New("no card of the hub")
	}
	r, err := ReadReport(payload)
	id := uuid.New()
	h.sealed[id] = r
	return office.SealedReport{ID: id}, err
}

func (h *theHub) PutReport(_ *sqlite.Tx, r office.SealedReport, before storage.ID) error {
	delete(h.way, before)
	h.way[r.ID] = h.sealed[r.ID]
	return nil
}

// arrive has what is on the way arrive, and tells how many reports that were.
func (h *theHub) arrive() (n int) {
	h.d.t.Helper()
	for id, r := range h.way {
		delete(h.way, id)
		n++
		if r.Number <= h.number {
			h.d.t.Fatalf("report %d after %d", r.Number, h.number)
		}
		h.number = r.Number
		for _, o := range r.Offices {
			for _, m := range o.Months {
				h.has[m.Month] = map[string]Counts{}
				for _, c := range m.Counts {
					h.has[m.Month][c.Procedure] = c
				}
			}
		}
		h.told(id, true)
	}
	return n
}

func (h *theHub) told(id storage.ID, taken bool) {
	h.d.t.Helper()
	noError(h.d.t, h.d.db.Update(h.d.t.Context(), func(tx *sqlite.Tx) error { return h.d.Herald().Reported(tx, id, h.epoch, taken) }))
}

func (h *theHub) report() {
	h.d.t.Helper()
	noError(h.d.t, h.d.Report(h.d.t.Context()))
}

// matches compares what the hub has with the figures of the office, month by month.
func (h *theHub) matches(seed uint64) {
	t := h.d.t
	t.Helper()
	now := h.d.now().In(clock.Vietnam)
	for n := range 4 {
		from := time.Date(now.Year(), now.Month()-time.Month(n), 1, 0, 0, 0, 0, clock.Vietnam)
		_, list, err := h.d.Stats(t.Context(), from, from.AddDate(0, 1, 0))
		noError(t, err)
		month := from.Format("2006-01")
		for _, f := range list {
			want := Counts{Procedure: f.Procedure, Taken: f.Taken, Early: f.Early, OnTime: f.OnTime, Late: f.Late}
			if n == 0 {
				want.Open, want.OpenLate = f.Open, f.OpenLate
			}
			got := h.has[month][f.Procedure]
			got.Procedure = f.Procedure
			if got != want {
				t.Fatalf("seed %d, %s: the hub has %+v, want %+v", seed, month, got, want)
			}
		}
	}
}

// TestTheHubGetsTheFiguresOfEachMonth: whatever happens to dossiers and to reports, what
// the hub has in the end is what Stats says, late corrections of months that are over
// included; and when nothing changes, nothing is told.
func TestTheHubGetsTheFiguresOfEachMonth(t *testing.T) {
	for seed := range uint64(2) {
		r := rand.New(rand.NewPCG(seed, 3))
		d := newDesk(t)
		wed := birth
		wed.Code.Number, wed.Papers = "1.000894", nil
		_, err := d.TakeCatalogue(t.Context(), Catalogue{Procedures: []Procedure{wed}}, "it")
		noError(t, err)
		h := d.withHub()
		for range 8 {
			d.life(r, 8)
			d.clock = d.clock.Add(time.Duration(r.IntN(12*24)) * time.Hour)
			if h.down = r.IntN(4) == 0; h.down {
				if err := d.Report(t.Context()); err == nil && len(h.way) == 0 && len(h.has) > 0 {
					t.Fatal("a report that could not be made counts as told")
				}
				continue
			}
			h.report()
			if len(h.way) > 1 {
				t.Fatalf("%d reports are on their way", len(h.way))
			}
			if r.IntN(3) > 0 {
				h.arrive()
			}
			if r.IntN(5) == 0 {
				h.epoch, h.has = uuid.New(), map[string]map[string]Counts{} // burnt down, and raised again
				noError(t, d.HubIs(t.Context(), h.epoch))
			}
		}
		h.down = false
		h.report()
		h.arrive()
		h.report() // what a hub that burnt down with a report on its way still lacks
		h.arrive()
		h.matches(seed)
		h.report()
		if n := h.arrive(); n != 0 {
			t.Errorf("seed %d: %d reports though nothing has changed", seed, n)
		}
		if len(h.has) < 3 {
			t.Errorf("seed %d: the test shows little: %d months", seed, len(h.has))
		}
	}
}

// TestAHubThatTakesNoReportsIsLeftAloneForADay.
func TestAHubThatTakesNoReportsIsLeftAloneForADay(t *testing.T) {
	d := newDesk(t)
	h := d.withHub()
	h.report()
	for id := range h.way {
		delete(h.way, id)
		h.told(id, false)
	}
	d.clock = d.clock.Add(refusedPause - time.Minute)
	if h.report(); len(h.way) != 0 {
		t.Fatal("it is asked again at once")
	}
	d.clock = d.clock.Add(2 * time.Minute)
	if h.report(); len(h.way) != 1 {
		t.Fatal("it is never asked again")
	}
}

// publication has items of a catalogue from one serial to another.
func publication(t *testing.T, store storage.ID, since int64, list ...Procedure) []byte {
	t.Helper()
	p := Publication{Mark: Mark{Store: store, Serial: since + int64(len(list))}, Since: since}
	for _, x := range list {
		raw, err := json.Marshal(x)
		noError(t, err)
		p.Items = append(p.Items, Item{Kind: ItemProcedure, Origin: "H40", Content: raw})
	}
	raw, err := json.Marshal(p)
	noError(t, err)
	return raw
}

func (d *desk) publish(raw []byte) error {
	return d.db.Update(d.t.Context(), func(tx *sqlite.Tx) error { return d.Herald().Published(tx, "H40", raw) })
}

// TestP2_PublicationsMayComeTwiceAndWithGaps: the mark that is reported is up to where
// nothing is missing.
func TestP2_PublicationsMayComeTwiceAndWithGaps(t *testing.T) {
	d := newDesk(t)
	h := d.withHub()
	store, other := uuid.New(), uuid.New()
	version := func(n int) Procedure {
		p := birth
		p.Code.Number, p.Version = "1.005000", n
		return p
	}
	for i, c := range []struct {
		store storage.ID
		since int64
		what  []Procedure
		want  Mark
	}{
		{store, 0, []Procedure{version(1)}, Mark{store, 1}},
		{store, 0, []Procedure{version(1)}, Mark{store, 1}},
		{store, 4, []Procedure{version(3)}, Mark{store, 1}}, // 2 to 4 are missing
		{store, 1, []Procedure{version(2), version(3)}, Mark{store, 3}},
		{store, 0, []Procedure{version(1)}, Mark{store, 3}},
		{other, 2, []Procedure{version(4)}, Mark{other, 0}}, // another hub, and not from its beginning
		{other, 0, []Procedure{version(4)}, Mark{other, 1}},
	} {
		noError(t, d.publish(publication(t, c.store, c.since, c.what...)))
		h.report()
		last := Report{}
		for _, r := range h.way {
			last = r
		}
		if len(h.way) > 0 && last.Has != c.want {
			t.Errorf("%d: mark %+v, want %+v", i, last.Has, c.want)
		}
		h.arrive()
	}
	p, err := d.InForce(t.Context(), version(1).Code, d.clock)
	if err != nil || p.Version != 4 {
		t.Errorf("version %d is in force, %v", p.Version, err)
	}
}

// TestWhatCannotBeTakenIsKeptAside: a version that differs from the one here, and forms
// of a later program; the rest is taken, and what is kept aside is tried again.
func TestWhatCannotBeTakenIsKeptAside(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	changed, fresh := birth, birth
	changed.Name, fresh.Version, fresh.Name = "Đăng ký khai tử", 2, "Đăng ký khai sinh (mới)"
	var p Publication
	noError(t, json.Unmarshal(publication(t, uuid.New(), 0, changed, fresh), &p))
	p.Items = append(p.Items, Item{Kind: "tariff", Origin: "H40", Content: json.RawMessage(`{"name":"Biểu phí"}`)},
		Item{Kind: ItemProcedure, Origin: "H40", Content: json.RawMessage(`{"code":"1.007777","version":1,"name":"Mới","colour":"red"}`)},
		Item{Kind: ItemCalendar, Origin: "H40", Content: json.RawMessage(`{"version":9,"name":"Lịch mới"}`)})
	p.Serial = 5
	raw, err := json.Marshal(p)
	noError(t, err)
	noError(t, d.publish(raw))
	list, err := d.NotTaken(ctx)
	noError(t, err)
	reasons := map[string]string{}
	for _, x := range list {
		reasons[x.Name] = x.Reason()
	}
	if len(list) != 4 || reasons["1.001193 1"] != "changed" || reasons["Biểu phí"] != "unread" || reasons["1.007777 1"] != "unread" || reasons["Lịch mới"] != "unread" {
		t.Errorf("kept aside: %v", reasons)
	}
	if now, err := d.InForce(ctx, birth.Code, d.clock); err != nil || now.Name != fresh.Name {
		t.Errorf("%q is in force, %v", now.Name, err)
	}
	// The hub gives the version as it is here: nothing is kept aside of it any more.
	noError(t, d.publish(publication(t, p.Store, 5, birth)))
	noError(t, d.retake(ctx))
	if list, err = d.NotTaken(ctx); err != nil || len(list) != 3 {
		t.Errorf("%v, %v", list, err)
	}
	var no *office.Refusal
	for _, bad := range []string{``, `{}`, `{"store":"0192f3a4-5b6c-7d8e-9f00-112233445566","since":2,"serial":1}`} {
		if err := d.publish([]byte(bad)); !errors.As(err, &no) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// FuzzReadReport: what is taken is bounded, and says the same when it is written again.
func FuzzReadReport(f *testing.F) {
	f.Add([]byte(`{"v":1,"store":"0192f3a4-5b6c-7d8e-9f00-112233445566","number":7,"has":{"store":"0192f3a4-5b6c-7d8e-9f00-112233445577","serial":4},"offices":[{"code":"H40.12","at":"2026-11-22T08:00:00Z","months":[{"month":"2026-11","counts":[{"procedure":"1.001193","taken":12,"early":9,"late":1,"open":2}]}]}]}`))
	f.Add([]byte(`{"v":2}`))
	f.Add([]byte(`{"v":1,"store":"0192f3a4-5b6c-7d8e-9f00-112233445566","number":1,"offices":[{"code":"H40.12","at":"2026-11-22T08:00:00Z","months":[{"month":"2026-13"}]}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := ReadReport(raw)
		if err != nil {
			return
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > MaxReport {
			return
		}
		second, err := ReadReport(again)
		if err != nil || len(second.Offices) != len(r.Offices) || second.Number != r.Number {
			t.Errorf("%s\nread as\n%s: %v", raw, again, err)
		}
	})
}

// FuzzReadPublication: no item makes the reader fall, and each has a bounded name.
func FuzzReadPublication(f *testing.F) {
	f.Add([]byte(`{"store":"0192f3a4-5b6c-7d8e-9f00-112233445566","since":3,"serial":4,"items":[{"kind":"calendar","origin":"H40","content":{"version":1,"name":"Tỉnh Minh Sơn"}}]}`))
	f.Add([]byte(`{"store":"0192f3a4-5b6c-7d8e-9f00-112233445566","serial":1,"items":[{"kind":"procedure","content":{"code":"1.001193","version":1}}]}`))
	f.Add([]byte(`{"items":[{}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := ReadPublication(raw)
		if err != nil {
			return
		}
		for _, i := range p.Items {
			if n := len([]rune(i.Name())); n > 200 {
				t.Errorf("a name of %d characters", n)
			}
			_, _ = i.Procedure()
		}
		if next := p.Next(Mark{}); next.Store != p.Store || next.Serial > p.Serial {
			t.Errorf("mark %+v after %+v", next, p.Mark)
		}
	})
}
