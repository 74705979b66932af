package api

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"tram/agent/problem"
)

// Func answers a call with a value or an error. One that wrote the answer
// itself returns nil, nil.
type Func func(http.ResponseWriter, *http.Request) (any, error)

// Handle turns a Func into a handler that answers in JSON: the value, or the
// problems of the error with the fitting HTTP status.
func Handle(log *slog.Logger, f Func) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		value, err := f(w, r)
		if err != nil {
			fail(log, w, r, err)
			return
		}
		if value != nil {
			writeJSON(w, http.StatusOK, value)
		}
	}
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(value) // the peer is gone when this fails
}

var statusOf = map[problem.Class]int{
	problem.Usage: http.StatusUnprocessableEntity, problem.NotFound: http.StatusNotFound,
	problem.Conflict: http.StatusConflict, problem.Denied: http.StatusForbidden,
	problem.Full: http.StatusInsufficientStorage, problem.NotEnrolled: http.StatusServiceUnavailable,
	problem.LinkDown: http.StatusServiceUnavailable, problem.BadInvite: http.StatusUnprocessableEntity,
	problem.BadSeal: http.StatusUnprocessableEntity, problem.BadClock: http.StatusUnprocessableEntity,
	problem.Busy: http.StatusConflict,
}

func fail(log *slog.Logger, w http.ResponseWriter, r *http.Request, err error) {
	body, class := encodeProblems(err)
	status, ok := statusOf[class]
	if !ok {
		status = http.StatusInternalServerError
		log.Error("api call failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	writeJSON(w, status, body)
}

// ReadJSON reads a bounded JSON body.
func ReadJSON(r io.Reader, into any) error { return ReadJSONWithin(r, maxJSON, into) }

// ReadJSONWithin reads a JSON body of at most limit bytes.
func ReadJSONWithin(r io.Reader, limit int64, into any) error {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	if int64(len(data)) > limit {
		return problem.New(problem.Usage, "api.too-large", "", nil)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return problem.New(problem.Usage, "api.bad-json", "", nil).Because(err)
	}
	return nil
}
