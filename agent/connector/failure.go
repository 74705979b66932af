package connector

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

// maxFailure bounds the technical text of a failure that is kept, in bytes.
const maxFailure = 1000

// Failure is why something did not work, as it is kept and shown.
type Failure struct {
	Said      *i18n.Said `json:"said,omitempty"`      // what a person can read
	Technical string     `json:"technical,omitempty"` // the error, in English
}

func failure(err error) *Failure {
	f := &Failure{Technical: err.Error()}
	var p *problem.Problem
	if errors.As(err, &p) {
		f.Said = i18n.Say("problem."+p.Code, p.Args)
		f.Technical = ""
		if p.Err != nil {
			f.Technical = p.Err.Error()
		}
		if errors.As(err, new(discreet)) {
			f = f.masked()
		}
	}
	if len(f.Technical) > maxFailure {
		f.Technical = f.Technical[:maxFailure]
	}
	return f
}

// short is why something did not work, without words of the other system, which may
// name the applicant of a dossier: what outlives the dossier has this.
func (f *Failure) short() string {
	if f.Said == nil {
		return f.Technical
	}
	code, _ := f.Said.Args["code"].(string)
	return strings.TrimSpace(strings.TrimPrefix(f.Said.Key, "problem.") + " " + code)
}

// discreet is an error about a dossier: of what the other system says its code is kept
// alone, and the log gets the short form of it.
type discreet struct{ error }

// LogValue implements [slog.LogValuer].
func (d discreet) LogValue() slog.Value {
	return slog.StringValue(failure(d.error).short())
}

func (d discreet) Unwrap() error { return d.error }

// masked is a failure without the words of the other system.
func (f *Failure) masked() *Failure {
	if f.Said == nil || f.Said.Args["text"] == nil {
		return f
	}
	args := maps.Clone(f.Said.Args)
	args["text"] = "…"
	return &Failure{Said: i18n.Say(f.Said.Key, args)}
}

// Forget takes out of what waits for connectors why other systems refused a dossier,
// which earlier versions kept in their words, within the transaction that gives up its
// personal data.
func Forget(tx *sqlite.Tx, dossier storage.ID) error {
	if _, err := tx.Exec(`UPDATE deliveries SET failure = '' WHERE document = ? AND failure <> ''`, dossier); err != nil {
		return fmt.Errorf("forget failures of deliveries: %w", err)
	}
	return nil
}

// Text implements [i18n.Speaker]: what a person can read, or else the error.
func (f *Failure) Text(lang i18n.Lang) string {
	if f.Said != nil {
		return f.Said.Text(lang)
	}
	return f.Technical
}
