package handling

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"

	"tram/agent/api"
)

// Path is where the local socket tells what waits.
const Path = "/v1/work"

// Routes adds the calls of this package to a local socket. store gives the running
// store, or the problem why there is none.
func Routes(mux *http.ServeMux, log *slog.Logger, store func() (*Store, error)) {
	mux.HandleFunc("GET "+Path, api.Handle(log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		s, err := store()
		if err != nil {
			return nil, err
		}
		person := r.URL.Query().Get("of")
		return s.Todo(r.Context(), Actor{Person: person, Directs: person == ""})
	}))
}

// Client asks a running office over its local socket.
type Client struct{ *api.Client }

// Todo is what waits in the office, or for one person.
func (c Client) Todo(ctx context.Context, person string) (t Todo, err error) {
	return t, c.Call(ctx, http.MethodGet, Path+"?"+url.Values{"of": {person}}.Encode(), nil, &t)
}
