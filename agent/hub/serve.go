package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"tram/agent/api"
	"tram/agent/countersign"
	"tram/agent/health"
	"tram/agent/hub/ca"
	"tram/agent/hub/fleet"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/lineage"
	"tram/agent/problem"
	"tram/agent/stick"
	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/sync/usb"
)

// SocketName is the file of the hub's local socket in its data folder.
const SocketName = "tram-hub.sock"

// serve opens all listeners and answers on them in group.
func (h *Hub) serve(ctx context.Context, group *errgroup.Group) error {
	if err := h.monitor.serve(ctx, group); err != nil {
		return err
	}
	local, err := api.Listen(h.o.Dir, SocketName)
	if err != nil {
		return err
	}
	group.Go(func() error { return api.Serve(ctx, local, h.local()) })
	enroll, err := net.Listen("tcp", h.o.Config.Enroll.Address)
	if err != nil {
		return fmt.Errorf("listen for enrolment: %w", err)
	}
	log := h.log.With("part", "enroll")
	handler := h.ca.EnrollHandler(ca.EnrollOptions{DB: h.db, Registry: h.registry, Card: h.card, Pages: h.pages, Logger: log})
	srv := h.ca.EnrollServer(handler, log)
	group.Go(func() error {
		return serveHTTP(ctx, srv, func() error { return srv.ServeTLS(enroll, "", "") })
	})
	return h.serveConsole(ctx, group)
}

func serveHTTP(ctx context.Context, srv *http.Server, serve func() error) error {
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	if err := serve(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return ctx.Err()
}

// Healthy reports whether the hub's store answers.
func (h *Hub) Healthy(ctx context.Context) error {
	return h.db.View(ctx, func(tx *sqlite.Tx) error {
		var one int
		return tx.QueryRow(`SELECT 1`).Scan(&one)
	})
}

// listLimit bounds the list of agents.
const listLimit = 20_000

// Agents is the answer of `tram-hub agents`.
type Agents struct {
	Hub    string        `json:"hub"`
	At     time.Time     `json:"at"`
	Agents []fleet.Agent `json:"agents"`
}

// InviteRequest asks for invites of the offices in a CSV file.
type InviteRequest struct {
	CSV string           `json:"csv"`
	O   ca.InviteOptions `json:"options"`
}

func (h *Hub) local() http.Handler {
	mux := http.NewServeMux()
	h.agentRoutes(mux)
	mux.HandleFunc("GET /v1/status", api.Handle(h.log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return h.Status(r.Context())
	}))
	h.trustRoutes(mux)
	mux.HandleFunc("POST /v1/release", api.Handle(h.log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		var req ReleaseRequest
		if err := api.ReadJSONWithin(r.Body, maxRelease, &req); err != nil {
			return nil, err
		}
		return h.Release(r.Context(), req.Code, "cli")
	}))
	h.sealRoutes(mux)
	h.officeRoutes(mux)
	h.onestopRoutes(mux)
	h.incidentRoutes(mux)
	h.urgentRoutes(mux)
	h.reportRoutes(mux)
	h.accountRoutes(mux)
	h.orderRoutes(mux)
	h.softwareRoutes(mux)
	stick.Routes(mux, h.log, func() (usb.Station, error) { return h.usb, nil })
	return mux
}

// Agents lists every office that is enrolled or invited, or was revoked, with
// what is known of its box.
func (h *Hub) Agents(ctx context.Context) (Agents, error) { return h.ListAgents(ctx, AgentQuery{}) }

// ListAgents lists those of a query.
func (h *Hub) ListAgents(ctx context.Context, q AgentQuery) (Agents, error) {
	offices, err := h.watched(ctx)
	if err != nil {
		return Agents{}, err
	}
	agents, err := h.fleet.List(ctx, offices)
	if err != nil {
		return Agents{}, err
	}
	agents = slices.DeleteFunc(agents, func(a fleet.Agent) bool { return !q.has(a) })
	return Agents{Hub: h.ca.Code, At: time.Now(), Agents: agents}, h.complete(ctx, agents)
}

// complete adds to boxes what other parts of the hub know.
func (h *Hub) complete(ctx context.Context, agents []fleet.Agent) error {
	waiting, err := h.queue.Waiting(ctx)
	if err != nil {
		return err
	}
	copies, err := h.lineage.Copies(ctx)
	if err != nil {
		return err
	}
	findings, err := h.logs.ledger.Findings(ctx)
	if err != nil {
		return err
	}
	for i := range agents {
		if f, ok := findings[registry.Key(agents[i].Code)]; ok {
			agents[i].Log, agents[i].LogEntry = f.Since, f.Entry
		}
		agents[i].Waiting = waiting[agents[i].Code]
		agents[i].Copy = copies[registry.Key(agents[i].Code)]
	}
	return nil
}

// maxRelease bounds a ReleaseRequest, in bytes; a longer one is refused.
const maxRelease = 1 << 10

// Released is the answer of `tram-hub release`.
type Released struct {
	Code string `json:"code"`
	Name string `json:"name"`
}

// ReleaseRequest names the office whose box is to be forgotten.
type ReleaseRequest struct {
	Code string `json:"code"`
}

// Release forgets which box speaks for an office, so that the next one to
// greet does. Problem hub.no-office when there is no such office.
func (h *Hub) Release(ctx context.Context, code, by string) (Released, error) {
	card, err := h.registry.Lookup(code)
	if errors.Is(err, registry.ErrNotFound) {
		return Released{}, problem.New(problem.NotFound, "hub.no-office", "CODE", i18n.Args{"code": code})
	}
	if err != nil {
		return Released{}, err
	}
	return Released{Code: card.Code, Name: card.Name}, h.db.Update(ctx, func(tx *sqlite.Tx) error {
		if err := errors.Join(lineage.Release(tx, card.Code), countersign.Release(tx, card.Code)); err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{Actor: by, Action: "box.released", Subject: card.Code})
	})
}

// Invite makes invites for the offices in a CSV file.
func (h *Hub) Invite(ctx context.Context, csv []byte, o ca.InviteOptions) ([]ca.Made, error) {
	offices, err := ca.ReadOffices(bytes.NewReader(csv))
	if err != nil {
		return nil, err
	}
	var made []ca.Made
	err = h.db.Update(ctx, func(tx *sqlite.Tx) (err error) {
		made, err = h.ca.CreateInvites(tx, h.registry, offices, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	list, err := registry.ReadList(bytes.NewReader(csv), ca.MaxCSV, ca.MaxOffices)
	if err != nil {
		return made, err
	}
	return made, h.setContacts(ctx, list, "cli")
}

// Status is the answer of `tram-hub status`.
type Status struct {
	Version  string    `json:"version"`
	Code     string    `json:"code"`
	Name     string    `json:"name"`
	Started  time.Time `json:"started"`
	Broker   string    `json:"broker"`             // address
	Up       bool      `json:"broker_up"`          // the hub is connected to it
	Offices  int       `json:"offices"`            // enrolled or invited, the hub not counted
	Enrolled int       `json:"enrolled"`           // of these
	Online   int       `json:"online"`             // of these
	Waiting  int       `json:"waiting"`            // bundles that their recipients have not taken over
	DiskFree int64     `json:"disk_free"`          // bytes
	Upstream *Upstream `json:"upstream,omitempty"` // nil: no hub above
	// Conditions are what is wrong with the hub itself.
	Conditions []health.Condition `json:"conditions"`
}

// Conditions are what is wrong with the hub itself: its disk, database, clock.
func (h *Hub) Conditions() []health.Condition { return h.vitals.Conditions() }

// Status says how the hub stands. It is for a running hub.
func (h *Hub) Status(ctx context.Context) (Status, error) {
	s := Status{Version: h.o.Version, Code: h.ca.Code, Name: h.ca.Name, Started: h.started, Broker: h.server(), Up: h.link.Status().Up, Upstream: h.upstream.status()}
	a, err := h.Agents(ctx)
	if err != nil {
		return s, err
	}
	for _, g := range a.Agents {
		if g.State == fleet.Stopped && !g.Enrolled {
			continue // revoked
		}
		s.Offices++
		s.Waiting += g.Waiting
		if g.Enrolled {
			s.Enrolled++
		}
		if g.Online {
			s.Online++
		}
	}
	s.Conditions = h.Conditions()
	s.DiskFree, err = h.blobs.Free()
	return s, err
}
