package registry

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/problem"
	"tram/storage/sqlite"
)

// desk is a hub's registry with its editor.
type desk struct {
	*tier
	Editor
}

func newDesk(t testing.TB) *desk {
	h := newTier(t, "H40")
	d := &desk{h, Editor{Registry: h.reg, Authority: h.authority, Own: "H40"}}
	for _, c := range []struct{ code, parent string }{{"H40.1", "H40"}, {"H40.2", "H40"}, {"H40.1.1", "H40.1"}, {"H40.2.1", "H40.2"}} {
		h.issue(Card{Code: c.code, Name: "UBND " + c.code, Parent: c.parent, Kind: "xa", Device: newKey(t).Public(), Recipient: newRecipient(t)})
	}
	return d
}

func (d *desk) do(fn func(tx *sqlite.Tx) (Card, error)) Card {
	d.t.Helper()
	c, err := d.try(fn)
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

func (d *desk) try(fn func(tx *sqlite.Tx) (Card, error)) (c Card, err error) {
	err = d.db.Update(d.t.Context(), func(tx *sqlite.Tx) error {
		c, err = fn(tx)
		return err
	})
	return c, err
}

func (d *desk) wantResolved(code, want string, moved bool) {
	d.t.Helper()
	c, was, err := d.reg.Resolve(code)
	if err != nil || c.Code != want || was != moved {
		d.t.Errorf("%s resolves to %q, moved %v (error %v), want %q, %v", code, c.Code, was, err, want, moved)
	}
}

func (d *desk) refused(code string, err error) {
	d.t.Helper()
	var p *problem.Problem
	if !errors.As(err, &p) || p.Code != code {
		d.t.Errorf("error is %v, want problem %s", err, code)
	}
}

func TestOldCodesAnswerWithTheOfficeOfToday(t *testing.T) {
	d := newDesk(t)
	d.wantResolved("h40.1", "H40.1", false)
	d.do(func(tx *sqlite.Tx) (Card, error) {
		return d.Rename(tx, "H40.1", Change{Name: "UBND xã Mới", Old: []string{"000.01.01.H40"}})
	})
	d.wantResolved("000.01.01.h40", "H40.1", true)
	d.do(func(tx *sqlite.Tx) (Card, error) { return d.Merge(tx, "H40.2", []string{"H40.1"}) })
	d.wantResolved("H40.1", "H40.2", true)
	d.wantResolved("000.01.01.H40", "H40.2", true) // through the office that has ended
	if c := d.lookup("H40.1.1"); c.Parent != "H40.2" {
		t.Errorf("what lay below the merged office lies below %q", c.Parent)
	}
	if c := d.lookup("H40.1"); !c.Enrolled() || c.Into != "H40.2" {
		t.Errorf("the merged office is %+v", c)
	}
	// A new code has no keys at first; until it has some the old one answers.
	next := d.do(func(tx *sqlite.Tx) (Card, error) { return d.Rename(tx, "H40.2", Change{Code: "H40.9"}) })
	d.wantResolved("H40.2", "H40.2", false)
	d.wantResolved("H40.1", "H40.2", true)
	next.Device, next.Recipient = newKey(t).Public(), newRecipient(t)
	d.tier.issue(next)
	for _, code := range []string{"H40.1", "H40.2", "000.01.01.H40"} {
		d.wantResolved(code, "H40.9", true)
	}
	if _, _, err := d.reg.Resolve("H40.77"); !errors.Is(err, ErrNotFound) {
		t.Errorf("an unknown code gives %v", err)
	}
	found, err := d.reg.Search(t.Context(), "000.01.01.h40", 5)
	if err != nil || len(found) != 1 || found[0].Code != "H40.1" {
		t.Errorf("the old code finds %v, %v", found, err)
	}
}

func TestSuccessorsInACircleAreAnError(t *testing.T) {
	d := newDesk(t)
	d.tier.issue(Card{Code: "X", Name: "x", Succession: Succession{Into: "Y"}})
	d.tier.issue(Card{Code: "Y", Name: "y", Succession: Succession{Into: "X"}})
	if _, _, err := d.reg.Resolve("X"); !errors.Is(err, ErrChain) {
		t.Errorf("error %v", err)
	}
	d.tier.issue(Card{Code: "Z", Name: "z", Succession: Succession{Into: "not.here"}})
	d.wantResolved("Z", "Z", false)
}

func TestOfChangesThatCannotBeNothingIsDone(t *testing.T) {
	d := newDesk(t)
	d.tier.issue(Card{Code: "V", Name: "v", Hub: "VN"})
	d.do(func(tx *sqlite.Tx) (Card, error) { return d.Merge(tx, "H40.2", []string{"H40.2.1"}) })
	before := content(t, d.reg)
	for _, c := range []struct {
		want string
		do   func(tx *sqlite.Tx) (Card, error)
	}{
		{"hub.no-office", func(tx *sqlite.Tx) (Card, error) { return d.Move(tx, "H40.7", "H40") }},
		{"hub.no-office", func(tx *sqlite.Tx) (Card, error) { return d.Move(tx, "H40.1", "H41") }},
		{"office.circle", func(tx *sqlite.Tx) (Card, error) { return d.Move(tx, "H40.1", "H40.1.1") }},
		{"office.circle", func(tx *sqlite.Tx) (Card, error) { return d.Move(tx, "H40.1", "H40.1") }},
		{"office.ended", func(tx *sqlite.Tx) (Card, error) { return d.Move(tx, "H40.1", "H40.2.1") }},
		{"office.ended", func(tx *sqlite.Tx) (Card, error) { return d.Rename(tx, "H40.2.1", Change{Name: "x"}) }},
		{"office.is-hub", func(tx *sqlite.Tx) (Card, error) { return d.Rename(tx, "h40", Change{Name: "x"}) }},
		{"office.elsewhere", func(tx *sqlite.Tx) (Card, error) { return d.Merge(tx, "H40.1", []string{"V"}) }},
		{"office.circle", func(tx *sqlite.Tx) (Card, error) { return d.Merge(tx, "H40.1.1", []string{"H40.2", "H40.1"}) }},
		{"office.taken", func(tx *sqlite.Tx) (Card, error) { return d.Rename(tx, "H40.1", Change{Code: "H40.2"}) }},
		{"office.taken", func(tx *sqlite.Tx) (Card, error) { return d.Rename(tx, "H40.1", Change{Code: "h40.1"}) }},
		{"office.taken", func(tx *sqlite.Tx) (Card, error) { return d.Rename(tx, "H40.1", Change{Old: []string{"H40.2.1"}}) }},
		{"office.code", func(tx *sqlite.Tx) (Card, error) { return d.Rename(tx, "H40.1", Change{Code: "#"}) }},
		{"office.name", func(tx *sqlite.Tx) (Card, error) { return d.Rename(tx, "H40.1", Change{Name: "\x00"}) }},
		{"office.kind", func(tx *sqlite.Tx) (Card, error) {
			return d.Rename(tx, "H40.1", Change{Kind: strings.Repeat("x", MaxKind+1)})
		}},
		{"office.old", func(tx *sqlite.Tx) (Card, error) {
			var old []string
			for i := range MaxOld + 1 {
				old = append(old, fmt.Sprint("o", i))
			}
			return d.Rename(tx, "H40.1", Change{Old: old})
		}},
		{"hub.no-office", func(tx *sqlite.Tx) (Card, error) { return d.Allow(tx, "H40.1", []string{"H77/*"}) }},
	} {
		_, err := d.try(c.do)
		d.refused(c.want, err)
	}
	if after := content(t, d.reg); after != before {
		t.Errorf("refused changes have changed\n%s\nto\n%s", before, after)
	}
}

func TestWhomAnOfficeMayWriteTo(t *testing.T) {
	d := newDesk(t)
	for _, c := range []struct {
		name    string
		kind    string
		may     []string
		allowed string
		refused string
	}{
		{"an office without rules", "xa", nil, "H40 H40.1 H40.2.1 unknown", ""},
		{"an enterprise without rules", KindEnterprise, nil, "", "H40 H40.1 unknown"},
		{"one office", KindEnterprise, []string{"h40.1"}, "H40.1", "H40 H40.1.1 H40.2"},
		{"an office and all below", KindEnterprise, []string{"H40.1/*"}, "H40.1 h40.1.1", "H40 H40.2 H40.2.1 unknown"},
		{"the whole province", KindEnterprise, []string{"H40/*"}, "H40 H40.1 H40.2.1", "unknown"},
		{"everybody", KindEnterprise, []string{"*"}, "H40 H40.2.1 unknown", ""},
		{"one that is not here", KindEnterprise, []string{"unknown"}, "Unknown", "H40.1"},
		{"an office with rules", "xa", []string{"H40.2"}, "H40.2", "H40.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			from := Card{Code: "H40.DN", Kind: c.kind, Succession: Succession{May: c.may}}
			for want, codes := range map[bool]string{true: c.allowed, false: c.refused} {
				for _, code := range strings.Fields(codes) {
					if ok, err := d.reg.Allows(from, code); err != nil || ok != want {
						t.Errorf("to %s: %v (error %v), want %v", code, ok, err, want)
					}
				}
			}
		})
	}
	// Rules follow the offices that they name.
	d.do(func(tx *sqlite.Tx) (Card, error) { return d.Merge(tx, "H40.2", []string{"H40.1"}) })
	from := Card{Code: "H40.DN", Kind: KindEnterprise, Succession: Succession{May: []string{"H40.1"}}}
	for _, to := range []string{"H40.1", "H40.2"} {
		if ok, err := d.reg.Allows(from, to); err != nil || !ok {
			t.Errorf("after the merger to %s: %v, %v", to, ok, err)
		}
	}
	d.tier.issue(Card{Code: "loop.a", Name: "a", Parent: "loop.b"})
	d.tier.issue(Card{Code: "loop.b", Name: "b", Parent: "loop.a"})
	if ok, err := d.reg.Allows(from, "loop.a"); ok || err != nil {
		t.Errorf("in a circle of parents: %v, %v", ok, err)
	}
}

func TestFormerKeysStayOnTheCard(t *testing.T) {
	authority := newKey(t)
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	db, err := sqlite.Open(t.Context(), t.TempDir()+"/x.db", sqlite.Options{Schemas: []sqlite.Schema{Schema}, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r, err := New(db, authority.Public(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	keys := []Card{}
	for range MaxFormer + 3 {
		c := Card{Code: "A", Name: "a", Device: newKey(t).Public(), Recipient: newRecipient(t)}
		issueAll(t, db, r, authority, []Card{c, {Code: "A", Name: "đổi tên", Device: c.Device, Recipient: c.Recipient}})
		keys = append(keys, c)
		now = now.AddDate(1, 0, 0)
	}
	c, err := r.Lookup("A")
	if err != nil || len(c.Former) != MaxFormer {
		t.Fatalf("%d former keys, %v", len(c.Former), err)
	}
	last := c.Former[0]
	if !last.Device.Equal(keys[len(keys)-2].Device) || !last.Until.Equal(now.AddDate(-1, 0, 0)) || !last.From.Equal(now.AddDate(-2, 0, 0)) {
		t.Errorf("the latest former key is %+v", last)
	}
	if got := len(c.KeyAt(last.Until.Add(time.Hour), 0)); got != 0 {
		t.Errorf("%d keys hold after the last one's end", got)
	}
	if got := c.KeyAt(last.Until.Add(time.Hour), 2*time.Hour); len(got) != 1 || got[0] != last.Device {
		t.Errorf("%d keys hold within the tolerance", len(got))
	}
	if got := len(c.KeyAt(time.Unix(0, 0), 0)); got != MaxFormer {
		t.Errorf("%d keys hold for a clock in 1970", got)
	}
}

func TestImportChecksAllBeforeItWrites(t *testing.T) {
	d := newDesk(t)
	d.tier.issue(Card{Code: "V", Name: "v", Hub: "VN"})
	read := func(csv string) []Entry {
		t.Helper()
		list, err := ReadList(strings.NewReader(csv), 1<<20, 100)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	device := d.lookup("H40.1").Device
	list := read("code;name;parent;kind;old;may;into\nh40.1;UBND xã Một;H40;xa;a b;;\nV;khác;;;;;\nH40;tỉnh;;;;;\nH40.3;Ba;h40.1;enterprise;;H40/* *;\nH40.2;Hai;;;;;H40.3\n")
	did, err := d.Import(t.Context(), list)
	if want := (Imported{New: 1, Changed: 2, Elsewhere: 2}); err != nil || did != want {
		t.Errorf("imported %+v, %v, want %+v", did, err, want)
	}
	if c := d.lookup("H40.1"); c.Name != "UBND xã Một" || c.Code != "H40.1" || !reflect.DeepEqual(c.Device, device) || !slices.Equal(c.Old, []string{"a", "b"}) {
		t.Errorf("an enrolled office became %+v", c)
	}
	d.wantResolved("b", "H40.1", true)
	if c := d.lookup("H40.3"); !slices.Equal(c.May, []string{"H40/*", "*"}) {
		t.Errorf("rules are %q", c.May)
	}
	if did, err = d.Import(t.Context(), list); err != nil || did.Same != 3 || did.New+did.Changed != 0 {
		t.Errorf("again: %+v, %v", did, err)
	}
	// Without the columns what they would say stays.
	if did, err = d.Import(t.Context(), read("code,name,parent,kind\nH40.1,Một,H40,xa\nH40.2,Hai,,\n")); err != nil || did.Changed != 1 || did.Same != 1 {
		t.Errorf("without columns: %+v, %v", did, err)
	}
	d.wantResolved("b", "H40.1", true)

	before := content(t, d.reg)
	_, err = d.Import(t.Context(), read("code,name,parent,kind,into\nH40.5,x,H40.6,xa,\nH40.6,x,H40.5,xa,\nH40.7,x,H99,xa,\nH40.8,x,,xa,H98\n"))
	var faults problem.List
	if !errors.As(err, &faults) {
		t.Fatal(err)
	}
	var got []string
	for _, f := range faults {
		got = append(got, fmt.Sprint(f.Code, " ", f.Args["line"], " ", f.Field))
	}
	want := []string{"csv.circle 2 parent", "csv.circle 3 parent", "csv.no-parent 4 parent", "csv.no-into 5 into"}
	if !slices.Equal(got, want) {
		t.Errorf("faults %q, want %q", got, want)
	}
	if content(t, d.reg) != before {
		t.Error("a list with faults was taken in")
	}
	if _, err := ReadList(strings.NewReader("code,name,parent,kind\na,b,,\nc,d,,\n"), 1<<20, 1); !strings.Contains(fmt.Sprint(err), "csv.large") {
		t.Errorf("too many offices: %v", err)
	}
}

func TestSearchKnowsWhatChanged(t *testing.T) {
	d := newDesk(t)
	find := func(q Query) (codes []string) {
		t.Helper()
		cards, err := d.reg.Find(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cards {
			codes = append(codes, c.Code)
		}
		return codes
	}
	want := func(q Query, codes ...string) {
		t.Helper()
		if got := find(q); !slices.Equal(got, codes) {
			t.Errorf("%+v finds %q, want %q", q, got, codes)
		}
	}
	want(Query{Text: "ubnd"}, "H40.1", "H40.1.1", "H40.2", "H40.2.1")
	d.do(func(tx *sqlite.Tx) (Card, error) {
		return d.Rename(tx, "H40.1", Change{Name: "Công an xã Đường Lâm"})
	})
	d.tier.issue(Card{Code: "H40.5", Name: "Chi cục Đường thủy", Parent: "H40"})
	want(Query{Text: "DUONG  lam"}, "H40.1")
	want(Query{Text: "đường"}, "H40.5", "H40.1")
	want(Query{Text: "duong", Reachable: true}, "H40.1")
	want(Query{Text: "ubnd h40.2"}, "H40.2", "H40.2.1")
	want(Query{Text: "ubnd", Limit: 2}, "H40.1.1", "H40.2")
	want(Query{Text: "\x01 \x00"})
	want(Query{Text: "h40", Reachable: true, Limit: 1}, "H40.1") // the hub itself is left out
	// More changes than are kept beside the index have it read anew.
	var many []Card
	for i := range maxOverlay + 1 {
		many = append(many, Card{Code: fmt.Sprintf("M%d", i), Name: "Hợp tác xã"})
	}
	issueAll(t, d.db, d.reg, d.authority, many)
	if got := find(Query{Text: "hop tac", Limit: MaxResults}); len(got) != MaxResults || len(d.reg.index.overlay) != 0 {
		t.Errorf("%d found, %d beside the index", len(got), len(d.reg.index.overlay))
	}
}

// TestSearchesWhileTheRegistryGrows is for the race detector.
func TestSearchesWhileTheRegistryGrows(t *testing.T) {
	d := newDesk(t)
	done := make(chan error)
	go func() {
		var err error
		for range 50 {
			if _, e := d.reg.Search(t.Context(), "ubnd", 5); e != nil {
				err = e
			}
		}
		done <- err
	}()
	for i := range 50 {
		d.tier.issue(Card{Code: fmt.Sprintf("G%d", i), Name: "UBND"})
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if found, err := d.reg.Search(t.Context(), "ubnd", MaxResults); err != nil || len(found) != 54 {
		t.Errorf("%d found, %v", len(found), err)
	}
}

func TestAnOfficeLearnsOfItsNeighboursFirst(t *testing.T) {
	d := newDesk(t)
	d.tier.issue(Card{Code: "H40.0", Name: "không khóa", Parent: "H40.1"})
	raws, err := d.reg.Around(t.Context(), "h40.1.1", 4)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, raw := range raws {
		c, err := ParseCard(raw, d.authority.Public())
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, c.Code)
	}
	if want := []string{"H40.1", "H40.1.1", "H40.0", "H40.2"}; !slices.Equal(codes, want) {
		t.Errorf("it is told of %q, want %q", codes, want)
	}
}
