package appkey

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"

	"tram/agent/api"
	"tram/agent/dossier/code"
)

// path of the calls over the local socket.
const path = "/v1/apps"

// commandLine is who changes applications there, when the call does not say.
const commandLine = "tram"

// Made answers a call that makes a key: the one time that it is told.
type Made struct {
	App App `json:"app"`
	Key Key `json:"key"`
}

// Routes adds the calls of this package to a local socket. store gives the open
// store, or the problem why there is none.
func Routes(mux *http.ServeMux, log *slog.Logger, store func() (*Store, error)) {
	handle := func(pattern string, do func(r *http.Request, s *Store) (any, error)) {
		mux.HandleFunc(pattern, api.Handle(log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
			s, err := store()
			if err != nil {
				return nil, err
			}
			return do(r, s)
		}))
	}
	handle("GET "+path, func(r *http.Request, s *Store) (any, error) { return s.List(r.Context()) })
	handle("POST "+path, func(r *http.Request, s *Store) (any, error) {
		var n NewApp
		if err := api.ReadJSON(r.Body, &n); err != nil {
			return nil, err
		}
		if n.By == "" {
			n.By = commandLine
		}
		a, key, err := s.Create(r.Context(), n)
		return Made{a, key}, err
	})
	handle("POST "+path+"/{name}/rotate", func(r *http.Request, s *Store) (any, error) {
		a, key, err := s.Rotate(r.Context(), commandLine, r.PathValue("name"))
		return Made{a, key}, err
	})
	handle("GET "+path+"/{name}/states", func(r *http.Request, s *Store) (any, error) {
		m, err := s.States(r.Context(), r.PathValue("name"))
		return statesOf(r.PathValue("name"), m, err)
	})
	handle("POST "+path+"/{name}/states", func(r *http.Request, s *Store) (any, error) {
		var q States
		if err := api.ReadJSON(r.Body, &q); err != nil {
			return nil, err
		}
		m, err := s.SetStates(r.Context(), commandLine, r.PathValue("name"), q.Mapping)
		return statesOf(r.PathValue("name"), m, err)
	})
	handle("POST "+path+"/{name}/revoke", func(r *http.Request, s *Store) (any, error) {
		name := r.PathValue("name")
		return struct {
			Name string `json:"name"`
		}{name}, s.Revoke(r.Context(), commandLine, name)
	})
}

// States is how an application calls the statuses of dossiers.
type States struct {
	Name    string          `json:"name"`
	System  string          `json:"system,omitempty"`
	Mapping json.RawMessage `json:"mapping,omitempty"` // none: as they are
}

func statesOf(name string, m *code.Mapping, err error) (States, error) {
	if err != nil || m == nil {
		return States{Name: name}, err
	}
	raw, err := m.Encode()
	return States{name, m.System, raw}, err
}

// Client manages applications of a running office over its local socket.
type Client struct{ *api.Caller }

// NewClient returns a client for the office with the data folder dir.
func NewClient(dir string) *Client { return &Client{api.NewCaller(dir, api.SocketName)} }

// Create makes an application and its key.
func (c *Client) Create(ctx context.Context, n NewApp) (Made, error) {
	var m Made
	return m, c.Call(ctx, http.MethodPost, path, n, &m)
}

// Rotate gives an application another key.
func (c *Client) Rotate(ctx context.Context, name string) (Made, error) {
	var m Made
	return m, c.Call(ctx, http.MethodPost, path+"/"+url.PathEscape(name)+"/rotate", nil, &m)
}

// States tells how an application calls the statuses of dossiers.
func (c *Client) States(ctx context.Context, name string) (States, error) {
	var s States
	return s, c.Call(ctx, http.MethodGet, path+"/"+url.PathEscape(name)+"/states", nil, &s)
}

// SetStates has it call them by a mapping file, or by their numbers alone when that
// is empty.
func (c *Client) SetStates(ctx context.Context, name string, mapping []byte) (States, error) {
	var s States
	return s, c.Call(ctx, http.MethodPost, path+"/"+url.PathEscape(name)+"/states", States{Mapping: mapping}, &s)
}

// Revoke ends an application for good.
func (c *Client) Revoke(ctx context.Context, name string) error {
	return c.Call(ctx, http.MethodPost, path+"/"+url.PathEscape(name)+"/revoke", nil, &struct{}{})
}

// List returns all applications.
func (c *Client) List(ctx context.Context) ([]App, error) {
	var list []App
	return list, c.Call(ctx, http.MethodGet, path, nil, &list)
}
