package hub

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"time"

	"tram/agent/hub/console"
	"tram/agent/hub/fleet"
	"tram/agent/hub/registry"
	"tram/storage/audit"
)

const (
	// OverviewAge is how old an overview may be that the console shows: what many
	// pages ask for within it is read once.
	OverviewAge = 2 * time.Second
	// doubtsShown bounds the boxes that an overview names one by one.
	doubtsShown = 20
	// maxTiers bounds how far up the tree is looked.
	maxTiers = 16
)

// consoleFleet is the boxes as the console sees them.
type consoleFleet struct {
	h    *Hub
	kept *keptOverviews
}

// keptOverviews are by scope.
type keptOverviews struct {
	mu sync.Mutex
	of map[string]console.Overview
}

func newConsoleFleet(h *Hub) consoleFleet {
	return consoleFleet{h, &keptOverviews{of: map[string]console.Overview{}}}
}

// within tells whether an office or cluster lies below scope, or is it.
func (h *Hub) within(scope, code string) bool {
	for range maxTiers {
		if registry.Key(code) == registry.Key(scope) {
			return true
		}
		card, err := h.registry.Lookup(code)
		if err != nil || card.Parent == "" {
			return false
		}
		code = card.Parent
	}
	return false
}

// scoped narrows a query to what may be seen; false: nothing of it may.
func (v consoleFleet) scoped(ctx context.Context, scope string, q *fleet.Query) (bool, error) {
	if scope == "" {
		return true, nil
	}
	o, err := v.Overview(ctx, scope)
	if err != nil {
		return false, err
	}
	var all []string
	for _, c := range o.Clusters {
		if len(q.Clusters) == 0 || slices.Contains(q.Clusters, c.Key) {
			all = append(all, c.Key)
		}
	}
	q.Clusters = all
	return len(all) > 0, nil
}

func (v consoleFleet) Overview(ctx context.Context, scope string) (console.Overview, error) {
	v.kept.mu.Lock()
	defer v.kept.mu.Unlock()
	if o, ok := v.kept.of[scope]; ok && time.Since(o.At) < OverviewAge {
		return o, nil
	}
	o, err := v.overview(ctx, scope)
	if err == nil {
		v.kept.of[scope] = o
	}
	return o, err
}

func (v consoleFleet) overview(ctx context.Context, scope string) (console.Overview, error) {
	o := console.Overview{At: time.Now()}
	groups, err := v.h.fleet.Tallies(ctx)
	if err != nil {
		return o, err
	}
	waiting, err := v.h.queue.Waiting(ctx)
	if err != nil {
		return o, err
	}
	sum := fnv.New64a()
	for _, g := range groups {
		if scope != "" && !v.h.within(scope, g.Cluster) {
			continue
		}
		i := slices.IndexFunc(o.Clusters, func(c console.Cluster) bool { return c.Key == g.Cluster })
		if i < 0 {
			i = len(o.Clusters)
			o.Clusters = append(o.Clusters, console.Cluster{Key: g.Cluster, Name: v.h.nameOf(g.Cluster), Counts: map[fleet.State]int{}})
		}
		o.Clusters[i].Counts[g.State] += g.Count
		o.Clusters[i].Total += g.Count
		if g.Software != "" && !slices.Contains(o.Versions, g.Software) {
			o.Versions = append(o.Versions, g.Software)
		}
		fmt.Fprintln(sum, g)
	}
	for code, n := range waiting {
		if scope == "" || v.h.within(scope, code) {
			o.Waiting += n
		}
	}
	slices.SortFunc(o.Clusters, func(a, b console.Cluster) int { return strings.Compare(a.Key, b.Key) })
	slices.Sort(o.Versions)
	o.Doubted, err = v.doubted(ctx, scope)
	fmt.Fprintln(sum, o.Waiting, len(o.Doubted))
	o.Rev = sum.Sum64()
	return o, err
}

// doubted are boxes whose audit log does not hold, or of which an older copy is
// refused.
func (v consoleFleet) doubted(ctx context.Context, scope string) ([]fleet.Agent, error) {
	copies, err := v.h.lineage.Copies(ctx)
	if err != nil {
		return nil, err
	}
	findings, err := v.h.logs.ledger.Findings(ctx)
	if err != nil {
		return nil, err
	}
	keys := map[string]bool{}
	for key := range copies {
		keys[key] = true
	}
	for key := range findings {
		keys[key] = true
	}
	var all []fleet.Agent
	for key := range keys {
		r, err := v.h.fleet.Get(ctx, key)
		if isNoOffice(err) || err == nil && scope != "" && !v.h.within(scope, r.Cluster) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, r.Agent)
	}
	slices.SortFunc(all, func(a, b fleet.Agent) int { return strings.Compare(a.Code, b.Code) })
	all = all[:min(len(all), doubtsShown)]
	return all, v.h.complete(ctx, all)
}

func (v consoleFleet) Page(ctx context.Context, scope string, q fleet.Query) (fleet.Page, error) {
	if some, err := v.scoped(ctx, scope, &q); err != nil || !some {
		return fleet.Page{}, err
	}
	p, err := v.h.fleet.Page(ctx, q)
	if err != nil {
		return p, err
	}
	return p, v.h.complete(ctx, p.Agents)
}

func (v consoleFleet) Count(ctx context.Context, scope string, q fleet.Query) (int, error) {
	if some, err := v.scoped(ctx, scope, &q); err != nil || !some {
		return 0, err
	}
	counts, err := v.h.fleet.Counts(ctx, q)
	n := 0
	for _, c := range counts {
		if len(q.States) == 0 || slices.Contains(q.States, c.State) {
			n += c.Count
		}
	}
	return n, err
}

func (v consoleFleet) Get(ctx context.Context, scope, code string) (fleet.Report, error) {
	r, err := v.h.fleet.Get(ctx, code)
	if err != nil {
		return r, err
	}
	if scope != "" && !v.h.within(scope, r.Cluster) {
		return fleet.Report{}, noOffice(code)
	}
	one := []fleet.Agent{r.Agent}
	err = v.h.complete(ctx, one)
	r.Agent = one[0]
	return r, err
}

func (v consoleFleet) Bands(ctx context.Context, code string, span time.Duration) ([]fleet.Band, error) {
	return v.h.fleet.Bands(ctx, code, span)
}

// Events are what the audit log says of an office.
func (v consoleFleet) Events(ctx context.Context, code string, limit int) ([]audit.Row, error) {
	return audit.Find(ctx, v.h.db, audit.Filter{Subject: code}, limit)
}

func (v consoleFleet) Pause(ctx context.Context, code string, pause bool, by string) error {
	act := ActResume
	if pause {
		act = ActPause
	}
	return v.h.ChangeAgent(ctx, AgentChange{Code: code, Act: act}, by)
}
