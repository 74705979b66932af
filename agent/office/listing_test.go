package office

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tram/agent/fold"
	"tram/storage"
	"tram/storage/sqlite"
)

var (
	listedSubjects = []string{"Đường liên xã", "đường ống", "Dự toán", "dự thảo", "An Bình", "Ấp Mới", "Ăn ca", "ê kíp", "Ơn", "Ô tô", "Hoà giải", "Hòa giải", "", "12 thôn", "2 thôn", "V/v báo cáo"}
	listedOffices  = []Party{{"H40.02", "UBND xã Đại Đồng"}, {"H40.03", "UBND xã Dân Chủ"}, {"H40.04", "Sở Nội vụ"}, {"h40.05", ""}, {"H40.06", "UBND phường Ấp Bắc"}}
	listedTypes    = []string{"CV", "QĐ", "BC"}
	listedStates   = map[Box][]State{In: {Arrived, Accepted, Returned, Recalled}, Out: {Saved, AtHub, Delivered, Accepted, Returned}}
)

func pickOf[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// seedRandom files documents of every kind and returns them as they were filed.
func (n *node) seedRandom(r *rand.Rand, count int) []Document {
	var all []Document
	arrival := 0
	n.seed(count, func(i int, d *Document) {
		d.Box = pickOf(r, []Box{In, Out})
		other := pickOf(r, listedOffices)
		if d.Box == In {
			d.From = other
		} else {
			d.From, d.To = Party{"H40.01", "UBND"}, []Recipient{{Party: other, State: Saved}}
			if second := pickOf(r, listedOffices); r.IntN(3) == 0 && second != other {
				d.To = append(d.To, Recipient{Party: second, State: Saved})
			}
		}
		d.Subject, d.Type, d.State = pickOf(r, listedSubjects), pickOf(r, listedTypes), pickOf(r, listedStates[d.Box])
		d.Number, d.Notation = pickOf(r, []string{"", "5", "05", "12", "100", "7a", "tb"}), pickOf(r, []string{"", "UBND", "QĐ-UBND", "BC-UBND"})
		d.Urgency = Urgency(max(0, r.IntN(8)-4))
		if d.State == Accepted && d.Box == In {
			arrival++
			d.Arrival = arrival
		}
		d.Created = n.w.now().Add(time.Duration(i) * time.Hour).Add(-time.Duration(r.IntN(3)) * time.Minute)
		all = append(all, *d)
	})
	n.book(all)
	return all
}

// book enters accepted documents into the register.
func (n *node) book(all []Document) {
	n.w.t.Helper()
	err := n.db.Update(context.Background(), func(tx *sqlite.Tx) error {
		for _, d := range all {
			if d.Arrival == 0 {
				continue
			}
			if _, err := tx.Exec(`UPDATE documents SET arrival = ?, booked = ? WHERE id = ?`, d.Arrival, d.Created.Year(), d.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		n.w.t.Fatal(err)
	}
}

// naive filters and sorts as one reads what Listing promises.
func naive(all []Document, l Listing) (ids []storage.ID) {
	type entry struct {
		d  Document
		at int
	}
	var list []entry
	byCode := slices.ContainsFunc(all, func(d Document) bool {
		return d.Box == l.Box && slices.ContainsFunc(parties(d), func(p Party) bool { return strings.EqualFold(p.Code, l.Party) })
	})
	for i, d := range all {
		fits := d.Box == l.Box && (len(l.States) == 0 || slices.Contains(l.States, d.State)) && (l.Type == "" || d.Type == l.Type) &&
			(l.Urgency == nil || d.Urgency == *l.Urgency) && (l.FiledFrom.IsZero() || !d.Created.Before(l.FiledFrom)) &&
			(l.FiledUntil.IsZero() || d.Created.Before(l.FiledUntil)) && (l.Only == nil || slices.Contains(l.Only, d.ID))
		if l.Party != "" {
			fits = fits && slices.ContainsFunc(parties(d), func(p Party) bool {
				return strings.EqualFold(p.Code, l.Party) || !byCode && strings.Contains(fold.String(p.Name), fold.String(l.Party))
			})
		}
		if fits {
			list = append(list, entry{d, i})
		}
	}
	slices.SortFunc(list, func(a, b entry) int {
		order := cmp.Or(compareBy(l.Sort, a.d, b.d), a.at-b.at)
		if l.Down {
			return -order
		}
		return order
	})
	for _, e := range list {
		ids = append(ids, e.d.ID)
	}
	return ids
}

func parties(d Document) (list []Party) {
	if d.Box == In {
		return []Party{d.From}
	}
	for _, r := range d.To {
		list = append(list, r.Party)
	}
	return list
}

func compareBy(s Sort, a, b Document) int {
	words := func(of func(d Document) string) int { return strings.Compare(fold.SortKey(of(a)), fold.SortKey(of(b))) }
	switch s {
	case ByArrival:
		return cmp.Compare(a.Arrival, b.Arrival) // all of one year
	case ByUrgency:
		return cmp.Compare(a.Urgency, b.Urgency)
	case ByParty:
		return words(func(d Document) string { return cmp.Or(parties(d)[0].Name, parties(d)[0].Code) })
	case BySubject:
		return words(func(d Document) string { return d.Subject })
	case BySymbol:
		return cmp.Or(compareNumbers(a.Number, b.Number), words(func(d Document) string { return d.Notation }))
	}
	return 0
}

// compareNumbers puts documents without a number first, then numbers, then what
// begins with a letter.
func compareNumbers(a, b string) int {
	split := func(s string) (class, n int, rest string) {
		rest = strings.TrimLeft(s, "0123456789")
		if n, err := strconv.Atoi(s[:len(s)-len(rest)]); err == nil {
			return 1, n, rest
		} else if s == "" {
			return 0, 0, ""
		}
		return 2, 0, rest
	}
	ca, na, ra := split(a)
	cb, nb, rb := split(b)
	return cmp.Or(ca-cb, na-nb, strings.Compare(fold.SortKey(ra), fold.SortKey(rb)))
}

func randomListing(r *rand.Rand, all []Document) Listing {
	l := Listing{Box: pickOf(r, []Box{In, Out}), Sort: pickOf(r, Sorts), Down: r.IntN(2) == 0, Limit: 15 + r.IntN(60)}
	for range r.IntN(3) {
		l.States = append(l.States, pickOf(r, listedStates[l.Box]))
	}
	if r.IntN(3) == 0 {
		l.Type = pickOf(r, listedTypes)
	}
	if r.IntN(3) == 0 {
		u := Urgency(r.IntN(4))
		l.Urgency = &u
	}
	if r.IntN(3) == 0 {
		l.Party = pickOf(r, []string{"H40.02", "h40.05", "xã d", "ĐẠI ĐỒNG", "noi vu", "không có"})
	}
	if r.IntN(3) == 0 {
		l.FiledFrom = pickOf(r, all).Created
	}
	if r.IntN(3) == 0 {
		l.FiledUntil = pickOf(r, all).Created
	}
	if r.IntN(5) == 0 {
		l.Only = []storage.ID{}
		for range r.IntN(60) {
			l.Only = append(l.Only, pickOf(r, all).ID)
		}
		slices.SortFunc(l.Only, func(a, b storage.ID) int { return slices.Compare(a[:], b[:]) })
		l.Only = slices.Compact(l.Only)
	}
	return l
}

// TestListingIsWhatANaiveSortGives pages forwards, backwards and from the end
// through lists of random documents.
func TestListingIsWhatANaiveSortGives(t *testing.T) {
	n := newWorld(t, "H40.01").offices["H40.01"]
	r := rand.New(rand.NewPCG(11, 12))
	all := n.seedRandom(r, 5*narrow/2) // so that both ways of finding are gone
	lists := 80
	if underRace {
		lists = 15
	}
	for i := range lists {
		l := randomListing(r, all)
		if i%3 == 0 {
			l = Listing{Box: l.Box, Sort: l.Sort, Down: l.Down, Limit: 100 + l.Limit}
		}
		want := naive(all, l)
		forward, last := n.walk(t, l, len(want))
		if !slices.Equal(forward, want) {
			t.Fatalf("%+v:\nforward %d, want %d", l, len(forward), len(want))
		}
		if len(want) == 0 {
			continue
		}
		if rest := want[(len(want)-1)/l.Limit*l.Limit:]; !slices.Equal(last, rest) {
			t.Fatalf("%+v: the last page has %d documents, want %d", l, len(last), len(rest))
		}
	}
}

// walk goes through all pages to the end and back, and returns what stands on the
// way there and on the last page.
func (n *node) walk(t *testing.T, l Listing, total int) (forward, last []storage.ID) {
	t.Helper()
	at := l
	var pages [][]storage.ID
	for {
		p, err := n.Listing(t.Context(), at)
		if err != nil {
			t.Fatalf("%+v: %v", at, err)
		}
		if p.Total != total || (p.Before > 0) != (len(pages) > 0) || len(p.Documents) > l.Limit {
			t.Fatalf("%+v: total %d, want %d, before %d on page %d with %d", at, p.Total, total, p.Before, len(pages), len(p.Documents))
		}
		ids := idsOf(p.Documents)
		pages, forward = append(pages, ids), append(forward, ids...)
		if p.After == 0 {
			break
		}
		at.After = p.After
	}
	back := l
	back.Last = true
	for i := len(pages) - 1; ; i-- {
		p, err := n.Listing(t.Context(), back)
		if err != nil {
			t.Fatal(err)
		}
		if got := idsOf(p.Documents); i < 0 || !slices.Equal(got, pages[i]) {
			t.Fatalf("%+v: page %d is another one on the way back (%d documents)", back, i, len(got))
		}
		if back.Last {
			last = pages[i]
		}
		if p.Before == 0 {
			return forward, last
		}
		back.Last, back.Before = false, p.Before
	}
}

func idsOf(docs []Document) (ids []storage.ID) {
	for _, d := range docs {
		ids = append(ids, d.ID)
	}
	return ids
}

// TestListingOfAnOlderStore is for documents that an older program has filed, and
// for words that were put right since.
func TestListingOfAnOlderStore(t *testing.T) {
	n := newWorld(t, "H40.01").offices["H40.01"]
	n.seed(3, func(i int, d *Document) { d.Subject = fmt.Sprint(3-i, " thôn") })
	err := n.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		for _, q := range []string{`DELETE FROM listing`, `DELETE FROM listing_parties`, `INSERT INTO listing_due SELECT seq FROM documents`,
			`UPDATE documents SET subject = '9 thôn' WHERE subject = '2 thôn'`} {
			if _, err := tx.Exec(q); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := n.Listing(t.Context(), Listing{Box: In, Sort: BySubject, Party: "ubnd"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range p.Documents {
		got = append(got, d.Subject)
	}
	if want := []string{"1 thôn", "3 thôn", "9 thôn"}; !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
}

func TestListingGoesOnWhereAPlaceIsGone(t *testing.T) {
	n := newWorld(t, "H40.01").offices["H40.01"]
	n.seed(3, func(int, *Document) {})
	p, err := n.Listing(t.Context(), Listing{Box: In, After: 99_999})
	if err != nil || len(p.Documents) != 3 {
		t.Errorf("a page after a place that is gone has %d documents: %v", len(p.Documents), err)
	}
	if _, err := n.Listing(t.Context(), Listing{Box: In, Sort: "color"}); err == nil {
		t.Error("an unknown order is taken")
	}
}

// TestCountsAreKeptBeforeAnythingChanges is for a program that has just started.
func TestCountsAreKeptBeforeAnythingChanges(t *testing.T) {
	var c counts
	counted := 0
	for range 3 {
		if n, err := c.get(0, "all", func() (int, error) { counted++; return 7, nil }); n != 7 || err != nil {
			t.Fatal(n, err)
		}
	}
	if n, err := c.get(1, "all", func() (int, error) { counted++; return 8, nil }); n != 8 || err != nil || counted != 2 {
		t.Errorf("%d, counted %d times: %v", n, counted, err)
	}
}

// TestListingOfDaysWhoseRowsAreNotInOrder files documents of earlier and later
// days in between, as a clock that was put right does.
func TestListingOfDaysWhoseRowsAreNotInOrder(t *testing.T) {
	n := newWorld(t, "H40.01").offices["H40.01"]
	start := n.w.now()
	hours := []int{0, 30, -50, 49, 24, 100, 23, 48}
	n.seed(len(hours), func(i int, d *Document) { d.Box, d.Created = In, start.Add(time.Duration(hours[i])*time.Hour) })
	for from := -60; from < 110; from += 7 {
		for until := from; until < 110; until += 5 {
			want := 0
			for _, h := range hours {
				if h >= from && h < until {
					want++
				}
			}
			l := Listing{Box: In, FiledFrom: start.Add(time.Duration(from) * time.Hour), FiledUntil: start.Add(time.Duration(until) * time.Hour)}
			p, err := n.Listing(t.Context(), l)
			docs, _, err2 := n.Select(t.Context(), Filter{Box: In, FiledFrom: l.FiledFrom, FiledUntil: l.FiledUntil})
			if err != nil || err2 != nil || p.Total != want || len(p.Documents) != want || len(docs) != want {
				t.Fatalf("%d to %d: total %d, listed %d, selected %d, want %d: %v %v", from, until, p.Total, len(p.Documents), len(docs), want, err, err2)
			}
		}
	}
}
