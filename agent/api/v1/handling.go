package v1

import (
	"context"
	"fmt"
	"time"

	"tram/agent/handling"
	"tram/agent/office"
	"tram/storage"
)

// Works tells how documents are handled; *handling.Store does.
type Works interface {
	Of(ctx context.Context, id storage.ID) (w handling.Work, ok bool, err error)
}

// Handling is how an incoming document is handled after it was accepted, without
// what people wrote to each other.
type Handling struct {
	State        handling.State `json:"state"`
	Lead         []string       `json:"lead"`    // names
	Support      []string       `json:"support"` // names
	Deadline     string         `json:"deadline,omitempty"`
	HandedOverAt *time.Time     `json:"handed_over_at,omitempty"`
	FinishedAt   *time.Time     `json:"finished_at,omitempty"`
	Reply        string         `json:"reply,omitempty"`    // số, ký hiệu
	ReplyID      string         `json:"reply_id,omitempty"` // of the document that answers
}

// shown is a document with how it is handled.
func (c *call) shown(d office.Document) (Document, error) {
	out := documentOf(d)
	if c.s.o.Works == nil || d.Box != office.In {
		return out, nil
	}
	w, ok, err := c.s.o.Works.Of(c.ctx(), d.ID)
	if err != nil {
		return Document{}, fmt.Errorf("read handling: %w", err)
	}
	if !ok {
		return out, nil
	}
	out.Handling = &Handling{State: w.State, Lead: []string{}, Support: []string{}, Deadline: w.Due, HandedOverAt: moment(w.HandedOver),
		FinishedAt: moment(w.Finished), Reply: w.Reply.Code}
	if w.Reply.ID != (storage.ID{}) {
		out.Handling.ReplyID = w.Reply.ID.String()
	}
	for _, p := range w.Parts {
		switch {
		case p.State == handling.PartPassed, p.State == handling.PartWithdrawn:
		case p.Role == handling.Lead:
			out.Handling.Lead = append(out.Handling.Lead, p.Assignee.Name)
		case p.Role == handling.Support:
			out.Handling.Support = append(out.Handling.Support, p.Assignee.Name)
		}
	}
	return out, nil
}

// encoded is a document as the interface answers with it.
func (c *call) encoded(d office.Document) ([]byte, error) {
	out, err := c.shown(d)
	if err != nil {
		return nil, err
	}
	return encode(out)
}
