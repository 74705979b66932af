package incident

import (
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// MaxNote bounds a note, in characters; a longer one is refused.
const MaxNote = 2000

// Acknowledge notes that somebody has taken an incident over: there are no updates any
// more, only the note of its end. Who does it later takes it over from the one before.
// The problem incident.not-open names one that is not there or has closed.
func (e *Engine) Acknowledge(id ID, ack Ack) (*Incident, error) {
	i, err := e.find(id)
	if err != nil {
		return nil, err
	}
	i.Ack = &ack
	return i, nil
}

// Snooze has an incident not told again until a time. Problems as Acknowledge, and
// incident.snooze for a time that is over.
func (e *Engine) Snooze(id ID, now, until time.Time) (*Incident, error) {
	i, err := e.find(id)
	if err != nil {
		return nil, err
	}
	if !until.After(now) {
		return nil, problem.New(problem.Usage, "incident.snooze", "until", nil)
	}
	i.Snoozed = until
	return i, nil
}

func (e *Engine) find(id ID) (*Incident, error) {
	i := e.state.Incidents[id]
	if i == nil || !i.Open() {
		return nil, problem.New(problem.NotFound, "incident.not-open", "ID", i18n.Args{"id": int64(id)})
	}
	return i, nil
}
