package catalogue

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/problem"
	"tram/agent/workdays"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// hub is a catalogue with neighbours that take publications when they are told to.
type hub struct {
	*Catalogue
	t     *testing.T
	now   time.Time
	pages map[storage.ID]dossier.Publication
	waits map[string][]storage.ID // of each neighbour, not taken over
	sent  int
	marks map[string]dossier.Mark // of each neighbour
	items map[string]int          // that each has taken
	gone  string                  // a neighbour without keys
}

func newHub(t *testing.T) *hub {
	t.Helper()
	h := &hub{t: t, now: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC), pages: map[storage.ID]dossier.Publication{}, waits: map[string][]storage.ID{}, marks: map[string]dossier.Mark{}, items: map[string]int{}}
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"), sqlite.Options{Schemas: []sqlite.Schema{audit.Schema, Schema}, Now: func() time.Time { return h.now }})
	must(t, err)
	t.Cleanup(func() { db.Close() })
	h.Catalogue = New(db, "H40")
	return h
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (h *hub) Send(_ *sqlite.Tx, peers []string, raw []byte) (storage.ID, []string, error) {
	p, err := dossier.ReadPublication(raw)
	id := uuid.New()
	h.pages[id] = p
	var sent []string
	for _, peer := range peers {
		if peer != h.gone {
			h.waits[peer], sent = append(h.waits[peer], id), append(sent, peer)
			h.sent++
		}
	}
	return id, sent, err
}

func (h *hub) Waits(_ *sqlite.Tx, id storage.ID, peer string) (bool, error) {
	return slices.Contains(h.waits[peer], id), nil
}

func (h *hub) Withdraw(_ *sqlite.Tx, id storage.ID, peer string) error {
	h.waits[peer] = slices.DeleteFunc(h.waits[peer], func(x storage.ID) bool { return x == id })
	return nil
}

// report has a neighbour say up to where it is.
func (h *hub) report(peer string) {
	h.t.Helper()
	must(h.t, h.db.Update(h.t.Context(), func(tx *sqlite.Tx) error { return h.Heard(tx, peer, h.marks[peer]) }))
	h.round()
}

func (h *hub) round() {
	h.t.Helper()
	for more := true; more; {
		var err error
		more, err = h.Publish(h.t.Context(), h)
		must(h.t, err)
	}
}

// take has a neighbour take over what waits; lost when it does not keep it.
func (h *hub) take(peer string, lost bool) {
	for _, id := range h.waits[peer] {
		if !lost {
			h.marks[peer] = h.pages[id].Next(h.marks[peer])
			h.items[peer] += len(h.pages[id].Items)
		}
	}
	h.waits[peer] = nil
}

func procedures(number, versions int, name string) []byte {
	c := dossier.Catalogue{}
	for n := range number {
		for v := range versions {
			c.Procedures = append(c.Procedures, dossier.Procedure{Code: code.Procedure{Number: fmt.Sprintf("1.%06d", n)}, Version: v + 1, Name: name, From: "2026-01-01",
				Papers: []dossier.Paper{}, Fees: []dossier.Fee{}, Results: []string{}, Limit: workdays.Rule{Unit: workdays.SameDay}})
		}
	}
	raw, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return raw
}

func (h *hub) put(data []byte) Put {
	h.t.Helper()
	p, err := h.PutProcedures(h.t.Context(), data, "test")
	must(h.t, err)
	return p
}

// TestP2_EachNeighbourIsSentWhatItLacksOnce: also when it took over and lost it, has no
// keys for a while, or is another box.
func TestP2_EachNeighbourIsSentWhatItLacksOnce(t *testing.T) {
	h := newHub(t)
	h.put(procedures(3, 1, "một"))
	h.round()
	if h.sent != 0 {
		t.Fatal("somebody is sent something who has not said that it takes it")
	}
	h.report("A")
	h.report("A") // of before it had it
	h.report("B")
	h.round()
	if h.sent != 2 || len(h.waits["A"]) != 1 || len(h.waits["B"]) != 1 {
		t.Fatalf("%d sent, waiting %v", h.sent, h.waits)
	}
	h.take("A", false)
	h.round() // its report is on its way
	h.report("A")
	h.take("B", true)
	h.round()
	if h.sent != 2 {
		t.Fatalf("%d sent: a report is not waited for", h.sent)
	}
	h.now = h.now.Add(Repeat)
	h.round()
	if h.sent != 3 || len(h.waits["B"]) != 1 {
		t.Fatalf("%d sent: what was lost is not sent again", h.sent)
	}
	// B does not come for it; what is newer takes its place.
	for v := range 4 {
		h.put(procedures(3, v+2, "một"))
		h.round()
		h.take("A", false)
		h.report("A")
	}
	if len(h.waits["B"]) != 1 {
		t.Errorf("%d publications wait for B", len(h.waits["B"]))
	}
	h.take("B", false)
	h.report("B")
	list, err := h.Procedures(t.Context(), "")
	must(t, err)
	if h.items["A"] != 15 || h.items["B"] != 15 || list.Current != 2 || list.Offices != 2 || list.Version != 15 || len(list.Procedures) != 3 || list.Procedures[0].Procedure.Version != 5 {
		t.Errorf("A took %d items, B %d; %+v", h.items["A"], h.items["B"], list.Spread)
	}
	sent := h.sent
	h.gone = "A"
	h.marks["A"] = dossier.Mark{} // another box, whose keys are not here yet
	h.report("A")
	h.gone = ""
	h.round()
	h.take("A", false)
	h.report("A")
	if h.sent != sent+1 || h.marks["A"].Serial != 15 {
		t.Errorf("%d sent to the new box, which is at %+v", h.sent-sent, h.marks["A"])
	}
}

// TestALargeCatalogueGoesInPages, each within its bounds, one after the other.
func TestALargeCatalogueGoesInPages(t *testing.T) {
	h := newHub(t)
	const all = dossier.MaxItems*2 + 7
	put := h.put(procedures(all, 1, "một"))
	if put.New != all || put.Version != all {
		t.Fatalf("%+v", put)
	}
	pages := 0
	for h.report("A"); len(h.waits["A"]) > 0; pages++ {
		if n := len(h.waits["A"]); n != 1 {
			t.Fatalf("%d pages at once", n)
		}
		h.round()
		h.take("A", false)
		h.report("A")
	}
	if pages != 3 || h.items["A"] != all || h.marks["A"].Serial != all {
		t.Errorf("%d pages with %d items, mark %+v", pages, h.items["A"], h.marks["A"])
	}
}

// TestAFileIsTakenWholeOrNotAtAll: all its faults are named; the same again is no news.
func TestAFileIsTakenWholeOrNotAtAll(t *testing.T) {
	h := newHub(t)
	ctx := t.Context()
	h.put(procedures(2, 1, "một"))
	if p := h.put(procedures(2, 1, "một")); p.New+p.Changed != 0 || p.Same != 2 || p.Version != 2 {
		t.Errorf("the same again: %+v", p)
	}
	_, err := h.PutProcedures(ctx, procedures(3, 1, "hai"), "test")
	if all := problem.All(err); len(all) != 2 || all[0].Code != "dossier.catalogue-changed" {
		t.Errorf("faults %v", err)
	}
	if list, err := h.Procedures(ctx, ""); err != nil || len(list.Procedures) != 2 {
		t.Errorf("%d procedures, %v", len(list.Procedures), err)
	}
	calendar := []byte(`{"version":1,"name":"Tỉnh","scope":"local","valid_from":2026,"valid_to":2026,"source":"TB 1","updated":"2026-01-05","days":[]}`)
	for want, file := range map[string][]byte{"": calendar, "workdays.not-json": []byte(`{`)} {
		if _, err := h.PutCalendar(ctx, file, "test"); want == "" && err != nil || want != "" && problem.All(err)[0].Code != want {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// TestP7_WhatTheHubAboveGivesGoesFirst: it takes the place of what was put in here, goes
// on to those below, and cannot be changed here.
func TestP7_WhatTheHubAboveGivesGoesFirst(t *testing.T) {
	h := newHub(t)
	ctx := t.Context()
	h.put(procedures(1, 2, "của tỉnh"))
	h.report("A")
	h.take("A", false)
	h.report("A")
	above := newHub(t)
	above.me = "VN"
	above.put(procedures(1, 1, "của nước"))
	above.report("H40")
	page := above.pages[above.waits["H40"][0]]
	page.Items = append(page.Items, dossier.Item{Kind: "tariff", Origin: "VN", Content: json.RawMessage(`{"name":"x"}`)},
		dossier.Item{Kind: dossier.ItemProcedure, Origin: "VN", Content: json.RawMessage(`{"code":"1.008888","version":1,"name":"Sau này","colour":"red"}`)})
	for range 2 {
		must(t, h.db.Update(ctx, func(tx *sqlite.Tx) error { return h.Take(tx, "VN", page) }))
	}
	h.report("A")
	if n := len(h.waits["A"]); n != 1 || len(h.pages[h.waits["A"][0]].Items) != 2 {
		t.Fatalf("%d publications go on", n)
	}
	shown, err := h.Show(ctx, "1.000000")
	must(t, err)
	if len(shown.Procedures) != 2 || shown.Procedures[1].Origin != "VN" || shown.Procedures[1].Procedure.Name != "của nước" || shown.Procedures[0].Origin != "H40" {
		t.Errorf("%+v", shown)
	}
	if _, err := h.PutProcedures(ctx, procedures(1, 1, "của tỉnh"), "test"); problem.All(err)[0].Code != "catalogue.above" {
		t.Errorf("changed here: %v", err)
	}
	must(t, h.db.View(ctx, func(tx *sqlite.Tx) error {
		mark, err := h.Above(tx)
		if mark != page.Mark {
			t.Errorf("mark %+v, want %+v", mark, page.Mark)
		}
		return err
	}))
}
