package webhook

import (
	"context"
	"encoding/json"
	"time"

	"tram/agent/connector"
)

// Poster sends messages that are no entries of a feed, in the same form under the same
// conditions.
type Poster struct{ h *hook }

// Message is the body of such a message.
type Message struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"` // when it happened
	Data      any       `json:"data"`
}

// NewPoster makes a Poster. Faults of the settings are a problem.List, as those of a
// connector; Events and GiveUp do not matter.
func NewPoster(s Settings, secret []byte) (*Poster, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	c, err := open(connector.Env{Settings: raw, Secret: secret, Now: time.Now})
	if err != nil {
		return nil, err
	}
	return &Poster{c.(*hook)}, nil
}

// Post sends a message under an id, the same each time it is tried. Errors are as
// connector.Connector's Deliver gives them.
func (p *Poster) Post(ctx context.Context, id string, m Message) error { return p.h.post(ctx, id, m) }

// Close lets go of connections.
func (p *Poster) Close() error { return p.h.Close() }
