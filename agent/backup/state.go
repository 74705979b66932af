package backup

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/fsx"
	"tram/storage/keystore"
)

const (
	// StateFile of a data folder tells how its last backups went.
	StateFile = "backup.json"
	// maxState bounds it, in bytes.
	maxState = 64 << 10
	// maxPlaces is how many places it remembers.
	maxPlaces = 16
)

// State is how the last backups of an office went. Times are by its clock.
type State struct {
	// Last is the last one that was read back and held; Ended is when.
	Last  *Made     `json:"last,omitempty"`
	Ended time.Time `json:"ended,omitzero"`
	// Failed is when an attempt after it failed; the problem follows.
	Failed time.Time `json:"failed,omitzero"`
	Code   string    `json:"why,omitempty"`
	Args   i18n.Args `json:"args,omitempty"`
	// Places are when the last one was made in each.
	Places map[string]time.Time `json:"places,omitempty"`
}

// ReadState reads it; the zero State when there is none, or none that can be read.
func ReadState(dir string) (s State) {
	path := filepath.Join(dir, StateFile)
	info, err := os.Stat(path)
	if err != nil || info.Size() > maxState {
		return State{}
	}
	data, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(data, &s) != nil {
		return State{}
	}
	return s
}

// Note writes down how a backup went.
func Note(dir string, m Made, failed error, now time.Time) error {
	s := ReadState(dir)
	now = now.UTC().Truncate(time.Second)
	if failed != nil {
		p := problem.From(failed)
		s.Failed, s.Code, s.Args = now, p.Code, p.Args
	} else {
		s = State{Last: &m, Ended: now, Places: s.Places}
		if s.Places == nil || len(s.Places) >= maxPlaces {
			s.Places = map[string]time.Time{}
		}
		s.Places[m.Place] = now
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return fsx.WriteFile(filepath.Join(dir, StateFile), append(data, '\n'), keystore.FileMode)
}
