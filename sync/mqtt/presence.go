package mqtt

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// presenceVersion is the version of the presence record.
const presenceVersion = 1

// MaxPresence bounds a presence record, in bytes.
const MaxPresence = 1 << 10

// maxSoftware bounds the name of the software in a presence record, in bytes.
const maxSoftware = 100

var errPresence = errors.New("not a presence record")

// record is the retained JSON of a presence topic.
type record struct {
	Version  int       `json:"v"`
	State    string    `json:"state"` // "online" or "offline"
	Office   string    `json:"office"`
	Session  uuid.UUID `json:"session"` // new for every connection
	Software string    `json:"software,omitempty"`
	At       time.Time `json:"at"` // the office's clock
}

func (r record) online() bool { return r.State == "online" }

func (r record) encode() []byte {
	data, err := json.Marshal(r)
	if err != nil {
		panic("mqtt: presence record does not encode: " + err.Error()) // only a year beyond 9999 could
	}
	return data
}

// announcement gives the two records of a connection that starts now.
func announcement(office, software string, now time.Time) (online, offline record) {
	if len(software) > maxSoftware {
		software = software[:maxSoftware]
	}
	online = record{
		Version: presenceVersion, State: "online", Office: office, Session: uuid.New(),
		Software: software, At: now.UTC().Truncate(time.Second),
	}
	offline = online
	offline.State = "offline"
	return online, offline
}

// parsePresence reads a presence record found at a level. The record must name
// the office of that level.
func parsePresence(data []byte, level string) (record, error) {
	var r record
	if len(data) > MaxPresence {
		return r, fmt.Errorf("%w: %d bytes", errPresence, len(data))
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("%w: %w", errPresence, err)
	}
	if r.Version != presenceVersion {
		return r, fmt.Errorf("%w: version %d", errPresence, r.Version)
	}
	if r.State != "online" && r.State != "offline" {
		return r, fmt.Errorf("%w: state %q", errPresence, r.State)
	}
	if got, err := Level(r.Office); err != nil || got != level {
		return r, fmt.Errorf("%w: office %q at level %q", errPresence, r.Office, level)
	}
	if r.Session == uuid.Nil {
		return r, fmt.Errorf("%w: no session", errPresence)
	}
	if len(r.Software) > maxSoftware {
		r.Software = r.Software[:maxSoftware]
	}
	return r, nil
}
