package api

import (
	"context"
	"net/http"

	"tram/agent/office"
	"tram/storage"
)

// Recalls takes documents back, and answers those who take theirs back here.
type Recalls interface {
	Withdraw(ctx context.Context, id storage.ID, reason, by string) (office.Document, error)
	Recall(ctx context.Context, id storage.ID, to []string, reason, by string) (office.Document, error)
	Grant(ctx context.Context, id storage.ID, by string) (office.Document, error)
	Refuse(ctx context.Context, id storage.ID, reason, by string) (office.Document, error)
}

// RecallRequest is the body of withdraw, recall, grant and refuse.
type RecallRequest struct {
	To     []string `json:"to,omitempty"` // of a recall; none for all recipients
	Reason string   `json:"reason,omitempty"`
	By     string   `json:"by,omitempty"`
}

// recalls adds its routes.
func (s *server) recalls(mux *http.ServeMux) {
	type act func(Documents, context.Context, storage.ID, RecallRequest) (office.Document, error)
	for name, do := range map[string]act{
		"withdraw": func(d Documents, ctx context.Context, id storage.ID, r RecallRequest) (office.Document, error) {
			return d.Withdraw(ctx, id, r.Reason, r.By)
		},
		"recall": func(d Documents, ctx context.Context, id storage.ID, r RecallRequest) (office.Document, error) {
			return d.Recall(ctx, id, r.To, r.Reason, r.By)
		},
		"grant": func(d Documents, ctx context.Context, id storage.ID, r RecallRequest) (office.Document, error) {
			return d.Grant(ctx, id, r.By)
		},
		"refuse": func(d Documents, ctx context.Context, id storage.ID, r RecallRequest) (office.Document, error) {
			return d.Refuse(ctx, id, r.Reason, r.By)
		},
	} {
		mux.HandleFunc("POST /v1/documents/{id}/"+name, s.handle(func(_ http.ResponseWriter, r *http.Request) (any, error) {
			d, id, err := s.document(r)
			if err != nil {
				return nil, err
			}
			var body RecallRequest
			if err := ReadJSON(r.Body, &body); err != nil {
				return nil, err
			}
			return do(d, r.Context(), id, body)
		}))
	}
}

// Withdraw takes an outgoing document back of which no byte has left.
func (c *Client) Withdraw(ctx context.Context, id storage.ID, r RecallRequest) (office.Document, error) {
	return c.act(ctx, id, "withdraw", r)
}

// Recall asks recipients of an outgoing document to cancel it.
func (c *Client) Recall(ctx context.Context, id storage.ID, r RecallRequest) (office.Document, error) {
	return c.act(ctx, id, "recall", r)
}

// Grant agrees to what the sender of an incoming document asks.
func (c *Client) Grant(ctx context.Context, id storage.ID, r RecallRequest) (office.Document, error) {
	return c.act(ctx, id, "grant", r)
}

// Refuse refuses it with a reason.
func (c *Client) Refuse(ctx context.Context, id storage.ID, r RecallRequest) (office.Document, error) {
	return c.act(ctx, id, "refuse", r)
}

func (c *Client) act(ctx context.Context, id storage.ID, what string, r RecallRequest) (office.Document, error) {
	var d office.Document
	return d, c.Call(ctx, http.MethodPost, "/v1/documents/"+id.String()+"/"+what, r, &d)
}
