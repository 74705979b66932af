package hub

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"tram/agent/api"
	order "tram/agent/command"
	"tram/agent/hub/command"
	"tram/agent/hub/registry"
	"tram/agent/hub/relay"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// resyncAgain is how long before the hub's start an office may have begun a session
// anew for which the registry was not queued yet.
const resyncAgain = 10 * time.Minute

// Order orders the box of an office to do something; it is done when the office
// connects. Problems: hub.no-office, command.not-enrolled, command.hub, and those of
// command.Give.
func (h *Hub) Order(ctx context.Context, o command.Order) (command.Record, error) {
	card, err := h.orderable(o.Office)
	if err != nil {
		return command.Record{}, err
	}
	o.Office = card.Code
	return h.commands.Give(ctx, o, func(tx *sqlite.Tx, payload []byte, expires time.Time) (storage.ID, error) {
		return h.relay.SendCommand(tx, card, payload, expires)
	})
}

// orderable is the card of an office whose box can be ordered something.
func (h *Hub) orderable(code string) (registry.Card, error) {
	card, err := h.registry.Lookup(code)
	if errors.Is(err, registry.ErrNotFound) {
		return registry.Card{}, problem.New(problem.NotFound, "hub.no-office", "OFFICE", i18n.Args{"code": code})
	}
	if err != nil {
		return registry.Card{}, err
	}
	switch {
	case card.IsHub():
		return registry.Card{}, problem.New(problem.Conflict, "command.hub", "OFFICE", i18n.Args{"code": card.Code})
	case !card.Enrolled() || !h.ours(card) || h.ca.Dismissed(card):
		return registry.Card{}, problem.New(problem.Conflict, "command.not-enrolled", "OFFICE", i18n.Args{"code": card.Code})
	}
	return card, nil
}

// WithdrawOrder takes back an order that the office does not have.
func (h *Hub) WithdrawOrder(ctx context.Context, id, by string, role command.Role) (command.Record, error) {
	return h.commands.Withdraw(ctx, id, by, role, func(tx *sqlite.Tx, id storage.ID, office string) (bool, error) {
		waits, err := h.relay.Waits(tx, id, office)
		if err != nil || !waits {
			return false, err
		}
		tx.OnCommit(func() { h.node.Withdraw(id, 0) })
		return true, h.relay.Withdraw(tx, id, office)
	})
}

// Orders is what was ordered, with its answers.
func (h *Hub) Orders() *command.Book { return h.commands }

// answered takes what an office answers to an order.
func (h *Hub) answered(tx *sqlite.Tx, from registry.Card, to storage.ID, payload []byte) error {
	r, err := h.commands.Answered(tx, from.Code, to, payload)
	if errors.Is(err, command.ErrStranger) || errors.Is(err, order.ErrMalformed) || errors.Is(err, order.ErrVersion) {
		return relay.Unreadable(err.Error())
	}
	if err == nil && r.Command == order.Resync && r.State == command.Done {
		tx.OnCommit(func() { h.relay.Resync(from.Code) })
	}
	return err
}

// orderTaken notes that an office has an order.
func (h *Hub) orderTaken(tx *sqlite.Tx, b storage.Bundle) error {
	if bundle.Kind(b.Kind) != bundle.KindCommand {
		return nil
	}
	return h.commands.Took(tx, b.ID)
}

// orderRefused notes that an office will never take an order.
func (h *Hub) orderRefused(tx *sqlite.Tx, b storage.Bundle) error {
	if bundle.Kind(b.Kind) != bundle.KindCommand {
		return nil
	}
	return h.commands.NotTaken(tx, b.ID)
}

// resyncLost sends the registry to those for whom a crash may have come before it was
// queued.
func (h *Hub) resyncLost(ctx context.Context) error {
	list, err := h.commands.List(ctx, command.Query{})
	for _, r := range list {
		if r.Command == order.Resync && r.State == command.Done && time.Since(r.Answered) < resyncAgain {
			h.relay.Resync(r.Office)
		}
	}
	return err
}

// OrdersPath is the local interface about orders: GET lists, GET …/show?id= tells one,
// GET …/archive?id= gives its support archive; POST gives one, POST …/withdraw takes one
// back.
const OrdersPath = "/v1/orders"

// OrderRequest asks for an order to be given.
type OrderRequest struct {
	Office  string        `json:"office"`
	Command order.Name    `json:"command"`
	Until   time.Time     `json:"until,omitzero"`
	Life    time.Duration `json:"life,omitempty"`
}

// WithdrawRequest names an order.
type WithdrawRequest struct {
	ID string `json:"id"`
}

// maxOrder bounds these calls, in bytes.
const maxOrder = 4 << 10

// ShownOrder is an order with what people call its office.
type ShownOrder struct {
	command.Record
	Name string `json:"name"`
}

func (h *Hub) shown(r command.Record) ShownOrder { return ShownOrder{r, h.nameOf(r.Office)} }

// ListOrders lists what was ordered.
func (h *Hub) ListOrders(ctx context.Context, q command.Query) ([]ShownOrder, error) {
	if card, err := h.registry.Lookup(q.Office); err == nil {
		q.Office = card.Code
	}
	list, err := h.commands.List(ctx, q)
	shown := make([]ShownOrder, len(list))
	for i, r := range list {
		shown[i] = h.shown(r)
	}
	return shown, err
}

// ShowOrder returns one order. Problem command.none.
func (h *Hub) ShowOrder(ctx context.Context, id string) (ShownOrder, error) {
	r, err := h.commands.Get(ctx, id)
	return h.shown(r), err
}

// Do gives the order that a request at the hub itself asks for.
func (h *Hub) Do(ctx context.Context, q OrderRequest) (ShownOrder, error) {
	r, err := h.Order(ctx, command.Order{Office: q.Office, Command: q.Command, Until: q.Until, Life: q.Life, By: "cli", Role: command.Local})
	return h.shown(r), err
}

// Undo takes an order back that a request at the hub itself names.
func (h *Hub) Undo(ctx context.Context, id string) (ShownOrder, error) {
	r, err := h.WithdrawOrder(ctx, id, "cli", command.Local)
	return h.shown(r), err
}

// OrderArchive is a support archive that came back.
type OrderArchive struct {
	Data []byte `json:"data"`
}

// orderRoutes are the calls of `tram-hub command`.
func (h *Hub) orderRoutes(mux *http.ServeMux) {
	get := func(path string, do func(ctx context.Context, q url.Values) (any, error)) {
		mux.HandleFunc("GET "+path, api.Handle(h.log, func(_ http.ResponseWriter, r *http.Request) (any, error) { return do(r.Context(), r.URL.Query()) }))
	}
	get(OrdersPath, func(ctx context.Context, q url.Values) (any, error) {
		return h.ListOrders(ctx, command.Query{Office: q.Get("office"), Open: q.Has("open")})
	})
	get(OrdersPath+"/show", func(ctx context.Context, q url.Values) (any, error) { return h.ShowOrder(ctx, q.Get("id")) })
	get(OrdersPath+"/archive", func(ctx context.Context, q url.Values) (any, error) {
		data, err := h.commands.Archive(ctx, q.Get("id"))
		return OrderArchive{data}, err
	})
	post(mux, h, OrdersPath, maxOrder, func(ctx context.Context, q OrderRequest) (any, error) { return h.Do(ctx, q) })
	post(mux, h, OrdersPath+"/withdraw", maxOrder, func(ctx context.Context, q WithdrawRequest) (any, error) { return h.Undo(ctx, q.ID) })
}
