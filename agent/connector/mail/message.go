package mail

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"tram/agent/connector"
	"tram/agent/office"
)

// Sender sends mails that are about no document, over the same servers under the same
// conditions.
type Sender struct{ m *mailer }

// Message is such a mail.
type Message struct {
	Key     string // names it, in hexadecimal; the same each time it is tried
	Subject string
	Text    string
	Urgency office.Urgency
}

// NewSender makes a Sender of that name. Who has a mail is kept in dir, which exists. Faults of the
// settings are a problem.List, as those of a connector; Page, MaxSize and Wait do not
// matter. A nil logger means no log.
func NewSender(s Settings, password []byte, name, dir string, log *slog.Logger) (*Sender, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c, err := open(connector.Env{Office: office.Party{Name: name}, Settings: raw, Secret: password, Dir: dir, Logger: log, Now: time.Now})
	if err != nil {
		return nil, err
	}
	return &Sender{c.(*mailer)}, nil
}

// Send sends a mail to those who do not have it. Errors are as connector.Connector's
// Deliver gives them.
func (s *Sender) Send(ctx context.Context, m Message) error {
	return s.m.send(ctx, letter{key: m.Key, subject: m.Subject, urgency: m.Urgency, words: func(bool) string { return m.Text }})
}
