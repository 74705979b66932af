package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
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

// Pinger tells a watcher that this program lives, by asking for an address: when it no
// longer does, the watcher speaks up.
type Pinger struct{ line }

// NewPinger makes a Pinger. Faults of the settings are a problem.List; of these only
// URL, CA, Timeout and LinkLocal matter.
func NewPinger(s Settings) (*Pinger, error) {
	l, err := newLine(s)
	if err != nil {
		return nil, err
	}
	return &Pinger{l}, nil
}

// Ping asks for the address. nil: the watcher answered 2xx.
func (p *Pinger) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url.String(), nil)
	if err != nil {
		return fmt.Errorf("make request: %w", bare(err))
	}
	req.Header.Set("User-Agent", "tram")
	return p.exchange(req, time.Now())
}
