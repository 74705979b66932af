package connector

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strconv"

	"tram/agent/api"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
)

// AsidePath is where messages from outside of Trạm that were refused are looked
// at over the local socket.
const AsidePath = "/v1/messages-aside"

// Quarantine holds such messages; *office.Office implements it.
type Quarantine interface {
	SetAside(ctx context.Context) ([]office.Aside, error)
	OpenAside(ctx context.Context, id int64) (io.ReadCloser, error)
	TakeAgain(ctx context.Context, id int64, by string) (office.Taken, error)
	Discard(ctx context.Context, id int64, by string) error
}

// Settled is what came of a message that was taken again or discarded.
type Settled struct {
	ID       int64      `json:"id"`
	Document string     `json:"document,omitempty"` // the one that it is, or is about
	Why      *i18n.Said `json:"why,omitempty"`      // it was refused again
}

// AsideRoutes adds the calls about such messages to a local socket. open gives
// the quarantine of the running office, or the problem why there is none.
func AsideRoutes(mux *http.ServeMux, log *slog.Logger, open func() (Quarantine, error)) {
	on := func(pattern string, do func(q Quarantine, w http.ResponseWriter, r *http.Request, id int64) (any, error)) {
		mux.HandleFunc(pattern, api.Handle(log, func(w http.ResponseWriter, r *http.Request) (any, error) {
			q, err := open()
			if err != nil {
				return nil, err
			}
			text := r.PathValue("id")
			id, err := strconv.ParseInt(text, 10, 64)
			if err != nil && text != "" {
				return nil, problem.New(problem.Usage, "api.bad-number", "id", i18n.Args{"value": text})
			}
			return do(q, w, r, id)
		}))
	}
	on("GET "+AsidePath, func(q Quarantine, _ http.ResponseWriter, r *http.Request, _ int64) (any, error) {
		return q.SetAside(r.Context())
	})
	on("GET "+AsidePath+"/{id}", func(q Quarantine, w http.ResponseWriter, r *http.Request, id int64) (any, error) {
		body, err := q.OpenAside(r.Context(), id)
		if err != nil {
			return nil, err
		}
		defer body.Close()
		w.Header().Set("Content-Type", "application/octet-stream")
		if _, err := io.Copy(w, body); err != nil {
			panic(http.ErrAbortHandler) // the reader sees that it is cut
		}
		return nil, nil
	})
	on("POST "+AsidePath+"/{id}/take", func(q Quarantine, _ http.ResponseWriter, r *http.Request, id int64) (any, error) {
		t, err := q.TakeAgain(r.Context(), id, commandLine)
		if err != nil {
			return nil, err
		}
		s := Settled{ID: id, Why: t.Aside}
		if t.Aside == nil {
			s.Document = t.Document.String()
		}
		return s, nil
	})
	on("DELETE "+AsidePath+"/{id}", func(q Quarantine, _ http.ResponseWriter, r *http.Request, id int64) (any, error) {
		return Settled{ID: id}, q.Discard(r.Context(), id, commandLine)
	})
}

func asideAt(id int64) string { return AsidePath + "/" + strconv.FormatInt(id, 10) }

// SetAside lists messages from outside of Trạm that were refused.
func (c Client) SetAside(ctx context.Context) (list []office.Aside, err error) {
	return list, c.Call(ctx, http.MethodGet, AsidePath, nil, &list)
}

// OpenAside opens one as it came. The caller closes it.
func (c Client) OpenAside(ctx context.Context, id int64) (io.ReadCloser, error) {
	resp, err := c.Do(ctx, http.MethodGet, asideAt(id), nil, "")
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// TakeAgain takes one in as if it came now.
func (c Client) TakeAgain(ctx context.Context, id int64) (s Settled, err error) {
	return s, c.Call(ctx, http.MethodPost, asideAt(id)+"/take", nil, &s)
}

// Discard gives one up for good.
func (c Client) Discard(ctx context.Context, id int64) (s Settled, err error) {
	return s, c.Call(ctx, http.MethodDelete, asideAt(id), nil, &s)
}
