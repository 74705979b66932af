package fleet

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/health"
	"tram/agent/health/beat"
	"tram/agent/problem"
)

// crowd is a fleet of n boxes as they are on a bad day.
func crowd(t testing.TB, n int) *world {
	w := newWorld(t)
	var members []Member
	chance := rand.New(rand.NewPCG(3, 4))
	sessions, beats := map[string]Change{}, map[string]Heard{}
	for i := range n {
		code := fmt.Sprintf("H40.%d.%d", i/40+1, i%40+1)
		members = append(members, Member{Code: code, Name: fmt.Sprintf("UBND xã Phú An %d", i), Parent: fmt.Sprintf("H40.%d", i/40+1), Kind: "xa", Enrolled: i%50 != 0})
		if i%50 == 0 {
			continue
		}
		sessions[code] = Change{Online: i%7 != 0, Software: "tram 1.4." + fmt.Sprint(i%3)}
		b := beat.Beat{Version: beat.Version, At: w.now, Software: "tram 1.4." + fmt.Sprint(i%3), Every: 300, Disk: beat.Disk{Free: int64(chance.IntN(1 << 33))}, Certificate: w.now.AddDate(0, 0, chance.IntN(180))}
		if i%9 == 0 {
			b.Queue = beat.Queue{Count: 1 + chance.IntN(40), Since: w.now.Add(-time.Duration(chance.IntN(3000)) * time.Minute)}
		}
		if i%60 == 1 {
			b.Conditions = []health.Condition{{Code: "disk-low"}}
		}
		beats[code] = Heard{w.now.Add(-time.Duration(chance.IntN(300)) * time.Second), b}
	}
	ctx := context.Background()
	w.must(w.Roster(ctx, members))
	w.must(w.Sessions(ctx, sessions))
	w.must(w.Heard(ctx, beats))
	w.judge()
	w.now = w.now.Add(time.Hour)
	w.judge()
	return w
}

func TestPagesFollowEachOtherWithoutGapOrRepeat(t *testing.T) {
	w := crowd(t, 700)
	for _, by := range Sorts {
		for _, desc := range []bool{false, true} {
			seen := map[string]bool{}
			q := Query{Sort: by, Desc: desc, Limit: 97}
			for pages := 0; ; pages++ {
				p, err := w.Page(t.Context(), q)
				if err != nil || pages > 10 {
					t.Fatalf("by %s: page %d, %v", by, pages, err)
				}
				for _, a := range p.Agents {
					if seen[a.Code] {
						t.Fatalf("by %s: %s twice", by, a.Code)
					}
					seen[a.Code] = true
				}
				if q.After = p.Next; q.After == "" {
					break
				}
			}
			if len(seen) != 700 {
				t.Errorf("by %s (%v): %d boxes", by, desc, len(seen))
			}
		}
	}
}

func TestQueriesChoose(t *testing.T) {
	w := crowd(t, 700)
	all, err := w.Page(t.Context(), Query{Limit: MaxPage})
	w.must(err)
	tests := []struct {
		name string
		q    Query
		has  func(Agent) bool
	}{
		{"clusters", Query{Clusters: []string{"H40.2", "H40.5"}}, func(a Agent) bool { return a.Cluster == "H40.2" || a.Cluster == "H40.5" }},
		{"states", Query{States: []State{NeedsRepair, OutOfContact}}, func(a Agent) bool { return a.State == NeedsRepair || a.State == OutOfContact }},
		{"software", Query{Software: "tram 1.4.1"}, func(a Agent) bool { return a.Software == "tram 1.4.1" }},
		{"name", Query{Text: "phu AN 12"}, func(a Agent) bool { return strings.Contains(a.Name, "Phú An 12") }},
		{"code", Query{Text: "h40.3."}, func(a Agent) bool { return strings.HasPrefix(a.Code, "H40.3.") }},
		{"certificate", Query{CertificateWithin: 30 * 24 * time.Hour}, func(a Agent) bool { return !a.Certificate.IsZero() && a.Certificate.Before(w.now.AddDate(0, 0, 30)) }},
		{"queue", Query{QueueOlder: 24 * time.Hour}, func(a Agent) bool { return !a.QueueSince.IsZero() && a.QueueSince.Before(w.now.Add(-24*time.Hour)) }},
		{"two of them", Query{Clusters: []string{"H40.2"}, Software: "tram 1.4.2"}, func(a Agent) bool { return a.Cluster == "H40.2" && a.Software == "tram 1.4.2" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.q.Limit = MaxPage
			p, err := w.Page(t.Context(), tt.q)
			want := slices.DeleteFunc(slices.Clone(all.Agents), func(a Agent) bool { return !tt.has(a) })
			if err != nil || len(want) == 0 || len(p.Agents) != len(want) {
				t.Errorf("%d boxes, want %d (error %v)", len(p.Agents), len(want), err)
			}
			for i := range p.Agents {
				if p.Agents[i].Code != want[i].Code {
					t.Fatalf("%s in the place of %s", p.Agents[i].Code, want[i].Code)
				}
			}
			counts, err := w.Counts(t.Context(), tt.q)
			total := 0
			for _, c := range counts {
				if len(tt.q.States) == 0 || slices.Contains(tt.q.States, c.State) {
					total += c.Count
				}
			}
			if err != nil || len(counts) != len(States) || total != len(want) {
				t.Errorf("the counts are %v (error %v)", counts, err)
			}
		})
	}
	facets, err := w.Facets(t.Context(), Query{Clusters: []string{"H40.2", "H40.5"}})
	if want := []Facet{{Value: "H40.2", Count: 40}, {Value: "H40.5", Count: 40}}; err != nil || !slices.Equal(facets.Clusters, want) || len(facets.Software) != 4 {
		t.Errorf("the facets are %+v (error %v)", facets, err)
	}
	for _, c := range []struct {
		q    Query
		want string
	}{
		{Query{Sort: "mood"}, "fleet.sort"}, {Query{After: "?"}, "fleet.cursor"}, {Query{After: "e30"}, "fleet.cursor"},
		{Query{After: "eyJzIjoibmFtZSIsImEiOiJ4IiwiYyI6IngifQ"}, "fleet.cursor"}, {Query{Text: strings.Repeat("x", maxWord+1)}, "fleet.text"},
	} {
		if _, err := w.Page(t.Context(), c.q); problem.From(err).Code != c.want {
			t.Errorf("%+v: %v, want %s", c.q, err, c.want)
		}
	}
}

// TestElevenThousandBoxesFitIntoAConsole prints how large and how quick the answers
// for a console are.
func TestElevenThousandBoxesFitIntoAConsole(t *testing.T) {
	n := 11_000
	if testing.Short() {
		n = 1100
	}
	w := crowd(t, n)
	columns, err := w.Columns(t.Context(), Query{})
	w.must(err)
	tiles, err := w.Tiles(t.Context(), Query{})
	w.must(err)
	if len(columns.States) != n || len(columns.Version) != n || len(columns.Versions) != 4 || len(tiles.Codes) != n || columns.Roster != tiles.Roster {
		t.Errorf("%d boxes, %q versions, roster %s and %s", len(columns.States), columns.Versions, columns.Roster, tiles.Roster)
	}
	counts, err := w.Counts(t.Context(), Query{})
	w.must(err)
	for _, c := range counts {
		if got := strings.Count(columns.States, letters[c.State:c.State+1]); got != c.Count {
			t.Errorf("%d are %v in the columns, %d counted", got, c.State, c.Count)
		}
	}
	size := packed(t, columns)
	t.Logf("%d boxes: columns %d bytes with gzip, tiles %d", n, size, packed(t, tiles))
	worst := packed(t, shuffled(columns))
	t.Logf("on the worst of days %d", worst)
	if max(size, worst) > 60_000 {
		t.Errorf("the columns have %d bytes, at worst %d", size, worst)
	}
	if n < 11_000 {
		return
	}
	took := func(what string, most time.Duration, do func() error) {
		begin := time.Now()
		w.must(do())
		d := time.Since(begin)
		t.Logf("%s: %v", what, d.Round(100*time.Microsecond))
		if d > most {
			t.Errorf("%s takes %v", what, d)
		}
	}
	const patient = 3 * time.Second // of a busy machine; see the log for what it takes
	took("a page by queue age", patient, func() error {
		_, err := w.Page(t.Context(), Query{Sort: "age", States: []State{Normal, Late}})
		return err
	})
	took("counts", patient, func() error { _, err := w.Counts(t.Context(), Query{}); return err })
	took("columns", patient, func() error { _, err := w.Columns(t.Context(), Query{}); return err })
	took("a judgement without changes", patient, func() error { _, err := w.Judge(t.Context(), noon.Add(-time.Hour)); return err })
}

// shuffled is the worst of days: no two boxes are alike.
func shuffled(c Columns) Columns {
	chance := rand.New(rand.NewPCG(5, 6))
	states := []byte(c.States)
	for i := range states {
		states[i] = letters[chance.IntN(len(letters))]
		c.Queue[i], c.Age[i], c.Seen[i], c.Version[i] = chance.IntN(40), chance.IntN(1500), chance.IntN(300), chance.IntN(4)
	}
	c.States = string(states)
	return c
}

func packed(t *testing.T, v any) int {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := errors.Join(json.NewEncoder(z).Encode(v), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Len()
}

// BenchmarkHeard writes the heartbeats of a second of 11,000 boxes.
func BenchmarkHeard(b *testing.B) {
	w := crowd(b, 2000)
	beats := map[string]Heard{}
	for i := range 37 {
		code := fmt.Sprintf("H40.%d.%d", i/40+1, i%40+1)
		beats[code] = Heard{w.now, beat.Beat{Version: beat.Version, At: w.now, Software: "tram 1", Every: 300}}
	}
	for b.Loop() {
		w.now = w.now.Add(time.Second)
		w.must(w.Heard(context.Background(), beats))
	}
}
