package connector

import (
	"errors"

	"tram/agent/i18n"
	"tram/agent/problem"
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
	}
	if len(f.Technical) > maxFailure {
		f.Technical = f.Technical[:maxFailure]
	}
	return f
}

// Text implements [i18n.Speaker]: what a person can read, or else the error.
func (f *Failure) Text(lang i18n.Lang) string {
	if f.Said != nil {
		return f.Said.Text(lang)
	}
	return f.Technical
}
