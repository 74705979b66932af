package hub

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"tram/agent/api"
	"tram/agent/dossier"
	"tram/agent/hub/catalogue"
	"tram/agent/hub/registry"
	"tram/agent/hub/relay"
	"tram/agent/hub/rollup"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/workdays"
	"tram/storage"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

const (
	// DefaultPublishEvery is Options.PublishEvery when that is zero.
	DefaultPublishEvery = 5 * time.Second
	// strangerPatience is how long a report waits for the cards of offices that it is
	// about.
	strangerPatience = 24 * time.Hour
)

// onestop is what a hub has to do with one-stop dossiers: what it publishes, and the
// figures of those below it.
type onestop struct {
	catalogue *catalogue.Catalogue
	rollup    *rollup.Rollup
	publish   chan struct{} // somebody may lack something
	report    chan struct{} // the hub above is to know at once
}

func newOnestop(db *sqlite.DB, code string) onestop {
	return onestop{catalogue.New(db, code), rollup.New(db), make(chan struct{}, 1), make(chan struct{}, 1)}
}

func kick(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// runOnestop publishes and reports until ctx ends.
func (h *Hub) runOnestop(ctx context.Context) error {
	look, every := h.o.PublishEvery, h.o.ReportEvery
	if look <= 0 {
		look = DefaultPublishEvery
	}
	if every <= 0 {
		every = dossier.DefaultReportEvery
	}
	next := time.Now()
	for {
		if err := h.publish(ctx); err != nil && ctx.Err() == nil {
			h.log.Error("catalogue not published", "error", err)
		}
		if !time.Now().Before(next) {
			next = time.Now().Add(every)
			if err := h.reportAbove(ctx); err != nil && ctx.Err() == nil {
				h.log.Warn("report to the hub above not made", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-h.onestop.report:
			next = time.Now()
		case <-h.onestop.publish:
		case <-time.After(look):
		}
	}
}

func (h *Hub) publish(ctx context.Context) error {
	for {
		if more, err := h.onestop.catalogue.Publish(ctx, carrier{h}); err != nil || !more {
			return err
		}
	}
}

// carrier brings publications to neighbours.
type carrier struct{ h *Hub }

func (c carrier) Send(tx *sqlite.Tx, peers []string, publication []byte) (id storage.ID, sent []string, err error) {
	var to []registry.Card
	for _, peer := range peers {
		card, err := c.h.registry.LookupTx(tx, peer)
		if err != nil && !errors.Is(err, registry.ErrNotFound) {
			return id, nil, err
		}
		if err == nil && card.Enrolled() && c.h.ours(card) {
			to, sent = append(to, card), append(sent, peer)
		}
	}
	if len(to) == 0 {
		return id, nil, nil
	}
	p, err := c.h.relay.PackPublished(to, publication)
	if err != nil {
		return id, nil, err
	}
	return p.ID(), sent, c.h.relay.SendPublished(tx, p)
}

func (c carrier) Waits(tx *sqlite.Tx, id storage.ID, peer string) (bool, error) {
	return c.h.relay.Waits(tx, id, peer)
}

func (c carrier) Withdraw(tx *sqlite.Tx, id storage.ID, peer string) error {
	return c.h.relay.Withdraw(tx, id, peer)
}

// takeReport takes what a neighbour below reports: for itself, or as a hub for those
// behind it (P7).
func (h *Hub) takeReport(tx *sqlite.Tx, from registry.Card, head bundle.Header, payload []byte) error {
	if len(head.Objects) > 0 && head.Objects[0].Role == bundle.RoleSoftware {
		return h.hearSoftware(tx, from, head, payload)
	}
	rep, err := dossier.ReadReport(payload)
	if err != nil {
		return relay.Unreadable(err.Error())
	}
	newer, err := h.onestop.rollup.Take(tx, rollup.Source{Peer: from.Code, Created: head.Created, Behind: func(office string) (bool, error) {
		return h.behind(tx, from, office, head.Created)
	}}, rep)
	if errors.Is(err, rollup.ErrStranger) {
		return relay.Unreadable(err.Error())
	}
	if err != nil || !newer {
		return err
	}
	tx.OnCommit(func() { kick(h.onestop.publish) })
	return h.onestop.catalogue.Heard(tx, from.Code, rep.Has)
}

// behind tells whether an office is reached through a neighbour. The card of one that
// is new may be on its way.
func (h *Hub) behind(tx *sqlite.Tx, from registry.Card, office string, created time.Time) (bool, error) {
	if strings.EqualFold(from.Code, office) {
		return !from.IsHub(), nil
	}
	if !from.IsHub() {
		return false, nil
	}
	near, err := h.registry.NeighbourTx(tx, office)
	unknown := errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrChain)
	if unknown && time.Since(created) > strangerPatience {
		return false, nil
	}
	return err == nil && strings.EqualFold(near.Code, from.Code), err
}

// takePublished takes what the hub above publishes, for those below.
func (h *Hub) takePublished(tx *sqlite.Tx, above string, payload []byte) error {
	p, err := dossier.ReadPublication(payload)
	if err != nil {
		return relay.Unreadable(err.Error())
	}
	tx.OnCommit(func() { kick(h.onestop.publish); kick(h.onestop.report) })
	return h.onestop.catalogue.Take(tx, above, p)
}

// aboveIs notes which store the hub above has.
func (h *Hub) aboveIs(ctx context.Context, epoch storage.ID) error {
	return h.db.Update(ctx, func(tx *sqlite.Tx) error { return h.onestop.rollup.AboveIs(tx, epoch) })
}

// reported notes that the hub above has a report.
func (h *Hub) reported(tx *sqlite.Tx, b storage.Bundle, o storage.Outcome) error {
	if bundle.Kind(b.Kind) != bundle.KindReport {
		return nil
	}
	more, err := h.onestop.rollup.Reported(tx, b.ID, o.Epoch)
	if more {
		tx.OnCommit(func() { kick(h.onestop.report) })
	}
	return err
}

// reportAbove tells the hub above, if there is one, what it does not have.
func (h *Hub) reportAbove(ctx context.Context) error {
	if h.upstream.identity() == nil {
		return nil
	}
	return h.db.Update(ctx, func(tx *sqlite.Tx) error {
		mark, err := h.onestop.catalogue.Above(tx)
		if err != nil {
			return err
		}
		return h.onestop.rollup.Report(tx, mark, func(payload []byte, before storage.ID) (storage.ID, error) {
			if before != (storage.ID{}) {
				if err := h.relay.Withdraw(tx, before, h.upstream.codes()[0]); err != nil {
					return storage.ID{}, err
				}
			}
			return h.relay.SendReport(tx, payload)
		})
	})
}

// Dossiers is the table of figures of a month.
func (h *Hub) Dossiers(ctx context.Context, q rollup.Query) (rollup.Table, error) {
	if q.Office != "" {
		card, err := h.registry.Lookup(q.Office)
		if errors.Is(err, registry.ErrNotFound) {
			return rollup.Table{}, problem.New(problem.NotFound, "hub.no-office", "CODE", i18n.Args{"code": q.Office})
		}
		if err != nil {
			return rollup.Table{}, err
		}
		q.Office = card.Code
	}
	t, err := h.onestop.rollup.Month(ctx, q, time.Now())
	if err != nil {
		return t, err
	}
	for i := range t.Offices {
		t.Offices[i].Name = h.nameOf(t.Offices[i].Code)
	}
	if len(t.Procedures) == 0 {
		return t, nil
	}
	names, err := h.onestop.catalogue.Names(ctx)
	for i := range t.Procedures {
		t.Procedures[i].Name = names[t.Procedures[i].Code]
	}
	return t, err
}

// PutProcedures publishes a catalogue file, PutCalendar a calendar file.
func (h *Hub) PutProcedures(ctx context.Context, data []byte, by string) (catalogue.Put, error) {
	put, err := h.onestop.catalogue.PutProcedures(ctx, data, by)
	kick(h.onestop.publish)
	return put, err
}

// PutCalendar publishes a calendar file.
func (h *Hub) PutCalendar(ctx context.Context, data []byte, by string) (catalogue.Put, error) {
	put, err := h.onestop.catalogue.PutCalendar(ctx, data, by)
	kick(h.onestop.publish)
	return put, err
}

// Catalogue is what the hub publishes.
func (h *Hub) Catalogue() *catalogue.Catalogue { return h.onestop.catalogue }

// Paths of the local interface about one-stop dossiers.
const (
	ProceduresPath = "/v1/procedures" // GET lists, or shows ?code=; POST publishes
	CalendarsPath  = "/v1/calendars"
	DossiersPath   = "/v1/dossiers"
)

// onestopRoutes are the calls of `tram-hub procedures`, `calendar` and `dossiers`.
func (h *Hub) onestopRoutes(mux *http.ServeMux) {
	get := func(path string, do func(r *http.Request) (any, error)) {
		mux.HandleFunc("GET "+path, api.Handle(h.log, func(_ http.ResponseWriter, r *http.Request) (any, error) { return do(r) }))
	}
	get(ProceduresPath, func(r *http.Request) (any, error) {
		if code := r.URL.Query().Get("code"); code != "" {
			return h.Catalogue().Show(r.Context(), code)
		}
		return h.Catalogue().Procedures(r.Context(), r.URL.Query().Get("q"))
	})
	get(CalendarsPath, func(r *http.Request) (any, error) { return h.Catalogue().Calendars(r.Context()) })
	get(DossiersPath, func(r *http.Request) (any, error) {
		return h.Dossiers(r.Context(), rollup.Query{Month: r.URL.Query().Get("month"), Office: r.URL.Query().Get("office")})
	})
	post(mux, h, ProceduresPath, catalogue.MaxFile*2, func(ctx context.Context, file string) (any, error) {
		return h.PutProcedures(ctx, []byte(file), "cli")
	})
	post(mux, h, CalendarsPath, workdays.MaxFile*2, func(ctx context.Context, file string) (any, error) {
		return h.PutCalendar(ctx, []byte(file), "cli")
	})
}
