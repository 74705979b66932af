package sealbook

import (
	"log/slog"
	"net/http"

	"tram/agent/api"
	"tram/agent/problem"
)

// UnlockPath is where a PIN is entered over the local socket.
const UnlockPath = "/v1/seals/unlock"

// UnlockRequest carries a PIN or password, base64 in JSON so that it can be
// wiped.
type UnlockRequest struct {
	Name   string `json:"name"`
	Secret []byte `json:"secret"`
	Last   bool   `json:"last,omitempty"`
}

// Unlocked answers it.
type Unlocked struct {
	Name string `json:"name"`
}

// maxRequest is the longest request to unlock, in bytes.
const maxRequest = 4 << 10

// Routes adds the calls of this package to a local socket. book gives the open
// book, or the problem why there is none.
func Routes(mux *http.ServeMux, log *slog.Logger, book func() (*Book, error)) {
	mux.HandleFunc("POST "+UnlockPath, api.Handle(log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		b, err := book()
		if err != nil {
			return nil, err
		}
		var q UnlockRequest
		if err := api.ReadJSONWithin(r.Body, maxRequest, &q); err != nil {
			return nil, err
		}
		defer clear(q.Secret)
		if len(q.Secret) == 0 || len(q.Secret) > maxPIN {
			return nil, problem.New(problem.Usage, "seal.no-secret", "pin", nil)
		}
		return Unlocked{q.Name}, b.Unlock(r.Context(), q.Name, q.Secret, q.Last)
	}))
}
