package connector

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"

	"tram/agent/api"
	"tram/agent/i18n"
	"tram/agent/problem"
)

// Path is where connectors are managed over the local socket.
const Path = "/v1/connectors"

// commandLine is who changes connectors over the local socket, in the audit log.
const commandLine = "tram"

// maxSpec is the longest connector that is read, in bytes: a secret is in base64.
const maxSpec = 2 * (MaxSettings + MaxSecret)

// Detail is a connector with what waits for it.
type Detail struct {
	State
	Letters []Letter `json:"letters"`
}

// Changed answers a change of letters.
type Changed struct {
	Name    string `json:"name"`
	Letters int    `json:"letters"` // how many were changed
}

// KindName is a kind that there is.
type KindName struct {
	Kind   string `json:"kind"`
	Secret bool   `json:"secret"` // whether it needs one
}

// Routes adds the calls of this package to a local socket. host gives the
// running host, or the problem why there is none.
func Routes(mux *http.ServeMux, log *slog.Logger, host func() (*Host, error)) {
	on := func(pattern string, do func(h *Host, r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, api.Handle(log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
			h, err := host()
			if err != nil {
				return nil, err
			}
			return do(h, r)
		}))
	}
	on("GET "+Path, func(h *Host, r *http.Request) (any, error) { return h.List(r.Context()) })
	on("GET "+Path+"/kinds", func(h *Host, _ *http.Request) (any, error) { return h.kindList(), nil })
	on("POST "+Path, func(h *Host, r *http.Request) (any, error) {
		var c Spec
		if err := api.ReadJSONWithin(r.Body, maxSpec, &c); err != nil {
			return nil, err
		}
		if err := h.Add(r.Context(), c, commandLine); err != nil {
			return nil, err
		}
		return h.state(r.Context(), c.Name)
	})
	on("GET "+Path+"/{name}", func(h *Host, r *http.Request) (any, error) {
		s, err := h.state(r.Context(), r.PathValue("name"))
		if err != nil {
			return nil, err
		}
		letters, err := h.Letters(r.Context(), s.Name)
		return Detail{s, letters}, err
	})
	on("DELETE "+Path+"/{name}", func(h *Host, r *http.Request) (any, error) {
		name := r.PathValue("name")
		return Changed{Name: name}, h.Remove(r.Context(), name, commandLine)
	})
	on("POST "+Path+"/{name}/test", func(h *Host, r *http.Request) (any, error) {
		name := r.PathValue("name")
		return Changed{Name: name}, h.Test(r.Context(), name)
	})
	for verb, paused := range map[string]bool{"pause": true, "resume": false} {
		on("POST "+Path+"/{name}/"+verb, func(h *Host, r *http.Request) (any, error) {
			name := r.PathValue("name")
			if err := h.SetPaused(r.Context(), name, paused, commandLine); err != nil {
				return nil, err
			}
			return h.state(r.Context(), name)
		})
	}
	for verb, do := range map[string]func(*Host, context.Context, string, int64, string) (int, error){"replay": (*Host).Replay, "drop": (*Host).Drop} {
		on("POST "+Path+"/{name}/"+verb, func(h *Host, r *http.Request) (any, error) {
			id, err := strconv.ParseInt(r.URL.Query().Get("id"), 10, 64)
			if text := r.URL.Query().Get("id"); err != nil && text != "" {
				return nil, problem.New(problem.Usage, "api.bad-number", "id", i18n.Args{"value": text})
			}
			name := r.PathValue("name")
			n, err := do(h, r.Context(), name, id, commandLine)
			return Changed{name, n}, err
		})
	}
}

func (h *Host) kindList() []KindName {
	list := []KindName{}
	for _, k := range h.o.Kinds {
		list = append(list, KindName{k.Name, k.Secret})
	}
	return list
}

func (h *Host) state(ctx context.Context, name string) (State, error) {
	list, err := h.List(ctx)
	if err != nil {
		return State{}, err
	}
	for _, s := range list {
		if s.Name == name {
			return s, nil
		}
	}
	return State{}, unknown(name)
}

// Client manages connectors of a running office over its local socket.
type Client struct{ *api.Client }

func at(name string, more ...string) string {
	path := Path + "/" + url.PathEscape(name)
	for _, m := range more {
		path += "/" + m
	}
	return path
}

// Kinds lists the kinds that there are.
func (c Client) Kinds(ctx context.Context) (list []KindName, err error) {
	return list, c.Call(ctx, http.MethodGet, Path+"/kinds", nil, &list)
}

// List tells how all connectors stand.
func (c Client) List(ctx context.Context) (list []State, err error) {
	return list, c.Call(ctx, http.MethodGet, Path, nil, &list)
}

// Add adds a connector.
func (c Client) Add(ctx context.Context, s Spec) (st State, err error) {
	return st, c.Call(ctx, http.MethodPost, Path, s, &st)
}

// Show tells how a connector stands and what waits for it.
func (c Client) Show(ctx context.Context, name string) (d Detail, err error) {
	return d, c.Call(ctx, http.MethodGet, at(name), nil, &d)
}

// Remove removes a connector.
func (c Client) Remove(ctx context.Context, name string) error {
	return c.Call(ctx, http.MethodDelete, at(name), nil, &Changed{})
}

// SetPaused stops or starts a connector.
func (c Client) SetPaused(ctx context.Context, name string, paused bool) (st State, err error) {
	verb := "resume"
	if paused {
		verb = "pause"
	}
	return st, c.Call(ctx, http.MethodPost, at(name, verb), nil, &st)
}

// Test has a connector send something to see whether the other system listens.
func (c Client) Test(ctx context.Context, name string) error {
	return c.Call(ctx, http.MethodPost, at(name, "test"), nil, &Changed{})
}

// Letters replays or drops dead letters; id 0 is all of them.
func (c Client) Letters(ctx context.Context, name, verb string, id int64) (n Changed, err error) {
	return n, c.Call(ctx, http.MethodPost, at(name, verb)+"?id="+strconv.FormatInt(id, 10), nil, &n)
}
