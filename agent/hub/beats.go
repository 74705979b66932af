package hub

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"tram/agent/api"
	"tram/agent/health/beat"
	"tram/agent/hub/fleet"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/problem"
)

const (
	// beatsEvery is how often at most heartbeats are written down: those that came
	// together go together.
	beatsEvery = time.Second
	// judgeEvery is how often the boxes are judged.
	judgeEvery = 5 * time.Second
	// rosterEvery is how often at least the fleet is told which offices there are;
	// when the registry changes, it is at once.
	rosterEvery = 2 * time.Minute
	// unreadEvery is how often it is logged that a heartbeat was not readable.
	unreadEvery = time.Minute
	// maxSite bounds a request about where a box is, in bytes.
	maxSite = 16 << 10
	// bandsOf is how long back `tram-hub agents show` tells the states.
	bandsOf = 7 * 24 * time.Hour
)

// hear takes heartbeats until ctx ends. The topic says whose one is, which the
// broker holds its publisher to.
func (h *Hub) hear(ctx context.Context) error {
	write := time.NewTicker(beatsEvery)
	defer write.Stop()
	beats, unread, said := map[string]fleet.Heard{}, 0, time.Time{}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case heard, open := <-h.link.Health():
			if !open {
				<-ctx.Done()
				return ctx.Err()
			}
			b, err := beat.Parse(heard.Report)
			h.monitor.beat(err == nil)
			if err == nil {
				beats[heard.Office] = fleet.Heard{At: heard.At, Beat: b}
				continue
			}
			if unread++; time.Since(said) > unreadEvery {
				h.log.Warn("heartbeat is not readable", "office", heard.Office, "error", err, "unread", unread)
				unread, said = 0, time.Now()
			}
		case <-write.C:
			if len(beats) == 0 {
				continue
			}
			if err := h.fleet.Heard(ctx, beats); err != nil {
				if ctx.Err() == nil {
					h.log.Error("heartbeats not recorded", "error", err) // the next try has them, or newer ones
				}
				continue
			}
			for office, heard := range beats {
				if err := h.saved(ctx, office, heard); err != nil && ctx.Err() == nil {
					h.log.Error("backup of an office not noted", "office", office, "error", err)
				}
			}
			beats = map[string]fleet.Heard{}
		}
	}
}

// saved tells the relay of an office's last verified backup, by this hub's clock: what
// has passed since is the same by both.
func (h *Hub) saved(ctx context.Context, office string, heard fleet.Heard) error {
	b := heard.Beat
	if b.Backup.IsZero() || b.Backup.After(b.At) {
		return nil
	}
	return h.relay.Saved(ctx, office, heard.At.Add(-b.At.Sub(b.Backup)))
}

// judge keeps the judgement of the boxes up to date until ctx ends. While the hub
// itself hears nobody, nobody is judged.
func (h *Hub) judge(ctx context.Context) error {
	tick := time.NewTicker(judgeEvery)
	defer tick.Stop()
	serial, told := uint64(0), time.Time{}
	for {
		if now := h.registry.Serial(); now != serial || time.Since(told) > rosterEvery {
			if err := h.roster(ctx); err == nil {
				serial, told = now, time.Now()
			} else if ctx.Err() == nil {
				h.log.Error("offices of the fleet not taken over", "error", err)
			}
		}
		if link := h.link.Status(); link.Connected {
			if err := h.judgeNow(ctx, link.Since); err != nil && ctx.Err() == nil {
				h.log.Error("boxes not judged", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (h *Hub) judgeNow(ctx context.Context, connected time.Time) error {
	watching := h.started
	if connected.After(watching) {
		watching = connected
	}
	changes, err := h.fleet.Judge(ctx, watching)
	for _, c := range changes {
		h.log.Debug("box", "office", c.Code, "state", c.To.String(), "was", c.From.String(), "reason", c.Reason.Code)
	}
	return err
}

// roster tells the fleet which offices there are.
func (h *Hub) roster(ctx context.Context) error {
	cards, err := h.watched(ctx)
	if err != nil {
		return err
	}
	members := make([]fleet.Member, len(cards))
	for i, c := range cards {
		members[i] = fleet.Member{Code: c.Code, Name: c.Name, Parent: c.Parent, Kind: c.Kind, Enrolled: c.Enrolled(), Revoked: h.ca.Dismissed(c)}
	}
	return errors.Join(h.fleet.Roster(ctx, members), h.monitor.settle(ctx))
}

// watched are the members of this hub and those whose keys were revoked.
func (h *Hub) watched(ctx context.Context) ([]registry.Card, error) {
	cards, err := members(ctx, h.db, h.registry, h.ours)
	if err != nil {
		return nil, err
	}
	known := make(map[string]bool, len(cards))
	for _, c := range cards {
		known[registry.Key(c.Code)] = true
	}
	for _, r := range h.ca.Revocations() {
		key := registry.Key(r.Code)
		if known[key] {
			continue
		}
		known[key] = true
		c, err := h.registry.Lookup(key)
		if errors.Is(err, registry.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if registry.Key(c.Code) == key && h.ours(c) && h.ca.Dismissed(c) {
			cards = append(cards, c)
		}
	}
	slices.SortFunc(cards, func(a, b registry.Card) int { return strings.Compare(registry.Key(a.Code), registry.Key(b.Code)) })
	return cards, nil
}

// AgentQuery chooses boxes for `tram-hub agents`: those in one of the states and
// of the cluster; empty for all.
type AgentQuery struct {
	States  []fleet.State
	Cluster string
}

func (q AgentQuery) has(a fleet.Agent) bool {
	return (len(q.States) == 0 || slices.Contains(q.States, a.State)) && (q.Cluster == "" || strings.EqualFold(q.Cluster, a.Cluster))
}

// ParseAgentStates reads names of states. Problem fleet.state.
func ParseAgentStates(names []string) (list []fleet.State, err error) {
	for _, name := range names {
		s, ok := fleet.ParseState(name)
		if !ok {
			var all []string
			for _, s := range fleet.States {
				all = append(all, s.String())
			}
			return nil, problem.New(problem.Usage, "fleet.state", "state", i18n.Args{"value": name, "allowed": strings.Join(all, ", ")})
		}
		list = append(list, s)
	}
	return list, nil
}

// AgentReport is the answer of `tram-hub agents show`.
type AgentReport struct {
	fleet.Report
	Bands []fleet.Band `json:"bands"` // its states in the last week
}

// Agent returns all that is known of a box. Problem hub.no-office.
func (h *Hub) Agent(ctx context.Context, code string) (AgentReport, error) {
	report, err := h.fleet.Get(ctx, code)
	if problem.From(err).Class == problem.NotFound { // it may have been invited just now
		if err := h.roster(ctx); err != nil {
			return AgentReport{}, err
		}
		report, err = h.fleet.Get(ctx, code)
	}
	if err != nil {
		return AgentReport{}, err
	}
	one := []fleet.Agent{report.Agent}
	if err := h.complete(ctx, one); err != nil {
		return AgentReport{}, err
	}
	report.Agent = one[0]
	bands, err := h.fleet.Bands(ctx, report.Code, bandsOf)
	return AgentReport{report, bands}, err
}

// AgentPage is fleet.Page with what other parts of the hub know of the boxes.
func (h *Hub) AgentPage(ctx context.Context, q fleet.Query) (fleet.Page, error) {
	page, err := h.fleet.Page(ctx, q)
	if err != nil {
		return page, err
	}
	return page, h.complete(ctx, page.Agents)
}

// Acts of an AgentChange.
const (
	ActPause  = "pause"
	ActResume = "resume"
	ActSite   = "site"
	ActHours  = "hours"
)

// AgentChange changes how a box is watched, or the boxes of a cluster.
type AgentChange struct {
	Act     string `json:"act"`
	Code    string `json:"code,omitempty"`
	Cluster string `json:"cluster,omitempty"` // site: "" for that of its parent; hours: which one
	Hours   string `json:"hours,omitempty"`   // site, hours: usual hours; "" for none
}

// ChangeAgent does what c says and judges anew. Problems are those of package
// fleet.
func (h *Hub) ChangeAgent(ctx context.Context, c AgentChange, by string) (err error) {
	if err := h.roster(ctx); err != nil {
		return err
	}
	switch c.Act {
	case ActPause, ActResume:
		err = h.fleet.Pause(ctx, c.Code, c.Act == ActPause, by)
	case ActSite:
		err = h.fleet.SetSite(ctx, c.Code, fleet.Site{Cluster: c.Cluster, Hours: c.Hours}, by)
	case ActHours:
		err = h.fleet.SetHours(ctx, c.Cluster, c.Hours, by)
	default:
		err = problem.New(problem.Usage, "api.bad-json", "act", nil)
	}
	if err != nil || h.link == nil || !h.link.Status().Connected {
		return err
	}
	return h.judgeNow(ctx, h.link.Status().Since)
}

// agentRoutes are the calls of `tram-hub agents`.
func (h *Hub) agentRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/agents", api.Handle(h.log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		states, err := ParseAgentStates(r.URL.Query()["state"])
		if err != nil {
			return nil, err
		}
		return h.ListAgents(r.Context(), AgentQuery{States: states, Cluster: r.URL.Query().Get("cluster")})
	}))
	mux.HandleFunc("GET /v1/agents/show", api.Handle(h.log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return h.Agent(r.Context(), r.URL.Query().Get("code"))
	}))
	mux.HandleFunc("POST /v1/agents/change", api.Handle(h.log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		var c AgentChange
		if err := api.ReadJSONWithin(r.Body, maxSite, &c); err != nil {
			return nil, err
		}
		return c, h.ChangeAgent(r.Context(), c, "cli")
	}))
}
