// Package problem is the one error type that reaches people: it names what is
// wrong, the field it concerns and the next step, in words of the catalogue.
//
// Code below the user interfaces returns a *Problem when a person must know or
// act, and wraps the technical cause for the log. Pages, command line and API
// render the same Problem, so a message is written once.
package problem

import (
	"errors"

	"tram/agent/i18n"
)

// Class groups codes by what the caller should do; it decides HTTP status and
// exit code.
type Class int

const (
	Failed      Class = iota // unexpected; see the log
	Usage                    // the input is wrong; nothing was changed
	NotFound                 // no such document, office or file
	Conflict                 // not possible in the present state
	Denied                   // not allowed for this person or office
	Full                     // no room on the disk or in a quota
	NotEnrolled              // the box has no identity yet
	NotRunning               // the service does not answer
	LinkDown                 // needs a link that is not there
	BadInvite                // invite wrong, expired, used or for another office
	BadSeal                  // a signature or package does not verify
	BadClock                 // the clock of this machine is not believable
	Busy                     // locked by another process
)

// Problem is an error that a person can read and act on. Its texts are the
// messages "problem.<Code>" (what and why) and "problem.<Code>.next" (what to
// do) of the catalogue.
type Problem struct {
	Code  string // for example "send.unknown-recipient"
	Class Class
	Field string    // name of the input field, "" when none
	Args  i18n.Args // placeholders of the messages
	Err   error     // technical cause, for the log only
}

// New makes a Problem.
func New(class Class, code, field string, args i18n.Args) *Problem {
	return &Problem{Code: code, Class: class, Field: field, Args: args}
}

// Because returns a copy of p with the technical cause err.
func (p *Problem) Because(err error) *Problem {
	q := *p
	q.Err = err
	return &q
}

// Error renders the Problem in English with its cause, for logs.
func (p *Problem) Error() string {
	text := p.Code
	if p.Field != "" {
		text = p.Field + ": " + text
	}
	if i18n.Has("problem." + p.Code) {
		text += ": " + i18n.T(i18n.English, "problem."+p.Code, p.Args)
	}
	if p.Err != nil {
		text += ": " + p.Err.Error()
	}
	return text
}

// Unwrap returns the technical cause.
func (p *Problem) Unwrap() error { return p.Err }

// Is reports whether target is a Problem with the same Code.
func (p *Problem) Is(target error) bool {
	var other *Problem
	return errors.As(target, &other) && other.Code == p.Code
}

// Message returns what is wrong, in lang.
func (p *Problem) Message(lang i18n.Lang) string {
	return i18n.T(lang, "problem."+p.Code, p.Args)
}

// Next returns the next step in lang, or "" when there is none to give.
func (p *Problem) Next(lang i18n.Lang) string {
	key := "problem." + p.Code + ".next"
	if !i18n.Has(key) {
		return ""
	}
	return i18n.T(lang, key, p.Args)
}

// From returns the Problem inside err, or one of code "internal" around it.
func From(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	return New(Failed, "internal", "", nil).Because(err)
}

// List is several problems found at once, for a form that shows all of them.
type List []*Problem

// Error joins the problems for a log.
func (l List) Error() string {
	var errs []error
	for _, p := range l {
		errs = append(errs, p)
	}
	return errors.Join(errs...).Error()
}

// Unwrap returns the problems.
func (l List) Unwrap() []error {
	var errs []error
	for _, p := range l {
		errs = append(errs, p)
	}
	return errs
}

// Note adds the problems inside err to those found so far; nil adds none.
func (l *List) Note(err error) {
	if err != nil {
		*l = append(*l, All(err)...)
	}
}

// Err returns l as an error, nil when it is empty.
func (l List) Err() error {
	if len(l) == 0 {
		return nil
	}
	return l
}

// All returns every problem inside err, at least one: an error that carries
// none becomes an "internal" problem around it.
func All(err error) List {
	var list List
	if errors.As(err, &list) && len(list) > 0 {
		return list
	}
	return List{From(err)}
}
