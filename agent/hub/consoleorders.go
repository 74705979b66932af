package hub

import (
	"context"

	"tram/agent/hub/command"
)

// consoleOrders is what boxes are ordered to do, as the console sees it.
type consoleOrders struct{ h *Hub }

func (v consoleOrders) Check(_ context.Context, code string) error {
	_, err := v.h.orderable(code)
	return err
}

func (v consoleOrders) Give(ctx context.Context, o command.Order) (command.Record, error) {
	return v.h.Order(ctx, o)
}

func (v consoleOrders) List(ctx context.Context, q command.Query) ([]command.Record, error) {
	if card, err := v.h.registry.Lookup(q.Office); err == nil {
		q.Office = card.Code
	}
	return v.h.commands.List(ctx, q)
}

func (v consoleOrders) Get(ctx context.Context, id string) (command.Record, error) {
	return v.h.commands.Get(ctx, id)
}

func (v consoleOrders) Archive(ctx context.Context, id string) ([]byte, error) {
	return v.h.commands.Archive(ctx, id)
}

func (v consoleOrders) Withdraw(ctx context.Context, id, by string, role command.Role) error {
	_, err := v.h.WithdrawOrder(ctx, id, by, role)
	return err
}
