package office

import (
	"errors"
	"log/slog"
	"time"

	"tram/storage"
	"tram/storage/queue"
)

const (
	// prematurePatience is how long a message may wait for the one that it follows on until
	// somebody is told.
	prematurePatience = time.Hour
	// maxPremature is of how many messages it is remembered that somebody was told. Beyond it
	// all are forgotten, and told of once more.
	maxPremature = 1000
)

// premature are the messages that have waited long for what they follow on, and of which
// somebody was told. It belongs to who handles the inbox.
type premature map[storage.ID]bool

// note tells of a message that waits: in the log's details, and once in a warning when
// it has waited long.
func (p premature) note(a queue.Arrived, err error, now time.Time, log *slog.Logger) {
	switch waited := now.Sub(a.At); {
	case !errors.Is(err, ErrPremature):
		delete(p, a.ID)
	case waited < prematurePatience || p[a.ID]:
		log.Debug("message waits for the one before it", "id", a.ID, "from", a.From, "waited", waited)
	default:
		if len(p) >= maxPremature {
			clear(p)
		}
		p[a.ID] = true
		log.Warn("message waits long for the one before it", "id", a.ID, "from", a.From, "waited", waited)
	}
}
