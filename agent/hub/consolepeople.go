package hub

import (
	"context"

	"tram/agent/api"
	"tram/agent/web/account"
)

// consolePeople is the console's accounts as the console sees them.
type consolePeople struct{ h *Hub }

func (v consolePeople) Users(ctx context.Context) ([]account.User, error) { return v.h.Users(ctx) }

func (v consolePeople) Sessions(ctx context.Context, name string) ([]account.Session, error) {
	return v.h.accounts.Sessions(ctx, name)
}

func (v consolePeople) Add(ctx context.Context, n account.NewUser) (account.User, error) {
	return v.h.AddUser(ctx, NewAccount{Name: n.Name, Display: n.Display, Role: string(n.Role), Scope: n.Scope, Password: n.Password}, n.By)
}

func (v consolePeople) SetPassword(ctx context.Context, name, password, by string) error {
	return v.h.SetPassword(ctx, NewAccount{Name: name, Password: password}, by)
}

func (v consolePeople) SetRole(ctx context.Context, name string, role account.Role, scope, by string) error {
	return v.h.SetRole(ctx, NewAccount{Name: name, Role: string(role), Scope: scope}, by)
}

func (v consolePeople) Change(ctx context.Context, name string, what api.AccountChange, by string) error {
	return v.h.ChangeUser(ctx, name, what, by)
}
