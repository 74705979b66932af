package connector

import (
	"errors"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// maxFailure bounds the text of a failure that is kept, in bytes.
const maxFailure = 1000

// Failure is why something did not work, as it is kept and shown.
type Failure struct {
	Code string    `json:"code,omitempty"` // of a problem, "" for a technical text
	Args i18n.Args `json:"args,omitempty"`
	Text string    `json:"text"` // in Vietnamese, or technical
}

// failure is what a person reads of an error.
func failure(err error) *Failure {
	if err == nil {
		return nil
	}
	var p *problem.Problem
	if errors.As(err, &p) {
		return &Failure{Code: p.Code, Args: p.Args, Text: p.Message(i18n.Vietnamese)}
	}
	text := err.Error()
	if len(text) > maxFailure {
		text = text[:maxFailure]
	}
	return &Failure{Text: text}
}

// Message says it in lang; a technical text has no language.
func (f *Failure) Message(lang i18n.Lang) string {
	if f == nil {
		return ""
	}
	if f.Code != "" && i18n.Has("problem."+f.Code) {
		return i18n.T(lang, "problem."+f.Code, f.Args)
	}
	return f.Text
}
