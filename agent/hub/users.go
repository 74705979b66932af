package hub

import (
	"context"
	"net/http"

	"tram/agent/api"
	"tram/agent/web/account"
)

// AccountsPath is the local interface about the console's accounts: GET lists,
// POST makes, POST below it to a change of api.AccountChanges, "password" or "role".
const AccountsPath = "/v1/accounts"

// NewAccount is an account to be made, or a new password or role of one.
type NewAccount struct {
	Name     string `json:"name"`
	Display  string `json:"display,omitempty"`
	Role     string `json:"role,omitempty"`
	Scope    string `json:"scope,omitempty"`
	Password string `json:"password,omitempty"`
}

// Users lists the console's accounts.
func (h *Hub) Users(ctx context.Context) ([]account.User, error) {
	users, err := h.accounts.Users(ctx)
	if users == nil {
		users = []account.User{}
	}
	return users, err
}

// AddUser makes an account whose password has to be replaced at the first sign-in.
// Problems are those of account.CreateUser.
func (h *Hub) AddUser(ctx context.Context, n NewAccount, by string) (account.User, error) {
	return h.accounts.CreateUser(ctx, account.NewUser{Name: n.Name, Display: n.Display, Role: account.Role(n.Role), Scope: n.Scope,
		Password: n.Password, Temporary: true, By: by})
}

// SetPassword gives an account a temporary password, and ends its sessions.
func (h *Hub) SetPassword(ctx context.Context, n NewAccount, by string) error {
	return h.accounts.SetPassword(ctx, by, n.Name, n.Password)
}

// SetRole gives an account another role, and ends its sessions. Problems are those of
// account.SetRole.
func (h *Hub) SetRole(ctx context.Context, n NewAccount, by string) error {
	return h.accounts.SetRole(ctx, by, n.Name, account.Role(n.Role), n.Scope)
}

// ChangeUser closes, opens or unlocks an account, or ends its sessions.
func (h *Hub) ChangeUser(ctx context.Context, name string, what api.AccountChange, by string) error {
	switch what {
	case api.Unlock:
		return h.accounts.Unlock(ctx, by, name)
	case api.CloseAccount, api.OpenAccount:
		return h.accounts.SetDisabled(ctx, by, name, what == api.CloseAccount)
	}
	return h.accounts.EndAll(ctx, by, name)
}

// maxAccount bounds the calls below, in bytes.
const maxAccount = 16 << 10

// accountRoutes are the calls of `tram-hub user`.
func (h *Hub) accountRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET "+AccountsPath, api.Handle(h.log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return h.Users(r.Context())
	}))
	post(mux, h, AccountsPath, maxAccount, func(ctx context.Context, n NewAccount) (any, error) { return h.AddUser(ctx, n, "cli") })
	post(mux, h, AccountsPath+"/password", maxAccount, func(ctx context.Context, n NewAccount) (any, error) {
		return struct{}{}, h.SetPassword(ctx, n, "cli")
	})
	post(mux, h, AccountsPath+"/role", maxAccount, func(ctx context.Context, n NewAccount) (any, error) {
		return struct{}{}, h.SetRole(ctx, n, "cli")
	})
	for _, what := range api.AccountChanges {
		post(mux, h, AccountsPath+"/"+string(what), maxAccount, func(ctx context.Context, n NewAccount) (any, error) {
			return struct{}{}, h.ChangeUser(ctx, n.Name, what, "cli")
		})
	}
}
