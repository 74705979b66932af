// Package alert brings a hub's notices to people: by webhook, by mail and by a command
// of the operator's own, and tells a watcher outside that the hub lives.
//
// It promises:
//
//   - Each channel goes its own way: one that hangs or fails holds up no other.
//   - A notice carries the same number each time it is tried, so that a receiver can
//     drop repeats.
//   - Secrets are read from files of their own, and stand in no log and no argument.
//
// What is sent is specified in the README of the folder agent, "Alerts".
package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"tram/agent/connector"
	"tram/agent/hub/duty"
	"tram/agent/hub/incident"
	"tram/agent/i18n"
)

// Version is that of [Message]. Fields are only ever added.
const Version = 1

// Texts are the same text in both languages.
type Texts struct {
	Vi string `json:"vi"`
	En string `json:"en"`
}

// Party is the hub that speaks.
type Party struct {
	Code string `json:"code"`
	Name string `json:"name"`
}

// Message is a notice as it goes out.
type Message struct {
	Version int    `json:"version"`
	ID      string `json:"id"` // the same each time it is tried
	Hub     Party  `json:"hub"`
	incident.Notice
	Subject Texts `json:"subject"`
	Text    Texts `json:"text"`
}

// Channel is a way to people.
type Channel interface {
	// Name is that under which its deliveries are on record.
	Name() string
	// Send brings a message to its receiver. It may be called again for one that was
	// sent, after a crash, and ends soon after ctx. Errors are those of
	// connector.Connector's Deliver: connector.Permanent gives up, connector.After asks
	// for rest.
	Send(ctx context.Context, m Message) error
}

// Outbox is where notices wait; *duty.Room implements it.
type Outbox interface {
	Due(ctx context.Context, channel string, now time.Time) (list []duty.Outgoing, next time.Time, err error)
	Delivered(ctx context.Context, o duty.Outgoing, now time.Time, failure error, later time.Duration, permanent bool) error
	Ready(channel string) <-chan struct{}
}

const (
	// lookEvery is how often the outbox is looked at when nothing is said to be due: a
	// failed look is mended by it.
	lookEvery = time.Minute
	// restAfter is how long a channel rests after a failure.
	restAfter = 30 * time.Second
	// sendIn bounds one try, whatever the channel's own bounds are.
	sendIn = 2 * time.Minute
)

// Writer makes messages of notices.
type Writer struct {
	Hub   Party
	Store string // names the hub's store, so that numbers of two stores differ
	Names incident.Names
}

// Write makes the message of a notice with a number.
func (w Writer) Write(number int64, n incident.Notice) Message {
	both := func(say func(lang i18n.Lang, names incident.Names) string) Texts {
		return Texts{say(i18n.Vietnamese, w.Names), say(i18n.English, w.Names)}
	}
	return Message{
		Version: Version, ID: fmt.Sprintf("alert-%s-%d", w.Store, number), Hub: w.Hub, Notice: n,
		Subject: both(n.Subject), Text: both(n.Text),
	}
}

// Run sends what waits for one channel until ctx ends. After a failure it lets the
// channel rest, as long as its receiver asks for it.
func Run(ctx context.Context, box Outbox, c Channel, w Writer, log *slog.Logger) error {
	for {
		wait, ready := lookEvery, box.Ready(c.Name())
		list, next, err := box.Due(ctx, c.Name(), time.Now())
		if err != nil && ctx.Err() == nil {
			log.Error("alerts not read", "channel", c.Name(), "error", err)
		}
		switch {
		case len(list) > 0:
			rest, asked := round(ctx, box, c, w, list, log)
			if wait = rest; asked {
				ready = nil // not for what is new either
			}
		case !next.IsZero():
			wait = min(wait, max(time.Until(next), time.Second))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ready:
		case <-time.After(wait):
		}
	}
}

// round sends messages until one is not taken. It returns how long the channel is to
// rest, and whether its receiver asks for that.
func round(ctx context.Context, box Outbox, c Channel, w Writer, list []duty.Outgoing, log *slog.Logger) (rest time.Duration, asked bool) {
	for _, o := range list {
		failure := send(ctx, box, c, w, o, log)
		switch t := connector.NotBefore(failure); {
		case ctx.Err() != nil:
			return 0, false
		case !t.IsZero():
			return min(max(time.Until(t), restAfter), connector.MaxRest), true
		case failure != nil && !connector.IsPermanent(failure):
			return restAfter, false
		}
	}
	return 0, false // there may be more
}

// send tries one message and records how it went.
func send(ctx context.Context, box Outbox, c Channel, w Writer, o duty.Outgoing, log *slog.Logger) error {
	trying, cancel := context.WithTimeout(ctx, sendIn)
	failure := c.Send(trying, w.Write(o.Number, o.Notice))
	cancel()
	if ctx.Err() != nil {
		return ctx.Err() // it is tried again after the start
	}
	now := time.Now()
	var later time.Duration
	if t := connector.NotBefore(failure); !t.IsZero() {
		later = t.Sub(now)
	}
	if failure != nil {
		log.Warn("alert not sent", "channel", c.Name(), "notice", o.Number, "tries", o.Tries+1, "error", failure)
	}
	if err := box.Delivered(ctx, o, now, failure, later, connector.IsPermanent(failure)); err != nil && ctx.Err() == nil {
		log.Error("delivery of alert not recorded", "channel", c.Name(), "notice", o.Number, "error", err)
		return err // it is still due, and must not be sent without pause
	}
	return failure
}

func encode(m Message) ([]byte, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return nil, connector.Permanent(fmt.Errorf("encode alert: %w", err))
	}
	return body, nil
}
