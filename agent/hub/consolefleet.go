package hub

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"tram/agent/fold"
	"tram/agent/hub/console"
	"tram/agent/hub/fleet"
	"tram/agent/hub/registry"
)

// fleetAge is how old the list of boxes may be that the console works on: what
// many pages ask for within it is read once.
const fleetAge = 2 * time.Second

// consoleFleet is the boxes as the console sees them.
type consoleFleet struct {
	h    *Hub
	kept *keptFleet
}

type keptFleet struct {
	mu   sync.Mutex
	at   time.Time
	list []console.Device
	keys []string // folded names and codes, in their order
}

func newConsoleFleet(h *Hub) consoleFleet { return consoleFleet{h, &keptFleet{}} }

// all is every box, in the order of their codes, with what is searched in each.
func (v consoleFleet) all(ctx context.Context) (time.Time, []console.Device, []string, error) {
	v.kept.mu.Lock()
	defer v.kept.mu.Unlock()
	if v.kept.list != nil && time.Since(v.kept.at) < fleetAge {
		return v.kept.at, v.kept.list, v.kept.keys, nil
	}
	a, err := v.h.Agents(ctx)
	if err != nil {
		return time.Time{}, nil, nil, err
	}
	list, keys := make([]console.Device, len(a.Agents)), make([]string, len(a.Agents))
	names := map[string]string{}
	for i, g := range a.Agents {
		list[i] = deviceOf(g)
		name, ok := names[g.Parent]
		if !ok && g.Parent != "" {
			name = v.h.nameOf(g.Parent)
			names[g.Parent] = name
		}
		list[i].ClusterName = name
		keys[i] = fold.String(g.Name) + "\n" + strings.ToLower(g.Code)
	}
	v.kept.at, v.kept.list, v.kept.keys = a.At, list, keys
	return a.At, list, keys, nil
}

// deviceOf is a box as the console shows it.
func deviceOf(g fleet.Agent) console.Device {
	d := console.Device{
		Code: g.Code, Name: g.Name, Kind: g.Kind, Cluster: g.Parent, Enrolled: g.Enrolled, Since: g.Since, Online: g.Online, Seen: g.Seen,
		Software: g.Software, Waiting: g.Waiting, LogBroken: g.Log, Copy: g.Copy,
	}
	switch {
	case !g.Enrolled:
		d.State, d.Since = console.NotEnrolled, time.Time{}
	case !g.Log.IsZero() || !g.Copy.IsZero():
		d.State = console.NeedsRepair
	case g.Online:
		d.State = console.Normal
	default:
		d.State = console.OutOfContact
	}
	return d
}

// seen tells whether a box lies in the part of the tree that somebody may see.
func (v consoleFleet) seen(scope string, d console.Device) bool {
	return scope == "" || registry.Key(d.Cluster) == registry.Key(scope) || v.h.within(scope, d.Code)
}

func (v consoleFleet) Overview(ctx context.Context, scope string) (console.Overview, error) {
	at, list, _, err := v.all(ctx)
	o := console.Overview{At: at}
	places, versions, sum := map[string]int{}, map[string]bool{}, fnv.New64a()
	for _, d := range list {
		if !v.seen(scope, d) {
			continue
		}
		i, ok := places[d.Cluster]
		if !ok {
			i = len(o.Clusters)
			places[d.Cluster] = i
			o.Clusters = append(o.Clusters, console.Cluster{Key: d.Cluster, Name: d.ClusterName, Counts: map[console.State]int{}})
		}
		o.Clusters[i].Counts[d.State]++
		o.Clusters[i].Total++
		o.Waiting += d.Waiting
		if d.Software != "" && !versions[d.Software] {
			versions[d.Software] = true
			o.Versions = append(o.Versions, d.Software)
		}
		fmt.Fprint(sum, d.Code, d.Name, d.State, d.Since.Unix(), d.Waiting, "\n")
	}
	slices.SortFunc(o.Clusters, func(a, b console.Cluster) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Key, b.Key))
	})
	slices.Sort(o.Versions)
	o.Rev = sum.Sum64()
	return o, err
}

func (v consoleFleet) Devices(ctx context.Context, q console.Query) (console.Devices, error) {
	at, list, keys, err := v.all(ctx)
	if err != nil {
		return console.Devices{}, err
	}
	text := fold.String(strings.TrimSpace(q.Text))
	var found []console.Device
	for i, d := range list {
		if v.seen(q.Scope, d) && chosen(q, d, at) && (text == "" || strings.Contains(keys[i], text)) {
			found = append(found, d)
		}
	}
	sortDevices(found, q)
	after, _ := strconv.Atoi(q.After) // what is none begins at the beginning
	after = min(max(after, 0), len(found))
	until := min(after+min(max(q.Limit, 1), console.MaxPage), len(found))
	page := console.Devices{List: found[after:until], Total: len(found)}
	if until < len(found) {
		page.Next = strconv.Itoa(until)
	}
	return page, nil
}

func chosen(q console.Query, d console.Device, now time.Time) bool {
	return (q.Cluster == "" || registry.Key(d.Cluster) == registry.Key(q.Cluster)) && (len(q.States) == 0 || slices.Contains(q.States, d.State)) &&
		(q.Software == "" || d.Software == q.Software) &&
		(q.CertificateWithin == 0 || !d.Certificate.IsZero() && d.Certificate.Sub(now) < q.CertificateWithin) &&
		(q.QueueOlder == 0 || !d.QueueSince.IsZero() && now.Sub(d.QueueSince) > q.QueueOlder)
}

func sortDevices(list []console.Device, q console.Query) {
	by := map[string]func(a, b console.Device) int{
		"name":    func(a, b console.Device) int { return strings.Compare(fold.SortKey(a.Name), fold.SortKey(b.Name)) },
		"cluster": func(a, b console.Device) int { return strings.Compare(a.ClusterName, b.ClusterName) },
		"state": func(a, b console.Device) int {
			return cmp.Compare(slices.Index(console.States, a.State), slices.Index(console.States, b.State))
		},
		"seen":     func(a, b console.Device) int { return a.Seen.Compare(b.Seen) },
		"software": func(a, b console.Device) int { return strings.Compare(a.Software, b.Software) },
		"queue":    func(a, b console.Device) int { return cmp.Compare(a.Waiting, b.Waiting) },
	}[q.Sort]
	if by == nil {
		return
	}
	slices.SortStableFunc(list, func(a, b console.Device) int {
		if q.Desc {
			return by(b, a)
		}
		return by(a, b)
	})
}

func (v consoleFleet) Device(ctx context.Context, scope, code string) (console.Device, error) {
	_, list, _, err := v.all(ctx)
	if err != nil {
		return console.Device{}, err
	}
	for _, d := range list {
		if registry.Key(d.Code) == registry.Key(code) && v.seen(scope, d) {
			return d, nil
		}
	}
	return console.Device{}, noOffice(code)
}

// Bands is empty: nobody keeps how boxes were.
func (v consoleFleet) Bands(context.Context, string, time.Duration) ([]console.Band, error) {
	return nil, nil
}
